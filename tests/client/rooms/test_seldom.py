"""What happens seldom to a room: each is passed over, and nothing else comes of it."""

from typing import Any

import pytest

from alcove.client import history
from alcove.client.events import Warned
from alcove.client.rooms import acting, changes, joining, remade, rewinding
from alcove.client.rooms.state import get_room, group_of
from alcove.client.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.devices import Claim
from alcove.wire.entries import MessageHeader, Read, Stored
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import Position
from tests.client.rooms.mischief import Vandal, feed, refuse
from tests.client.rooms.talk import agree, names, notes, room_of, said, say, state
from tests.client.rooms.test_handshakes import leaf
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def two(world: World) -> tuple[Peer, Peer, bytes]:
    """Return two people, and a room in which both have spoken."""
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    say(world, bob, room, "two")
    world.pass_time(MINUTE_MS)
    return ada, bob, room


# ---- The past ----


@pytest.mark.parametrize("change", ["kind = 'mailbox'", "seq = 1"])
def test_nothing_is_fetched_of_a_room_that_has_no_past(change: str) -> None:
    world = World()
    _, bob, room = two(world)
    bob.db.run("UPDATE past SET is_done = 1 WHERE room = ?", room)
    bob.db.run(f"UPDATE room SET {change} WHERE room = ?", room)  # noqa: S608
    bob.restart()
    bob.do(history.begin, room)
    assert bob.db.all("SELECT is_done FROM past WHERE room = ?", room) == [(1,)]


def test_what_a_handshake_led_to_is_not_known_any_more_once_it_is_forgotten() -> None:
    world = World()
    _, bob, room = two(world)
    bob.db.run("UPDATE handshake SET header = NULL, body = NULL")
    bob.db.run("UPDATE past SET context = ? WHERE room = ?", b"as before", room)
    bob.do(history.begin, room)
    assert bob.db.all("SELECT context, is_done FROM past") == [(b"as before", 0)]


def test_entries_of_the_past_that_nobody_who_stood_there_has_written_are_left_out() -> None:
    world = World()
    _, bob, room = two(world)
    known = bob.db.all("SELECT * FROM entry")
    me = bob.me.device
    stranger = encode(MessageHeader(bytes(len(me)), bytes(16), "kept", bytes(32)))
    for junk in (b"junk", stranger):
        bob.do(history.take, room, Stored(99, world.now, junk, b"body"))
    assert bob.db.all("SELECT * FROM entry") == known


# ---- Wishes ----


def test_a_wish_that_has_ended_is_not_told_of() -> None:
    world = World()
    ada, _, room = two(world)
    ada.heard()
    ada.do(lambda tx: changes.give_up(tx, get_room(tx, room), {99: "not-possible"}))
    assert ada.heard(Warned) == []


def test_who_was_invited_by_two_comes_in_once() -> None:
    world = World()
    ada, bob, room = two(world)
    cyn = world.register("cyn")
    bob.answers = refuse(Claim, Code.BUSY, 99, retry_after_ms=MINUTE_MS)
    bob.do(acting.invite, room, cyn.me.account)
    world.run()
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(2 * MINUTE_MS)
    assert bob.db.all("SELECT * FROM wish") == []
    assert names(world, bob, room) == ["ada", "bob", "cyn"]
    agree(world, room, ada, bob, cyn)


def test_two_devices_that_one_list_leaves_out_go_by_one_commit() -> None:
    world = World()
    ada, bob, room = two(world)
    draft = bob.do(lambda tx: drafted(tx, room))
    devices = [draft.leaf_of(peer.me.device) for peer in (ada, bob)]
    for peer in (ada, bob):
        assert not changes.KINDS["drop_device"](draft, peer.me.device, b"the list")
    assert list(draft.removes) == devices
    assert draft.lists == [b"the list"]


def drafted(tx: Tx, room: bytes) -> changes.Draft:
    group = group_of(tx, room)
    assert group is not None
    return changes.Draft(tx, get_room(tx, room), group)


# ---- Coming in, and restored servers ----


def test_who_is_in_does_not_try_to_come_in_again() -> None:
    world = World()
    _, bob, room = two(world)
    asked: list[Any] = []
    bob.answers = asked.append
    bob.do(joining.again, room)
    world.run()
    assert asked == []


def test_a_room_is_made_again_by_one_request() -> None:
    world = World()
    ada, _, room = two(world)
    ada.hang_up()
    here = ada.do(get_room, room)
    request = Read(room=room, since=Position(here.incarnation, here.seq))
    for _ in range(2):
        ada.do(remade.asked, request, Refusal(1, Code.UNKNOWN, ""), b"")
    made = ada.db.all("SELECT 1 FROM request WHERE answered_by = 'remade.made_again'")
    assert made == [(1,)]


def test_who_saw_itself_removed_stays_away_when_the_server_has_forgotten_it() -> None:
    world = World()
    ada, bob, room = two(world)
    image = back_up(world)
    feed(bob, room, Vandal.made_by(ada, room, removes=(leaf(ada, bob, room),)).entry)
    assert "you-were-removed" in notes(bob, room)
    restore(world, image)
    come_back(world, bob, ada)
    assert state(bob, room) == "gone"
    assert bob.db.all("SELECT * FROM notice") == []


def test_a_log_that_cannot_be_compared_now_is_compared_later() -> None:
    world = World()
    ada, bob, room = two(world)
    image = back_up(world)
    say(world, ada, room, "three")
    world.pass_time(MINUTE_MS)
    restore(world, image)
    say(world, ada, room, "four")
    bob.answers = refuse(Read, Code.INTERNAL)
    come_back(world, ada, bob)
    bob.hang_up()
    come_back(world, bob)
    assert sorted(said(bob, room)) == sorted(said(ada, room)) == ["four", "one", "three", "two"]
    agree(world, room, ada, bob)


def test_an_entry_that_says_nothing_is_not_the_one_that_was_known() -> None:
    world = World()
    _, bob, room = two(world)
    bob.db.run("UPDATE entry SET chain = NULL WHERE room = ?", room)
    ((seq,),) = bob.db.all("SELECT MAX(seq) - 1 FROM entry WHERE content NOT NULL")

    def is_same(tx: Tx) -> bool | None:
        one = Stored(seq, 0, b"junk", b"body")
        return rewinding._is_same(tx, get_room(tx, room), one, bytes(32), bytes(32))

    assert bob.do(is_same) is False
