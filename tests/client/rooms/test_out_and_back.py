"""Out of a room and in again, by a commit of one's own: what was said meanwhile is read, too."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client.rooms import acting, approach
from alcove.wire.base import Request
from alcove.wire.content import Text
from alcove.wire.devices import GetLists
from alcove.wire.entries import Append, Appended, Entries, GetSnapshot, Read
from alcove.wire.errors import SENTENCES, Code, Refusal
from alcove.wire.rooms import GetInbox
from tests.client.rooms.mischief import Vandal, refuse
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said, say, state
from tests.client.rooms.test_lost import renew
from tests.client.test_history import TEXTS, coming, past
from tests.client.test_restored import back_up, come_back, restore, set_back
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def out_and_back(world: World, **fields: str) -> tuple[Peer, Peer, bytes]:
    """Return two people in a room from which one was removed for a while, and then came in.

    Its Welcome cannot be read, so it comes in by a commit of its own.
    """
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, **fields)
    say(world, ada, room, "before")
    world.pass_time(MINUTE_MS)
    bob.do(acting.say, room, Text("my last word"))
    bob.hang_up()
    ada.do(acting.remove, room, bob.me.account)
    world.run()
    assert bob.connect() is None
    world.pass_time(PAUSE_MS)
    assert state(bob, room) == "gone"
    say(world, ada, room, "while bob was away")
    bob.answers = refuse(GetInbox, Code.BUSY, times=99)
    ada.do(acting.invite, room, bob.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    return ada, bob, room


@pytest.mark.parametrize("history", ["open", "closed"])
def test_who_was_out_and_comes_in_again_reads_what_was_meant_for_it(history: str) -> None:
    world = World()
    ada, bob, room = out_and_back(world, history=history)
    say(world, ada, room, "after")
    meanwhile = ["while bob was away"] if history == "open" else []
    assert said(bob, room) == ["before", *meanwhile, "my last word", "after"]
    assert names(world, bob, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


def test_what_could_not_be_said_outside_is_said_after_coming_in_again() -> None:
    world = World()
    ada, bob, room = out_and_back(world)
    assert said(ada, room) == said(bob, room)
    assert said(ada, room)[-1] == "my last word"
    assert bob.db.one("SELECT 1 FROM outbox") is None


def test_who_was_removed_and_added_again_while_it_was_away_comes_in_without_a_welcome() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hang_up()
    for change in (acting.remove, acting.invite):
        ada.do(change, room, bob.me.account)
        world.run()
        world.pass_time(PAUSE_MS)
    world.server.connection.run("DELETE FROM letter")  # As after a restore.
    say(world, ada, room, "there you are")
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert (state(bob, room), said(bob, room)) == ("active", ["there you are"])
    agree(world, room, ada, bob)


def test_who_may_not_come_in_with_its_certificate_of_now_comes_in_with_the_next_one() -> None:
    """A disk that was set back has an older one than the room wants, until its list has come."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    image = laptop.db.raw.serialize()
    world.add_device(ada)
    world.pass_time(MINUTE_MS)
    room = room_of(world, bob, ada)
    say(world, bob, room, "hello")
    set_back(laptop, image)
    laptop.answers = refuse(GetLists, Code.BUSY, times=99)
    assert laptop.connect() is None
    world.pass_time(PAUSE_MS)
    assert state(laptop, room) == "outside"
    laptop.answers = lambda _: None
    world.pass_time(MINUTE_MS)
    assert said(laptop, room) == ["hello"]
    agree(world, room, ada, bob, laptop)


def test_the_list_of_rooms_does_not_end_what_is_on_its_way_into_one() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.answers = refuse(GetInbox, Code.BUSY, times=99)
    late: list[Appended] = []
    bob.hears = lambda one: late.append(one) if isinstance(one, Appended) else one
    room = room_of(world, ada, bob)
    assert state(bob, room) == "outside"
    bob.do(approach.list_rooms)
    world.pass_time(PAUSE_MS)
    bob.hears = lambda one: one
    bob.engine.receive(late[0], world.now)
    world.run()
    assert state(bob, room) == "active"
    say(world, bob, room, "here I am")
    assert said(ada, room) == ["here I am"]
    agree(world, room, ada, bob)


def test_who_was_told_a_false_log_outside_reads_it_anew_and_does_not_ask_without_end() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada)
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS)
    asked: list[Append] = []
    late = refuse(GetInbox, Code.BUSY, times=99)

    def answers(request: Request) -> Any:
        if isinstance(request, Append):
            asked.append(request)
        return late(request)

    def other(entries: Entries) -> Entries:
        *first, last = entries.entries
        false = structs.replace(last, body=first[-1].body)
        return structs.replace(entries, entries=(*first, false))

    bob.answers = answers
    bob.hears = lambda one: other(one) if isinstance(one, Entries) and one.entries[1:] else one
    bob.hang_up()
    ada.do(acting.invite, room, bob.me.account)
    world.pass_time(MINUTE_MS)
    ada.do(renew, room)
    world.run()
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "outside"
    assert 1 <= len(asked) < 20
    bob.hears = lambda one: one
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "active"
    assert said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


def test_who_is_led_to_a_state_without_its_place_looks_again_ever_later() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada)
    say(world, ada, room, "hello")
    world.pass_time(MINUTE_MS)
    late = refuse(GetInbox, Code.BUSY, times=99)
    asked: list[GetSnapshot] = []

    def answers(request: Request) -> Any:
        if isinstance(request, GetSnapshot):
            asked.append(request)
        return late(request)

    def without(one: Any) -> Any:
        if not isinstance(one, Entries) or not one.entries:
            return one
        return structs.replace(one, entries=one.entries[:1], head=one.entries[0].seq)

    bob.answers, bob.hears = answers, without
    ada.do(acting.invite, room, bob.me.account)
    world.run()
    world.pass_time(10 * MINUTE_MS)
    assert state(bob, room) == "outside"
    assert 2 <= len(asked) < 12
    bob.hears = lambda one: one
    world.pass_time(20 * MINUTE_MS)
    assert said(bob, room) == ["hello"]
    agree(world, room, ada, bob)


# ---- The past ----


def test_what_stands_in_the_past_twice_counts_once_and_is_known_at_both_places() -> None:
    world = World()
    ada, bob, room = past(world)
    vandal = Vandal(bob)
    again = vandal.kept(room, Text("again"))
    vandal.post(room, again)
    vandal.post(room, again)
    cyn = coming(world, ada, room)
    assert said(cyn, room) == [*TEXTS, "again"]
    causes = cyn.db.all("SELECT cause FROM entry WHERE room = ? AND cause NOT NULL", room)
    assert causes == [("twice",)]


def test_what_was_not_fetched_when_a_room_was_gone_is_fetched_after_a_restore() -> None:
    world = World()
    ada, bob, room = past(world)

    def busy(request: Request) -> Refusal | None:
        is_past = isinstance(request, Read) and request.lane is None and not request.follow
        return Refusal(request.id, Code.BUSY, SENTENCES[Code.BUSY]) if is_past else None

    cyn = coming(world, ada, room, answers=busy)
    cyn.db.run("UPDATE room SET state = 'gone' WHERE room = ?", room)
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    say(world, bob, room, "late")
    restore(world, image)
    cyn.answers = lambda _: None
    come_back(world, bob, ada, cyn)
    assert said(cyn, room) == [*TEXTS, "late"]
