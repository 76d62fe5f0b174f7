"""Rooms that a restored server has lost altogether are made again, and go on."""

from typing import Any, Literal

import pytest
from msgspec import structs

from alcove.client.events import Warned
from alcove.client.rooms import acting, making, remade
from alcove.client.rooms.state import get_room
from alcove.client.tx import Tx
from alcove.wire.entries import Appended, Read
from alcove.wire.errors import Code
from alcove.wire.rooms import CreateRoom, Rooms
from tests.client.rooms.mischief import breaking, refuse
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said, say, state
from tests.client.rooms.test_lost import renew
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def lost_room(**fields: str) -> tuple[World, Peer, Peer, bytes]:
    """Return who made a room, who was in it, and the room, which their server has never had."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    image = back_up(world)
    room = room_of(world, ada, bob, **fields)
    say(world, ada, room, "one")
    say(world, bob, room, "two")
    restore(world, image)
    return world, ada, bob, room


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("history", ["open", "closed", "none"])
def test_a_room_that_a_restored_server_never_had_goes_on(history: str, *, is_first: bool) -> None:
    world, ada, bob, room = lost_room(history=history)
    come_back(world, *((ada, bob) if is_first else (bob, ada)))
    assert state(ada, room) == state(bob, room) == "active"
    say(world, bob, room, "three")
    say(world, ada, room, "four")
    for peer in (ada, bob):
        assert sorted(said(peer, room)) == ["four", "one", "three", "two"]
        assert names(world, peer, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("history", ["open", "none"])
def test_what_was_said_in_a_lost_room_is_said_again_though_its_founder_never_heard_of_it(
    history: Literal["open", "none"],
) -> None:
    """It is made again with Welcomes that nobody can open twice, and does not begin by these."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    image = back_up(world)
    ada.hears = lambda one: None if isinstance(one, Appended) else one
    room = ada.do(making.create, "group", (bob.me.account,), history=history)
    world.pass_time(MINUTE_MS)
    ada.hang_up()
    say(world, bob, room, "one")
    restore(world, image)
    ada.hears = lambda one: one
    come_back(world, bob, ada)
    assert said(ada, room) == said(bob, room) == ["one"]
    agree(world, room, ada, bob)


def test_a_room_whose_members_changed_since_its_founding_is_made_again_as_it_was() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    image = back_up(world)
    room = room_of(world, ada, bob)
    bob.do(renew, room)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, cyn, room, "one")
    restore(world, image)
    come_back(world, cyn, bob, ada)
    for peer in (ada, bob, cyn):
        assert state(peer, room) == "active"
        assert names(world, peer, room) == ["ada", "bob", "cyn"]
        assert said(peer, room) == ["one"]
    agree(world, room, ada, bob, cyn)


def test_a_room_that_is_being_made_again_is_made_once() -> None:
    world, ada, bob, room = lost_room()
    ada.answers = breaking(ada, CreateRoom)
    assert ada.connect() is None
    world.run()
    assert not ada.is_online
    come_back(world, ada, bob)
    assert state(ada, room) == state(bob, room) == "active"
    agree(world, room, ada, bob)


def test_a_founder_who_is_not_in_the_room_as_it_was_stays_out() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.do(acting.set_role, room, bob.me.account, "owner")
    world.run()
    world.pass_time(MINUTE_MS)
    bob.do(acting.remove, room, ada.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    bob.do(acting.invite, room, ada.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert state(ada, room) == "active"
    restore(world, image)
    come_back(world, ada)
    assert state(ada, room) == "gone"
    come_back(world, bob)  # Who has followed the invitation gives it back.
    assert names(world, bob, room) == ["ada", "bob"]


def test_a_room_that_cannot_be_made_again_is_named() -> None:
    world, ada, _, room = lost_room()
    ada.answers = refuse(CreateRoom, Code.LIMIT)
    ada.heard()
    come_back(world, ada)
    assert "room-not-restored: limit" in [one.code for one in ada.heard(Warned)]
    assert state(ada, room) == "gone"


def test_what_is_refused_in_passing_says_nothing_about_a_room() -> None:
    world, ada, bob, room = lost_room()
    ada.answers = refuse(Read, Code.INTERNAL)
    assert ada.connect() is None
    world.run()
    assert state(ada, room) == "active"
    world.pass_time(MINUTE_MS)  # It asks again.
    come_back(world, bob)
    say(world, bob, room, "three")
    assert said(ada, room)[-1] == "three"
    agree(world, room, ada, bob)


def test_a_room_that_was_left_meanwhile_is_not_made_again() -> None:
    world, ada, _, room = lost_room()
    held: list[Any] = []
    ada.hears = lambda one: held.append(one) if type(one).__name__ == "Appended" else one
    come_back(world, ada)
    ada.do(lambda tx: tx.run("UPDATE room SET state = 'gone' WHERE room = ?", room))
    ada.hears = lambda one: one
    for one in held:
        ada.engine.receive(one, world.now)
    world.run()
    assert state(ada, room) == "gone"


def test_a_room_that_the_list_leaves_out_and_that_is_there_is_not_made_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    restore(world, back_up(world))
    asked: list[Any] = []
    ada.answers = lambda one: asked.append(one) if isinstance(one, CreateRoom) else None
    ada.hears = lambda one: structs.replace(one, rooms=()) if isinstance(one, Rooms) else one
    come_back(world, ada, bob)
    assert asked == []
    assert state(ada, room) == "active"
    ada.hears = lambda one: one
    world.pass_time(MINUTE_MS)  # It asks again.
    say(world, bob, room, "one")
    assert said(ada, room) == ["one"]
    agree(world, room, ada, bob)


def test_a_room_whose_founding_its_maker_has_forgotten_is_not_made_of_what_is_left() -> None:
    world, ada, bob, room = lost_room()
    held: list[CreateRoom] = []
    ada.answers = lambda one: held.append(one) if isinstance(one, CreateRoom) else None
    ada.db.run("UPDATE handshake SET header = NULL, body = NULL WHERE room = ? AND seq > 1", room)
    come_back(world, ada, bob)
    assert [len(one.entries) for one in held] == [1]


def test_who_is_asked_into_a_room_to_which_it_has_a_way_looks_for_it_anew() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    here = bob.do(get_room, room)
    bob.db.run("UPDATE room SET state = 'outside', incarnation = 1 WHERE room = ?", room)

    def listed(tx: Tx) -> None:
        tx.memory.listed[room] = None
        remade.all_listed(tx, here.incarnation)

    bob.do(listed)
    world.pass_time(MINUTE_MS)
    assert bob.do(get_room, room).incarnation == here.incarnation
    say(world, bob, room, "one")
    assert said(ada, room) == ["one"]
