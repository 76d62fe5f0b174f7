"""Who is in a room, and what they may do there, as of any place of its log that is known."""

from typing import NamedTuple

from alcove.client.rooms.roles import INCLUDED
from alcove.client.store.database import Database
from alcove.client.tx import Tx


class Stay(NamedTuple):
    """A device that stood in a room."""

    device: bytes
    account: bytes
    since: int
    until: int | None
    leaf: int
    key: bytes
    certificate: bytes


def stay_at(tx: Tx, room: bytes, device: bytes, seq: int) -> Stay | None:
    """Return who a device was in a room at a place of the log; None when it did not stand there."""
    line = tx.one(
        """
        SELECT device, account, since, until, leaf, key, certificate FROM stay
        WHERE room = ? AND device = ? AND since < ? AND (until IS NULL OR until > ?)
        ORDER BY since DESC
        """,
        room, device, seq, seq,
    )  # fmt: skip
    return None if line is None else Stay(*line)


def role_of(tx: Tx, room: bytes, account: bytes, seq: int) -> str | None:
    """Return what an account was in a room at a place of the log."""
    line = tx.one(
        """
        SELECT role FROM rank WHERE room = ? AND account = ? AND since < ?
        ORDER BY since DESC LIMIT 1
        """,
        room, account, seq,
    )  # fmt: skip
    if line is not None:
        role: str | None = line[0]
        return role
    there = tx.one("SELECT 1 FROM stay WHERE room = ? AND account = ? LIMIT 1", room, account)
    return "member" if there else None


def may_post(tx: Tx, room: bytes, account: bytes, seq: int) -> bool:
    """Return whether an account might say something in a room at a place of its log."""
    line = tx.one(
        "SELECT who FROM posting WHERE room = ? AND since < ? ORDER BY since DESC LIMIT 1",
        room, seq,
    )  # fmt: skip
    if line is None or line[0] == "everyone":
        return True
    return role_of(tx, room, account, seq) in INCLUDED[line[0]]


def members(db: Database, room: bytes) -> list[tuple[bytes, list[bytes]]]:
    """Return the accounts that are in a room now, each with its devices."""
    found: dict[bytes, list[bytes]] = {}
    for account, device in db.all(
        "SELECT account, device FROM stay WHERE room = ? AND until IS NULL ORDER BY account, leaf",
        room,
    ):
        found.setdefault(account, []).append(device)
    return list(found.items())
