"""Events for one who takes them when it has time."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Self

from alcove.client.errors import UsageError

EVENTS_MAX: Final = 10_000
"""So many events wait for one who listens slowly."""


class Listening:
    """An asynchronous iterator over all events since it was made.  It ends with `close`."""

    def __init__(self, listen: Callable[[Callable[[Any], None]], Callable[[], None]]) -> None:
        self._waiting: deque[Any] = deque()
        self._came = asyncio.Event()
        self._is_closed = False
        self._has_lost = False
        self._stop = listen(self._take)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        while not self._waiting:
            if self._has_lost:
                raise UsageError(
                    "Events were not taken for too long, and some were left out; look at what is"
                    " stored, and listen again."
                )
            if self._is_closed:
                raise StopAsyncIteration
            self._came.clear()
            await self._came.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """Take no more; what waits can still be read."""
        self._stop()
        self._is_closed = True
        self._came.set()

    def _take(self, event: Any) -> None:
        if len(self._waiting) < EVENTS_MAX:
            self._waiting.append(event)
        else:
            self._has_lost = True
            self.close()
        self._came.set()
