"""What a face shows: pages of lines, one line, and how much of a room is unread."""

from typing import NamedTuple

from msgspec import Struct

from alcove.client.store.database import Database
from alcove.client.store.database import Line as Values
from alcove.client.timeline.effects import effective
from alcove.client.timeline.marks import reached
from alcove.client.timeline.rows import NOT_BLOCKED, WAITING
from alcove.wire.content import Content, decode_content, shown_text

PAGE_LINES_MAX = 1000
"""Lines of one page, however many are asked for."""

COLUMNS = """number, room, seq, cause, kind, state, why, at, account, device, content, deleted_by,
    edited_at, expires_at, names_me, text, body, edit, (SELECT account FROM me)"""


class Line(Struct, frozen=True):
    """One line of a timeline, as it is shown."""

    number: int
    """On this device only; a link to it is `content` with `account`."""
    room: bytes
    seq: int | None
    """Its place in the log; None while it waits."""
    kind: str
    """text, poll, unknown (a newer app made it), note, gap (not opened yet), or gone (deleted)."""
    cause: str
    """Of notes and gaps: a code of docs/causes.md."""
    state: str
    """waiting, stored, delivered, read, or failed.  Others' lines are always stored."""
    why: str
    """Why it failed, for people."""
    at: int
    account: bytes | None
    """Whose it is; None for notes about nobody."""
    device: bytes
    content_id: bytes | None
    said: Content | None
    """What it says, as last edited; None for notes, and for what was deleted."""
    text: str
    """Its words, fit to be shown: `shown_text` with the names of its files, a line each."""
    deleted_by: bytes | None
    """Who took it away: its writer, or an admin."""
    edited_at: int | None
    expires_at: int | None
    names_me: bool
    """It calls the owner of this device."""


class Unread(NamedTuple):
    """How much of a room was not read yet."""

    lines: int
    mentions: int
    """So many of them call this account."""


class Edited(NamedTuple):
    """One version of a message's text."""

    at: int
    text: str


def lines(
    db: Database, room: bytes, before: int | None = None, limit: int = 50, topic: str = ""
) -> list[Line]:
    """Return a room's newest lines, or those before a line, in the order of the log."""
    seq, is_note, number = 2 * WAITING, 0, 0
    if before is not None:
        row = db.one("SELECT seq, content IS NULL, number FROM line WHERE number = ?", before)
        if row is None:
            return []
        seq, is_note, number = row
    about = "AND kind = 'text' AND word = ?" if topic else ""
    rows = db.all(
        f"""
        SELECT {COLUMNS} FROM line
        WHERE room = ? AND is_shown = 1 AND (seq, content IS NULL, number) < (?, ?, ?) {about}
            AND {NOT_BLOCKED}
        ORDER BY seq DESC, content IS NULL DESC, number DESC LIMIT ?
        """,  # noqa: S608  # Names of ours.
        room, seq, is_note, number, *([topic] if topic else []), min(limit, PAGE_LINES_MAX),
    )  # fmt: skip
    return shown(db, rows[::-1])


def lines_from(db: Database, room: bytes, first: int, limit: int = 50) -> list[Line]:
    """Return a line and those after it, in the order of the log."""
    place = db.one("SELECT seq, content IS NULL, number FROM line WHERE number = ?", first)
    if place is None:
        return []
    rows = db.all(
        f"""
        SELECT {COLUMNS} FROM line
        WHERE room = ? AND is_shown = 1 AND (seq, content IS NULL, number) >= (?, ?, ?)
            AND {NOT_BLOCKED}
        ORDER BY seq, content IS NULL, number LIMIT ?
        """,  # noqa: S608  # Names of ours.
        room, *place, min(limit, PAGE_LINES_MAX),
    )  # fmt: skip
    return shown(db, rows)


def line_at(db: Database, room: bytes, at: int) -> int | None:
    """Return the first line of a room that is not older than a moment."""
    row = db.one(
        f"""
        SELECT number FROM line WHERE room = ? AND is_shown = 1 AND at >= ? AND {NOT_BLOCKED}
        ORDER BY seq, content IS NULL, number LIMIT 1
        """,  # noqa: S608
        room, at,
    )  # fmt: skip
    return None if row is None else int(row[0])


def line(db: Database, number: int) -> Line | None:
    """Return one line, unless it is gone or hidden."""
    found = shown(
        db,
        db.all(
            f"""
            SELECT {COLUMNS} FROM line WHERE number = ? AND is_shown = 1 AND {NOT_BLOCKED}
            """,  # noqa: S608
            number,
        ),
    )
    return found[0] if found else None


def line_of(db: Database, room: bytes, account: bytes, content_id: bytes) -> Line | None:
    """Return the line of a content, such as the one that a reply names."""
    row = db.one(
        "SELECT number FROM line WHERE content = ? AND room = ? AND account = ?",
        content_id, room, account,
    )  # fmt: skip
    return None if row is None else line(db, row[0])


def shown(db: Database, rows: list[Values]) -> list[Line]:
    """Return rows of the table as lines."""
    marks: dict[bytes, tuple[int, int]] = {}
    found = []
    for row in rows:
        (
            number, room, seq, cause, kind, state, why, at, account, device, content, deleted_by,
            edited_at, expires_at, names_me, text, body, edit, me,
        ) = row  # fmt: skip
        if account == me and state == "stored" and content is not None:
            if room not in marks:
                marks[room] = reached(db, room)
            delivered, read = marks[room]
            state = "read" if seq <= read else "delivered" if seq <= delivered else state
        said = effective(decode_content(body), edit) if body and not deleted_by else None
        line_kind = "gone" if deleted_by else kind
        place = seq if seq < WAITING else None
        shown_line = Line(
            number, room, place, line_kind, cause, state, why, at, account or None, device,
            content, said, text, deleted_by or None, edited_at or None, expires_at or None,
            bool(names_me),
        )  # fmt: skip
        found.append(shown_line)
    return found


def edits(db: Database, number: int) -> list[Edited]:
    """Return what a message has said since it was written, from the first version on."""
    row = db.one(
        """
        SELECT room, account, content, at, body FROM line
        WHERE number = ? AND kind = 'text' AND is_shown = 1 AND deleted_by = x''
        """,
        number,
    )
    if row is None:
        return []
    room, account, content, at, body = row
    newer = db.all(
        """
        SELECT at, body FROM line
        WHERE target = ? AND room = ? AND target_account = ? AND kind = 'edit' AND is_muted = 0
            AND state != 'failed'
        ORDER BY seq
        """,
        content, room, account,
    )  # fmt: skip
    texts = [(at, decode_content(body)) for at, body in [(at, body), *newer]]
    return [Edited(at, shown_text(getattr(said, "text", ""))) for at, said in texts]


def unread(db: Database, room: bytes, account: bytes, read_seq: int) -> Unread:
    """Return how many lines of others stand behind a place; computed from the log, never kept."""
    row = db.one(
        f"""
        SELECT COUNT(*), COALESCE(SUM(names_me), 0) FROM line
        WHERE room = ? AND is_shown = 1 AND seq > ? AND seq < ? AND account != ?
            AND kind IN ('text', 'poll', 'unknown') AND deleted_by = x'' AND {NOT_BLOCKED}
        """,  # noqa: S608
        room, read_seq, WAITING, account,
    )  # fmt: skip
    assert row is not None
    return Unread(*row)
