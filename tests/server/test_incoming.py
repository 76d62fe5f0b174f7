"""Frames that come in parts: a few large ones may be under way, and never too many."""

from alcove.server.incoming import Incoming
from tests.server.test_session import make_door


class Wire:
    """A connection that notes its end."""

    def __init__(self) -> None:
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


def test_what_has_come_is_counted_until_it_is_whole() -> None:
    incoming, one, two = Incoming(make_door(incoming_total_bytes_max=100)), Wire(), Wire()
    incoming.hold(one, 30)
    incoming.hold(one, 60)
    incoming.hold(two, 40)
    assert (incoming.held_bytes, one.is_cut, two.is_cut) == (100, False, False)
    incoming.release(one)
    incoming.release(one)
    assert incoming.held_bytes == 40


def test_when_it_is_too_much_the_largest_are_cut_off() -> None:
    incoming = Incoming(make_door(incoming_total_bytes_max=100))
    wires = [Wire() for _ in range(5)]
    for wire, size in zip(wires, (10, 30, 20, 30, 11), strict=True):
        incoming.hold(wire, size)
    assert [wire.is_cut for wire in wires] == [False, True, False, False, False]
    assert (incoming.held_bytes, incoming.cut_off) == (71, 1)


def test_one_that_is_too_much_alone_is_cut_off() -> None:
    incoming, wire = Incoming(make_door(incoming_total_bytes_max=100)), Wire()
    incoming.hold(wire, 101)
    assert (wire.is_cut, incoming.held_bytes) == (True, 0)
