"""People at a real server in this process: their profiles, rooms, and what they hear.

@met()
async def test_...(town: Town) -> None:
    ada = await town.newcomer("ada")      a client of her own, registered and online
    bob = await town.newcomer("bob")
    room = await ada.direct("@bob")
    await town.hears(bob, "hello")        waits until bob has this text
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alcove.client.errors import ClientError, UsageError
from alcove.client.io import vault
from alcove.client.io.client import Client
from alcove.client.io.messages import Message
from alcove.client.io.rooms import Room
from alcove.client.rooms import handshakes
from alcove.server.handlers.invites import make_invite
from alcove.server.tx import Tx as ServerTx
from tests.server.io.live import Live, serving

T = TypeVar("T")

PASSWORD = "violin harbour ten maple cloud"
PATIENCE_S = 20
PAUSE_S = 0.2
MENDED_S = 60
"""Who came in by a link looks again after 20 s for what members have sealed for them."""
PAUSES = dict.fromkeys(
    ("handshake_pause_ms", "account_barrier_pause_ms", "closing_pause_ms", "healing_pause_ms"), 0
)
"""Nobody waits for the peace of large rooms here."""
SOON_MS = 200
"""Room keys are archived after so long: a new device reads them there."""
CHEAP_KIB = 8 * 1024
"""Argon2id with an eighth of the memory: tests stretch many passwords."""


class Town:
    """A server, and all who talk there."""

    def __init__(self, live: Live, folder: Path, leaving: AsyncExitStack) -> None:
        self.live, self.folder, self._leaving = live, folder, leaving
        self.address = live.address

    async def newcomer(self, name: str, **fields: Any) -> Client:
        """Return the first device of a new account, online."""
        given: dict[str, Any] = {
            "server": self.address, "name": name, "password": PASSWORD,
            "where": self.folder / name, "passphrase": "heron",
        }  # fmt: skip
        client = Client.register(**(given | fields))
        return await self.opened(client)

    async def device(self, name: str, folder: str, password: str = PASSWORD) -> Client:
        """Return another device of an account, online."""
        return await self.opened(
            Client.sign_in(
                self.address, name, password, where=self.folder / folder, passphrase="heron"
            )
        )

    def patched(self) -> pytest.MonkeyPatch:
        """Return what changes names of modules until the end of the story."""
        patch = pytest.MonkeyPatch()
        self._leaving.callback(patch.undo)
        return patch

    async def opened(self, client: Client) -> Client:
        """Open a client, wait for its line, and have it closed at the end of the story."""
        await client.open()
        self._leaving.push_async_callback(self.end, client)
        await client.online(PATIENCE_S)
        return client

    async def end(self, client: Client) -> None:
        """Close a client, if nobody has yet."""
        with suppress(ClientError):
            await client.close(patience_s=0)

    async def link(self, kind: Any, account: bytes | None = None) -> str:
        """Return a new link of the host: invite, owner, bot or reset."""

        def make(tx: ServerTx) -> str:
            link = make_invite(tx, kind, None, uses=1, days=7, now=self.live.now, account=account)
            return link[1]

        link: str = await self.live.running.works.do(make)
        return self.here(link)

    def here(self, link: str) -> str:
        """Return a link as it is where nobody can know before at which port a server listens."""
        return f"{self.address}/i/{link.partition('/i/')[2]}"

    # ---- Waiting for what must come ----

    async def hears(self, client: Client, text: str, patience_s: float = PATIENCE_S) -> Message:
        """Wait until somebody has a message with this text, in whatever room."""
        found: list[Message] = []

        def is_there() -> bool:
            found[:] = [
                message
                for room in client.rooms(gone=True)
                for message in room.history(200)
                if message.text == text
            ]
            return bool(found)

        await client.until(is_there, patience_s)
        return found[-1]

    async def soon(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until it is possible: for what others have begun, and nobody tells of its end."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(UsageError):
                    return await ask()
                await asyncio.sleep(PAUSE_S)

    async def sees(self, room: Room, condition: Callable[[Room], Any]) -> None:
        """Wait until something is so in a room."""
        await room.client.until(lambda: bool(condition(room)), PATIENCE_S)

    async def room(self, client: Client, title: str) -> Room:
        """Wait until somebody is in a room of this title, and return it."""
        await client.until(
            lambda: any(one.title == title and one.state == "active" for one in client.rooms()),
            PATIENCE_S,
        )
        return client.room(title)


Story = Callable[[Town], Awaitable[None]]


def met(**settings: Any) -> Callable[[Story], Callable[[Path, pytest.MonkeyPatch], None]]:
    """Make a test of a story that wants a server and people."""

    def make(story: Story) -> Callable[[Path, pytest.MonkeyPatch], None]:
        @functools.wraps(story)
        def test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
            monkeypatch.setattr(vault, "ARGON2_MEMORY_KIB", CHEAP_KIB)
            monkeypatch.setattr(vault, "ARGON2_PASSES", 1)
            monkeypatch.setattr(handshakes, "ARCHIVE_MS", SOON_MS)

            async def run() -> None:
                (tmp_path / "server").mkdir()
                given = {"registration": "open"} | PAUSES | settings
                async with (
                    serving(tmp_path / "server", **given) as live,
                    AsyncExitStack() as leaving,
                ):
                    await story(Town(live, tmp_path, leaving))

            asyncio.run(run())

        del test.__wrapped__  # pytest looks at the signature.
        return test

    return make
