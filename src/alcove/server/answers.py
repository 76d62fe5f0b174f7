"""Answers that were given: why a request that comes twice has one effect and one answer.

A device counts its requests up, so a number higher than all before it is new, without looking.
Recent answers are found in memory, older ones in the table; both are bounded, in number and in
age.
"""

from collections import OrderedDict

import msgspec

from alcove.server.store.database import Connection, Value

DEVICES_MAX = 20_000
"""How many devices' recent answers are kept in memory."""
BY_TOKEN = b"h"
"""Stands behind a device's id for what it asks over HTTP, which is counted apart."""
RECENT_MAX = 512
"""How many answers of one device are: twice what may be under way."""


class Given(msgspec.Struct, frozen=True, array_like=True):
    """An answer, and for which request."""

    id: int
    fingerprint: bytes
    reply: bytes


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Given]).decode


class _Device:
    __slots__ = ("highest", "recent", "waiting")

    def __init__(self, highest: int) -> None:
        self.highest = highest
        self.recent: dict[int, Given] = {}
        self.waiting: list[Given] = []


class Answers:
    """What the devices that are active have asked, and what they were told."""

    def __init__(self) -> None:
        self._devices: OrderedDict[bytes, _Device] = OrderedDict()
        self._waiting: list[tuple[bytes, _Device]] = []
        self._number = -1
        """Of the newest line; -1 before it was asked for."""

    def find(self, connection: Connection, device: bytes, request_id: int) -> Given | None:
        """Return the answer that a request of this number has had, or None if it is new."""
        state = self._devices.get(device)
        if state is None:
            state = self._load(connection, device)
        if request_id > state.highest:
            return None
        return state.recent.get(request_id) or self._look_up(connection, device, request_id)

    def add(self, device: bytes, request_id: int, fingerprint: bytes, reply: bytes) -> None:
        """Remember an answer; it is written with the batch."""
        state = self._devices[device]
        given = Given(request_id, fingerprint, reply)
        if not state.waiting:
            self._waiting.append((device, state))
        state.waiting.append(given)
        state.recent[request_id] = given
        state.highest = max(state.highest, request_id)
        if len(state.recent) > RECENT_MAX:
            del state.recent[next(iter(state.recent))]

    def lines(self, connection: Connection, now: int) -> list[tuple[Value, ...]]:
        """Return the lines for the table `answer`: one for each device of the batch."""
        if self._number < 0:
            (self._number,) = connection.one("SELECT COALESCE(MAX(number), 0) FROM answer") or (0,)
        lines: list[tuple[Value, ...]] = []
        for number, (device, state) in enumerate(self._waiting, self._number + 1):
            given = state.waiting
            first = min(one.id for one in given)
            last = max(one.id for one in given)
            lines.append((number, device, first, last, now, _encode(given)))
            state.waiting = []
        self._number += len(lines)
        self._waiting = []
        return lines

    def highest(self, connection: Connection, device: bytes) -> int:
        """Return the highest request id that a device has used."""
        state = self._devices.get(device) or self._load(connection, device)
        return state.highest

    def clear(self) -> None:
        """Forget everything in memory, after a transaction that failed."""
        self._devices.clear()
        self._waiting = []
        self._number = -1

    def _load(self, connection: Connection, device: bytes) -> _Device:
        (kept,) = connection.one(
            """
            SELECT COALESCE(MAX(highest), 0) FROM (
                SELECT MAX(last) AS highest FROM answer WHERE device = ?
                UNION ALL SELECT counter FROM device WHERE device = ?
            ) AS known
            """,
            device,
            device,
        ) or (0,)
        state = self._devices[device] = _Device(kept)
        if len(self._devices) > DEVICES_MAX:
            oldest, gone = self._devices.popitem(last=False)
            if gone.waiting:  # Its answers are not written yet.
                self._devices[oldest] = gone
        return state

    def _look_up(self, connection: Connection, device: bytes, request_id: int) -> Given | None:
        lines = connection.all(
            "SELECT replies FROM answer WHERE device = ? AND last >= ? AND first <= ?",
            device,
            request_id,
            request_id,
        )
        for (replies,) in lines:
            for given in _decode(replies):
                if given.id == request_id:
                    return given
        return None
