"""A commit that a server took and lost before its maker had read so far is not waited for."""

from typing import Any

from alcove.client.rooms import acting
from alcove.wire.content import Text
from alcove.wire.entries import NewEntries, Read
from alcove.wire.errors import Code
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import agree, room_of, said, say
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def no_news(message: Any) -> Any:
    return None if isinstance(message, NewEntries) else message


def behind(world: World) -> tuple[Peer, Peer, bytes, bytes]:
    """Return a room, a copy of its server, and who has had a commit taken behind what it read."""
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    bob.hears, bob.answers = no_news, refuse(Read, Code.BUSY, 99_000)
    say(world, ada, room, "two")
    ada.hang_up()  # Nobody else has the commit, to give it back.
    bob.do(acting.say, room, Text("three"))
    world.run()
    assert said(bob, room) == ["one", "three"]
    assert bob.db.all("SELECT * FROM request") == []
    assert len(bob.db.all("SELECT * FROM pending")) == 1
    bob.hears, bob.answers = lambda message: message, lambda _: None
    return ada, bob, room, image


def test_who_had_a_commit_taken_that_is_lost_speaks_on_after_a_restore() -> None:
    world = World()
    ada, bob, room, image = behind(world)
    restore(world, image)
    come_back(world, ada, bob)
    say(world, bob, room, "four")
    world.pass_time(MINUTE_MS)
    agree(world, room, ada, bob)
    assert sorted(said(ada, room)) == sorted(said(bob, room)) == ["four", "one", "three", "two"]
    assert bob.db.all("SELECT * FROM pending") == []


def test_a_commit_that_was_taken_and_not_read_is_followed_when_it_is_read() -> None:
    world = World()
    ada, bob, room, _ = behind(world)
    bob.hang_up()
    come_back(world, bob, ada)
    agree(world, room, ada, bob)
    assert said(bob, room) == ["one", "two", "three"]
    assert bob.db.all("SELECT cause FROM line WHERE cause LIKE 'lost%'") == []
