"""The audit log as a whole: pages for an export, clearing it, and checking that it is one chain.

    1 2 3 ··· 41 42 43 │ 44 45 46 ··· 90 │ 91 log_cleared(until=43, chain=…)
    └─── dropped ────┘ └──── the rest ───┘    is written before, and says what 44 goes on from

What is dropped goes from the front, and an event remembers where the chain stood there.  So who
edits or takes out anything else breaks the chain, and who drops the front leaves a trace.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from alcove.server.admin_messages import LoggedEvent
from alcove.server.audit import event_chain
from alcove.server.handlers.deletion import ERASED
from alcove.server.store.database import Line
from alcove.server.tx import Tx
from alcove.wire.ids import NOTHING_BEFORE

PAGE: Final = 1000
"""How many events one page has."""
NUMBER_MAX: Final = 2**53
"""The highest number of an audit event that every language can hold."""

_decode = msgspec.json.Decoder(dict[str, str | int]).decode

COLUMNS: Final = """
    e.number, e.at, e.kind, e.account, a.name, e.device, e.address, e.detail, e.suspicious, e.chain
"""


def page(tx: Tx, after: int, *, suspicious: bool = False) -> tuple[LoggedEvent, ...]:
    """Return the events after a number, oldest first."""
    return _select(tx, after, PAGE, order="", suspicious=suspicious)


def newest(tx: Tx, most: int, *, suspicious: bool = False) -> tuple[LoggedEvent, ...]:
    """Return the newest events, oldest of them first."""
    return _select(tx, 0, most, order="DESC", suspicious=suspicious)[::-1]


def _select(
    tx: Tx, after: int, most: int, *, order: str, suspicious: bool
) -> tuple[LoggedEvent, ...]:
    only = "AND e.suspicious = 1" if suspicious else ""
    lines = tx.all(
        f"""
        SELECT {COLUMNS} FROM event e LEFT JOIN account a ON a.account = e.account
        WHERE e.number > ? {only} ORDER BY e.number {order} LIMIT ?
        """,  # noqa: S608 - Our words.
        after,
        most,
    )
    return tuple(_logged(line) for line in lines)


def _logged(line: Line) -> LoggedEvent:
    number, at, kind, account, name, device, address, detail, suspicious, chain = line
    return LoggedEvent(
        number, at, kind, (account or b"").hex(), name or "", (device or b"").hex(), address,
        _decode(detail), bool(suspicious), chain.hex(),
    )  # fmt: skip


# ---- Clearing ----


def announce_clearing(tx: Tx, until: int | None = None) -> int:
    """Write down that all events up to a number go, or all there are, and return that number.

    They are dropped in later transactions: the log goes on from its last line, so that line must
    not go before this event stands behind it.  Returns 0 when there is nothing to clear.
    """
    last = tx.one(
        "SELECT number, chain FROM event WHERE number <= ? ORDER BY number DESC LIMIT 1",
        NUMBER_MAX if until is None else until,
    )
    if last is None:
        return 0
    number, chain = last
    tx.audit("log_cleared", None, until=number, chain=chain.hex())
    return int(number)


def drop_events(tx: Tx, until: int, most: int) -> int:
    """Drop the oldest of the events up to a number, and return how many that was."""
    return tx.run(
        """
        DELETE FROM event WHERE number IN (
            SELECT number FROM event WHERE number <= ? ORDER BY number LIMIT ?
        )
        """,
        until,
        most,
    )


def old_events(tx: Tx, before: int, most: int) -> int:
    """Return up to which number events are older than a time; 0 when none is.

    Only the oldest are looked at.  What stands before an old one is old, whatever the clock said.
    """
    lines = tx.all("SELECT number, at FROM event ORDER BY number LIMIT ?", most)
    return max((int(number) for number, at in lines if at < before), default=0)


# ---- Checking ----


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a check of the chain has come."""

    number: int = 0
    """The last event that was looked at."""
    chain: bytes = NOTHING_BEFORE
    count: int = 0
    erased: int = 0
    """Events of deleted accounts: their places stand, their words are gone."""
    announced: int = 0
    """How many such events deletions have announced."""
    problem: str = ""
    """What is wrong, in one sentence; empty while nothing is."""
    is_over: bool = False


def begin_walk(tx: Tx) -> Walk:
    """Return where the check of the chain begins."""
    first = tx.one("SELECT number FROM event ORDER BY number LIMIT 1")
    if first is None or first[0] == 1:
        return Walk()
    before = int(first[0]) - 1
    for (detail,) in tx.all(
        "SELECT detail FROM event WHERE kind = 'log_cleared' ORDER BY number DESC"
    ):
        told: dict[str, Any] = _decode(detail)
        if told.get("until") == before:
            return Walk(before, bytes.fromhex(str(told["chain"])))
    return Walk(problem=f"Events before {first[0]} are gone, and none says that it was cleared.")


def walk(tx: Tx, so_far: Walk) -> Walk:
    """Check the next page of the chain."""
    if so_far.problem:
        return replace(so_far, is_over=True)
    lines = tx.all(
        """
        SELECT number, at, kind, account, device, address, detail, suspicious, chain FROM event
        WHERE number > ? ORDER BY number LIMIT ?
        """,
        so_far.number,
        PAGE,
    )
    number, chain = so_far.number, so_far.chain
    erased, announced = so_far.erased, so_far.announced
    for *event, suspicious, stored in lines:
        if event[0] != number + 1:
            return _broken(so_far, f"Event {number + 1} is missing.")
        number, detail = event[0], event[6]
        if detail == ERASED:
            erased += 1
        elif stored != event_chain(chain, *event, is_suspicious=bool(suspicious)):
            return _broken(so_far, f"Event {number} is not what was written down.")
        elif event[2] == "account_deleted":
            announced += int(_decode(detail).get("erased_events", 0))
        chain = stored
    is_over = len(lines) < PAGE
    found = Walk(number, chain, so_far.count + len(lines), erased, announced, is_over=is_over)
    if is_over and erased > announced:
        return _broken(found, f"{erased} events are blank, and deletions account for {announced}.")
    return found


def _broken(walk: Walk, problem: str) -> Walk:
    return replace(walk, problem=problem, is_over=True)
