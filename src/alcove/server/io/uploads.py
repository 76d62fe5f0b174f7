"""Uploads that are running: each ends by itself, or when somebody else says so."""

import asyncio
from collections.abc import AsyncIterator

from aiohttp import StreamReader


class Upload:
    """One upload that is running: it ends when nothing comes, or when a newer one takes over."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._waiting: asyncio.Timeout | None = None
        self._ended = asyncio.Event()
        self.is_replaced = False
        self.is_late = False
        self.is_gone = False

    async def parts(self, content: StreamReader) -> AsyncIterator[bytes]:
        """Return what comes, for as long as it goes on coming."""
        while not self.is_replaced:
            try:
                async with asyncio.timeout(self._patience_s) as self._waiting:
                    part = await content.readany()
            except TimeoutError:
                self.is_late = not self.is_replaced
                return
            finally:
                self._waiting = None
            if not part:
                return
            yield part

    def _stop(self) -> None:
        if self._waiting is not None and not self.is_replaced:
            self._waiting.reschedule(0)
        self.is_replaced = True

    async def replace(self) -> None:
        """Let it end where it is, and wait until it has."""
        self._stop()
        await self._ended.wait()

    def be_gone(self) -> None:
        """Let it end where it is, because its blob was dropped."""
        self.is_gone = True
        self._stop()

    def end(self) -> None:
        """Say that nothing is written by this upload any more."""
        self._ended.set()
