"""Who cannot follow a commit is found again, and whoever made it is named."""

from typing import Any

import msgspec
import pytest

from alcove.client.events import Mended
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import acting, planning, wishes
from alcove.client.rooms.changes import Plan
from alcove.client.rooms.committing import commit
from alcove.client.rooms.handshakes import decode_body
from alcove.client.rooms.state import get_room, group_of
from alcove.client.tx import Tx
from alcove.mls import Group
from alcove.mls.pyca import Pyca
from alcove.wire.codec import decode_header, encode
from alcove.wire.content import Text
from alcove.wire.entries import Append, Appended, Entries, HandshakeHeader, NewEntries, NewEntry
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    names,
    notes,
    room_of,
    said,
    say,
)
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def renew(tx: Tx, room: bytes) -> None:
    """Commit one's own keys anew, as healing does."""
    here, group = get_room(tx, room), group_of(tx, room)
    assert group is not None
    planned = Plan(planning.plan(group.public, group.me))
    wishes.send(tx, here, [], commit(tx, here, group, planned.what), planned)


def lose(world: World, peer: Peer, room: bytes, spared: int = 0) -> None:
    """Let somebody make a commit that counts, and that nobody can follow but the first few."""
    right = Pyca.hpke_seal
    left = [spared]

    def hpke_seal(crypto: Pyca, *args: Any) -> tuple[bytes, bytes]:
        enc, sealed = right(crypto, *args)
        left[0] -= 1
        if left[0] >= 0:
            return enc, sealed
        return enc, sealed[:-1] + bytes([sealed[-1] ^ 1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pyca, "hpke_seal", hpke_seal)
        peer.do(renew, room)
    world.run()


def is_lost(peer: Peer, room: bytes) -> bool:
    return peer.db.one("SELECT is_lost FROM room WHERE room = ?", room) == (1,)


def joins(world: World, room: bytes) -> int:
    """Return how many commits of this room were external ones."""
    lines = world.server.connection.all(
        "SELECT e.header FROM entry e JOIN room r ON r.number = e.room WHERE r.room = ?", room
    )
    return sum(b"resync" in header for (header,) in lines)


def test_one_who_follows_adds_all_the_lost_again_by_one_commit() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, bob, room, "before")
    world.pass_time(MINUTE_MS)
    lose(world, bob, room, spared=1)
    assert is_lost(cyn, room)
    assert not is_lost(ada, room)
    cyn.do(acting.say, room, Text("still here"))
    world.pass_time(3 * MINUTE_MS)
    agree(world, room, ada, bob, cyn)
    assert said(ada, room) == said(bob, room) == said(cyn, room) == ["before", "still here"]
    assert "found" in notes(cyn, room)


def test_an_admin_who_was_lost_comes_back_by_itself_and_removes_who_did_it() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, bob, room, "before")
    world.pass_time(MINUTE_MS)
    ada.heard()
    lose(world, bob, room)
    world.pass_time(3 * MINUTE_MS)
    assert any(
        one.cause.startswith("lost: ") and one.who == bob.me.account for one in ada.heard(Mended)
    )
    assert {"lost", "found"} <= set(notes(ada, room))
    assert joins(world, room) >= 1
    assert names(world, ada, room) == names(world, cyn, room) == ["ada", "cyn"]
    agree(world, room, ada, cyn)


def test_a_member_who_was_lost_removes_nobody() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, ada, room, "before")
    world.pass_time(MINUTE_MS)
    lose(world, ada, room)
    assert is_lost(bob, room)
    assert is_lost(cyn, room)
    world.pass_time(3 * MINUTE_MS)
    assert names(world, bob, room) == ["ada", "bob", "cyn"]
    agree(world, room, ada, bob, cyn)


def test_who_was_lost_in_a_room_that_keeps_nothing_is_told_what_was_missed() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn, history="none")
    say(world, ada, room, "before")
    world.pass_time(MINUTE_MS)
    lose(world, ada, room)
    say(world, ada, room, "who hears me?")
    assert notes(bob, room)[-1] == notes(cyn, room)[-1] == "while-lost"
    world.pass_time(3 * MINUTE_MS)
    say(world, ada, room, "and now?")
    assert said(bob, room) == said(cyn, room) == ["before", "and now?"]


def test_the_lost_come_back_by_themselves_when_nobody_follows() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, ada, room, "before")
    world.pass_time(MINUTE_MS)
    lose(world, ada, room)
    ada.hang_up()
    bob.restart()
    assert bob.connect() is None
    world.pass_time(3 * MINUTE_MS)
    assert joins(world, room) == 1
    say(world, bob, room, "after")
    say(world, cyn, room, "all")
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    assert said(ada, room) == said(bob, room) == said(cyn, room) == ["before", "after", "all"]
    agree(world, room, ada, bob, cyn)


def test_a_lie_to_who_joins_is_named_and_put_right_at_once() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, bob, room, "before")
    world.pass_time(MINUTE_MS)
    wrong = SUITE.kem_derive(bytes(SUITE.secret_bytes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Group, "external_key", lambda _: wrong)
        bob.do(renew, room)
    world.run()
    assert "bad-group-info" in notes(ada, room)
    world.pass_time(PAUSE_MS)
    laptop = world.add_device(cyn)
    world.pass_time(MINUTE_MS)
    assert said(laptop, room) == ["before"]
    agree(world, room, ada, bob, cyn, laptop)


def altered(request: Any) -> Any:
    """Return a request whose commits have one bit more or less where nothing is signed."""

    def alter(entry: NewEntry) -> NewEntry:
        if not isinstance(decode_header(entry.header), HandshakeHeader):
            return entry
        body = decode_body(entry.body)
        commit = body.commit[:-1] + bytes([body.commit[-1] ^ 1])
        return NewEntry(entry.header, encode(msgspec.structs.replace(body, commit=commit)))

    return msgspec.structs.replace(request, entries=tuple(map(alter, request.entries)))


@pytest.mark.parametrize("is_told", [True, False])
def test_a_bit_that_the_server_turns_removes_no_innocent_member(*, is_told: bool) -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    for peer in (ada, bob, cyn):
        say(world, peer, room, peer.name)
        world.pass_time(MINUTE_MS)
    right, left = world.server.take, [1]

    def take(session: Any, request: Any, now: int) -> None:
        if isinstance(request, Append) and left[0]:
            left[0] = 0
            request = altered(request)
        right(session, request, now)

    world.server.take = take  # type: ignore[method-assign]
    if not is_told:  # He reads it in the log, before he hears that it was stored.
        bob.hears = lambda one: None if isinstance(one, Appended) else one
    bob.do(renew, room)
    world.run()
    bob.hears = lambda one: one
    bob.hang_up()
    assert bob.connect() is None
    world.pass_time(10 * MINUTE_MS)
    for peer in (ada, cyn):
        assert {"altered", "found"} <= set(notes(peer, room))
        assert names(world, peer, room) == ["ada", "bob", "cyn"]
    assert "somebody-has-your-device" not in notes(bob, room)
    assert ("altered" in notes(bob, room)) is not is_told  # Else he has seen that it is a fork.
    assert ("fork" in notes(bob, room)) is is_told


def test_who_was_lost_comes_in_by_a_welcome_that_is_ahead_of_the_log() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, bob, room, "before")
    world.pass_time(MINUTE_MS)
    lose(world, bob, room, spared=1)
    assert is_lost(cyn, room)
    cyn.hears = lambda one: None if isinstance(one, NewEntries | Entries) else one
    world.pass_time(MINUTE_MS)
    cyn.hears = lambda one: one
    cyn.hang_up()
    assert cyn.connect() is None
    world.pass_time(3 * MINUTE_MS)
    assert not is_lost(cyn, room)
    say(world, ada, room, "after")
    assert said(cyn, room) == ["before", "after"]
    agree(world, room, ada, bob, cyn)
