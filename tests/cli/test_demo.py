"""The demo is run as people run it; and what it checks, it would notice."""

import asyncio
import base64
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import click
import pytest
from aiohttp import ClientSession, WSMsgType, web
from click.testing import CliRunner

from alcove.cli import demo as package
from alcove.cli.demo.house import House
from alcove.cli.demo.people import PASSPHRASE, Person, RefusalError
from alcove.cli.demo.person import Somebody
from alcove.cli.demo.search import Sought, files, found
from alcove.cli.demo.story import (
    FILE_NAME,
    FILE_TEXT,
    LATE_TEXT,
    MAY_I,
    PASSWORDS,
    QUESTION,
    RECIPES,
    ROOM_NAME,
    ROOM_TOPIC,
    SURPRISE,
    YOU_MAY,
    Story,
    refused,
    things,
)
from alcove.cli.demo.telling import Teller, Untrue, must
from alcove.cli.demo.wire import Recorder, unmasked
from alcove.client import Client

PATIENCE_S = 120
OTHER = b"something else altogether"
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


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the demo once; return the folder that it leaves, and what it has said."""
    place = tmp_path_factory.mktemp("kept")
    status, said, errors = Shown(place, "--keep").end()
    assert (status, "✗" in said, "\033" in said) == (0, False, False), said + errors
    (folder,) = place.iterdir()
    assert str(folder) in errors
    return folder, " ".join(said.split())


@pytest.mark.parametrize(
    "words",
    [
        "Ada (process ",
        "He sees that she asks, and nothing of what she says.",
        "👍 Bob",
        "This device is not a member of the room.",
        "that is not among the 1 of her device",
        "it gets SIGKILL",
        "all 25 lines, each once, in the order of the writing",
        "as it was on Ada's disk",
        "not one process of theirs is left",
        "None of them is there.",
        "All of it was true",
    ],
)
def test_the_whole_story_is_true(kept: tuple[Path, str], words: str) -> None:
    assert words in kept[1]


def cells(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every value in every table of a database."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                for value in row:
                    yield table, value if isinstance(value, bytes) else str(value).encode()


def keys(folder: Path) -> list[bytes]:
    """Return every private key on the disks of the people."""

    async def look() -> list[bytes]:
        told: list[str] = []
        for name in ("ada", "bob", "carol", "bob-laptop"):
            somebody = Somebody()
            somebody.client = await Client(
                folder / name, passphrase=PASSPHRASE, connect=False
            ).open()
            told += await somebody.secrets()
            await somebody.client.close(0)
        return [bytes.fromhex(key) for key in told]

    return asyncio.run(look())


def test_no_table_log_or_wire_has_a_text_a_name_or_a_key(kept: tuple[Path, str]) -> None:
    folder, _ = kept
    spoken = (
        MAY_I, YOU_MAY, QUESTION, SURPRISE, LATE_TEXT, FILE_TEXT, FILE_NAME, ROOM_NAME, ROOM_TOPIC,
        PASSPHRASE, *things(), *PASSWORDS.values(), RECIPES.decode()[:60], RECIPES.decode()[-60:],
    )  # fmt: skip
    known = [*(text.encode() for text in spoken), *keys(folder)]
    forms = [form for one in known for form in (one, one.hex().encode(), base64.b64encode(one))]
    places = {path.name: path.read_bytes() for path in files(folder / "logs")}
    places |= {path.name: path.read_bytes() for path in files(folder / "traffic")}
    places |= {path.name: path.read_bytes() for path in files(folder / "server" / "data")}
    for table, cell in cells(folder / "server" / "data" / "alcove.sqlite"):
        places[f"table {table}"] = places.get(f"table {table}", b"") + b"\n" + cell
    assert len(keys(folder)) > 8
    assert all(len(places[name]) > 1000 for name in ("to-server", "from-server", "table entry"))
    assert b"ada" in places["table account"]
    assert [
        name for name, content in places.items() if any(form in content for form in forms)
    ] == []


def test_what_was_saved_from_the_store_is_the_file(kept: tuple[Path, str]) -> None:
    assert (kept[0] / "downloads" / FILE_NAME).read_bytes() == RECIPES


def people(folder: Path) -> list[Path]:
    """Return where the people's programs have written down which processes they are."""
    return [found for name in ("ada", "bob", "carol") for found in (folder / name).rglob("lock")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_stopped_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    shown = Shown(tmp_path)
    shown.until("She makes a link")
    (folder,) = tmp_path.iterdir()
    places = [folder / "server" / "data" / "alcove.lock", *people(folder)]
    processes = [int(place.read_text()) for place in places]
    assert len(processes) == 4
    shown.process.send_signal(number)
    status, _, errors = shown.end()
    assert (status, errors.strip()) == (130, "Stopped before the end.")
    assert not folder.exists()
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


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
    assert ends_with(monkeypatch, RefusalError("Ada: No.", "closed")) == (1, "✗ Ada: No.")
    assert ends_with(monkeypatch, TimeoutError()) == (1, "✗ An answer did not come in time.")


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("This is no folder.")

    async def start() -> None:
        house = House(tmp_path)
        try:
            await house.start("http://127.0.0.1:1")
        finally:
            await house.kill()

    with pytest.raises(Untrue, match=r"^The server did not start: Error: .*data cannot be used"):
        asyncio.run(start())


def test_a_killed_server_is_not_killed_twice(tmp_path: Path) -> None:
    asyncio.run(House(tmp_path).kill())


# ---- What it would notice ----


@pytest.mark.parametrize("shift", range(8))
@pytest.mark.parametrize("form", FORMS)
def test_plain_text_on_the_disk_is_found(tmp_path: Path, form: str, shift: int) -> None:
    place = tmp_path / "data" / "logs" / "some.log"
    place.parent.mkdir(parents=True)
    place.write_bytes(bytes(1001 + shift) + FORMS[form](SECRET) + bytes(50))
    assert found(tmp_path, {}, Sought([OTHER, SECRET])) == ["data/logs/some.log"]
    assert found(tmp_path, {}, Sought([OTHER])) == []


def test_plain_text_that_was_printed_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, {"printed": b"...\n" + SECRET}, Sought([SECRET])) == ["printed"]


def test_a_secret_that_is_too_short_to_look_for_is_not_called_absent() -> None:
    with pytest.raises(Untrue):
        Sought([b"4711"])


def test_what_begins_like_a_secret_and_goes_on_otherwise_is_none() -> None:
    assert not Sought([SECRET]).is_in(b"nobody may know this text: not even you")


def test_a_server_that_does_what_it_must_refuse_ends_the_story() -> None:
    async def obliging() -> str:
        return "done"

    with pytest.raises(Untrue, match="what it must refuse"):
        asyncio.run(refused(obliging()))


class Parrot(Person):
    """Says what it was taught, and does nothing."""

    def __init__(self, name: str, *answers: object) -> None:
        super().__init__(name, Path("nowhere"), "")
        self.answers = list(answers)

    async def do(self, verb: str, **fields: object) -> object:
        del verb, fields
        return self.answers.pop(0)


def test_people_who_read_different_things_end_the_story() -> None:
    story = Story(House(Path()), Recorder(), Teller(colours=False, pause_s=0), Path())
    ada, bob = Parrot("Ada", [["bob", "yes"]], "bob"), Parrot("Bob", [["bob", "no"]])
    with pytest.raises(Untrue, match="not read the same"):
        asyncio.run(story.same("room", ada, bob))
    with pytest.raises(Untrue, match="under another name"):
        asyncio.run(story.heard("room", ada, Parrot("Carol"), "yes"))


def test_a_person_whose_program_fails_or_ends_is_told_of(tmp_path: Path) -> None:
    async def talk() -> None:
        person = Person("Ada", tmp_path / "ada", "")
        await person.wake()
        try:
            with pytest.raises(RefusalError, match="Ada: This is not a whole link") as caught:
                await person.register("http://127.0.0.1:1/i/nothing")
            assert caught.value.code == ""
            with pytest.raises(Untrue, match="has ended"):
                await person.do("fly")
        finally:
            await person.kill()
            await person.kill()

    asyncio.run(talk())
    assert b"AttributeError" in (tmp_path / "logs" / "ada.log").read_bytes()


# ---- The recorder ----


def test_the_recorder_takes_the_masks_off_what_people_send() -> None:
    said = [b"short", b"x" * 200, b"y" * 70_000]

    async def talk() -> Recorder:
        async def answer(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(compress=False)
            await socket.prepare(request)
            async for message in socket:
                if message.type is WSMsgType.BINARY:
                    await socket.send_bytes(b"heard " + message.data)
            return socket

        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        recorder = Recorder()
        address = await recorder.start()
        recorder.server_port = runner.addresses[0][1]
        async with ClientSession() as session, session.ws_connect(address) as socket:
            for one in said:
                await socket.send_bytes(one)
                assert await socket.receive_bytes() == b"heard " + one
        await recorder.stop()
        await runner.cleanup()
        return recorder

    recorder = asyncio.run(talk())
    for one in said:
        assert one in recorder.to_server()
        assert b"heard " + one in recorder.from_server()
    assert recorder.connections() == 1
    assert recorder.size() > 2 * 70_000


def test_what_is_no_websocket_has_no_masks() -> None:
    assert unmasked(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x82\x85aaaabcdef") == b""


def test_without_a_server_nobody_is_let_through() -> None:
    async def talk() -> bytes:
        recorder = Recorder()
        host, _, port = (await recorder.start()).removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        said = await reader.read()
        writer.close()
        await recorder.stop()
        return said

    assert asyncio.run(talk()) == b""


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
