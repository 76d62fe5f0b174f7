"""A hook: a small HTTP door on this machine that posts to a room what programs bring.

    hook = Hook(client, room, "builds")
    async with hook.listening(port=8095) as address:
        …                                  curl -d "all tests pass" ADDRESS

Its messages say through which hook they came.  The address holds a secret: who knows it may post.
It listens on this machine only, or at a socket that only this user can use.
"""

import hmac
import os
import secrets
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import web
from msgspec import Struct

from alcove.client.errors import ClientError, UsageError
from alcove.client.io.client import Client
from alcove.client.io.rooms import Room
from alcove.client.store.disk import make_private_folder, read_small, write_private
from alcove.wire.content import TEXT_CHARACTERS_MAX

BODY_BYTES_MAX: Final = 256 * 1024
"""The largest request: a message of the longest text, however it is written."""
POSTS_MAX: Final = 30
"""So many messages one hook posts in a minute:"""
POSTS_S: Final = 60.0
"""a program that goes wrong floods nobody's room."""
SECRET_BYTES: Final = 18
NAME_CHARACTERS_MAX: Final = 40
"""The longest name of a hook."""
HOOKS_NAME: Final = "hooks"
"""The folder of a profile that has the secrets of its hooks."""
SECRET_BYTES_MAX: Final = 200
"""So much is read of the file that has a hook's secret."""
SOCKET_HOST: Final = "http://localhost"
"""What stands in front of the path when a hook is reached at a socket."""


class _Posted(Struct):
    """What a program may bring as JSON."""

    text: str
    topic: str = ""


_decode = msgspec.json.Decoder(_Posted).decode


class Hook:
    """Posts what is brought to one room."""

    def __init__(
        self, client: Client, room: Room, name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        if not is_name(name):
            raise UsageError(
                f"A hook has a name of up to {NAME_CHARACTERS_MAX} letters, digits, dots, hyphens"
                " and underscores, such as builds."
            )
        self.client, self.room, self.name = client, room, name
        self.secret = hook_secret(client.opened.profile.folder, name)
        self._clock = clock
        self._posted: deque[float] = deque()

    @property
    def path(self) -> str:
        """Where it is posted to; whoever knows this may post."""
        return f"/{self.name}/{self.secret}"

    @asynccontextmanager
    async def listening(self, port: int = 0, *, place: Path | None = None) -> AsyncIterator[str]:
        """Listen on this machine at a port (0: a free one) or at a socket; yields the address."""
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_route("*", "/{name}/{secret}", self._take)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=5)
        await runner.setup()
        try:
            if place is not None:
                await web.SockSite(runner, _socket_at(place)).start()
                yield SOCKET_HOST + self.path
            else:
                await web.TCPSite(runner, "127.0.0.1", port).start()
                yield f"http://127.0.0.1:{runner.addresses[0][1]}{self.path}"
        except OSError as error:
            raise UsageError(
                f"The hook cannot listen there ({error.strerror}): choose another port or place."
            ) from error
        finally:
            await runner.cleanup()

    # ---- One request ----

    async def _take(self, request: web.Request) -> web.Response:
        """Post what somebody brings."""
        given = (request.match_info["name"], request.match_info["secret"])
        if not _is_same(given[1], self.secret) or given[0] != self.name:
            return _said(404, "There is no hook at this address: copy it again.")
        if request.method != "POST":
            return _said(405, "Post a text to this address: curl -d text ADDRESS")
        wait_s = self._wait_s()
        if wait_s > 0:
            answer = _said(429, f"A hook posts {POSTS_MAX} messages a minute: wait a little.")
            answer.headers["Retry-After"] = str(int(wait_s) + 1)
            return answer
        try:
            text, topic = _read(await request.read(), request.content_type)
            message = await self.room.post(text, topic=topic, through=self.name)
        except web.HTTPRequestEntityTooLarge:
            return _said(413, f"A message takes {TEXT_CHARACTERS_MAX} characters: send less.")
        except ClientError as error:
            return _said(400, str(error))
        self._posted.append(self._clock())
        return _said(200, "posted" if message.state != "failed" else message.why)

    def _wait_s(self) -> float:
        """Return how long to wait until the next message may be posted."""
        now = self._clock()
        while self._posted and self._posted[0] <= now - POSTS_S:
            self._posted.popleft()
        return 0.0 if len(self._posted) < POSTS_MAX else self._posted[0] + POSTS_S - now


def is_name(name: str) -> bool:
    """Say whether a hook may have a name."""
    return 0 < len(name) <= NAME_CHARACTERS_MAX and all(
        sign.isascii() and (sign.isalnum() or (sign in "._-" and place > 0))
        for place, sign in enumerate(name)
    )


def hook_secret(folder: Path, name: str) -> str:
    """Return the secret of a hook's address: the same at every start, until its file is deleted."""
    place = folder / HOOKS_NAME / name
    content = read_small(place, SECRET_BYTES_MAX)
    if content is None:
        make_private_folder(place.parent)
        content = secrets.token_urlsafe(SECRET_BYTES).encode("ascii")
        write_private(place, content)
    return content.decode("ascii", "replace").strip()


def _is_same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _read(body: bytes, media: str) -> tuple[str, str]:
    """Return the text that a program brings, and its topic: bare, or in JSON."""
    try:
        if media == "application/json":
            posted = _decode(body)
            return posted.text, posted.topic
        return body.decode(), ""
    except (UnicodeDecodeError, msgspec.MsgspecError):
        raise UsageError(
            'This is no text in UTF-8, and no JSON such as {"text": "hello"}: send one of both.'
        ) from None


def _said(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n")


def _socket_at(place: Path) -> socket.socket:
    """Return a socket that listens at a place, and that only this user can use."""
    if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows.
        raise UsageError("This system has no such sockets: choose a port.")
    if place.is_socket():  # Of a program that was killed.
        place.unlink()
    ours = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)  # So that it is ours alone from the start.
    try:
        ours.bind(str(place))
    except BaseException:
        ours.close()
        raise
    finally:
        os.umask(before)
    return ours
