"""Everyone who is connected: who is told what, and what is gathered before it is told."""

from typing import Any

import pytest

from alcove.server import hub
from alcove.server.batch import Outcome
from alcove.server.effects import (
    Arrived,
    BlobGone,
    Effect,
    Ended,
    Following,
    Log,
    Moved,
    Present,
    Routed,
    Slotted,
    ToAccount,
    ToDevices,
    ToEveryone,
    ToMany,
    ToRoom,
)
from alcove.server.hub import Hub
from alcove.server.presence import Presence
from alcove.server.session import Session
from alcove.server.space import DAY_MS
from alcove.wire.base import Done
from alcove.wire.codec import encode
from alcove.wire.entries import Delivered, Nudge
from alcove.wire.errors import Code
from alcove.wire.rooms import Slot, SlotsChanged
from tests.server.test_session import NOW, greeted, make_door, said

ROOM, OTHER_ROOM = b"r" * 16, b"s" * 16
PUSH = encode(Done(id=9))


class Connected:
    """A hub with the sessions of some devices, each of an account of its own first letter."""

    def __init__(self) -> None:
        self.door = make_door()
        self.hub = Hub(self.door.settings, Presence(self.door.settings.presence_pause_ms))
        self.now = NOW

    def tell(self, *effects: Effect, session: Session | None = None) -> None:
        for effect in effects:
            self.hub.deliver([(session, True, Outcome(encode(Done()), (effect,)))], self.now)
        if session is not None:
            said(session)

    def open(self) -> Session:
        return greeted(self.door)

    def sign_in(self, session: Session, device: bytes, *rooms: bytes) -> None:
        arrived = Arrived(device[:1] * 16, device, device.decode(), False, True, rooms)
        self.tell(arrived, session=session)

    def arrive(self, device: bytes, *rooms: bytes) -> Session:
        session = self.open()
        self.sign_in(session, device, *rooms)
        return session

    def follow(self, session: Session, room: bytes, seq: int) -> None:
        effect = Following(room, session.caller.device, seq)
        self.hub.deliver([(session, True, Outcome(encode(Done()), (effect,)))], self.now)
        said(session)

    def later(self) -> None:
        self.now += self.door.settings.presence_pause_ms
        self.hub.tick(self.now)


@pytest.fixture
def connected() -> Connected:
    return Connected()


def grown(first: int, last: int, sender: bytes = b"", room: bytes = ROOM) -> Log:
    return Log(room, first, last, sender, encode(Done(id=last)))


def ids(session: Session) -> list[Any]:
    return [getattr(one, "id", None) or getattr(one, "head", one) for one in said(session)]


def test_a_log_that_grows_is_told_to_who_follows_it_and_not_to_who_asked(
    connected: Connected,
) -> None:
    ada, bob = connected.arrive(b"a1", ROOM), connected.arrive(b"b1", ROOM)
    eve = connected.arrive(b"e1", OTHER_ROOM)
    for session in (ada, bob):
        connected.follow(session, ROOM, 4)
    for asker, log in ((ada, grown(5, 5)), (ada, grown(6, 7)), (bob, grown(8, 8))):
        connected.hub.deliver([(asker, False, Outcome(encode(Done(id=100)), (log,)))], NOW)
    assert (ids(ada), ids(bob), ids(eve)) == ([100, 100, 8], [5, 7, 100], [])
    assert (connected.hub.entries, connected.hub.pushed) == (4, 6)


def test_who_writes_without_having_read_does_not_follow_yet(connected: Connected) -> None:
    ada = connected.arrive(b"a1", ROOM)
    connected.hub.deliver([(ada, False, Outcome(encode(Done(id=100)), (grown(5, 5),)))], NOW)
    connected.tell(grown(6, 6))
    assert [type(one) for one in said(ada)] == [Done, Nudge]


def test_who_makes_a_room_follows_it_from_its_first_entry(connected: Connected) -> None:
    ada = connected.arrive(b"a1")
    connected.tell(Routed(ROOM, (b"a1", b"z9"), is_member=True))
    connected.hub.deliver([(ada, False, Outcome(encode(Done(id=100)), (grown(1, 2),)))], NOW)
    connected.tell(grown(3, 3))
    assert ids(ada) == [100, 3]


def test_who_does_not_follow_is_nudged(connected: Connected) -> None:
    bob = connected.arrive(b"b1", ROOM)
    connected.tell(grown(5, 5), grown(6, 6))
    assert ids(bob) == [6]


def test_pushes_find_devices_accounts_and_rooms(connected: Connected) -> None:
    one, two = connected.arrive(b"a1", ROOM), connected.arrive(b"a2", ROOM)
    bob = connected.arrive(b"b1")
    connected.tell(
        ToDevices((b"a1", b"gone"), PUSH),
        ToAccount(b"a" * 16, PUSH, but=b"a1"),
        ToAccount(b"x" * 16, PUSH),
        ToRoom(ROOM, PUSH, but=b"a2"),
        ToRoom(OTHER_ROOM, PUSH),
    )
    assert (len(said(one)), len(said(two)), len(said(bob))) == (2, 1, 0)


def test_who_is_routed_away_hears_nothing_more(connected: Connected) -> None:
    ada = connected.arrive(b"a1", ROOM)
    connected.tell(
        Routed(ROOM, (b"a1",), is_member=False),
        Routed(ROOM, (b"a1",), is_member=False),
        grown(1, 1),
    )
    assert ids(ada) == []


def test_of_rooms_that_one_was_routed_away_from_nothing_is_remembered(
    connected: Connected,
) -> None:
    ada = connected.arrive(b"a1", ROOM)
    connected.tell(grown(1, 1), Routed(ROOM, (b"a1",), is_member=False))
    assert (ada.follows, ada.known) == ({}, {})


def test_a_device_that_connects_again_takes_the_place_of_its_old_connection(
    connected: Connected,
) -> None:
    old = connected.arrive(b"a1", ROOM)
    new = connected.arrive(b"a1", ROOM)
    assert old.goodbye == "changed"
    connected.hub.leave(old, NOW)
    connected.tell(ToDevices((b"a1",), PUSH))
    assert len(said(new)) == 1
    connected.hub.leave(new, NOW)
    connected.tell(ToDevices((b"a1",), PUSH), grown(1, 1))
    assert (connected.hub.devices, connected.hub.accounts) == ({}, {})


def test_a_sign_in_that_is_heard_late_takes_nobody_s_place(connected: Connected) -> None:
    """A line may deliver what a program has said that is dead by now."""
    dead, late = connected.open(), connected.open()
    new = connected.arrive(b"a1", ROOM)
    connected.sign_in(dead, b"a1", ROOM)
    assert (dead.goodbye, new.goodbye) == ("changed", None)
    assert dead in connected.hub.dirty
    connected.hub.leave(dead, NOW)
    connected.sign_in(late, b"a2", ROOM)
    assert late.goodbye is None
    connected.tell(ToDevices((b"a1", b"a2"), PUSH))
    assert (len(said(new)), len(said(late))) == (1, 1)


def test_one_of_two_devices_may_leave(connected: Connected) -> None:
    one, two = connected.arrive(b"a1", ROOM), connected.arrive(b"a2", ROOM)
    connected.hub.leave(one, NOW)
    connected.tell(ToAccount(b"a" * 16, PUSH))
    assert len(said(two)) == 1


def test_a_revoked_device_is_sent_away_at_once(connected: Connected) -> None:
    ada = connected.arrive(b"a1")
    connected.tell(Ended((b"a1", b"gone"), "revoked"))
    assert ada.goodbye == "revoked"
    assert ada in connected.hub.dirty


def test_how_far_others_have_passed_is_gathered(connected: Connected) -> None:
    ada, bob = connected.arrive(b"a1", ROOM), connected.arrive(b"b1", ROOM)
    connected.later()
    said(ada)
    connected.tell(Moved(ROOM, b"b1" * 8, 3), Moved(ROOM, b"b1" * 8, 5))
    assert said(ada) == []
    assert connected.hub.deadline() is not None
    connected.later()
    (delivered,) = said(ada)
    assert delivered.devices == ((b"b1" * 8, 5),)
    connected.later()
    assert said(ada) == []
    del bob


def test_slots_are_gathered_and_only_the_newest_of_each_account_is_told(
    connected: Connected,
) -> None:
    ada = connected.arrive(b"a1", ROOM)
    connected.later()
    said(ada)
    one, two = b"a" * 16, b"b" * 16
    connected.tell(
        Slotted(ROOM, two, b"at 3"), Slotted(ROOM, one, b"at 4"), Slotted(ROOM, two, b"at 5")
    )
    assert said(ada) == []
    connected.later()
    assert said(ada) == [SlotsChanged(room=ROOM, slots=(Slot(two, b"at 5"), Slot(one, b"at 4")))]
    connected.later()
    assert said(ada) == []


def test_what_is_gathered_is_told_before_its_time_when_it_becomes_much(
    connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "GATHERED_BYTES_MAX", 2 * hub.PLACE_BYTES)
    ada = connected.arrive(b"a1", ROOM)
    connected.tell(Moved(ROOM, b"b1" * 8, 3))
    assert said(ada) == []
    connected.tell(Slotted(ROOM, b"b" * 16, b"at 3"))
    assert [type(one) for one in said(ada)] == [Delivered, SlotsChanged]
    connected.tell(Moved(ROOM, b"b1" * 8, 4))
    assert said(ada) == []


def test_who_comes_and_goes_is_told_to_those_who_share_a_room(connected: Connected) -> None:
    ada = connected.arrive(b"a1", ROOM)
    bob, _ = connected.arrive(b"b1", ROOM), connected.arrive(b"e1", OTHER_ROOM)
    connected.later()
    assert [one.people for one in said(ada)] == [((b"a" * 16, "online"), (b"b" * 16, "online"))]
    connected.tell(Present(b"b" * 16, b"b1", "invisible"))
    connected.later()
    assert [one.people for one in said(ada)] == [((b"b" * 16, "offline"),)]
    del bob


def test_who_comes_to_share_a_room_is_told_how_the_others_are_there(connected: Connected) -> None:
    ada, bob = connected.arrive(b"a1", ROOM), connected.arrive(b"b1")
    cyd = connected.arrive(b"c1", ROOM)
    connected.tell(Present(b"c" * 16, b"c1", "away"))
    connected.later()
    for session in (ada, bob, cyd):
        said(session)
    connected.tell(Routed(ROOM, (b"b1", b"z9"), is_member=True))
    assert [said(one) for one in (ada, bob)] == [[], []]
    connected.later()
    of_ada, of_bob, of_cyd = (
        (b"a" * 16, "online"), (b"b" * 16, "online"), (b"c" * 16, "away"),
    )  # fmt: skip
    assert [one.people for one in said(ada)] == [(of_bob,)]
    assert [one.people for one in said(bob)] == [(of_ada, of_cyd, of_bob)]
    connected.later()
    assert [said(one) for one in (ada, bob)] == [[], []]


def test_who_is_routed_to_a_room_again_has_met_nobody(connected: Connected) -> None:
    ada, bob = connected.arrive(b"a1", ROOM), connected.arrive(b"b1", ROOM)
    connected.later()
    for session in (ada, bob):
        said(session)
    connected.tell(Routed(ROOM, (b"b1",), is_member=True))
    connected.later()
    assert [said(one) for one in (ada, bob)] == [[], []]


def test_whose_line_breaks_just_after_is_introduced_all_the_same(connected: Connected) -> None:
    """Nobody hears of who is back at once: so what was to be told of it must not be lost."""
    ada, bob = connected.arrive(b"a1", ROOM), connected.arrive(b"b1")
    connected.later()
    said(ada)
    connected.tell(Routed(ROOM, (b"b1",), is_member=True))
    connected.hub.leave(bob, connected.now)
    bob = connected.arrive(b"b1", ROOM)
    connected.later()
    assert [one.people for one in said(ada)] == [((b"b" * 16, "online"),)]
    connected.tell(Routed(OTHER_ROOM, (b"b1",), is_member=True))
    connected.hub.leave(bob, connected.now)
    connected.later()
    assert [one.people for one in said(ada)] == [((b"b" * 16, "offline"),)]


def test_files_of_blobs_that_are_gone_wait_to_be_deleted(connected: Connected) -> None:
    connected.tell(BlobGone(b"b" * 16))
    assert connected.hub.blobs_gone == [b"b" * 16]


def test_everyone_who_is_connected_can_be_told(connected: Connected) -> None:
    ada, bob, eve = connected.arrive(b"a1", ROOM), connected.arrive(b"a2"), connected.arrive(b"e1")
    connected.hub.leave(eve, connected.now)
    connected.tell(ToEveryone(PUSH))
    assert [said(one) for one in (ada, bob, eve)] == [[Done(id=9)], [Done(id=9)], []]
    assert list(connected.hub.dirty) == [ada, bob]


def test_effects_that_need_a_session_are_nothing_without_one(connected: Connected) -> None:
    arrived = Arrived(b"a" * 16, b"a1", "ada", False, True, ())
    connected.tell(arrived, Following(ROOM, b"a1", 1))
    assert connected.hub.devices == {}
    ada = connected.arrive(b"a1")
    connected.tell(Following(ROOM, b"a1", 1), session=ada)
    assert ada.follows == {}


def test_who_goes_is_told_to_those_who_stay(connected: Connected) -> None:
    ada, bob = connected.arrive(b"a1", ROOM), connected.arrive(b"b1", ROOM)
    connected.later()
    said(ada)
    connected.hub.leave(bob, connected.now)
    connected.later()
    assert [one.people for one in said(ada)] == [((b"b" * 16, "offline"),)]


def test_a_connection_that_broke_while_it_signed_in_is_not_taken_for_there(
    connected: Connected,
) -> None:
    session = greeted(connected.door)
    connected.hub.leave(session, NOW)
    arrived = Arrived(b"a" * 16, b"a1", "ada", False, True, (ROOM,))
    connected.tell(arrived, session=session)
    assert connected.hub.devices == {}
    session.push(PUSH)
    assert said(session) == []


def test_a_failure_with_one_effect_silences_nobody(connected: Connected) -> None:
    ada = connected.arrive(b"a1")
    connected.tell(Ended((b"a1",), "no such code"), ToDevices((b"a1",), PUSH))
    assert len(said(ada)) == 1
    assert [type(one) for one in connected.hub.unexpected] == [ValueError]


def test_what_accounts_send_in_a_day_is_counted_however_they_send_it(connected: Connected) -> None:
    hub, day = connected.hub, NOW - NOW % DAY_MS
    one, two = connected.arrive(b"a1"), connected.arrive(b"a2")
    hub.received_today(day)  # What came on the days before counts no longer.
    hub.received_today(day - DAY_MS)
    hub.received_today(day)
    one.received_bytes = two.received_bytes = 10
    hub.receive(b"b" * 16, 3)
    hub.receive(b"", 5)
    assert hub.received_today(day) == {b"a" * 16: 20, b"b" * 16: 3}
    one.received_bytes = 7
    hub.leave(one, NOW)
    assert hub.received_today(day + DAY_MS - 1) == {b"a" * 16: 27, b"b" * 16: 3}
    assert hub.received_today(day + DAY_MS) == {}


def test_all_connections_can_be_ended(connected: Connected) -> None:
    ada = connected.arrive(b"a1")
    connected.hub.end_all(Code.STORAGE)
    assert ada.goodbye == "storage"
    assert ada in connected.hub.dirty


def test_a_clock_that_was_set_back_delays_nothing(connected: Connected) -> None:
    ada = connected.arrive(b"a1", ROOM)
    connected.now -= 365 * 24 * 3600 * 1000
    connected.hub.tick(connected.now)
    assert connected.hub.deadline() is None
    del ada


def test_a_push_for_many_rooms_reaches_each_device_once() -> None:
    world = Connected()
    ada, bob, eve = (world.arrive(name, ROOM, OTHER_ROOM) for name in (b"ada", b"bob", b"eve"))
    ida, joe = world.arrive(b"ida"), world.arrive(b"joe")
    for session in (ada, bob, eve, ida, joe):
        said(session)
    world.tell(ToMany((ROOM, OTHER_ROOM), (b"i" * 16, b"x" * 16), PUSH, b"bob"))
    heard = [Done(id=9)]
    assert [said(one) for one in (ada, bob, eve, ida, joe)] == [heard, [], heard, heard, []]
    world.tell(ToMany((ROOM, OTHER_ROOM), (b"i" * 16, b"j" * 16), PUSH))
    assert [said(one) for one in (ada, bob, eve, ida, joe)] == [heard] * 5
