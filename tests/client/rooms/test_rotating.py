"""A new identity of an account takes the place of the old one, in every room."""

from typing import Any

import pytest

from alcove.client import account
from alcove.client.events import Warned
from alcove.client.rooms import acting, making
from alcove.client.rooms.committing import own_leaf
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import certificate_of
from alcove.client.rooms.state import group_of, public_of
from alcove.wire.entries import Append
from alcove.wire.errors import Code
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import names, room_of, said, say
from tests.client.world import PASSWORD, Peer, World

MINUTE_MS = 60_000


def rotate(peer: Peer, words: str, password: str = PASSWORD) -> None:
    peer.world.now += 60_000
    opener = peer.world.opener(peer, password)
    opened = peer.world.open(peer, opener)
    peer.do(account.rotate, opened, opener, peer.world.locks(peer, words), peer.phrase)
    peer.world.run()


def identities(peer: Peer, room: bytes, account_: bytes) -> set[bytes]:
    """Return the identities under which an account's devices stand in a room."""
    public = peer.do(public_of, room)
    assert public is not None
    there = [certificate_of(leaf) for _, leaf in public.tree.leaves()]
    return {one.identity for one in there if one.account == account_}


@pytest.mark.parametrize("kind", ["group", "direct"])
def test_a_rotation_reaches_every_room_at_once(kind: Any) -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    laptop = world.add_device(bob)
    room = ada.do(making.create, kind, (bob.me.account,))
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS)
    old = bob.me.identity
    ada.heard()
    rotate(bob, "another one")
    world.pass_time(5 * MINUTE_MS)
    assert bob.me.identity != old
    assert identities(ada, room, bob.me.account) == {bob.me.identity}
    assert [one.code for one in ada.heard(Warned)] == ["keys-rotated"]
    assert laptop.db.all("SELECT 1 FROM wish") == []
    ada.look(bob.me.account)
    say(world, ada, room, "is it you?")
    say(world, laptop, room, "it is")
    assert said(bob, room) == ["hello", "is it you?", "it is"]
    if kind == "group":
        bob.do(acting.invite, room, cyn.me.account)
        world.pass_time(MINUTE_MS)
        assert names(world, ada, room) == ["ada", "bob", "cyn"]


def test_a_device_that_missed_two_rotations_takes_on_the_newest_identity_first() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    laptop = world.add_device(bob)
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    laptop.hang_up()
    laptop.do(acting.invite, room, cyn.me.account)
    rotate(bob, "another one")
    rotate(bob, "a third one", "another one")
    world.pass_time(5 * MINUTE_MS)
    assert len(identities(ada, room, bob.me.account)) == 2
    assert laptop.connect() is None
    world.pass_time(5 * MINUTE_MS)
    assert identities(ada, room, bob.me.account) == {bob.me.identity}
    assert names(world, ada, room) == ["ada", "bob", "cyn"]


def test_rotations_that_no_room_has_heard_of_are_told_together() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    bob.answers = refuse(Append, Code.BUSY, 1000)
    rotate(bob, "another one")
    rotate(bob, "a third one", "another one")
    bob.answers = lambda _: None
    world.pass_time(5 * MINUTE_MS)
    assert identities(ada, room, bob.me.account) == {bob.me.identity}


def test_keys_are_healed_before_the_room_knows_of_a_rotation() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    bob.answers = refuse(Append, Code.BUSY, 1000)
    old = bob.me.identity
    rotate(bob, "another one")
    group = bob.do(group_of, room)
    assert group is not None
    assert bob.do(own_leaf, group, state_of(group.public)) is None
    assert identities(ada, room, bob.me.account) == {old}
