"""What is said comes in: from the log, in any order, and from this device's own outbox."""

from collections.abc import Callable
from typing import NamedTuple

from alcove.client.events import LineChanged, LineShown
from alcove.client.rooms.members import may_at, role_of
from alcove.client.timeline.effects import lose_body, names, refresh, undo
from alcove.client.timeline.rows import (
    NUMBERS_PER_MS,
    SHOWN,
    WAITING,
    Facts,
    facts,
    first_number,
    free_number,
    index,
    unindex,
)
from alcove.client.tx import Tx
from alcove.wire.content import Content, Said, encode_content
from alcove.wire.ids import Millis

PASSING = ("no-key",)
"""Causes of what could not be opened yet: the content takes the note's place when it comes."""
RANKS = {"owner": 3, "admin": 2, "member": 1}
"""Who may take away what others say: whoever is an admin, or more, and stands above them."""


class Rights(NamedTuple):
    """Who is what, asked of the room at a place of its log.  The answer never changes."""

    role_of: Callable[[Tx, bytes, bytes, int], str | None]
    """(tx, room, account, seq): owner, admin, member or None."""
    may: Callable[[Tx, bytes, bytes, int, str], bool]
    """(tx, room, account, seq, what): whether an account may `pin`, or `call` everyone."""


ROOM_RIGHTS = Rights(role_of, may_at)
"""As the room's signed state has it."""


class Opened(NamedTuple):
    """An entry of the log that was opened, or whose body is gone."""

    seq: int
    at: Millis
    """By the server's clock."""
    account: bytes
    device: bytes
    content: bytes
    """The content's id."""
    said: Said | None
    """None for a body that the server has no more."""
    expires_at: Millis | None


# ---- From the log ----


def take(tx: Tx, room: bytes, opened: Opened, rights: Rights = ROOM_RIGHTS) -> None:
    """Take an entry of the log: the same entries in any order give the same timeline."""
    seq, at, account, device, content, said, expires_at = opened
    if expires_at is not None and expires_at <= tx.now:
        return
    number = first_number(at)
    known, acts, muted, gap, highest = tx.line(
        """
        SELECT
            (SELECT number FROM line WHERE content = ?1 AND room = ?2 AND account = ?3),
            EXISTS (SELECT 1 FROM line WHERE target = ?1),
            (SELECT is_on FROM line
                WHERE kind = 'mute' AND room = ?2 AND target_account = ?3 AND seq <= ?4
                    AND counts = 1
                ORDER BY seq DESC LIMIT 1),
            (SELECT number FROM line
                WHERE room = ?2 AND is_shown = 1 AND seq = ?4 AND kind = 'gap'),
            (SELECT MAX(number) FROM line WHERE number >= ?5 AND number < ?6)
        """,
        content, room, account, seq, number, number + NUMBERS_PER_MS,
    )  # fmt: skip
    if known is not None and not _is_earlier(tx, room, known, opened):
        return
    if gap is not None:
        tx.run("DELETE FROM line WHERE number = ?", gap)
    if highest is not None:  # There is mostly a number left after those of the same moment.
        is_full = highest + 1 == number + NUMBERS_PER_MS
        number = free_number(tx, at) if is_full else highest + 1
    row = _Row(number, room, seq, "stored", at, account, device, content, expires_at or 0)
    if _insert(tx, row, said, rights, muted=bool(muted)):
        tx.tell(LineShown(room, number))
    if acts:
        refresh(tx, room, account, content)


def _is_earlier(tx: Tx, room: bytes, number: int, opened: Opened) -> bool:
    """Make place for an entry whose id is known, if it stands before the one that we have.

    A sender's second entry with one id means nothing, and history may come newest first.
    """
    (seq,) = tx.line("SELECT seq FROM line WHERE number = ?", number)
    if opened.seq >= seq:
        return False
    remove(tx, room, number)
    return True


def dropped(tx: Tx, room: bytes, seqs: list[int] | tuple[int, ...], until: Millis) -> None:
    """Forget bodies at these places of the log, of what came at this time or before."""
    for seq in seqs:
        row = tx.one(
            """
            SELECT number, kind FROM line
            WHERE room = ? AND is_shown IN (0, 1) AND seq = ? AND content IS NOT NULL AND at <= ?
            """,
            room, seq, until,
        )  # fmt: skip
        if row is not None and row[1] not in {"gone", "delete"}:  # A removal stays.
            lose_body(tx, room, row[0])


def note(
    tx: Tx, room: bytes, seq: int, at: Millis, cause: str, account: bytes | None = None
) -> None:
    """Show that something happened at a place of the log; saying it twice shows it once.

    Notes of one place stand in the order in which they were told: what the server's clock says of
    one and ours of another does not tell which was first.
    """
    is_gap = cause in PASSING
    if tx.one(
        """
        SELECT 1 FROM line
        WHERE room = ? AND is_shown IN (0, 1) AND seq = ?
            AND ((cause = ? AND account = ?) OR (? AND content IS NOT NULL))
        """,
        room, seq, cause, account or b"", is_gap,
    ):  # fmt: skip
        return
    (last,) = tx.line(
        """
        SELECT MAX(number) FROM line
        WHERE room = ? AND is_shown IN (0, 1) AND seq = ? AND content IS NULL
        """,
        room, seq,
    )  # fmt: skip
    number = free_number(tx, at, last or 0)
    tx.run(
        """
        INSERT INTO line (number, room, is_shown, seq, cause, kind, state, at, account)
        VALUES (?, ?, 1, ?, ?, ?, 'stored', ?, ?)
        """,
        number, room, seq, cause, "gap" if is_gap else "note", at, account or b"",
    )  # fmt: skip
    tx.tell(LineShown(room, number))


def explain(tx: Tx, room: bytes, seq: int, cause: str) -> None:
    """What could not be opened yet never will be, and this is why."""
    line = tx.one(
        """
        UPDATE line SET kind = 'note', cause = ?
        WHERE room = ? AND is_shown = 1 AND seq = ? AND kind = 'gap' RETURNING number
        """,
        cause, room, seq,
    )  # fmt: skip
    if line is not None:
        tx.tell(LineChanged(room, line[0]))


def retell(tx: Tx, room: bytes, places: range, was: str, cause: str, account: bytes) -> bool:
    """Let a note about somebody say what is known by now; returns whether there was one."""
    found = tx.one(
        """
        UPDATE line SET cause = ?
        WHERE room = ? AND is_shown = 1 AND seq >= ? AND seq < ? AND cause = ? AND account = ?
        RETURNING number
        """,
        cause, room, places.start, places.stop, was, account,
    )  # fmt: skip
    if found is not None:
        tx.tell(LineChanged(room, found[0]))
    return found is not None


# ---- From the outbox ----


def show_own(
    tx: Tx,
    room: bytes,
    content_id: bytes,
    said: Said,
    expires_at: Millis | None = None,
    rights: Rights = ROOM_RIGHTS,
) -> int:
    """Show what this device is about to say; returns the number of its line.

    What is no line of its own (an edit, a reaction) takes effect at once, until it fails.
    """
    me = tx.me
    before, last, muted = tx.line(
        """
        SELECT
            (SELECT number FROM line WHERE content = ?1 AND room = ?2 AND account = ?3),
            (SELECT MAX(seq) FROM line WHERE room = ?2 AND is_shown IN (0, 1) AND seq >= ?4),
            (SELECT is_on FROM line
                WHERE kind = 'mute' AND room = ?2 AND target_account = ?3 AND counts = 1
                ORDER BY seq DESC LIMIT 1)
        """,
        content_id, room, me.account, WAITING,
    )  # fmt: skip
    if before is not None:
        remove(tx, room, before)
        last = last_place(tx, room) - 1
    number = free_number(tx, tx.now)
    row = _Row(
        number, room, WAITING if last is None else last + 1, "waiting", tx.now, me.account,
        me.device, content_id, expires_at or 0,
    )  # fmt: skip
    if _insert(tx, row, said, rights, muted=bool(muted)):
        tx.tell(LineShown(room, number))
    return number


def last_place(tx: Tx, room: bytes) -> int:
    """Return a place behind all that waits."""
    (last,) = tx.line(
        "SELECT MAX(seq) FROM line WHERE room = ? AND is_shown IN (0, 1) AND seq >= ?",
        room, WAITING,
    )  # fmt: skip
    return WAITING if last is None else int(last) + 1


def completed(tx: Tx, room: bytes, content_id: bytes, content: Content) -> None:
    """The files of what waits are on the server: keep what will be said."""
    row = _own(tx, room, content_id)
    if row is not None:
        tx.run("UPDATE line SET body = ? WHERE number = ?", encode_content(content), row[0])
        tx.tell(LineChanged(room, row[0]))


def stored(
    tx: Tx,
    room: bytes,
    content_id: bytes,
    seq: int,
    at: Millis,
    rights: Rights = ROOM_RIGHTS,
) -> None:
    """Note that the log has what this device said, and where."""
    me = tx.me.account
    row = tx.one(
        """
        SELECT number, kind, target, target_account, is_shown, is_muted,
            COALESCE((SELECT is_on FROM line
                WHERE kind = 'mute' AND room = ?2 AND target_account = ?3 AND seq <= ?4
                    AND counts = 1
                ORDER BY seq DESC LIMIT 1), 0),
            EXISTS (SELECT 1 FROM line WHERE target = ?1)
        FROM line WHERE content = ?1 AND room = ?2 AND account = ?3 AND seq >= ?5
        """,
        content_id, room, me, seq, WAITING,
    )  # fmt: skip
    if row is None:
        return
    number, kind, target, target_account, is_shown, was_muted, muted, acts = row
    said = Facts(kind, target, target_account)
    tx.run(
        """
        UPDATE line SET seq = ?, at = ?, state = 'stored', why = '', counts = ?, is_muted = ?
        WHERE number = ?
        """,
        seq, at, _counts(tx, room, me, seq, said, rights), muted, number,
    )  # fmt: skip
    if acts or muted != was_muted:
        refresh(tx, room, me, content_id)
    elif is_shown:
        tx.tell(LineChanged(room, number))
    undo(tx, room, seq, target, target_account)


def failed(tx: Tx, room: bytes, content_id: bytes, why: str) -> None:
    """Show that something could not be said, and why."""
    row = _own(tx, room, content_id)
    if row is not None:
        number, _kind, target, target_account = row
        tx.run("UPDATE line SET state = 'failed', why = ? WHERE number = ?", why, number)
        undo(tx, room, WAITING, target, target_account)
        tx.tell(LineChanged(room, number))


def retried(tx: Tx, room: bytes, content_id: bytes) -> None:
    """Show that something that had failed waits again."""
    row = _own(tx, room, content_id)
    if row is not None:
        number, _kind, target, target_account = row
        tx.run("UPDATE line SET state = 'waiting', why = '' WHERE number = ?", number)
        undo(tx, room, WAITING, target, target_account)
        tx.tell(LineChanged(room, number))


def cancelled(tx: Tx, room: bytes, content_id: bytes) -> None:
    """Take back what was not said yet."""
    row = _own(tx, room, content_id)
    if row is not None:
        remove(tx, room, row[0])


def _own(
    tx: Tx, room: bytes, content_id: bytes
) -> tuple[int, str, bytes | None, bytes | None] | None:
    """Return number, kind and target of what waits, or has failed."""
    row: tuple[int, str, bytes | None, bytes | None] | None = tx.one(
        """
        SELECT number, kind, target, target_account FROM line
        WHERE content = ? AND room = ? AND account = ? AND seq >= ?
        """,
        content_id, room, tx.me.account, WAITING,
    )  # fmt: skip
    return row


# ---- Rows ----


class _Row(NamedTuple):
    """Where a line stands and whose it is."""

    number: int
    room: bytes
    seq: int
    state: str
    at: Millis
    account: bytes
    device: bytes
    content: bytes
    expires_at: Millis


def _insert(tx: Tx, row: _Row, said: Said | None, rights: Rights, *, muted: bool) -> bool:
    """Write a line and what follows from it; returns whether it is shown."""
    known = Facts("gone") if said is None else facts(said.content, row.account)
    counts = _counts(tx, row.room, row.account, row.seq, known, rights)
    may_call_all = known.mentions_all and rights.may(tx, row.room, row.account, row.seq, "call")
    is_shown = known.kind in SHOWN and not muted
    text = known.text if is_shown else ""
    expires_at = 0 if known.kind == "delete" else row.expires_at
    tx.run(
        """
        INSERT INTO line (number, room, is_shown, seq, kind, state, at, account, device, content,
            target, target_account, is_on, word, counts, is_muted, expires_at, names_me, files,
            text, body)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        row.number, row.room, is_shown, row.seq, known.kind, row.state, row.at, row.account,
        row.device, row.content, known.target, known.target_account,
        may_call_all if known.kind == "text" else known.is_on, known.word, counts, muted,
        expires_at, is_shown and names(known, tx.me.account, may_call_all=may_call_all),
        known.files, text, b"" if said is None else encode_content(said.content),
    )  # fmt: skip
    if text:
        index(tx, row.room, row.number, text)
    if expires_at:
        tx.wake("expire", b"", expires_at)
    if known.target_account is not None:
        undo(tx, row.room, row.seq, known.target, known.target_account)
    return is_shown


def _counts(tx: Tx, room: bytes, account: bytes, seq: int, said: Facts, rights: Rights) -> bool:
    """Return whether somebody might do at this place what he did."""
    if said.target_account is None or said.kind in {"edit", "react", "vote"}:
        return True  # An edit names a content of its own writer.
    if said.kind == "pin":
        return rights.may(tx, room, account, seq, "pin")
    if said.kind == "mute" and seq >= WAITING:
        return False  # It hides nothing before the log has it.
    if account == said.target_account:
        return said.kind != "mute"
    rank = RANKS.get(rights.role_of(tx, room, account, seq) or "", 0)
    other = RANKS.get(rights.role_of(tx, room, said.target_account, seq) or "", 0)
    return rank >= RANKS["admin"] and rank > other


def remove(tx: Tx, room: bytes, number: int) -> None:
    """Take a line out, as if it had never come."""
    seq, target, target_account, text = tx.line(
        "SELECT seq, target, target_account, text FROM line WHERE number = ?", number
    )
    if text:
        unindex(tx, room, number, text)
    tx.run("DELETE FROM line WHERE number = ?", number)
    undo(tx, room, seq, target, target_account)
    tx.tell(LineChanged(room, number))
