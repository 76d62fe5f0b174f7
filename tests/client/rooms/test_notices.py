"""Notices: what a device says without a seal, and what others make of it or do not."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client import packages
from alcove.client.events import Mended
from alcove.client.keys.sealing import sign_notice
from alcove.client.rooms import acting, approach, notices
from alcove.client.rooms.notices import own_leaf_hash
from alcove.client.rooms.state import forget_group, get_room, public_of
from alcove.client.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.entries import Append, Appended, Entries, MessageHeader, NewEntries, NewEntry
from alcove.wire.errors import Code
from alcove.wire.rooms import GetRooms
from tests.client.rooms.mischief import Vandal, breaking, refuse
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said, say, state
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


def test_who_leaves_is_not_brought_back_by_a_list_of_before() -> None:
    world = World()
    ada = world.register("ada")
    room = room_of(world, ada)
    before = world.ask(ada, GetRooms())
    ada.answers = breaking(ada, Append)
    say(world, ada, room, "never sent")
    ada.do(acting.leave, room)
    ada.answers = lambda one: (
        structs.replace(before, id=one.id) if isinstance(one, GetRooms) else None
    )
    ada.hears = lambda one: None if isinstance(one, Appended) else one
    assert ada.connect() is None
    world.run()
    assert state(ada, room) == "gone"


def test_who_comes_back_to_a_room_does_not_wait_for_a_commit_of_before() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.answers = breaking(bob, Append)
    say(world, bob, room, "with a commit")
    assert bob.db.all("SELECT 1 FROM pending")
    ada.do(acting.remove, room, bob.me.account)
    world.run()
    assert bob.connect() is None
    world.run()
    assert state(bob, room) == "gone"
    bob.do(approach.look_for, room)
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "gone"


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


def test_a_leave_that_is_refused_is_said_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.answers = refuse(Append, Code.NOT_ALLOWED, times=2)
    bob.do(acting.leave, room)
    world.run()
    assert state(bob, room) == "active"
    assert bob.do(notices.is_leaving, room)
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "gone"
    assert not bob.do(notices.is_leaving, room)
    assert names(world, ada, room) == ["ada"]


def test_who_is_in_a_room_anew_does_not_leave_it_because_of_what_was_refused_before() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.answers = refuse(Append, Code.NOT_ALLOWED, retry_after_ms=10 * MINUTE_MS)
    bob.do(acting.leave, room)
    world.run()
    for what in (acting.remove, acting.invite):
        ada.do(what, room, bob.me.account)
        world.run()
        world.pass_time(MINUTE_MS)
    assert state(bob, room) == "active"
    world.pass_time(20 * MINUTE_MS)
    bob.do(notices.again, bytes(16))  # Of a room that is forgotten nobody takes leave.
    world.run()
    assert names(world, ada, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


def test_who_reads_that_it_has_left_and_was_added_since_comes_in() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hears = lambda _: None
    bob.do(acting.leave, room)
    world.run()
    bob.hang_up()
    bob.db.run("DELETE FROM request")  # Its answer is lost with all that asks for it.
    bob.hears = lambda one: one
    world.pass_time(MINUTE_MS)
    assert names(world, ada, room) == ["ada"]
    ada.do(acting.invite, room, bob.me.account)
    world.run()
    assert bob.connect() is None
    world.run()
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "here again")
    assert said(ada, room) == ["here again"]
    agree(world, room, ada, bob)


def test_who_stands_in_a_room_no_more_takes_no_leave_of_it() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.do(acting.remove, room, bob.me.account)
    world.run()
    public = ada.do(public_of, room)
    assert public is not None
    bob.db.run("UPDATE room SET public = ? WHERE room = ?", public.save(), room)
    bob.do(notices.again, room)
    assert bob.engine.requests() == []


def test_a_notice_that_was_stored_in_a_log_that_is_read_anew_places_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    before = bob.db.one("SELECT seq, head, state FROM room")
    bob.do(forget_group, room)
    bob.db.run("UPDATE room SET public = NULL")
    header = MessageHeader(bob.me.device, bytes(16), "notice", notice="leave")
    request = Append(room=room, entries=(NewEntry(encode(header), b""),))
    bob.do(notices.appended, request, Appended(first=9, at=world.now, chain=bytes(32)), room)
    assert bob.db.one("SELECT seq, head, state FROM room") == before


@pytest.mark.parametrize("is_at_once", [True, False])
def test_of_owners_who_leave_at_once_the_last_one_stays_and_the_room_goes_on(
    *, is_at_once: bool
) -> None:
    """The rules keep an owner: a commit that removed both would count for nobody."""
    world = World()
    ada, bob, cyn, dan = (world.register(name) for name in ("ada", "bob", "cyn", "dan"))
    room = room_of(world, ada, bob, cyn)
    ada.do(acting.set_role, room, bob.me.account, "owner")
    world.pass_time(MINUTE_MS)
    bob.hang_up()
    bob.do(acting.leave, room)
    ada.do(acting.leave, room)
    if is_at_once:
        cyn.hang_up()
    world.run()
    world.pass_time(MINUTE_MS)
    assert bob.connect() is None
    world.run()
    assert cyn.is_online or cyn.connect() is None
    world.pass_time(MINUTE_MS)
    cyn.do(acting.invite, room, dan.me.account)
    world.pass_time(MINUTE_MS)
    assert (state(ada, room), state(bob, room)) == ("gone", "gone")
    assert names(world, cyn, room) == names(world, dan, room) == ["bob", "cyn", "dan"]
    assert cyn.db.all("SELECT 1 FROM notice UNION ALL SELECT 1 FROM wish") == []


def test_an_owner_leaves_though_the_only_other_one_is_lost() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    ada.do(acting.set_role, room, bob.me.account, "owner")
    world.pass_time(MINUTE_MS)
    ada.hang_up()
    cyn.hang_up()
    ada.do(acting.leave, room)
    bob.do(lambda tx: notices.send(tx, get_room(tx, room), "lost"))
    world.pass_time(MINUTE_MS)
    bob.hang_up()
    for peer in (ada, cyn):
        assert peer.connect() is None
        world.run()
    assert names(world, cyn, room) == ["bob", "cyn"]
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    agree(world, room, bob, cyn)
