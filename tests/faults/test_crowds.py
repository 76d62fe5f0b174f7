"""Slow, silent, greedy and very many clients: two others go on talking, and lose nothing."""

import asyncio
import base64
import contextlib
import random
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import pytest

from alcove.wire.codec import encode_frame
from alcove.wire.entries import Appended, Entries, NewEntries, Nudge, Read
from alcove.wire.greeting import Hello
from alcove.wire.ids import Position
from tests.faults.clients import Friend, found_room
from tests.faults.servers import EAGER, Server
from tests.faults.test_disks import Pair
from tests.server.handlers.kit import code, room_of
from tests.server.house import House, Person, Talk, member

WORDS: Final = 200
CROWD: Final = 5000
SPARE_FILES: Final = 500
LOITERERS: Final = 50
BEFORE_S: Final = 60
"""Nothing here waits so long, unless it would wait for ever."""
MEMORY_BYTES_MAX: Final = 64 * 1024 * 1024
HURRIED: Final = {**EAGER, "hello_timeout_s": "1", "idle_timeout_s": "1"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks at the server in /proc")

Attack = Callable[[Server], Awaitable[None]]


class Listener:
    """Somebody who follows a room by what is pushed, and reads when nudged."""

    def __init__(self, friend: Friend, talk: Talk) -> None:
        self.friend = friend
        self.talk = talk
        self.heard: list[bytes] = []
        """The headers of the log, from its beginning."""

    async def read(self) -> None:
        while True:
            assert self.friend.signed_in is not None
            since = Position(self.friend.signed_in.incarnation, len(self.heard))
            page = await self.friend.ask(Read(room=self.talk.room, since=since, follow=True))
            assert isinstance(page, Entries), page
            self._take(page.entries)
            if not page.more:
                return

    async def hear(self, header: bytes) -> None:
        """Wait until an entry has come."""
        while header not in self.heard[-1:]:
            push = await self.friend.pushes.get()
            if isinstance(push, Nudge):
                await self.read()
            elif isinstance(push, NewEntries):
                self._take(push.entries)

    def _take(self, entries: Any) -> None:
        for entry in entries:
            if entry.seq > len(self.heard):
                assert entry.seq == len(self.heard) + 1, "a gap"
                self.heard.append(entry.header)


async def converse(pair: Pair, listener: Listener, count: int) -> None:
    """Let one say something, and the other hear it, so many times."""
    for _ in range(count):
        request = pair.next()
        assert isinstance(await pair.try_to(request), Appended)
        await listener.hear(request.entries[0].header)


async def talk_during(server: Server, attack: Attack) -> None:
    """Talk before, during and after an attack; afterwards the server is as before."""
    pair = Pair(8)
    await pair.meet(server.url)
    listener = Listener(pair.bob, pair.talk)
    await listener.read()
    await converse(pair, listener, 5)
    sockets, memory = server.open_sockets(), server.memory_bytes()
    attacking = asyncio.ensure_future(attack(server))
    await converse(pair, listener, WORDS)
    await asyncio.wait_for(attacking, BEFORE_S)
    await converse(pair, listener, 5)
    assert server.memory_bytes() - memory < MEMORY_BYTES_MAX
    async with asyncio.timeout(BEFORE_S):
        while server.open_sockets() > sockets:
            await converse(pair, listener, 1)
    await pair.check()
    await pair.close()


def run_against(folder: Path, attack: Attack, **settings: str) -> None:
    with Server(folder, **(HURRIED | settings)) as server:
        server.start()
        asyncio.run(talk_during(server, attack))
        assert server.stop() == 0
        assert "unexpected" not in server.words() + server.logs()


# ---- Slow and silent ----

UPGRADE: Final = (
    b"GET /v1/socket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + base64.b64encode(bytes(16)) + b"\r\n\r\n"
)
HELLO: Final = encode_frame([Hello(oldest=1, newest=1)])
HELLO_FRAME: Final = bytes((0x82, 0x80 | len(HELLO), 0, 0, 0, 0)) + HELLO
"""A masked frame whose mask is zero."""
BEGINNINGS: Final = {
    "nothing": b"",
    "half a line": UPGRADE[:10],
    "half a handshake": UPGRADE[:90],
    "a handshake": UPGRADE,
    "half a frame": UPGRADE + HELLO_FRAME[:20],
    "half of a large frame": UPGRADE + b"\x82\xff" + (8_000_000).to_bytes(8, "big") + bytes(50_000),
    "a hello": UPGRADE + HELLO_FRAME,
    "half a body": b"POST /v1/salt HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{",
}


@contextlib.asynccontextmanager
async def connection(
    server: Server,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def loiter(server: Server, beginning: bytes) -> None:
    """Say the beginning of something and no more, until the server has had enough."""
    async with connection(server) as (reader, writer):
        writer.write(beginning)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), BEFORE_S / 4)


@pytest.mark.parametrize("beginning", BEGINNINGS.values(), ids=list(BEGINNINGS))
def test_who_does_not_go_on_is_sent_away_and_nobody_else_notices(
    tmp_path: Path, beginning: bytes
) -> None:
    async def attack(server: Server) -> None:
        await asyncio.gather(*(loiter(server, beginning) for _ in range(LOITERERS)))

    run_against(tmp_path, attack)
