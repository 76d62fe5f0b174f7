"""Housekeeping: what has had its time goes, a little at each turn.

    chore ──(tx, where it was)──► Turn(how much it did, where it goes on; None when it is through)

A turn is one transaction of its own among the requests', and looks at a bounded number of lines, so
that nobody waits for it long.  Whoever runs the chores calls again until they are through.  Every
turn may be lost or repeated: what should go is found by looking, never remembered.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, NamedTuple

from alcove.server.audit_log import announce_clearing, drop_events, old_events
from alcove.server.handlers import blobs, chats, deletion, letters, packages
from alcove.server.handlers.entries import drop_body
from alcove.server.handlers.invites import KEPT_DAYS
from alcove.server.handlers.snapshots import drop_snapshots
from alcove.server.roomstate import KEPT, LIVE
from alcove.server.tx import Tx

LINES: Final = 500
"""How many lines one turn deletes."""
EVENTS: Final = 5000
"""How many audit events one turn drops: each time leaves an event that says so."""
BODIES: Final = 100
"""How many bodies one turn drops: each is read once more, for its hash."""
SCAN: Final = 5000
"""How many places of a log one turn looks at."""
ROOMS: Final = 100
"""How many rooms one turn looks at."""

MINUTE_MS: Final = 60 * 1000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS


class Turn(NamedTuple):
    """What came of one turn of a chore."""

    done: int
    """How many things were dropped."""
    next: int | None
    """Where the next turn begins; None when the chore is through."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done from time to time."""

    name: str
    """For the log."""
    turn: Callable[[Tx, int], Turn]
    """(tx, where the turn before ended, 0 for the first) -> what came of it."""
    every_ms: int


def _turn(count: int, most: int) -> Turn:
    """Return what came of a turn that finds what is left by looking for it again."""
    return Turn(count, 0 if count >= most else None)


# ---- Bodies ----


def drop_expired_bodies(tx: Tx, _: int) -> Turn:
    """Drop bodies whose time is over, the oldest first."""
    lines = tx.all(
        """
        SELECT room, seq, body FROM entry
        WHERE expires_at IS NOT NULL AND expires_at <= ? AND body IS NOT NULL
        ORDER BY expires_at LIMIT ?
        """,
        tx.now,
        BODIES,
    )
    for number, seq, body in lines:
        drop_body(tx, number, seq, body)
    return _turn(len(lines), BODIES)


def sweep_live_bodies(tx: Tx, since: int) -> Turn:
    """Drop live bodies that every device which is to get them has passed, room by room.

    A device whose account was asked and has not answered yet is waited for; one that has left or
    was revoked is not.  `room.swept` remembers up to where this was done.
    """
    rooms = tx.all(
        """
        SELECT r.number, r.swept, (
            SELECT MIN(m.passed) FROM member m JOIN device d ON d.device = m.device
            WHERE m.room = r.number AND m.left_at IS NULL AND d.revoked_at IS NULL
        )
        FROM room r WHERE r.number > ? ORDER BY r.number LIMIT ?
        """,
        since,
        ROOMS,
    )
    places, dropped = SCAN, 0
    for number, swept, passed in rooms:
        if passed is None or passed <= swept:
            continue
        if places <= 0 or dropped >= BODIES:
            return Turn(dropped, number - 1)
        until = min(passed, swept + places)
        lines = tx.all(
            """
            SELECT seq, body FROM entry
            WHERE room = ? AND seq > ? AND seq <= ? AND form = ? AND body IS NOT NULL
            ORDER BY seq LIMIT ?
            """,
            number,
            swept,
            until,
            LIVE,
            BODIES - dropped,
        )
        for seq, body in lines:
            drop_body(tx, number, seq, body)
        dropped += len(lines)
        if dropped == BODIES:
            until = lines[-1][0]
        places -= until - swept
        tx.run("UPDATE room SET swept = ? WHERE number = ?", until, number)
        if until < passed:
            return Turn(dropped, number - 1)
    return Turn(dropped, rooms[-1][0] if len(rooms) == ROOMS else None)


# ---- Public states ----


def drop_old_handshakes(tx: Tx, since: int) -> Turn:
    """Drop snapshots, and the bodies of handshakes before the oldest one, that nobody needs.

    Who joins replays the handshakes after a snapshot, to check the kept bodies there.  So those
    before the oldest snapshot may go when no kept body is left among them and every device that is
    to follow has passed that place.  The snapshot's own handshake stays: its body names the state.
    """
    lines = tx.all(
        "SELECT DISTINCT room FROM snapshot WHERE room > ? ORDER BY room LIMIT ?", since, ROOMS
    )
    dropped = 0
    for (number,) in lines:
        drop_snapshots(tx, number)
        dropped += _drop_handshakes(tx, number, BODIES - dropped)
        if dropped >= BODIES:
            return Turn(dropped, number - 1)  # There may be more in this room.
    return Turn(dropped, lines[-1][0] if len(lines) == ROOMS else None)


def _drop_handshakes(tx: Tx, number: int, most: int) -> int:
    """Drop the bodies of a room's handshakes before its oldest snapshot, if nobody needs them."""
    (oldest,) = tx.one("SELECT MIN(seq) FROM snapshot WHERE room = ?", number) or (0,)
    lines = tx.all(
        """
        SELECT seq, body FROM entry
        WHERE room = ? AND form = 0 AND seq < ? AND body IS NOT NULL ORDER BY seq LIMIT ?
        """,
        number,
        oldest,
        most,
    )
    if not lines:
        return 0
    (behind,) = tx.one(
        """
        SELECT COUNT(*) FROM member m JOIN device d ON d.device = m.device
        WHERE m.room = ? AND m.left_at IS NULL AND d.revoked_at IS NULL AND m.passed < ?
        """,
        number,
        oldest,
    ) or (0,)
    needed = tx.one(
        """
        SELECT 1 FROM entry
        WHERE room = ? AND seq > ? AND seq < ? AND form = ? AND body IS NOT NULL LIMIT 1
        """,
        number,
        lines[0][0],
        oldest,
        KEPT,
    )
    if behind or needed:
        return 0
    for seq, body in lines:
        drop_body(tx, number, seq, body)
    return len(lines)


# ---- Answers, letters, tokens, links ----


def forget_answers(tx: Tx, _: int) -> Turn:
    """Forget answers that nobody will ask for again; a device's highest number stays."""
    lines = tx.all("SELECT number, device, last, at FROM answer ORDER BY number LIMIT ?", LINES)
    since = tx.now - tx.settings.answers_days * DAY_MS
    lines = list(takewhile(lambda line: line[3] < since, lines))
    highest: dict[bytes, int] = {}
    for _, device, last, _ in lines:
        highest[device] = max(last, highest.get(device, 0))
    if lines:
        tx.run("DELETE FROM answer WHERE number <= ?", lines[-1][0])
    for device, last in highest.items():
        tx.run("UPDATE device SET counter = ? WHERE device = ? AND counter < ?", last, device, last)
    return _turn(len(lines), LINES)


def drop_letters(tx: Tx, _: int) -> Turn:
    """Drop letters that nobody fetched in time."""
    return _turn(letters.expire_letters(tx, tx.now, LINES), LINES)


def end_tokens(tx: Tx, _: int) -> Turn:
    """Drop tokens that were not used for so long that they have ended."""
    since = tx.now - tx.settings.session_timeout_s * 1000
    count = tx.run(
        "DELETE FROM token WHERE hash IN (SELECT hash FROM token WHERE used_at < ? LIMIT ?)",
        since,
        LINES,
    )
    return _turn(count, LINES)


def drop_links(tx: Tx, _: int) -> Turn:
    """Drop links that have ended: those into rooms at once, invites after a while on the list."""
    count = tx.run(
        """
        DELETE FROM invite WHERE invite IN (
            SELECT invite FROM invite WHERE expires_at < ? LIMIT ?
        )
        """,
        tx.now - KEPT_DAYS * DAY_MS,
        LINES,
    )
    count += tx.run(
        """
        DELETE FROM link WHERE hash IN (
            SELECT hash FROM link WHERE expires_at < ? OR used >= uses LIMIT ?
        )
        """,
        tx.now,
        LINES,
    )
    return _turn(count, LINES)


def forget_asks(tx: Tx, _: int) -> Turn:
    """Forget old requests to chat that hinder nobody any more."""
    return _turn(chats.forget_asks(tx, tx.now), chats.FORGOTTEN_AT_ONCE)


def sweep_leftovers(tx: Tx, _: int) -> Turn:
    """Go on with what accounts that were deleted have left."""
    return _turn(deletion.sweep_leftovers(tx, LINES), LINES)


def drop_claimed(tx: Tx, _: int) -> Turn:
    """Drop key packages that were handed out a while ago."""
    return _turn(packages.drop_claimed(tx, tx.now, LINES), LINES)


# ---- Files ----


def drop_blobs(tx: Tx, _: int) -> Turn:
    """Drop files whose time is over."""
    return _turn(len(blobs.expired(tx, tx.now, LINES)), LINES)


# ---- The audit log ----


def trim_events(tx: Tx, since: int) -> Turn:
    """Drop audit events that are older than the host wants to keep them.

    One turn announces up to which number they go, the next one drops them.
    """
    if since:
        return Turn(drop_events(tx, since, EVENTS), 0)
    until = old_events(tx, tx.now - tx.settings.audit_days * DAY_MS, EVENTS)
    if until:
        announce_clearing(tx, until)
    return Turn(0, until or None)


def count_messages(tx: Tx, stored: Mapping[bytes, int]) -> int:
    """Write down how many entries accounts had stored, given the counts of their devices."""
    counts: dict[bytes, int] = {}
    for device in sorted(stored):
        line = tx.one("SELECT account FROM device WHERE device = ?", device)
        if line is not None:
            counts[line[0]] = counts.get(line[0], 0) + stored[device]
    for account in sorted(counts):
        tx.audit("messages_counted", account, count=counts[account])
    return len(counts)


CHORES: Final = (
    Chore("expired bodies", drop_expired_bodies, MINUTE_MS),
    Chore("live bodies that all have passed", sweep_live_bodies, MINUTE_MS),
    Chore("expired files", drop_blobs, MINUTE_MS),
    Chore("idle tokens", end_tokens, HOUR_MS),
    Chore("ended links", drop_links, HOUR_MS),
    Chore("old letters", drop_letters, HOUR_MS),
    Chore("old answers", forget_answers, HOUR_MS),
    Chore("old requests to chat", forget_asks, HOUR_MS),
    Chore("what deleted accounts left", sweep_leftovers, MINUTE_MS),
    Chore("packages handed out", drop_claimed, HOUR_MS),
    Chore("old handshakes", drop_old_handshakes, HOUR_MS),
    Chore("old audit events", trim_events, HOUR_MS),
)
"""Everything that is done from time to time, the most urgent first."""
