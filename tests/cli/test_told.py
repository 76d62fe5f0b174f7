"""How what was said, and what has happened, is told: in sentences, and as it is now."""

import sys
from collections.abc import Iterator

import pytest

from alcove.client.causes import SENTENCES
from tests.cli.people import Street, street_of
from tests.cli.test_chat import Window


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


def test_a_file_s_name_is_no_word_of_the_message(street: Street) -> None:
    ada, bob = street.newcomer("ada"), street.newcomer("bob")
    report = ada.folder / "report.pdf"
    report.write_bytes(b"figures")
    sent = ada.json("send", "@bob", "--file", str(report), "the figures")
    assert (sent["text"], sent["files"][0]["name"], sent["through"]) == (
        "the figures", "report.pdf", "",
    )  # fmt: skip
    bob.say("accept", "@ada")
    bob.say("send", "@ada", "thank you")
    heard = bob.say("listen", "@ada", "--last", "9", "--for", "0")
    assert "ada: the figures\n    [file: report.pdf, 7 B]" in heard
    assert "report.pdf" in bob.say("search", "report")
    there = bob.folder / "there"
    there.mkdir()
    assert f"· {there / 'report.pdf'}" in bob.say("chat", "@ada", text=f"/get #1 {there}\nexit\n")
    assert "thank you" in ada.say("listen", "@bob", "--last", "1", "--for", "0")


def test_what_has_happened_is_told_as_a_sentence(street: Street) -> None:
    cyn, dan = street.newcomer("cyn"), street.newcomer("dan")
    cyn.say("send", "@dan", "hello")
    said = cyn.say("chat", "@dan", text="/history\nexit\n")
    assert "· you made this room" in said
    assert "· dan has not accepted yet: what you say here is shown when they do" in said
    dan.say("accept", "@cyn")
    notes = [one for one in dan.json("message", "list", "@cyn") if one["kind"] == "note"]
    assert [one["why"] for one in notes if one["cause"] == "you-joined"] == [
        SENTENCES["you-joined"]
    ]
    assert "· dan has accepted: session established" in cyn.say(
        "chat", "@dan", text="/history\nexit\n"
    )


def test_somebody_is_found_by_the_whole_name_and_who_is_online_by_its_beginning(
    street: Street,
) -> None:
    eva = street.newcomer("eva")
    street.newcomer("evan")
    assert [one["person"]["name"] for one in eva.json("people", "ev")] == ["eva"]
    assert [one["person"]["name"] for one in eva.json("people", "evan")] == ["evan"]


def test_listening_without_a_server_says_why(street: Street) -> None:
    fay = street.newcomer("fay")
    (profile,) = fay.home.glob("profiles/*/profile.json")
    text = profile.read_text(encoding="utf-8")
    profile.write_text(text.replace(street.address, "http://127.0.0.1:9"), encoding="utf-8")
    status, sentence = fay.fail("listen", "--for", "1")
    assert (status, "Nothing listens" in sentence) == (3, True)
    status, sentence = fay.fail("people")
    assert (status, "Nothing listens" in sentence) == (3, True)
    said = fay.run("chat", text="hello\nexit\n").stdout
    assert "no line to the server" in said


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_what_is_typed_while_the_chat_begins_is_said(street: Street) -> None:
    gil = street.newcomer("gil")
    street.newcomer("hal")
    window = Window(gil, "chat", "@hal")
    window.type("typed ahead\n")
    window.sees("[@hal] Enter message: ")
    window.type("exit\r")
    assert window.ends() == 0
    assert "typed ahead" in gil.say("search", "ahead")
