"""A real server, and a device that is at home on it: for tests of what drives a device."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from alcove.client import link as links
from alcove.client import tables
from alcove.client.engine import Engine
from alcove.client.io.device import Device
from alcove.client.io.place import Place
from alcove.client.store.database import open_memory
from alcove.client.tx import Tx
from alcove.wire.accounts import Registered
from alcove.wire.codec import FRAME_MESSAGES_MAX, encode, encode_frame
from alcove.wire.errors import Code
from alcove.wire.greeting import Announcement
from tests.server.io.live import Live, serving
from tests.server.people import Someone

Story = Callable[[Live], Awaitable[None]]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody wait: here it is the line that is looked at, not what a device does on it."""
    monkeypatch.setattr(links, "RETRY_MIN_MS", 8)
    monkeypatch.setattr(links, "RETRY_MAX_MS", 30)
    monkeypatch.setattr(tables, "ON_SIGNED_IN", lambda _tx, _signed_in: None)


def run(folder: Path, story: Story, **settings: Any) -> None:
    async def whole() -> None:
        async with asyncio.timeout(60), serving(folder, registration="open", **settings) as live:
            await story(live)

    asyncio.run(whole())


def new_device(live: Live, **options: Any) -> Device:
    return Device(Engine(open_memory(), random.Random(5).randbytes), Place(live.address), **options)


def become(device: Device, someone: Someone, server: bytes) -> None:
    """Store an account on a device, as who registers or signs in does."""

    def step(tx: Tx) -> None:
        certificate = someone.certificate(someone.phone, someone.version)
        tx.run(
            """
            INSERT INTO me (one, account, name, device, server, signing_key, identity, certificate,
                archive_key, state)
            VALUES (1, ?, ?, ?, ?, ?, ?, ?, x'', 'in')
            """,
            someone.account, someone.name, someone.phone.id, server,
            someone.phone.key._private.private_bytes_raw(), someone.identity.public,
            encode(certificate),
        )  # fmt: skip

    device.do(step)


async def register(live: Live, device: Device, name: str = "ada") -> Someone:
    """Make an account on a line that is not signed in."""
    someone = Someone(live, name)  # type: ignore[arg-type]
    request = someone.register()
    assert isinstance(await device.ask(request), Registered)
    someone.keep(request.list)
    become(device, someone, live.world.keys.public)
    return someone


@asynccontextmanager
async def at_home(live: Live, **options: Any) -> AsyncIterator[Device]:
    """Give a device that has an account and is signed in."""
    device = new_device(live, **options)
    await register(live, device)
    await device.sign_in()
    try:
        yield device
    finally:
        await device.close()


class Diary:
    """All that a device says, and a way to wait for it."""

    def __init__(self, device: Device) -> None:
        self.said: list[Any] = []
        self._came = asyncio.Event()
        device.listen(self._take)

    def _take(self, event: Any) -> None:
        self.said.append(event)
        self._came.set()

    async def until(self, *wanted: Any) -> None:
        """Wait until these were said, in this order, and forget what was said so far."""
        left = list(wanted)
        while left:
            while self.said and left:
                if self.said.pop(0) == left[0]:
                    del left[0]
            if left:
                self._came.clear()
                await self._came.wait()


def say_goodbye(live: Live) -> None:
    """Let the server end all its connections as it does when it stops."""
    sockets = live.running.sockets
    for session in list(sockets._transports):
        session.end(Code.STOPPING)
    sockets.flush(dict.fromkeys(sockets._transports))


def tell(device: Device, *messages: Any) -> None:
    """Let a device hear something as if its server had said it."""
    for first in range(0, len(messages), FRAME_MESSAGES_MAX):
        frame = encode_frame(messages[first : first + FRAME_MESSAGES_MAX])
        device.link.receive(frame, device._clock())
    device._move()


def news(text: str = "soon") -> Announcement:
    return Announcement(text=text, at=1)
