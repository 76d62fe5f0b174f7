"""The socket door: WebSocket frames in and out, for many connections at once.

aiohttp reads the frames.  They are written past it, onto the same transport: what is said to a
session in one turn is one frame and one system call, and a slow reader is seen by what its
transport still holds.
"""

import asyncio
from contextlib import suppress
from typing import cast

from aiohttp import WSMsgType, web

from alcove.server.backlog import Backlog
from alcove.server.caller import Caller
from alcove.server.door import Door
from alcove.server.incoming import Incoming
from alcove.server.io.gate import Line, limit_unsigned, line_of
from alcove.server.io.http import address_of
from alcove.server.io.works import Works, now_ms
from alcove.server.session import Session
from alcove.wire.codec import ENVELOPE_BYTES
from alcove.wire.errors import Code, Refused

TICK_S = 0.25
"""How often deadlines are looked at: they are seconds away."""
DRAIN_S = 0.02
"""How often a connection that reads too slowly is looked at."""
WAITING_BYTES_MAX = 1024 * 1024
"""With more than this of one connection waiting for answers, no more is taken from it."""
LOOKS = 4
"""How many times in `idle_timeout_s` silent connections are looked for."""
TURN_BYTES = 16 * 1024
"""How much of what has come from one connection is taken before others have a turn."""
FRAME_COST_BYTES = 512
"""What a frame counts for at least: small ones cost time too."""
_BINARY = 0x82
_PING = b"\x89\0"
_SHORT, _MEDIUM = 126, 65536


def websocket_frame(payload: bytes) -> bytes:
    """Return a server's unmasked binary frame, whole (RFC 6455, section 5.2)."""
    size = len(payload)
    if size < _SHORT:
        return bytes((_BINARY, size)) + payload
    if size < _MEDIUM:
        return bytes((_BINARY, 126)) + size.to_bytes(2, "big") + payload
    return bytes((_BINARY, 127)) + size.to_bytes(8, "big") + payload


class Sockets:
    """All connections on the socket door."""

    def __init__(self, works: Works, door: Door) -> None:
        self._works = works
        self._door = door
        self._transports: dict[Session, asyncio.WriteTransport] = {}
        self._responses: dict[Session, web.WebSocketResponse] = {}
        self._lines: dict[Session, Line] = {}
        self._slow: dict[Session, None] = {}
        self.backlog = Backlog(door)
        self.incoming = Incoming(door)
        self._closing: set[asyncio.Task[None]] = set()
        works.flush = self.flush

    def __len__(self) -> int:
        return len(self._transports)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection, from the upgrade to its end."""
        settings, works = self._door.settings, self._works
        address = address_of(request, is_behind_proxy=settings.behind_proxy)
        try:
            self._let_in(address)
        except Refused as refused:
            self._door.notice(refused.code, Caller(address), now_ms(), None)
            seconds = -(-(refused.retry_after_ms or 1000) // 1000)
            return web.Response(status=503, text=refused.why, headers={"Retry-After": str(seconds)})
        response = web.WebSocketResponse(
            max_msg_size=settings.handshake_bytes_max + ENVELOPE_BYTES + 1,
            compress=False,
            autoping=False,  # Pings are answered here, and counted.
            timeout=5,
        )
        await response.prepare(request)
        transport = cast("asyncio.WriteTransport", request.transport)
        session = Session(self._door, address, works.random(32), now_ms())
        limit_unsigned(
            request, 2 * settings.unsigned_bytes_max, lambda: bool(session.caller.device)
        )
        line = line_of(request)
        if line is not None:
            line.count_frames(self.incoming)
            self._lines[session] = line
        self._transports[session] = transport
        self._responses[session] = response
        try:
            await self._listen(session, response, transport, line)
        finally:
            if line is not None:
                self.incoming.release(line)
                del self._lines[session]
            del self._transports[session], self._responses[session]
            self._slow.pop(session, None)
            self.backlog.drop(session)
            works.hub.leave(session, now_ms())
        return response

    def _let_in(self, address: str) -> None:
        if self._door.is_stopping:
            raise Refused(Code.STOPPING)
        if len(self) >= self._door.settings.max_clients:
            raise Refused(Code.FULL)
        self._door.connect(address, now_ms())

    async def _listen(
        self,
        session: Session,
        response: web.WebSocketResponse,
        transport: asyncio.WriteTransport,
        line: Line | None,
    ) -> None:
        """Take frames until the connection ends; slowly, when it reads slowly."""
        works, limit = self._works, self._door.settings.outgoing_bytes_max
        turn = TURN_BYTES
        while session.goodbye is None:
            message = await response.receive()
            session.silent_looks = 0
            if message.type is WSMsgType.PONG:
                session.ping(now_ms())  # They cost as much.
                continue
            if message.type is WSMsgType.PING:
                session.ping(now_ms())
                with suppress(ConnectionError):
                    await response.pong(message.data)
                continue
            if message.type is not WSMsgType.BINARY:
                if message.type is WSMsgType.TEXT:
                    session.end(Code.MALFORMED)
                    break
                return
            if line is not None:
                line.frame_came()
            turn -= len(message.data) + FRAME_COST_BYTES
            if turn < 0:
                turn = TURN_BYTES
                await asyncio.sleep(0)
            session.receive(message.data, now_ms())
            works.submit(session)
            self._send(session)
            while (
                (
                    transport.get_write_buffer_size() > limit
                    or session.waiting_bytes > WAITING_BYTES_MAX
                )
                and not transport.is_closing()
                and session.goodbye is None
            ):
                await asyncio.sleep(DRAIN_S)
                session.silent_looks = 0  # It is we who do not listen.
        self._send(session)
        with suppress(ConnectionError):
            await response.close(code=1000)

    def flush(self, dirty: dict[Session, None]) -> None:
        """Send what these sessions have to say."""
        for session in dirty:
            self._send(session)

    def _send(self, session: Session) -> None:
        transport = self._transports.get(session)
        if transport is None or transport.is_closing():
            return
        waited = session.backlog_bytes
        while payload := session.requests():
            transport.write(websocket_frame(payload))
            session.backlog_bytes = transport.get_write_buffer_size()
        if session.backlog_bytes or waited:
            self.backlog.look(session, transport)
            self._slow[session] = None
        if session.goodbye is not None:
            self._hang_up(session)

    def _hang_up(self, session: Session) -> None:
        """End a connection that waits for frames: its own task must not wait any longer."""
        response = self._responses.get(session)
        if response is not None and not response.closed:
            task = asyncio.get_running_loop().create_task(self._close(response))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close(self, response: web.WebSocketResponse) -> None:
        with suppress(ConnectionError, RuntimeError):
            await response.close(code=1000)

    async def stop(self, patience_s: float) -> None:
        """Say goodbye to everyone and wait until they have gone; cut off who does not."""
        for session in list(self._transports):
            session.end(Code.STOPPING)
        self.flush(dict.fromkeys(self._transports))
        loop = asyncio.get_running_loop()
        until = loop.time() + patience_s
        while self._transports and loop.time() < until:  # noqa: ASYNC110 - Nobody announces it.
            await asyncio.sleep(DRAIN_S)
        for transport in list(self._transports.values()):
            transport.abort()

    async def tick(self) -> None:
        """Look at deadlines and at slow readers, for as long as the server runs."""
        loop = asyncio.get_running_loop()
        looked_at = loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            if loop.time() - looked_at >= self._door.settings.idle_timeout_s / LOOKS:
                looked_at = loop.time()
                self._look_for_silence()
            now = now_ms()
            hub = self._works.hub
            hub.tick(now)
            for session in list(self._transports):
                if session.deadline() is not None:
                    session.tick(now)
                    hub.dirty[session] = None
            slow, self._slow = self._slow, {}
            hub.dirty.update(slow)
            dirty, hub.dirty = hub.dirty, {}
            self.flush(dirty)

    def _look_for_silence(self) -> None:
        """Ping who has said nothing for long, and give up who does not answer that either."""
        for session, transport in list(self._transports.items()):
            line = self._lines.get(session)
            if line is not None and line.has_spoken:  # A large frame may be slow to come.
                line.has_spoken = False
                session.silent_looks = 0
            session.silent_looks += 1
            if session.silent_looks > 2 * LOOKS:
                transport.abort()
            elif session.silent_looks == LOOKS + 1 and not transport.is_closing():
                transport.write(_PING)
