"""Public names: found by their beginning, joined by anyone where the owner lets them."""

import pytest

from alcove.client.errors import UsageError
from alcove.client.events import Answered, Warned
from alcove.client.rooms import acting, making, public
from alcove.wire.directory import PublicRoom, PutAlias
from alcove.wire.errors import Code
from tests.client.refusing import refuse_next
from tests.client.rooms.talk import PAUSE_MS, names, room_of, said, say
from tests.client.world import Peer, World


def house() -> tuple[World, Peer, Peer, Peer, bytes]:
    """Return a group of Ada and Bob, and Cyn who is not in it."""
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    return world, ada, bob, cyn, room_of(world, ada, bob)


def found(world: World, peer: Peer, beginning: str) -> list[PublicRoom]:
    """Return the groups that somebody finds."""
    number = peer.do(public.find, beginning)
    world.run()
    (answered,) = (one for one in peer.heard(Answered) if one.ticket == number)
    return list(answered.answer.rooms)


def settle(world: World) -> None:
    """Let all that was begun come to its end."""
    world.run()
    world.pass_time(PAUSE_MS * 2)


def test_a_group_is_found_by_its_public_name_and_joined() -> None:
    world, ada, _, cyn, room = house()
    say(world, ada, room, "hello")
    ada.do(public.put_alias, room, "chess-club", "Mondays at eight", joinable=True)
    settle(world)
    (club,) = found(world, cyn, "chess")
    assert (club.room, club.alias, club.description) == (room, "chess-club", "Mondays at eight")
    assert cyn.do(public.join, club) == room
    settle(world)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    assert said(cyn, room) == ["hello"]
    ada.do(public.drop_alias, room)
    settle(world)
    assert found(world, cyn, "chess") == []


def test_a_group_may_be_found_and_not_joined() -> None:
    world, ada, _, cyn, room = house()
    ada.do(public.put_alias, room, "chess-club", joinable=False)
    settle(world)
    (club,) = found(world, cyn, "chess")
    with pytest.raises(UsageError, match="ask one of its members"):
        cyn.do(public.join, club)
    lies = club.__class__(room, "x", "", 1, b"?" * 32, b"?" * 32)
    with pytest.raises(UsageError, match="ask one of its members"):
        cyn.do(public.join, lies)


def test_a_name_that_somebody_has_is_not_taken() -> None:
    world, ada, bob, _, room = house()
    other = bob.do(making.create, "group")
    settle(world)
    ada.do(public.put_alias, room, "chess", joinable=True)
    settle(world)
    bob.do(public.put_alias, other, "chess", joinable=True)
    settle(world)
    assert [one.code for one in bob.heard(Warned)] == ["not-published: name_taken"]
    assert bob.db.all("SELECT 1 FROM room_link") == []
    bob.do(public.put_alias, other, "chess", joinable=False)
    settle(world)
    assert [one.code for one in bob.heard(Warned)] == ["not-published: name_taken"]
    assert [club.room for club in found(world, bob, "")] == [room]


def test_only_owners_of_groups_choose_and_only_what_is_a_name() -> None:
    world, ada, bob, _, room = house()
    for alias in ("ab", "-abc", "UPPER", "a" * 41, "white space"):
        with pytest.raises(UsageError, match="3 to 40 small letters"):
            ada.do(public.put_alias, room, alias, joinable=True)
    with pytest.raises(UsageError, match="3 to 40 small letters"):
        ada.do(public.put_alias, room, "abc", "x" * 501, joinable=True)
    with pytest.raises(UsageError, match="Only an owner"):
        bob.do(public.put_alias, room, "abc", joinable=True)
    direct = ada.do(making.create, "direct", (bob.me.account,))
    settle(world)
    with pytest.raises(UsageError, match="Only groups"):
        ada.do(public.put_alias, direct, "abc", joinable=True)


def test_what_was_published_offline_comes_later_and_a_late_refusal_hurts_nothing() -> None:
    world, ada, bob, _, room = house()
    ada.hang_up()
    ada.do(public.put_alias, room, "chess", joinable=True)
    ada.restart()
    assert ada.connect() is None
    settle(world)
    assert [club.key is not None for club in found(world, bob, "ch")] == [True]
    ada.do(acting.remove, room, bob.me.account)
    settle(world)
    assert [club.key for club in found(world, bob, "ch")] == [None]
    ada.do(public.put_alias, room, "chess", joinable=True)
    refuse_next(ada, PutAlias, Code.NOT_ALLOWED)
    assert [one.code for one in ada.heard(Warned)] == ["not-published: not_allowed"]
    settle(world)
