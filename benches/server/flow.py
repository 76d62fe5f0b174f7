"""Messages under way: how many are sent at one time, how long they take, and that none is lost.

sender ── window messages ──► server ──► Appended ──► as many more
                                 └─────► NewEntries ──► receiver: the next place, the next number

A run has a warm-up, a part that is measured, and an end in which nothing more is sent and all must
arrive.  What is counted in the middle part is a rate; what is counted in all of it must be the same
on both sides, in each room, in order.
"""

from __future__ import annotations

import asyncio
import gc
import math
import time
from array import array
from collections import deque
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
from benches.server.house import core_s
from benches.server.link import BenchError, Device
from benches.server.rooms import Messages, framed

DRAIN_S: Final = 30
"""How long what was sent may take to arrive after the end."""
LOOK_S: Final = 0.02
PROBLEMS_MAX: Final = 5
"""How many problems of one run are told in words."""
BUSY: Final = 0.9
"""A load generator that computes for more than this part of the time is what limits."""
DISTURBED: Final = 0.05
"""When others have more than this part of the server's core, figures are worth less."""

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

    def note(self, text: str) -> None:
        """Say something about this run below the table."""
        self._figures.note(f"{self.name}: {text}.")

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
        self,
        run: Run,
        device: Device,
        messages: Sequence[Messages],
        window: int,
        *,
        total: int | None = None,
        is_single: bool = False,
    ) -> None:
        self._run = run
        self._device = device
        self._messages = messages
        self._window = window
        self._left = total
        """How many are still to be sent, where not the clock ends it."""
        self._is_single = is_single
        """Whether each message is a frame of its own."""
        self._under_way: deque[float] = deque()
        """When those were sent that are not answered yet."""
        self._next_answer = device.counter + 1
        self._turn = 0
        self.started_at = self.done_at = 0.0
        self.on_done: Callable[[], None] = lambda: None
        """Called with the last answer, where there is a total."""

    def start(self) -> None:
        self._device.link.listen(self.on_frame)
        self.started_at = clock()
        self._say(self._window, self.started_at)

    def missing(self) -> str:
        count = len(self._under_way)
        return f"{count} messages were not answered" if count else ""

    def _say(self, count: int, now: float) -> None:
        if self._left is not None:
            count = min(count, self._left)
            self._left -= count
        if not count:
            return
        messages = self._messages
        if len(messages) == 1 and not self._is_single:
            frames = framed(count, messages[0].take(count, now))
        else:
            pieces = []
            for _ in range(count):
                pieces.append(messages[self._turn].take(1, now))
                self._turn = (self._turn + 1) % len(messages)
            frames = (
                b"".join(framed(1, piece) for piece in pieces)
                if self._is_single
                else framed(count, [part for piece in pieces for part in piece])
            )
        self._under_way.extend([now] * count)
        self._run.sent += count
        self._device.link.write(frames)

    def on_frame(self, frame: bytes) -> None:
        """Take answers, and send as many messages again."""
        now = clock()
        run, under_way = self._run, self._under_way
        count = self._answered(frame)
        if count > len(under_way):
            run.problem(f"{count} answers came to {len(under_way)} messages")
            return
        is_on = run.is_on(now)
        for _ in range(count):
            took = now - under_way.popleft()
            if is_on:
                run.acknowledge_s.append(took)
        run.acknowledged += count
        if is_on:
            run.rate_acknowledged += count
        if self._left == 0 and not under_way:
            self.done_at = now
            self.on_done()
        elif count and now < run.until:
            self._say(count, now)

    def _answered(self, frame: bytes) -> int:
        """Return how many messages a frame answers."""
        count = 0
        for answer in decode_answers(frame):
            if not isinstance(answer, Appended):
                refuse_surprise(self._run, answer)
            elif answer.id == self._next_answer:
                self._next_answer += 1
                count += 1
            else:
                self._run.problem(f"answer {answer.id} came, not {self._next_answer}")
        return count


def refuse_surprise(run: Run, answer: Any) -> None:
    """Take a push that means no harm for nothing; anything else must not come."""
    if isinstance(answer, Refusal | Goodbye):
        run.problem(f"the server refused ({answer.code}): {answer.why}")


class _Log:
    """How far one device has the log of a room, and what comes next."""

    __slots__ = ("messages", "next_number", "next_seq")

    def __init__(self, messages: Messages, head: int) -> None:
        self.messages = messages
        self.next_seq = head + 1
        self.next_number = 0


class Receiver:
    """A device that is pushed what others send to its rooms, one sender in each."""

    def __init__(self, run: Run, device: Device, rooms: Sequence[tuple[Messages, int]]) -> None:
        self._run = run
        self._device = device
        self._logs = {messages.room: _Log(messages, head) for messages, head in rooms}

    def start(self) -> None:
        self._device.link.listen(self.on_frame)

    def missing(self) -> str:
        logs = self._logs.values()
        count = sum(len(log.messages.sent_at) - log.next_number for log in logs)
        return f"{count} messages were not delivered" if count else ""

    def on_frame(self, frame: bytes) -> None:
        """Take what comes, and read what is said to be missing."""
        now = clock()
        is_on = self._run.is_on(now)
        for push in decode_answers(frame):
            if isinstance(push, NewEntries):
                self._take(push.room, push.entries, now, is_on=is_on)
            elif isinstance(push, Entries):
                self._take(push.room, push.entries, now, is_on=is_on)
                if push.more:
                    self._read(push.room)
            elif isinstance(push, Nudge):
                self._run.nudges += 1
                self._read(push.room)
            else:
                refuse_surprise(self._run, push)

    def _take(self, room: bytes, entries: Sequence[Stored], now: float, *, is_on: bool) -> None:
        run, log = self._run, self._logs[room]
        sent_at = log.messages.sent_at
        for entry in entries:
            number = log.messages.number_of(entry)
            if entry.seq != log.next_seq or number != log.next_number:
                run.problem(
                    f"entry {entry.seq} with message {number} came, not entry {log.next_seq} with"
                    f" message {log.next_number}"
                )
                return
            log.next_seq += 1
            log.next_number += 1
            if is_on:
                run.deliver_s.append(now - sent_at[number])
        run.delivered += len(entries)
        if is_on:
            run.rate_delivered += len(entries)

    def _read(self, room: bytes) -> None:
        position = Position(self._device.incarnation, self._logs[room].next_seq - 1)
        self._device.link.say([Read(room=room, since=position, follow=True)])


async def measure(
    run: Run,
    parties: Sequence[Party],
    seconds: float,
    *,
    warm_s: float,
    cpu_s: Callable[[], float] = lambda: math.nan,
) -> Measured:
    """Let everyone begin, measure for a while, and wait until all that was sent has arrived."""
    with quiet_memory():
        run.begin = clock() + warm_s
        run.until = run.begin + seconds
        for party in parties:
            party.start()
        await asyncio.sleep(run.begin - clock())
        begin, core, server_s, own_s = clock(), core_s(), cpu_s(), time.process_time()
        await asyncio.sleep(run.until - clock())
        took, core = clock() - begin, core_s() - core
        server_s, own_s = cpu_s() - server_s, time.process_time() - own_s
        await all_arrived(run, parties)
    if run.is_wrong:
        raise BenchError(f"{run.name} went wrong, so it has no figures")
    if own_s / took > BUSY:
        run.note(f"the load generator was busy for {own_s / took:.0%} of the time")
    others = (core - server_s) / took
    if others > DISTURBED:
        run.note(f"others had {others:.0%} of the server's core, or of its time")
    return Measured(
        seconds=seconds,
        acknowledged=run.rate_acknowledged / seconds,
        delivered=run.rate_delivered / seconds,
        acknowledge_ms=_milliseconds(run.acknowledge_s),
        deliver_ms=_milliseconds(run.deliver_s),
        server_us=server_s / took * seconds / max(1, run.rate_acknowledged) * 1e6,
        generator=own_s / took,
    )


async def all_arrived(run: Run, parties: Sequence[Party]) -> None:
    """Wait until nothing is missing any more, and say what is when that takes too long."""
    give_up_at = clock() + DRAIN_S
    while any(party.missing() for party in parties):
        if run.is_wrong or clock() > give_up_at:
            break
        await asyncio.sleep(LOOK_S)
    for party in parties:
        missing = party.missing()
        if missing:
            run.problem(missing)


@contextmanager
def quiet_memory() -> Iterator[None]:
    """Keep the collector of garbage from stopping the load generator in the middle of a run."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _milliseconds(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 99th percentile, in milliseconds."""
    if not seconds:
        return math.nan, math.nan
    ordered = sorted(seconds)
    return percentile(ordered, 50) * 1000, percentile(ordered, 99) * 1000
