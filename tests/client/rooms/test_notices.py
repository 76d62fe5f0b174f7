"""Notices: what a device says without a seal, and what others make of it or do not."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client import packages
from alcove.client.events import Mended
from alcove.client.keys.sealing import sign_notice
from alcove.client.rooms import acting
from alcove.client.rooms.notices import own_leaf_hash
from alcove.client.rooms.state import public_of
from alcove.client.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.entries import Appended, Entries, MessageHeader, NewEntries, NewEntry
from tests.client.rooms.mischief import Vandal
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said, say
from tests.client.world import Peer, World

MINUTE_MS = 60_000
YEAR_MS = 365 * 24 * 60 * MINUTE_MS


def trio(world: World) -> tuple[Peer, Peer, Vandal, bytes]:
    """Return two people, one whose program is not ours, and their room."""
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal)
    for peer in (ada, bob, mal):
        say(world, peer, room, f"{peer.name} is here")
        world.pass_time(PAUSE_MS)
    for peer in (ada, bob):
        peer.heard()
    return ada, bob, Vandal(mal), room


def lost(mal: Vandal, room: bytes, package: bytes) -> NewEntry:
    """Return a notice of being lost, signed as it should be, with any key package."""
    leaf = mal.peer.do(_leaf, room)
    me = mal.peer.me
    body = sign_notice(room, me.account, me.key, "lost", leaf, package)
    header = MessageHeader(me.device, mal.peer.random(16), "notice", notice="lost")
    return NewEntry(encode(header), body)


def _leaf(tx: Tx, room: bytes) -> bytes:
    public = public_of(tx, room)
    assert public is not None
    leaf = own_leaf_hash(tx, public)
    assert leaf is not None
    return leaf


def _package(tx: Tx) -> bytes:
    (package,) = packages.make(tx, 1)
    return package


@pytest.mark.parametrize("body", [b"", b"\xc1", b"x" * 200])
def test_a_notice_that_is_none_is_passed(body: bytes) -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    header = MessageHeader(mal.peer.me.device, bytes(16), "notice", notice="leave")
    assert isinstance(mal.post(room, NewEntry(encode(header), body)), Appended)
    assert len(bob.heard(Mended)) == 1
    say(world, bob, room, "we go on")
    world.pass_time(MINUTE_MS)
    assert names(world, ada, room) == ["ada", "bob", "mal"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("package", ["garbage", "of another", "cut"])
def test_a_notice_whose_key_package_is_no_good_stops_nobody(package: str) -> None:
    """Whoever commits next would carry it out: a bad one must not keep all from committing."""
    world = World()
    ada, bob, mal, room = trio(world)
    dan = world.register("dan")
    own = mal.peer.do(_package)
    sent = {"garbage": b"garbage", "of another": dan.do(_package), "cut": own[:-1]}[package]
    mal.post(room, lost(mal, room, sent))
    assert len(bob.heard(Mended)) == 1  # Passed at once, and never carried out.
    world.pass_time(MINUTE_MS)
    ada.do(acting.invite, room, dan.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert names(world, dan, room) == ["ada", "bob", "dan", "mal"]
    say(world, dan, room, "hello")
    assert said(bob, room)[-1] == said(ada, room)[-1] == "hello"
    agree(world, room, ada, bob, dan)


def from_tomorrow(message: Any) -> Any:
    """What a server says whose clock is far ahead."""
    if not isinstance(message, NewEntries | Entries):
        return message
    late = tuple(structs.replace(one, at=one.at + YEAR_MS) for one in message.entries)
    return structs.replace(message, entries=late)


def test_a_server_from_tomorrow_puts_nothing_off() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    bob.hears = from_tomorrow
    ada.do(acting.change_settings, room, may_pin="admins")
    world.run()
    world.pass_time(PAUSE_MS)
    (renewed_at,) = bob.do(lambda tx: tx.line("SELECT renewed_at FROM room WHERE room = ?", room))
    assert renewed_at <= world.now
    ada.hang_up()
    before = bob.db.all("SELECT COUNT(*) FROM handshake")
    mal.post(room, lost(mal, room, mal.peer.do(_package)))
    world.pass_time(MINUTE_MS)
    assert bob.db.all("SELECT COUNT(*) FROM handshake") == [(before[0][0] + 1,)]


def test_who_says_that_it_is_lost_is_added_again_in_one_commit() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    before = ada.db.all("SELECT COUNT(*) FROM handshake")
    mal.post(room, lost(mal, room, mal.peer.do(_package)))
    assert ada.db.all("SELECT COUNT(*) FROM handshake") == before  # Whoever can waits a moment.
    world.pass_time(MINUTE_MS)
    assert ada.db.all("SELECT COUNT(*) FROM handshake") == [(before[0][0] + 1,)]
    assert names(world, ada, room) == ["ada", "bob", "mal"]
    assert ada.db.all("SELECT 1 FROM notice") == []
    agree(world, room, ada, bob)
