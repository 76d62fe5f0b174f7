"""What a chat shows of what happens: in its prompt, as lines, by ringing; and what is logged."""

import logging
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alcove import client as sdk
from alcove.cli.member import logbook, saying
from alcove.cli.member.hearing import BELL, Hearing
from alcove.client.store.failures import DiskFullError
from alcove.wire.content import File, SealedBlob
from tests.cli.people import PASSPHRASE, PASSWORD, Street, street_of
from tests.cli.test_chat import Window

BLOB = SealedBlob(bytes(16), bytes(32), bytes(32), 2_000)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with street_of(tmp_path_factory.mktemp("street")) as found:
        yield found


# ---- In the prompt ----


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_the_prompt_says_what_became_of_what_was_said(street: Street) -> None:
    ada, bob = street.newcomer("ada"), street.newcomer("bob")
    ada.say("send", "@bob", "first")
    bob.say("accept", "@ada")
    window = Window(ada, "chat", "@bob")
    window.sees("[@bob] Enter message: ")
    window.type("are you there?\r")
    window.sees("[@bob ✓] Enter message: ")
    bob.say("listen", "--last", "1", "--for", "0")
    bob.say("room", "read", "@ada")
    window.sees("[@bob ✓✓ read] Enter message: ")
    tool = ada.folder / "tool.sh"
    tool.write_text("#!/bin/sh\n", encoding="utf-8")
    window.type(f"/file week {tool}\r")
    window.sees("type the same again")
    window.seen = ""
    window.type(f"/file week {tool}\r")
    window.sees("[@bob ✓] Enter message: ")
    window.type("exit\r")
    assert window.ends() == 0
    (sent,) = ada.json("files")
    assert (sent["name"], sent["ends_at"] is not None) == ("tool.sh", True)


class Paper:
    """A screen that keeps what it was told."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, text: str) -> None:
        self.shown.append(text)


def talk(**client: Any) -> Any:
    """Return a conversation of which only what a test needs is there."""
    line = SimpleNamespace(fault=None)
    found: Any = SimpleNamespace(
        room=None,
        screen=Paper(),
        client=SimpleNamespace(line=line, **client),
        prompts=[],
        line=lambda message, **_: str(message.text),
    )
    found.hearing = Hearing(found)
    found.set_prompt = lambda: found.prompts.append(found.hearing.mark)
    return found


def test_a_file_on_its_way_stands_in_the_prompt_until_it_is_through() -> None:
    there = talk()
    show = there.hearing.carries("report.pdf")
    for done in (0, 430, 1000):
        show(done, 1000)
    assert there.prompts == [", report.pdf 0 %", ", report.pdf 43 %", ""]
    show(10, 1000)
    there.hearing.carries_no_more()
    assert there.prompts[-1] == ""


def test_what_goes_elsewhere_from_here_stands_in_the_prompt_until_one_goes_elsewhere() -> None:
    rooms = [SimpleNamespace(kind=kind, title="bob") for kind in ("direct", "group", "commons")]
    for room, name in zip(rooms, ("@bob", "bob", "everyone"), strict=True):
        there = talk(rooms=lambda there=[room]: there)
        said = SimpleNamespace(room=room, state="stored")
        said.refreshed = lambda said=said: said
        there.hearing.says(said)
        there.room = room
        there.set_prompt()
        there.room = SimpleNamespace(kind="group", title="kitchen")
        there.set_prompt()
        there.room, there.client.rooms = None, list
        there.set_prompt()
        assert there.prompts == [f", {name} ✓", " ✓", "", ""]


# ---- As lines ----


def message(kind: str = "direct", level: str = "all", **fields: Any) -> Any:
    room = SimpleNamespace(kind=kind, choice=SimpleNamespace(level=level))
    given = {"number": 1, "text": "hi", "files": (), "mentions_me": False, "room": room}
    return SimpleNamespace(**given | fields)


@pytest.mark.parametrize(
    ("said", "rings"),
    [
        (message(), True),
        (message(level="mentions"), False),
        (message(kind="group"), False),
        (message(kind="group", files=("a file",)), True),
        (message(kind="group", mentions_me=True), True),
        (message(kind="group", level="mentions", mentions_me=True), True),
        (message(level="none", mentions_me=True), False),
    ],
)
def test_what_calls_you_is_for_you_alone_or_brings_a_file_rings(said: Any, rings: bool) -> None:
    told = talk().hearing._told(sdk.MessageReceived(said))
    assert told == "hi" + (BELL if rings else "")


def test_a_request_rings_and_says_when_it_looks_like_spam() -> None:
    asking: list[Any] = []
    there = talk(requests=lambda: asking)
    assert there.hearing._told(sdk.RequestsChanged()) == ""
    for is_spam, words in ((False, "mal asks to chat: "), (True, "mal asks to chat (looks like")):
        asking[:] = [
            SimpleNamespace(
                person=SimpleNamespace(name="mal"), suspicion=SimpleNamespace(is_spam=is_spam)
            )
        ]
        told = there.hearing._told(sdk.RequestsChanged())
        assert words in told
        assert told.endswith(BELL)


def test_what_the_host_says_and_what_could_not_be_sent_is_told() -> None:
    hearing = talk().hearing
    assert (
        hearing._told(sdk.Announcement("back at\x1b[2J nine")) == "· the host says: back at[2J nine"
    )
    assert hearing._told(sdk.TurnedAway("revoked", "It was revoked.")) == "! It was revoked."
    assert hearing._told(sdk.Alert("code", "Look at it.", b"")) == "! Look at it."
    failed = message(
        kind="text", text="a longer text\nof two lines", state="failed", why="The room has ended."
    )
    failed.kind, failed.poll = "text", None
    told = hearing._told(sdk.MessageChanged(failed))
    assert told == "! “a longer text of two lines” was not sent: The room has ended."


def test_no_line_of_what_the_host_says_looks_like_a_friends() -> None:
    hearing = Hearing.__new__(Hearing)
    told = hearing._told(sdk.Announcement(text="Good morning.\n#7 12:01 bob: call me"))
    assert told == "· the host says: Good morning.\n    #7 12:01 bob: call me"


def test_a_full_disk_is_said_once() -> None:
    there = talk()
    there.client.line.fault = DiskFullError("The disk is full: make some space.")
    for _ in range(2):
        there.hearing._look_at_the_disk()
    there.client.line.fault = None
    there.hearing._look_at_the_disk()
    assert there.screen.shown == ["! The disk is full: make some space."]


def test_what_is_stored_before_the_disk_is_full_is_said_to_be_stored(
    street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: Any) -> None:
        raise DiskFullError("The disk is full.")

    eva = street.newcomer("eva")
    street.newcomer("fay")
    with monkeypatch.context() as patch:
        patch.setattr(sdk.Message, "sent", full)
        status, said = eva.fail("send", "@fay", "hello")
    assert status == 4
    assert said.startswith("Error: What you said is stored here, but the disk is full:")
    assert "hello" in eva.say("search", "hello")


# ---- Voice notes, and times ----


def test_a_voice_note_is_told_with_its_length_and_how_loud_it_is() -> None:
    note = File("memo.wav", "audio/wav", BLOB, length_ms=67_900, waveform=bytes([0, 128, 255]))
    long = File("talk.wav", "audio/wav", BLOB, length_ms=1_000, waveform=bytes([255]) * 64)
    assert saying._file(note) == "[file: memo.wav, 1:07 ▁▅█, 2.0 kB]"
    assert saying._file(long) == f"[file: talk.wav, 0:01 {'█' * 24}, 2.0 kB]"
    assert saying._file(File("a.pdf", "application/pdf", BLOB)) == "[file: a.pdf, 2.0 kB]"
    silent = File("film.mp4", "video/mp4", BLOB, length_ms=5_000)
    assert saying._file(silent) == "[file: film.mp4, 0:05, 2.0 kB]"


@pytest.mark.parametrize(
    ("ms", "told"), [(0, "0s"), (61_000, "1m 1s"), (90_000_000, "1d 1h"), (7_200_000, "2h")]
)
def test_how_long_something_lasts_is_told_in_two_units(ms: int, told: str) -> None:
    assert saying.lasting(ms) == told


def test_shares_are_whole_per_cents() -> None:
    assert [saying.share(1, 3), saying.share(3, 3), saying.share(0, 0)] == [33, 100, 100]


# ---- The log ----


def test_the_log_tells_what_happened_to_the_line_and_no_secret(street: Street) -> None:
    gil = street.newcomer("gil")
    street.newcomer("hanna")
    log = gil.home / logbook.LOG_NAME
    assert not log.exists()  # Nothing has gone wrong.
    done = gil.run("send", "@hanna", "the heron stands", ALCOVE_LOG_LEVEL="debug")
    assert "Online" not in done.stderr
    shown = gil.run("send", "@hanna", "the heron stands", "--debug")
    text = log.read_text()
    assert "INFO alcove.client: Online" in text
    assert "INFO alcove.client: Online" in shown.stderr
    if sys.platform != "win32":
        assert stat.S_IMODE(log.stat().st_mode) == 0o600
    for secret in ("heron stands", "hanna", PASSWORD, PASSPHRASE):
        assert secret not in text


def test_a_log_begins_anew_when_it_is_large_and_never_ends_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbook, "LOG_BYTES_MAX", 50)
    for number in range(3):
        logbook.keep_log(tmp_path, "info", debug=False)
        logging.getLogger("alcove.client").info("a line of some length, with the number %d", number)
    assert "number 2" in (tmp_path / logbook.LOG_NAME).read_text()
    assert "number 1" in (tmp_path / f"{logbook.LOG_NAME}.1").read_text()
    logbook.keep_log(tmp_path / "nowhere", "info", debug=False)
    logging.getLogger("alcove.client").info("into nothing")
    logging.getLogger("alcove").handlers.clear()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
def test_what_a_terminal_has_shown_is_read_and_what_went_to_a_program_is_not(
    street: Street,
) -> None:
    uma, ole = street.newcomer("uma"), street.newcomer("ole")
    uma.say("send", "@ole", "first")
    ole.say("accept", "@uma")
    uma.say("send", "@ole", "second")
    for words in (("--last", "2", "--for", "0"), ("--last", "2", "--for", "0", "--json")):
        assert "second" in ole.say("listen", "@uma", *words)
    assert ole.json("rooms")[0]["unread"] == 2
    window = Window(ole, "listen", "@uma", "--last", "1", "--for", "0")
    window.sees("second")
    assert window.ends() == 0
    assert ole.json("rooms")[0]["unread"] == 0
