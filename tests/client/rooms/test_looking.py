"""Whoever comes into a room is compared with what is known of their account."""

from typing import Any

from alcove.client import trust
from alcove.client.events import Warned
from alcove.client.rooms import making
from alcove.client.rooms.leaves import certificate_of
from alcove.client.rooms.looking import look_again, look_at
from alcove.client.rooms.state import public_of
from alcove.client.tx import Tx
from alcove.mls import LeafNode
from alcove.wire.devices import GetLists, Lists
from alcove.wire.entries import Append
from alcove.wire.errors import Code
from alcove.wire.signed import device_id
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import PAUSE_MS, names, room_of, said, say, troubles
from tests.client.test_devices import revoke
from tests.client.world import Peer, World

HOUR_MS = 60 * 60 * 1000


def leaf_of(peer: Peer, room: bytes, device: bytes) -> LeafNode:
    public = peer.do(public_of, room)
    assert public is not None
    return next(leaf for _, leaf in public.tree.leaves() if device_id(leaf.signature_key) == device)


def test_a_device_that_its_account_has_revoked_is_taken_out_by_who_sees_it() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(bob)
    world.run()
    room = room_of(world, ada, bob)
    leaf = leaf_of(ada, room, laptop.me.device)
    revoke(bob, laptop.me.device)
    world.run()
    world.pass_time(PAUSE_MS)
    ada.heard()
    ada.do(look_at, room, leaf)
    assert [(one.code, one.about) for one in ada.heard(Warned)] == [
        ("device-revoked", bob.me.account)
    ]
    world.run()
    assert ada.db.all("SELECT * FROM wish") == []  # It is gone already.
    assert names(world, ada, room) == ["ada", "bob"]


def test_a_leaf_of_another_server_is_warned_of_and_nothing_more() -> None:
    world, elsewhere = World(seed=1), World(seed=2)
    ada = world.register("ada")
    eve = elsewhere.register("eve")
    room, strange = room_of(world, ada), room_of(elsewhere, eve)
    ada.heard()
    ada.do(look_at, room, leaf_of(eve, strange, eve.me.device))
    (warned,) = ada.heard(Warned)
    assert warned.about == certificate_of(leaf_of(eve, strange, eve.me.device)).account
    assert ada.db.all("SELECT * FROM wish") == []


def test_a_device_whose_revocation_was_told_late_is_taken_out_by_others() -> None:
    """Its own account does not do it: the program of his other device was ended."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(bob)
    room = room_of(world, ada, bob)
    world.pass_time(PAUSE_MS)
    bob.answers = refuse(Append, Code.BUSY, 100)
    revoke(bob, laptop.me.device)
    world.run()
    bob.hang_up()
    assert stands(ada, room, laptop.me.device) == [(1,)]
    world.pass_time(HOUR_MS)
    assert stands(ada, room, laptop.me.device) == []
    assert names(world, ada, room) == ["ada", "bob"]


def stands(peer: Peer, room: bytes, device: bytes) -> list[Any]:
    return peer.db.all(
        "SELECT 1 FROM stay WHERE room = ? AND device = ? AND until IS NULL", room, device
    )


def test_a_leaf_newer_than_any_list_that_the_server_tells_is_an_alarm() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room_of(world, ada, bob)
    true = world.ask(ada, GetLists(accounts=(bob.me.account,))).lists
    ada.answers = lambda one: (
        Lists(id=one.id, lists=true, next=None) if isinstance(one, GetLists) else None
    )
    world.add_device(bob)
    world.pass_time(HOUR_MS)
    assert "keys-forked" in troubles(ada)
    assert not trust.may_send(ada.db, bob.me.account)


def test_what_was_said_of_a_strange_leaf_when_it_came_is_not_said_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room_of(world, ada, bob)
    ada.do(pin_another, bob.me.account)
    ada.heard()
    ada.do(look_again, bob.me.account)
    assert ada.heard(Warned) == []


def pin_another(tx: Tx, account: bytes) -> None:
    tx.run("UPDATE pin SET identity = ? WHERE account = ?", bytes(32), account)


def test_nothing_is_said_to_a_leaf_under_other_keys_than_are_known() -> None:
    """The server leads her into a direct room with somebody who claims his account."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "direct", (bob.me.account,))
    say(world, ada, room, "hello")
    assert said(bob, room) == ["hello"]
    identity = bob.me.identity
    ada.do(pin_another, bob.me.account)
    ada.do(no_list, bob.me.account)
    say(world, ada, room, "secret")
    world.pass_time(PAUSE_MS)
    assert said(bob, room) == ["hello"]
    ada.do(pin_again, bob.me.account, identity)
    ada.look(bob.me.account)
    world.run()
    assert said(bob, room) == ["hello", "secret"]


def no_list(tx: Tx, account: bytes) -> None:
    tx.run("UPDATE pin SET signed = x'' WHERE account = ?", account)


def pin_again(tx: Tx, account: bytes, identity: bytes) -> None:
    tx.run("UPDATE pin SET identity = ? WHERE account = ?", identity, account)
