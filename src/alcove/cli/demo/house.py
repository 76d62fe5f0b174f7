"""The server of the story: `alcove serve`, a process of its own on a folder of its own."""

import asyncio
import os
import socket
import sqlite3
import sys
from asyncio import StreamReader
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from contextlib import closing
from pathlib import Path
from typing import Any

from alcove.cli.demo.telling import Untrue

START_S = 60
"""A server that does not listen by then has failed: a busy machine takes its time."""
STOP_S = 30
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "SYSTEMROOT")
"""All else of the environment stays outside: it may set up somebody's real server."""
SETTINGS = {
    "ALCOVE_REGISTRATION": "invite",
    "ALCOVE_REQUESTS": "strangers",
    "ALCOVE_HANDSHAKE_PAUSE_MS": "0",
    "ALCOVE_ACCOUNT_BARRIER_PAUSE_MS": "0",
    "ALCOVE_CLOSING_PAUSE_MS": "0",
    "ALCOVE_HEALING_PAUSE_MS": "0",
}
"""The pauses between two changes of members would make the story half a minute longer."""


def _free_port() -> int:
    """Return a port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """A server's folder, and its process while there is one."""

    _lines: asyncio.Queue[str]
    _reading: asyncio.Task[None]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = _free_port()
        """Where it listens; the same after every start."""
        self.printed: list[str] = []
        """All that it has printed, line by line, errors and log included."""
        self._process: Process | None = None

    @property
    def number(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    async def start(self, address: str) -> None:
        """Start the process, and wait until it says that it serves.

        `address` is where people find it.
        """
        self.folder.mkdir(exist_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alcove", "serve", "--verbose", "--print-owner-link"),
            *("--data", str(self.data), "--port", str(self.port), "--status-port", "0"),
            *("--public-url", address),
            cwd=self.folder,  # An .env or alcove.toml in ours is somebody's real server's.
            env={name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
            | SETTINGS,
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )
        self._lines = asyncio.Queue()
        self._reading = asyncio.create_task(self._read(self._process.stdout, self._lines))
        await self.line_with("Server address: ")

    async def line_with(self, words: str) -> str:
        """Return the next printed line that has these words in it."""
        last = ""
        async with asyncio.timeout(START_S):
            while line := await self._lines.get():
                last = line.strip() or last
                if words in line:
                    return last
        raise Untrue(f"The server did not start: {last}")

    async def _read(self, output: StreamReader | None, lines: asyncio.Queue[str]) -> None:
        """Gather what the process prints, until it ends: then comes an empty line."""
        assert output is not None
        while line := (await output.readline()).decode():
            self.printed.append(line)
            lines.put_nowait(line)
        lines.put_nowait("")

    def ask(self, sql: str, *values: bytes | int) -> list[Any]:
        """Look into the server's database, as its host can."""
        path = self.data / "alcove.sqlite"
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(sql, values).fetchall()

    async def kill(self) -> None:
        """End the process at once, as a power cut would: it can say and close nothing."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._end()

    async def stop(self) -> int:
        """Ask the process to end, and return its exit status."""
        assert self._process is not None
        self._process.terminate()
        return await self._end()

    async def _end(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(STOP_S):
            await self._reading
            return await self._process.wait()
