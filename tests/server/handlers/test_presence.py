"""Presence: an account is there if any of its devices is, and others hear of it now and then."""

import pytest

from alcove.server.presence import HIDDEN, SHOWN, Presence
from alcove.wire.directory import People, Person

ADA, BOB, EVE = b"ada", b"bob", b"eve"
PHONE, LAPTOP = b"phone", b"laptop"


@pytest.fixture
def presence() -> Presence:
    return Presence()


def names(presence: Presence, after: str = "", limit: int = 10) -> list[str]:
    return [person.name for person in presence.online(after, limit).people]


def test_an_account_is_as_present_as_its_most_present_device(presence: Presence) -> None:
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=True)
    presence.arrive(ADA, LAPTOP, "ada", 0, is_shown=True)
    seen = [presence.of(ADA)]
    for device, said in ((PHONE, "away"), (LAPTOP, "invisible"), (PHONE, "invisible")):
        presence.set(ADA, device, said, 0)
        seen.append(presence.of(ADA))
    presence.leave(ADA, LAPTOP, 0)
    presence.set(ADA, PHONE, "online", 0)
    seen.append(presence.of(ADA))
    presence.leave(ADA, PHONE, 0)
    assert [*seen, presence.of(ADA), presence.of(BOB)] == [
        "online",
        "online",
        "away",
        "offline",
        "online",
        "offline",
        "offline",
    ]


def test_who_hides_looks_offline_until_it_shows_itself_again(presence: Presence) -> None:
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=False)
    assert (presence.of(ADA), names(presence), presence.take_changes(0)) == ("offline", [], [])
    presence.set(ADA, b"", SHOWN, 0)
    assert (presence.of(ADA), names(presence)) == ("online", ["ada"])
    presence.set(ADA, b"", HIDDEN, 0)
    assert (presence.of(ADA), names(presence), presence.take_changes(0)) == ("offline", [], [])


def test_the_list_goes_by_name_without_case_in_pages(presence: Presence) -> None:
    for name in ("eve", "Bob", "ada", "Ida"):
        presence.arrive(name.encode(), PHONE, name, 0, is_shown=True, is_bot=name == "Ida")
    presence.set(b"eve", PHONE, "away", 0)
    assert names(presence) == ["ada", "Bob", "eve", "Ida"]
    page = presence.online("BOB", 1, 7)
    assert page == People(id=7, people=(Person(b"eve", "eve", False, "away", None),), more=True)
    last = Person(b"Ida", "Ida", True, "online", None)
    assert presence.online("eve", 1) == People(people=(last,), more=False)
    presence.leave(b"Bob", PHONE, 0)
    assert names(presence) == ["ada", "eve", "Ida"]
    assert presence.count() == 3


def test_a_list_that_is_read_while_somebody_goes_does_without_him(presence: Presence) -> None:
    for name in ("ada", "bob"):
        presence.arrive(name.encode(), PHONE, name, 0, is_shown=True)
    del presence._accounts[b"ada"]  # What another thread may see between two steps of `leave`.
    assert names(presence) == ["bob"]


def test_what_a_search_found_is_filled_in(presence: Presence) -> None:
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=True)
    found = People(people=tuple(Person(who, "x", False, "offline", 5) for who in (ADA, BOB)))
    assert [(one.presence, one.seen_at) for one in presence.fill(found).people] == [
        ("online", 5),
        ("offline", 5),
    ]


def test_changes_are_gathered_for_a_pause_and_told_once() -> None:
    presence = Presence(3000)
    assert (presence.deadline(), presence.take_changes(0)) == (None, [])
    presence.arrive(BOB, PHONE, "bob", 1000, is_shown=True)
    presence.arrive(ADA, PHONE, "ada", 2000, is_shown=True)
    presence.set(BOB, PHONE, "away", 3000)
    assert (presence.deadline(), presence.take_changes(3999)) == (4000, [])
    assert presence.take_changes(4000) == [(BOB, "away"), (ADA, "online")]
    assert (presence.deadline(), presence.take_changes(9000)) == (None, [])


def test_who_comes_back_within_the_pause_was_never_gone() -> None:
    presence = Presence(3000)
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=True)
    presence.take_changes(3000)
    presence.leave(ADA, PHONE, 4000)
    presence.arrive(ADA, PHONE, "ada", 5000, is_shown=True)
    assert presence.take_changes(9000) == []
    presence.leave(ADA, PHONE, 10_000)
    assert presence.take_changes(13_000) == [(ADA, "offline")]


def test_who_came_and_went_within_the_pause_is_forgotten_without_a_word() -> None:
    presence = Presence(3000)
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=True)
    presence.set(ADA, PHONE, "invisible", 100)
    presence.leave(ADA, PHONE, 200)
    assert presence.take_changes(3000) == []
    assert presence._accounts == {}


def test_who_was_never_shown_is_forgotten_at_once(presence: Presence) -> None:
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=False)
    presence.leave(ADA, PHONE, 0)
    assert presence._accounts == {}


def test_a_clock_that_was_set_back_holds_nothing_up() -> None:
    presence = Presence(3000)
    presence.arrive(ADA, PHONE, "ada", 100_000, is_shown=True)
    assert presence.take_changes(50_000) == [(ADA, "online")]


def test_what_comes_late_from_a_device_that_is_gone_changes_nothing(presence: Presence) -> None:
    presence.set(ADA, PHONE, "online", 0)
    presence.leave(ADA, PHONE, 0)
    presence.arrive(ADA, PHONE, "ada", 0, is_shown=True)
    presence.set(ADA, LAPTOP, "away", 0)
    presence.leave(ADA, LAPTOP, 0)
    assert presence.of(ADA) == "online"
