"""Answers that were given: why a request that comes twice has one effect and one answer.

A device counts its requests up, so a number higher than all before it is new, without looking.
All answers of a batch are one line of the table, because what a commit costs is the places that it
changes.  Each device's part of a line names the line before it with answers for the same device:

    line 7   [ada: before 0, 1 2 3]  [bob: before 0, 1]
    line 8   [bob: before 7, 2 3]
    line 9   [ada: before 7, 4]      [bob: before 8, 4]       counter: ada 4, line 9;  bob 4, line 9

Counters are written `REPLAYED` lines late: whoever starts reads that many lines again.

Why no answer is missed.  Of a device's numbers, those above `highest` were never used; those above
`older_highest` stand in `recent` if they had an answer; all others stand in `older_line` or in a
line that is reached from it.  Of the counters that are behind, `_stale` has all, the oldest first.
"""

from collections import OrderedDict, deque

import msgspec

from alcove.server.store.database import Connection
from alcove.wire.errors import Code, Refused

DEVICES_MAX = 20_000
"""How many devices' numbers are kept in memory, besides those whose counters are not written."""
ANSWERS_MAX = 65_536
"""How many answers are, of all devices together; older ones are looked up."""
BEHIND_MAX = 1024
"""How far behind a device's highest number a request may be: four times what may be under way."""
REPLAYED = 256
"""How many lines may hold numbers that no counter has yet."""
STEPS = 32
PAUSE_MS = 1000
"""Who makes us look through lines has to wait so long for every so many of them."""
BY_TOKEN = b"h"
"""Stands behind a device's id for what it asks over HTTP, which is counted apart."""


class Given(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An answer, and for which request."""

    id: int
    fingerprint: bytes
    reply: bytes


class Part(msgspec.Struct, array_like=True, gc=False):
    """What one device was told in one batch."""

    device: bytes
    before: int
    """The line before this one with answers for the device; 0 if there was none."""
    highest: int
    """The device's highest number before this batch."""
    given: list[Given]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Part]).decode


class _Device:
    """How far a device has counted, and what it was told lately."""

    __slots__ = (
        "highest",
        "line",
        "older_highest",
        "older_line",
        "part",
        "recent",
        "rests_until",
        "stale_since",
    )

    def __init__(self, highest: int, line: int) -> None:
        self.highest = highest
        self.line = line
        """The newest line with answers for it."""
        self.part: Part | None = None
        """Its part of the batch that is being carried out."""
        self.recent: dict[int, Given] = {}
        self.older_line = line
        """The newest line that `recent` does not have."""
        self.older_highest = highest
        """The highest number in that line and all before it."""
        self.rests_until = 0
        self.stale_since = 0
        """The first line that its counter does not know; 0 if it knows all."""


class Answers:
    """What the devices that are active have asked, and what they were told."""

    def __init__(self) -> None:
        self._devices: OrderedDict[bytes, _Device] = OrderedDict()
        self._stale: dict[bytes, _Device] = {}
        """Whose counters have to be written, the oldest first."""
        self._open: list[tuple[_Device, Part]] = []
        self._kept: deque[tuple[int, list[tuple[_Device, Part]]]] = deque()
        """What is in memory, by line, the oldest first."""
        self._count = 0
        self._line = -1
        """The newest line; -1 before it was asked for."""

    def find(
        self, connection: Connection, device: bytes, request_id: int, now: int
    ) -> Given | None:
        """Return the answer that a request of this number has had, or None if it is new."""
        state = self._devices.get(device) or self._load(connection, device)
        if request_id > state.highest:
            return None
        given = state.recent.get(request_id)
        if given is not None:
            return given
        if request_id <= state.highest - BEHIND_MAX:
            raise Refused(Code.TOO_OLD)
        if request_id > state.older_highest:
            return None
        return self._look_up(connection, device, state, request_id, now)

    def add(self, device: bytes, request_id: int, fingerprint: bytes, reply: bytes) -> None:
        """Remember an answer that `find` did not find; it is written with the batch."""
        state = self._devices[device]
        part = state.part
        if part is None:
            part = state.part = Part(device, state.line, state.highest, [])
            self._open.append((state, part))
        given = Given(request_id, fingerprint, reply)
        part.given.append(given)
        state.recent[request_id] = given
        state.highest = max(state.highest, request_id)

    def write(self, connection: Connection, now: int) -> None:
        """Write the answers of a batch, and the counters that are due."""
        if not self._open:
            return
        line = self._line = self._line + 1
        parts = []
        for state, part in self._open:
            parts.append(part)
            state.part = None
            state.line = line
            if not state.stale_since:
                state.stale_since = line
                self._stale[part.device] = state
            self._count += len(part.given)
        connection.insert("answer (number, at, replies)", [(line, now, _encode(parts))])
        self._kept.append((line, self._open))
        self._open = []
        self._write_counters(connection, line - REPLAYED)
        self._trim()

    def highest(self, connection: Connection, device: bytes) -> int:
        """Return the highest request id that a device has used."""
        return (self._devices.get(device) or self._load(connection, device)).highest

    def erase(self, connection: Connection, device: bytes, lines: int) -> int:
        """Take the answers of a device out of so many lines, and return out of how many it was.

        The device must be one that asks nothing any more.
        """
        state = self._devices.get(device) or self._load(connection, device)
        erased = 0
        while erased < lines:
            parts = self._read(connection, state.line)
            mine = [part for part in parts if part.device == device]
            if not mine:  # The lines before were forgotten, or there were none.
                connection.run("DELETE FROM counter WHERE device = ?", device)
                self._stale.pop(device, None)
                self._devices.pop(device, None)
                break
            others = _encode([part for part in parts if part.device != device])
            connection.run("UPDATE answer SET replies = ? WHERE number = ?", others, state.line)
            state.line = mine[0].before
            _write_counter(connection, device, state)
            erased += 1
        return erased

    def _begin(self, connection: Connection) -> None:
        """Read the newest lines, whose numbers the counters may not have."""
        (self._line,) = connection.one("SELECT COALESCE(MAX(number), 0) FROM answer") or (0,)
        for line, replies in connection.all(
            "SELECT number, replies FROM answer WHERE number > ? ORDER BY number",
            self._line - REPLAYED,
        ):
            kept = []
            for part in _decode(replies):
                state = self._stale.get(part.device)
                if state is None:
                    state = self._stale[part.device] = _Device(part.highest, part.before)
                    state.stale_since = line
                state.line = line
                state.recent.update({given.id: given for given in part.given})
                state.highest = max(state.highest, *(given.id for given in part.given))
                kept.append((state, part))
                self._count += len(part.given)
            self._kept.append((line, kept))
        self._trim()

    def _load(self, connection: Connection, device: bytes) -> _Device:
        if self._line < 0:
            self._begin(connection)
        state = self._stale.get(device)
        if state is None:
            sql = "SELECT last, line FROM counter WHERE device = ?"
            state = _Device(*connection.one(sql, device) or (0, 0))
        self._devices[device] = state
        while len(self._devices) > DEVICES_MAX:
            oldest, gone = self._devices.popitem(last=False)
            if gone.part is not None:  # Its answers are not written yet.
                self._devices[oldest] = gone
                break
        return state

    def _look_up(
        self, connection: Connection, device: bytes, state: _Device, request_id: int, now: int
    ) -> Given | None:
        """Go from line to line, as long as the number may be in one before."""
        wait = state.rests_until - now
        if 0 < wait <= PAUSE_MS * (BEHIND_MAX // STEPS):
            raise Refused(Code.TOO_MANY, retry_after_ms=wait)
        line, highest = state.older_line, state.older_highest
        steps = 0
        while request_id <= highest:
            steps += 1
            state.rests_until = now + PAUSE_MS * (steps // STEPS)
            parts = self._read(connection, line)
            part = next((one for one in parts if one.device == device), None)
            if part is None:  # It was forgotten.
                break
            for given in part.given:
                if given.id == request_id:
                    return given
            line, highest = part.before, part.highest
        return None

    def _read(self, connection: Connection, line: int) -> list[Part]:
        found = connection.one("SELECT replies FROM answer WHERE number = ?", line)
        return _decode(found[0]) if found is not None else []

    def _write_counters(self, connection: Connection, line: int) -> None:
        """Write the counters that have not been right since this line, or one before it."""
        while self._stale:
            device, state = next(iter(self._stale.items()))
            if state.stale_since > line:
                return
            del self._stale[device]
            state.stale_since = 0
            _write_counter(connection, device, state)

    def _trim(self) -> None:
        while self._count > ANSWERS_MAX:
            line, parts = self._kept.popleft()
            for state, part in parts:
                self._count -= len(part.given)
                state.older_line = line
                state.older_highest = max(part.highest, *(given.id for given in part.given))
                for given in part.given:
                    state.recent.pop(given.id, None)


def _write_counter(connection: Connection, device: bytes, state: _Device) -> None:
    connection.run(
        """
        INSERT INTO counter (device, last, line) VALUES (?, ?, ?)
        ON CONFLICT (device) DO UPDATE SET last = excluded.last, line = excluded.line
        """,
        device,
        state.highest,
        state.line,
    )
