"""Housekeeping: what has had its time goes, a little at each turn.

    chore ──(tx, where it was)──► Turn(how much it did, where it goes on; None when it is through)

A turn is one transaction of its own among the requests', and looks at a bounded number of lines, so
that nobody waits for it long.  Whoever runs the chores calls again until they are through.  Every
turn may be lost or repeated: what should go is found by looking, never remembered.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, NamedTuple

from alcove.server.answers import REPLAYED
from alcove.server.audit_log import announce_clearing, drop_events, old_events
from alcove.server.handlers import blobs, chats, deletion, letters, links, packages
from alcove.server.handlers.entries import drop_body
from alcove.server.handlers.invites import KEPT_DAYS
from alcove.server.handlers.snapshots import drop_snapshots
from alcove.server.roomstate import KEPT, LIVE
from alcove.server.store.database import Line
from alcove.server.tx import Tx

LINES: Final = 500
"""How many lines one turn deletes."""
EVENTS: Final = 2000
"""How many audit events one turn drops: each time leaves an event that says so."""
COPIES: Final = 250
"""How many copies of letters one turn drops: each stands in four indexes."""
BODIES: Final = 100
"""How many bodies one turn drops: each is read once more, for its hash."""
BODY_BYTES: Final = 2 * 1024 * 1024
"""How much of bodies one turn reads, unless one alone is larger."""
PLACES: Final = 50_000
"""How many places of logs one turn looks at, or one room's."""
ROOMS: Final = 100
"""How many rooms one turn looks at."""
MEMBERS: Final = 4000
"""How many members one turn looks at, or one room's."""

SIGHTS_MS: Final = 10 * 1000
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


class _Dropping:
    """The bodies that one turn drops: not many, and not much of them."""

    def __init__(self, tx: Tx) -> None:
        self._tx = tx
        self._read = 0
        self.count = 0

    @property
    def is_full(self) -> bool:
        """Whether the turn has done enough."""
        return self.count >= BODIES or self._read >= BODY_BYTES

    def drop(self, lines: Sequence[Line]) -> None:
        """Drop these bodies, (room, seq, size), until the turn has done enough."""
        tx = self._tx
        for number, seq, size in lines:
            if self.is_full:
                return
            found = tx.one("SELECT body FROM entry WHERE room = ? AND seq = ?", number, seq)
            drop_body(tx, number, seq, found[0] if found else b"")
            self._read += size
            self.count += 1


def drop_expired_bodies(tx: Tx, _: int) -> Turn:
    """Drop bodies whose time is over, the oldest first."""
    dropping = _Dropping(tx)
    dropping.drop(
        tx.all(
            """
            SELECT room, seq, LENGTH(body) FROM entry
            WHERE expires_at IS NOT NULL AND expires_at <= ? AND body IS NOT NULL
            ORDER BY expires_at LIMIT ?
            """,
            tx.now,
            BODIES,
        )
    )
    return Turn(dropping.count, 0 if dropping.is_full else None)


def sweep_live_bodies(tx: Tx, since: int) -> Turn:
    """Drop live bodies that every device which is to get them has passed, room by room.

    Only rooms that hold such bodies are looked at.
    """
    dropping, number, looked = _Dropping(tx), since, 0
    for _ in range(ROOMS):
        oldest = tx.one(
            f"""
            SELECT room, seq FROM entry WHERE form = {LIVE} AND body IS NOT NULL AND room > ?
            ORDER BY room, seq LIMIT 1
            """,  # noqa: S608 - Our number: the index knows it.
            number,
        )
        if oldest is None:
            return Turn(dropping.count, None)
        number = oldest[0]
        lines = tx.all(
            f"""
            SELECT room, seq, LENGTH(body) FROM entry
            WHERE form = {LIVE} AND body IS NOT NULL AND room = ? AND seq <= ?
            ORDER BY room, seq LIMIT ?
            """,  # noqa: S608 - Our number: the index knows it.
            number,
            _passed_by_all(tx, *oldest),
            BODIES,
        )
        dropping.drop(lines)
        if dropping.is_full:
            return Turn(dropping.count, number - 1)  # There may be more in this room.
        (members,) = tx.one("SELECT COUNT(*) FROM member WHERE room = ?", number) or (0,)
        looked += members
        if looked >= MEMBERS:
            break
    return Turn(dropping.count, number)


def _passed_by_all(tx: Tx, number: int, seq: int) -> int:
    """Return up to where all have passed a room's log; 0 when somebody has not passed this place.

    A device whose account was asked and has not answered yet is waited for.  One that has left or
    was revoked is not, nor is who has declined.  A room that nobody is in is left to its expiry.
    """
    waiting = """
        FROM member m JOIN device d ON d.device = m.device
        WHERE m.room = ? AND m.left_at IS NULL AND d.revoked_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM room_account a
            WHERE a.room = m.room AND a.account = m.account AND a.declined_at IS NOT NULL
        )
        """
    # In a large room somebody is nearly always away, and is found before all have been looked at.
    if tx.one(f"SELECT 1 {waiting} AND m.passed < ? LIMIT 1", number, seq) is not None:
        return 0
    (passed,) = tx.one(f"SELECT MIN(m.passed) {waiting}", number) or (None,)
    return passed or 0


# ---- Public states ----


def drop_old_handshakes(tx: Tx, since: int) -> Turn:
    """Drop snapshots, and the bodies of handshakes before the oldest one, that nobody needs.

    Who joins replays the handshakes after a snapshot, to check the kept bodies there.  So those
    before the oldest snapshot may go when no kept body is left among them and every device that is
    to follow has passed that place.  The snapshot's own handshake stays: its body names the state.
    """
    lines = tx.all(
        """
        SELECT room, MAX(seq) FROM snapshot WHERE room > ? GROUP BY room ORDER BY room LIMIT ?
        """,
        since,
        ROOMS,
    )
    dropping, places = _Dropping(tx), 0
    for number, newest in lines:
        drop_snapshots(tx, number)
        dropping.drop(_needless_handshakes(tx, number))
        if dropping.is_full:
            return Turn(dropping.count, number - 1)  # There may be more in this room.
        places += newest
        if places >= PLACES:
            return Turn(dropping.count, number)
    return Turn(dropping.count, lines[-1][0] if len(lines) == ROOMS else None)


def _needless_handshakes(tx: Tx, number: int) -> Sequence[Line]:
    """Return the handshakes before a room's oldest snapshot, if nobody needs their bodies."""
    (oldest,) = tx.one("SELECT MIN(seq) FROM snapshot WHERE room = ?", number) or (0,)
    lines = tx.all(
        """
        SELECT room, seq, LENGTH(body) FROM entry
        WHERE room = ? AND form = 0 AND seq < ? AND body IS NOT NULL ORDER BY seq LIMIT ?
        """,
        number,
        oldest,
        BODIES,
    )
    if not lines or _passed_by_all(tx, number, oldest) < oldest:
        return ()
    # What is kept for a while goes from its oldest end: what is left is found at the newest.
    needed = tx.one(
        """
        SELECT 1 FROM entry
        WHERE room = ? AND seq > ? AND seq < ? AND form = ? AND body IS NOT NULL
        ORDER BY seq DESC LIMIT 1
        """,
        number,
        lines[0][1],
        oldest,
        KEPT,
    )
    return () if needed else lines


# ---- Answers, letters, tokens, links ----


def forget_answers(tx: Tx, _: int) -> Turn:
    """Forget answers that nobody will ask for again; a device's highest number stays."""
    since = tx.now - tx.settings.answers_days * DAY_MS
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM answer") or (0,)
    lines = tx.all(
        "SELECT number, at FROM answer WHERE number <= ? ORDER BY number LIMIT ?",
        newest - REPLAYED,
        LINES,
    )
    lines = list(takewhile(lambda line: line[1] < since, lines))
    if lines:
        tx.run("DELETE FROM answer WHERE number <= ?", lines[-1][0])
    return _turn(len(lines), LINES)


def drop_letters(tx: Tx, _: int) -> Turn:
    """Drop letters that nobody fetched in time."""
    return _turn(letters.expire_letters(tx, tx.now, COPIES), COPIES)


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
    count += tx.run(  # Their last use has told who is to know.
        "DELETE FROM link WHERE hash IN (SELECT hash FROM link WHERE used >= uses LIMIT ?)",
        LINES,
    )
    ended = tx.all("SELECT hash, room FROM link WHERE expires_at < ? LIMIT ?", tx.now, LINES)
    for link, room in ended:
        links.tell_ended(tx, room, link)
        tx.run("DELETE FROM link WHERE hash = ?", link)
    return _turn(count + len(ended), LINES)


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


def write_sights(tx: Tx, _: int) -> Turn:
    """Write down when devices were there last, and their accounts, unless they were invisible."""
    sights = tx.presence.take_sights(LINES)
    for sight in sights:
        tx.run(
            "UPDATE device SET seen_at = ?, client = COALESCE(?, client) WHERE device = ?",
            sight.at,
            sight.client,
            sight.device,
        )
        if not sight.is_hidden:
            tx.run(
                "UPDATE account SET seen_at = ? WHERE account = ? AND COALESCE(seen_at, 0) < ?",
                sight.at,
                sight.account,
                sight.at,
            )
    return Turn(0, 1 if len(sights) == LINES else None)


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


SIGHTS: Final = Chore("last visits", write_sights, SIGHTS_MS)
CHORES: Final = (
    SIGHTS,
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
