"""Rooms in memory: those that were used last, and never very many members."""

from pathlib import Path

from alcove.server.roomstate import Guest, Rooms, RoomState
from alcove.wire.ids import NOTHING_BEFORE
from tests.server.house import House


def room(name: bytes, members: int = 1) -> RoomState:
    state = RoomState(1, name * 16, "group", None)
    grow(state, members)
    return state


def grow(state: RoomState, members: int) -> None:
    for number in range(len(state.members), members):
        state.members[bytes([number])] = b"account"
    state.accounts[b"account"] = Guest("member", "active")


def known(rooms: Rooms, *states: RoomState) -> list[bool]:
    """Say which of these rooms are in memory."""
    return [rooms.get(state.room) is state for state in states]


def test_the_rooms_that_were_used_last_are_in_memory() -> None:
    rooms, (one, two, three) = Rooms(2), [room(name) for name in (b"1", b"2", b"3")]
    rooms.put(one)
    rooms.put(two)
    assert known(rooms, one) == [True]
    rooms.put(three)
    assert known(rooms, one, two, three) == [True, False, True]


def test_large_rooms_leave_less_space_for_others() -> None:
    rooms, (one, two, large) = Rooms(9, 9), [room(b"1", 2), room(b"2", 2), room(b"3", 5)]
    rooms.put(one)
    rooms.put(two)
    rooms.put(large)
    assert known(rooms, one, two, large) == [False, True, True]


def test_a_room_larger_than_all_that_is_kept_is_kept_alone() -> None:
    rooms, one, large = Rooms(9, 9), room(b"1"), room(b"2", 100)
    rooms.put(one)
    rooms.put(large)
    assert known(rooms, one, large) == [False, True]
    rooms.put(one)
    assert known(rooms, one, large) == [True, False]


def test_a_room_that_grows_counts_for_more() -> None:
    rooms, (one, two, three) = Rooms(9, 9), [room(name) for name in (b"1", b"2", b"3")]
    rooms.put(one)
    rooms.put(two)
    grow(two, 6)
    rooms.weigh(two)
    rooms.put(three)
    assert known(rooms, one, two, three) == [False, True, True]


def test_what_was_forgotten_counts_for_nothing() -> None:
    rooms, one, large = Rooms(9, 9), room(b"1"), room(b"2", 7)
    rooms.put(large)
    rooms.drop(large.room)
    rooms.drop(large.room)
    rooms.weigh(large)
    rooms.put(one)
    rooms.clear()
    rooms.put(large)
    rooms.clear()
    rooms.put(one)
    rooms.put(room(b"4", 5))
    assert known(rooms, one) == [True]


def test_a_room_whose_log_is_being_deleted_is_empty(tmp_path: Path) -> None:
    house = House(tmp_path)
    talk, _ = house.create(house.add_person("ada").phone)
    house.connection.run("DELETE FROM entry")
    house.start()
    state = house.tx().room(talk.room)
    assert state is not None
    assert (state.head, state.chain) == (0, NOTHING_BEFORE)
