"""The inbox is read to its end, and kept by the server until it is stored here."""

import pytest

from alcove.client import letters
from alcove.wire.errors import Code
from alcove.wire.rooms import GetInbox, Inbox, Letter, NewLetter
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import room_of, say, state
from tests.client.world import World


def test_an_inbox_of_many_pages_is_read_to_its_end() -> None:
    world = World()
    ada = world.register("ada")
    nonsense = Letter(7, "sealed", bytes(16), bytes(16), 0, b"nonsense")
    ada.do(letters.inbox, GetInbox(), Inbox(letters=(nonsense,), more=True), b"")
    first, second = ada.engine.requests()
    assert (type(first).__name__, getattr(first, "until", None)) == ("ClearInbox", 7)
    assert (type(second).__name__, getattr(second, "since", None)) == ("GetInbox", 7)


def test_what_is_empty_is_left_alone() -> None:
    world = World()
    ada = world.register("ada")
    ada.do(letters.inbox, GetInbox(), Inbox(letters=(), more=False), b"")
    assert ada.engine.requests() == []


@pytest.mark.parametrize("retry_after_ms", [None, 20_000])
def test_an_inbox_that_cannot_be_had_now_is_asked_for_again(retry_after_ms: int | None) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.answers = refuse(GetInbox, Code.BUSY, retry_after_ms=retry_after_ms)
    room = room_of(world, ada, bob, history="none")
    say(world, ada, room, "hello")
    world.pass_time(30_000)
    assert state(bob, room) == "active"


def test_word_of_a_letter_that_comes_while_the_inbox_is_read_leads_to_one_more_look() -> None:
    """The answer may have been on its way before the letter came."""
    world = World()
    ada = world.register("ada")
    ada.do(letters.ask_inbox)
    (first,) = ada.engine.requests()
    for number in (7, 8):
        ada.engine.receive(NewLetter(number=number), world.now)
    assert ada.engine.requests() == []
    ada.engine.receive(Inbox(id=first.id, letters=(), more=False), world.now)
    (second,) = ada.engine.requests()
    assert isinstance(second, GetInbox)
    ada.engine.receive(Inbox(id=second.id, letters=(), more=False), world.now)
    assert ada.engine.requests() == []
