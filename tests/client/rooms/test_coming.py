"""A Welcome and a commit of one's own may race: a device comes in once, whichever comes first."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client.events import Warned
from alcove.client.rooms import acting, joining, welcomes
from alcove.client.rooms.state import change, get_room, group_of
from alcove.wire.base import Request
from alcove.wire.content import Text
from alcove.wire.entries import Append, Appended, Entries, Read
from alcove.wire.errors import SENTENCES, Code, Refusal
from alcove.wire.ids import Position
from alcove.wire.rooms import GetInbox, Inbox, NewLetter, RoomChanged
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import PAUSE_MS, agree, gaps, names, room_of, said, say, state, states
from tests.client.world import Peer, World

MINUTE_MS = 60_000
SLOW_MS = 30_000
"""So long the server keeps a Welcome back here."""


def handshakes(world: World, peer: Peer, room: bytes) -> list[int]:
    """Return the places of a room's handshakes."""
    here = peer.do(get_room, room)
    read = Read(room=room, since=Position(here.incarnation, 0), lane="handshake")
    return [one.seq for one in world.ask(peer, read).entries]


def slow_letters(world: World, **fields: str) -> tuple[Peer, Peer, bytes, list[Append]]:
    """Return two people and their room, into which one comes by itself before the Welcome does.

    The answer to that commit gets lost; the Welcome comes with the next inbox.
    """
    ada, bob = world.register("ada"), world.register("bob")
    sent: list[Append] = []
    late = refuse(GetInbox, Code.BUSY, retry_after_ms=SLOW_MS)

    def answers(request: Request) -> Any:
        if isinstance(request, Append):
            sent.append(request)
        return late(request)

    def hears(one: Any) -> Any:
        if isinstance(one, Refusal) and one.code == Code.TOO_SOON:
            sent.clear()  # It is made anew.
        return None if isinstance(one, Appended) else one

    bob.answers, bob.hears = answers, hears
    room = room_of(world, ada, bob, **fields)
    assert state(bob, room) == "outside"
    assert len(sent) == 1
    world.pass_time(SLOW_MS)
    return ada, bob, room, sent


def test_a_welcome_waits_for_the_answer_to_a_commit_of_one_s_own() -> None:
    world = World()
    ada, bob, room, _ = slow_letters(world)
    assert bob.db.one("SELECT 1 FROM welcome")
    bob.hears = lambda one: one
    bob.hang_up()
    assert bob.connect() is None
    world.run()
    say(world, bob, room, "here I am")
    assert said(ada, room) == ["here I am"]
    assert names(world, bob, room) == ["ada", "bob"]
    assert handshakes(world, ada, room) == [1, 2, 3]
    agree(world, room, ada, bob)


def test_a_welcome_to_a_leaf_that_is_gone_is_not_gone_back_to() -> None:
    world = World()
    ada, bob, room, _ = slow_letters(world)
    bob.hears = lambda one: one
    bob.hang_up()
    assert bob.connect() is None
    world.run()
    before = bob.do(get_room, room)
    assert bob.db.one("SELECT 1 FROM welcome")
    bob.heard()
    bob.do(lambda tx: change(tx, room, is_lost=1))
    bob.do(welcomes.accept, room)
    bob.do(lambda tx: change(tx, room, is_lost=0))
    assert bob.do(get_room, room) == before
    assert bob.heard(Warned) == []
    assert bob.db.one("SELECT 1 FROM welcome") is None
    agree(world, room, ada, bob)


def test_who_was_too_slow_with_a_commit_comes_in_by_the_welcome_that_has_come_meanwhile() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    held: list[Append] = []
    late = refuse(GetInbox, Code.BUSY, retry_after_ms=SLOW_MS)

    def answers(request: Request) -> Any:
        if isinstance(request, Append) and not held:
            held.append(request)
            return NewLetter(number=1)  # Anything but an answer.
        return late(request)

    bob.answers = answers
    room = room_of(world, ada, bob)
    world.pass_time(SLOW_MS)
    assert state(bob, room) == "outside"
    refused: Any = Refusal(held[0].id, Code.CONFLICT, SENTENCES[Code.CONFLICT])
    bob.engine.receive(refused, world.now)
    world.run()
    assert state(bob, room) == "active"
    say(world, bob, room, "here I am")
    assert said(ada, room) == ["here I am"]
    agree(world, room, ada, bob)


def test_who_still_reads_letters_does_not_come_in_by_a_commit() -> None:
    """In a room that keeps nothing the Welcome alone opens what was said before that commit."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.hears = lambda one: None if isinstance(one, Inbox) else one
    room = room_of(world, ada, bob, history="none")
    say(world, ada, room, "hello")
    world.pass_time(PAUSE_MS)
    assert state(bob, room) == "outside"
    bob.hears = lambda one: one
    bob.hang_up()
    assert bob.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


def test_a_device_that_looks_for_a_way_in_twice_makes_one_commit() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    world.pass_time(PAUSE_MS)
    before = handshakes(world, ada, room)
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    for peer in (ada, bob):
        peer.hang_up()
    held: list[Append] = []

    def hold(request: Request) -> Any:
        if isinstance(request, Append) and not held:
            held.append(request)
            return RoomChanged(room=room, state="active")  # It is told again that it belongs here.
        return None

    laptop.answers = hold
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(PAUSE_MS * 2)
    assert len(held) == 1
    assert state(laptop, room) == "outside"
    laptop.hang_up()
    assert laptop.connect() is None
    world.run()
    for peer in (ada, bob):
        assert peer.connect() is None
    world.pass_time(PAUSE_MS * 2)
    assert said(laptop, room) == ["hello"]
    assert gaps(laptop, room) == []
    assert len(handshakes(world, ada, room)) == len(before) + 1
    agree(world, room, ada, bob, laptop)


def test_what_was_read_before_a_commit_was_made_leads_to_no_second_one() -> None:
    world = World()
    ada, bob, room, sent = slow_letters(world)
    bob.hang_up()
    old = bob.do(get_room, room)
    read = Read(room=room, since=Position(old.incarnation, 0), lane="handshake")
    page = world.ask(ada, read)
    count = len(sent)
    bob.do(joining.handshakes_read, read, structs.replace(page, more=False), b"")
    assert bob.do(get_room, room) == old
    bob.hears = lambda one: one
    assert bob.connect() is None
    world.run()
    assert all(request.id == sent[0].id for request in sent[count:] if len(request.entries) == 1)
    agree(world, room, ada, bob)


def test_who_is_removed_and_added_by_somebody_who_came_meanwhile_trusts_the_room() -> None:
    """Its Welcome's signer was not there when it left: the commits in between lead to them."""
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    say(world, ada, room, "before")
    ada.do(acting.remove, room, bob.me.account)
    world.pass_time(PAUSE_MS)
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(PAUSE_MS * 2)
    cyn.do(acting.say, room, Text("meanwhile"))
    world.pass_time(PAUSE_MS)
    bob.heard()
    cyn.do(acting.invite, room, bob.me.account)
    world.pass_time(PAUSE_MS * 2)
    assert state(bob, room) == "active"
    assert [one.code for one in bob.heard(Warned)] == []
    say(world, bob, room, "back")
    assert said(cyn, room) == ["before", "meanwhile", "back"]
    agree(world, room, ada, bob, cyn)


@pytest.mark.parametrize("lie", ["another body", "another place"])
def test_what_a_server_told_first_of_handshakes_gives_way_to_what_is_true(lie: str) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    lies: list[Any] = []

    def hears(one: Any) -> Any:
        if not isinstance(one, Entries) or lies:
            return one
        lies.append(one)
        entries = tuple(
            structs.replace(each, body=b"\xc1")
            if lie == "another body"
            else structs.replace(
                each, seq=each.seq + 5, body=b"\xc1" if each.seq == 2 else each.body
            )
            for each in one.entries
        )
        return structs.replace(one, entries=entries)

    bob.hears = hears
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    world.pass_time(PAUSE_MS)
    assert lies
    assert said(bob, room) == ["hello"]
    told = "SELECT seq, name, renews, closes FROM handshake WHERE room = ? ORDER BY seq"
    assert bob.db.all(told, room) == ada.db.all(told, room)
    agree(world, room, ada, bob)


def without_keys(world: World) -> tuple[Peer, Peer, bytes]:
    """Return two people and their room, where one stands by a leaf whose keys are gone."""
    ada, bob, room, _ = slow_letters(world)
    bob.db.run("DELETE FROM pending")
    bob.db.run("DELETE FROM welcome")
    bob.answers, bob.hears = lambda _: None, lambda one: one
    bob.hang_up()
    assert bob.connect() is None
    world.run()
    assert state(bob, room) == "outside"
    assert bob.do(group_of, room) is None
    return ada, bob, room


def test_who_has_not_the_keys_of_the_leaf_that_it_came_in_by_comes_in_once_more() -> None:
    world = World()
    ada, bob, room = without_keys(world)
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "active"
    say(world, ada, room, "hello")
    say(world, bob, room, "hi")
    assert said(ada, room) == said(bob, room) == ["hello", "hi"]
    agree(world, room, ada, bob)


def test_who_stands_in_a_room_without_keys_comes_back_at_the_next_sign_in() -> None:
    world = World()
    ada, bob, room = without_keys(world)
    bob.db.run("UPDATE room SET state = 'active'")  # As it was written by mistake once.
    bob.db.run("DELETE FROM alarm WHERE kind = 'joining.outside'")
    bob.restart()
    assert bob.connect() is None
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "hi")
    world.pass_time(MINUTE_MS)
    assert said(ada, room) == said(bob, room) == ["hello", "hi"]
    assert gaps(bob, room) == []
    agree(world, room, ada, bob)


def test_what_is_said_where_nothing_is_known_of_a_room_waits() -> None:
    world = World()
    _, bob, room = without_keys(world)
    bob.db.run("UPDATE room SET state = 'active', public = NULL")
    bob.do(acting.say, room, Text("waits"))
    assert states(bob, room) == {"waits": "waiting"}
