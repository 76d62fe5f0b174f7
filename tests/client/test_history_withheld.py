"""What was said before, where a server keeps some of it back, and what it holds that waits here."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client import history
from alcove.client.events import Mended
from alcove.client.rooms import acting, making
from alcove.client.timeline import lines
from alcove.wire.base import Request
from alcove.wire.codec import decode_header
from alcove.wire.content import Delete, Text
from alcove.wire.entries import Entries, GetSnapshot, MessageHeader, Snapshot
from tests.client.rooms.talk import agree, gaps, said
from tests.client.test_dropping import target_of
from tests.client.test_history import TEXTS, coming, past
from tests.client.test_restored import set_back
from tests.client.world import World

MINUTE_MS = 60_000


def keep_back(times: int, is_kept: Any) -> Any:
    """Return a line on which some answers come empty, so often."""
    left = [times]

    def hears(message: Any) -> Any:
        if left[0] and isinstance(message, Entries) and message.entries and is_kept(message):
            left[0] -= 1
            return structs.replace(message, entries=(), more=False)
        return message

    return hears


@pytest.mark.parametrize("times", [1, 6])
def test_an_empty_page_of_the_past_is_asked_for_again(times: int) -> None:
    world = World()
    ada, _, room = past(world)
    cyn = coming(
        world,
        ada,
        room,
        hears=keep_back(times, lambda one: one.entries[0].seq == 1 and any_said(one)),
    )
    world.pass_time(5 * MINUTE_MS)
    assert said(cyn, room) == TEXTS


def test_who_is_shown_no_past_for_long_is_told_so_once() -> None:
    world = World()
    ada, _, room = past(world)
    cyn = coming(world, ada, room, hears=keep_back(10**6, any_said))
    world.pass_time(60 * MINUTE_MS)
    assert [one.cause for one in cyn.heard(Mended)] == [history.IN_VAIN]
    assert cyn.db.all("SELECT kind FROM line WHERE cause = ?", history.IN_VAIN) == [("note",)]
    cyn.hears = keep_back(0, any_said)
    world.pass_time(60 * MINUTE_MS)
    assert said(cyn, room) == TEXTS


def any_said(page: Entries) -> bool:
    """Return whether a page holds messages, and is not of handshakes alone."""
    return any(isinstance(decode_header(one.header), MessageHeader) for one in page.entries)


def test_a_page_with_a_gap_is_taken_up_to_there_and_the_rest_is_asked_for() -> None:
    world = World()
    ada, _, room = past(world)
    holes = [1]

    def hears(message: Any) -> Any:
        if (
            isinstance(message, Entries)
            and len(message.entries) > 3
            and any_said(message)
            and holes
        ):
            holes.pop()
            return structs.replace(
                message, entries=(*message.entries[:2], *message.entries[3:]), more=False
            )
        return message

    cyn = coming(world, ada, room, hears=hears)
    world.pass_time(5 * MINUTE_MS)
    assert holes == []
    assert said(cyn, room) == TEXTS


def test_a_walk_through_the_past_that_leads_nowhere_is_tried_again_from_the_founding() -> None:
    world = World()
    ada, _, room = past(world)
    cyn = world.register("cyn")
    asked: list[Any] = []

    def watch(request: Request) -> None:
        asked.append(request)

    def hears(message: Any) -> Any:
        is_past = isinstance(message, Snapshot) and isinstance(asked[-1], GetSnapshot)
        is_false = is_past and asked[-1].until is not None
        return (
            structs.replace(message, seq=3, name=bytes(32), body=b"no tree")
            if is_false
            else message
        )

    cyn.answers, cyn.hears = watch, hears
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(5 * MINUTE_MS)
    assert said(cyn, room) == TEXTS


# ---- What waits here, and is in the log ----


@pytest.mark.parametrize("kind", ["group", "direct"])
@pytest.mark.parametrize("policy", ["open", "closed"])
def test_a_disk_set_back_while_its_room_was_made_says_nothing_twice(kind: Any, policy: Any) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.hang_up()
    room = ada.do(making.create, kind, (bob.me.account,), history=policy)
    for text in ("one", "two"):
        ada.do(acting.say, room, Text(text))
    image = ada.db.raw.serialize()
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    set_back(ada, image)
    later = ada.do(acting.say, room, Text("three"))
    assert ada.connect() is None
    world.pass_time(10 * MINUTE_MS)
    assert said(ada, room) == said(bob, room) == ["one", "two", "three"]
    assert bob.db.all("SELECT 1 FROM entry WHERE cause = 'twice'") == []
    assert gaps(ada, room) == []
    assert lines(ada.db, room)[-1].number == later
    assert ada.db.all("SELECT 1 FROM outbox") == []
    agree(world, room, ada, bob)


def test_what_was_deleted_since_is_not_said_again_by_a_disk_that_was_set_back() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.hang_up()
    room = ada.do(making.create, "group", (bob.me.account,))
    number = ada.do(acting.say, room, Text("one"))
    image = ada.db.raw.serialize()
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    ada.do(acting.say, room, Delete(target_of(ada, number)))
    world.pass_time(MINUTE_MS)
    assert said(bob, room) == []
    set_back(ada, image)
    assert ada.connect() is None
    world.pass_time(10 * MINUTE_MS)
    assert said(ada, room) == said(bob, room) == []
    assert ada.db.all("SELECT 1 FROM outbox") == []
    assert bob.db.all("SELECT 1 FROM entry WHERE cause = 'twice'") == []
