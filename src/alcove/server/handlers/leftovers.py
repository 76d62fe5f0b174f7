"""Leftovers: what there may be so much of that it goes bit by bit.

    a request ─► the first bit, and a line in `leftover` that says of what there is more
    housekeeping ─► a bit in each turn, until nothing is found; then the line goes (`deletion`)

The line is written together with what makes the rest unreachable, so a crash forgets nothing.
"""

from typing import Literal

from alcove.server.tx import Tx

LINES = 500
"""How many lines one request, or one turn of housekeeping, deletes of what is left over."""

Kind = Literal["account", "archive", "device", "inbox", "room"]


def leave_over(tx: Tx, kind: Kind, name: bytes, until: int = 0) -> None:
    """Note that there is something left, up to a number where numbers count."""
    tx.run(
        """
        INSERT INTO leftover (kind, name, until) VALUES (?, ?, ?)
        ON CONFLICT (kind, name) DO UPDATE SET until = excluded.until
        """,
        kind,
        name,
        until,
    )


def left_until(tx: Tx, kind: Kind, name: bytes) -> int | None:
    """Return up to which number something is still left over; None when nothing is."""
    line = tx.one("SELECT until FROM leftover WHERE kind = ? AND name = ?", kind, name)
    return None if line is None else int(line[0])
