"""`alcove message …`: what can be done to what was said, and polls."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.people import Street, Terminal, street_of


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


def pair(street: Street, one: str, other: str) -> tuple[Terminal, Terminal]:
    """Return two people who talk with each other."""
    here, there = street.newcomer(one), street.newcomer(other)
    here.say("send", f"@{other}", "hello")
    there.say("send", f"@{one}", "hi")
    return here, there


def newest(terminal: Terminal, room: str) -> dict[str, Any]:
    found: dict[str, Any] = terminal.json("message", "list", room)[-1]
    return found


def test_a_message_is_edited_and_everybody_sees_what_it_said_before(street: Street) -> None:
    ada, bob = pair(street, "ada", "bob")
    assert bob.say("message", "edit", "@ada", "hi ada") == "“hi” says “hi ada” now.\n"
    shown = ada.json("message", "show", "@bob")
    assert shown["text"] == "hi ada"
    assert [one["text"] for one in shown["edits"]] == ["hi", "hi ada"]
    assert "(edited)" in ada.say("message", "list", "@bob")
    assert "said before  hi" in ada.say("message", "show", "@bob")
    number = str(shown["number"])
    assert "Only your own messages" in ada.fail("message", "edit", number, "mine")[1]
    assert "There is nothing to be seen" in ada.fail("message", "edit", "1" * 15, "x")[1]


def test_a_message_is_answered_reacted_to_pinned_forwarded_and_deleted(street: Street) -> None:
    cyn, dan = pair(street, "cyn", "dan")
    assert cyn.say("message", "react", "@dan", "👍") == "“hi”: 👍 is there.\n"
    assert "[👍 1]" in dan.say("message", "list", "@cyn")
    shown = dan.json("message", "show", "@cyn")
    assert [(one["emoji"], len(one["people"])) for one in shown["reactions"]] == [("👍", 1)]
    assert "is taken back" in cyn.say("message", "react", "@dan", "👍", "--undo")
    answer = cyn.json("message", "reply", "@dan", "how are you?")
    assert dan.json("message", "show", "@cyn")["reply_to"] == shown["number"]
    assert "answers" in dan.say("message", "show", "@cyn")
    assert "is pinned" in dan.say("message", "pin", "@cyn")
    assert "how are you?" in cyn.say("room", "pins", "@dan")
    assert [one["text"] for one in cyn.json("room", "pins", "@dan")] == ["how are you?"]
    assert "pinned no more" in cyn.say("message", "pin", str(answer["number"]), "--undo")
    assert "Nothing is pinned" in dan.say("room", "pins", "@cyn")
    cyn.say("room", "new", "notes")
    assert "is said in notes too" in cyn.say("message", "forward", "@dan", "notes")
    assert cyn.json("message", "show", "notes")["forwarded"]
    assert "is answered" in cyn.say("message", "reply", "notes", "again")
    assert cyn.say("message", "delete", "@dan", "--reason", "wrong room") == (
        "“how are you?” is taken away.\n"
    )
    assert newest(dan, "@cyn")["kind"] == "gone"
    theirs = str(cyn.json("message", "show", "@dan")["number"])
    assert "Only admins take away" in cyn.fail("message", "delete", theirs)[1]


def test_a_poll_is_asked_answered_and_ended(street: Street) -> None:
    eva, fay = pair(street, "eva", "fay")
    said = eva.say("message", "poll", "@fay", "Who cooks?", "eva", "fay", "nobody")
    assert "1. eva\n    2. fay\n    3. nobody" in said
    assert "2. fay  1: fay" in fay.say("message", "vote", "@eva", "2")
    poll = eva.json("message", "vote", "@fay", "Nobody")["poll"]
    assert [len(one["people"]) for one in poll["options"]] == [0, 1, 1]
    assert eva.json("message", "vote", "@fay", "--undo")["poll"]["voters"] == 1
    assert "takes one answer" in fay.fail("message", "vote", "@eva", "1", "2")[1]
    assert "no such answer" in fay.fail("message", "vote", "@eva", "7")[1]
    assert fay.fail("message", "vote", "@eva")[0] == 2
    assert "Only admins end" in fay.fail("message", "end-poll", "@eva")[1]
    assert "(over)" in eva.say("message", "end-poll", "@fay")
    assert eva.fail("message", "poll", "@fay", "Alone?", "yes")[0] == 2
    asked = eva.json(
        "message", "poll", "@fay", "When?", "today", "never", "--multiple", "--closes", "2030-01-02"
    )
    assert asked["poll"]["multiple"]
    assert asked["poll"]["closes_at"] is not None
    assert "(several answers)" in fay.say("message", "vote", "@eva", "1", "2")


def test_where_nothing_was_said_there_is_nothing_to_do(street: Street) -> None:
    gil = street.newcomer("gil")
    gil.say("room", "new", "empty")
    assert "no message in empty" in gil.fail("message", "react", "empty", "👍")[1]
    assert "no poll in empty" in gil.fail("message", "vote", "empty", "1")[1]
    assert gil.say("message", "retry", "empty") == "Sent again in empty: 0.\n"
    assert gil.json("message", "retry", "empty") == []
    assert gil.fail("message", "list", "nowhere")[0] == 1
