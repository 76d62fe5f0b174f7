"""What a member does: nobody is promised what all others would refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from alcove.client.errors import UsageError
from alcove.client.rooms import acting, making
from alcove.client.rooms.state import get_room
from alcove.wire.codec import decode_header
from alcove.wire.content import Text
from alcove.wire.entries import MessageHeader, Read
from alcove.wire.ids import Position
from tests.client.rooms.talk import PAUSE_MS, agree, names, notes, room_of, said, say, state
from tests.client.world import Peer, World


def three(world: World) -> tuple[Peer, Peer, Peer, bytes]:
    """Return a group's owner and two members."""
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    return ada, bob, cyn, room_of(world, ada, bob, cyn)


def settle(world: World) -> None:
    """Let a wish come true, with the pauses that a server asks for."""
    world.run()
    world.pass_time(PAUSE_MS)


def test_what_may_not_be_done_is_refused_at_once_with_who_may() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    dan = world.register("dan")
    refused: list[tuple[str, Peer, Callable[..., Any], tuple[Any, ...]]] = [
        ("in this room already", ada, acting.invite, (cyn.me.account,)),
        ("not in this room", ada, acting.remove, (dan.me.account,)),
        ("leave the room", ada, acting.remove, (ada.me.account,)),
        ("Only admins remove", bob, acting.remove, (cyn.me.account,)),
        ("Only admins remove", bob, acting.remove, (ada.me.account,)),
        ("Only an owner changes roles", bob, acting.set_role, (bob.me.account, "owner")),
        ("needs an owner", ada, acting.set_role, (ada.me.account, "member")),
        ("not in this room", ada, acting.set_role, (dan.me.account, "admin")),
        ("only owner", ada, acting.leave, ()),
        ("not in this room", dan, acting.invite, (dan.me.account,)),
        ("not in this room", dan, acting.remove, (ada.me.account,)),
    ]
    for sentence, peer, step, what in refused:
        with pytest.raises(UsageError, match=sentence):
            peer.do(step, room, *what)
    dan.do(acting.leave, room)  # It is so already.
    with pytest.raises(UsageError, match="Only owners"):
        bob.do(acting.change_settings, room, may_post="admins")
    for name in ("kind", "roles", "bans", "colour"):
        with pytest.raises(UsageError, match="no setting"):
            ada.do(acting.change_settings, room, **{name: "x"})
    settle(world)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    assert ada.db.all("SELECT * FROM wish") == []


def test_a_direct_room_stays_a_room_for_two() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = ada.do(making.create, "direct", (bob.me.account,))
    settle(world)
    for step, what in (
        (acting.invite, (cyn.me.account,)),
        (acting.remove, (bob.me.account,)),
        (acting.set_role, (bob.me.account, "member")),
    ):
        with pytest.raises(UsageError, match="direct room"):
            ada.do(step, room, *what)


def test_where_only_admins_post_others_are_told_so() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.do(acting.change_settings, room, may_post="admins")
    ada.do(acting.set_role, room, bob.me.account, "admin")
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    settle(world)
    with pytest.raises(UsageError, match="Only some may post"):
        cyn.do(acting.say, room, Text("may I?"))
    say(world, bob, room, "news")
    assert said(cyn, room) == ["news"]
    agree(world, room, ada, bob, cyn)


def test_settings_and_roles_that_are_so_already_make_no_commit() -> None:
    world = World()
    ada, bob, _, room = three(world)
    before = bob.db.one("SELECT MAX(seq) FROM handshake WHERE room = ?", room)
    ada.do(acting.change_settings, room, may_post="everyone")
    ada.do(acting.set_role, room, bob.me.account, "member")
    settle(world)
    assert bob.db.one("SELECT MAX(seq) FROM handshake WHERE room = ?", room) == before
    assert ada.db.all("SELECT * FROM wish") == []


def test_roles_are_given_and_taken_and_the_owner_may_go_when_another_is_there() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.do(acting.set_role, room, bob.me.account, "owner")
    settle(world)
    ada.do(acting.set_role, room, cyn.me.account, "admin")
    settle(world)
    bob.do(acting.set_role, room, cyn.me.account, "member")
    settle(world)
    with pytest.raises(UsageError, match="Only admins"):
        cyn.do(acting.remove, room, ada.me.account)
    ada.do(acting.leave, room)
    settle(world)
    say(world, bob, room, "bye")
    settle(world)
    assert state(ada, room) == "gone"
    assert names(world, cyn, room) == ["bob", "cyn"]
    agree(world, room, bob, cyn)


def test_the_history_that_newcomers_may_read_is_a_setting() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    say(world, bob, room, "in the open")
    ada.do(acting.change_settings, room, history="none")
    settle(world)
    say(world, bob, room, "gone with the wind")
    ada.do(acting.change_settings, room, history="open")
    settle(world)
    say(world, bob, room, "open again")
    dan = world.register("dan")
    ada.do(acting.invite, room, dan.me.account)
    settle(world)
    settle(world)
    assert said(cyn, room) == ["in the open", "gone with the wind", "open again"]
    assert forms(world, cyn, room) == ["kept", "live", "kept"]
    assert said(dan, room) == ["open again"]  # Never written across a change to open.


def test_people_are_invited_while_the_room_is_made_and_left_before_it_is() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    for peer in (ada,):
        peer.hang_up()
    room = ada.do(making.create, "group", (bob.me.account,))
    other = ada.do(making.create, "group", (bob.me.account,))
    ada.do(acting.invite, room, cyn.me.account)
    ada.do(acting.leave, other)
    assert state(ada, other) == "gone"
    assert ada.connect() is None
    settle(world)
    assert names(world, cyn, room) == ["ada", "bob", "cyn"]
    assert state(bob, other) == "unknown"


def test_the_last_one_leaves_and_takes_nothing_along() -> None:
    world = World()
    ada = world.register("ada")
    room = room_of(world, ada)
    say(world, ada, room, "alone")
    ada.do(acting.leave, room)
    assert state(ada, room) == "gone"
    assert "you-left" in notes(ada, room)
    settle(world)
    ada.do(acting.leave, room)
    assert said(ada, room) == ["alone"]


def test_who_is_invited_twice_by_two_is_added_once() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    dan = world.register("dan")
    ada.do(acting.invite, room, dan.me.account)
    bob.do(acting.invite, room, dan.me.account)
    cyn.do(acting.invite, room, dan.me.account)
    for _ in range(3):
        settle(world)
    assert names(world, dan, room) == ["ada", "bob", "cyn", "dan"]
    for peer in (ada, bob, cyn):
        assert peer.db.all("SELECT * FROM wish") == []
    agree(world, room, ada, bob, cyn, dan)


def test_who_was_removed_by_two_is_removed_once() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    ada.do(acting.remove, room, cyn.me.account)
    bob.do(acting.remove, room, cyn.me.account)
    for _ in range(2):
        settle(world)
    assert names(world, bob, room) == ["ada", "bob"]
    assert [peer.db.all("SELECT * FROM wish") for peer in (ada, bob)] == [[], []]
    agree(world, room, ada, bob)


def test_a_role_for_somebody_who_has_left_meanwhile_is_nobody_s() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.hang_up()
    ada.do(acting.set_role, room, cyn.me.account, "admin")
    cyn.do(acting.leave, room)
    settle(world)
    say(world, bob, room, "cyn has left")
    settle(world)
    assert ada.connect() is None
    settle(world)
    settle(world)
    assert names(world, ada, room) == ["ada", "bob"]
    assert ada.db.all("SELECT * FROM wish") == []
    agree(world, room, ada, bob)


def forms(world: World, peer: Peer, room: bytes) -> list[str]:
    """Return how each message of a room was sealed."""
    here = peer.do(get_room, room)
    page = world.ask(peer, Read(room=room, since=Position(here.incarnation, 0)))
    headers = [decode_header(one.header) for one in page.entries]
    return [header.form for header in headers if isinstance(header, MessageHeader)]
