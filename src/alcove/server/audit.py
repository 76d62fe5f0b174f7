"""The audit log: what was done, in one hash-chained order that nobody edits.

An event is gathered when its request was carried out, and written with the batch; one of an attempt
also when the request was refused (`Tx.audit`).  `suspicion` looks at the stream and adds events of
its own.
"""

import hashlib
from typing import Any

import msgspec

from alcove.server.audit_kinds import HOST_ONLY, KINDS, shown_address
from alcove.server.effects import Effect, ToAccount
from alcove.server.store.database import Connection, Value
from alcove.server.suspicion import Suspicion
from alcove.wire.codec import encode
from alcove.wire.events import Event, NewEvent
from alcove.wire.ids import NOTHING_BEFORE

EVENTS = "event (number, at, kind, account, device, address, detail, suspicious, chain)"

_encode_json = msgspec.json.Encoder(order="deterministic").encode


def event_chain(
    chain: bytes,
    number: int,
    at: int,
    kind: str,
    account: bytes | None,
    device: bytes | None,
    address: str,
    detail: str,
    *,
    is_suspicious: bool,
) -> bytes:
    """Return the running hash of the log after one more event."""
    line = msgspec.msgpack.encode(
        [number, at, kind, account, device, address, detail, is_suspicious]
    )
    return hashlib.sha256(b"alcove audit 1" + chain + line).digest()


class Audit:
    """The end of the log, and the events that wait to be written."""

    def __init__(self) -> None:
        self.suspicious = 0
        """How much the rules have found since the start."""
        self._waiting: list[tuple[Any, ...]] = []
        self._suspicion = Suspicion()
        self._number: int | None = None
        self._chain = NOTHING_BEFORE

    def add(
        self,
        now: int,
        kind: str,
        account: bytes | None,
        device: bytes,
        address: str,
        detail: dict[str, str | int],
        is_suspicious: bool,  # noqa: FBT001
    ) -> None:
        """Gather an event, and what the rules find in it."""
        assert kind in KINDS, kind
        self._waiting.append((now, kind, account, device, address, detail, is_suspicious))
        for finding in self._suspicion.see(kind, account, address, now):
            found: dict[str, str | int] = {"rule": finding.rule, "count": finding.count}
            # What was found about an address is for the host; where it was is for nobody else.
            where = address if finding.account is None else ""
            self.suspicious += 1
            self._waiting.append((now, "suspicious", finding.account, b"", where, found, True))

    def drop(self) -> None:
        """Forget what waits and where the log ends, after a transaction that failed."""
        self._waiting.clear()
        self._number = None

    def write(self, connection: Connection) -> list[Effect]:
        """Write what waits, and return whom to tell."""
        if not self._waiting:
            return []
        if self._number is None:
            last = connection.one("SELECT number, chain FROM event ORDER BY number DESC LIMIT 1")
            self._number, self._chain = last or (0, NOTHING_BEFORE)
        lines: list[tuple[Value, ...]] = []
        effects: list[Effect] = []
        for at, kind, account, device, address, detail, is_suspicious in self._waiting:
            text = _encode_json(detail).decode()
            number = self._number = self._number + 1
            self._chain = event_chain(
                self._chain, number, at, kind, account, device or None, address, text,
                is_suspicious=is_suspicious,
            )  # fmt: skip
            mark = int(is_suspicious)
            lines.append(
                (number, at, kind, account, device or None, address, text, mark, self._chain)
            )
            if account is not None and kind not in HOST_ONLY:
                event = Event(
                    number, at, kind, account, device or None, shown_address(address), detail,
                    is_suspicious, self._chain,
                )  # fmt: skip
                effects.append(ToAccount(account, encode(NewEvent(event=event)), device))
        self._waiting.clear()
        connection.insert(EVENTS, lines)
        return effects
