"""A real server in this process, on a free port, and real connections to it.

@served()
async def test_...(live: Live) -> None:
    ada = await live.newcomer("ada")          registered, signed in on a socket of her own
    reply = await ada.ask(GetRooms())
"""

import asyncio
import functools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

from alcove.server.caller import Caller
from alcove.server.io.app import House as Running
from alcove.server.io.app import build
from alcove.server.io.gate import GatedRunner, GatedSite
from alcove.server.io.machine import listen_at
from alcove.server.settings import Settings
from alcove.server.store.opening import found, open_sqlite
from alcove.server.tx import World
from alcove.wire.base import Push, Request
from alcove.wire.codec import decode_answers, encode_frame
from alcove.wire.greeting import Greeting, Hello, SignedIn
from tests.server.people import Someone


class Line:
    """One connection to the socket door."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.greeting: Greeting | None = None
        self.signed_in: SignedIn | None = None
        self.someone: Someone | None = None
        self._said: list[Any] = []
        self._number = 0

    async def send(self, *requests: Request) -> None:
        await self.socket.send_bytes(encode_frame(requests))

    async def hear(self) -> Any:
        """Return the next message, or None when the connection has ended."""
        while not self._said:
            message = await asyncio.wait_for(self.socket.receive(), 20)
            if message.type is not WSMsgType.BINARY:
                return None
            self._said += decode_answers(message.data)
        return self._said.pop(0)

    async def hear_of(self, kind: type) -> Any:
        """Return the next message of a kind, leaving out others."""
        while not isinstance(message := await self.hear(), kind):
            assert message is not None, f"the connection ended before any {kind.__name__}"
        return message

    async def ask(self, request: Request) -> Any:
        """Return the reply to a request; pushes before it wait."""
        self._number += 1
        asked = request if request.id else msgspec.structs.replace(request, id=self._number)
        await self.send(asked)
        kept: list[Any] = []
        while isinstance(message := await self.hear(), Push):
            kept.append(message)
        self._said = kept + self._said
        return message

    async def hello(self) -> "Line":
        greeting = await self.ask(Hello(oldest=1, newest=1, client="test"))
        assert isinstance(greeting, Greeting), greeting
        self.greeting = greeting
        return self

    @property
    def device(self) -> bytes:
        assert self.someone is not None
        return self.someone.phone.id

    @property
    def account(self) -> bytes:
        assert self.someone is not None
        return self.someone.account

    @property
    def caller(self) -> Caller:
        return Caller("127.0.0.1", "socket", self.account, self.device)


class Live:
    """The running server, as the kits for people and rooms want to have it."""

    def __init__(self, running: Running, port: int, web_session: ClientSession) -> None:
        self.running, self.port, self.web = running, port, web_session
        self.world: World = running.world
        self.incarnation = running.world.incarnation
        self.dice = random.Random(port)
        self.address = f"http://127.0.0.1:{port}"

    @property
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def random(self, size: int) -> bytes:
        return self.dice.randbytes(size)

    async def connect(self) -> Line:
        return Line(await self.web.ws_connect(f"{self.address}/v1/socket", max_msg_size=0))

    async def newcomer(self, name: str, **fields: Any) -> Line:
        """Register somebody, and sign the first device in."""
        line = await (await self.connect()).hello()
        line.someone = Someone(self, name)  # type: ignore[arg-type]
        request = line.someone.register(**fields)
        registered = await line.ask(request)
        assert type(registered).__name__ == "Registered", registered
        line.someone.keep(request.list)
        await self.sign_in(line)
        return line

    async def sign_in(self, line: Line) -> None:
        assert line.greeting is not None
        assert line.someone is not None
        request = line.someone.sign_in(line.someone.phone, line.greeting.challenge)
        line.signed_in = await line.ask(msgspec.structs.replace(request, challenge=None))
        assert isinstance(line.signed_in, SignedIn), line.signed_in

    async def again(self, line: Line) -> Line:
        """Connect the same device once more."""
        new = await (await self.connect()).hello()
        new.someone = line.someone
        await self.sign_in(new)
        return new


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Live]:
    """Run a server on a free port for as long as the block lasts."""
    given = {"data": str(folder), "requests": "off"} | settings
    chosen = msgspec.structs.replace(Settings(), **given)
    now = time.time_ns() // 1_000_000
    database = open_sqlite(str(folder / "alcove.sqlite"), now)
    connection = database.writer()
    secret, incarnation = found(connection, now, bytes(range(32)))
    connection.close()
    running = build(chosen, database, secret, incarnation, "127.0.0.1")
    runner = GatedRunner(running.app, running.gate)
    await runner.setup()
    listener = listen_at("127.0.0.1", 0)
    await GatedSite(runner, listener.sockets[0]).start()
    port = listener.port
    ticking = asyncio.create_task(running.sockets.tick())
    try:
        async with ClientSession() as web_session:
            yield Live(running, port, web_session)
    finally:
        ticking.cancel()
        await runner.cleanup()
        await running.works.stop()


Story = Callable[[Live], Awaitable[None]]


def served(**settings: Any) -> Callable[[Story], Callable[[Path], None]]:
    """Make a test of a story that wants a running server."""

    def make(story: Story) -> Callable[[Path], None]:
        @functools.wraps(story)
        def test(tmp_path: Path) -> None:
            async def run() -> None:
                async with serving(tmp_path, **settings) as live:
                    await story(live)

            asyncio.run(run())

        del test.__wrapped__  # pytest looks at the signature.
        return test

    return make
