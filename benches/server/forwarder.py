"""The bare limit of sockets: what passes frames on and does nothing else, on aiohttp and uvloop.

A frame goes to everybody else in its room, the path of the connection, and its sender is answered
with a nil and the frame's first bytes, about as many as an answer of ours has.

    python forwarder.py PORT
"""

import asyncio
import sys
from typing import Final

import uvloop
from aiohttp import WSMsgType, web

ANSWER_BYTES: Final = 100
ANSWERS: Final = b"\xc0"
"""What an answer begins with: msgpack's nil."""
BACKLOG: Final = 1024

_rooms: dict[str, dict[web.WebSocketResponse, None]] = {}


async def serve(request: web.Request) -> web.WebSocketResponse:
    """Pass on what one connection sends."""
    response = web.WebSocketResponse(compress=False)
    await response.prepare(request)
    room = _rooms.setdefault(request.match_info["room"], {})
    room[response] = None
    try:
        async for message in response:
            if message.type is not WSMsgType.BINARY:
                break
            for other in room:
                if other is not response:
                    await other.send_bytes(message.data)
            await response.send_bytes(ANSWERS + message.data[:ANSWER_BYTES])
    finally:
        del room[response]
    return response


async def health(_: web.Request) -> web.Response:
    """Say that it listens."""
    return web.Response(text="ok\n")


async def main(port: int) -> None:
    """Serve until the process is ended."""
    app = web.Application()
    app.router.add_get("/health", health)
    app.router.add_get("/{room}", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=BACKLOG).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
