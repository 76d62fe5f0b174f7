"""Files to a real server and back: broken lines, pauses, restarts, refusals, and wrong bytes."""

import asyncio
import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, web

from alcove.client.engine import Engine
from alcove.client.files import transfers as steps
from alcove.client.files.stream import RUN_BYTES, SEALED_RUN_BYTES, shape
from alcove.client.files.transfers import Transfer
from alcove.client.io import disk
from alcove.client.io import transfers as carrying
from alcove.client.io.transfers import Transfers
from alcove.client.store.database import open_memory
from alcove.wire.base import Request
from alcove.wire.blobs import DropBlob
from alcove.wire.content import File, SealedBlob
from alcove.wire.greeting import NewToken, Token
from tests.client.files.people import settle
from tests.server.io.live import Line, Live, served

ROOM, CONTENT = b"r" * 16, b"c" * 16


class Device:
    """A device with a store of its own, files, and a token from a real server."""

    def __init__(self, live: Live, line: Line, **given: Any) -> None:
        self.live, self.line = live, line
        self.db = open_memory()
        settle(self.db, line.account, line.device)
        self.given = given
        self.asking = asyncio.Lock()
        self.progress: list[int] = []
        self.requests: list[Request] = []
        self.restart()

    def restart(self) -> None:
        """Begin as after a kill: only the store and the disk are left."""
        self.engine = Engine(self.db, random.Random(1).randbytes)
        self.files = Transfers(
            self.do, self.db, self.live.web, self.live.address, self.token,
            progress=lambda _, done: self.progress.append(done), **self.given,
        )  # fmt: skip

    def do(self, step: Callable[..., Any], *values: Any) -> Any:
        result = self.engine.do(step, time.time_ns() // 1_000_000, *values)
        self.requests += self.engine.requests()
        return result

    async def token(self, *, is_stale: bool) -> str:
        del is_stale
        async with self.asking:
            token = await self.line.ask(NewToken())
        assert isinstance(token, Token), token
        return token.token

    def send(self, path: Path, expiry: str = "never") -> int:
        blank = SealedBlob(bytes(16), bytes(32), bytes(32), path.stat().st_size)
        file = File(path.name, "text/plain", blank)
        return int(self.do(steps.begin_upload, ROOM, CONTENT, 0, str(path), file, expiry))

    def fetch(self, file: File, path: Path) -> int:
        return int(self.do(steps.begin_download, ROOM, bytes(16), CONTENT, 0, str(path), file))

    async def through(self, number: int) -> Transfer:
        """Carry on until nothing is under way, and return what became of a transfer."""
        self.files.wake()
        await asyncio.wait_for(self.files.idle(), 20)
        return self.at(number)

    def at(self, number: int) -> Transfer:
        found = steps.transfer(self.db, number)
        assert found is not None
        return found

    async def uploaded(self, path: Path) -> File:
        sent = await self.through(self.send(path))
        assert sent.state == "done", sent
        return sent.file


_lines: list[Line] = []
"""Lines of the story that is told: a device and its files know each other, so nobody else ends."""


async def device(live: Live, name: str = "ada", **given: Any) -> Device:
    _lines.append(await live.newcomer(name))
    return Device(live, _lines[-1], **given)


def filled(path: Path, size: int) -> Path:
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def same(one: Path, other: Path) -> bool:
    return one.read_bytes() == other.read_bytes()


def hashed(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()


def move_away(path: Path) -> None:
    path.unlink()


def names_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def waits(device: "Device", number: int) -> None:
    """Return when a transfer waits for a better line."""
    while not device.at(number).why:  # noqa: ASYNC110  # The table is what tells.
        await asyncio.sleep(0.01)


def blobs_of(live: Live) -> list[bytes]:
    """Return what the server has on its disk."""
    folder = Path(live.running.world.settings.data)
    return [file.read_bytes() for file in sorted(folder.rglob("*")) if _is_blob(file)]


def _is_blob(file: Path) -> bool:
    return file.is_file() and len(file.name) == 32


def story(size: int, **settings: Any) -> Callable[..., Callable[[Path], None]]:
    """Make a test of a story with a server, a file of a size, and a folder for what comes back."""

    def make(tell: Callable[[Live, Path, Path], Any]) -> Callable[[Path], None]:
        def test(tmp_path: Path) -> None:
            (tmp_path / "server").mkdir()
            (tmp_path / "saved").mkdir()
            path = filled(tmp_path / "cat.txt", size)

            @served(**settings)
            async def run(live: Live) -> None:
                try:
                    await tell(live, path, tmp_path / "saved")
                finally:
                    while _lines:
                        await _lines.pop().socket.close()

            run(tmp_path / "server")

        test.__name__, test.__doc__ = tell.__name__, tell.__doc__
        return test

    return make


SIZES = [0, 1, 70_000, RUN_BYTES, 3 * RUN_BYTES + 5]


@pytest.mark.parametrize("size", SIZES)
def test_a_file_goes_to_the_server_and_comes_back_as_it_was(tmp_path: Path, size: int) -> None:
    @story(size)
    async def run(live: Live, path: Path, saved: Path) -> None:
        ada = await device(live)
        file = await ada.uploaded(path)
        (there,) = blobs_of(live)
        assert len(there) == shape(size).sealed
        assert file.sealed.sha256 == hashed(path)
        bob = await device(live, "bob")
        got = await bob.through(bob.fetch(file, saved / "cat.txt"))
        assert (got.state, got.path, got.done) == ("done", str(saved / "cat.txt"), size)
        assert same(saved / "cat.txt", path)
        assert names_in(saved) == ["cat.txt"]
        assert (saved / "cat.txt").stat().st_mode & 0o777 == 0o600
        assert ada.progress[-1] == bob.progress[-1] == size

    run(tmp_path)


@story(100)
async def test_nothing_that_stands_there_is_overwritten(
    live: Live, path: Path, saved: Path
) -> None:
    ada = await device(live)
    file = await ada.uploaded(path)
    (saved / "cat.txt").write_text("mine")
    numbers = [ada.fetch(file, saved / "cat.txt") for _ in range(2)]
    await ada.through(numbers[0])
    names = sorted(Path(ada.at(number).path).name for number in numbers)
    assert names == ["cat (2).txt", "cat (3).txt"]
    assert (saved / "cat.txt").read_text() == "mine"


class Cut:
    """Has the line break after so many runs, a few times over."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cuts: list[int]) -> None:
        self.cuts = cuts
        self.begun: list[int] = []
        next_of, take = disk.Source.next, disk.Sink.take

        def sealed(source: disk.Source) -> memoryview:
            data = next_of(source)
            self.step()
            return data

        def taken(sink: disk.Sink, data: memoryview) -> None:
            take(sink, data)
            self.step()

        monkeypatch.setattr(disk.Source, "next", sealed)
        monkeypatch.setattr(disk.Sink, "take", taken)

    def step(self) -> None:
        if self.cuts:
            self.cuts[0] -= 1
            if self.cuts[0] == 0:
                del self.cuts[0]
                raise ConnectionResetError


BIG = 6 * RUN_BYTES + 100


def test_a_broken_line_costs_only_what_was_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "PAUSE_S", 0.01)
    looks: list[str] = []
    look_at = disk.look_at

    def looking(path: str) -> Any:
        looks.append(path)
        return look_at(path)

    monkeypatch.setattr(disk, "look_at", looking)

    @story(BIG)
    async def run(live: Live, path: Path, saved: Path) -> None:
        ada = await device(live)
        cut = Cut(monkeypatch, [3, 2])
        file = await ada.uploaded(path)
        assert (cut.cuts, len(looks)) == ([], 3)
        assert len(blobs_of(live)) == 1
        cut.cuts = [2, 2]
        got = await ada.through(ada.fetch(file, saved / "cat.txt"))
        assert (got.state, cut.cuts) == ("done", [])
        assert same(saved / "cat.txt", path)

    run(tmp_path)


def test_after_a_kill_a_transfer_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story(BIG)
    async def run(live: Live, path: Path, saved: Path) -> None:
        ada = await device(live)
        cut = Cut(monkeypatch, [4])
        number = ada.send(path)
        ada.files.wake()
        await waits(ada, number)
        await ada.files.stop()
        (there,) = blobs_of(live)
        assert 0 < len(there) < shape(BIG).sealed
        ada.restart()
        file = (await ada.through(number)).file
        (whole,) = blobs_of(live)
        assert (whole[: len(there)], len(whole)) == (there, shape(BIG).sealed)

        cut.cuts = [3]
        number = ada.fetch(file, saved / "cat.txt")
        ada.files.wake()
        await waits(ada, number)
        await ada.files.stop()
        part = disk.part_of(str(saved / "cat.txt"), number)
        assert part.stat().st_size == 3 * RUN_BYTES
        assert part.stat().st_mode & 0o777 == 0o600
        with part.open("ab") as torn:
            torn.write(b"torn")
        ada.restart()
        assert (await ada.through(number)).state == "done"
        assert same(saved / "cat.txt", path)
        assert not part.exists()

    run(tmp_path)


def test_a_part_that_suffered_on_the_disk_is_fetched_again(tmp_path: Path) -> None:
    @story(2 * RUN_BYTES)
    async def run(live: Live, path: Path, saved: Path) -> None:
        ada = await device(live)
        file = await ada.uploaded(path)
        number = ada.fetch(file, saved / "cat.txt")
        disk.part_of(str(saved / "cat.txt"), number).write_bytes(bytes(RUN_BYTES))
        assert (await ada.through(number)).state == "done"
        assert same(saved / "cat.txt", path)

    run(tmp_path)


@story(3 * RUN_BYTES)
async def test_a_file_that_is_not_what_was_sent_is_deleted_and_said(
    live: Live, path: Path, saved: Path
) -> None:
    ada = await device(live)
    file = await ada.uploaded(path)
    others = {
        "hash": msgspec.structs.replace(file.sealed, sha256=bytes(32)),
        "key": msgspec.structs.replace(file.sealed, key=bytes(32)),
        "size": msgspec.structs.replace(file.sealed, size=file.sealed.size - 1),
        "length": msgspec.structs.replace(file.sealed, size=100),
    }
    for sealed in others.values():
        wrong = msgspec.structs.replace(file, sealed=sealed)
        got = await ada.through(ada.fetch(wrong, saved / "cat.txt"))
        assert got.state == "failed"
        assert "not the file that was sent" in got.why
        assert names_in(saved) == []


@story(100)
async def test_a_file_that_is_gone_is_said_to_be_gone(live: Live, path: Path, saved: Path) -> None:
    ada = await device(live)
    file = await ada.uploaded(path)
    await ada.line.ask(DropBlob(blob=file.sealed.blob))
    got = await ada.through(ada.fetch(file, saved / "cat.txt"))
    assert (got.state, got.why) == (
        "failed", "The file is not on the server any more; ask its sender to send it again.",
    )  # fmt: skip


def test_the_refusals_are_told_as_people_need_them(tmp_path: Path) -> None:
    cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"blob_bytes_max": 1000}, {}, "larger than this server takes;"),
        ({"blob_bytes_max": 1000}, {"blob_bytes_max": 1000}, "larger than this server takes (960"),
        ({"account_quota_bytes": 1000, "blob_bytes_max": 900}, {}, "larger than"),
        ({"account_blobs_max": 1}, {}, "as many files on the server as it takes"),
    ]
    for number, (settings, given, says) in enumerate(cases):

        @story(5000, **settings)
        async def run(
            live: Live, path: Path, _: Path, given: Any = given, says: str = says
        ) -> None:
            ada = await device(live, **given)
            if "as many" in says:
                await ada.uploaded(path)
            sent = await ada.through(ada.send(path))
            assert sent.state == "failed"
            assert says in sent.why

        folder = tmp_path / str(number)
        folder.mkdir()
        run(folder)


def test_a_full_quota_is_said_and_tried_again_when_asked(tmp_path: Path) -> None:
    @story(40_000, account_quota_bytes=60_000, blob_bytes_max=60_000)
    async def run(live: Live, path: Path, _: Path) -> None:
        ada = await device(live)
        first = await ada.uploaded(path)
        number = ada.send(path)
        sent = await ada.through(number)
        assert (sent.state, sent.why) == (
            "failed", "There is no space for 40 kB on the server; delete older files.",
        )  # fmt: skip
        await ada.line.ask(DropBlob(blob=first.sealed.blob))
        ada.do(steps.carry_on, number)
        assert (await ada.through(number)).state == "done"

    run(tmp_path)


@story(RUN_BYTES)
async def test_a_cancelled_transfer_leaves_nothing(live: Live, path: Path, saved: Path) -> None:
    ada = await device(live)
    file = await ada.uploaded(path)
    number = ada.fetch(file, saved / "cat.txt")
    disk.part_of(str(saved / "cat.txt"), number).write_bytes(bytes(RUN_BYTES))
    await ada.files.cancel(number)
    await ada.files.idle()
    assert names_in(saved) == []
    assert steps.transfer(ada.db, number) is None
    sent = ada.send(path)
    await ada.files.cancel(sent)
    await ada.files.idle()
    assert steps.transfer(ada.db, sent) is None


def test_what_is_under_way_ends_when_its_message_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story(BIG)
    async def run(live: Live, path: Path, saved: Path) -> None:
        ada = await device(live)
        file = await ada.uploaded(path)
        Cut(monkeypatch, [4])
        number = ada.fetch(file, saved / "cat.txt")
        ada.files.wake()
        await waits(ada, number)
        assert names_in(saved) != []
        unbegun = ada.fetch(file, saved / "dog.txt")
        ada.files.wake()
        ada.do(steps.drop_content, ROOM, bytes(16), CONTENT)
        for one in (number, unbegun, number):
            ada.files.drop(one)
        await asyncio.wait_for(ada.files.idle(), 20)
        assert (names_in(saved), steps.to_do(ada.db)) == ([], [])
        late = ada.fetch(file, saved / "owl.txt")
        ada.do(steps.drop_content, ROOM, bytes(16), CONTENT)
        ada.files.drop(late)  # Nothing of it was begun.
        await asyncio.wait_for(ada.files.idle(), 20)
        assert steps.to_do(ada.db) == []
        last = ada.fetch(file, saved / "cow.txt")
        ada.files.wake()
        ada.files.drop(last)
        await ada.files.stop()
        await asyncio.sleep(0.01)
        assert (names_in(saved), ada.files._tasks) == ([], {})

    run(tmp_path)


def test_a_paused_transfer_rests_until_it_is_carried_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story(BIG)
    async def run(live: Live, path: Path, _: Path) -> None:
        ada = await device(live)
        Cut(monkeypatch, [4])
        number = ada.send(path)
        ada.files.wake()
        await waits(ada, number)
        await ada.files.pause(number)
        assert (await ada.through(number)).state == "paused"
        assert ada.at(number).done > 0
        ada.do(steps.carry_on, number)
        assert (await ada.through(number)).state == "done"

    run(tmp_path)


def test_a_file_that_changes_while_it_is_sent_gets_another_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story(BIG)
    async def run(live: Live, path: Path, saved: Path) -> None:
        ada = await device(live)
        keys: list[bytes] = []
        next_of = disk.Source.next

        def changing(source: disk.Source) -> memoryview:
            if len(keys) == 0:
                with path.open("r+b") as file:
                    file.seek(3 * RUN_BYTES)
                    file.write(b"another")
            keys.append(ada.at(number).file.sealed.key)
            return next_of(source)

        monkeypatch.setattr(disk.Source, "next", changing)
        number = ada.send(path)
        file = (await ada.through(number)).file
        first, last = keys[0], keys[-1]
        assert first != last
        assert file.sealed.key == last
        assert file.sealed.sha256 == hashed(path)
        got = await ada.through(ada.fetch(file, saved / "cat.txt"))
        assert got.state == "done"
        (dropped,) = ada.db.all("SELECT answered_by FROM request")
        assert dropped == (steps.DROPPED,)

    run(tmp_path)


def test_a_file_that_never_stands_still_is_given_up_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @story(BIG)
    async def run(live: Live, path: Path, _: Path) -> None:
        ada = await device(live)
        turn = iter(range(1000))
        next_of = disk.Source.next

        def changing(source: disk.Source) -> memoryview:
            with path.open("r+b") as file:
                file.write(str(next(turn)).zfill(4).encode())
            return next_of(source)

        monkeypatch.setattr(disk.Source, "next", changing)
        sent = await ada.through(ada.send(path))
        assert sent.state == "failed"
        assert "keeps changing" in sent.why

    run(tmp_path)


@story(100)
async def test_what_cannot_be_sent_from_this_disk_is_said(
    live: Live, path: Path, saved: Path
) -> None:
    ada = await device(live)
    gone = ada.send(path)
    move_away(path)
    assert "not there any more" in (await ada.through(gone)).why
    assert "not a file that can be sent" in (await ada.through(ada.send(saved))).why
    file = File("a.txt", "text/plain", SealedBlob(bytes(16), bytes(32), bytes(32), 10))
    there = ada.fetch(file, saved / "nowhere" / "a.txt")
    assert "The folder" in (await ada.through(there)).why
    huge = msgspec.structs.replace(file, sealed=msgspec.structs.replace(file.sealed, size=2**40))
    got = await ada.through(ada.fetch(huge, saved / "a.txt"))
    assert "The disk has no space for this file of 1.1 TB" in got.why


def test_an_upload_that_the_server_gave_up_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "PAUSE_S", 0.01)

    @story(100)
    async def run(live: Live, path: Path, _: Path) -> None:
        ada = await device(live)
        number = ada.send(path)
        size, first = disk.look_at(str(path))
        ada.do(steps.looked_at, number, size, first.digest())
        ada.do(steps.announced, number, b"x" * 16)
        sent = await ada.through(number)
        assert sent.state == "done"
        assert sent.file.sealed.blob != b"x" * 16

    run(tmp_path)


@story(100)
async def test_a_token_that_has_ended_is_renewed_once(live: Live, path: Path, saved: Path) -> None:
    del saved
    ada = await device(live)
    tokens = ["old"]

    async def token(*, is_stale: bool) -> str:
        if is_stale:
            tokens.append(await Device.token(ada, is_stale=True))
        return tokens[-1]

    ada.files = Transfers(ada.do, ada.db, live.web, live.address, token)
    assert (await ada.through(ada.send(path))).state == "done"
    assert len(tokens) == 2


def test_a_server_that_lies_about_files_gets_nowhere(tmp_path: Path) -> None:
    """Redirects, odd answers, endless answers: none is followed, each is said or waits."""
    sent = filled(tmp_path / "cat.txt", 100)
    asked: list[str] = []

    async def lie(request: web.Request) -> web.StreamResponse:
        asked.append(f"{request.method} {request.path}")
        if request.method == "POST":
            return web.Response(status=307, headers={"Location": "/v1/elsewhere"})
        return web.Response(status=200, body=bytes(5000))

    async def run() -> None:
        app = web.Application()
        app.router.add_route("*", "/{any:.*}", lie)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        (address,) = [f"http://127.0.0.1:{name[1]}" for name in runner.addresses]
        db = open_memory()
        settle(db, bytes(16), bytes(16))
        engine = Engine(db, random.Random(1).randbytes)

        def do(step: Callable[..., Any], *values: Any) -> Any:
            return engine.do(step, 1, *values)

        async def token(*, is_stale: bool) -> str:
            del is_stale
            return "token"

        async with ClientSession() as session:
            files = Transfers(do, db, session, address, token)
            blank = SealedBlob(bytes(16), bytes(32), bytes(32), 100)
            file = File("cat.txt", "text/plain", blank)
            up = do(steps.begin_upload, ROOM, CONTENT, 0, str(sent), file, "never")
            down = do(
                steps.begin_download, ROOM, bytes(16), CONTENT, 0, str(tmp_path / "new.txt"), file
            )
            files.wake()
            await asyncio.wait_for(files.idle(), 20)
        whys = [found.why for number in (up, down) if (found := steps.transfer(db, number))]
        assert "in a way that this app does not know" in whys[0]
        assert "not the file that was sent" in whys[1]
        assert sorted(asked) == [f"GET /v1/blobs/{bytes(16).hex()}", "POST /v1/blobs"]
        await runner.cleanup()

    asyncio.run(run())
    assert sorted(file.name for file in tmp_path.iterdir()) == ["cat.txt"]


def test_two_files_of_one_size_look_alike_to_the_server_whatever_is_in_them() -> None:
    assert shape(1_000_000).sealed == shape(999_999).sealed
    assert SEALED_RUN_BYTES > RUN_BYTES
