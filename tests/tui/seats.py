"""People in front of the terminal app: Textual's Pilot, a real server, and other people's desks.

@seated(size=(80, 24))
async def test_...(seat: Seat) -> None:
    bob = await seat.square.newcomer("bob")
    await seat.register("ada")
    await seat.sees("Start chatting")
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Button, Checkbox, Input

from alcove.client.io import keyfile, vault
from alcove.client.rooms import handshakes
from alcove.desk import chats, door, messages, people
from alcove.tui.app import Alcove
from alcove.tui.shell import Form, OneOf
from tests.client.io.live import CHEAP_KIB, PASSWORD, PAUSES, SOON_MS
from tests.desk.desks import Face, Square
from tests.server.io.live import serving

PATIENCE_S = 20
LOOK_S = 0.02


class Wire:
    """A line to the server that can be cut, and mended."""

    def __init__(self, port: int) -> None:
        self._port, self._is_cut = port, False
        self._ends: list[asyncio.StreamWriter] = []
        self._flows = asyncio.Event()
        self._flows.set()
        self._most = 0
        self.address = ""

    async def lay(self) -> asyncio.Server:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if self._is_cut:
            back.close()
            return
        far, forth = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends += [back, forth]
        await asyncio.gather(self._pour(near, forth), self._pour(far, back))

    async def _pour(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            through = 0
            while data := await source.read(1 << 16):
                sink.write(data)
                await sink.drain()
                through += len(data)
                if through > self._most:
                    await self._flows.wait()
        sink.close()

    def hold(self, most: int) -> None:
        """Let no more than so many bytes of a connection through, until `flow`."""
        self._most = most
        self._flows.clear()

    def flow(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        self._is_cut = True
        for end in self._ends:
            end.close()
        self._ends.clear()

    def mend(self) -> None:
        self._is_cut = False


class Seat:
    """Somebody who sits at a terminal."""

    def __init__(self, square: Square, app: Alcove, pilot: Pilot[None]) -> None:
        self.square, self.app, self.pilot = square, app, pilot

    @property
    def screen(self) -> str:
        """All that stands on the screen, line by line."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(one.text for one in strip) for strip in strips)

    async def sees(self, *texts: str) -> None:
        """Wait until all of this stands on the screen."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not all(text in self.screen for text in texts):
                    await self.pilot.pause(LOOK_S)
        except TimeoutError:
            missing = [text for text in texts if text not in self.screen]
            raise AssertionError(f"{missing} is not to be seen in:\n{self.screen}") from None

    async def until(self, is_so: Callable[[], object]) -> None:
        """Wait until something is so."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not is_so():
                    await self.pilot.pause(LOOK_S)
        except TimeoutError:
            raise AssertionError(f"it did not become so:\n{self.screen}") from None

    async def told(self, text: str) -> None:
        """Wait until a notice says this."""
        await self.until(lambda: any(text in one.message for one in self.app._notifications))

    async def press(self, *keys: str) -> None:
        """Press keys, one after the other."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def type(self, text: str) -> None:
        """Type a text."""
        names = {
            " ": "space",
            "@": "at",
            ".": "full_stop",
            ":": "colon",
            "/": "slash",
            "-": "minus",
            "#": "number_sign",
            "?": "question_mark",
            "!": "exclamation_mark",
            ",": "comma",
            "\n": "ctrl+j",
        }
        await self.press(*(names.get(one, one) for one in text))

    async def fill(self, name: str, value: str) -> None:
        """Put a value into a field."""
        self.app.screen.query_one(f"#{name}", Input).value = value
        await self.pilot.pause()

    async def arrive(self, name: str, server: str = "") -> None:
        """Be somebody new, without the door."""
        await self.app.ask(
            door.Register(
                server=server or self.square.address, name=name, password=PASSWORD,
                passphrase="heron",
            )
        )  # fmt: skip
        self.app.enter()
        await self.sees("Quick actions", "connected")

    async def meet(self, name: str) -> tuple[Face, str]:
        """Return somebody who has asked to chat and was accepted, and the room."""
        assert self.app.me is not None
        face = await self.square.newcomer(name)
        room = await face.ask(people.Direct(name=self.app.me.person.name))
        await face.ask(messages.Send(room=room, text="are you there?"))
        await self.until(lambda: self.app.asking)
        await self.app.ask(people.Accept(room=room))
        # A note that one has joined may come before it; what calls one has rung by then, too.
        await self.until(
            lambda: (
                room in self.app.chats
                and (self.app.chats[room].unread or self.app.chats[room].last == "are you there?")
            )
        )
        await face.ask(chats.OpenRoom(room=room))
        return face, room

    async def open(self, title: str) -> None:
        """Open a chat by its name."""
        await self.press("1", "slash")
        await self.type(title)
        await self.press("enter")
        await self.until(
            lambda: self.app.screen.focused and self.app.screen.focused.id == "compose"
        )

    async def choose(self, words: str) -> None:
        """Choose something in the palette."""
        await self.press("ctrl+p")
        await self.sees("All commands, chats, people")
        await self.type(words)
        await self.press("enter")

    async def asked(self, *values: str) -> None:
        """Fill in a form, field after field; nothing leaves a field as it is."""
        await self.until(
            lambda: isinstance(self.app.screen, Form) and isinstance(self.app.focused, Input)
        )
        for value in values:
            assert isinstance(self.app.focused, Input | OneOf)
            self.app.focused.value = value or self.app.focused.value
            await self.press("enter")

    async def attach(self, path: Path, text: str = "", kept: str = "") -> None:
        """Send a file from the room that is open."""
        await self.press("ctrl+o")
        await self.sees("Which file")
        await self.fill("path", str(path))
        await self.press("enter")
        await self.sees(f"Send {path.name}")
        await self.asked(text, kept)

    async def register(self, name: str) -> None:
        """Make an account at the door."""
        await self.sees("Create account")
        await self.fill("server", self.square.address)
        await self.fill("name", name)
        if self.app.screen.query_one("#passphrase").display:
            await self.fill("passphrase", "heron")
        self.app.screen.query_one("#written", Checkbox).value = True
        self.app.screen.query_one("#do", Button).press()
        await self.sees("Quick actions")


def seated(
    size: tuple[int, int] = (80, 24), **settings: Any
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., None]]:
    """Run a story at a terminal of this size."""

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

            failures: list[BaseException] = []

            async def live() -> None:
                fields = {"registration": "open", "requests": "strangers"} | PAUSES | settings
                async with serving(tmp_path / "server", **fields) as running, AsyncExitStack() as s:
                    app = Alcove(tmp_path / "me")
                    async with app.run_test(size=size) as pilot:
                        seat = Seat(Square(running, tmp_path, s), app, pilot)
                        try:
                            await story(seat)
                        except BaseException as error:  # noqa: BLE001 - It is raised below.
                            failures.append(error)
                        await app.action_leave()

            try:
                asyncio.run(live())
            finally:
                if failures:
                    raise failures[0]

        del run.__wrapped__
        return run

    return wrap
