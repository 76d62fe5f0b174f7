"""A server inside the test's own process, so that a test can hold its clock and its disk.

async with inside(folder, database) as server:
    server.url, server.house
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web

from alcove.server.io.app import House, build
from alcove.server.settings import Rate, Settings
from alcove.server.store.database import Column, Connection, Database, Line, Value
from alcove.server.store.opening import found

NOW: Final = 1_700_000_000_000
QUICK: Final = Rate(100_000, 1, 100_000)
FREE: Final[dict[str, Any]] = {
    "requests": "off",
    "registration": "open",
    **{
        f"rate_{kind}": QUICK
        for kind in ("append", "handshake", "read", "write", "sign_in", "register", "connect")
    },
}
"""Settings for a test that does not want to meet limits."""


@dataclass
class Inside:
    """A server that runs in this loop."""

    house: House
    url: str
    runner: web.AppRunner

    @property
    def connections(self) -> int:
        """How many sockets are open."""
        return len(self.house.sockets)


@asynccontextmanager
async def inside(
    folder: Path, database: Database, seed: int = 1, **settings: Any
) -> AsyncIterator[Inside]:
    """Run a server on a free port of loopback, and stop it at the end."""
    chosen = msgspec.structs.replace(Settings(data=str(folder)), **(FREE | settings))
    connection = database.writer()
    secret, incarnation = found(connection, NOW, random.Random(seed).randbytes(32))
    connection.close()
    house = build(chosen, database, secret, incarnation)
    runner = web.AppRunner(house.app, access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    tasks = [asyncio.create_task(house.sockets.tick()), asyncio.create_task(house.tick())]
    port = runner.addresses[0][1]
    try:
        yield Inside(house, f"http://127.0.0.1:{port}", runner)
    finally:
        house.door.is_stopping = True
        await site.stop()
        await house.sockets.stop(1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        await house.works.stop()
        database.close()


class Wrapped:
    """A connection that asks before each commit, and is otherwise the one inside."""

    def __init__(self, connection: Connection, before_commit: Callable[[], None]) -> None:
        self._inner = connection
        self._before_commit = before_commit

    def commit(self) -> None:
        self._before_commit()
        self._inner.commit()

    def all(self, sql: str, *values: Value) -> list[Line]:
        return self._inner.all(sql, *values)

    def each(self, sql: str, *values: Value) -> Iterator[Line]:
        return self._inner.each(sql, *values)

    def one(self, sql: str, *values: Value) -> Line | None:
        return self._inner.one(sql, *values)

    def run(self, sql: str, *values: Value) -> int:
        return self._inner.run(sql, *values)

    def insert(self, into: str, lines: Sequence[Iterable[Value]]) -> None:
        self._inner.insert(into, lines)

    def define(self, statement: str) -> None:
        self._inner.define(statement)

    def columns(self) -> list[Column]:
        return self._inner.columns()

    def begin(self) -> None:
        self._inner.begin()

    def begin_reading(self) -> None:
        self._inner.begin_reading()

    def rollback(self) -> None:
        self._inner.rollback()

    def close(self) -> None:
        self._inner.close()


class Watched:
    """A database whose commits ask first."""

    def __init__(self, database: Database, before_commit: Callable[[], None]) -> None:
        self._inner = database
        self._before_commit = before_commit
        self.kind = database.kind
        self.is_local = database.is_local

    def writer(self) -> Connection:
        return Wrapped(self._inner.writer(), self._before_commit)

    def reader(self) -> Connection:
        return self._inner.reader()

    def size_bytes(self) -> int:
        return self._inner.size_bytes()

    def close(self) -> None:
        self._inner.close()
