"""What waits while nobody knows what a log has become: it is sent, said anew, or forgotten."""

import pytest

from alcove.client.rooms import acting, withheld
from alcove.client.tx import READS_FROM
from alcove.wire.base import Done
from alcove.wire.content import Text
from alcove.wire.entries import Append, Read
from alcove.wire.errors import Refusal
from tests.client.rooms.mischief import breaking
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said, say, state
from tests.client.rooms.test_lost import renew
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


def two_rooms(world: World) -> tuple[Peer, Peer, bytes, bytes]:
    """Return two people and two rooms, in each of which something was said."""
    ada, bob = world.register("ada"), world.register("bob")
    rooms = room_of(world, ada, bob), room_of(world, ada, bob)
    for room in rooms:
        say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    return ada, bob, *rooms


@pytest.mark.parametrize("with_commit", [True, False])
def test_what_was_on_its_way_to_a_restored_server_is_said_once(*, with_commit: bool) -> None:
    world = World()
    ada, bob, room, other = two_rooms(world)
    image = back_up(world)
    bob.answers = breaking(bob, Append)
    for one in (room, other):
        bob.do(acting.say, one, Text("two"))
        if with_commit:
            bob.do(renew, one)
    world.run()
    bob.answers = lambda _: None
    restore(world, image)
    come_back(world, bob, ada)
    for one in (room, other):
        say(world, bob, one, "three")
        assert said(ada, one) == said(bob, one) == ["one", "two", "three"]
        agree(world, one, ada, bob)
    assert bob.db.all("SELECT * FROM request") == []


def test_what_a_device_would_say_without_a_line_is_not_handed_to_the_next_one() -> None:
    """A restored server may be there: the sign-in tells, and only then it is said or said anew."""
    world = World()
    ada, _, room, _ = two_rooms(world)
    ada.hang_up()
    ada.do(acting.say, room, Text("two"))
    assert ada.engine.requests() == []
    assert ada.connect() is None
    world.run()
    assert said(ada, room) == ["one", "two"]
    assert ada.db.all("SELECT * FROM request") == []


def test_a_leave_that_was_on_its_way_to_a_restored_server_is_said() -> None:
    world = World()
    ada, bob, room, other = two_rooms(world)
    image = back_up(world)
    bob.answers = breaking(bob, Append)
    bob.do(acting.leave, room)
    world.run()
    bob.answers = lambda _: None
    restore(world, image)
    come_back(world, bob, ada)
    world.pass_time(PAUSE_MS)
    assert state(bob, room) == "gone"
    assert state(bob, other) == "active"
    assert names(world, ada, room) == ["ada"]


@pytest.mark.parametrize("with_commit", [True, False])
def test_who_has_to_come_in_anew_says_what_was_on_its_way_after_that(*, with_commit: bool) -> None:
    world = World()
    ada, bob, room, other = two_rooms(world)
    image = back_up(world)
    bob.do(renew, room)  # It will be void, and others go on without it.
    world.run()
    bob.hang_up()
    bob.do(acting.say, room, Text("two"))
    bob.do(acting.say, other, Text("two"))
    if with_commit:
        bob.do(renew, room)
    restore(world, image)
    assert ada.connect() is None
    world.run()
    ada.do(renew, room)
    say(world, ada, room, "three")
    come_back(world, bob)
    assert sorted(said(ada, room)) == sorted(said(bob, room)) == ["one", "three", "two"]
    assert said(ada, other) == ["one", "two"]
    agree(world, room, ada, bob)
    assert bob.db.all("SELECT * FROM request") == []


def test_what_was_on_its_way_is_given_up_where_a_device_was_removed_before_the_log_was_read() -> (
    None
):
    world = World()
    ada, bob, room, other = two_rooms(world)
    image = back_up(world)
    bob.answers = breaking(bob, Append)
    bob.do(acting.say, room, Text("two"))
    bob.do(renew, room)
    world.run()
    restore(world, image)
    bob.answers = breaking(bob, Read)  # It has seen the list of rooms, and no log yet.
    assert bob.connect() is None
    world.run()
    assert not bob.is_online
    assert ada.connect() is None
    world.run()
    ada.do(acting.remove, room, bob.me.account)
    world.pass_time(PAUSE_MS)
    bob.answers = lambda _: None
    come_back(world, bob)
    assert (state(bob, room), state(bob, other)) == ("gone", "active")
    assert bob.db.all("SELECT * FROM request") == bob.db.all("SELECT * FROM pending") == []


def test_what_was_on_its_way_into_a_room_that_is_over_is_given_up_after_a_restore() -> None:
    world = World()
    ada, bob, room, _ = two_rooms(world)
    bob.hang_up()
    bob.do(acting.say, room, Text("two"))
    ada.do(acting.remove, room, bob.me.account)
    world.pass_time(PAUSE_MS)
    image = back_up(world)
    bob.hears = lambda one: None if isinstance(one, Refusal) and one.id < READS_FROM else one
    assert bob.connect() is None
    world.run()
    assert state(bob, room) == "gone"
    bob.hears = lambda one: one
    assert bob.db.all("SELECT answered_by FROM request") == [("wishes.appended",)]
    restore(world, image)
    come_back(world, bob)
    assert bob.db.all("SELECT * FROM request") == []


def test_who_was_coming_into_a_room_that_a_restored_server_does_not_name_looks_for_it_anew() -> (
    None
):
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    image = back_up(world)
    room = room_of(world, ada, bob)
    laptop = world.add_peer("bob")
    laptop.phrase = bob.phrase
    assert isinstance(world.try_to_enter(laptop), Done)
    bob.hang_up()
    laptop.answers = breaking(laptop, Append)
    assert laptop.connect() is None
    world.pass_time(PAUSE_MS)
    assert not laptop.is_online
    assert state(laptop, room) == "outside"
    laptop.answers = lambda _: None
    restore(world, image)
    come_back(world, laptop)
    assert state(laptop, room) == "gone"
    assert laptop.db.all("SELECT * FROM request") == laptop.db.all("SELECT * FROM pending") == []
    come_back(world, ada, bob)
    say(world, ada, room, "one")
    assert said(bob, room) == said(laptop, room) == ["one"]
    agree(world, room, ada, bob, laptop)


def test_raw_handshakes_are_forgotten_after_a_month() -> None:
    world = World()
    _, bob, room, _ = two_rooms(world)
    kept = "SELECT COUNT(body) FROM handshake WHERE room = ?"
    before = bob.db.one(kept, room)
    world.now += withheld.KEPT_MS - DAY_MS
    bob.do(withheld.forget_bodies, b"")
    assert bob.db.one(kept, room) == before != (0,)
    world.now += 2 * DAY_MS
    bob.do(withheld.forget_bodies, b"")
    assert bob.db.one(kept, room) == (0,)


def test_what_is_given_up_in_one_room_is_said_in_another() -> None:
    world = World()
    ada, bob, room, other = two_rooms(world)
    bob.hang_up()
    for one in (room, other):
        bob.do(acting.say, one, Text("two"))
        bob.do(renew, one)
    bob.do(withheld.drop, room)
    rooms = bob.db.all("SELECT room FROM pending")
    assert rooms == [(other,)]
    assert bob.connect() is None
    world.pass_time(2 * MINUTE_MS)
    assert said(ada, other) == ["one", "two"]
    agree(world, other, ada, bob)
