"""`alcove room …`: links, public names, settings, bans, mutes, and what is kept in sight."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.people import Street, Terminal, street_of


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


def names(terminal: Terminal, room: str) -> list[str]:
    shown = terminal.json("room", "show", room)
    return [one["person"]["name"] for one in shown["members"]]


def texts(terminal: Terminal, room: str) -> list[str]:
    found = terminal.json("message", "list", room)
    return [one["text"] for one in found if one["kind"] == "text"]


def joined(street: Street, room: str, *people: str) -> tuple[Terminal, ...]:
    """Return people of whom the first has made a room, and the others have joined it by a link."""
    owner, *others = (street.newcomer(name) for name in people)
    owner.say("room", "new", room)
    link = owner.say("room", "link", room).strip()
    for one in others:
        one.say("room", "join", link)
    for _ in others:
        owner.say("rooms")  # Hears of them, and seals for them what the room is called.
    owner.say("rooms")
    return owner, *others


def test_who_has_a_link_joins_without_anybody_being_there(street: Street) -> None:
    ada, bob = street.newcomer("ada"), street.newcomer("bob")
    ada.say("room", "new", "kitchen", "--topic", "who cooks")
    made = ada.json("room", "link", "kitchen", "--days", "7", "--uses", "5")
    assert (made["uses"], made["works"]) == (5, True)
    assert "ID" in ada.say("room", "link", "kitchen", "--list")
    assert [one["id"] for one in ada.json("room", "link", "kitchen", "--list")] == [made["id"]]
    said = bob.say("room", "join", made["link"])
    assert "You are in a room with ada." in said  # What it is called, its people have to seal.
    assert names(ada, "kitchen") == ["ada", "bob"] or names(ada, "kitchen") == ["bob", "ada"]
    ada.say("rooms")
    assert "kitchen" in bob.say("rooms")
    assert bob.json("room", "show", "kitchen")["topic"] == "who cooks"
    assert ada.say("room", "link", "kitchen", "--end", made["id"]) == "Links that ended: 1.\n"
    assert "no link" in ada.say("room", "link", "kitchen", "--list")
    eva = street.newcomer("eva")
    status, sentence = eva.fail("room", "join", made["link"])
    assert (status, "The link has ended" in sentence) == (1, True)
    assert "not a whole link" in eva.fail("room", "join", "https://x/r/1#2")[1]
    assert "No link of this machine" in ada.fail("room", "link", "kitchen", "--end", "ff")[1]
    assert ada.fail("room", "link", "kitchen", "--list", "--end", "x")[0] == 2


def test_a_group_is_found_and_joined_by_its_public_name_until_that_ends(street: Street) -> None:
    finn, gus = street.newcomer("finn"), street.newcomer("gus")
    finn.say("room", "new", "books")
    assert gus.say("room", "find", "book") == "No group was found.\n"
    assert "book-club" in finn.say("room", "publish", "books", "book-club", "--about", "a novel")
    (found,) = gus.json("room", "find", "book")
    assert (found["alias"], found["description"], found["joinable"]) == (
        "book-club", "a novel", True,
    )  # fmt: skip
    assert "a novel" in gus.say("room", "find")
    gus.say("room", "join", "Book-Club")
    assert sorted(names(finn, "books")) == ["finn", "gus"]
    finn.say("room", "publish", "books", "--end")
    assert gus.json("room", "find", "book") == []
    assert "No group here is called book-club" in gus.fail("room", "join", "book-club")[1]
    assert "3 to 40 small letters" in finn.fail("room", "publish", "books", "B!")[1]
    assert finn.fail("room", "publish", "books")[0] == 2


def test_owners_choose_what_a_room_allows_and_all_devices_check_it(street: Street) -> None:
    hal, ina = joined(street, "shed", "hal", "ina")
    said = hal.say(
        "room", "settings", "shed", "--may-post", "admins", "--history", "closed", "--expire", "7d"
    )
    assert said == (
        "shed allows that from now on: may post admins, history closed, messages end after 1w.\n"
    )
    shown = ina.json("room", "settings", "shed")["settings"]
    assert (shown["may_post"], shown["history"]) == ("admins", "closed")
    assert shown["expires_ms"] == 7 * 86_400_000
    assert "may post" in ina.say("room", "settings", "shed", "--offline")
    assert "Only some may post" in ina.fail("send", "shed", "may I?")[1]
    assert "Only owners" in ina.fail("room", "settings", "shed", "--may-post", "everyone")[1]
    assert hal.fail("room", "settings", "shed", "--expire", "soon")[0] == 2
    assert hal.fail("room", "settings", "shed", "--expire", "7d", "--offline")[0] == 2
    hal.say("room", "settings", "shed", "--expire", "never")
    assert hal.json("room", "settings", "shed")["settings"]["expires_ms"] == 0
    hal.say("room", "role", "shed", "@ina", "admin")
    ina.say("send", "shed", "now I may")


def test_a_room_is_called_otherwise_by_its_owners(street: Street) -> None:
    jan, kim = joined(street, "attic", "jan", "kim")
    assert jan.say("room", "rename", "attic", "loft") == "attic is called loft now.\n"
    assert jan.say("room", "topic", "loft", "old things") == "loft: old things\n"
    kim.say("rooms")
    assert kim.json("room", "show", "loft")["topic"] == "old things"
    assert "Only owners and admins" in kim.fail("room", "rename", "loft", "mine")[1]
    assert jan.say("room", "topic", "loft", "") == "loft: no topic\n"


def test_who_is_banned_stays_out_until_let_in_again(street: Street) -> None:
    leo, mia = joined(street, "yard", "leo", "mia")
    assert "Only admins shut people out" in mia.fail("room", "ban", "yard", "@leo")[1]
    assert leo.say("room", "ban", "yard", "@mia") == "mia: banned from yard.\n"
    shown = leo.json("room", "show", "yard")
    assert [one["person"]["name"] for one in shown["banned"]] == ["mia"]
    assert "Banned: mia" in leo.say("room", "show", "yard")
    assert "shut out of this room" in leo.fail("room", "add", "yard", "@mia")[1]
    link = leo.say("room", "link", "yard").strip()
    assert "shut you out" in mia.fail("room", "join", link)[1]
    assert "may come to yard again" in leo.say("room", "unban", "yard", "@mia")
    mia.say("room", "join", link)
    assert sorted(names(leo, "yard")) == ["leo", "mia"]
    assert "is not shut out" in leo.fail("room", "unban", "yard", "@mia")[1]


def test_what_somebody_muted_says_is_hidden_from_all(street: Street) -> None:
    ned, ola = joined(street, "hall", "ned", "ola")
    ola.say("send", "hall", "an advert")
    assert "Only admins mute" in ola.fail("room", "mute", "hall", "@ned")[1]
    ned.say("room", "mute", "hall", "@ola", "--reason", "adverts")
    assert "Muted: ola" in ned.say("room", "show", "hall")
    assert "muted you" in ola.fail("send", "hall", "one more")[1]
    ned.say("room", "unmute", "hall", "@ola")
    ola.say("send", "hall", "hello")
    assert texts(ned, "hall") == ["an advert", "hello"]


def test_rooms_are_read_unread_archived_and_notify_of_less(street: Street) -> None:
    pia, quin = joined(street, "cellar", "pia", "quin")
    quin.say("send", "cellar", "hello @pia")

    def cellar(*words: str) -> dict[str, Any]:
        (found,) = [one for one in pia.json("rooms", *words) if one["title"] == "cellar"]
        return dict(found)

    assert (cellar()["unread"], cellar()["mentions"]) == (1, 1)
    assert "1 (@1)" in pia.say("rooms")
    assert pia.say("room", "read", "cellar") == "cellar: everything is read.\n"
    assert cellar()["unread"] == 0
    shown = quin.json("message", "show", "cellar")
    assert [one["name"] for one in shown["readers"]] == ["pia"]
    pia.say("room", "unread", "cellar")
    assert cellar()["marked_unread"]
    assert "yes" in pia.say("rooms")
    assert "calls you" in pia.say("room", "notify", "cellar", "mentions")
    assert cellar()["notify"] == "mentions"
    pia.say("room", "archive", "cellar")
    assert "Archived: 1." in pia.say("rooms")
    assert cellar("--archived")["archived"]
    assert "in the list again" in pia.say("room", "archive", "cellar", "--undo")
    assert not cellar()["archived"]


def test_what_was_said_to_somebody_who_has_not_accepted_is_said_to_wait(street: Street) -> None:
    rosa, sam = street.newcomer("rosa"), street.newcomer("sam")
    waits = "sam has not accepted yet: what you say is shown to them when they do."
    done = rosa.run("send", "@sam", "hello")
    assert (done.exit_code, done.stderr.strip()) == (0, waits)
    told = json.loads(rosa.say("send", "@sam", "are you there?", "--json"))
    assert [one["name"] for one in told["not_accepted"]] == ["sam"]
    assert waits in rosa.say("chat", "@sam", text="exit\n")
    assert "Asked, not accepted yet: sam" in rosa.say("room", "show", "@sam")
    assert rosa.say("request", "@sam", "please").strip() == waits
    sam.say("accept", "@rosa")
    done = rosa.run("send", "@sam", "now?")  # Sam accepted while no device of rosa's was there.
    assert (done.exit_code, done.stderr) == (0, "")
    assert rosa.json("room", "show", "@sam")["asked"] == []
