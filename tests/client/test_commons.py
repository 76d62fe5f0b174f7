"""The commons: made by the host, joined by everyone, and left by who wants to."""

import random

import pytest

from alcove.client import commons
from alcove.client.commons import is_read_by_everyone
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.rooms import acting
from alcove.client.rooms.links import link_hash
from alcove.wire.content import Text
from alcove.wire.errors import Code
from alcove.wire.rooms import Commons, CreateRoom, GetCommons, OpenLink
from tests.client.refusing import answer, refuse, refuse_next
from tests.client.rooms.talk import PAUSE_MS, agree, names, said, say, state, troubles
from tests.client.world import Peer, World


def settle(world: World) -> None:
    """Let everybody who wants to come in do so."""
    world.run()
    world.pass_time(commons.JITTER_MS + PAUSE_MS * 3)


def town() -> tuple[World, Peer, bytes]:
    """Return a world with a commons, made by its host."""
    world = World()
    host = world.register("host", invite=world.secret("owner"))
    room = host.do(commons.make)
    settle(world)
    return world, host, room


def test_everyone_joins_the_commons_by_themselves() -> None:
    world, host, room = town()
    assert commons.room_of(host.db) == room
    assert host.do(commons.make) == room
    say(world, host, room, "welcome all")
    ada, bob = world.register("ada"), world.register("bob")
    assert commons.room_of(ada.db) is None
    settle(world)
    assert commons.room_of(ada.db) == commons.room_of(bob.db) == room
    say(world, ada, room, "hello")
    assert said(bob, room) == said(host, room) == said(ada, room) == ["welcome all", "hello"]
    assert names(world, bob, room) == ["ada", "bob", "host"]
    assert is_read_by_everyone(ada.db, room)
    assert not is_read_by_everyone(ada.db, b"?" * 16)
    agree(world, room, host, ada, bob)


def test_all_devices_of_a_person_are_there_once() -> None:
    world, host, room = town()
    ada = world.register("ada")
    settle(world)
    tablet = world.add_device(ada)
    settle(world)
    say(world, host, room, "hello")
    assert said(tablet, room)[-1:] == said(ada, room)[-1:] == ["hello"]
    assert names(world, host, room) == ["ada", "host"]


@pytest.mark.parametrize("seed", range(8))
def test_programs_that_run_for_short_whiles_come_into_it(seed: int) -> None:
    world, host, room = town()
    draw = random.Random(seed)
    ada = world.register("ada")
    for _ in range(draw.randint(4, 12)):
        for _ in range(draw.randint(1, 14)):
            world.now += draw.choice([1, 10, 200])
            for peer in world.peers:
                peer.step()
        ada.restart()
        world.pass_time(draw.choice([100, 3_000, 9_000]))
        if draw.random() < 0.5:
            ada.engine.tick(world.now)
        ada.connect()
    settle(world)
    world.pass_time(PAUSE_MS * 10)
    say(world, host, room, "hello")
    world.pass_time(PAUSE_MS * 4)
    say(world, ada, room, "hi")
    world.pass_time(PAUSE_MS * 4)
    assert said(ada, room)[-2:] == said(host, room)[-2:] == ["hello", "hi"]


def test_who_has_left_stays_out_until_they_say_so() -> None:
    world, host, room = town()
    ada = world.register("ada")
    settle(world)
    ada.do(acting.leave, room)
    settle(world)
    ada.hang_up()
    ada.restart()
    assert ada.connect() is None
    settle(world)
    assert state(ada, room) == "gone"
    assert names(world, host, room) == ["host"]
    ada.do(commons.go_back)
    settle(world)
    assert names(world, host, room) == ["ada", "host"]


def test_only_the_host_makes_it() -> None:
    world = World()
    world.register("host", invite=world.secret("owner"))
    ada = world.register("ada")
    with pytest.raises(UsageError, match="no commons"):
        ada.do(commons.open_again)
    room = ada.do(commons.make)
    ada.do(acting.say, room, Text("hello?"))
    settle(world)
    assert state(ada, room) == "gone"
    assert [one.code for one in ada.heard(Warned)] == ["room-refused"]


def test_a_removal_ends_the_link_and_the_host_makes_another() -> None:
    world, host, room = town()
    ada = world.register("ada")
    settle(world)
    host.do(acting.remove, room, ada.me.account)
    settle(world)
    bob = world.register("bob")
    settle(world)
    assert commons.room_of(bob.db) is None
    host.do(commons.open_again)
    settle(world)
    bob.hang_up()
    assert bob.connect() is None
    settle(world)
    assert names(world, host, room) == ["bob", "host"]


def test_a_full_commons_lets_nobody_else_in() -> None:
    world, *_ = town()
    ada = world.add_peer("ada")
    world.try_to_register(ada)
    assert ada.connect() is None
    refuse_next(ada, OpenLink, Code.LIMIT)
    assert troubles(ada)[-1] == "not-joined: limit"
    settle(world)
    assert commons.room_of(ada.db) is None


def test_a_commons_that_was_made_offline_is_made_later() -> None:
    world = World()
    host = world.register("host", invite=world.secret("owner"))
    ada = world.register("ada")
    host.hang_up()
    room = host.do(commons.make)
    host.restart()
    assert host.connect() is None
    settle(world)
    ada.hang_up()
    assert ada.connect() is None
    settle(world)
    assert names(world, host, room) == ["ada", "host"]


def test_what_the_server_says_of_the_commons_is_looked_at() -> None:
    world = World()
    ada = world.register("ada")
    room, key = b"c" * 16, b"k" * 32
    for said_ in (
        Commons(room=room, key=key, link=b"?" * 32),
        Commons(room=room, key=b"short" * 7, link=link_hash(b"short" * 7)),
        Commons(room=room),
        Commons(room=None),
    ):
        number = ada.do(lambda tx: tx.ask(GetCommons(), "commons.there"))
        answer(ada, Commons(id=number, room=said_.room, key=said_.key, link=said_.link))
    number = ada.do(lambda tx: tx.ask(GetCommons(), "commons.there"))
    assert refuse(ada, GetCommons, Code.TOO_MANY) >= 1
    assert ada.db.all("SELECT 1 FROM alarm WHERE kind = ?", commons.JOIN) == []
    assert number
    assert [one for one in ada.engine.requests() if isinstance(one, CreateRoom | OpenLink)] == []
