"""One connection: what it answers itself, what it passes on, and how a slow reader is treated."""

from typing import Any

import msgspec
import pytest

from alcove.server.auth import make_server_keys
from alcove.server.door import Door
from alcove.server.effects import Arrived
from alcove.server.session import (
    FRAME_BYTES,
    PINGS_MAX,
    PINGS_MS,
    PUSH_BYTES_MAX,
    REFUSALS_MAX,
    Session,
    frame_of,
)
from alcove.server.settings import Rate, Settings
from alcove.wire.accounts import GetSalt
from alcove.wire.base import Done
from alcove.wire.codec import decode_answers, encode, encode_frame
from alcove.wire.directory import PutAlias
from alcove.wire.entries import Append, NewEntry, Passed, Read
from alcove.wire.errors import Code
from alcove.wire.greeting import Greeting, Hello, Missed, NewToken, SignIn
from alcove.wire.ids import Position
from alcove.wire.rooms import PutCommons

NOW = 1_800_000_000_000
ROOM = bytes(16)


def make_door(**settings: Any) -> Door:
    changed = msgspec.structs.replace(Settings(), **settings)
    return Door(changed, make_server_keys(bytes(32)), 7, "alcove test")


def make_session(door: Door | None = None) -> Session:
    return Session(door or make_door(), "192.0.2.1", bytes(range(32)), NOW)


def greeted(door: Door | None = None) -> Session:
    session = make_session(door)
    session.receive(encode_frame([Hello(oldest=1, newest=1)]), NOW)
    session.requests()
    return session


def signed_in(door: Door | None = None, *, is_host: bool = False) -> Session:
    session = greeted(door)
    session.sign_in(Arrived(b"a" * 16, b"d" * 16, "ada", is_host, True, (ROOM,)))
    return session


def said(session: Session) -> list[Any]:
    frame = session.requests()
    return decode_answers(frame) if frame else []


def codes(session: Session) -> list[str]:
    return [getattr(one, "code", type(one).__name__) for one in said(session)]


def test_a_hello_is_greeted_with_what_a_client_must_know() -> None:
    session = make_session()
    session.receive(encode_frame([Hello(id=3, oldest=1, newest=4)]), NOW)
    (greeting,) = said(session)
    assert isinstance(greeting, Greeting)
    assert (greeting.id, greeting.version, greeting.incarnation) == (3, 1, 7)
    assert greeting.challenge == bytes(range(32))


@pytest.mark.parametrize("newest", [1, 2, 3, 4])
def test_what_a_connection_asks_is_asked_in_the_version_of_its_greeting(
    newest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcove.server.door.VERSION", 3)
    session = make_session()
    session.receive(encode_frame([Hello(oldest=1, newest=newest), GetSalt(name="ada")]), NOW)
    (greeting,) = said(session)
    session.sign_in(Arrived(b"a" * 16, b"d" * 16, "ada", False, True, (ROOM,)))
    session.receive(encode_frame([NewToken()]), NOW)
    versions = [job.caller.version for job in session.events()]
    assert [greeting.version, *versions] == [min(newest, 3)] * 3


@pytest.mark.parametrize(("oldest", "newest"), [(2, 9), (0, 0), (3, 1)])
def test_another_version_is_refused_and_both_are_named(oldest: int, newest: int) -> None:
    session = make_session()
    session.receive(encode_frame([Hello(oldest=oldest, newest=newest)]), NOW)
    refusal, goodbye = said(session)
    assert (refusal.code, refusal.ours) == ("version", (1, 1))
    assert "1 to 1" in refusal.why
    assert f"{oldest} to {newest}" in refusal.why
    assert goodbye.code == session.goodbye == "version"


def test_nothing_is_done_before_hello() -> None:
    session = make_session()
    session.receive(encode_frame([GetSalt(name="ada")]), NOW)
    assert codes(session) == ["hello_first"]
    session.receive(encode_frame([Hello(oldest=1, newest=1)]), NOW)
    assert (session.events(), session.goodbye) == ([], "hello_first")


def test_a_second_hello_is_malformed() -> None:
    session = greeted()
    session.receive(encode_frame([Hello(oldest=1, newest=1)]), NOW)
    assert codes(session) == ["malformed"]


def test_requests_wait_for_signing_in() -> None:
    session = greeted()
    session.receive(encode_frame([Read(room=ROOM, since=Position(7, 0)), GetSalt(name="ada")]), NOW)
    assert codes(session) == ["sign_in_first"]
    assert [type(job.request) for job in session.events()] == [GetSalt]


def test_a_sign_in_signs_this_connections_challenge_and_only_once() -> None:
    session = greeted()
    request = SignIn(device=bytes(16), signature=bytes(64), nonce=bytes(32), challenge=b"x" * 32)
    session.receive(encode_frame([request, request]), NOW)
    (job,) = session.events()
    assert job.request.challenge == bytes(range(32))  # type: ignore[attr-defined]
    assert codes(session) == ["malformed"]


def test_a_signed_in_device_asks_in_its_own_name() -> None:
    session = signed_in()
    session.receive(
        encode_frame([NewToken(), PutCommons(room=ROOM, key=bytes(32), link=bytes(32))]), NOW
    )
    (job,) = session.events()
    assert (job.caller.account, job.caller.device) == (b"a" * 16, b"d" * 16)
    assert codes(session) == ["host_only"]
    assert session.deadline() is None


def test_an_answer_ends_what_was_under_way() -> None:
    door = make_door(in_flight_max=2)
    session = signed_in(door)
    append = Append(id=1, room=ROOM, entries=(NewEntry(b"", b""),))
    session.receive(encode_frame([append, append, append]), NOW)
    assert codes(session) == ["busy"]
    assert len(session.events()) == 2
    session.answer(encode(Done(id=1)), reads=False)
    session.receive(encode_frame([append]), NOW)
    assert codes(session) == ["Done"]
    assert len(session.events()) == 1


def test_only_so_many_reads_are_under_way() -> None:
    session = signed_in()
    read = Read(room=ROOM, since=Position(7, 0))
    session.receive(encode_frame([read] * (Settings().reads_max + 1)), NOW)
    assert codes(session) == ["busy"]
    for _ in session.events():
        session.answer(encode(Done()), reads=True)
    session.receive(encode_frame([read]), NOW)
    assert len(session.events()) == 1


def test_what_comes_too_often_is_refused_with_the_time_to_wait() -> None:
    session = signed_in(make_door(rate_write=Rate(1, 1, 1)))
    alias = PutAlias(room=ROOM, alias=None)
    session.receive(encode_frame([alias, alias]), NOW)
    (refusal,) = said(session)
    assert (refusal.code, refusal.retry_after_ms) == ("too_many", 1000)


def test_garbage_is_refused_and_after_a_while_the_connection_ends() -> None:
    session = greeted()
    for _ in range(Settings().bad_frames_max):
        assert session.goodbye is None
        session.receive(b"\xc1", NOW)
    assert session.goodbye == "malformed"


def test_a_frame_that_is_too_large_ends_the_connection() -> None:
    session = greeted()
    session.receive(bytes(9 * 1024 * 1024), NOW)
    assert codes(session) == ["too_large", "too_large"]


def test_who_says_nothing_is_sent_away() -> None:
    silent, greeted_only = make_session(), greeted()
    late = NOW + Settings().hello_timeout_s * 1000
    for session in (silent, greeted_only):
        session.tick(late - 1)
        assert session.goodbye is None
        session.tick(late)
    assert (silent.goodbye, greeted_only.goodbye) == ("hello_first", "sign_in_first")
    done = signed_in()
    done.tick(late)
    assert done.goodbye is None


def test_the_first_reason_to_end_is_the_one_that_is_told() -> None:
    session = make_session()
    session.tick(NOW * 2)
    session.tick(NOW * 2)
    assert codes(session) == ["hello_first"]


def test_entries_follow_without_a_gap_or_there_is_a_nudge() -> None:
    session = signed_in()
    session.grow(ROOM, 1, 1, encode(Done(id=1)))
    assert codes(session) == ["Nudge"]
    session.follow(ROOM, 1)
    session.grow(ROOM, 2, 4, encode(Done(id=2)))
    session.grow(ROOM, 6, 6, encode(Done(id=6)))
    done, nudge = said(session)
    assert (done.id, nudge.head) == (2, 6)


def test_what_came_while_a_page_was_read_is_nudged() -> None:
    session = signed_in()
    session.grow(ROOM, 5, 5, encode(Done()))
    said(session)
    session.follow(ROOM, 4)
    (nudge,) = said(session)
    assert nudge.head == 5


def test_a_slow_reader_gets_one_nudge_when_it_has_caught_up() -> None:
    session = signed_in(make_door(outgoing_bytes_max=100_000))
    session.follow(ROOM, 0)
    session.backlog_bytes = 100_001
    for seq in range(1, 1000):
        session.grow(ROOM, seq, seq, encode(Done()))
        session.push(encode(Done()))
    assert said(session) == []
    session.backlog_bytes = 0
    missed, nudge = said(session)
    assert (missed, nudge.room, nudge.head) == (Missed(), ROOM, 999)


def test_who_missed_a_push_is_told_so_once_when_it_has_caught_up() -> None:
    session = signed_in(make_door(outgoing_bytes_max=100))
    session.push(encode(Done(id=1)))
    assert said(session) == [Done(id=1)]
    session.backlog_bytes = 101
    session.push(encode(Done(id=2)))
    session.backlog_bytes = 1
    session.push(encode(Done(id=3)))
    assert said(session) == [Done(id=3)]
    session.backlog_bytes = 0
    assert said(session) == [Missed()]
    session.push(encode(Done(id=4)))
    assert said(session) == [Done(id=4)]


def test_the_bytes_that_came_are_counted() -> None:
    session = make_session()
    frame = encode_frame([Hello(oldest=1, newest=1)])
    for one in (frame, b"junk"):
        session.receive(one, NOW)
    assert session.received_bytes == len(frame) + 4


def test_what_waits_for_answers_is_counted_until_nothing_does() -> None:
    session = signed_in()
    frames = [encode_frame([Passed(id=id_, rooms=())]) for id_ in (1, 2)]
    frames.append(encode_frame([Read(id=3, room=ROOM, since=Position(7, 0))]))
    for frame in frames:
        session.receive(frame, NOW)
        session.events()
    waiting = sum(len(frame) for frame in frames)
    session.receive(encode_frame([Hello(oldest=1, newest=1)]), NOW)
    assert session.waiting_bytes == waiting, "what is refused at once waits for nothing"
    session.answer(encode(Done()), reads=False)
    session.answer(encode(Done()), reads=False)
    assert session.waiting_bytes == waiting
    session.answer(encode(Done()), reads=True)
    assert session.waiting_bytes == 0


def test_long_frames_are_lists_too() -> None:
    messages = [encode(Done(id=number)) for number in range(256)]
    for count in (1, 15, 16, 256):
        assert [one.id for one in decode_answers(frame_of(messages[:count]))] == list(range(count))


def test_what_is_large_is_nudged_and_not_pushed() -> None:
    session = signed_in()
    session.follow(ROOM, 0)
    session.grow(ROOM, 1, 1, bytes(PUSH_BYTES_MAX + 1))
    assert codes(session) == ["Nudge"]


def test_no_frame_holds_more_than_256_messages() -> None:
    session = signed_in()
    for number in range(600):
        session.push(encode(Done(id=number)))
    counts = []
    while frame := session.requests():
        counts.append(len(decode_answers(frame)))
    assert counts == [256, 256, 88]


def test_a_frame_ends_at_a_mebibyte_unless_its_first_message_is_larger() -> None:
    session = signed_in()
    small, large = bytes(FRAME_BYTES // 2), bytes(2 * FRAME_BYTES)
    for message in (small, small, small, large, small):
        session.answer(encode(message), reads=True)
    sizes = []
    while frame := session.requests():
        sizes.append([len(one) for one in msgspec.msgpack.decode(frame)])
    half, double = FRAME_BYTES // 2, 2 * FRAME_BYTES
    assert sizes == [[half], [half], [half], [double], [half]]


def test_a_connection_that_ends_is_pushed_nothing_more() -> None:
    session = signed_in()
    session.end(Code.REVOKED)
    session.push(encode(Done()))
    assert codes(session) == ["revoked"]


def test_a_request_with_many_parts_takes_more_of_the_limit() -> None:
    door = make_door(rate_append=Rate(1, 1, 4))
    session = signed_in(door)
    entries = tuple(NewEntry(b"", b"") for _ in range(5))
    session.receive(encode_frame([Append(id=1, room=ROOM, entries=entries)]), NOW)
    session.receive(encode_frame([Append(id=2, room=ROOM, entries=entries[:1])]), NOW)
    assert codes(session) == ["too_many"]
    assert len(session.events()) == 1
    passed = Passed(rooms=((ROOM, Position(7, 0)),))
    session.receive(encode_frame([passed]), NOW)
    assert len(session.events()) == 1


def test_who_pings_without_end_is_sent_away() -> None:
    session = signed_in()
    for _ in range(PINGS_MAX):
        session.ping(NOW)
    assert session.goodbye is None
    session.ping(NOW + PINGS_MS)
    assert session.goodbye is None
    for _ in range(PINGS_MAX):
        session.ping(NOW + PINGS_MS)
    assert session.goodbye == "too_many"


def test_refusals_are_told_to_whoever_takes_notice_and_nothing_else_is() -> None:
    door = make_door(rate_read=Rate(1, 60, 1))
    told: list[tuple[Any, ...]] = []
    door.notice = lambda *notice: told.append(notice)
    session = signed_in(door)
    frame = encode_frame([Read(room=ROOM, since=Position(7, 0))])
    session.receive(frame, NOW)
    assert told == []
    session.receive(frame, NOW + 1)
    session.receive(b"", NOW + 2)
    for _ in range(PINGS_MAX + 1):
        session.ping(NOW + 3)
    assert told == [
        (Code.TOO_MANY, session.caller, NOW + 1, Read),
        (Code.MALFORMED, session.caller, NOW + 2, None),
        (Code.TOO_MANY, session.caller, NOW + 3, None),
    ]


def test_who_never_heeds_that_it_is_too_much_is_sent_away() -> None:
    session = signed_in(make_door(rate_read=Rate(1, 1, 1)))
    read = Read(room=ROOM, since=Position(7, 0))
    frame, now = encode_frame([read] * 250), NOW
    for _ in range(REFUSALS_MAX // 250):
        session.receive(frame, now)  # The first of them is let in: then it counts anew.
        now += 1000
    session.receive(frame, now)
    assert session.goodbye is None
    for _ in range(REFUSALS_MAX // 250):
        session.receive(frame, now)
    assert session.goodbye == "too_many"
