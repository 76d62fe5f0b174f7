"""Links into rooms: who has one comes in, if the room's own state bears the link out."""

from typing import Any

import pytest

from alcove.client import chats
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.rooms import acting, linking, making
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.links import link_hash, read_link, write_link
from alcove.client.rooms.state import public_of
from alcove.client.tx import Tx
from alcove.wire.base import Request
from alcove.wire.entries import Append, GetSnapshot
from alcove.wire.errors import Code
from alcove.wire.rooms import GetInbox, Kind, OpenedLink, OpenLink, PutLink
from tests.client.refusing import answer, refuse, refuse_next, watch
from tests.client.rooms.mischief import refuse as answers
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    gaps,
    names,
    notes,
    room_of,
    said,
    say,
    state,
    troubles,
)
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

ADDRESS = "https://alcove.test"
HEALING_MS = 75_000
"""A commit that changes nothing but links is to the server like one that heals: one in a minute."""


def house() -> tuple[World, Peer, Peer, Peer, bytes]:
    """Return a group of Ada and Bob, and Cyn who is not in it."""
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    return world, ada, bob, cyn, room_of(world, ada, bob)


def link_of(world: World, peer: Peer, room: bytes, **fields: Any) -> str:
    """Return a new link that works."""
    text = peer.do(linking.make_link, room, ADDRESS, **fields)
    world.run()
    world.pass_time(PAUSE_MS)
    return text


def join(world: World, peer: Peer, text: str) -> bytes:
    """Join by a link, and wait until all is quiet."""
    room = peer.do(linking.join_by_link, text)
    world.run()
    world.pass_time(PAUSE_MS * 2)
    return room


def link_keys(tx: Tx, room: bytes) -> int:
    """Return how many links stand in a room's state."""
    public = public_of(tx, room)
    assert public is not None
    return len(state_of(public).links)


def test_who_has_a_link_comes_in_and_reads_what_was_said() -> None:
    world, ada, bob, cyn, room = house()
    say(world, ada, room, "before")
    text = link_of(world, bob, room)
    assert [one.works for one in bob.do(linking.made, room)] == [True]
    assert join(world, cyn, text) == room
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    say(world, cyn, room, "hello")
    say(world, ada, room, "welcome")
    assert said(cyn, room) == said(ada, room) == ["before", "hello", "welcome"]
    assert gaps(cyn, room) == []
    assert join(world, cyn, text) == room  # Once more is once.
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    agree(world, room, ada, bob, cyn)


def test_a_link_brings_all_devices_of_who_uses_it() -> None:
    world, ada, _, cyn, room = house()
    tablet = world.add_device(cyn)
    text = link_of(world, ada, room)
    join(world, tablet, text)
    say(world, ada, room, "hello both")
    assert said(cyn, room)[-1:] == said(tablet, room)[-1:] == ["hello both"]


def test_a_link_does_not_close_a_room_and_is_made_offline_too() -> None:
    world, ada, _, cyn, room = house()
    ada.hang_up()
    text = ada.do(linking.make_link, room, ADDRESS, days=7, uses=1)
    assert [one.works for one in ada.do(linking.made, room)] == [False]
    ada.restart()
    assert ada.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    (closes,) = ada.db.one("SELECT MAX(closes) FROM handshake WHERE room = ?", room) or (1,)
    assert closes == 0
    join(world, cyn, text)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]


def test_a_link_is_used_as_often_as_its_maker_says() -> None:
    world, ada, _, cyn, room = house()
    dan = world.register("dan")
    text = link_of(world, ada, room, uses=1)
    join(world, cyn, text)
    join(world, dan, text)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    assert "link-ended" in troubles(dan)
    assert state(dan, room) == "unknown"


def test_a_link_that_has_ended_lets_nobody_in() -> None:
    world, ada, bob, cyn, room = house()
    for ended in ("dropped", "expired", "removal"):
        text = link_of(world, ada, room, days=1)
        (one,) = ada.do(linking.made, room)
        if ended == "dropped":
            with pytest.raises(UsageError, match="no such link"):
                bob.do(linking.drop_link, room, one.hash)
            ada.do(linking.drop_link, room, one.hash)
        elif ended == "expired":
            world.pass_time(linking.DAY_MS + 1)
        else:
            ada.do(acting.remove, room, bob.me.account)
        world.run()
        world.pass_time(PAUSE_MS)
        assert ada.do(linking.made, room) == []
        cyn.heard()
        join(world, cyn, text)
        assert troubles(cyn) == ["link-ended"]
        assert state(cyn, room) == "unknown"
        assert names(world, ada, room)[0] == "ada"
    assert ada.do(link_keys, room) == 0


def test_who_has_left_comes_back_by_a_link() -> None:
    world, ada, bob, _, room = house()
    text = link_of(world, ada, room)
    say(world, bob, room, "one")
    bob.do(acting.leave, room)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, ada, room, "two")
    join(world, bob, text)
    say(world, ada, room, "three")
    assert said(bob, room)[0] == "one"
    assert said(bob, room)[-1] == "three"
    assert names(world, ada, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("is_blocked", [False, True])
def test_who_came_by_a_link_and_is_asked_by_a_restored_server_is_not_in_unless_it_accepts(
    *, is_blocked: bool
) -> None:
    """Others give its commit back, and the server takes that for no more than their word."""
    world = World(requests="all")
    ada, cyn = world.register("ada"), world.register("cyn")
    room = room_of(world, ada)
    text = link_of(world, ada, room)
    if is_blocked:
        cyn.do(chats.block, ada.me.account)
    world.pass_time(PAUSE_MS)
    image = back_up(world)
    join(world, cyn, text)
    assert state(cyn, room) == "active"
    restore(world, image)
    come_back(world, ada, cyn)
    assert state(cyn, room) == ("gone" if is_blocked else "active")
    if not is_blocked:  # It was in before: that is its answer.
        say(world, ada, room, "hello")
        assert said(cyn, room) == ["hello"]
        assert chats.asks(cyn.db) == []
        agree(world, room, ada, cyn)


def test_who_was_on_the_way_goes_on_after_a_restart() -> None:
    world, ada, _, cyn, room = house()
    text = link_of(world, ada, room)
    cyn.hang_up()
    cyn.do(linking.join_by_link, text)
    cyn.restart()
    assert cyn.connect() is None
    for _ in range(3):
        cyn.step()
    cyn.restart()
    assert cyn.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]


def test_who_is_invited_meanwhile_needs_the_link_no_more() -> None:
    world, ada, _, cyn, room = house()
    text = link_of(world, ada, room)
    cyn.hang_up()
    cyn.do(linking.join_by_link, text)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert cyn.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    cyn.do(linking.open_again, room)
    world.run()
    assert cyn.db.all("SELECT 1 FROM way_in") == []
    assert names(world, cyn, room) == ["ada", "bob", "cyn"]
    agree(world, room, ada, cyn)


def test_several_who_come_at_once_all_come_in() -> None:
    world, ada, _, cyn, room = house()
    more = [cyn, *(world.register(name) for name in ("dan", "eve"))]
    text = link_of(world, ada, room)
    for peer in more:
        peer.do(linking.join_by_link, text)
    world.run()
    world.pass_time(PAUSE_MS * 4)
    assert names(world, ada, room) == ["ada", "bob", "cyn", "dan", "eve"]
    agree(world, room, ada, *more)


# ---- What is refused before anything happens ----


def test_only_who_may_makes_links_and_only_in_rooms_for_many() -> None:
    world, ada, bob, _, room = house()
    ada.do(lambda tx: acting.change_settings(tx, room, may_invite="owners"))
    world.run()
    world.pass_time(PAUSE_MS)
    with pytest.raises(UsageError, match="ask an admin for a link"):
        bob.do(linking.make_link, room, ADDRESS)
    with pytest.raises(UsageError, match="1 to 365 days"):
        ada.do(linking.make_link, room, ADDRESS, days=400)
    with pytest.raises(UsageError, match="for 1 to 100000 people"):
        ada.do(linking.make_link, room, ADDRESS, uses=-1)
    direct = ada.do(making.create, "direct", (bob.me.account,))
    world.run()
    with pytest.raises(UsageError, match="Only groups"):
        ada.do(linking.make_link, direct, ADDRESS)


def test_a_room_has_only_so_many_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linking, "LINKS_MAX", 1)
    world, ada, _, _, room = house()
    link_of(world, ada, room)
    with pytest.raises(UsageError, match="end one of them first"):
        ada.do(linking.make_link, room, ADDRESS)


def test_a_link_of_another_server_is_not_opened() -> None:
    _, ada, _, cyn, room = house()
    link = read_link(ada.do(linking.make_link, room, ADDRESS))
    with pytest.raises(UsageError, match="another server"):
        cyn.do(linking.join_by_link, write_link(link._replace(server=b"?" * 32)))


# ---- A server that refuses, or lies ----


def test_a_link_that_the_server_does_not_take_ends() -> None:
    world, ada, _, _, room = house()
    ada.do(linking.make_link, room, ADDRESS)
    assert refuse(ada, PutLink, Code.LIMIT) == 1
    world.run()
    world.pass_time(HEALING_MS)
    assert [one.code for one in ada.heard(Warned)] == ["link-refused: limit"]
    assert ada.do(linking.made, room) == []
    assert ada.do(link_keys, room) == 0
    # It was ended before the server has answered.
    for refuses in (True, False):
        ada.do(linking.make_link, room, ADDRESS)
        (one,) = ada.do(linking.made, room)
        ada.do(linking.drop_link, room, one.hash)
        assert refuse(ada, PutLink, Code.LIMIT) == 1 if refuses else True
        world.run()
        world.pass_time(HEALING_MS * 2)
    assert ada.do(link_keys, room) == 0


def test_a_state_of_before_the_link_is_a_lie_and_so_is_another_inviter() -> None:
    world, ada, _, cyn, room = house()
    link = read_link(link_of(world, ada, room))
    join(world, cyn, write_link(link._replace(epoch=link.epoch + 9)))
    assert troubles(cyn) == ["link-older-state"]
    join(world, cyn, write_link(link._replace(inviter=b"?" * 32)))
    assert troubles(cyn) == ["link-other-inviter"]
    assert names(world, ada, room) == ["ada", "bob"]
    join(world, cyn, write_link(link))
    assert names(world, ada, room) == ["ada", "bob", "cyn"]


def test_a_link_whose_key_the_room_does_not_know_lets_nobody_in() -> None:
    world, ada, _, cyn, room = house()
    link = read_link(link_of(world, ada, room))
    secret = b"s" * 32
    world.ask(ada, PutLink(id=2**20, room=room, link=link_hash(secret)))
    join(world, cyn, write_link(link._replace(secret=secret)))
    assert troubles(cyn) == ["link-ended"]
    assert state(cyn, room) == "unknown"


def test_a_server_that_leads_elsewhere_leads_nowhere() -> None:
    world, ada, _, cyn, room = house()
    text = link_of(world, ada, room)
    lies: tuple[tuple[bytes, Kind], ...] = ((b"?" * 16, "group"), (room, "direct"))
    for there, kind in lies:
        cyn.do(linking.join_by_link, text)
        (request,) = (one for one in cyn.engine.requests() if isinstance(one, OpenLink))
        maker = ada.me.account
        opened = OpenedLink(id=request.id, room=there, kind=kind, made_by=maker, head=1)
        answer(cyn, opened)
        assert troubles(cyn) == ["link-elsewhere"]
        cyn.do(linking.opened, request, opened, room)  # It was given up.
        assert troubles(cyn) == []


def test_what_is_refused_in_passing_is_asked_again() -> None:
    world, ada, _, cyn, room = house()
    text = link_of(world, ada, room)
    cyn.do(linking.join_by_link, text)
    assert refuse(cyn, OpenLink, Code.TOO_MANY) == 1
    cyn.hang_up()
    world.pass_time(linking.AGAIN_MS * 2)
    cyn.do(linking.open_again, b"?" * 16)
    assert cyn.connect() is None
    assert refuse(cyn, OpenLink, Code.TOO_MANY, 50) == 1
    world.pass_time(100)
    world.pass_time(PAUSE_MS)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]


def test_a_link_that_ends_on_the_way_is_given_up() -> None:
    world, ada, bob, cyn, room = house()
    text = link_of(world, ada, room)
    for kind in (GetSnapshot, Append):
        cyn.do(linking.join_by_link, text)
        refuse_next(cyn, kind, Code.LINK_ENDED)
        assert troubles(cyn) == ["link-ended"]
    cyn.do(linking.join_by_link, text)
    refuse_next(cyn, Append, Code.LIMIT)
    assert troubles(cyn) == ["not-joined: limit"]

    bob.do(acting.leave, room)
    world.run()
    world.pass_time(PAUSE_MS)
    before = notes(bob, room)
    bob.do(linking.join_by_link, text)
    refuse_next(bob, GetSnapshot, Code.NOT_A_MEMBER)
    assert state(bob, room) == "gone"
    assert notes(bob, room) == before
    world.run()


def test_nobody_is_asked_about_a_room_that_is_here(monkeypatch: pytest.MonkeyPatch) -> None:
    world, ada, bob, _, room = house()
    text = link_of(world, ada, room)
    asked = watch(monkeypatch)
    join(world, bob, text)
    assert [one for one in asked if isinstance(one, OpenLink)] == []
    assert bob.do(linking.hash_for, room) is None
    bob.do(linking.came_in, room)
    assert bob.do(linking.way_in, room, None, b"") is None  # type: ignore[arg-type]
    assert troubles(bob) == ["no-right-to-join"]


@pytest.mark.parametrize("refused", [OpenLink, GetSnapshot])
@pytest.mark.parametrize("has_letter", [True, False])
def test_a_link_that_ends_is_no_matter_to_who_is_added_meanwhile(
    refused: type[Request], *, has_letter: bool
) -> None:
    world, ada, _, cyn, room = house()
    say(world, ada, room, "hello")
    text = link_of(world, ada, room)
    cyn.hang_up()
    cyn.do(linking.join_by_link, text)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    ends, keeps = answers(refused, Code.LINK_ENDED), answers(GetInbox, Code.BUSY, times=99)
    cyn.answers = lambda one: ends(one) or (None if has_letter else keeps(one))
    assert cyn.connect() is None
    world.pass_time(HEALING_MS)
    assert cyn.db.all("SELECT 1 FROM way_in") == []
    assert state(cyn, room) == "active"
    assert said(cyn, room) == ["hello"]
    agree(world, room, ada, cyn)
