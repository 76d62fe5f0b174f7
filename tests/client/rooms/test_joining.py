"""Devices come into rooms: by a Welcome, or by a commit of their own, and by right alone."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client.events import Warned
from alcove.client.rooms import acting, listing, making, welcomes
from alcove.client.rooms.state import get_room
from alcove.wire.base import Request
from alcove.wire.content import Text
from alcove.wire.entries import Append, Entries, GetSnapshot, Read, Snapshot, Stored
from alcove.wire.errors import Code
from alcove.wire.ids import Position
from alcove.wire.rooms import GetInbox, GetRooms, Inbox, Letter, RoomChanged, Rooms
from tests.client.rooms.mischief import refuse
from tests.client.rooms.people import Person
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
)
from tests.client.world import Peer, World

MINUTE_MS = 60_000
NOWHERE = bytes(15) + b"?"


def two(world: World, **fields: str) -> tuple[Peer, Peer, bytes]:
    """Return two people in a room where something was said."""
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, **fields)
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS * 2)
    return ada, bob, room


def alone(world: World, *others: Peer) -> None:
    """Leave nobody online who could help."""
    for peer in others:
        peer.hang_up()
    world.run()


def warned(peer: Peer) -> list[str]:
    """Return the codes of what somebody was warned of."""
    return [one.code for one in peer.heard(Warned)]


# ---- Welcomes ----


def invited(world: World, lie: Any) -> tuple[Peer, Peer, bytes]:
    """Let somebody be invited whose inbox a server has changed."""
    ada, bob = world.register("ada"), world.register("bob")
    bob.heard()
    bob.hears = lambda one: lie(one) if isinstance(one, Inbox) else one
    room = room_of(world, ada, bob)
    return ada, bob, room


@pytest.mark.parametrize("body", [b"", b"garbage", b"\x00\x01\x00\x03" + bytes(64)])
def test_a_welcome_that_is_none_is_told_and_the_room_is_not_lost(body: bytes) -> None:
    world = World()
    ada, bob, room = invited(
        world,
        lambda inbox: structs.replace(
            inbox, letters=tuple(Letter(*(*_most(one), body)) for one in inbox.letters)
        ),
    )
    assert len(warned(bob)) >= 1
    assert state(bob, room) == "active"  # By a commit of his own, where his leaf stands.
    say(world, bob, room, "here I am")
    assert said(ada, room) == ["here I am"]
    agree(world, room, ada, bob)


def test_a_message_of_another_kind_is_no_welcome() -> None:
    world = World()
    package = Person("mal").device().package.message()
    ada, bob, room = invited(
        world,
        lambda inbox: structs.replace(
            inbox, letters=tuple(Letter(*(*_most(one), package)) for one in inbox.letters)
        ),
    )
    assert "not-a-welcome" in warned(bob)
    assert state(bob, room) == "active"  # By a commit of his own.
    agree(world, room, ada, bob)


def test_a_welcome_into_a_room_that_cannot_be_leads_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What commits could not have led to; here it looks so to Bob alone."""
    world = World()
    monkeypatch.setattr(welcomes, "check_standing", lambda _: "room-epoch")
    _, bob, room = invited(world, lambda inbox: inbox)
    assert "room-epoch" in warned(bob)
    assert said(bob, room) == []


def _most(letter: Letter) -> tuple[Any, ...]:
    return letter.number, letter.kind, letter.room, letter.sender, letter.at


def test_a_welcome_to_another_room_lets_nobody_into_this_one() -> None:
    world = World()
    _, bob, _ = invited(
        world,
        lambda inbox: structs.replace(
            inbox,
            letters=tuple(
                Letter(one.number, one.kind, NOWHERE, one.sender, one.at, one.body)
                for one in inbox.letters
            ),
        ),
    )
    assert "welcome-for-another-room" in warned(bob)
    assert state(bob, NOWHERE) == "gone"
    assert notes(bob, NOWHERE) == []


def test_a_welcome_sealed_to_somebody_else_is_told() -> None:
    world = World()
    ada, _, room = two(world)
    cyn = world.register("cyn")
    kept: list[Inbox] = []

    def keep(message: Any) -> Any:
        if isinstance(message, Inbox) and message.letters:
            kept.append(message)
        return message

    cyn.hears = keep
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    other = world.register("other")
    other.heard()
    other.hears = lambda one: structs.replace(kept[0], id=one.id) if isinstance(one, Inbox) else one
    other.engine.receive(RoomChanged(room=room, state="active"), world.now)
    world.run()
    assert "welcome-for-another" in warned(other)
    assert said(other, room) == []


def test_a_welcome_that_comes_twice_replaces_no_live_group() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    kept: list[Inbox] = []

    def keep(message: Any) -> Any:
        if isinstance(message, Inbox) and message.letters:
            kept.append(message)
        return message

    bob.hears = keep
    room = room_of(world, ada, bob)
    say(world, bob, room, "hello")
    before = bob.do(get_room, room)
    bob.hears = lambda one: structs.replace(kept[0], id=one.id) if isinstance(one, Inbox) else one
    bob.engine.receive(RoomChanged(room=room, state="active"), world.now)
    world.run()
    bob.hears = lambda one: one
    assert bob.do(get_room, room) == before
    say(world, ada, room, "still here?")
    say(world, bob, room, "yes")
    assert said(ada, room) == ["hello", "still here?", "yes"]
    agree(world, room, ada, bob)


def test_an_inbox_that_cannot_be_read_now_is_read_at_the_next_sign_in() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.answers = refuse(GetInbox, Code.BUSY)
    room = room_of(world, ada, bob)
    bob.hang_up()
    assert bob.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert names(world, bob, room) == ["ada", "bob"]


@pytest.mark.parametrize("kind", [GetSnapshot, Read])
@pytest.mark.parametrize("retry_after_ms", [None, 30_000])
def test_what_cannot_be_read_while_coming_in_is_read_later(
    kind: type[Request], retry_after_ms: int | None
) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.answers = refuse(kind, Code.BUSY, retry_after_ms=retry_after_ms)
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS)
    assert said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


def test_a_line_that_breaks_while_coming_in_costs_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.answers = lambda one: bob.restart() if isinstance(one, GetSnapshot) else None
    room = room_of(world, ada, bob)
    bob.answers = lambda _: None
    assert state(bob, room) == "joining"
    assert bob.connect() is None
    world.run()
    say(world, ada, room, "hello")
    assert said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


def test_a_welcome_whose_handshake_the_log_does_not_hold_is_told() -> None:
    """A server that withholds the log cannot make a device believe in a group of its own."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.heard()
    bob.hears = lambda one: (
        structs.replace(one, entries=(Stored(1, 1, b"", b""),), more=False)
        if isinstance(one, Entries)
        else one
    )
    room = room_of(world, ada, bob)
    assert "welcome-not-in-log" in warned(bob)
    assert state(bob, room) == "outside"


def test_a_long_log_is_searched_page_by_page_for_the_place_of_a_welcome() -> None:
    world = World(page_entries_max=2)
    ada, bob, room = two(world)
    peer = bob
    for number in range(4):
        peer = world.register(f"cyn{number}")
        ada.do(acting.invite, room, peer.me.account)
        world.run()
        world.pass_time(PAUSE_MS)
    assert said(peer, room) == ["hello"]
    agree(world, room, ada, bob, peer)


# ---- By a commit of one's own ----


def test_a_sibling_comes_in_by_itself_page_by_page_with_nobody_online() -> None:
    world = World(page_entries_max=2)
    ada, bob, room = two(world)
    alone(world, ada, bob)
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    assert state(laptop, room) == "active"
    assert said(laptop, room) == ["hello"]
    assert gaps(laptop, room) == []
    direct = laptop.do(making.create, "direct", (bob.me.account,))
    assert direct != room


def test_a_sibling_knows_whose_direct_room_it_came_into() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "direct", (bob.me.account,))
    ada.do(acting.say, room, Text("hello"))
    world.run()
    world.pass_time(MINUTE_MS * 2)
    alone(world, ada, bob)
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    assert laptop.do(making.create, "direct", (bob.me.account,)) == room


@pytest.mark.parametrize("code", [Code.CONFLICT, Code.TOO_SOON])
@pytest.mark.parametrize("retry_after_ms", [None, 20_000])
def test_who_was_too_slow_to_come_in_tries_again(code: Code, retry_after_ms: int | None) -> None:
    world = World()
    ada, bob, room = two(world)
    alone(world, ada, bob)
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    laptop.answers = refuse(Append, code, retry_after_ms=retry_after_ms)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(MINUTE_MS)
    assert state(laptop, room) == "active"
    assert said(laptop, room) == ["hello"]


def test_who_is_not_let_in_is_told_why() -> None:
    world = World()
    ada, bob, room = two(world)
    alone(world, ada, bob)
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    laptop.answers = refuse(Append, Code.LIMIT, 100)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.pass_time(MINUTE_MS)
    assert "not-joined: limit" in warned(laptop)
    assert state(laptop, room) == "outside"


def test_a_room_that_one_has_no_right_to_is_not_entered() -> None:
    world = World()
    ada, _, room = two(world)
    eve = world.register("eve")
    eve.heard()
    eve.engine.receive(RoomChanged(room=room, state="active"), world.now)
    world.pass_time(MINUTE_MS)
    assert state(eve, room) != "active"
    assert names(world, ada, room) == ["ada", "bob"]


def public_only(room_entries: tuple[Any, ...], others: Any) -> Any:
    """Give away a room's handshakes to whoever asks, as a lying server might."""

    def answer(request: Request) -> Any:
        if isinstance(request, GetSnapshot):
            return Snapshot(id=request.id, seq=0, name=bytes(32), body=None)
        if isinstance(request, Read):
            return structs.replace(others, id=request.id, room=request.room, entries=room_entries)
        return None

    return answer


def handshakes_of(world: World, peer: Peer, room: bytes) -> Entries:
    """Return a room's handshakes as its server keeps them."""
    here = peer.do(get_room, room)
    answer = world.ask(peer, Read(room=room, since=Position(here.incarnation, 0), lane="handshake"))
    assert isinstance(answer, Entries)
    return answer


def test_public_state_alone_lets_nobody_in() -> None:
    """All handshakes of a room are no right to be in it: `sibling` and `resync` need a leaf."""
    world = World()
    ada, bob, room = two(world)
    eve = world.register("eve")
    eve.heard()
    page = handshakes_of(world, ada, room)
    eve.answers = public_only(page.entries, page)
    eve.engine.receive(RoomChanged(room=room, state="active"), world.now)
    world.pass_time(MINUTE_MS)
    assert "no-right-to-join" in warned(eve)
    assert state(eve, room) == "outside"
    assert names(world, bob, room) == ["ada", "bob"]


@pytest.mark.parametrize("lie", ["headers", "messages", "bodies", "another room", "nothing"])
def test_a_false_public_state_is_not_followed(lie: str) -> None:
    world = World()
    ada, bob, room = two(world)
    elsewhere = room_of(world, ada, bob)
    page = handshakes_of(world, ada, room)
    other = handshakes_of(world, ada, elsewhere)
    (message,) = [one for one in world.ask(ada, _all(ada, room)).entries if one.seq == 3]
    entries = {
        "headers": tuple(Stored(one.seq, one.at, b"\xc1", one.body) for one in page.entries),
        "messages": tuple(structs.replace(message, seq=one.seq) for one in page.entries),
        "bodies": tuple(Stored(one.seq, one.at, one.header, b"\xc1") for one in page.entries),
        "another room": other.entries,
        "nothing": (),
    }[lie]
    alone(world, ada, bob)
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    laptop.answers = public_only(entries, page)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    for _ in range(3):
        world.now += 6_000
        for _ in range(5):
            world.now += 1
            laptop.step()
    assert state(laptop, room) == "outside"
    laptop.answers = lambda _: None
    laptop.hang_up()
    assert laptop.connect() is None
    world.pass_time(MINUTE_MS)
    assert said(laptop, room) == ["hello"]


@pytest.mark.parametrize("way", ["welcome", "commit", "past", "past handshakes"])
def test_pages_that_do_not_go_on_are_not_asked_for_for_ever(way: str) -> None:
    world = World(page_entries_max=2)
    ada, bob, room = two(world)
    for _ in range(2):
        ada.do(acting.change_settings, room, may_pin="admins" if _ else "owners")
        world.pass_time(PAUSE_MS)
    lane = None if way == "past" else "handshake"
    asked: dict[int, Read] = {}
    pages: list[Entries] = []
    peer = world.add_peer("ada") if way == "commit" else world.register("cyn")

    def watches(request: Request) -> None:
        if not isinstance(request, Read) or request.lane != lane or request.follow:
            return
        if way != "past handshakes" or state(peer, room) == "active":
            asked[request.id] = request

    def repeats(one: Any) -> Any:
        if not isinstance(one, Entries) or one.id not in asked or not one.entries:
            return one
        pages.append(one)
        return structs.replace(pages[0], id=one.id, more=True)

    peer.answers, peer.hears = watches, repeats
    if way == "commit":
        alone(world, ada, bob)
        peer.phrase = ada.phrase
        world.try_to_enter(peer)
        assert peer.connect() is None
    else:
        ada.do(acting.invite, room, peer.me.account)
    world.pass_time(PAUSE_MS)  # Every time all have said what they had to.
    assert len(pages) > 1


def test_a_server_that_names_rooms_without_end_fills_no_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("alcove.client.rooms.state.OUTSIDE_MAX", 3)
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    for number in range(9):
        moved = RoomChanged(room=number.to_bytes(16, "big"), state="active")
        ada.engine.receive(moved, world.now)
    world.run()
    waiting = "SELECT COUNT(*) FROM room WHERE state = 'outside'"
    assert ada.db.one(waiting) == (3,)
    room = room_of(world, bob, ada)
    say(world, bob, room, "hello")
    assert said(ada, room) == ["hello"]
    (known,) = world.ask(ada, GetRooms()).rooms
    named = tuple(structs.replace(known, room=bytes([9, n]) * 8) for n in range(9))
    page = Rooms(rooms=(*named, known), next=1, incarnation=1)
    ada.do(listing.listed, GetRooms(since=1), page, b"")
    assert len(ada.do(lambda tx: tx.memory.listed)) == 4  # Of ten.
    assert not any(isinstance(one, GetRooms) for one in ada.engine.requests())


def _all(peer: Peer, room: bytes) -> Read:
    return Read(room=room, since=Position(peer.do(get_room, room).incarnation, 0))


def test_a_room_that_is_not_there_is_not_asked_for_for_ever() -> None:
    world = World()
    ada = world.register("ada")
    asked: list[Request] = []

    def count(request: Request) -> None:
        asked.append(request)

    ada.answers = count
    ada.engine.receive(RoomChanged(room=NOWHERE, state="active"), world.now)
    world.pass_time(MINUTE_MS * 10)
    assert len([one for one in asked if isinstance(one, GetSnapshot)]) < 5


# ---- The list of rooms ----


@pytest.mark.parametrize("retry_after_ms", [None, 20_000])
def test_a_list_that_cannot_be_had_now_is_asked_for_again(retry_after_ms: int | None) -> None:
    world = World()
    ada, bob, room = two(world)
    bob.hang_up()
    say(world, ada, room, "news")
    bob.answers = refuse(GetRooms, Code.BUSY, retry_after_ms=retry_after_ms)
    assert bob.connect() is None
    world.run()
    assert said(bob, room) == ["hello"]
    world.pass_time(MINUTE_MS)
    assert said(bob, room) == ["hello", "news"]


def test_a_room_that_the_list_leaves_out_is_asked_about() -> None:
    world = World()
    ada, bob, room = two(world)
    bob.hang_up()
    say(world, ada, room, "news")
    bob.hears = lambda one: structs.replace(one, rooms=()) if isinstance(one, Rooms) else one
    assert bob.connect() is None
    world.run()
    assert state(bob, room) == "active"  # The log itself says that nobody has removed him.
    assert said(bob, room) == ["hello", "news"]


def test_a_list_whose_log_is_another_is_told() -> None:
    world = World()
    _, bob, room = two(world)
    bob.hang_up()
    bob.heard()
    bob.hears = lambda one: (
        structs.replace(
            one, rooms=tuple(structs.replace(each, chain=bytes(32)) for each in one.rooms)
        )
        if isinstance(one, Rooms)
        else one
    )
    assert bob.connect() is None
    world.run()
    assert "fork" in notes(bob, room)


def test_many_rooms_are_listed_in_pages() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    rooms = [room_of(world, ada, bob) for _ in range(3)]
    bob.hang_up()
    for room in rooms:
        say(world, ada, room, "hello")
    asked: list[GetRooms] = []

    def one_by_one(request: Request) -> None:
        if isinstance(request, GetRooms):
            asked.append(request)

    bob.answers = one_by_one
    bob.hears = lambda one: (
        structs.replace(one, next=1) if isinstance(one, Rooms) and len(asked) == 1 else one
    )
    assert bob.connect() is None
    world.run()
    assert len(asked) == 2
    assert [said(bob, room) for room in rooms] == [["hello"]] * 3


def test_who_was_removed_and_is_invited_again_reads_on() -> None:
    world = World()
    ada, bob, room = two(world)
    ada.do(acting.remove, room, bob.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, ada, room, "while bob was away")
    ada.do(acting.invite, room, bob.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    say(world, ada, room, "welcome back")
    assert said(bob, room)[-1] == "welcome back"
    assert "hello" in said(bob, room)
    assert state(bob, room) == "active"
    agree(world, room, ada, bob)
