"""Where connections come in: each is counted from its first byte on, whatever it turns out to be.

    accept ─► counted, by address too ─► TLS ─► headers ─► aiohttp, and the doors behind it
                 │ far too many           │ too slow  │
                 └────────────────────────┴───────────┴──► closed

A few more than `max_clients` are let in, to be told with status 503 that the server is full.  When
only the last quarter is left, each newcomer takes the place of a stranger whose connection is idle:
somebody who wants to sign in is a stranger too at first.  Later on whoever takes nothing of what
waits for him is let go: a transport that is closed in good order waits until everything has been
taken, which may be for ever.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from itertools import islice
from typing import Any, Final, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from alcove.server.door import Door, network_of
from alcove.server.incoming import FREE_BYTES_MAX, Incoming
from alcove.server.settings import Settings

SURPLUS_MAX: Final = 64
"""How many connections beyond the limit are let in to hear that there are too many."""
RESERVED_PART: Final = 4
"""This part of all connections is not for strangers who do nothing."""
LOOKED_AT_MAX: Final = 64
"""How many strangers are looked at for one newcomer: the others have their turn with the next."""
AGAIN_S: Final = 0.1
"""After this, it is tried again to take a connection: the system had no file left for it, say."""
LOOKS: Final = 8
"""How often a connection that takes nothing is looked at, until it has been given time enough."""
PROXY_KEEPALIVE_S: Final = 3600.0
"""A proxy keeps its connections, and would lose a request on one that is being closed."""


class Line(RequestHandler):
    """The server's end of one TCP connection."""

    __slots__ = (
        "_come_bytes",
        "_incoming",
        "_is_trusted",
        "_left",
        "_untaken_bytes",
        "_untaken_since_s",
        "gate",
        "has_begun",
        "has_spoken",
        "is_surplus",
    )

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.gate: Gate | None = None
        """Where this connection is counted."""
        self.is_surplus = False
        """Whether this connection is one too many, and is only let in to hear that."""
        self.has_begun = False
        """Whether the headers of a request have come."""
        self.has_spoken = False
        """Whether anything has come since somebody last looked, who sets it back."""
        self._come_bytes = 0
        self._incoming: Incoming | None = None
        self._left: int | None = None
        self._is_trusted: Callable[[], bool] = bool
        self._untaken_bytes = 0
        self._untaken_since_s = 0.0

    def allow(self, size: int, is_trusted: Callable[[], bool]) -> None:
        """Take at most so many bytes more, unless whoever sends them is trusted by then."""
        self._left, self._is_trusted = size, is_trusted

    def trust(self) -> None:
        """Note that somebody who is known speaks on this connection."""
        self._is_trusted = _always

    def is_trusted(self) -> bool:
        """Return whether somebody who is known speaks on this connection."""
        return self._is_trusted()

    def is_idle(self) -> bool:
        """Return whether requests have been answered on this connection, and none is waiting."""
        return self.has_begun and self._current_request is None and not self._messages

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        self.has_spoken = True
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                if not self._is_trusted():
                    self.cut()
                    return
                self._left = None
        if self._incoming is not None:
            self._come_bytes += len(data)
            if self._come_bytes > FREE_BYTES_MAX:
                self._incoming.hold(self, self._come_bytes)
        super().data_received(data)

    def count_frames(self, incoming: Incoming) -> None:
        """Count from now on what has come of a frame that is not whole yet."""
        self._incoming = incoming

    def frame_came(self) -> None:
        """Note that a frame is whole."""
        if self._come_bytes > FREE_BYTES_MAX and self._incoming is not None:
            self._incoming.release(self)
        self._come_bytes = 0

    def be_late(self) -> None:
        """End a connection on which no request has begun."""
        if not self.has_begun:
            self.cut()

    def untaken_bytes(self) -> int:
        """Return how much waits here that the other end has not taken yet."""
        transport = cast("asyncio.WriteTransport | None", self.transport)
        return 0 if transport is None else transport.get_write_buffer_size()

    def pause_writing(self) -> None:
        """Note that the other end does not take at once what it is sent."""
        super().pause_writing()
        if self.gate is not None:
            self.gate.hold(self)

    def resume_writing(self) -> None:
        """Note that it has taken nearly all."""
        super().resume_writing()
        if self.gate is not None:
            self.gate.release(self)

    def be_stuck(self, now_s: float, patience_s: float) -> None:
        """End a connection on which something waits that has not become more or less for so long.

        Pings do not find that out: they wait behind the rest, and whoever sends need not read.
        """
        untaken = self.untaken_bytes()
        if not untaken or untaken != self._untaken_bytes:
            self._untaken_bytes, self._untaken_since_s = untaken, now_s
        elif now_s - self._untaken_since_s >= patience_s:
            self.cut()
            if self.gate is not None:
                self.gate.cut_off += 1

    def cut(self) -> None:
        """End this connection, and throw away what waits in it."""
        if self.transport is not None:
            self.transport.abort()


def _always() -> bool:
    return True


def line_of(request: web.Request) -> Line | None:
    """Return our end of a request's connection; none when it did not come through the gate."""
    line = request.protocol
    return line if isinstance(line, Line) else None


def limit_unsigned(request: web.Request, size: int, is_signed_in: Callable[[], bool]) -> None:
    """Cut a connection that sends more than this before it has signed in."""
    line = line_of(request)
    if line is not None:
        line.allow(size, is_signed_in)


class Gate:
    """Counts connections, in all and by address."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._counts: dict[str, int] = {}
        self._lines: dict[Line, str] = {}
        self._strangers: dict[Line, None] = {}
        self.count = 0
        self._waiting: dict[Line, int] = {}
        self._waiting_bytes = 0
        self.cut_off = 0
        """How many connections were cut off since the start, as they did not take what waited."""

    @property
    def settings(self) -> Settings:
        """What counts now."""
        return self._door.settings

    def is_beyond(self) -> bool:
        """Return whether there are more than can be told so."""
        return self.count >= self.settings.max_clients + SURPLUS_MAX

    def add(self, line: Line, address: str) -> None:
        """Count a connection."""
        settings = self.settings
        # Behind a proxy each request says where it is from, and is counted where it is served.
        place = "" if settings.behind_proxy else network_of(address)
        self._lines[line] = place
        line.gate = self
        self.count += 1
        self._strangers[line] = None
        if not settings.behind_proxy and self.count > _unreserved(settings):
            self._make_room()
        is_crowd = not self.take(place) if place else False
        line.is_surplus = is_crowd or self.count > settings.max_clients

    def _make_room(self) -> None:
        """Let a stranger go who does nothing: about the one who has been here the longest."""
        for line in list(islice(self._strangers, LOOKED_AT_MAX)):
            del self._strangers[line]
            if line.is_trusted():
                continue
            if line.is_idle():
                self.drop(line)
                line.cut()
                return
            self._strangers[line] = None

    def take(self, place: str) -> bool:
        """Count one more for an address; return whether it may have so many."""
        self._counts[place] = self._counts.get(place, 0) + 1
        return self._counts[place] <= self.settings.address_clients_max

    def give_back(self, place: str) -> None:
        """Count one less for an address."""
        self._counts[place] -= 1
        if not self._counts[place]:
            del self._counts[place]

    def drop(self, line: RequestHandler) -> None:
        """Count a connection no longer; once more is harmless."""
        self.release(cast("Line", line))
        self._strangers.pop(cast("Line", line), None)
        place = self._lines.pop(line, None)  # type: ignore[call-overload]
        if place is not None:
            self.count -= 1
            if place:
                self.give_back(place)

    def hold(self, line: Line) -> None:
        """Count what waits on a connection; not too much may wait on all together."""
        self.release(line)
        if line not in self._lines:
            return  # It has ended already.
        self._waiting[line] = line.untaken_bytes()
        self._waiting_bytes += self._waiting[line]
        if self._waiting_bytes > self.settings.outgoing_total_bytes_max:
            # Not at once: something is being written to this connection.
            asyncio.get_running_loop().call_soon(self._relieve)

    def release(self, line: Line) -> None:
        """Count nothing for a connection any more; once more is harmless."""
        self._waiting_bytes -= self._waiting.pop(line, 0)

    def _relieve(self) -> None:
        """Cut connections of the address for which most waits, until there is space again."""
        most = self.settings.outgoing_total_bytes_max
        if self._waiting_bytes <= most:
            return
        places: dict[str, int] = {}
        for line in self._waiting:
            self._waiting[line] = size = line.untaken_bytes()
            places[self._lines[line]] = places.get(self._lines[line], 0) + size
        self._waiting_bytes = sum(self._waiting.values())
        for line in sorted(
            self._waiting,
            key=lambda one: (places[self._lines[one]], self._waiting[one]),
            reverse=True,
        ):
            if self._waiting_bytes <= most - most // 4:
                break
            self.release(line)
            line.cut()
            self.cut_off += 1

    async def watch(self) -> None:
        """Let go of who takes nothing, for as long as the server runs."""
        loop = asyncio.get_running_loop()
        while True:
            patience_s = 2 * self.settings.idle_timeout_s
            await asyncio.sleep(patience_s / LOOKS)
            now_s = loop.time()
            for line in list(self._lines):
                line.be_stuck(now_s, patience_s)


def _unreserved(settings: Settings) -> int:
    """Return how many connections there may be before idle strangers make room."""
    return settings.max_clients - settings.max_clients // RESERVED_PART


class _Server(web.Server):
    """aiohttp's server, with our end of each connection."""

    def __init__(self, inner: web.Server, gate: Gate, options: dict[str, Any]) -> None:
        self._begin = inner.request_factory
        super().__init__(inner.request_handler, request_factory=self._make, **options)
        self._gate = gate
        self._options = options

    def __call__(self) -> Line:
        return Line(self, loop=asyncio.get_running_loop(), **self._options)

    def _make(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
        protocol.has_begun = True
        return self._begin(message, payload, protocol, writer, task)

    def connection_lost(self, handler: RequestHandler, exc: BaseException | None = None) -> None:
        """Note that a connection has ended."""
        self._gate.drop(handler)
        super().connection_lost(handler, exc)


class GatedRunner(web.AppRunner):
    """Runs the server's application behind the gate."""

    def __init__(self, app: web.Application, gate: Gate) -> None:
        settings = gate.settings
        super().__init__(
            app,
            access_log=None,
            handle_signals=False,
            shutdown_timeout=settings.drain_timeout_s,
        )
        self.gate = gate
        idle_s = float(2 * settings.idle_timeout_s)
        self._options = {
            "access_log": None,
            "auto_decompress": False,  # What is packed small may be large: see `guard`.
            "keepalive_timeout": PROXY_KEEPALIVE_S if settings.behind_proxy else idle_s,
            "lingering_time": float(settings.hello_timeout_s),
        }

    async def _make_server(self) -> web.Server:
        return _Server(await super()._make_server(), self.gate, self._options)


class GatedSite(web.BaseSite):
    """A listening socket whose connections go through the gate."""

    def __init__(
        self, runner: GatedRunner, sock: socket.socket, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(runner, ssl_context=context)
        self._gate = runner.gate
        self._listening = sock
        self._context = context
        self._lines = runner.server
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """Where this listens."""
        scheme = "https" if self._context else "http"
        host, port = self._listening.getsockname()[:2]
        return f"{scheme}://{host}:{port}"

    async def start(self) -> None:
        """Begin to take connections."""
        await super().start()
        self._listening.setblocking(False)  # noqa: FBT003 - The library's way.
        self._spawn(self._accept())
        self._spawn(self._gate.watch())

    async def stop(self) -> None:
        """Take no more connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._listening.close()
        await super().stop()

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._listening)
            except OSError:
                await asyncio.sleep(AGAIN_S)
                continue
            if self._gate.is_beyond():
                connection.close()
                continue
            line = self._lines()  # type: ignore[misc]
            assert isinstance(line, Line)
            self._gate.add(line, peer[0])
            self._spawn(self._greet(line, connection))

    async def _greet(self, line: Line, connection: socket.socket) -> None:
        """Do what comes before the first request, within the time for it."""
        loop, patience_s = asyncio.get_running_loop(), self._gate.settings.hello_timeout_s
        try:
            await loop.connect_accepted_socket(
                lambda: line,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=patience_s if self._context else None,
            )
        except (OSError, TimeoutError):
            self._gate.drop(line)
        except BaseException:
            self._gate.drop(line)
            raise
        else:
            loop.call_later(patience_s, line.be_late)
