"""People with real sockets: keys, a connection, requests with numbers, and what they were told.

ada = Friend(dice, "ada")
await ada.connect(url)          hello, registration the first time, sign-in
await ada.ask(Read(...))        the reply, or a Refusal
ada.send(Append(...))           a future of the same, so that many can be under way

A connection that breaks ends all futures with `Gone`.
"""

import asyncio
import random
from types import SimpleNamespace
from typing import Any, Final, cast

import aiohttp
import msgspec

from alcove.wire.base import Push, Request
from alcove.wire.codec import decode_answers, encode, encode_frame
from alcove.wire.entries import (
    Append,
    HandshakeHeader,
    MessageHeader,
    NewEntry,
    Routing,
)
from alcove.wire.greeting import Greeting, Hello, SignedIn
from alcove.wire.ids import NOTHING_BEFORE, entry_name
from alcove.wire.rooms import CreateRoom
from tests.server.house import House, Talk, member
from tests.server.people import Someone

READ_IDS: Final = 2**40
"""Reads are numbered from here, so that they do not use up the device's own numbers."""

__all__ = ["Friend", "Gone", "Talk", "found_room"]


class Gone(Exception):
    """The connection has ended before the answer came."""


def keys_from(dice: random.Random, server: bytes) -> House:
    """Return as much of a house as people with keys need."""
    world = SimpleNamespace(keys=SimpleNamespace(public=server))
    return cast("House", SimpleNamespace(random=dice.randbytes, world=world))


class Friend:
    """One person with one device and at most one connection."""

    def __init__(self, dice: random.Random, name: str) -> None:
        self.dice = dice
        self.name = name
        self.person: Someone | None = None
        self.number = 0
        """The device's own counter: of the last request that changes something."""
        self.signed_in: SignedIn | None = None
        self.pushes: asyncio.Queue[Push] = asyncio.Queue()
        self.said_goodbye: list[str] = []
        """Why the server ended connections."""
        self._listens_only = False
        self._reads = READ_IDS
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._listening: asyncio.Task[None] | None = None

    @property
    def account(self) -> bytes:
        assert self.person is not None
        return self.person.account

    @property
    def device(self) -> bytes:
        assert self.person is not None
        return self.person.phone.id

    # ---- The connection ----

    async def open(self, url: str) -> Greeting:
        """Open a socket and say hello."""
        await self.close()
        self._listens_only = False
        # A server that made its own certificate is known by its port here.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False))
        try:
            self._socket = await self._session.ws_connect(f"{url}/v1/socket", max_msg_size=0)
        except aiohttp.ClientError as error:
            await self.close()
            raise Gone from error
        self._listening = asyncio.create_task(self._listen(self._socket))
        greeting = await self.ask(Hello(oldest=1, newest=1, client="tests"))
        assert isinstance(greeting, Greeting), greeting
        if self.person is None:
            self.person = Someone(keys_from(self.dice, greeting.server), self.name)
        return greeting

    async def connect(self, url: str) -> SignedIn:
        """Open a socket and sign in; register first when nobody here knows this person."""
        greeting = await self.open(url)
        person = self.person
        assert person is not None
        if person.version == 0:
            request = person.register()
            reply = await self.ask(request)
            assert type(reply).__name__ == "Registered", reply
            person.keep(request.list)
        signed_in = await self.ask(person.sign_in(person.phone, greeting.challenge))
        assert isinstance(signed_in, SignedIn), signed_in
        self.signed_in = signed_in
        return signed_in

    @property
    def is_connected(self) -> bool:
        """Whether the connection is still there, as far as is known."""
        return self._socket is not None

    def stop_reading(self) -> None:
        """Read nothing any more, not even pings, and keep the connection."""
        assert self._socket is not None
        connection = self._socket._conn
        assert connection is not None
        assert connection.transport is not None
        connection.transport.pause_reading()

    def listens_only(self) -> None:
        """Expect answers to anything from now on: what is sent is nonsense."""
        self._listens_only = True

    async def ended(self) -> None:
        """Wait until the connection has ended."""
        if self._listening is not None:
            await asyncio.wait([self._listening])

    async def close(self) -> None:
        """End the connection."""
        if self._session is not None:
            await self._session.close()
        if self._listening is not None:
            await self._listening
        self._session = self._socket = self._listening = None

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                for answer in decode_answers(message.data):
                    self._take(answer)
        except ConnectionError:
            pass  # The same as its end.
        finally:
            await socket.close()
            self._socket = None
            waiting, self._waiting = self._waiting, {}
            for future in waiting.values():
                if not future.done():
                    future.set_exception(Gone())
                    future.exception()  # It may be that nobody asks for it.

    def _take(self, answer: Any) -> None:
        if isinstance(answer, Push):
            if type(answer).__name__ == "Goodbye":
                self.said_goodbye.append(cast("Any", answer).code)
            self.pushes.put_nowait(answer)
            return
        future = self._waiting.pop(answer.id, None)
        if future is None and self._listens_only:
            return
        assert future is not None, f"an answer to no question: {answer}"
        if not future.done():
            future.set_result(answer)

    # ---- Asking ----

    def next_id(self) -> int:
        self.number += 1
        return self.number

    def send(self, *requests: Request) -> list[asyncio.Future[Any]]:
        """Send requests as one frame; what has no number gets one for its answer alone."""
        numbered = []
        for request in requests:
            if request.id == 0:
                self._reads += 1
                request = msgspec.structs.replace(request, id=self._reads)  # noqa: PLW2901
            numbered.append(request)
        futures: list[asyncio.Future[Any]] = []
        for request in numbered:
            future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            assert request.id not in self._waiting, "a number that is still under way"
            self._waiting[request.id] = future
            futures.append(future)
        task = asyncio.ensure_future(self.send_frame(encode_frame(numbered)))
        task.add_done_callback(_forget)
        return futures

    async def send_frame(self, frame: bytes) -> None:
        """Send bytes as one frame."""
        if self._socket is None:
            self._lose()
            return
        try:
            await self._socket.send_bytes(frame)
        except (ConnectionError, aiohttp.ClientError):
            self._lose()

    def _lose(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(Gone())
                future.exception()

    async def ask(self, request: Request) -> Any:
        """Send one request and return its reply."""
        (future,) = self.send(request)
        return await future

    async def push(self, kind: type[Push]) -> Any:
        """Return the next push of a kind, and pass over others."""
        while True:
            push = await self.pushes.get()
            if isinstance(push, kind):
                return push

    # ---- Talking ----

    def message(self, key: bytes, size: int = 64) -> NewEntry:
        """Return an entry with a body of random bytes."""
        header = MessageHeader(self.device, self.dice.randbytes(16), form="kept", key=key)
        return NewEntry(encode(header), self.dice.randbytes(size))

    def handshake(self, talk: Talk, *, renews: bool = False, **routing: Any) -> NewEntry:
        """Return a handshake after the newest one, and take it for stored."""
        header = HandshakeHeader(
            self.device, talk.handshake, renews=renews, routing=Routing(**routing)
        )
        entry = NewEntry(encode(header), self.dice.randbytes(100))
        talk.handshake = entry_name(talk.room, entry.header, entry.body)
        return entry

    def append(self, talk: Talk, *entries: NewEntry) -> Append:
        return Append(id=self.next_id(), room=talk.room, entries=entries)


def _forget(task: "asyncio.Task[None]") -> None:
    if not task.cancelled():
        task.exception()


async def found_room(maker: Friend, *others: Friend) -> Talk:
    """Make a group with these people."""
    talk = Talk(maker.dice.randbytes(16), NOTHING_BEFORE)
    entries = [maker.handshake(talk, renews=True, adds=(_member(maker),))]
    if others:
        adds = tuple(_member(other) for other in others)
        entries.append(maker.handshake(talk, renews=True, adds=adds))
    request = CreateRoom(id=maker.next_id(), room=talk.room, kind="group", entries=tuple(entries))
    reply = await maker.ask(request)
    assert type(reply).__name__ == "Appended", reply
    return talk


def _member(friend: Friend) -> Any:
    assert friend.person is not None
    return member(friend.person.phone.caller)
