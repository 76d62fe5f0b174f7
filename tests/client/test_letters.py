"""The inbox is read to its end, and kept by the server until it is stored here."""

from alcove.client import letters
from alcove.wire.errors import Code, Refusal
from alcove.wire.rooms import GetInbox, Inbox, Letter
from tests.client.world import World


def test_an_inbox_of_many_pages_is_read_to_its_end() -> None:
    world = World()
    ada = world.register("ada")
    nonsense = Letter(7, "sealed", bytes(16), bytes(16), 0, b"nonsense")
    ada.do(letters.inbox, GetInbox(), Inbox(letters=(nonsense,), more=True), b"")
    first, second = ada.engine.requests()
    assert (type(first).__name__, getattr(first, "until", None)) == ("ClearInbox", 7)
    assert (type(second).__name__, getattr(second, "since", None)) == ("GetInbox", 7)


def test_what_is_refused_or_empty_is_left_alone() -> None:
    world = World()
    ada = world.register("ada")
    for answer in (Refusal(1, Code.TOO_MANY, "later"), Inbox(letters=(), more=False)):
        ada.do(letters.inbox, GetInbox(), answer, b"")
        assert ada.engine.requests() == []
