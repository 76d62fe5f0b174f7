"""W2: a room of a hundred who are all online: deliveries a second, and when the last one has it.

Ten members send and keep one message each under way; then one member does, alone.  Every message
goes to the 99 others.  All of them get the same bytes, so the load generator reads each frame once
and then only compares: it must not be what limits.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from typing import Final

from alcove.wire.codec import decode_answers
from alcove.wire.entries import NewEntries, Nudge
from benches.server.figures import percentile
from benches.server.flow import Run, Sender, clock, measure, refuse_surprise
from benches.server.house import House
from benches.server.link import Device, arrive_all
from benches.server.people import people
from benches.server.plan import Plan
from benches.server.rooms import Messages, Room, follow, make_room

MEMBERS: Final = 100
SENDERS: Final = 10

Read = list[tuple[int, int, int]]
"""What a frame brings: for each message its place in the log (0: none), its sender and number."""


class Crowd:
    """What all members of a room have to get, and how many of them have each message."""

    def __init__(
        self, run: Run, streams: Sequence[Messages], members: int, read: Callable[[bytes], Read]
    ) -> None:
        self.run = run
        self.streams = streams
        self.last_s = array("d")
        """From sending a message until the last member had it."""
        self._others = members - 1
        self._read = read
        self._frame = b""
        self._brings: Read = []
        self._missing: dict[tuple[int, int], int] = {}

    def brings(self, frame: bytes) -> Read:
        """Return what is in a frame; most are the same as the one before."""
        if frame != self._frame:
            self._frame, self._brings = frame, self._read(frame)
        return self._brings

    def got(self, sender: int, number: int, now: float, *, is_on: bool) -> None:
        """Note that one more member has a message."""
        missing = self._missing.get((sender, number), self._others) - 1
        took = now - self.streams[sender].sent_at[number]
        if missing:
            self._missing[sender, number] = missing
        else:
            del self._missing[sender, number]
            if is_on:
                self.last_s.append(took)
        if is_on:
            self.run.deliver_s.append(took)


class Listener:
    """One member, who gets what the others send."""

    def __init__(self, crowd: Crowd, device: Device, me: int | None) -> None:
        self._crowd = crowd
        self._device = device
        self._me = me
        """Which of the senders this is."""
        self._next = [0] * len(crowd.streams)
        self._last_seq = 0

    def start(self) -> None:
        self._device.link.listen(self.on_frame)

    def missing(self) -> str:
        streams = self._crowd.streams
        count = sum(
            len(stream.sent_at) - self._next[sender]
            for sender, stream in enumerate(streams)
            if sender != self._me
        )
        return f"{count} messages were not delivered" if count else ""

    def on_frame(self, frame: bytes) -> None:
        """Check that each message is the next one of its sender, and later in the log."""
        now = clock()
        crowd = self._crowd
        run = crowd.run
        is_on = run.is_on(now)
        brings = crowd.brings(frame)
        for seq, sender, number in brings:
            if number != self._next[sender] or 0 < seq <= self._last_seq:
                run.problem(
                    f"message {number} of sender {sender} came at {seq}, not message"
                    f" {self._next[sender]} after {self._last_seq}"
                )
                return
            self._next[sender] += 1
            self._last_seq = seq
            crowd.got(sender, number, now, is_on=is_on)
        run.delivered += len(brings)
        if is_on:
            run.rate_delivered += len(brings)


class SendingListener(Sender):
    """A member who sends, and gets what the others send."""

    def __init__(self, run: Run, device: Device, stream: Messages, listener: Listener) -> None:
        super().__init__(run, device, [stream], 1)
        self._listener = listener

    def on_frame(self, frame: bytes) -> None:
        """Take answers, and what others have sent."""
        self._listener.on_frame(frame)
        super().on_frame(frame)

    def missing(self) -> str:
        return super().missing() or self._listener.missing()


def reader(run: Run, streams: Sequence[Messages]) -> Callable[[bytes], Read]:
    """Return what reads a frame of our server."""

    def read(frame: bytes) -> Read:
        found: Read = []
        for push in decode_answers(frame):
            if isinstance(push, Nudge):
                run.problem("a member read too slowly and was only nudged")
            elif not isinstance(push, NewEntries):
                refuse_surprise(run, push)
            else:
                for entry in push.entries:
                    for sender, stream in enumerate(streams):
                        number = stream.number_of(entry)
                        if number is not None:
                            found.append((entry.seq, sender, number))
                            break
                    else:
                        run.problem(f"entry {entry.seq} is not what was sent")
        return found

    return read


def run(plan: Plan) -> None:
    """Measure W2."""
    with plan.house("crowd") as house:
        plan.play(_gather(plan, house))


async def _gather(plan: Plan, house: House) -> None:
    figures = plan.figures
    devices = await arrive_all(house.address, people(MEMBERS), is_new=True)
    room = await make_room(devices[0], devices[1:])
    for device in devices:
        await follow(device, room.room)
    delivered, _ = await _talk(plan, house, devices, room, SENDERS, "w2")
    figures.add("w2_deliveries", delivered, "/s")
    delivered, last_ms = await _talk(plan, house, devices, room, 1, "w2_1")
    figures.add("w2_1_deliveries", delivered, "/s")
    figures.add("w2_last_p50_ms", last_ms[0], "ms")
    figures.add("w2_last_p99_ms", last_ms[1], "ms")


async def _talk(
    plan: Plan, house: House, devices: Sequence[Device], room: Room, senders: int, name: str
) -> tuple[float, tuple[float, float]]:
    """Let some members talk; return deliveries a second, and when the last member had it."""
    run = Run(name, plan.figures)
    streams = [Messages(device, room) for device in devices[:senders]]
    crowd = Crowd(run, streams, len(devices), reader(run, streams))
    listeners = [
        Listener(crowd, device, number if number < senders else None)
        for number, device in enumerate(devices)
    ]
    talking = [
        SendingListener(run, device, stream, listener)
        for device, stream, listener in zip(devices, streams, listeners, strict=False)
    ]
    measured = await measure(
        run,
        [*listeners[senders:], *talking],
        plan.seconds,
        warm_s=plan.warm_s,
        cpu_s=house.running.cpu_s,
    )
    plan.figures.add(f"{name}_generator_busy", measured.generator * 100, "%")
    return measured.delivered, last_milliseconds(crowd)


def last_milliseconds(crowd: Crowd) -> tuple[float, float]:
    """Return the median and 99th percentile of when the last member had a message."""
    ordered = sorted(crowd.last_s)
    if not ordered:
        return math.nan, math.nan
    return percentile(ordered, 50) * 1000, percentile(ordered, 99) * 1000
