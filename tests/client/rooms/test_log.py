"""The log is read once, in order, and to its end; a bad entry costs a line that says why."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from alcove.client.events import Mended
from alcove.client.rooms import acting, log
from alcove.client.rooms.handshakes import decode_body
from alcove.client.rooms.state import get_room
from alcove.wire.codec import decode_header, encode
from alcove.wire.content import Text
from alcove.wire.entries import (
    Appended,
    DropBodies,
    Dropped,
    Entries,
    MessageHeader,
    NewEntries,
    NewEntry,
    Nudge,
    Read,
    Stored,
)
from alcove.wire.errors import Code
from alcove.wire.ids import entry_name, next_chain
from alcove.wire.rooms import RoomChanged
from tests.client.rooms.mischief import Vandal, feed, plain_of, refuse
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    gaps,
    notes,
    room_of,
    said,
    say,
    state,
    troubles,
)
from tests.client.world import Peer, World

UNKNOWN = bytes(15) + b"?"


def trio(world: World, **fields: str) -> tuple[Peer, Peer, Vandal, bytes]:
    """Return two people, one whose program is not ours, and their room."""
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room = room_of(world, ada, bob, mal, **fields)
    say(world, mal, room, "hello from mal")
    world.pass_time(PAUSE_MS)
    for peer in (ada, bob):
        peer.heard()
    return ada, bob, Vandal(mal), room


# ---- Reading ----


def test_a_long_log_is_read_page_by_page() -> None:
    world = World(page_entries_max=3)
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hang_up()
    texts = [f"number {number}" for number in range(10)]
    say(world, ada, room, *texts)
    assert bob.connect() is None
    world.run()
    assert said(bob, room) == texts
    agree(world, room, ada, bob)


@pytest.mark.parametrize("code", [Code.TOO_MANY, Code.BUSY, Code.FULL, Code.INTERNAL, Code.STORAGE])
@pytest.mark.parametrize("retry_after_ms", [None, 60_000])
def test_a_log_that_cannot_be_read_now_is_read_later(
    code: Code, retry_after_ms: int | None
) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hang_up()
    say(world, ada, room, "hello")
    bob.answers = refuse(Read, code, retry_after_ms=retry_after_ms)
    assert bob.connect() is None
    world.run()
    assert said(bob, room) == []
    world.pass_time(1_500)
    assert said(bob, room) == ([] if retry_after_ms else ["hello"])
    world.pass_time(60_000)
    assert said(bob, room) == ["hello"]
    assert state(bob, room) == "active"


def test_a_refusal_that_says_nothing_about_the_room_ends_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hang_up()
    bob.answers = refuse(Read, Code.MALFORMED)
    assert bob.connect() is None
    world.run()
    assert state(bob, room) == "active"
    say(world, ada, room, "hello")
    assert said(bob, room) == ["hello"]


@pytest.mark.parametrize("code", [Code.NOT_A_MEMBER, Code.UNKNOWN])
def test_whom_the_server_shuts_out_keeps_what_was_said_and_is_told(code: Code) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    bob.hang_up()
    bob.do(acting.say, room, Text("wait for me"))
    bob.answers = refuse(Read, code)
    assert bob.connect() is None
    bob.answers = refuse(Read, code, 100)
    world.run()
    assert state(bob, room) == "gone"
    assert said(bob, room)[0] == "hello"
    assert "shut-out" in notes(bob, room)


def test_what_is_pushed_twice_or_of_no_room_of_ours_changes_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    pushed: list[Any] = []

    def listen(message: Any) -> Any:
        if isinstance(message, NewEntries):
            pushed.append(message)
        return message

    bob.hears = listen
    say(world, ada, room, "one", "two")
    before = bob.do(get_room, room)
    for message in (
        *pushed,
        NewEntries(room=room, entries=()),
        structs.replace(pushed[0], room=UNKNOWN),
        Nudge(room=UNKNOWN, head=7),
        Nudge(room=room, head=1),
        RoomChanged(room=UNKNOWN, state="gone"),
    ):
        bob.engine.receive(message, world.now)
    world.run()
    assert said(bob, room) == ["one", "two"]
    assert bob.do(get_room, room) == before
    assert state(bob, UNKNOWN) == "unknown"


def test_a_gap_in_what_is_pushed_is_read_first() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    lost = [0]

    def lose(message: Any) -> Any:
        lost[0] += isinstance(message, NewEntries)
        return None if isinstance(message, NewEntries) and lost[0] == 1 else message

    bob.hears = lose
    say(world, ada, room, "one", "two", "three")
    assert said(bob, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)


def test_a_page_that_is_older_than_what_one_has_sent_does_not_end_the_reading() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hears = lambda one: None if isinstance(one, NewEntries) else one
    say(world, ada, room, "one")
    late: list[Any] = []

    def hold(message: Any) -> Any:
        if isinstance(message, Entries) and not late:
            late.append(message)
            return None
        return message

    bob.hears = hold
    bob.do(log.read_on, room)
    bob.do(acting.say, room, Text("mine"))
    world.run()
    bob.engine.receive(late[0], world.now)
    world.run()
    assert said(bob, room) == ["one", "mine"]
    agree(world, room, ada, bob)


def test_two_nudges_make_one_request() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.engine.requests()
    for _ in range(2):
        bob.engine.receive(Nudge(room=room, head=99), world.now)
    assert [type(one) for one in bob.engine.requests()] == [Read]


def test_a_server_that_says_it_has_stored_another_log_is_caught() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    ada.heard()
    ada.hears = lambda one: (
        structs.replace(one, chain=bytes(32)) if isinstance(one, Appended) else one
    )
    say(world, ada, room, "and now?")
    assert "fork" in troubles(ada)
    assert "fork" in notes(ada, room)


def test_a_server_that_has_told_a_device_another_log_is_caught_when_that_has_gone_on() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.heard()
    bob.hears = lambda one: (
        structs.replace(one, entries=tuple(structs.replace(e, body=b"no") for e in one.entries))
        if isinstance(one, NewEntries)
        else one
    )
    say(world, ada, room, "one")
    assert "fork" not in troubles(bob)
    bob.hang_up()
    say(world, ada, room, "two")
    bob.hears = lambda one: one
    assert bob.connect() is None
    world.run()
    assert "fork" in troubles(bob)
    assert "fork" in notes(bob, room)


def test_what_a_member_drops_at_the_server_stays_with_who_has_read_it() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "a mistake", "and more")
    here = ada.do(get_room, room)
    bob.hang_up()
    assert bob.connect() is None
    request = DropBodies(room=room, seqs=(here.seq - 1,), incarnation=here.incarnation)
    ada.engine.ask(request, world.now)
    world.run()
    everywhere = tuple(range(1, here.seq + 10))
    bob.engine.receive(Dropped(room=room, seqs=everywhere), world.now)
    bob.engine.receive(Dropped(room=bytes(16), seqs=everywhere), world.now)
    assert said(bob, room) == ["a mistake", "and more"]
    cyn = world.register("cyn")
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(cyn, room) == ["and more"]
    assert gaps(cyn, room) == []


def test_what_is_dropped_after_the_rooms_time_is_gone_here_too() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.do(acting.change_settings, room, keep_ms=60 * PAUSE_MS)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, ada, room, "old")
    world.pass_time(60 * PAUSE_MS)
    say(world, ada, room, "new")
    dropped = Dropped(room=room, seqs=tuple(range(1, ada.do(get_room, room).seq + 1)))
    bob.engine.receive(dropped, world.now)
    assert said(bob, room) == ["new"]


@pytest.mark.parametrize("first", [1, 99])
@pytest.mark.parametrize("more", [False, True])
def test_a_log_that_has_more_and_does_not_give_it_is_not_asked_for_without_a_pause(
    more: bool, first: int
) -> None:
    world = World()
    ada, bob, _, room = trio(world)
    bob.hang_up()
    bob.hears = lambda one: (
        structs.replace(one, entries=one.entries[first:], head=one.head + 9, more=more)
        if isinstance(one, Entries)
        else one
    )
    say(world, ada, room, "earlier", "later")
    assert bob.connect() is None
    world.run()
    assert "later" not in said(bob, room)
    bob.hears = lambda one: one
    world.pass_time(PAUSE_MS)
    assert said(bob, room)[-1] == "later"


def other_expiry(expires_at: int | None) -> Callable[[Any], Any]:
    """Return a server that changes when messages go."""

    def changed(one: Stored) -> Stored:
        header = decode_header(one.header)
        if not isinstance(header, MessageHeader):
            return one
        return structs.replace(one, header=encode(structs.replace(header, expires_at=expires_at)))

    def hears(message: Any) -> Any:
        if not isinstance(message, NewEntries | Entries):
            return message
        return structs.replace(message, entries=tuple(changed(one) for one in message.entries))

    return hears


@pytest.mark.parametrize("history", ["open", "none"])
def test_only_the_writer_says_when_a_message_goes(history: str) -> None:
    world = World()
    ada, bob, _, room = trio(world, history=history)
    soon = world.now + 4 * PAUSE_MS
    for expires_at, told in ((soon, None), (soon, soon + 1), (None, soon)):
        bob.hears = other_expiry(told)
        ada.do(acting.say, room, Text("burns"), expires_at)
        world.run()
        assert len(bob.heard(Mended)) == 1
        assert "burns" not in said(bob, room)
    bob.hears = lambda message: message
    say(world, ada, room, "lasts")
    world.pass_time(5 * PAUSE_MS)
    assert said(bob, room)[-1] == "lasts"


# ---- Bad entries: each is passed, says why, and stops nothing ----


def passed(world: World, room: bytes, peer: Peer, writer: Peer) -> list[str]:
    """Return the causes that somebody was told, after seeing that the room goes on."""
    causes = [one.cause for one in peer.heard(Mended)]
    say(world, writer, room, "we go on")
    assert said(peer, room)[-1] == "we go on"
    return causes


def test_a_header_that_is_none_is_passed() -> None:
    world = World()
    _, bob, _, room = trio(world)
    feed(bob, room, NewEntry(b"\xc1", b""))
    assert [one.cause for one in bob.heard(Mended)] == ["bad-header"]
    assert "bad-header" in notes(bob, room)


def test_a_message_of_somebody_who_is_not_there_is_passed() -> None:
    world = World()
    _, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("I am not here"))
    header = MessageHeader(UNKNOWN, UNKNOWN, "kept", mal.here(room).room_key)
    feed(bob, room, NewEntry(encode(header), entry.body))
    assert [one.cause for one in bob.heard(Mended)] == ["not-a-member"]
    assert "I am not here" not in said(bob, room)


def test_a_message_of_a_member_under_the_name_of_another_is_passed() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("I am ada"))
    header = MessageHeader(ada.me.device, UNKNOWN, "kept", mal.here(room).room_key)
    feed(bob, room, NewEntry(encode(header), entry.body))
    assert [one.cause for one in bob.heard(Mended)] == ["not-sealed"]
    assert "I am ada" not in said(bob, room)


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        (b"", "not-sealed"),
        (b"x" * 100, "not-sealed"),
        (b"x" * 300, "not-sealed"),
    ],
)
def test_a_body_that_does_not_open_is_passed(body: bytes, cause: str) -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("hello"))
    mal.post(room, NewEntry(entry.header, body))
    assert passed(world, room, bob, ada) == [cause]
    assert passed(world, room, ada, bob) == [cause]
    agree(world, room, ada, bob)


def test_content_that_nobody_should_send_is_passed() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    good = plain_of(Text("hello"))
    for plain in (b"", b"\xc1", good[:-1], good + b"\x00", plain_of_text("")):
        mal.post(room, mal.kept(room, plain))
    causes = passed(world, room, bob, ada)
    assert len(causes) == 5
    assert said(bob, room)[-1] == "we go on"
    agree(world, room, ada, bob)


def plain_of_text(text: str) -> bytes:
    """Return a text that our program would not write."""
    return plain_of(Text("x")).replace(b"\xa1x", bytes([0xA0 + len(text)]) + text.encode())


def test_what_has_been_said_is_not_said_again() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("once"))
    other = mal.kept(room, Text("otherwise"), content=entry_content(entry))
    mal.post(room, entry)
    mal.post(room, entry)
    mal.post(room, other)
    assert passed(world, room, bob, ada) == []
    assert said(bob, room).count("once") == said(ada, room).count("once") == 1
    assert "otherwise" not in said(bob, room)
    feed(ada, room, NewEntry(ada_header(ada, room), b""))
    assert said(ada, room).count("we go on") == 1
    agree(world, room, bob)


def entry_content(entry: NewEntry) -> bytes:
    """Return the content id of a message."""
    header = decode_header(entry.header)
    assert isinstance(header, MessageHeader)
    return header.content


def ada_header(ada: Peer, room: bytes) -> bytes:
    """Return the header of the last thing that somebody has said, once more."""
    (content,) = ada.db.all(
        "SELECT content FROM entry WHERE room = ? AND device = ? AND content IS NOT NULL "
        "ORDER BY seq DESC LIMIT 1", room, ada.me.device,
    )[0]  # fmt: skip
    return encode(MessageHeader(ada.me.device, content, "kept", bytes(32)))


def test_a_body_that_was_dropped_before_it_was_read_leaves_its_tombstone() -> None:
    world = World()
    _, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("too late"))
    before = bob.do(get_room, room)
    stored = Stored(
        before.seq + 1, world.now, entry.header, None, hashlib.sha256(entry.body).digest()
    )
    bob.engine.receive(NewEntries(room=room, entries=(stored,)), world.now)
    after = bob.do(get_room, room)
    assert after.seq == before.seq + 1
    assert gaps(bob, room) == []
    name = entry_name(room, entry.header, entry.body)  # The chain goes on as over the body.
    assert before.chain is not None
    assert after.chain == next_chain(before.chain, after.seq, name)


# ---- Old and closed keys, which the server lets through when it lies ----


def test_a_message_under_a_key_of_nobody_waits_and_is_shown_as_a_gap() -> None:
    world = World()
    _, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("hello"))
    for key in (bytes(32), None):
        header = MessageHeader(mal.peer.me.device, bytes([key is None]) * 16, "kept", key)
        feed(bob, room, NewEntry(encode(header), entry.body))
    assert gaps(bob, room) == ["no-key", "no-key"]
    world.pass_time(PAUSE_MS)


def test_a_message_under_a_key_that_a_removal_has_closed_is_passed() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    cyn = world.register("cyn")
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    entry = mal.kept(room, Text("from before"))
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    bob.heard()
    answer = mal.post(room, entry)
    assert answer.code == Code.CLOSED  # The server would not have it,
    feed(bob, room, entry)  # unless it lies.
    assert [one.cause for one in bob.heard(Mended)] == ["closed"]
    assert "from before" not in said(bob, room)


def test_a_message_under_one_of_many_keys_ago_is_passed() -> None:
    world = World()
    ada, bob, mal, room = trio(world)
    entry = mal.kept(room, Text("from long before"))
    for number in range(9):
        cyn = world.register(f"cyn{number}")
        ada.do(acting.invite, room, cyn.me.account)
        world.run()
        world.pass_time(PAUSE_MS)
    bob.heard()
    answer = mal.post(room, entry)
    assert answer.code == Code.OLD_KEY
    feed(bob, room, entry)
    assert [one.cause for one in bob.heard(Mended)] == ["old-key"]


def test_a_message_under_a_handshake_that_renews_nothing_is_passed() -> None:
    world = World()
    _, bob, mal, room = trio(world)
    world.pass_time(60_000)
    made = mal.commit(room)
    assert isinstance(mal.post(room, made.entry), Appended)
    key = mal.here(room).room_key
    entry = mal.kept(room, Text("hello"), key=made.name, sealed_by=key)
    assert mal.post(room, entry).code == Code.OLD_KEY
    bob.heard()
    feed(bob, room, entry)
    assert [one.cause for one in bob.heard(Mended)] == ["key-does-not-renew"]


# ---- Live messages ----


def live(mal: Vandal, room: bytes, body: bytes, **fields: Any) -> NewEntry:
    """Return a live message with any body."""
    key = mal.here(room).handshake
    header = {"sender": mal.peer.me.device, "content": UNKNOWN, "form": "live", "key": key} | fields
    return NewEntry(encode(MessageHeader(**header)), body)


def test_a_live_body_that_is_no_message_of_its_sender_is_passed() -> None:
    world = World()
    ada, bob, mal, room = trio(world, history="none")
    group, device = mal.group(room), mal.peer.me.device
    random = mal.peer.random
    bound = group.seal(plain_of(Text("bound elsewhere")), random, authenticated_data=b"elsewhere")
    early = bound.group.seal(
        plain_of(Text("of another epoch")), random, authenticated_data=device + b"2" * 16
    )
    founding = ada.db.one("SELECT name FROM handshake WHERE room = ? ORDER BY seq", room)
    assert founding is not None
    for number, (body, fields) in enumerate([
        (b"", {}),
        (b"garbage", {}),
        (mal.commit(room).entry.body, {}),
        (bound.message, {}),
        (early.message, {"content": b"2" * 16, "key": bob.do(get_room, room).handshake}),
    ]):  # fmt: skip
        content = fields.get("content", bytes([number]) * 16)
        mal.post(room, live(mal, room, body, **fields | {"content": content}))
    causes = passed(world, room, bob, ada)
    assert len(causes) == 4  # The last is as it should be.
    assert said(bob, room)[-2:] == ["of another epoch", "we go on"]
    agree(world, room, ada, bob)


def test_a_live_message_is_never_shown_as_another_member_s() -> None:
    world = World()
    ada, bob, mal, room = trio(world, history="none")
    group = mal.group(room)
    device = ada.me.device
    sealed = group.seal(
        plain_of(Text("I am ada")), mal.peer.random, authenticated_data=device + UNKNOWN
    )
    feed(bob, room, live(mal, room, sealed.message, sender=device))
    assert [one.cause for one in bob.heard(Mended)] == ["not-its-writer"]
    assert "I am ada" not in said(bob, room)


def test_a_commit_in_the_place_of_a_live_message_is_passed() -> None:
    world = World()
    _, bob, mal, room = trio(world, history="none")
    commit = decode_body(mal.commit(room).entry.body).commit
    mal.post(room, live(mal, room, commit))
    assert [one.cause for one in bob.heard(Mended)] == ["not-a-message"]


def test_who_comes_into_a_live_room_is_told_of_what_was_before() -> None:
    world = World()
    ada, bob, mal, room = trio(world, history="none")
    cyn = world.register("cyn")
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, bob, room, "for everyone")
    sealed = mal.group(room).seal(plain_of(Text("late")), mal.peer.random, authenticated_data=b"")
    (before,) = bob.db.all(
        "SELECT name FROM handshake WHERE room = ? AND seq < ? ORDER BY seq DESC",
        room, cyn.do(get_room, room).joined_seq,
    )[0]  # fmt: skip
    entry = live(mal, room, sealed.message, key=before)
    feed(cyn, room, entry)
    assert said(cyn, room) == ["for everyone"]
    assert notes(cyn, room)[-1] == "before-you-joined"
