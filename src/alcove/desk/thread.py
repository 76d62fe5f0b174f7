"""The desk in a thread of its own: a face with another loop asks it, and is never held up by it.

    async with DeskThread(tell, home) as desk:
        chats = await desk.ask(GetChats())

`tell` is called in the desk's thread: a face hands what it gets over to its own loop.
"""

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from alcove.client import ClientError, UsageError
from alcove.desk.calls import Call
from alcove.desk.desk import Desk, Tell
from alcove.desk.news import Alert

R = TypeVar("R")


class Asked(Protocol):
    """What a face asks: a desk that answers from elsewhere."""

    def start(self) -> None:
        """Begin to answer."""

    async def ask(self, call: "Call[R]") -> R:
        """Return what answers a call."""

    async def close(self) -> None:
        """Answer nothing more."""


class DeskThread:
    """A desk, and the thread that it lives in."""

    def __init__(self, tell: Tell, home: Path | None = None) -> None:
        self._desk, self._tell = Desk(tell, home=home), tell
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(self._went_wrong)
        self._thread = threading.Thread(target=self._run, name="alcove desk", daemon=True)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            begun = asyncio.all_tasks(self._loop)
            for one in begun:  # Such as registering at a server that does not answer.
                one.cancel()
            self._loop.run_until_complete(asyncio.gather(*begun, return_exceptions=True))
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _went_wrong(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Say so when nobody else hears of a mistake of ours; what the world does is no mistake."""
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, ClientError | OSError):
            name = type(error).__name__
            text = f"Alcove has made a mistake ({name}): what is shown may be old. Start it again."
            self._tell((Alert(code="mistake", text=text),))
        loop.default_exception_handler(context)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    async def ask(self, call: "Call[R]") -> R:
        """Return what answers a call; whoever stops waiting ends the call too."""
        if self._loop.is_closed():
            raise UsageError("Alcove is ending: start it again.")
        return await self._there(self._desk.ask(call))

    async def close(self) -> None:
        """Let the account go, and end the thread."""
        await self._there(self._desk.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join)

    async def _there(self, work: Coroutine[Any, Any, R]) -> R:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
