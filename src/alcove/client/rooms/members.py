"""Who is in a room, and what they may do there, as of any place of its log that is known."""

from typing import Any, NamedTuple

from alcove.client.rooms.roles import INCLUDED
from alcove.client.store.database import Database
from alcove.client.tx import Tx

END = 2**63 - 1
"""Behind all places."""


class Stay(NamedTuple):
    """A device that stood in a room."""

    device: bytes
    account: bytes
    since: int
    until: int | None
    leaf: int
    key: bytes
    certificate: bytes


class Between(NamedTuple):
    """What was looked up of the places between two handshakes, where it is the same everywhere."""

    low: int
    high: int
    known: dict[tuple[Any, ...], Any]


def between(tx: Tx, room: bytes, seq: int) -> dict[tuple[Any, ...], Any]:
    """Return what is remembered of a place of the log, to be added to.

    It is forgotten as soon as any handshake, stay, rank or right is written: see `Tx.run`.
    """
    here: Between | None = tx.memory.between.get(room)
    if here is None or not here.low < seq < here.high:
        low, high = tx.line(
            """
            SELECT (SELECT MAX(seq) FROM handshake WHERE room = ?1 AND seq < ?2),
                (SELECT MIN(seq) FROM handshake WHERE room = ?1 AND seq >= ?2)
            """,
            room, seq,
        )  # fmt: skip
        here = Between(low or 0, END if high is None else high, {})
        if here.high != seq:
            tx.memory.between[room] = here
    return here.known


def stay_at(tx: Tx, room: bytes, device: bytes, seq: int) -> Stay | None:
    """Return who a device was in a room at a place of the log; None when it did not stand there."""
    known = between(tx, room, seq)
    stay: Stay | None = known.get(("stay", device))
    if stay is None:
        stay = _stay_at(tx, room, device, seq)
        if stay is not None:
            known["stay", device] = stay
    return stay


def _stay_at(tx: Tx, room: bytes, device: bytes, seq: int) -> Stay | None:
    line = tx.one(
        """
        SELECT device, account, since, until, leaf, key, certificate FROM stay
        WHERE room = ? AND device = ? AND since < ? AND (until IS NULL OR until > ?)
        ORDER BY since DESC
        """,
        room, device, seq, seq,
    )  # fmt: skip
    return None if line is None else Stay(*line)


def has_stood(tx: Tx, room: bytes, account: bytes, seq: int) -> bool | None:
    """Return whether an account had a device in a room after the handshake at a place.

    None when it is not known who was there then.
    """
    (found,) = tx.line(
        """
        SELECT MAX(account = ?1 AND (until IS NULL OR until > ?3)) FROM stay
        WHERE room = ?2 AND since <= ?3
        """,
        account, room, seq,
    )  # fmt: skip
    return None if found is None else bool(found)


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
    return may_at(tx, room, account, seq, "who")


def may_at(tx: Tx, room: bytes, account: bytes, seq: int, what: str) -> bool:
    """Return the same for pinning (`pin`) and calling all (`call`)."""
    known = between(tx, room, seq)
    found: bool | None = known.get((what, account))
    if found is None:
        found = known[what, account] = _may_at(tx, room, account, seq, what)
    return found


def _may_at(tx: Tx, room: bytes, account: bytes, seq: int, what: str) -> bool:
    line = tx.one(
        f"SELECT {what} FROM posting WHERE room = ? AND since < ? ORDER BY since DESC LIMIT 1",  # noqa: S608 - A word of ours.
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
