"""Which state of a room is believed by who comes into it, and how little of the log that takes."""

import hashlib
from typing import Any

import pytest
from msgspec import structs

from alcove.client.rooms import acting, joining, linking, surveying
from alcove.client.rooms.state import get_room, public_of
from alcove.client.tx import Tx
from alcove.wire.base import Request
from alcove.wire.codec import decode_header
from alcove.wire.entries import (
    Entries,
    GetSnapshot,
    HandshakeHeader,
    PutSnapshot,
    Read,
    Snapshot,
    Stored,
)
from alcove.wire.errors import Code
from alcove.wire.ids import Position
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said, say, state
from tests.client.rooms.test_lost import renew
from tests.client.test_devices import revoke
from tests.client.world import Peer, World

ADDRESS = "https://alcove.test"
MINUTE_MS = 60_000


def put_snapshot(world: World, peer: Peer, room: bytes) -> int:
    """Store a snapshot for the newest handshake, as members do now and then; returns its place."""
    peer.do(store, room)
    world.run()
    (seq,) = peer.db.one("SELECT MAX(seq) FROM handshake WHERE room = ?", room) or (0,)
    return int(seq)


def store(tx: Tx, room: bytes, body: bytes | None = None) -> None:
    """Store a tree for the newest handshake."""
    public = public_of(tx, room)
    assert public is not None
    name = get_room(tx, room).handshake
    tx.order(PutSnapshot(room=room, name=name, body=body or public.tree.encode()), "lost.stored")


def heal(world: World, room: bytes, *peers: Peer) -> None:
    """Let these renew their keys, one after the other."""
    for peer in peers:
        peer.do(renew, room)
        world.pass_time(MINUTE_MS)


class Reading:
    """Notes what somebody reads to come into a room: from which places on, and which snapshots."""

    def __init__(self, peer: Peer, room: bytes) -> None:
        self.peer, self.room = peer, room
        self.since: list[int] = []
        self.until: list[int | None] = []
        peer.answers = self

    def __call__(self, request: Request) -> None:
        """Look at a request; who is in reads on for the history."""
        if state(self.peer, self.room) == "active":
            return
        if isinstance(request, Read) and request.lane == "handshake":
            self.since.append(request.since.seq)
        if isinstance(request, GetSnapshot):
            self.until.append(request.until)


def crowd(world: World, count: int) -> tuple[Peer, list[Peer], bytes, str]:
    """Return Ada in a room of so many others, and a link into it that was made at first."""
    ada = world.register("ada")
    others = [world.register(f"bob{number}") for number in range(count)]
    room = room_of(world, ada, *others)
    link = ada.do(linking.make_link, room, ADDRESS)
    world.run()
    world.pass_time(2 * MINUTE_MS)
    return ada, others, room, link


def test_a_snapshot_on_which_eight_accounts_have_committed_is_where_a_newcomer_begins() -> None:
    world = World()
    ada, others, room, link = crowd(world, 8)
    place = put_snapshot(world, ada, room)
    heal(world, room, *others)
    cyn, dan = world.register("cyn"), world.register("dan")
    by_link, by_welcome = Reading(cyn, room), Reading(dan, room)
    cyn.do(linking.join_by_link, link)
    world.pass_time(MINUTE_MS)
    ada.do(acting.invite, room, dan.me.account)
    world.pass_time(MINUTE_MS)
    assert min(by_link.since) == min(by_welcome.since) == place - 1
    say(world, cyn, room, "hello")
    assert said(dan, room)[-1:] == said(ada, room)[-1:] == ["hello"]
    agree(world, room, ada, cyn, dan)


def test_seven_accounts_vouch_for_nothing() -> None:
    world = World()
    ada, others, room, link = crowd(world, 6)
    put_snapshot(world, ada, room)
    heal(world, room, *others)
    cyn = world.register("cyn")
    reading = Reading(cyn, room)
    cyn.do(linking.join_by_link, link)
    world.pass_time(MINUTE_MS)
    assert min(reading.since) == 0
    say(world, cyn, room, "hello")
    assert said(ada, room) == ["hello"]


def test_what_is_not_vouched_for_is_begun_anew_twice_as_far_back() -> None:
    world = World()
    ada, others, room, link = crowd(world, 8)
    newest = 0
    for one in others[:6]:
        heal(world, room, one)
        newest = put_snapshot(world, ada, room)  # The server keeps two that are so close together.
    cyn = world.register("cyn")
    reading = Reading(cyn, room)
    cyn.do(linking.join_by_link, link)
    world.pass_time(MINUTE_MS)
    assert reading.until == [None, newest - 1, newest - 3]
    assert reading.since == [newest - 1, newest - 2, 0]
    assert state(cyn, room) == "active"


def test_a_new_device_believes_a_snapshot_on_which_its_account_has_committed() -> None:
    world = World()
    ada, (bob, *_), room, _ = crowd(world, 2)
    place = put_snapshot(world, bob, room)
    heal(world, room, ada)
    for peer in world.peers:
        peer.hang_up()
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    reading = Reading(laptop, room)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(2 * MINUTE_MS)
    assert state(laptop, room) == "active"
    assert min(reading.since) == place - 1


def test_what_a_device_says_that_was_revoked_vouches_for_nothing() -> None:
    """Whoever has it may sign with its keys what a server that lies then shows."""
    world = World()
    ada, (bob, *_), room, _ = crowd(world, 2)
    put_snapshot(world, bob, room)
    heal(world, room, ada)
    tablet = world.add_peer("ada")
    tablet.phrase = ada.phrase
    tablet.answers = refuse(GetSnapshot, Code.BUSY, times=10**6)  # It comes into no room.
    for peer in world.peers:
        peer.hang_up()
    world.try_to_enter(tablet)
    assert tablet.connect() is None
    world.run()
    revoke(tablet, ada.me.device)
    world.pass_time(MINUTE_MS)
    assert "ada" in names(world, bob, room)  # Nobody was there to take it out.
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    reading = Reading(laptop, room)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(2 * MINUTE_MS)
    assert state(laptop, room) == "active"
    assert min(reading.since) == 0


def test_a_server_that_shows_snapshots_without_end_is_asked_for_some_dozens() -> None:
    world = World()
    ada, _, room, link = crowd(world, 2)
    cyn = world.register("cyn")
    asked: list[Request] = []
    cyn.answers = asked.append

    def older(one: Any) -> Any:
        if isinstance(one, Snapshot):
            until = next(r.until for r in asked[::-1] if isinstance(r, GetSnapshot))
            return structs.replace(one, seq=2**52 if until is None else until, body=b"no tree")
        return structs.replace(one, entries=(), more=False) if isinstance(one, Entries) else one

    cyn.hears = older
    cyn.do(linking.join_by_link, link)
    world.run()
    assert len(asked) < 256
    asked.clear()
    world.pass_time(60 * MINUTE_MS)
    assert len(asked) < 60 * 256
    cyn.hears = lambda one: one
    world.pass_time(120 * MINUTE_MS)
    assert state(cyn, room) == "active"
    agree(world, room, ada, cyn)


def test_where_the_first_handshakes_are_gone_a_room_begins_with_the_oldest_snapshot() -> None:
    world = World(page_entries_max=2)
    ada, others, room, link = crowd(world, 2)
    heal(world, room, ada, *others)
    place = put_snapshot(world, ada, room)
    cyn, dan = world.register("cyn"), world.register("dan")

    def gone(one: Any) -> Any:
        if not isinstance(one, Entries):
            return one
        return structs.replace(one, entries=tuple(without_body(stored) for stored in one.entries))

    def without_body(stored: Stored) -> Stored:
        if not isinstance(decode_header(stored.header), HandshakeHeader) or stored.seq >= place:
            return stored
        hashed = hashlib.sha256(stored.body or b"").digest()
        return structs.replace(stored, body=None, body_hash=hashed)

    cyn.hears = dan.hears = gone
    cyn.do(linking.join_by_link, link)
    world.pass_time(MINUTE_MS)
    ada.do(acting.invite, room, dan.me.account)
    world.pass_time(MINUTE_MS)
    assert names(world, dan, room) == ["ada", "bob0", "bob1", "cyn", "dan"]
    agree(world, room, ada, cyn, dan)


@pytest.mark.parametrize(
    ("way", "lie"),
    [
        ("link", "no beginning"),
        ("welcome", "no beginning"),
        ("link", "nothing but the newest"),
        ("welcome", "nothing but the newest"),
        ("welcome", "a gap"),
    ],
)
def test_who_is_shown_no_whole_log_waits_for_one(way: str, lie: str) -> None:
    world = World()
    ada, others, room, link = crowd(world, 2)
    heal(world, room, *others)
    put_snapshot(world, ada, room)
    cyn = world.register("cyn")

    def withheld(one: Any) -> Any:
        if isinstance(one, Entries):
            left = 1 if lie == "a gap" and len(one.entries) > 2 else 0
            return structs.replace(one, entries=one.entries[:left] + one.entries[left + 1 :])
        if isinstance(one, Snapshot) and lie == "no beginning":
            return structs.replace(one, body=None)
        if isinstance(one, Snapshot) and lie == "nothing but the newest":
            return structs.replace(one, seq=2**40, body=b"no tree")
        return one

    cyn.hears = withheld
    if way == "link":
        cyn.do(linking.join_by_link, link)
    else:
        ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    assert state(cyn, room) in {"outside", "joining"}
    cyn.hears = lambda one: one
    world.pass_time(20 * MINUTE_MS)
    assert state(cyn, room) == "active"
    agree(world, room, ada, cyn)


@pytest.mark.parametrize("why", [b"", surveying.SURVEY])
def test_a_page_that_was_asked_for_before_changes_nothing(why: bytes) -> None:
    world = World()
    ada, _, room, _ = crowd(world, 2)
    cyn = world.register("cyn")
    cyn.hears = lambda one: None if isinstance(one, Snapshot) else one
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    here = cyn.do(get_room, room)
    assert here.state == "joining"
    read = Read(room=room, since=Position(ada.do(get_room, room).incarnation, 0), lane="handshake")
    page = world.ask(ada, structs.replace(read, id=1))
    cyn.do(joining.handshakes_read, read, page, why)
    assert cyn.do(get_room, room) == here._replace(incarnation=page.incarnation)


def test_a_snapshot_that_is_none_is_passed_over() -> None:
    world = World()
    ada, _, room, link = crowd(world, 2)
    ada.do(store, room, b"no tree")
    world.run()
    cyn = world.register("cyn")
    cyn.do(linking.join_by_link, link)
    world.pass_time(PAUSE_MS)
    assert state(cyn, room) == "active"
