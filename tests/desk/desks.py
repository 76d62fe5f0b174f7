"""Faces without a screen: desks in threads of their own, at a real server.

@sat()
async def test_...(square: Square) -> None:
    ada = await square.newcomer("ada")          a face of somebody who has just registered
    room = await ada.ask(Direct(name="bob"))
    await ada.sees(LinesChanged, lambda one: ...)     waits for news
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alcove.client.io import keyfile, vault
from alcove.client.rooms import handshakes
from alcove.desk import door
from alcove.desk.calls import Call
from alcove.desk.news import News
from alcove.desk.thread import DeskThread
from tests.client.io.live import CHEAP_KIB, PASSWORD, PAUSES, SOON_MS
from tests.server.io.live import Live, serving

N = TypeVar("N", bound=News)
R = TypeVar("R")
PATIENCE_S = 20


class Face:
    """Somebody in front of a desk, and all news that it has told them."""

    def __init__(self, square: "Square", name: str) -> None:
        self.square, self.name = square, name
        self.home = square.folder / name
        self.news: list[News] = []
        self._loop = asyncio.get_running_loop()
        self._came = asyncio.Event()
        self.desk = DeskThread(self._tell, self.home)
        self.phrase = ""

    def _tell(self, news: tuple[News, ...]) -> None:
        self._loop.call_soon_threadsafe(self._take, news)

    def _take(self, news: tuple[News, ...]) -> None:
        self.news += news
        self._came.set()

    async def ask(self, call: "Call[R]") -> R:
        return await asyncio.wait_for(self.desk.ask(call), PATIENCE_S)

    async def sees(self, kind: type[N], is_it: Callable[[N], bool] = lambda _: True) -> N:
        """Wait for news, also what came before; it is taken off the list."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for one in self.news:
                    if isinstance(one, kind) and is_it(one):
                        self.news.remove(one)
                        return one
                self._came.clear()
                await self._came.wait()

    async def until(self, call: "Call[R]", is_it: Callable[[R], bool]) -> R:
        """Ask again with each news until the answer is so."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._came.clear()
                answer = await self.desk.ask(call)
                if is_it(answer):
                    return answer
                await self._came.wait()


class Square:
    """A server, and the faces that meet there."""

    def __init__(self, live: Live, folder: Path, leaving: AsyncExitStack) -> None:
        self.live, self.folder, self._leaving = live, folder, leaving
        self.address = live.address

    async def face(self, name: str) -> Face:
        """Return a face with nobody signed in."""
        face = Face(self, name)
        await self._leaving.enter_async_context(face.desk)
        return face

    async def newcomer(self, name: str) -> Face:
        """Return a face of a new account."""
        face = await self.face(name)
        face.phrase = await face.ask(
            door.Register(server=self.address, name=name, password=PASSWORD, passphrase="heron")
        )
        return face


def sat(**settings: Any) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a story in a loop of its own, with a server beside it."""

    def wrap(story: Callable[..., Awaitable[None]]) -> Callable[..., None]:
        @functools.wraps(story)
        def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
            monkeypatch.setattr(vault, "ARGON2_MEMORY_KIB", CHEAP_KIB)
            monkeypatch.setattr(vault, "ARGON2_PASSES", 1)
            monkeypatch.setattr(handshakes, "ARCHIVE_MS", SOON_MS)
            # Who sits here has neither a keyring nor a passphrase in a file.
            monkeypatch.setattr(vault, "protecting", lambda _: None)
            monkeypatch.delenv(keyfile.PASSPHRASE_VARIABLE, raising=False)
            (tmp_path / "server").mkdir()

            async def live() -> None:
                fields = {"registration": "open", "requests": "strangers"} | PAUSES | settings
                async with serving(tmp_path / "server", **fields) as running, AsyncExitStack() as s:
                    await story(Square(running, tmp_path, s))

            asyncio.run(live())

        del run.__wrapped__  # Its argument is no fixture.
        return run

    return wrap
