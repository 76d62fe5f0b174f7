"""Rooms are made: with the people who could be added, once, and with what was said meanwhile."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client import account, trust
from alcove.client.errors import UsageError
from alcove.client.events import Warned
from alcove.client.rooms import acting, claims, making
from alcove.client.rooms import planning as commit_plan
from alcove.client.tx import Tx
from alcove.wire.base import Reply, Request
from alcove.wire.codec import encode
from alcove.wire.content import Delete, Edit, Target, Text
from alcove.wire.devices import Claim, Claimed
from alcove.wire.entries import Appended, Entries, HandshakeHeader, Stored
from alcove.wire.errors import SENTENCES, Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import CreateRoom, Inbox, Rooms
from tests.client.rooms.mischief import refuse
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
    states,
    troubles,
)
from tests.client.world import START_MS, World

HOUR_MS = 60 * 60 * 1000


def test_nobody_makes_a_direct_room_with_themselves() -> None:
    world = World()
    ada = world.register("ada")
    with pytest.raises(UsageError, match="That is you"):
        ada.do(making.create, "direct", (ada.me.account,))


def test_an_edit_of_what_was_taken_away_is_known_when_it_comes_back_with_the_room() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.hang_up()
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.do(acting.say, room, Text("a mistake"))
    content = content_of(ada, room, "a mistake")
    ada.do(acting.say, room, Delete(Target(ada.me.account, content)))
    ada.do(acting.say, room, Edit(content, "no mistake"))
    ada.do(acting.say, room, Text("hello"))
    assert ada.connect() is None
    world.run()
    assert "restored" not in troubles(ada)  # It does not take its own edit for a lost one.
    assert said(ada, room) == said(bob, room) == ["hello"]


def test_a_room_for_oneself_is_made_without_anybody_and_without_a_line() -> None:
    world = World()
    ada = world.register("ada")
    ada.hang_up()
    room = ada.do(making.create, "group", (), profile=b"Notes")
    ada.do(acting.say, room, Text("milk"))
    ada.restart()
    assert ada.connect() is None
    world.run()
    assert states(ada, room) == {"milk": "stored"}
    assert names(world, ada, room) == ["ada"]
    agree(world, room, ada)


@pytest.mark.parametrize("history", ["open", "none"])
def test_what_is_said_before_the_room_is_there_is_said_in_its_order(history: Any) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "group", (bob.me.account,), history=history)
    texts = [f"number {number}" for number in range(100)]
    for text in texts:
        ada.do(acting.say, room, Text(text))
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(ada, room) == said(bob, room) == texts
    agree(world, room, ada, bob)


def test_a_first_message_that_shall_expire_is_said_and_expires() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "direct", (bob.me.account,))
    ada.do(acting.say, room, Text("this stays"))
    ada.do(acting.say, room, Text("this goes"), START_MS + HOUR_MS)
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(ada, room) == said(bob, room) == ["this stays", "this goes"]
    world.pass_time(HOUR_MS)
    assert said(ada, room) == said(bob, room) == ["this stays"]
    agree(world, room, ada, bob)


def test_a_channel_lets_only_admins_invite_and_the_commons_call_everyone() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = ada.do(making.create, "channel", (bob.me.account,))
    world.run()
    world.pass_time(PAUSE_MS)
    with pytest.raises(UsageError, match="Only some may invite"):
        bob.do(acting.invite, room, cyn.me.account)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    assert names(world, cyn, room) == ["ada", "bob", "cyn"]


def test_who_cannot_be_added_is_named_and_the_room_is_made_without() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.heard()
    room = ada.do(making.create, "group", (bytes(16), bob.me.account))
    world.run()
    assert names(world, bob, room) == ["ada", "bob"]
    assert [(one.code, one.about) for one in ada.heard(Warned)] == [
        ("not-added: unknown", bytes(16))
    ]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("code", sorted(claims.PASSING))
@pytest.mark.parametrize("retry_after_ms", [None, 60_000])
def test_a_claim_that_is_refused_in_passing_is_made_again_later(
    code: Code, retry_after_ms: int | None
) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.answers = refuse(Claim, code, retry_after_ms=retry_after_ms)
    room = ada.do(making.create, "group", (bob.me.account,))
    world.run()
    assert state(ada, room) == "making"
    world.pass_time(2_000)
    assert (state(bob, room) == "active") is (retry_after_ms is None)
    world.pass_time(60_000)
    assert names(world, bob, room) == ["ada", "bob"]


def test_a_line_that_breaks_between_claim_and_answer_costs_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.engine.requests()
    ada.hang_up()
    assert ada.connect() is None
    world.run()
    assert names(world, bob, room) == ["ada", "bob"]


@pytest.mark.parametrize("lie", ["list of another", "packages of another", "no packages"])
def test_who_is_claimed_is_who_is_added(lie: str) -> None:
    """A server that hands out other key packages than were asked for brings nobody in."""
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    room_of(world, ada, bob)  # So that his list is known to her.
    ada.heard()
    true = world.ask(ada, Claim(account=bob.me.account))
    false = world.ask(ada, Claim(account=mal.me.account))

    def answer(request: Request) -> Reply | None:
        if not isinstance(request, Claim):
            return None
        lies = {
            "list of another": (false.packages, false.list),
            "packages of another": (false.packages, true.list),
            "no packages": ((), true.list),
        }
        packages, signed = lies[lie]
        return Claimed(id=request.id, packages=packages, list=signed)

    ada.answers = answer
    room = ada.do(making.create, "group", (bob.me.account,))
    world.run()
    assert names(world, ada, room) == ["ada"]
    assert state(mal, room) == "unknown"
    causes = {
        "list of another": "list-of-another",
        "packages of another": "package-of-another",
        "no packages": "no-key-packages",
    }
    assert f"not-added: {causes[lie]}" in troubles(ada)


def test_a_device_that_a_server_hands_out_twice_comes_in_once() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    one, other = (world.ask(ada, Claim(account=bob.me.account)) for _ in range(2))
    ada.answers = lambda request: (
        Claimed(id=request.id, packages=(*one.packages, *other.packages), list=one.list)
        if isinstance(request, Claim)
        else None
    )
    room = room_of(world, ada, bob)
    assert names(world, ada, room) == names(world, bob, room) == ["ada", "bob"]


def test_a_claim_has_a_number_of_its_own_even_after_a_restart() -> None:
    """For the number of one before it the server would give the same key packages again."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    numbers: list[int] = []

    def claim(tx: Tx) -> None:
        claims.ask(tx, bytes(16), bob.me.account)
        numbers.extend(tx.memory.asked)

    for _ in range(2):
        ada.restart()
        ada.do(claim)
    assert len(set(numbers)) == 2


def test_devices_that_cannot_be_together_are_claimed_anew_later() -> None:
    """Somebody has made two key packages with one and the same key: no commit takes both."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    right = commit_plan.plan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            making, "plan", lambda old, me, adds: right(old, me, adds=[*adds, *adds])
        )  # fmt: skip
        room = ada.do(making.create, "group", (bob.me.account,))
        ada.do(acting.say, room, Text("hello"))
        world.run()
        assert state(ada, room) == "making"
        assert "not-possible: add: leaf-signature-key-unique" in troubles(ada)
    world.pass_time(making.CLAIM_AGAIN_MS)
    assert said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


def test_a_list_that_was_tampered_with_adds_nobody() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    true = world.ask(ada, Claim(account=bob.me.account))
    forged = true.list.__class__(true.list.body[:-1] + b"\x00", *_rest(true.list))
    ada.heard()
    ada.answers = lambda one: (
        Claimed(id=one.id, packages=true.packages, list=forged) if isinstance(one, Claim) else None
    )
    room = ada.do(making.create, "group", (bob.me.account,))
    world.run()
    assert names(world, ada, room) == ["ada"]
    assert "not-added: list-bad" in troubles(ada)


def _rest(signed: Any) -> tuple[Any, ...]:
    return tuple(getattr(signed, field) for field in signed.__struct_fields__[1:])


def test_a_room_that_the_server_refuses_is_gone_and_its_maker_is_told() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.heard()
    ada.answers = refuse(CreateRoom, Code.NOT_ALLOWED)
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.do(acting.say, room, Text("hello"))
    world.run()
    assert state(ada, room) == "gone"
    assert troubles(ada) == ["room-refused"]
    line = line_of(ada, room, "hello")
    assert (line.state, line.why) == ("failed", SENTENCES[Code.NOT_ALLOWED])


def test_a_server_that_takes_little_at_once_gets_the_room_first() -> None:
    world = World(batch_entries_max=2)
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "group", (bob.me.account,))
    for text in ("one", "two", "three"):
        ada.do(acting.say, room, Text(text))
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(ada, room) == said(bob, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)


def exists(head: bytes | None) -> Any:
    """Say that a direct room is there already."""

    def answer(request: Request) -> Refusal | None:
        if not isinstance(request, CreateRoom):
            return None
        return Refusal(request.id, Code.EXISTS, SENTENCES[Code.EXISTS], head=head)

    return answer


def test_a_server_cannot_turn_a_direct_message_into_another_room_that_is_known() -> None:
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    elsewhere = room_of(world, ada, mal)
    ada.answers = exists(elsewhere)
    room = ada.do(making.create, "direct", (bob.me.account,))
    ada.do(acting.say, room, Text("for bob alone"))
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(mal, elsewhere) == []
    assert said(ada, elsewhere) == []
    assert states(ada, room) == {"for bob alone": "failed"}


def test_a_server_cannot_turn_a_direct_message_into_another_room_that_is_new() -> None:
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    ada.hang_up()
    elsewhere = room_of(world, mal, ada)
    room = ada.do(making.create, "direct", (bob.me.account,))
    ada.do(acting.say, room, Text("for bob alone"))
    ada.answers = exists(elsewhere)
    ada.hears = lambda one: None if isinstance(one, Inbox | Rooms) else one  # Not yet.
    assert ada.connect() is None
    world.run()
    ada.hears = lambda one: one
    ada.hang_up()
    assert ada.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert state(ada, elsewhere) == "active"
    assert said(mal, elsewhere) == []
    assert line_of(ada, elsewhere, "for bob alone").why == making.NOT_MEANT


@pytest.mark.parametrize("head", [None, b"", b"not an id", bytes(16)])
def test_a_room_that_is_said_to_be_there_and_is_not_is_refused(head: bytes | None) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.answers = exists(head)
    room = ada.do(making.create, "direct", (bob.me.account,))
    ada.do(acting.say, room, Text("hello"))
    world.run()
    world.pass_time(PAUSE_MS)
    assert ada.db.all("SELECT failed IS NULL FROM outbox") == [(0,)]


def elsewhere(message: Any) -> Any:
    """Say of what is appended that it stands two places further on."""
    if not isinstance(message, Appended):
        return message
    return structs.replace(message, first=message.first + 2)


def test_a_room_whose_place_the_server_gets_wrong_is_read_from_the_log() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.hears = elsewhere
    world.run()
    ada.hears = lambda one: one
    say(world, ada, room, "hello")
    assert said(ada, room) == said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


def test_nobody_else_founds_a_room_in_the_name_of_its_maker() -> None:
    """The founding entry brings the first key; a forged one would bring one that nobody has."""
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    header = HandshakeHeader(ada.me.device, NOTHING_BEFORE, renews=True)
    forged = Stored(1, world.now, encode(header), b"")

    def lie(message: Any) -> Any:
        if isinstance(message, Entries):
            return structs.replace(message, entries=(forged, *message.entries[1:]))
        return elsewhere(message)

    ada.hears = lie
    world.run()
    ada.do(acting.say, room, Text("hello?"))
    world.run()
    assert states(ada, room) == {"hello?": "waiting"}
    assert notes(ada, room) == ["handshake-body"]


def test_a_new_direct_room_waits_until_changed_keys_were_looked_at() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room_of(world, ada, bob)
    ada.do(trust.change, bob.me.account, "reset")
    room = ada.do(making.create, "direct", (bob.me.account,))
    say(world, ada, room, "secret")
    world.pass_time(PAUSE_MS)
    assert (state(ada, room), said(bob, room)) == ("making", [])
    ada.look(bob.me.account)
    world.run()
    assert said(bob, room) == ["secret"]


def test_keys_that_change_after_they_were_claimed_are_claimed_anew() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room_of(world, ada, bob)
    ada.do(trust.change, bob.me.account, "reset")
    room = ada.do(making.create, "direct", (bob.me.account,))
    old = world.ask(ada, Claim(account=bob.me.account))
    ada.do(claims.claimed, Claim(account=bob.me.account), old, room)
    opener = world.opener(bob)
    bob.do(account.rotate, world.open(bob, opener), opener, world.locks(bob, "else"), bob.phrase)
    world.run()
    say(world, ada, room, "hello")
    assert state(ada, room) == "making"
    ada.look(bob.me.account)
    world.run()
    assert said(bob, room) == ["hello"]


def test_a_device_that_was_away_when_its_account_got_other_keys_comes_later() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(bob)
    laptop.hang_up()
    opener = world.opener(bob)
    bob.do(account.rotate, world.open(bob, opener), opener, world.locks(bob, "else"), bob.phrase)
    world.run()
    room = room_of(world, ada, bob)
    assert names(world, ada, room) == ["ada", "bob"]
    assert state(laptop, room) == "unknown"


def test_packages_of_a_list_that_the_server_hides_add_nobody() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    before = world.ask(ada, Claim(account=bob.me.account)).list
    world.add_device(bob)
    true = world.ask(ada, Claim(account=bob.me.account))
    ada.answers = lambda one: (
        Claimed(id=one.id, packages=true.packages[:1], list=before)
        if isinstance(one, Claim)
        else None
    )
    ada.do(making.create, "group", (bob.me.account,))
    world.run()
    assert "not-added: list-older" in troubles(ada)
