"""Messages under way: how many are sent at one time, how long they take, and that none is lost.

sender ── window messages ──► server ──► Appended ──► as many more
                                 └─────► NewEntries ──► receiver: the next place, the next number

A run has a warm-up, a part that is measured, and an end in which nothing more is sent and everything
must arrive.  What is counted in the middle part is a rate; what is counted in all of it must be
the same on both sides, in each room, in order.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

from alcove.wire.codec import decode_answers
from alcove.wire.entries import Appended, Entries, NewEntries, Nudge, Read, Stored
from alcove.wire.errors import Refusal
from alcove.wire.greeting import Goodbye
from alcove.wire.ids import Position
from benches.server.figures import Figures, percentile
from benches.server.link import Device, masked
from benches.server.rooms import Messages

DRAIN_S: Final = 30
"""How long what was sent may take to arrive after the end."""
LOOK_S: Final = 0.02
PROBLEMS_MAX: Final = 5
"""How many problems of one run are told in words."""
BUSY: Final = 0.9
"""A load generator that computes for more than this part of the time is what limits."""

clock = time.perf_counter


class Run:
    """One run: its clock, what was counted, and what went wrong."""

    def __init__(self, name: str, figures: Figures) -> None:
        self.name = name
        self._figures = figures
        self.begin = self.until = float("inf")
        self.sent = self.acknowledged = self.delivered = 0
        """In all."""
        self.rate_acknowledged = self.rate_delivered = 0
        """In the part that is measured."""
        self.acknowledge_s = array("d")
        """From sending a message to its answer."""
        self.deliver_s = array("d")
        """From sending a message to its delivery."""
        self.nudges = 0
        self._problems = 0

    def is_on(self, now: float) -> bool:
        """Whether this moment is measured."""
        return self.begin <= now < self.until

    def problem(self, text: str) -> None:
        """Say that something was lost or is not what it should be."""
        self._problems += 1
        if self._problems <= PROBLEMS_MAX:
            self._figures.problem(f"{self.name}: {text}")

    @property
    def is_wrong(self) -> bool:
        return self._problems > 0


@dataclass(frozen=True)
class Measured:
    """What came of a run."""

    seconds: float
    acknowledged: float
    """In a second."""
    delivered: float
    """In a second."""
    acknowledge_ms: tuple[float, float]
    """Half were answered faster than this, and 99 in 100 than that."""
    deliver_ms: tuple[float, float]
    server_us: float
    """CPU time of the server for each message; nan where it is not known."""
    generator: float
    """The part of the time in which the load generator computed."""


class Party(Protocol):
    """Whoever takes part in a run."""

    def start(self) -> None:
        """Begin."""
        ...

    def missing(self) -> str:
        """Return what has not come yet, in words; nothing when all has."""
        ...


class Sender:
    """A device that keeps so many messages under way, in one room or going round several."""

    def __init__(
        self, run: Run, device: Device, messages: Sequence[Messages], window: int, *, single: bool = False
    ) -> None:
        self._run = run
        self._device = device
        self._messages = messages
        self._window = window
        self._single = single
        """Whether each message is a frame of its own."""
        self.sent_at: dict[int, float] = {}
        """By request id."""
        self._next_answer = device.counter + 1
        self._turn = 0

    def start(self) -> None:
        self._device.link.listen(self.on_frame)
        self._say(self._window, clock())

    def _say(self, count: int, now: float) -> None:
        first = self._device.counter + 1
        if len(self._messages) == 1 and not self._single:
            self._device.link.write(self._messages[0].take(count, now))
        else:
            frames = []
            for _ in range(count):
                frames.append(self._messages[self._turn].take(1, now))
                self._turn = (self._turn + 1) % len(self._messages)
            self._device.link.write(b"".join(frames))
        self.sent_at.update(dict.fromkeys(range(first, first + count), now))
        self._run.sent += count
