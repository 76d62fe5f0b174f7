"""One clock, one heap of events, one set of dice, and a record of what happened.

Everything in a world happens because its time on the heap has come, and everything that could be
otherwise comes from the dice: the same seed is the same world.
"""

import heapq
import random
from collections.abc import Callable
from itertools import count
from typing import Any

START_MS = 1_800_000_000_000
"""When every world begins."""
CHAOS_MS = 60_000
"""So long faults strike, and people do things."""
CALM_MS = 90_000
"""So long nothing strikes any more: after that all must be well."""
EVENTS_MAX = 200_000
"""A world in which more happens is one that has gone mad: machines that answer each other."""


class Mad(AssertionError):
    """More happened than can happen where nothing is wrong."""


class World:
    """Time and chance."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)
        self.now = START_MS
        self.ends_at = START_MS + CHAOS_MS + CALM_MS
        self.trace: list[tuple[int, str, str]] = []
        """(when, who, what): everything worth telling."""
        self.events = 0
        self.events_max = EVENTS_MAX
        self._heap: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._names: dict[bytes, str] = {}

    @property
    def is_calm(self) -> bool:
        """Whether the faults are over."""
        return self.now >= START_MS + CHAOS_MS

    def later(self, wait_ms: int, action: Callable[..., None], *args: Any) -> None:
        """Let something happen in a while."""
        self.at(self.now + wait_ms, action, *args)

    def at(self, when: int, action: Callable[..., None], *args: Any) -> None:
        """Let something happen at a time; what was said first happens first."""
        heapq.heappush(self._heap, (max(when, self.now), next(self._order), action, args))

    def run(self, until: int) -> None:
        """Let everything happen up to a time."""
        while self._heap and self._heap[0][0] <= until:
            self.now, _, action, args = heapq.heappop(self._heap)
            self.events += 1
            if self.events > self.events_max:
                raise Mad(f"more than {self.events_max} events: who keeps whom busy?")
            action(*args)
        self.now = until

    def chance(self, likely: float) -> bool:
        """Return True so often."""
        return self.dice.random() < likely

    def wait_ms(self, mean_ms: float) -> int:
        """Return a time to wait: mostly short, sometimes long."""
        return int(self.dice.expovariate(1 / mean_ms))

    # ---- The record ----

    def tell(self, who: str, what: str) -> None:
        """Write down what happened."""
        self.trace.append((self.now, who, what))

    def call(self, thing: bytes, name: str) -> None:
        """Give a thing a name for the record."""
        self._names[thing] = name

    def name(self, thing: bytes | None) -> str:
        """Return what a thing is called in the record."""
        if thing is None:
            return "nothing"
        return self._names.get(thing) or thing.hex()[:8]

    def story(self, lines: int | None = None) -> str:
        """Return what happened, or the last lines of it."""
        told = self.trace if lines is None else self.trace[-lines:]
        return "\n".join(
            f"{(at - START_MS) / 1000:9.3f}  {who:14} {what}" for at, who, what in told
        )
