"""Requests to chat and blocks: what is asked waits, what is answered holds, and nobody is told."""

from typing import Any

import msgspec
import pytest
from msgspec import structs

from alcove.client import chats, receipts, timeline, trust
from alcove.client.chats import asks, blocked, guess, is_blocked, not_answered
from alcove.client.errors import UsageError
from alcove.client.events import AsksChanged, RoomChanged, Warned
from alcove.client.rooms import acting, making
from alcove.client.rooms.members import role_of
from alcove.wire.chats import Answer, Ask, Asked, Asks, Blocks, GetAsks, GetBlocks
from alcove.wire.chats import Answered as Accepted
from alcove.wire.content import Text
from alcove.wire.errors import Code, Refusal
from alcove.wire.rooms import GetMembers
from tests.client.refusing import answer
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    names,
    notes,
    room_of,
    said,
    say,
    state,
    troubles,
)
from tests.client.world import Peer, World

SPAM = "Win a prize now: https://example.org/1 https://example.org/2 https://example.org/3"


def strangers(*others: str) -> tuple[World, list[Peer]]:
    """Return a world in which everybody is asked first."""
    world = World(requests="everyone")
    return world, [world.register(name) for name in ("ada", "bob", *others)]


def write(world: World, peer: Peer, other: Peer, text: str = "hello") -> bytes:
    """Write to somebody for the first time."""
    room = peer.do(making.create, "direct", (other.me.account,))
    peer.do(acting.say, room, Text(text))
    world.run()
    return room


def test_a_request_waits_until_it_is_accepted_and_then_all_is_there() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    (ask,) = asks(bob.db)
    assert (ask.room, ask.kind, ask.name, ask.suspicion.is_spam) == (room, "direct", "ada", False)
    assert len(bob.heard(AsksChanged)) == 1
    assert state(bob, room) == "unknown"
    assert notes(ada, room) == ["founded", "waits-to-accept"]
    assert not_answered(ada.db, room) == [bob.me.account]
    world.pass_time(1_000)
    assert trust.pin_of(bob.db, ada.me.account) is not None

    bob.do(chats.accept, room)
    assert asks(bob.db) == []
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(bob, room) == ["hello"]
    assert not_answered(ada.db, room) == []
    assert "accepted" in notes(ada, room)
    say(world, bob, room, "hello ada")
    assert said(ada, room) == ["hello", "hello ada"]
    assert guess(bob.db, room) is not None
    assert guess(ada.db, room) is None
    agree(world, room, ada, bob)


def test_what_is_answered_offline_is_carried_out_later() -> None:
    world, (ada, bob, cyn) = strangers("cyn")
    hers, theirs = write(world, ada, bob), write(world, cyn, bob)
    bob.hang_up()
    bob.do(chats.accept, hers)
    bob.do(chats.decline, theirs)
    bob.restart()
    assert asks(bob.db) == []
    assert bob.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(bob, hers) == ["hello"]
    assert state(bob, theirs) == "unknown"
    assert asks(bob.db) == []
    assert bob.db.all("SELECT 1 FROM ask") == []


def test_who_was_removed_and_is_asked_again_while_away_is_not_in_until_it_accepts() -> None:
    world = World(requests="all")
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.do(chats.accept, room)
    world.run()
    world.pass_time(PAUSE_MS)
    bob.hang_up()
    ada.do(acting.remove, room, bob.me.account)
    world.pass_time(PAUSE_MS)
    ada.do(acting.invite, room, bob.me.account)
    world.pass_time(PAUSE_MS)
    assert bob.connect() is None
    world.run()
    assert [one.room for one in asks(bob.db)] == [room]
    assert state(bob, room) == "gone"
    bob.do(chats.accept, room)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, ada, room, "welcome back")
    assert said(bob, room)[-1:] == ["welcome back"]
    agree(world, room, ada, bob)


def test_nobody_is_told_of_a_request_that_was_declined() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    bob.do(chats.decline_all)
    world.run()
    world.pass_time(PAUSE_MS)
    assert asks(bob.db) == []
    assert state(bob, room) == "unknown"
    assert not_answered(ada.db, room) == [bob.me.account]
    assert notes(ada, room) == ["founded", "waits-to-accept"]
    bob.do(chats.decline_all)  # There is nothing, and nothing happens.
    world.run()


def test_what_one_device_answers_waits_on_no_other() -> None:
    world, (ada, bob, cyn) = strangers("cyn")
    tablet = world.add_device(bob)
    hers, theirs = write(world, ada, bob), write(world, cyn, bob)
    assert [ask.room for ask in asks(tablet.db)] == [hers, theirs]
    bob.do(chats.accept, hers)
    bob.do(chats.decline, theirs)
    world.run()
    world.pass_time(PAUSE_MS)
    assert asks(tablet.db) == []
    assert said(tablet, hers) == said(bob, hers) == ["hello"]
    assert guess(tablet.db, hers) is not None
    with pytest.raises(UsageError, match="does not wait any more"):
        tablet.do(chats.accept, theirs)


def test_what_was_answered_elsewhere_while_this_device_was_away_is_gone() -> None:
    world, (ada, bob, cyn) = strangers("cyn")
    tablet = world.add_device(bob)
    hers, theirs = write(world, ada, bob), write(world, cyn, bob)
    tablet.hang_up()
    bob.do(chats.decline, hers)
    world.run()
    tablet.do(chats.accept, hers, theirs)  # It does not know.
    assert tablet.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert asks(tablet.db) == []
    assert state(tablet, hers) == "unknown"
    assert said(tablet, theirs) == said(bob, theirs) == ["hello"]

    tablet.hang_up()
    last = write(world, cyn, ada)
    assert [ask.room for ask in asks(ada.db)] == [last]
    ada.hang_up()
    cyn.do(acting.leave, last)
    world.run()
    ada.do(chats.accept, last)
    assert ada.connect() is None
    world.run()
    assert asks(ada.db) == []


def test_a_flood_of_requests_is_folded_away() -> None:
    world, (_, bob) = strangers()
    for number in range(12):
        ask = Ask(
            bytes([number]) * 16, "direct", bytes([99, number]) * 8, f"spam{number}", world.now
        )
        bob.engine.receive(Asked(ask=ask), world.now)
    assert [ask.suspicion.reasons for ask in asks(bob.db)] == [("flood",)] * 12
    assert all(ask.suspicion.is_spam for ask in asks(bob.db))


def test_what_strangers_said_first_is_judged_once_it_is_here() -> None:
    world, (ada, bob, cyn, dan) = strangers("cyn", "dan")
    rooms = [write(world, ada, bob), write(world, cyn, bob, SPAM), write(world, dan, bob, SPAM)]
    bob.do(chats.accept, *rooms)
    assert guess(bob.db, rooms[0]) is None  # It has not come yet.
    world.run()
    world.pass_time(PAUSE_MS)
    guesses = [guess(bob.db, room) for room in rooms]
    assert [one.is_spam for one in guesses if one is not None] == [False, True, True]


def test_only_so_many_requests_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chats, "ASKS_MAX", 2)
    world, (_, bob) = strangers()
    for number in range(3):
        ask = Ask(bytes([number]) * 16, "direct", bytes([99, number]) * 8, "spam", world.now)
        bob.engine.receive(Asked(ask=ask), world.now)
    assert len(asks(bob.db)) == 2
    own = Ask(b"o" * 16, "direct", bob.me.account, "bob", world.now)
    monkeypatch.setattr(chats, "ASKS_MAX", 9)
    bob.engine.receive(Asked(ask=own), world.now)
    assert len(asks(bob.db)) == 2


def test_somebody_who_was_asked_already_does_not_hold_up_a_group() -> None:
    world, (ada, bob, cyn) = strangers("cyn")
    world.server.settings = msgspec.structs.replace(world.server.settings, requests="strangers")
    write(world, ada, bob)
    room = ada.do(making.create, "group")
    world.run()
    world.pass_time(PAUSE_MS)
    ada.heard()
    ada.do(acting.invite, room, bob.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert [one.about for one in ada.heard(Warned)] == [bob.me.account]
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert names(world, ada, room) == ["ada", "cyn"]
    assert not_answered(ada.db, room) == [cyn.me.account]
    assert "waits-to-accept" in notes(ada, room)
    assert notes(ada, room).count("joined") == 0
    cyn.do(chats.accept, room)
    world.run()
    world.pass_time(PAUSE_MS)
    assert notes(ada, room)[-2:] == ["waits-to-accept", "accepted"]


# ---- Blocks ----


def test_who_is_blocked_is_not_heard_any_more_and_nobody_sees_it() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    group = room_of(world, ada, bob, cyn)
    direct = write(world, bob, ada, "before")
    say(world, bob, group, "one")
    say(world, cyn, group, "two")
    ada.do(chats.block, bob.me.account)
    assert said(ada, group) == ["two"]
    assert said(ada, direct) == ["before"]
    world.run()
    say(world, bob, group, "three https")
    say(world, bob, direct, "after")
    ada.hang_up()
    assert ada.connect() is None  # What he said alone to her is read all the same, and not shown.
    world.run()
    assert said(ada, group) == ["two"]
    assert said(ada, direct) == ["before"]
    assert receipts.unread(ada.db, group).lines == 1
    assert timeline.search(ada.db, "three") == []
    assert [one.name for one in blocked(ada.db)] == ["bob"]
    assert said(cyn, group) == ["one", "two", "three https"]

    ada.do(chats.unblock, bob.me.account)
    ada.do(chats.unblock, bob.me.account)
    world.run()
    assert blocked(ada.db) == []
    assert said(ada, group) == ["one", "two", "three https"]
    assert said(ada, direct) == ["before", "after"]
    assert ada.db.all("SELECT 1 FROM block") == []


def test_a_block_ends_their_requests_and_lets_none_come() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    bob.do(chats.block, ada.me.account)
    assert asks(bob.db) == []
    world.run()
    assert [one.name for one in blocked(bob.db)] == ["ada"]
    bob.engine.receive(Asked(ask=Ask(room, "direct", ada.me.account, "ada", world.now)), world.now)
    assert asks(bob.db) == []
    with pytest.raises(UsageError, match="nobody can block themselves"):
        bob.do(chats.block, bob.me.account)


def test_who_was_never_seen_can_be_blocked_and_who_is_not_there_cannot() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.do(chats.block, bob.me.account)
    ada.do(chats.block, b"nobody..........")
    assert is_blocked(ada.db, b"nobody..........")
    world.run()
    assert [(one.account, one.name) for one in blocked(ada.db)] == [(bob.me.account, "bob")]
    assert troubles(ada) == ["block-refused"]
    ada.hang_up()
    assert ada.connect() is None
    world.run()
    assert [one.name for one in blocked(ada.db)] == ["bob"]


def test_blocks_are_those_of_all_devices() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, bob, room, "one")
    tablet = world.add_device(ada)
    world.pass_time(PAUSE_MS)
    tablet.hang_up()
    ada.do(chats.block, bob.me.account)
    world.run()
    assert said(tablet, room) == ["one"]
    assert tablet.connect() is None
    world.run()
    assert said(tablet, room) == []
    tablet.hang_up()
    tablet.heard()
    assert tablet.connect() is None
    world.run()
    assert RoomChanged(room) not in tablet.heard(RoomChanged)  # It was blocked before.
    ada.do(chats.unblock, bob.me.account)
    world.run()
    tablet.hang_up()
    assert tablet.connect() is None
    world.run()
    assert said(tablet, room) == ["one"]


def test_a_block_of_an_hour_offline_is_no_less_one() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.hang_up()
    ada.do(chats.block, bob.me.account)
    ada.restart()
    say(world, bob, room, "hello?")
    assert ada.connect() is None
    world.run()
    assert said(ada, room) == []
    assert isinstance(reply := world.ask(ada, GetBlocks()), Blocks)
    assert [name for _, name, _ in reply.accounts] == ["bob"]


# ---- A server that is busy, or lies ----


def test_lists_that_were_refused_are_asked_for_again() -> None:
    world, (ada, bob) = strangers()
    bob.hang_up()
    room = write(world, ada, bob)
    assert bob.connect() is None
    asked = [one for one in bob.engine.requests() if isinstance(one, GetAsks | GetBlocks)]
    assert len(asked) == 2
    for request in asked:
        answer(bob, Refusal(request.id, Code.TOO_MANY, "", retry_after_ms=50))
    world.pass_time(20)
    assert asks(bob.db) == []
    bob.hang_up()
    world.pass_time(100)  # Nothing is asked without a line.
    assert bob.connect() is None
    bob.engine.requests()
    bob.do(chats.ask_again, b"")
    world.run()
    assert [ask.room for ask in asks(bob.db)] == [room]


def test_an_answer_that_is_refused_ends() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    bob.do(chats.accept, room)
    (request,) = (one for one in bob.engine.requests() if isinstance(one, Answer))
    answer(bob, Refusal(request.id, Code.UNKNOWN, ""))
    assert bob.db.all("SELECT 1 FROM ask") == []
    world.run()


def test_a_server_that_tells_of_somebody_who_was_never_asked_says_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    before = notes(ada, room)
    ada.engine.receive(Accepted(room=room, account=bob.me.account), world.now)
    ada.engine.receive(Accepted(room=b"?" * 16, account=b"?" * 16), world.now)
    assert notes(ada, room) == before


def test_what_stands_in_a_list_twice_is_there_once() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    ask = Ask(room, "direct", ada.me.account, "ada", world.now)
    number = bob.do(lambda tx: tx.ask(GetAsks(), "chats.asks"))
    bob.engine.receive(Asks(id=number, asks=(ask, ask)), world.now)
    assert len(asks(bob.db)) == 1


def test_who_accepted_while_this_device_was_away_is_heard_of_at_the_next_sign_in() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    ada.hang_up()
    bob.do(chats.accept, room)
    world.run()
    assert not_answered(ada.db, room) == [bob.me.account]
    assert ada.connect() is None
    world.run()
    assert not_answered(ada.db, room) == []
    assert "accepted" in notes(ada, room)


def test_who_accepted_is_heard_of_on_whichever_page_of_the_list() -> None:
    world, (ada, *others) = strangers("cyn")
    room = ada.do(making.create, "group", tuple(one.me.account for one in others))
    world.run()
    world.pass_time(PAUSE_MS)
    ada.hang_up()
    for one in others:
        one.do(chats.accept, room)
    world.run()
    asked: list[GetMembers] = []

    def in_pages(request: Any) -> Any:
        if not isinstance(request, GetMembers):
            return None
        asked.append(request)
        return world.ask(ada, structs.replace(request, limit=1))

    ada.answers = in_pages
    assert ada.connect() is None
    world.run()
    assert not_answered(ada.db, room) == []
    pages = [one.after for one in asked if one.room == room]
    assert pages == sorted(pages, key=lambda after: after or b"")
    circle = structs.replace(world.ask(ada, asked[-1]), more=True)
    after = GetMembers(room=room, after=b"\xff" * 16)
    ada.do(lambda tx: chats.members(tx, after, circle, b""))
    assert not [one for one in ada.engine.requests() if isinstance(one, GetMembers)]


def test_who_speaks_has_accepted_whatever_the_server_says() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    ada.do(
        lambda tx: chats.members(
            tx, GetMembers(room=room), Refusal(0, Code.BUSY, "Try again.", None), b""
        )
    )
    assert not_answered(ada.db, room) == [bob.me.account]
    bob.do(chats.accept, room)
    world.run()
    say(world, bob, room, "hello ada")
    world.pass_time(PAUSE_MS)
    ada.db.run(
        "INSERT OR IGNORE INTO asked (room, account, at) VALUES (?, ?, 0)", room, bob.me.account
    )
    assert not_answered(ada.db, room) == []


def test_both_are_owners_of_a_direct_room_on_each_device() -> None:
    world, (ada, bob) = strangers()
    room = write(world, ada, bob)
    bob.do(chats.accept, room)
    world.run()
    world.pass_time(PAUSE_MS)
    for peer in (ada, bob):
        for whom in (ada.me.account, bob.me.account):
            assert peer.do(role_of, room, whom, 10**6) == "owner"
