"""Who was shut out by the server's word alone comes back to the room that was, or to none."""

from typing import Any

import pytest

from alcove.client import restored
from alcove.client.rooms import acting, returning, rewinding
from alcove.client.rooms.state import get_room, public_of
from alcove.client.tx import Tx
from alcove.wire.base import Request
from alcove.wire.content import Text
from alcove.wire.entries import Append, Appended, Entries, GetSnapshot, NewEntry, Read, Snapshot
from alcove.wire.ids import NOTHING_BEFORE, Position
from alcove.wire.rooms import Room as Listed
from alcove.wire.rooms import RoomChanged
from tests.client.rooms.mischief import Vandal
from tests.client.rooms.talk import PAUSE_MS, agree, names, notes, room_of, said, say, state
from tests.client.rooms.test_lost import renew
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def moved(peer: Peer, room: bytes) -> None:
    """Let the server say that a device is routed to a room no more, and then again."""
    for state_ in ("gone", "active"):
        peer.engine.receive(RoomChanged(room=room, state=state_), peer.world.now)


def test_who_is_said_to_be_gone_comes_back_to_the_same_room() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "before")
    moved(bob, room)
    world.pass_time(2 * MINUTE_MS)
    say(world, bob, room, "after")
    assert said(bob, room) == said(ada, room) == ["before", "after"]
    assert "fork" not in notes(bob, room)
    agree(world, room, ada, bob)


def test_a_room_is_not_come_into_as_it_was_before_somebody_was_removed() -> None:
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal)
    (incarnation,) = bob.db.one("SELECT incarnation FROM me") or (0,)
    read = Read(room=room, since=Position(incarnation, 0), lane="handshake")
    old = world.ask(bob, read).entries
    mal.hang_up()
    ada.do(acting.remove, room, mal.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    sent: list[Append] = []

    def lie(request: Request) -> Any:
        if isinstance(request, GetSnapshot):
            return Snapshot(id=request.id, seq=0, name=bytes(32), body=None)
        if isinstance(request, Read):
            later = tuple(one for one in old if one.seq > request.since.seq)
            return Entries(
                id=request.id, room=room, incarnation=incarnation, entries=later, head=0, more=False
            )
        if isinstance(request, Append):
            sent.append(request)
            return Appended(id=request.id, first=99, at=world.now, chain=bytes(32))
        return None

    bob.answers = lie
    moved(bob, room)
    world.pass_time(30 * MINUTE_MS)
    assert state(bob, room) == "outside"
    assert notes(bob, room).count("fork") == 1
    bob.do(acting.say, room, Text("only for ada"))
    world.pass_time(MINUTE_MS)
    assert sent == []
    bob.answers = lambda _: None
    world.pass_time(30 * MINUTE_MS)
    assert state(bob, room) == "outside"  # Before its owner has looked.
    bob.do(restored.overlook, room)
    world.pass_time(30 * MINUTE_MS)
    assert said(ada, room) == ["only for ada"]
    assert names(world, bob, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("renewals", [0, 6], ids=["by a stranger", "behind what was known"])
@pytest.mark.parametrize("way", ["welcome", "commit"])
def test_a_room_that_does_not_go_on_from_what_was_known_keeps_one_silent(
    renewals: int, way: str
) -> None:
    """What is known is another room's state here: so this one looks like the server's own."""
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room, other = room_of(world, ada, bob), room_of(world, cyn)
    for _ in range(renewals):
        cyn.do(renew, other)
        world.pass_time(MINUTE_MS)
    if way == "welcome":
        ada.do(acting.remove, room, bob.me.account)
        world.run()
        world.pass_time(PAUSE_MS)

    def known(tx: Tx) -> bytes:
        public = public_of(tx, other)
        assert public is not None
        return public.save()

    saved = cyn.do(known)
    bob.do(lambda tx: tx.run("UPDATE room SET known = ? WHERE room = ?", saved, room))
    if way == "welcome":
        ada.do(acting.invite, room, bob.me.account)
    else:
        moved(bob, room)
    world.run()
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == ("active" if way == "welcome" else "outside")
    assert "fork" in notes(bob, room)
    assert not bob.do(lambda tx: restored.may_speak(tx, get_room(tx, room)))


def test_a_state_that_nobody_has_signed_is_nobody_s_word() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room, other = room_of(world, ada, bob), room_of(world, cyn)

    def known(tx: Tx) -> bytes:
        public = public_of(tx, other)
        assert public is not None
        return public.save()

    saved = cyn.do(known)
    bob.do(lambda tx: tx.run("UPDATE room SET known = ? WHERE room = ?", saved, room))
    bob.do(returning.arrived, room, 2, b"garbage")
    assert "fork" in notes(bob, room)


def test_who_begins_anew_after_a_restore_waits_for_nothing_of_before() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)

    def step(tx: Tx) -> None:
        tx.run("UPDATE room SET state = 'outside' WHERE room = ?", room)
        for table, columns in (
            ("unopened", "room, seq, key, at, header, body) VALUES (?, 7, x'', 0, x'', x''"),
            ("entry", "room, seq, device, cause) VALUES (?, 7, x'', 'no-key'"),
        ):
            tx.run(f"INSERT INTO {table} ({columns})", room)
        name = NOTHING_BEFORE
        one = Listed(room, "group", "active", 1, name, name, 0, "open", 0, None)
        rewinding.listed(tx, one, 99)

    bob.do(step)
    assert bob.db.all("SELECT * FROM unopened") == []
    assert bob.db.all("SELECT * FROM entry WHERE seq = 7") == []


def with_garbage(world: World) -> tuple[Peer, Peer, bytes]:
    """Return two people in a room whose log holds a handshake that counts for nobody."""
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal)
    vandal = Vandal(mal)
    vandal.post(room, NewEntry(vandal.commit(room).entry.header, b"garbage"))
    world.pass_time(MINUTE_MS)
    bob.do(renew, room)
    world.pass_time(MINUTE_MS)
    return ada, bob, room


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_restored_log_is_the_same_with_all_that_counts_for_nobody(*, is_whole: bool) -> None:
    world = World()
    ada, bob, room = with_garbage(world)
    bob.do(returning.remember, room, was_restored=True)
    if not is_whole:  # What has no beginning is known by nothing.
        bob.db.run("DELETE FROM handshake WHERE room = ? AND seq = 1", room)
    bob.do(returning.arrived, room, bob.do(get_room, room).seq, b"")
    assert ("fork" in notes(bob, room)) is not is_whole
    assert "fork" not in notes(ada, room)


def test_who_came_after_a_restore_is_known_by_who_has_let_them_in() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    bob.do(returning.remember, room, was_restored=True)
    bob.db.run("DELETE FROM walked")  # It had come in a moment before.
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    cyn.do(renew, room)
    world.pass_time(MINUTE_MS)
    bob.do(returning.arrived, room, bob.do(get_room, room).seq, b"")
    assert "fork" not in notes(bob, room)
