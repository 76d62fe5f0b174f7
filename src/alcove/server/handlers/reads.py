"""What reads have in common: who may read a room, how much goes into a page or a statement."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from alcove.server.caller import Caller
from alcove.server.settings import Settings
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused

NAMED_MAX = 256
"""How many accounts, devices or letters one statement names."""

Item = TypeVar("Item")


def in_parts(items: Sequence[Item]) -> Iterator[tuple[str, Sequence[Item]]]:
    """Yield so many items as one statement names, with the marks for them."""
    for start in range(0, len(items), NAMED_MAX):
        part = items[start : start + NAMED_MAX]
        yield ", ".join("?" * len(part)), part


def reading(tx: Tx, caller: Caller, room: bytes) -> int:
    """Return the number of a room whose log this device may read, or refuse."""
    line = tx.one(
        """
        SELECT r.number FROM room r
        JOIN member m ON m.room = r.number AND m.device = ? AND m.left_at IS NULL
        JOIN room_account a ON a.room = r.number AND a.account = m.account AND a.state = 'active'
        WHERE r.room = ?
        """,
        caller.device,
        room,
    )
    if line is None:
        raise Refused(Code.NOT_A_MEMBER)
    return int(line[0])


def reading_public(tx: Tx, caller: Caller, room: bytes, link: bytes | None) -> int:
    """Return the number of a room whose handshakes this device may read, or refuse.

    They are what it takes to join: for who is a member, whose account is, or who has a link.
    """
    line = tx.one(
        """
        SELECT r.number FROM room r
        JOIN room_account a ON a.room = r.number AND a.account = ? AND a.state = 'active'
        WHERE r.room = ? AND EXISTS (
            SELECT 1 FROM member m
            WHERE m.room = r.number AND m.account = a.account AND m.left_at IS NULL
        )
        """,
        caller.account,
        room,
    )
    if line is None and link is not None:
        line = tx.one(
            """
            SELECT r.number FROM room r JOIN link l ON l.room = r.number
            WHERE r.room = ? AND l.hash = ? AND COALESCE(l.expires_at, ?) >= ?
              AND (l.uses IS NULL OR l.used < l.uses)
            """,
            room,
            link,
            tx.now,
            tx.now,
        )
    if line is None:
        raise Refused(Code.NOT_A_MEMBER)
    return int(line[0])


def page_length(sizes: Iterable[int], settings: Settings) -> int:
    """Return how many things of these sizes go into one page: at least one, if there is one."""
    count, size_bytes = 0, 0
    for size in sizes:
        size_bytes += size
        if (count and size_bytes > settings.page_bytes_max) or count == settings.page_entries_max:
            break
        count += 1
    return count
