"""Sessions of the admin page: how long they last, and what ends them."""

import random

import pytest

from alcove.server.auth import make_server_keys
from alcove.server.page_sessions import (
    HOUR_MS,
    IDLE_MS,
    LONGEST_MS,
    SESSIONS_MAX,
    PageSessions,
)

NOW = 1_800_000_000_000


@pytest.fixture
def sessions() -> PageSessions:
    return PageSessions(make_server_keys(bytes(32)), random.Random(1).randbytes)


def is_there(sessions: PageSessions, token: str, now: int, *, touches: bool = False) -> bool:
    return sessions.left_ms(token, now, touches=touches) is not None


def test_a_session_is_known_by_its_token_alone(sessions: PageSessions) -> None:
    token = sessions.begin(NOW)
    assert sessions.left_ms(token, NOW + 1, touches=False) == LONGEST_MS - 1
    for other in ("", token[:-1], token.upper(), "\ud800"):
        assert not is_there(sessions, other, NOW + 1)


def test_a_session_that_nobody_touches_ends_after_an_hour(sessions: PageSessions) -> None:
    token = sessions.begin(NOW)
    assert is_there(sessions, token, NOW + IDLE_MS - 1)
    assert not is_there(sessions, token, NOW + IDLE_MS)
    assert not is_there(sessions, token, NOW + IDLE_MS, touches=True)


def test_a_session_that_is_touched_ends_after_eight_hours(sessions: PageSessions) -> None:
    token = sessions.begin(NOW)
    for minutes in range(59, 8 * 60, 59):
        assert is_there(sessions, token, NOW + minutes * 60_000, touches=True)
    assert sessions.left_ms(token, NOW + LONGEST_MS - 1, touches=True) == 1
    assert not is_there(sessions, token, NOW + LONGEST_MS, touches=True)


def test_a_session_ends_when_its_browser_says_so_and_others_go_on(sessions: PageSessions) -> None:
    mine, other = sessions.begin(NOW), sessions.begin(NOW)
    sessions.end(mine)
    sessions.end("nobody's")
    assert not is_there(sessions, mine, NOW)
    assert is_there(sessions, other, NOW)


def test_a_clock_that_was_set_back_gives_a_session_no_more_time(sessions: PageSessions) -> None:
    token = sessions.begin(NOW)
    assert is_there(sessions, token, NOW + IDLE_MS - 1)
    assert is_there(sessions, token, NOW - 10 * HOUR_MS)
    assert not is_there(sessions, token, NOW - 10 * HOUR_MS + 1)


def test_when_there_are_too_many_the_one_longest_untouched_goes(sessions: PageSessions) -> None:
    tokens = [sessions.begin(NOW + number) for number in range(SESSIONS_MAX)]
    assert is_there(sessions, tokens[0], NOW + 100, touches=True)
    tokens.append(sessions.begin(NOW + 101))
    there = [is_there(sessions, token, NOW + 102) for token in tokens]
    assert there == [number != 1 for number in range(SESSIONS_MAX + 1)]


def test_no_token_is_kept_in_memory_only_its_hash(sessions: PageSessions) -> None:
    token = sessions.begin(NOW)
    assert token not in repr(vars(sessions))
    assert token.encode() not in b"".join(sessions._sessions)
