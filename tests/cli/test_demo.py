"""The demo is run as people run it; and what it checks, it would notice."""

import asyncio
import base64
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import msgspec
import pytest
from aiohttp import WSMessage, WSMsgType
from click.testing import CliRunner

from alcove.cli import demo as package
from alcove.cli.demo.files import CHUNK_BYTES, TAG_BYTES, open_file, seal_file
from alcove.cli.demo.house import House
from alcove.cli.demo.line import Gone, Line
from alcove.cli.demo.people import Person
from alcove.cli.demo.room import Body, Room, Text
from alcove.cli.demo.search import found
from alcove.cli.demo.story import broken_rule, refused
from alcove.cli.demo.telling import Teller, Untrue, must
from alcove.mls import Add, CommitOptions, CryptoError, Remove, RuleBroken, create_group, join_group
from alcove.wire.codec import decode_header, encode
from alcove.wire.entries import Appended, HandshakeHeader, NewEntry, Routing, Stored
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import NOTHING_BEFORE, entry_name
from alcove.wire.rooms import GetRooms

PATIENCE_S = 120
SECRET = b"nobody may find this text: 4711"
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda text: text,
    "in hex": lambda text: text.hex().encode(),
    "in base64": base64.b64encode,
    "in base64, one byte later": lambda text: base64.b64encode(b"x" + text),
    "in base64, two bytes later": lambda text: base64.b64encode(b"xy" + text),
    "in base64 for links": lambda text: base64.urlsafe_b64encode(b"xy" + text),
    "half of it": lambda text: text[: len(text) // 2 + 1],
    "cut in two by a page": lambda text: text[:11] + b"\0\0\0\x07" + text[11:],
}


# ---- The command ----


class Shown:
    """The demo, running."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "alcove", "demo", *arguments],
            env=os.environ | {"TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, words: str) -> None:
        """Read on until a line has these words in it."""
        assert self.process.stdout is not None
        assert any(words in line for line in self.process.stdout)

    def end(self) -> tuple[int, str, str]:
        said, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, said, errors


def test_the_whole_story_is_true_and_nothing_that_was_said_is_on_the_disk(tmp_path: Path) -> None:
    status, said, errors = Shown(tmp_path, "--keep").end()
    assert (status, "✗" in said, "\033" in said) == (0, False, False), said + errors
    for words in (
        "Ada uses the link that the server printed",
        "Can anybody but us three read this?",
        "the server gets SIGKILL",
        "All 12 are there, each once",
        "He has missed 25 entries.",
        "The server refuses: Members or settings changed",
        "This device is not a member of the room.",
        "in base64. None of them is there.",
        "says goodbye to everyone",
        "All of it was true",
    ):
        assert words in " ".join(said.split()), words
    (folder,) = tmp_path.iterdir()
    assert str(folder) in errors
    assert (folder / "data" / "alcove.sqlite").stat().st_size > 0
    assert found(folder, {}, [b"Can anybody but us three read this?"]) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    shown = Shown(tmp_path)
    shown.until("its key")
    (folder,) = tmp_path.iterdir()
    server = int((folder / "data" / "alcove.lock").read_text())
    shown.process.send_signal(number)
    status, _, errors = shown.end()
    assert (status, errors.strip()) == (130, "Stopped before the end.")
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


def test_a_reader_who_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    shown = Shown(tmp_path)
    shown.until("Three people")
    assert shown.process.stdout is not None
    shown.process.stdout.close()
    assert shown.process.wait(PATIENCE_S) == 1
    assert shown.process.stderr is not None
    assert shown.process.stderr.read() == ""
    shown.process.stderr.close()
    assert list(tmp_path.iterdir()) == []


def ends_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> tuple[int, str]:
    async def tell(_: object) -> None:
        raise error

    monkeypatch.setattr(package, "tell", tell)
    result = CliRunner().invoke(package.demo)
    return result.exit_code, result.output.strip()


def test_a_story_that_is_not_true_ends_with_what_was_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ends_with(monkeypatch, Untrue("It rained.")) == (1, "✗ It rained.")
    assert ends_with(monkeypatch, Refused(Code.CLOSED, "No.")) == (1, "✗ No.")
    assert ends_with(monkeypatch, TimeoutError()) == (1, "✗ An answer did not come in time.")


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("This is no folder.")

    async def start() -> None:
        house = House(tmp_path)
        try:
            await house.start()
        finally:
            await house.kill()

    with pytest.raises(Untrue, match=r"^The server did not start: Error: .*data cannot be used"):
        asyncio.run(start())


def test_a_killed_server_is_not_killed_twice(tmp_path: Path) -> None:
    asyncio.run(House(tmp_path).kill())


# ---- What it would notice ----


@pytest.mark.parametrize("form", FORMS)
def test_plain_text_on_the_disk_is_found(tmp_path: Path, form: str) -> None:
    place = tmp_path / "data" / "logs" / "some.log"
    place.parent.mkdir(parents=True)
    place.write_bytes(bytes(1001) + FORMS[form](SECRET) + bytes(50))
    assert found(tmp_path, {}, [b"something else altogether", SECRET]) == ["data/logs/some.log"]
    assert found(tmp_path, {}, [b"something else altogether"]) == []


def test_plain_text_that_was_printed_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, {"what it printed": b"...\n" + SECRET}, [SECRET]) == ["what it printed"]


def test_a_secret_that_is_too_short_to_look_for_is_not_called_absent(tmp_path: Path) -> None:
    with pytest.raises(Untrue):
        found(tmp_path, {}, [b"4711"])


def test_a_file_whose_chunks_were_swapped_or_cut_off_does_not_open() -> None:
    text, key = os.urandom(3 * CHUNK_BYTES), os.urandom(32)
    blob, size = seal_file(text, key), CHUNK_BYTES + TAG_BYTES
    assert open_file(blob, key, len(text)) == text
    swapped = blob[size : 2 * size] + blob[:size] + blob[2 * size :]
    for changed in (swapped, blob[: 2 * size], blob[:-1]):
        with pytest.raises(CryptoError):
            open_file(changed, key, len(text))


SERVER = bytes(range(32))


def person(name: str, server: bytes = SERVER) -> Person:
    return Person(name, server, "", SimpleNamespace())  # type: ignore[arg-type]


def people() -> tuple[Person, Person, list[Stored]]:
    """Return two people in a room, and its log."""
    ada, bob = person("Ada"), person("Bob")
    group = create_group(ada.bundle(), os.urandom(16), ada.policy, os.urandom)
    ada.room = Room(ada.device, group)
    founding = ada.room.found(ada.account)
    before = entry_name(ada.room.id, founding.header, founding.body)
    add = Add(bob.bundles[0].package)
    adding, welcome = ada.room.commit([add], Routing(adds=(bob.member,)), before)
    assert welcome is not None
    log = [
        Stored(seq, 0, entry.header, entry.body) for seq, entry in enumerate((founding, adding), 1)
    ]
    bob.room = Room(bob.device, join_group(welcome, bob.bundles[0], bob.policy))
    for stored in log:
        ada.room.take(stored)
        bob.room.take(stored)
    return ada, bob, log


def said(speaker: Person, text: str = "Hello.") -> Stored:
    entry = speaker.room.seal(Text(text), os.urandom(16))
    return Stored(3, 0, entry.header, entry.body)


def changed(stored: Stored, **fields: Any) -> Stored:
    """Return an entry with another header, as a server could make it."""
    header = msgspec.structs.replace(decode_header(stored.header), **fields)
    return Stored(stored.seq, 0, encode(header), stored.body)


def test_an_honest_message_is_read() -> None:
    ada, bob, _ = people()
    bob.room.take(said(ada))
    assert bob.room.said == [(3, "Ada", Text("Hello."))]


def test_a_log_with_a_gap_or_a_repetition_is_noticed() -> None:
    ada, bob, log = people()
    message = said(ada)
    later = Stored(4, 0, message.header, message.body)
    for stored in (later, log[-1]):
        with pytest.raises(Untrue, match="missing, or came twice"):
            bob.room.take(stored)


def test_a_message_under_another_name_is_noticed() -> None:
    ada, bob, _ = people()
    with pytest.raises(Untrue, match="not by whom its header says"):
        bob.room.take(changed(said(ada), sender=os.urandom(16)))
    ada, bob, _ = people()
    with pytest.raises(Untrue, match="not by whom its header says"):
        bob.room.take(changed(said(ada), content=os.urandom(16)))
    ada, bob, _ = people()
    with pytest.raises(Untrue, match="that we did not write"):
        bob.room.take(changed(said(ada), sender=bob.device))


def test_a_message_moved_to_another_epoch_is_noticed() -> None:
    ada, bob, log = people()
    founding = entry_name(ada.room.id, log[0].header, log[0].body or b"")
    with pytest.raises(Untrue, match="of another epoch"):
        bob.room.take(changed(said(ada), key=founding))


def test_a_message_that_is_stored_twice_is_noticed() -> None:
    ada, _, _ = people()
    message = said(ada)
    ada.room.take(message)
    with pytest.raises(Untrue, match="stands in the log twice"):
        ada.room.take(Stored(4, 0, message.header, message.body))


def test_another_running_hash_is_noticed() -> None:
    ada, _, _ = people()
    message = said(ada)
    with pytest.raises(Untrue, match="running hash"):
        ada.room.place(
            (NewEntry(message.header, message.body or b""),),
            Appended(first=3, at=0, chain=NOTHING_BEFORE),
        )


def commit_of(ada: Person, **fields: Any) -> Stored:
    """Return a commit of Ada's that removes nobody, with something wrong in its header or body."""
    options = CommitOptions(authenticated_data=encode(Routing()))
    commit = ada.room.group.commit(entropy=os.urandom, options=options)
    info = commit.merge().group_info(with_tree=False)
    given: dict[str, Any] = {"before": ada.room.handshake, "routing": Routing()}
    body = Body(commit.message, fields.pop("info", info))
    return Stored(3, 0, encode(HandshakeHeader(ada.device, **given | fields)), encode(body))


def test_a_handshake_that_was_changed_is_noticed() -> None:
    ada, bob, _ = people()
    with pytest.raises(Untrue, match="does not follow"):
        bob.room.take(commit_of(ada, before=os.urandom(32)))
    ada, bob, _ = people()
    with pytest.raises(Untrue, match="A commit and its header"):
        bob.room.take(commit_of(ada, routing=Routing(removes=(bob.member,))))
    ada, bob, _ = people()
    other = ada.room.group.commit(
        entropy=os.urandom, options=CommitOptions(authenticated_data=encode(Routing()))
    )
    wrong = commit_of(ada, info=other.merge().group_info(with_tree=False))
    with pytest.raises(Untrue, match="A commit and its GroupInfo"):
        bob.room.take(wrong)


def test_a_commit_that_tells_the_server_something_else_is_refused() -> None:
    ada, _, _ = people()
    removal = Remove(ada.room.leaf_of("Bob"))
    with pytest.raises(RuleBroken, match="demo-routing"):
        ada.room.commit([removal], Routing(removes=(ada.member,)), ada.room.handshake)


def test_a_device_of_another_server_is_not_believed() -> None:
    ada, _, _ = people()
    stranger = person("Eve", bytes(32))
    add, routing = Add(stranger.bundles[0].package), Routing(adds=(stranger.member,))
    with pytest.raises(RuleBroken, match="demo-certified"):
        ada.room.commit([add], routing, ada.room.handshake)


def test_a_server_that_does_what_it_must_refuse_ends_the_story() -> None:
    async def obliging() -> str:
        return "done"

    with pytest.raises(Untrue, match="what it must refuse"):
        asyncio.run(refused(obliging()))


def test_keys_that_open_what_they_must_not_end_the_story() -> None:
    ada, bob, _ = people()
    body = said(ada).body
    assert body is not None
    with pytest.raises(Untrue, match="Bob can open what was sealed for others"):
        broken_rule(bob, body)


def test_who_waits_for_an_answer_is_told_that_the_line_has_gone() -> None:
    class Broken:
        async def send_bytes(self, _: bytes) -> None:
            pass

        async def receive(self) -> WSMessage:
            await asyncio.sleep(0)
            return WSMessage(WSMsgType.CLOSED, None, None)

    async def ask() -> None:
        await Line(Broken()).ask(GetRooms(id=1))  # type: ignore[arg-type]

    with pytest.raises(Gone):
        asyncio.run(ask())


# ---- Telling ----


def test_a_story_on_a_terminal_is_told_slowly_and_in_colours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("alcove.cli.demo.telling.time.sleep", pauses.append)
    Teller(colours=True, pause_s=0.5).true("It rained.")
    Teller(colours=False, pause_s=0).true("It rained.")
    slow, fast = capsys.readouterr().out.splitlines()
    assert (click.unstyle(slow), fast) == ("  ✓ It rained.", "  ✓ It rained.")
    assert slow != fast
    assert pauses == [0.5]


def test_only_what_holds_is_passed_over() -> None:
    must([1], "Never said.")
    with pytest.raises(Untrue, match=r"^It does not hold\.$"):
        must([], "It does not hold.")
