"""What only happens where many are together: one bad commit in a large room, and the slow."""

import os
from functools import partial

import pytest

from alcove.client.outbox import TRIES_MAX, say
from alcove.client.rooms.acting import change_settings
from alcove.wire.content import Text
from sim.crowds import Crowd
from sim.malice import DEEDS

LARGE = int(os.environ.get("ALCOVE_TEST_CROWD", "200"))
BACK_WITHIN_MS = 60_000
COMMITS_MAX = 8
"""One for each batch of the lost, and what the lost did by themselves before they were found."""


def is_back(crowd: Crowd, size: int) -> None:
    """One member loses others by a commit: all are back soon, by few commits."""
    room = crowd.gather()
    crook = crowd.devices[1]
    before = crowd.head()
    crowd.do(crook, DEEDS["a member loses others"], room, crowd.world)
    crowd.until(lambda: crowd.head() > before, BACK_WITHIN_MS)
    bad = crowd.head()

    def lost() -> int:
        return sum(
            device.disk.one("SELECT is_lost FROM room WHERE room = ?", room) != (0,)
            for device in crowd.devices
        )

    crowd.until(lambda: lost() > size // 10, BACK_WITHIN_MS)
    took_ms = crowd.until(
        lambda: not lost() and all(map(crowd.stands, crowd.devices)), BACK_WITHIN_MS
    )
    assert took_ms <= BACK_WITHIN_MS
    assert crowd.commits(bad) <= COMMITS_MAX


def test_after_one_bad_commit_all_are_back_within_a_minute() -> None:
    is_back(Crowd(1, 12), 12)


@pytest.mark.slow
def test_after_one_bad_commit_in_a_room_of_200_all_are_back_within_a_minute() -> None:
    is_back(Crowd(2, LARGE), LARGE)


def test_a_slow_sender_among_eager_committers_gets_through() -> None:
    crowd = Crowd(3, 5)
    room = crowd.gather()
    owner, eager, slow = crowd.devices[0], crowd.devices[1], crowd.devices[-1]
    most = 0
    for number in range(24):
        crowd.do(eager, DEEDS["a member commits fast"], room, crowd.world)
        if number % 6 == 0:  # As often as the server takes a commit that closes.
            who = "admins" if number % 12 else "everyone"
            owner.do(partial(change_settings, may_pin=who), room)
        crowd.do(slow, say, room, Text(f"slow {number}"))
        crowd.world.run(crowd.world.now + 2_000)
        (tries,) = slow.disk.one("SELECT MAX(tries) FROM outbox") or (0,)
        most = max(most, tries or 0)
    crowd.until(lambda: slow.disk.one("SELECT 1 FROM outbox") is None, 120_000)
    assert most < TRIES_MAX
    states = slow.disk.all("SELECT DISTINCT state FROM line WHERE kind = 'text'")
    assert states == [("stored",)]
