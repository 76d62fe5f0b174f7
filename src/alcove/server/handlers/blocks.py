"""Blocks: who wants nothing from whom, and what is not pushed because of it.

Requests of who is blocked wait for ever, letters of his do not arrive, and of the direct room with
him nothing is pushed: its log goes on, and is read by whoever asks for it.  In larger rooms the
others go on talking with him, so there it is the client that hides what he says.
"""

from alcove.server.effects import Routed
from alcove.server.tx import Tx
from alcove.wire.entries import Nudge


def is_blocked(tx: Tx, account: bytes, by: bytes) -> bool:
    """Return whether an account has blocked another one."""
    return tx.one("SELECT 1 FROM block WHERE account = ? AND blocked = ?", account, by) is not None


def route_pair(tx: Tx, account: bytes, other: bytes, *, is_told: bool) -> None:
    """Tell an account's devices of its direct room with another one from now on, or no longer."""
    # The order of the tables is fixed: from the account's rooms.
    rooms = tx.all(
        """
        SELECT r.number, r.room FROM room_account mine CROSS JOIN room r
        CROSS JOIN room_account theirs
        WHERE mine.account = ? AND mine.state = 'active' AND r.number = mine.room
          AND r.kind = 'direct' AND theirs.room = mine.room AND theirs.account = ?
        ORDER BY r.number
        """,
        account,
        other,
    )
    for number, room in rooms:
        here = tx.all(
            """
            SELECT m.device FROM device d CROSS JOIN member m
            WHERE d.account = ? AND m.room = ? AND m.device = d.device AND m.left_at IS NULL
            ORDER BY m.device
            """,
            account,
            number,
        )
        devices = tuple(device for (device,) in here)
        tx.effects.append(Routed(room, devices, is_member=is_told))
        if is_told:
            (head,) = tx.one("SELECT MAX(seq) FROM entry WHERE room = ?", number) or (0,)
            tx.push(devices, Nudge(room=room, head=head))


def blockers_in(tx: Tx, number: int) -> frozenset[bytes]:
    """Return which accounts of a direct room have blocked the other one."""
    lines = tx.all(
        """
        SELECT b.account FROM room_account theirs CROSS JOIN room_account mine CROSS JOIN block b
        WHERE theirs.room = ? AND mine.room = theirs.room
          AND b.account = mine.account AND b.blocked = theirs.account
        """,
        number,
    )
    return frozenset(account for (account,) in lines)
