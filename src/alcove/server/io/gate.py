"""Where connections come in: each is counted from its first byte on, whatever it turns out to be.

    accept ─► counted, by address too ─► TLS ─► headers ─► aiohttp, and the doors behind it
                 │ far too many           │ too slow  │
                 └────────────────────────┴───────────┴──► closed

A few more than `max_clients` are let in, to be told with status 503 that the server is full.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from alcove.server.door import Door, network_of
from alcove.server.settings import Settings

SURPLUS_MAX: Final = 64
"""How many connections beyond the limit are let in to hear that there are too many."""
AGAIN_S: Final = 0.1
"""After this, it is tried again to take a connection: the system had no file left for it, say."""
PROXY_KEEPALIVE_S: Final = 3600.0
"""A proxy keeps its connections, and would lose a request on one that is being closed."""


class Line(RequestHandler):
    """The server's end of one TCP connection."""

    __slots__ = ("_is_trusted", "_left", "has_begun", "is_surplus")

    def __init__(self, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self.is_surplus = False
        """Whether this connection is one too many, and is only let in to hear that."""
        self.has_begun = False
        """Whether the headers of a request have come."""
        self._left: int | None = None
        self._is_trusted: Callable[[], bool] = bool

    def allow(self, size: int, is_trusted: Callable[[], bool]) -> None:
        """Take at most so many bytes more, unless whoever sends them is trusted by then."""
        self._left, self._is_trusted = size, is_trusted

    def data_received(self, data: bytes) -> None:
        """Take bytes from the network."""
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                if not self._is_trusted():
                    self.cut()
                    return
                self._left = None
        super().data_received(data)

    def be_late(self) -> None:
        """End a connection on which no request has begun."""
        if not self.has_begun:
            self.cut()

    def cut(self) -> None:
        """End this connection, and throw away what waits in it."""
        if self.transport is not None:
            self.transport.abort()


def limit_unsigned(request: web.Request, size: int, is_signed_in: Callable[[], bool]) -> None:
    """Cut a connection that sends more than this before it has signed in."""
    line = request.protocol
    if isinstance(line, Line):
        line.allow(size, is_signed_in)


class Gate:
    """Counts connections, in all and by address."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._counts: dict[str, int] = {}
        self._lines: dict[Line, str] = {}
        self.count = 0

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
        self.count += 1
        is_crowd = not self.take(place) if place else False
        line.is_surplus = is_crowd or self.count > settings.max_clients

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
        place = self._lines.pop(line, None)  # type: ignore[call-overload]
        if place is not None:
            self.count -= 1
            if place:
                self.give_back(place)


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
