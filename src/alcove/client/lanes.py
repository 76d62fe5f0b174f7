"""What waits to be sent and to be answered: in order, bounded, gathered into frames.

Changes are carried out in the order in which they are sent, and reads beside them.  So each of the
two has its own lane and window, and a long read of old pages holds no message up.
"""

from collections import deque
from typing import NamedTuple

from alcove.client.replies import READS
from alcove.wire.base import Request
from alcove.wire.codec import FRAME_MESSAGES_MAX
from alcove.wire.ids import Millis

GATHERED_BYTES_MAX = 256 * 1024
"""So much goes into one frame; what is larger goes alone."""
CHANGES_MAX = 256
"""How many changes may wait for their answers: the server refuses more as busy."""
READS_MAX = 8
"""How many reads may wait for theirs."""
IN_FLIGHT_BYTES_MAX = 1024 * 1024
"""With so much unanswered, nothing more is sent: the server would take no more either."""
SILENT_MS = 30_000
"""The line is dead when an answer is due and nothing at all has come for so long."""
UNANSWERED_MS = 120_000
"""And when one request has no answer after so long, whatever else came."""

_SMALL_LIST = 16


class _Waiting(NamedTuple):
    """A request that was not sent yet."""

    place: int
    number: int
    kind: type[Request]
    data: bytes


class _Sent(NamedTuple):
    """A request that has no answer yet."""

    kind: type[Request]
    size: int
    at: Millis


def frame_of(messages: list[bytes]) -> bytes:
    """Return the frame that holds these encoded messages: a msgpack list."""
    count = len(messages)
    start = bytes((0x90 | count,)) if count < _SMALL_LIST else b"\xdc" + count.to_bytes(2, "big")
    return start + b"".join(messages)


class Lanes:
    """The requests of one connection, from `put` to `take`."""

    def __init__(self) -> None:
        self._changes: deque[_Waiting] = deque()
        self._reads: deque[_Waiting] = deque()
        self._unanswered: dict[int, _Sent] = {}
        self._place = 0
        self._reads_sent = 0
        self._sent_bytes = 0
        self._heard_at = 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be sent or answered."""
        return not (self._unanswered or self._changes or self._reads)

    def put(self, number: int, kind: type[Request], data: bytes) -> None:
        """Let a request wait for its turn."""
        self._place += 1
        lane = self._reads if kind in READS else self._changes
        lane.append(_Waiting(self._place, number, kind, data))

    def frames(self, now: Millis) -> list[bytes]:
        """Return what may be sent now, and count it as sent."""
        frames: list[bytes] = []
        batch: list[bytes] = []
        size = 0
        while (waiting := self._next()) is not None:
            data = waiting.data
            if batch and (
                size + len(data) > GATHERED_BYTES_MAX or len(batch) == FRAME_MESSAGES_MAX
            ):
                frames.append(frame_of(batch))
                batch, size = [], 0
            batch.append(data)
            size += len(data)
            self.note(waiting.number, waiting.kind, len(data), now)
        if batch:
            frames.append(frame_of(batch))
        return frames

    def note(self, number: int, kind: type[Request], size: int, now: Millis) -> None:
        """Count a request as sent: it waits for its answer."""
        if not self._unanswered:
            self._heard_at = now  # From here on something is due.
        self._unanswered[number] = _Sent(kind, size, now)
        self._reads_sent += kind in READS
        self._sent_bytes += size

    def take(self, number: int) -> type[Request] | None:
        """Return what an answer with this number belongs to; it waits no longer."""
        sent = self._unanswered.pop(number, None)
        if sent is None:
            return None
        self._reads_sent -= sent.kind in READS
        self._sent_bytes -= sent.size
        return sent.kind

    def heard(self, now: Millis) -> None:
        """Note that the line is alive."""
        self._heard_at = now

    def is_dead(self, now: Millis) -> bool:
        """Whether the line has to be given up."""
        self._heard_at = min(self._heard_at, now)  # A clock may be set back.
        dead_at = self.dead_at()
        return dead_at is not None and now >= dead_at

    def dead_at(self) -> Millis | None:
        """Return when the line is given up if nothing comes; None when nothing is due."""
        if not self._unanswered:
            return None
        oldest = next(iter(self._unanswered.values()))
        return min(self._heard_at + SILENT_MS, oldest.at + UNANSWERED_MS)

    def clear(self) -> None:
        """Forget everything: the connection is gone."""
        self._changes.clear()
        self._reads.clear()
        self._unanswered.clear()
        self._reads_sent = self._sent_bytes = 0

    def _next(self) -> _Waiting | None:
        """Take the next request that may be sent now, in the order in which they came."""
        while self._sent_bytes < IN_FLIGHT_BYTES_MAX:
            changes_sent = len(self._unanswered) - self._reads_sent
            lanes = []
            if self._changes and changes_sent < CHANGES_MAX:
                lanes.append(self._changes)
            if self._reads and self._reads_sent < READS_MAX:
                lanes.append(self._reads)
            if not lanes:
                return None
            waiting = min(lanes, key=lambda lane: lane[0].place).popleft()
            if waiting.number not in self._unanswered:  # Else it is under way already.
                return waiting
        return None
