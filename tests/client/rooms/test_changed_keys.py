"""Whose keys have changed comes into no room, and gets no old key, before somebody has looked."""

import pytest

from alcove.client import asking, trust
from alcove.client.errors import UsageError
from alcove.client.keys.archive import archive_key
from alcove.client.rooms import acting, making, messages
from alcove.client.rooms.leaves import whose
from alcove.client.rooms.state import Room, get_room
from alcove.wire.codec import encode
from tests.client.rooms.talk import names, room_of, said, say, state
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def reset(world: World, peer: Peer) -> Peer:
    """Return who comes back by the host's link, with other keys: the host, for all we know."""
    peer.hang_up()
    return world.come_back(peer)


@pytest.mark.parametrize("how", ["invited", "in a new group"])
def test_who_was_meant_is_whose_keys_were_known(how: str) -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    ada.do(making.create, "direct", (bob.me.account,))
    world.pass_time(MINUTE_MS)
    room = room_of(world, ada, cyn)
    ada.hang_up()
    host = reset(world, bob)
    if how == "invited":
        ada.do(acting.invite, room, bob.me.account)
    else:
        room = ada.do(making.create, "group", (bob.me.account,))
    say(world, ada, room, "a secret")
    ada.connect()
    world.pass_time(5 * MINUTE_MS)
    pin = trust.pin_of(ada.db, bob.me.account)
    assert pin is not None
    assert pin.state == "changed"
    assert (state(host, room), said(host, room)) == ("unknown", [])
    ada.look(bob.me.account)  # It was bob, with a new laptop.
    world.pass_time(MINUTE_MS)
    assert state(host, room) == "active"
    assert "a secret" in said(host, room)


def test_who_has_to_be_looked_at_is_brought_into_no_room() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room, shared = room_of(world, ada, cyn), room_of(world, ada, bob)
    reset(world, bob)
    world.pass_time(5 * MINUTE_MS)
    assert "bob" in names(world, ada, shared)
    with pytest.raises(UsageError, match="keys have changed"):
        ada.do(acting.invite, room, bob.me.account)
    with pytest.raises(UsageError, match="keys have changed"):
        ada.do(making.create, "group", (cyn.me.account, bob.me.account))
    assert ada.do(making.create, "direct", (bob.me.account,))  # What is said there waits.


def test_keys_of_before_are_handed_to_nobody_who_has_another_identity() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn, history="closed")
    say(world, ada, room, "a secret of before")
    world.pass_time(MINUTE_MS)
    (before,) = ada.db.all(
        "SELECT name, seq FROM handshake WHERE room = ? AND renews ORDER BY seq DESC LIMIT 1", room
    )
    account = bob.me.account
    there = asking.Sender(*_stay(ada, room, account))
    here = get_room_of(ada, room)
    own = asking.Sender(*_stay(cyn, room, ada.me.account))
    for asker in (there, own):
        assert ada.do(asking._may_have, here, asker, before[1])
    host = reset(world, bob)
    world.pass_time(5 * MINUTE_MS)
    ada.do(acting.remove, room, account)
    world.pass_time(MINUTE_MS)
    ada.look(account)
    ada.do(acting.invite, room, account)
    world.pass_time(5 * MINUTE_MS)
    assert state(host, room) == "active"
    now = asking.Sender(*_stay(ada, room, account))
    assert now.account == there.account
    assert not ada.do(asking._may_have, here, now, before[1])
    assert not cyn.do(asking._may_have, here, now, before[1])  # Who has not even looked.
    key = archive_key(bytes(range(32)))
    question = encode(asking.Question((before[0],), key.public))
    inside = get_room_of(host, room)
    for device in (ada.me.device, cyn.me.device):
        host.do(asking._send, inside, device, question)
    world.pass_time(30 * MINUTE_MS)
    assert host.do(messages.key_of, room, before[0]) is None
    assert "a secret of before" not in said(host, room)


def _stay(peer: Peer, room: bytes, account: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    line = peer.db.one(
        """
        SELECT device, key, certificate FROM stay WHERE room = ? AND account = ?
        ORDER BY since DESC LIMIT 1
        """,
        room, account,
    )  # fmt: skip
    assert line is not None
    device, key, certificate = line
    return device, account, key, whose(certificate).identity


def get_room_of(peer: Peer, room: bytes) -> Room:
    return peer.do(get_room, room)
