"""How far others have come: what their devices have stored, and what they have read."""

from alcove.client.events import LineChanged
from alcove.client.store.database import Database
from alcove.client.tx import Tx

MARKED_MAX = 64
"""So many lines are told as changed when somebody catches up; older ones show it when looked at."""


def delivered(tx: Tx, room: bytes, devices: list[tuple[bytes, int]]) -> None:
    """Note how far devices have stored a room's log; places never go back."""
    before, _ = reached(tx.db, room)
    _moved(tx, room, "passed", "device", _of_others(tx, room, devices))
    after, _ = reached(tx.db, room)
    if after > before:
        _tell(tx, room, before, after)


def _of_others(
    tx: Tx, room: bytes, devices: list[tuple[bytes, int]] | tuple[tuple[bytes, int], ...]
) -> list[tuple[bytes, int]]:
    """Leave out the devices of this account: what they have is delivered to nobody."""
    account = tx.me.account
    own = [
        device
        for (device,) in tx.all(
            "SELECT DISTINCT device FROM stay WHERE room = ? AND account = ?", room, account
        )
    ]
    return [(device, seq) for device, seq in devices if device not in own]


def read_by(tx: Tx, room: bytes, account: bytes, seq: int) -> None:
    """Note how far an account has read; places never go back."""
    old = tx.one("SELECT seq FROM read_mark WHERE room = ? AND account = ?", room, account)
    lowest = old[0] if old else 0
    _moved(tx, room, "read_mark", "account", [(account, seq)])
    if account != tx.me.account and seq > lowest:  # One more has read what others had, too.
        _tell(tx, room, lowest, seq)


def _moved(tx: Tx, room: bytes, table: str, column: str, marks: list[tuple[bytes, int]]) -> None:
    """Merge marks by their maximum."""
    for who, seq in marks:
        tx.run(
            f"""
            INSERT INTO {table} (room, {column}, seq) VALUES (?, ?, ?)
            ON CONFLICT (room, {column}) DO UPDATE SET seq = MAX(seq, excluded.seq)
            """,  # noqa: S608  # Names of ours.
            room, who, seq,
        )  # fmt: skip


def _tell(tx: Tx, room: bytes, after: int, upto: int) -> None:
    """Tell that what became of our lines between two places is other."""
    for (number,) in tx.all(
        """
        SELECT number FROM line
        WHERE room = ? AND is_shown = 1 AND seq > ? AND seq <= ? AND account = ?
        ORDER BY seq DESC LIMIT ?
        """,
        room, after, upto, tx.me.account, MARKED_MAX,
    ):  # fmt: skip
        tx.tell(LineChanged(room, number))


def reached(db: Database, room: bytes) -> tuple[int, int]:
    """Return how far anybody else has stored a room's log, and how far anybody else has read it."""
    row = db.one(
        """
        SELECT
            (SELECT MAX(seq) FROM passed WHERE room = ?1),
            (SELECT MAX(seq) FROM read_mark
                WHERE room = ?1 AND account NOT IN (SELECT account FROM me))
        """,
        room,
    )
    assert row is not None
    return row[0] or 0, row[1] or 0


def readers(db: Database, room: bytes, seq: int) -> list[bytes]:
    """Return the accounts that say they have read a place of the log."""
    rows = db.all(
        "SELECT account FROM read_mark WHERE room = ? AND seq >= ? ORDER BY account", room, seq
    )
    return [account for (account,) in rows]
