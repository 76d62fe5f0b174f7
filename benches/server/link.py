"""One connection of the load generator: WebSocket frames by hand, so that it costs little.

The load generator shares the machine with what it measures and must not be what limits it.  So it
speaks RFC 6455 itself: frames are masked with zeros (allowed, and as much work for the server as
any mask), what is said in one turn is one write, and what comes is handed on as it is.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from alcove.wire.base import Push, Request
from alcove.wire.codec import decode_answers, encode
from alcove.wire.errors import Refusal
from alcove.wire.greeting import Greeting, Hello, SignedIn
from benches.server.people import Person

ID_BASE: Final = 2**40
"""Request ids count up from here, so that all of them are encoded in as many bytes."""
ANSWER_S: Final = 60
"""How long an answer is waited for."""
SOCKET: Final = "/v1/socket"

_BINARY, _CLOSE, _PING, _PONG = 0x2, 0x8, 0x9, 0xA
_NO_MASK: Final = bytes(4)


class BenchError(Exception):
    """The server said or did something that no workload expects.  The run cannot go on."""


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    port: int
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"


def masked(payload: bytes, opcode: int = _BINARY) -> bytes:
    """Return a client's frame, whole (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65536:
        head = bytes((0x80 | opcode, 0x80 | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0x80 | 127)) + size.to_bytes(8, "big")
    return head + _NO_MASK + payload


class Link(asyncio.Protocol):
    """A WebSocket connection.  `on_frame` gets what comes."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._rest = b""
        self._is_open = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_frame: Callable[[bytes], None] = self._answered
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self.is_closed = False
        self.transport: asyncio.WriteTransport | None = None

    # ---- What the loop calls ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.write = self.transport.write
        self.write(
            f"GET {self._path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode("ascii")
        )

    def connection_lost(self, _: Exception | None) -> None:
        self.is_closed = True
        for future in (self.opened, *self._waiting.values()):
            if not future.done():
                future.set_exception(BenchError("the server closed the connection"))
                future.exception()  # Somebody may have given up on it.

    def data_received(self, data: bytes) -> None:
        if self._rest:
            data = self._rest + data
        if not self._is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._rest = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                status = data[: data.find(b"\r\n")].decode("ascii", "replace")
                self.opened.set_exception(BenchError(f"the upgrade was answered with: {status}"))
                return
            data = data[end + 4 :]
            self._is_open = True
            self.opened.set_result(None)
        at, end = 0, len(data)
        while end - at >= 2:
            size, head = data[at + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if end - at < head + size:
                break
            opcode = data[at] & 0xF
            if opcode == _BINARY:
                self.on_frame(data[at + head : at + head + size])
            elif opcode == _PING:
                self.write(masked(data[at + head : at + head + size], _PONG))
            elif opcode == _CLOSE and self.transport is not None:
                self.transport.close()
            at += head + size
        self._rest = data[at:]

    # ---- Requests, one by one ----

    def say(self, requests: Sequence[Request]) -> None:
        """Send requests in one frame."""
        self.write(masked(encode(requests)))

    async def ask(self, request: Request) -> Any:
        """Send a request and return its reply, which may be a refusal."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = future
        self.say([request])
        async with asyncio.timeout(ANSWER_S):
            return await future

    def _answered(self, frame: bytes) -> None:
        for answer in decode_answers(frame):
            if isinstance(answer, Push):
                continue
            future = self._waiting.pop(answer.id, None)
            if future is not None and not future.done():
                future.set_result(answer)

    def listen(self, on_frame: Callable[[bytes], None] | None) -> None:
        """Hand on frames from now on; None: answers go to who asked, again."""
        self.on_frame = on_frame or self._answered

    def close(self) -> None:
        """End the connection."""
        if self.transport is not None:
            self.transport.close()


async def connect(address: Address, path: str = SOCKET) -> Link:
    """Return a connection whose upgrade was answered."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(ANSWER_S):
        _, link = await loop.create_connection(
            lambda: Link(path), address.host, address.port, ssl=address.tls
        )
        await link.opened
    return link


class Device:
    """A device that has signed in."""

    def __init__(self, person: Person, link: Link, server: bytes, signed_in: SignedIn) -> None:
        self.person = person
        self.link = link
        self.server = server
        self.incarnation = signed_in.incarnation
        self.counter = max(ID_BASE, signed_in.counter)
        """The number of the newest request."""

    def next_id(self) -> int:
        """Return a number for a request that was never used."""
        self.counter += 1
        return self.counter

    async def do(self, request: Request) -> Any:
        """Send a request that must be carried out, and return its reply."""
        return accepted(await self.link.ask(request))


def accepted(reply: Any) -> Any:
    """Return a reply that is no refusal."""
    if isinstance(reply, Refusal):
        raise BenchError(f"the server refused ({reply.code}): {reply.why}")
    return reply


async def arrive(
    address: Address, person: Person, *, is_new: bool = False, is_staying: bool = True
) -> Device:
    """Connect, register if need be, sign in, and let the server prove its key."""
    link = await connect(address)
    greeting = accepted(await link.ask(Hello(oldest=1, newest=1, client="bench_server")))
    assert isinstance(greeting, Greeting)
    if is_new:
        accepted(await link.ask(person.register(greeting.server)))
    nonce = os.urandom(32)
    signed_in = accepted(await link.ask(person.sign_in(greeting, nonce)))
    assert isinstance(signed_in, SignedIn)
    if not person.believes(greeting, nonce, signed_in):
        raise BenchError("the server did not prove its key")
    if not is_staying:
        link.close()
    return Device(person, link, greeting.server, signed_in)


async def arrive_all(
    address: Address,
    everyone: Sequence[Person],
    *,
    is_new: bool = False,
    is_staying: bool = True,
    at_once: int = 32,
) -> list[Device]:
    """Let many people arrive, so many at one time, and return their devices in the same order."""
    devices: list[Device] = []
    free = asyncio.Semaphore(at_once)

    async def one(person: Person) -> Device:
        async with free:
            return await arrive(address, person, is_new=is_new, is_staying=is_staying)

    devices += await asyncio.gather(*(one(person) for person in everyone))
    return devices
