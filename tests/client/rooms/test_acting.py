"""What a member does: nobody is promised what all others would refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from alcove.client import outbox
from alcove.client.errors import UsageError
from alcove.client.rooms import acting, linking, making
from alcove.client.rooms.state import get_room
from alcove.client.timeline import pins
from alcove.wire.codec import decode_header
from alcove.wire.content import Delete, EndPoll, File, Mute, Pin, SealedBlob, Target, Text
from alcove.wire.entries import MessageHeader, Read
from alcove.wire.ids import Position
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    content_of,
    line_of,
    names,
    notes,
    room_of,
    said,
    say,
    state,
    troubles,
)
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


@pytest.mark.parametrize("is_away", [False, True])
def test_who_leaves_leaves_with_all_devices(is_away: bool) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    laptop, tablet = (world.add_device(bob) for _ in range(2))
    settle(world)
    settle(world)
    if is_away:
        laptop.hang_up()
    bob.do(acting.leave, room)
    settle(world)
    say(world, ada, room, "nobody hears this")
    settle(world)
    assert names(world, ada, room) == ["ada"]
    assert laptop.is_online or laptop.connect() is None
    settle(world)
    assert [state(one, room) for one in (bob, laptop, tablet)] == ["gone"] * 3
    assert said(bob, room) == said(laptop, room) == said(tablet, room) == []
    ada.do(acting.invite, room, bob.me.account)
    settle(world)
    settle(world)
    say(world, laptop, room, "back")
    assert said(ada, room) == ["nobody hears this", "back"]
    agree(world, room, ada, bob, laptop, tablet)


def test_the_last_one_leaves_with_all_devices() -> None:
    world = World()
    ada = world.register("ada")
    room = room_of(world, ada)
    laptop = world.add_device(ada)
    settle(world)
    laptop.do(acting.leave, room)
    settle(world)
    assert [state(one, room) for one in (ada, laptop)] == ["gone"] * 2


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


# ---- Shutting out, and what only some may say ----


def bans(peer: Peer, room: bytes) -> list[bytes | None]:
    """Return whom somebody sees shut out of a room."""
    return [one.account for one in peer.do(acting.banned, room)]


def test_who_is_banned_goes_and_comes_in_by_no_way_until_let_in_again() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.do(acting.ban, room, cyn.me.account)
    settle(world)
    assert names(world, bob, room) == ["ada", "bob"]
    assert bans(bob, room) == [cyn.me.account]
    link = ada.do(linking.make_link, room, "https://server")
    settle(world)
    settle(world)
    assert [one.works for one in ada.do(linking.made, room)] == [True]
    cyn.do(linking.join_by_link, link)
    with pytest.raises(UsageError, match="shut out of this room"):
        ada.do(acting.invite, room, cyn.me.account)
    settle(world)
    settle(world)
    assert names(world, bob, room) == ["ada", "bob"]
    assert troubles(cyn)[:1] == ["room-banned"]
    (shut_out,) = ada.do(acting.banned, room)
    ada.do(acting.unban, room, shut_out.identity)
    settle(world)
    assert bans(bob, room) == []
    ada.do(acting.invite, room, cyn.me.account)
    settle(world)
    assert names(world, bob, room) == ["ada", "bob", "cyn"]
    agree(world, room, ada, bob, cyn)


def test_who_has_gone_or_was_never_here_can_be_banned_too() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    dan, eve = world.register("dan"), world.register("eve")
    cyn.do(acting.leave, room)
    settle(world)
    say(world, bob, room, "cyn has left")
    settle(world)
    room_of(world, ada, dan)
    ada.do(acting.ban, room, cyn.me.account)
    ada.do(acting.ban, room, dan.me.account)
    with pytest.raises(UsageError, match="Nothing is known of their keys"):
        ada.do(acting.ban, room, eve.me.account)
    settle(world)
    assert {*bans(ada, room)} == {cyn.me.account, dan.me.account}
    assert bans(bob, room).count(None) == 1  # Of dan he knows nothing.
    ada.do(acting.ban, room, dan.me.account)
    settle(world)
    assert ada.db.all("SELECT * FROM wish") == []


def test_a_ban_and_its_end_say_who_may_and_change_their_mind() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    direct = ada.do(making.create, "direct", (bob.me.account,))
    settle(world)
    refused: list[tuple[str, Peer, Callable[..., Any], tuple[Any, ...]]] = [
        ("to go yourself", ada, acting.ban, (room, ada.me.account)),
        ("Only admins shut", cyn, acting.ban, (room, bob.me.account)),
        ("Only owners remove owners", bob, acting.ban, (room, ada.me.account)),
        ("for two; block them", ada, acting.ban, (direct, bob.me.account)),
        ("Only admins let", cyn, acting.unban, (room, bytes(32))),
        ("not shut out", bob, acting.unban, (room, bytes(32))),
        ("both may do everything", ada, acting.change_settings, (direct,)),
    ]
    for sentence, peer, step, what in refused:
        fields = {"may_post": "owners"} if step is acting.change_settings else {}
        with pytest.raises(UsageError, match=sentence):
            peer.do(step, *what, **fields)
    bob.hang_up()
    bob.do(acting.ban, room, cyn.me.account)
    identity = bob.db.one("SELECT about FROM wish WHERE kind = 'ban'")
    assert identity is not None
    bob.do(acting.unban, room, identity[0])
    assert bob.connect() is None
    settle(world)
    settle(world)
    assert names(world, ada, room) == ["ada", "bob"]
    assert (bans(ada, room), bob.db.all("SELECT * FROM wish")) == ([], [])


def test_a_room_shuts_out_no_more_than_all_devices_can_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    monkeypatch.setattr(acting, "PLAIN_BANS_MAX", 1)
    ada.do(acting.ban, room, cyn.me.account)
    settle(world)
    with pytest.raises(UsageError, match="at most 1"):
        ada.do(acting.ban, room, bob.me.account)


def test_a_setting_that_cannot_be_is_refused_at_once() -> None:
    world = World()
    ada, _, _, room = three(world)
    for wanted in ({"may_post": "nobody"}, {"expires_ms": -1}, {"history": "short"}):
        with pytest.raises(UsageError, match="No setting can be so"):
            ada.do(acting.change_settings, room, **wanted)


def test_what_others_would_not_take_is_refused_with_who_may() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    say(world, ada, room, "from ada")
    say(world, cyn, room, "from cyn")
    by_ada = Target(ada.me.account, content_of(bob, room, "from ada"))
    by_cyn = Target(cyn.me.account, content_of(bob, room, "from cyn"))
    for sentence, content in (
        ("Only admins take away", Delete(by_cyn)),
        ("Only admins end", EndPoll(by_cyn)),
        ("Only admins mute", Mute(cyn.me.account)),
    ):
        with pytest.raises(UsageError, match=sentence):
            bob.do(acting.say, room, content)
    bob.do(acting.say, room, Pin(by_cyn))
    cyn.do(acting.say, room, Delete(by_cyn))
    ada.do(acting.change_settings, room, may_pin="admins")
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    with pytest.raises(UsageError, match="Only some may pin"):
        cyn.do(acting.say, room, Pin(by_ada))
    with pytest.raises(UsageError, match="only owners where it is about an admin"):
        bob.do(acting.say, room, Delete(by_ada))
    bob.do(acting.say, room, Mute(cyn.me.account))
    settle(world)
    with pytest.raises(UsageError, match="muted you"):
        cyn.do(acting.say, room, Text("hidden"))
    cyn.do(outbox.say, room, Text("hidden"))  # Her app is old, and asks nobody.
    settle(world)
    assert said(ada, room) == ["from ada"]


def test_who_may_pin_is_asked_of_the_room_as_it_was_then() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    say(world, ada, room, "first", "second")
    first, second = (
        Target(ada.me.account, content_of(bob, room, text)) for text in ("first", "second")
    )
    bob.do(acting.say, room, Pin(first))
    settle(world)
    ada.do(acting.change_settings, room, may_pin="owners", may_mention_all="owners")
    settle(world)
    for who, what in ((bob, second), (ada, second)):
        if who is bob:  # His app is old, and asks nobody.
            who.do(outbox.say, room, Pin(first, on=False))
            who.do(outbox.say, room, Text("@all, look", mentions_all=True))
        else:
            who.do(acting.say, room, Pin(what))
        settle(world)
    assert [line.text for line in pins(cyn.db, room)] == ["second", "first"]
    assert not line_of(cyn, room, "@all, look").names_me


def test_what_is_said_where_messages_go_by_themselves_goes_for_everyone() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    say(world, bob, room, "stays")
    ada.do(acting.change_settings, room, expires_ms=60_000)
    settle(world)
    say(world, bob, room, "goes")
    bob.do(acting.say, room, Text("stays longer"), world.now + 600_000)
    settle(world)
    assert said(cyn, room) == ["stays", "goes", "stays longer"]
    world.pass_time(60_000)
    assert [said(peer, room) for peer in (ada, bob, cyn)] == [["stays", "stays longer"]] * 3


def test_who_has_made_a_room_and_when_is_known_to_all_who_come() -> None:
    world = World()
    ada, bob, cyn, room = three(world)
    made = ada.do(acting.founded, room)
    assert made.account == ada.me.account
    assert 0 < made.at <= world.now
    assert bob.do(acting.founded, room) == cyn.do(acting.founded, room) == made


def test_a_room_may_take_usual_kinds_of_files_alone() -> None:
    world = World()
    ada, bob, _, room = three(world)
    blob = SealedBlob(bytes(16), bytes(32), bytes(32), 1)
    tool = Text("look", files=(File("tool.exe", "application/octet-stream", blob),))
    figures = Text("look", files=(File("figures.pdf", "application/pdf", blob),))
    bob.do(acting.say, room, tool)
    ada.do(acting.change_settings, room, files="usual")
    settle(world)
    with pytest.raises(UsageError, match=r"not sent here: tool\.exe"):
        bob.do(acting.say, room, tool)
    bob.do(acting.say, room, figures)
    with pytest.raises(UsageError, match="No setting"):
        ada.do(acting.change_settings, room, files="many")
