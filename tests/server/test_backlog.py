"""What waits for slow readers: a little is no matter, and too much ends the slowest of them."""

from typing import Any

import pytest

from alcove.server.backlog import Backlog
from alcove.server.door import Door
from alcove.server.session import Session
from alcove.wire.base import Done
from alcove.wire.codec import encode
from tests.server.test_session import ROOM, make_door, said, signed_in

SETTINGS = {"outgoing_bytes_max": 1000, "outgoing_total_bytes_max": 4000}


class Wire:
    """A transport on which as much waits as the test says."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.is_cut = False

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def abort(self) -> None:
        self.is_cut = True


class Readers:
    """Some connections of one server, and how much waits on each."""

    def __init__(self, *waiting: int, **settings: Any) -> None:
        self.door: Door = make_door(**(SETTINGS | settings))
        self.backlog = Backlog(self.door)
        self.sessions: list[Session] = []
        self.wires: list[Wire] = []
        for size in waiting:
            self.join(size)

    def join(self, size: int) -> None:
        session = signed_in(self.door)
        session.follow(ROOM, 0)
        said(session)
        self.sessions.append(session)
        self.wires.append(Wire(size))
        self.backlog.look(session, self.wires[-1])

    def take(self, number: int, size: int) -> None:
        """Let a reader take so much."""
        self.wires[number].waiting -= size
        self.backlog.look(self.sessions[number], self.wires[number])

    @property
    def cut(self) -> list[int]:
        return [number for number, wire in enumerate(self.wires) if wire.is_cut]


def test_what_waits_is_counted_until_it_is_taken() -> None:
    readers = Readers(300, 200)
    assert readers.backlog.waiting_bytes == 500
    readers.take(0, 100)
    assert readers.backlog.waiting_bytes == 400
    assert readers.sessions[0].backlog_bytes == 200
    readers.take(0, 200)
    assert (readers.backlog.waiting_bytes, readers.door.outgoing_max) == (200, 1000)


def test_who_ends_is_counted_no_longer() -> None:
    readers = Readers(900, 900, 900)
    assert readers.door.outgoing_max == 666
    readers.backlog.drop(readers.sessions[0])
    readers.backlog.drop(readers.sessions[0])
    assert (readers.backlog.waiting_bytes, readers.door.outgoing_max) == (1800, 1000)


@pytest.mark.parametrize(("waiting", "is_pushed"), [(499, True), (500, True), (501, False)])
def test_when_much_waits_for_all_who_has_more_than_a_fair_share_is_nudged(
    waiting: int,
    is_pushed: bool,
) -> None:
    readers = Readers(900, 900, 300, waiting)
    assert readers.door.outgoing_max == 500
    session = readers.sessions[3]
    session.grow(ROOM, 1, 1, encode(Done()))
    session.push(encode(Done()))
    assert len(said(session)) == 2 * is_pushed


def test_who_reads_is_pushed_however_much_waits_for_others() -> None:
    readers = Readers(1000, 1000, 1000, 0)
    session = readers.sessions[3]
    session.grow(ROOM, 1, 1, encode(Done()))
    assert len(said(session)) == 1


def test_when_too_much_waits_the_slowest_are_cut_off() -> None:
    readers = Readers(500, 1500, 200, 1700)
    assert readers.cut == []
    readers.join(101)
    assert (readers.cut, readers.backlog.cut_off) == ([3], 1)
    assert readers.backlog.waiting_bytes == 2301
    readers.take(3, 0)  # Its end is noticed a little later.
    assert readers.cut == [3]


def test_what_was_taken_meanwhile_is_seen_before_anybody_is_cut_off() -> None:
    readers = Readers(1900, 1900)
    readers.wires[0].waiting = 10
    readers.join(201)
    assert (readers.cut, readers.backlog.waiting_bytes) == ([], 2111)


def test_several_are_cut_off_until_there_is_space_again() -> None:
    readers = Readers(1300, 1300, 1300)
    readers.join(3000)
    assert (readers.cut, readers.backlog.waiting_bytes) == ([0, 3], 2600)
    assert readers.door.outgoing_max == 1000


def test_one_for_whom_more_waits_than_may_for_all_is_cut_off() -> None:
    readers = Readers(4001)
    assert (readers.cut, readers.backlog.waiting_bytes) == ([0], 0)
