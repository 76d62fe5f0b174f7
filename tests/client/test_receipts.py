"""How far everybody has come: delivered, read and unread are the same on all devices."""

from typing import Any

import pytest

from alcove.client import receipts
from alcove.client.errors import UsageError
from alcove.client.events import RoomChanged
from alcove.client.keys.sealing import seal_slot
from alcove.client.receipts import Choice, Mark, choice, read_place, unread
from alcove.client.rooms import acting, handshakes
from alcove.client.rooms.messages import key_of
from alcove.client.timeline import lines
from alcove.client.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.content import Text
from alcove.wire.entries import Delivered, Passed, Read
from alcove.wire.errors import Code, Refusal
from alcove.wire.rooms import GetMembers, GetSlots, PutSlot, Slot, SlotsChanged
from tests.client.refusing import answer, refuse, watch
from tests.client.rooms.talk import PAUSE_MS, room_of, say
from tests.client.test_restored import back_up, restore
from tests.client.world import Peer, World

DAY_MS = 24 * 60 * 60 * 1000
MOMENT_MS = 8_000
"""So long it takes until everybody has heard what others have stored and read."""


def states(peer: Peer, room: bytes) -> list[str]:
    """Return how far one's own messages have come."""
    return [
        one.state
        for one in lines(peer.db, room)
        if one.account == peer.me.account and isinstance(one.said, Text)
    ]


def read_all(peer: Peer, room: bytes) -> None:
    """Read a room to its end."""
    peer.do(receipts.read, room, 2**40)


def pair(*, devices: int = 1) -> tuple[World, Peer, Peer, bytes]:
    """Return two people in a room."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    for _ in range(devices - 1):
        world.add_device(ada)
        world.pass_time(PAUSE_MS)
    return world, ada, bob, room


def test_a_message_is_stored_then_delivered_then_read() -> None:
    world, ada, bob, room = pair()
    bob.hang_up()
    say(world, ada, room, "hello")
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["stored"]
    assert bob.connect() is None
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["delivered"]
    assert unread(bob.db, room).lines == 1
    read_all(bob, room)
    assert unread(bob.db, room).lines == 0
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["read"]
    assert unread(ada.db, room).lines == 0


def test_who_was_away_learns_what_came_of_a_message() -> None:
    world, ada, bob, room = pair()
    bob.hang_up()
    say(world, ada, room, "one")
    ada.hang_up()
    assert bob.connect() is None
    world.pass_time(MOMENT_MS)
    assert ada.connect() is None
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["delivered"]
    ada.hang_up()
    read_all(bob, room)
    world.pass_time(MOMENT_MS)
    ada.restart()
    assert ada.connect() is None
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["read"]


def test_what_is_read_on_one_device_is_read_on_all() -> None:
    world, ada, bob, room = pair(devices=2)
    tablet = world.peers[2]
    say(world, bob, room, "one", "two")
    assert unread(ada.db, room).lines == unread(tablet.db, room).lines == 2
    read_all(ada, room)
    ada.do(receipts.read, room, 1)  # Nobody reads backwards.
    world.pass_time(MOMENT_MS)
    assert unread(tablet.db, room).lines == 0
    assert RoomChanged(room) in tablet.heard(RoomChanged)
    tablet.hang_up()
    say(world, bob, room, "three")
    read_all(ada, room)
    world.pass_time(MOMENT_MS)
    assert tablet.connect() is None
    world.pass_time(MOMENT_MS)
    assert unread(tablet.db, room).lines == 0


def test_a_new_device_knows_what_was_read_before_it() -> None:
    world, ada, bob, room = pair()
    say(world, bob, room, "one", "two")
    read_all(ada, room)
    say(world, bob, room, "three")
    world.pass_time(PAUSE_MS * 8)
    tablet = world.add_device(ada)
    world.pass_time(PAUSE_MS)
    assert len(lines(tablet.db, room)) > 3
    assert unread(tablet.db, room).lines == 1


@pytest.mark.parametrize("history", ["closed", "none"])
def test_a_new_device_knows_what_was_read_under_keys_that_it_does_not_get(history: str) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history=history)
    say(world, bob, room, "one", "two")
    read_all(ada, room)
    world.pass_time(MOMENT_MS)
    ada.do(acting.change_settings, room, keep_ms=10**9)
    world.pass_time(PAUSE_MS)
    ada.do(lambda tx: tx.run("DELETE FROM room_key"))  # Nobody can tell it the one of before.
    bob.do(lambda tx: tx.run("DELETE FROM room_key"))
    world.server.connection.run("DELETE FROM archive")
    world.server.connection.run("DELETE FROM room_row")
    tablet = world.add_device(ada)
    world.pass_time(PAUSE_MS)
    assert read_place(tablet.db, room) == read_place(ada.db, room) > 0


def test_what_was_said_before_somebody_came_is_not_unread() -> None:
    world, ada, bob, room = pair()
    cyn = world.register("cyn")
    say(world, bob, room, "one", "two")
    world.pass_time(PAUSE_MS)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert unread(cyn.db, room).lines == 0
    say(world, bob, room, "three")
    assert unread(cyn.db, room).lines == 1
    assert read_place(cyn.db, b"?" * 16) == 0


def test_reading_is_told_once_in_three_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    world, ada, bob, room = pair()
    say(world, bob, room, *"abcdef")
    asked = watch(monkeypatch)
    for seq in range(1, 10):
        ada.do(receipts.read, room, seq)
        world.run()
    assert len([one for one in asked if isinstance(one, PutSlot)]) == 1
    world.pass_time(MOMENT_MS)
    assert len([one for one in asked if isinstance(one, PutSlot)]) == 2
    world.pass_time(60_000)
    assert len([one for one in asked if isinstance(one, PutSlot)]) == 2


def test_what_was_read_offline_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    world, ada, bob, room = pair()
    say(world, ada, room, "hello")
    world.run()
    bob.hang_up()
    read_all(bob, room)
    world.pass_time(MOMENT_MS)
    bob.restart()
    asked = watch(monkeypatch)
    assert bob.connect() is None
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["read"]
    assert len([one for one in asked if isinstance(one, PutSlot)]) == 1


def test_a_large_room_hides_how_far_others_have_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "SHOWN_ACCOUNTS_MAX", 1)
    world, ada, bob, room = pair(devices=2)
    tablet = world.peers[2]
    say(world, ada, room, "hello")
    read_all(bob, room)
    say(world, bob, room, "well")
    read_all(tablet, room)
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["delivered"]
    assert unread(ada.db, room).lines == 0


def test_the_server_is_told_of_many_rooms_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipts, "PASSED_ROOMS", 2)
    world, ada, bob, room = pair()
    rooms = [room, *(room_of(world, ada, bob) for _ in range(3))]
    bob.hang_up()
    for one in rooms:
        say(world, ada, one, "hello")
    asked = watch(monkeypatch)
    assert bob.connect() is None
    world.pass_time(MOMENT_MS * 3)
    told = [one for one in asked if isinstance(one, Passed) and len(one.rooms) == 2]
    assert len(told) >= 2
    assert [states(ada, one) for one in rooms] == [["delivered"]] * 4


def test_a_room_that_is_not_compared_after_a_restore_keeps_no_other_untold() -> None:
    world, ada, bob, room = pair()
    other = room_of(world, ada, bob)
    world.pass_time(PAUSE_MS)
    image = back_up(world)
    say(world, ada, room, "hello")  # Bob has it, and has not told so yet.
    restore(world, image)
    bob.answers = lambda request: (
        Refusal(request.id, Code.BUSY, "", retry_after_ms=DAY_MS)
        if isinstance(request, Read) and request.room == room
        else None
    )
    assert ada.connect() is None
    say(world, ada, other, "hello")
    assert bob.connect() is None
    world.pass_time(MOMENT_MS)
    assert (states(ada, room), states(ada, other)) == (["stored"], ["delivered"])
    bob.answers = lambda _: None
    bob.hang_up()
    assert bob.connect() is None
    world.pass_time(MOMENT_MS)
    assert (states(ada, room), states(ada, other)) == (["delivered"], ["delivered"])


# ---- On this device alone ----


def test_a_room_is_marked_pinned_archived_and_silenced_on_this_device() -> None:
    world, ada, _, room = pair()
    assert choice(ada.db, room) == Choice("all")
    ada.do(receipts.choose, room, level="mentions", is_pinned=True)
    ada.do(receipts.mark_unread, room)
    ada.do(receipts.choose, room, is_archived=True)
    assert choice(ada.db, room) == Choice("mentions", True, True, True)
    ada.heard()
    read_all(ada, room)
    read_all(ada, room)
    assert ada.heard(RoomChanged) == [RoomChanged(room)]
    ada.do(receipts.mark_unread, room)
    ada.heard()
    read_all(ada, room)
    assert ada.heard(RoomChanged) == [RoomChanged(room)]
    ada.do(receipts.choose, room, is_pinned=False, is_archived=False)
    assert choice(ada.db, room) == Choice("mentions")
    with pytest.raises(UsageError, match="no such room"):
        read_all(ada, b"?" * 16)
    world.run()


# ---- Bad input ----


def slot(tx: Tx, room: bytes, account: bytes, mark: Any, key: bytes | None = None) -> bytes:
    """Return a slot that a device seals for any account, whatever it says."""
    name = tx.line("SELECT room_key FROM room WHERE room = ?", room)[0]
    sealing = key_of(tx, room, name)
    assert sealing is not None
    return seal_slot(sealing, room, account, key or name, tx.me.key, encode(mark), tx.random(32))


def test_a_slot_counts_only_if_a_device_of_that_account_wrote_it() -> None:
    world, ada, bob, room = pair()
    say(world, ada, room, "hello")
    me, other = bob.me.account, ada.me.account
    bodies = [
        ada.do(slot, room, me, Mark(9, 0)),  # Somebody else's device.
        bob.do(slot, room, me, "nonsense"),
        bob.do(slot, room, me, Mark(9, 0), key=b"?" * 32),
        b"?" * 300,
        b"short",
    ]
    for body in bodies:
        answer(ada, SlotsChanged(room=room, slots=(Slot(me, body), Slot(b"?" * 16, body))))
    assert states(ada, room) == ["stored"]
    good = bob.do(slot, room, me, [2**40, 0, b"", "of a newer app"])
    answer(ada, SlotsChanged(room=room, slots=(Slot(me, good),)))
    assert states(ada, room) == ["read"]
    say(world, ada, room, "this he has not read")
    assert states(ada, room) == ["read", "stored"]
    answer(bob, SlotsChanged(room=b"?" * 16, slots=(Slot(other, good),)))


def test_what_a_device_has_overwritten_that_knew_less_is_said_again() -> None:
    world, ada, bob, room = pair(devices=2)
    tablet = world.peers[2]
    say(world, bob, room, "one", "two")
    read_all(ada, room)
    world.pass_time(MOMENT_MS)
    older = tablet.do(slot, room, ada.me.account, Mark(1, 0))
    answer(ada, SlotsChanged(room=room, slots=(Slot(ada.me.account, older),)))
    ada.engine.tick(world.now)
    assert [type(one) for one in ada.engine.requests()] == [PutSlot]


def test_what_was_begun_in_a_room_is_kept_until_it_is_nothing() -> None:
    _, ada, _, room = pair()
    for text in ("half a sen", ""):
        ada.do(receipts.keep_draft, room, text)
        assert choice(ada.db, room) == Choice(draft=text)


def test_a_slot_whose_key_comes_later_is_read_then() -> None:
    world, ada, _, room = pair(devices=2)
    laptop = world.peers[-1]
    say(world, ada, room, "hello")
    world.pass_time(MOMENT_MS)
    read_all(ada, room)
    (name, secret) = laptop.db.one(
        "SELECT k.name, k.secret FROM room_key k JOIN room r ON k.room = r.room"
        " WHERE k.name = r.room_key"
    ) or (b"", b"")

    def lose(tx: Tx) -> None:
        tx.run("DELETE FROM room_key WHERE name = ?", name)
        tx.memory.keys.clear()

    laptop.do(lose)
    world.pass_time(MOMENT_MS)
    assert read_place(laptop.db, room) < read_place(ada.db, room)
    laptop.do(handshakes.learn_key, room, name, secret)
    world.pass_time(MOMENT_MS)
    assert read_place(laptop.db, room) == read_place(ada.db, room)


def test_nothing_is_told_of_a_room_that_this_device_has_left() -> None:
    world, ada, bob, room = pair()
    say(world, ada, room, "hello")
    read_all(bob, room)
    bob.do(acting.leave, room)
    world.run()
    bob.do(receipts.put, room)
    assert bob.engine.requests() == []


def test_what_is_read_after_a_clock_was_set_right_is_told_at_once() -> None:
    world, ada, bob, room = pair()
    say(world, bob, room, "one")
    world.now += DAY_MS
    read_all(ada, room)
    world.pass_time(MOMENT_MS)
    assert states(bob, room) == ["read"]
    world.now -= DAY_MS
    say(world, bob, room, "two")
    read_all(ada, room)
    world.pass_time(MOMENT_MS)
    assert states(bob, room) == ["read", "read"]


def test_one_slot_is_on_its_way_at_a_time() -> None:
    world, ada, bob, room = pair()
    say(world, ada, room, "one", "two")
    bob.do(receipts.read, room, 3)
    bob.do(receipts.put, room)
    read_all(bob, room)
    bob.do(receipts.put, room)
    assert len([one for one in bob.engine._requests if isinstance(one, PutSlot)]) == 1
    assert refuse(bob, PutSlot, Code.NOT_A_MEMBER) == 1
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["read"] * 2
    say(world, ada, room, "three")
    read_all(bob, room)
    world.pass_time(MOMENT_MS)
    assert states(ada, room) == ["read"] * 3


def test_only_who_stands_in_a_room_can_have_stored_its_log() -> None:
    world, ada, bob, room = pair()
    bob.hang_up()
    say(world, ada, room, "hello")
    answer(ada, Delivered(room=room, devices=((b"?" * 16, 99), (ada.me.device, 99))))
    answer(ada, Delivered(room=b"?" * 16, devices=((b"?" * 16, 99),)))
    assert states(ada, room) == ["stored"]


# ---- A server that is busy ----


def test_what_is_refused_is_asked_again() -> None:
    world, ada, bob, room = pair()
    other = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    say(world, ada, other, "hello")
    world.pass_time(MOMENT_MS)
    for one in (room, other):
        read_all(bob, one)
    world.pass_time(MOMENT_MS)
    ada.db.run("DELETE FROM read_mark")
    ada.db.run("DELETE FROM passed")
    ada.db.run("DELETE FROM told_passed")
    ada.hang_up()
    ada.do(receipts.passed, b"")
    ada.do(receipts.look, b"")
    assert ada.connect() is None
    ada.do(receipts.look, b"")
    assert refuse(ada, GetSlots, Code.TOO_MANY, 50) == 1
    ada.do(receipts.passed, b"")
    assert refuse(ada, Passed, Code.TOO_MANY) == 1
    world.pass_time(500)
    assert [states(ada, one) for one in (room, other)] == [["read"]] * 2
    world.pass_time(30_000)
    assert ada.db.one("SELECT COUNT(*) FROM told_passed") == (2,)


def test_without_an_answer_the_next_one_tells() -> None:
    world, ada, bob, room = pair()
    bob.hang_up()
    say(world, ada, room, "hello")
    ada.do(receipts.once, room)
    assert refuse(ada, GetSlots, Code.INTERNAL) == 1
    ada.hang_up()
    ada.do(receipts.once, room)
    assert ada.connect() is None
    world.run()
    ada.do(receipts.arrived, room)
    ada.do(receipts.passed, b"")
    ada.do(receipts.passed, b"")  # It is being asked.
    world.run()
    ada.do(lambda tx: tx.ask(GetMembers(room=room), "receipts.members"))
    assert refuse(ada, GetMembers, Code.BUSY) == 1
    assert states(ada, room) == ["stored"]


def test_a_mark_of_ones_own_tells_no_key_while_a_newer_one_is_still_to_be_said() -> None:
    world, ada, bob, room = pair()
    say(world, bob, room, "one")
    read_all(ada, room)
    world.pass_time(MOMENT_MS)
    older = ada.do(slot, room, ada.me.account, Mark(1, 0))
    ada.db.run("UPDATE slot SET seq = ? WHERE room = ?", receipts.UNSAID, room)
    answer(ada, SlotsChanged(room=room, slots=(Slot(ada.me.account, older),)))
    assert ada.db.one("SELECT seq FROM slot WHERE room = ?", room) == (receipts.UNSAID,)
