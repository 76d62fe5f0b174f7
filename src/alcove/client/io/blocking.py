"""For scripts that do not await: the same client, one call after the other.

    with Client.blocking("work") as me:
        me.send("@bob", "the backup is done")

A thread of its own keeps the line, so nothing is late while the script computes.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import TimeoutError as TooLongError
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from alcove.client.errors import UsageError
from alcove.client.io.news import MessageReceived

if TYPE_CHECKING:
    from alcove.client.io.client import Client
    from alcove.client.io.listening import Listening
    from alcove.client.io.messages import Message

T = TypeVar("T")

PATIENCE_S: Final = 30.0
"""How long `send` waits until the server has a message."""


class Blocking:
    """A client whose calls return when they are done."""

    def __init__(self, make: "Callable[[], Client]") -> None:
        self._make = make
        self._runner: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None
        self._client: Client | None = None
        self._events: Listening | None = None

    def __enter__(self) -> Self:
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever, name="alcove", daemon=True)
        self._runner = loop, thread
        thread.start()
        try:
            self._client = self._wait(self._open())
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._wait(self.client.close())
        finally:
            self._end()

    @property
    def client(self) -> "Client":
        """The client; what it offers beyond this class is asked through `do`."""
        if self._client is None:
            raise UsageError("This client is not open: use it inside `with`.")
        return self._client

    def do(self, ask: "Callable[[Client], Any]") -> Any:
        """Call a function with the client where it lives, and return what comes of it.

        It may be asynchronous: `me.do(lambda client: client.who_is_online())`.
        """
        return self._wait(self._ask(ask))

    def send(self, to: str, text: str, *, patience_s: float = PATIENCE_S) -> "Message":
        """Say something to `@name` or in a room, and wait until the server has it."""

        async def send(client: "Client") -> "Message":
            return await (await (await client.to(to)).send(text)).sent(patience_s)

        message: Message = self.do(send)
        return message

    def history(self, of: str, limit: int = 50) -> "list[Message]":
        """Return the newest messages of a room, in the order in which they were said."""

        async def history(client: "Client") -> "list[Message]":
            return (await client.to(of)).history(limit)

        found: list[Message] = self.do(history)
        return found

    def receive(self, patience_s: float | None = None) -> "Message | None":
        """Return the next message that somebody sends; None when none came in time."""
        assert self._events is not None
        events = self._events

        async def receive() -> "Message":
            while True:
                news = await anext(events)
                if isinstance(news, MessageReceived):
                    return news.message

        try:
            return self._wait(receive(), patience_s)
        except TooLongError:
            return None

    async def _open(self) -> "Client":
        client = self._make()
        self._events = client.events()  # Before it is opened, so that nothing is missed.
        return await client

    async def _ask(self, ask: "Callable[[Client], Any]") -> Any:
        found = ask(self.client)
        return await found if asyncio.iscoroutine(found) else found

    def _wait(self, work: Coroutine[Any, Any, T], patience_s: float | None = None) -> T:
        assert self._runner is not None
        future = asyncio.run_coroutine_threadsafe(work, self._runner[0])
        try:
            return future.result(patience_s)
        except TooLongError:
            future.cancel()
            raise

    def _end(self) -> None:
        assert self._runner is not None
        loop, thread = self._runner
        self._client = self._runner = None
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def send(to: str, text: str, **options: Any) -> "Message":
    """Say one thing, and be done: `options` are those of `Client`."""
    from alcove.client.io.client import Client  # noqa: PLC0415 - It knows this module.

    with Client.blocking(**options) as me:
        return me.send(to, text)
