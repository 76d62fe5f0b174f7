"""One connection to the server's socket door: frames out, answers and pushes in.

A real client would connect again by itself and keep what it sends until it is answered.  This one
tells that the line has gone, and leaves the rest to the story.
"""

import asyncio
from typing import Any

from aiohttp import ClientWebSocketResponse, WSMsgType

from alcove.wire.base import Push, Request
from alcove.wire.codec import decode_answers, encode_frame
from alcove.wire.errors import Refusal, Refused

PATIENCE_S = 30
"""An answer that did not come by then does not come: a busy machine takes its time."""


class Gone(Exception):
    """The connection has ended before an answer came."""


class Line:
    """An open connection."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self._socket = socket
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._pushes: asyncio.Queue[Push] = asyncio.Queue()
        self._listening = asyncio.create_task(self._listen())

    async def send(self, request: Request) -> asyncio.Future[Any]:
        """Send a request, and return where its answer will be."""
        answer = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = answer
        await self._socket.send_bytes(encode_frame([request]))
        return answer

    async def ask(self, request: Request) -> Any:
        """Return the answer to a request; raise `Refused` when it is a refusal."""
        async with asyncio.timeout(PATIENCE_S):
            answer = await (await self.send(request))
        if isinstance(answer, Refusal):
            raise Refused(answer.code, answer.why)
        return answer

    async def push(self) -> Push:
        """Return the next thing that the server said unasked."""
        async with asyncio.timeout(PATIENCE_S):
            return await self._pushes.get()

    def pushed(self) -> list[Push]:
        """Return what the server has said unasked and nobody has looked at."""
        return [self._pushes.get_nowait() for _ in range(self._pushes.qsize())]

    async def close(self) -> None:
        """Hang up, or note that the other side is gone."""
        await self._socket.close()
        await self._listening

    def deafen(self) -> None:
        """Let no answer through from here on, as a bad line might; what is sent still leaves."""
        self._listening.cancel()

    async def _listen(self) -> None:
        while (message := await self._socket.receive()).type is WSMsgType.BINARY:
            for answer in decode_answers(message.data):
                if isinstance(answer, Push):
                    self._pushes.put_nowait(answer)
                else:
                    self._waiting.pop(answer.id).set_result(answer)
        for waiting in self._waiting.values():
            waiting.set_exception(Gone("The connection has ended before the answer came."))
            waiting.exception()  # Nobody need be waiting any more.
