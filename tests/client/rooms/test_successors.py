"""Direct rooms after a reset: the two go on in another room, which names the one before."""

import pytest

from alcove.client import account
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.rooms import acting, making, successors
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.state import get_room, public_of
from alcove.client.tx import Tx
from alcove.wire.content import Text
from tests.client.rooms.talk import said, say
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def two() -> tuple[World, Peer, Peer, bytes]:
    """Return two people and the room in which they have talked."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "direct", (bob.me.account,))
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "hi")
    return world, ada, bob, room


def named(tx: Tx, room: bytes) -> bytes | None:
    """Return the room before, as the signed state of a room names it."""
    public = public_of(tx, room)
    assert public is not None
    return state_of(public).predecessor


def is_over(tx: Tx, room: bytes) -> bool:
    return successors.is_over(tx, get_room(tx, room))


def direct(peer: Peer, other: Peer) -> bytes:
    room = peer.do(making.create, "direct", (other.me.account,))
    peer.world.pass_time(MINUTE_MS)
    return room


def test_whoever_writes_to_somebody_who_was_reset_goes_on_in_a_room_that_names_the_one_before() -> (
    None
):
    world, ada, bob, room = two()
    phone = world.come_back(ada)
    bob.look(ada.me.account)
    after = direct(bob, ada)
    assert after != room
    assert bob.do(named, after) == room
    say(world, bob, after, "is it you?")
    world.pass_time(MINUTE_MS)
    say(world, phone, after, "yes")
    assert said(phone, after) == said(bob, after) == ["is it you?", "yes"]
    assert direct(bob, ada) == after
    assert successors.successor(bob.db, room) == after
    assert successors.successor(bob.db, after) is None


def test_the_other_devices_of_who_goes_on_find_the_room_before_by_its_name() -> None:
    world, ada, bob, room = two()
    laptop = world.add_device(bob)
    world.pass_time(MINUTE_MS)
    assert laptop.do(get_room, room).partner == ada.me.account
    world.come_back(ada)
    bob.look(ada.me.account)
    after = direct(bob, ada)
    bob.do(acting.say, after, Text("is it you?"))
    world.pass_time(MINUTE_MS)
    assert successors.successor(laptop.db, room) == after
    assert successors.successor(laptop.db, after) is None


def test_nothing_goes_to_somebody_who_was_reset_before_the_owner_has_looked() -> None:
    world, ada, bob, room = two()
    bob.hang_up()
    bob.do(acting.say, room, Text("only for the ada I know"))
    phone = world.come_back(ada)
    bob.heard()
    bob.connect()
    world.pass_time(MINUTE_MS)
    assert ("keys-reset", ada.me.account) in [(one.code, one.about) for one in bob.heard(Warned)]
    after = direct(bob, ada)
    bob.do(acting.say, after, Text("hello?"))
    world.pass_time(MINUTE_MS)
    assert said(phone, after) == []
    assert bob.db.all("SELECT room, failed FROM outbox WHERE failed != ''") == [
        (room, successors.OVER)
    ]
    bob.look(ada.me.account)
    world.pass_time(MINUTE_MS)
    assert said(phone, after) == ["hello?"]
    assert said(ada, room) == ["hello", "hi"]


def test_nothing_is_said_any_more_in_a_room_that_ended() -> None:
    world, ada, bob, room = two()
    assert not bob.do(is_over, room)
    world.come_back(ada)
    assert bob.do(is_over, room)
    with pytest.raises(UsageError, match="come back with new keys"):
        bob.do(acting.say, room, Text("hello?"))


def test_who_was_reset_writes_first_and_the_other_one_finds_what_was_before() -> None:
    world, ada, bob, room = two()
    phone = world.come_back(ada)
    world.pass_time(MINUTE_MS)
    after = direct(phone, bob)
    say(world, phone, after, "I am back")
    assert said(bob, after) == ["I am back"]
    assert bob.do(named, after) is None  # A device without a past knows of no room before.
    assert successors.successor(bob.db, room) == after
    bob.look(ada.me.account)
    assert direct(bob, ada) == after


def test_two_who_go_on_at_the_same_time_end_in_one_room() -> None:
    world, ada, bob, room = two()
    phone = world.come_back(ada)
    bob.look(ada.me.account)
    for one, other in ((phone, bob), (bob, ada)):
        mine = one.do(making.create, "direct", (other.me.account,))
        one.do(acting.say, mine, Text(f"from {one.name}"))
    world.pass_time(MINUTE_MS)
    (after,) = {direct(phone, bob), direct(bob, ada)}
    assert sorted(said(phone, after)) == sorted(said(bob, after)) == ["from ada", "from bob"]
    assert successors.successor(bob.db, room) == after


def test_a_rotation_ends_no_room() -> None:
    world, ada, bob, room = two()
    opener = world.opener(ada)
    opened, locks = world.open(ada, opener), world.locks(ada, "five other words for it")
    ada.do(account.rotate, opened, opener, locks, ada.phrase)
    world.run()
    bob.look(ada.me.account)
    assert not bob.do(is_over, room)
    assert direct(bob, ada) == room
    assert not bob.do(is_over, room)
