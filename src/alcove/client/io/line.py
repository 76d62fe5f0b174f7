"""One connection to the server: frames in and out, and why it ended, as a sentence.

    line = await dial(place, woken)      or an `OfflineError` that says what is wrong
    line.send(frame)                     now or soon, in this order
    line.frames()                        what has come since the last look
    line.ended                           why nothing more comes; None while it stands
    line.moved()                         whether bytes moved since the last look

`woken` is called whenever there is something to look at.  A line never loses a frame while it
stands; what a broken one has lost is asked again by the engine.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple, cast
from urllib.parse import urlsplit

import aiohttp
from aiohttp import ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType
from aiohttp.client_proto import ResponseHandler

from alcove.client.errors import OfflineError
from alcove.client.io.place import Place, checked, proxy_for
from alcove.client.link import FRAME_BYTES_MAX

CONNECT_S: Final = 20.0
"""How long it may take until a connection stands."""
HEARTBEAT_S: Final = 30.0
"""When nothing moved on a line for so long, it is asked whether it is alive."""
DEAD_S: Final = 60.0
"""And when nothing moved for so long, it is not."""
LOOK_S: Final = 5.0
"""How often is looked whether bytes move."""
CLOSE_S: Final = 2.0
"""How long a good end may take."""
UNREAD_BYTES_MAX: Final = 16 * 1024 * 1024
"""With more than this of frames that nobody has looked at, no more are taken."""

_PORTS: Final = {"http": 80, "https": 443}


class Ended(NamedTuple):
    """Why a line does not stand any more."""

    why: str
    code: str


class _Counted(ResponseHandler):
    """The protocol under a WebSocket; it also counts what comes before it is a whole frame."""

    received_bytes = 0

    def data_received(self, data: bytes) -> None:
        self.received_bytes += len(data)
        super().data_received(data)


class _Connector(TCPConnector):
    """Makes one connection, and remembers it."""

    def __init__(self) -> None:
        super().__init__(limit=1)
        self.protocol: _Counted | None = None
        self._factory = self._make  # type: ignore[assignment]

    def _make(self) -> _Counted:
        self.protocol = _Counted(self._loop)
        return self.protocol


def web_session(place: Place) -> ClientSession:
    """Return a session for HTTP that reaches the same server in the same way; the caller's own."""
    return ClientSession(
        connector=TCPConnector(ssl=_trust(place)),
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=proxy_for(checked(place)),
    )


def _trust(place: Place) -> bool | aiohttp.Fingerprint:
    """Return whom to believe: a pinned certificate is compared, and nobody need vouch for it."""
    return True if place.certificate is None else aiohttp.Fingerprint(place.certificate)


async def dial(place: Place, woken: Callable[[], None]) -> "Line":
    """Return a connection that stands, or say why there is none."""
    url = checked(place)
    connector = _Connector()
    session = ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
    try:
        async with asyncio.timeout(CONNECT_S):
            socket = await session.ws_connect(
                url,
                ssl=_trust(place),
                proxy=proxy_for(url),
                max_msg_size=FRAME_BYTES_MAX,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
            )
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        await session.close()
        raise trouble(error, url) from error
    except BaseException:
        await session.close()
        raise
    assert connector.protocol is not None
    return Line(session, socket, connector.protocol, woken)


def trouble(error: BaseException, url: str) -> OfflineError:
    """Return what went wrong with a connection to this address, for people."""
    parts = urlsplit(url)
    where = f"{parts.hostname}, port {parts.port or _PORTS[parts.scheme]}"
    match error:
        case aiohttp.WSServerHandshakeError():
            return _declined(error, where)
        case aiohttp.ServerFingerprintMismatch():
            why = (
                f"The certificate of {where} is not the one that was pinned: somebody may stand"
                " between you and the server, or its host has renewed it; ask for a new link."
            )
            return OfflineError(why, "certificate")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            why = (
                f"No secure connection to {where} is possible: its certificate is not valid here;"
                " use the host's invite link, which names it, and check this computer's clock."
            )
            return OfflineError(why, "certificate")
        case aiohttp.ClientProxyConnectionError() | aiohttp.ClientHttpProxyError():
            why = f"The proxy does not lead to {where}; check the proxy settings."
            return OfflineError(why, "proxy")
        case aiohttp.ClientConnectorDNSError():
            name = parts.hostname
            why = f"There is no server with the name {name}; check the address and the network."
            return OfflineError(why, "unknown_name")
        case TimeoutError():
            why = f"The server at {where} does not answer; is it running, and the network up?"
            return OfflineError(why, "timed_out")
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            why = f"Nothing listens at {where}: the server is not running, or the port is another."
            return OfflineError(why, "nobody_there")
        case _:
            why = f"The server at {where} cannot be reached; check the address and the network."
            return OfflineError(why, "unreachable")


def _declined(error: aiohttp.WSServerHandshakeError, where: str) -> OfflineError:
    """Return what it means that a server answered, but did not let us in."""
    match error.status:
        case 503:
            seconds = error.headers.get("Retry-After", "") if error.headers else ""
            retry_after_ms = int(seconds[:6]) * 1000 if seconds.isdecimal() else None
            why = f"The server at {where} is full or stopping; it is tried again soon."
            return OfflineError(why, "full", retry_after_ms)
        case 426:
            why = "This server and your app speak different versions; update the older one."
            return OfflineError(why, "version")
        case status:
            why = (
                f"At {where} is something else than an Alcove server, or something on the way does"
                f" not let WebSockets pass (status {status}); check the address."
            )
            return OfflineError(why, "not_a_server")


class Line:
    """A connection that stands, until `ended` says why it does not."""

    def __init__(
        self,
        session: ClientSession,
        socket: ClientWebSocketResponse,
        protocol: _Counted,
        woken: Callable[[], None],
    ) -> None:
        self._session, self._socket, self._protocol = session, socket, protocol
        self._transport = cast("asyncio.WriteTransport", protocol.transport)
        self._woken = woken
        self._came: list[bytes] = []
        self._came_bytes = 0
        self._taken = asyncio.Event()
        self._going: deque[bytes] = deque()
        self._asked = asyncio.Event()
        self._sent = asyncio.Event()
        self._sent.set()
        self._has_moved = False
        self.ended: Ended | None = None
        """Why nothing more comes.  What came before it is still in `frames`."""
        self._tasks = [
            asyncio.create_task(self._read(), name="alcove line reads"),
            asyncio.create_task(self._write(), name="alcove line writes"),
            asyncio.create_task(self._watch(), name="alcove line watches"),
        ]

    def send(self, frame: bytes) -> None:
        """Send a frame after those before it."""
        self._going.append(frame)
        self._sent.clear()
        self._asked.set()

    def frames(self) -> list[bytes]:
        """Return the frames that came since the last look."""
        frames, self._came = self._came, []
        self._came_bytes = 0
        self._taken.set()
        return frames

    def moved(self) -> bool:
        """Whether bytes have moved since the last look, though perhaps no whole frame came."""
        moved, self._has_moved = self._has_moved, False
        return moved

    async def close(self) -> None:
        """Send what waits, if that is soon done, and end the connection."""
        if self.ended is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._sent.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError, ConnectionError, RuntimeError, aiohttp.ClientError):
            async with asyncio.timeout(CLOSE_S):
                await self._socket.close()
        self._transport.abort()  # Else it would wait until everything has been taken.
        await self._session.close()

    # ---- What runs while the line stands ----

    async def _read(self) -> None:
        """Take frames, as fast as somebody looks at them."""
        while True:
            message = await self._socket.receive()
            if message.type is WSMsgType.BINARY:
                self._came.append(message.data)
                self._came_bytes += len(message.data)
                self._woken()
                while self._came_bytes > UNREAD_BYTES_MAX:
                    self._taken.clear()
                    await self._taken.wait()
            elif message.type is WSMsgType.TEXT:
                self._end(
                    "The server sent something that does not follow the protocol.", "malformed"
                )
                return
            else:
                self._end("The connection to the server has ended.", "ended")
                return

    async def _write(self) -> None:
        """Send frames, as fast as the other side takes them."""
        while True:
            while self._going:
                try:
                    await self._socket.send_bytes(self._going[0])
                except (ConnectionError, RuntimeError, aiohttp.ClientError):
                    self._end("The connection to the server broke.", "broken")
                    return
                self._going.popleft()
            self._sent.set()
            self._asked.clear()
            await self._asked.wait()

    async def _watch(self) -> None:
        """Look whether bytes move; a line on which none do is asked, and then given up."""
        loop = asyncio.get_running_loop()
        moved_at, seen = loop.time(), self._state()
        was_asked = False
        while self.ended is None:
            await asyncio.sleep(LOOK_S)
            now, state = loop.time(), self._state()
            if state != seen:
                moved_at, seen, was_asked = now, state, False
                self._has_moved = True
                self._woken()
            elif now - moved_at >= DEAD_S:
                self._end("The server does not answer any more.", "timed_out")
            elif now - moved_at >= HEARTBEAT_S and not was_asked and not state[1]:
                was_asked = True
                with suppress(ConnectionError, RuntimeError, aiohttp.ClientError):
                    await self._socket.ping()

    def _state(self) -> tuple[int, int]:
        """Return what has come, and what waits to go: a line is alive when either changes."""
        return self._protocol.received_bytes, self._transport.get_write_buffer_size()

    def _end(self, why: str, code: str) -> None:
        if self.ended is None:
            self.ended = Ended(why, code)
            self._sent.set()  # Nobody need wait for that any more.
            self._woken()
