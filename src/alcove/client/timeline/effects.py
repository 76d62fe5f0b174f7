"""What one content does to another: edits, removals and mutes, worked out from all that is known.

Nothing here depends on the order in which things came.  What changes a line (an edit, a removal, a
mute) is a line of its own, and `refresh` works out what is shown from all that is there.  Only a
removal that the log has cannot be taken back: what it takes away is wiped from the disk.
"""

from typing import NamedTuple

from msgspec import Struct

from alcove.client.events import LineChanged
from alcove.client.files import transfers
from alcove.client.timeline.rows import SHOWN, WAITING, Facts, facts, reindex
from alcove.client.tx import Tx
from alcove.wire.codec import encode
from alcove.wire.content import Content, Edit, Text, decode_content

DROP = "dropping.drop"
"""The alarm that has the server drop what was taken away."""
SIBLINGS_MS = 2 * 60 * 1000
"""The device that took something away sees to that; the account's others wait so long."""


class Gone(Struct, frozen=True, array_like=True):
    """What was taken away by this account, and is still to leave the server."""

    room: bytes
    account: bytes
    """Whose content,"""
    content: bytes
    """and its id."""
    blobs: tuple[bytes, ...]
    """Files that this account uploaded for it, and uses nowhere else."""


class Verdict(NamedTuple):
    """What edits and removals make of a line."""

    deleted_by: bytes = b""
    is_final: bool = False
    """The log has the removal: nothing of the content need be kept."""
    edit: bytes = b""
    edited_at: int = 0


def verdict(tx: Tx, room: bytes, account: bytes, content: bytes) -> Verdict:
    """Return what all that is known makes of a content: the newest edit, the first removal."""
    found = Verdict()
    for kind, seq, at, by, body in tx.all(
        """
        SELECT kind, seq, at, account, body FROM line
        WHERE target = ? AND room = ? AND target_account = ? AND kind IN ('edit', 'delete')
            AND counts = 1 AND state != 'failed' AND (kind = 'delete' OR is_muted = 0)
        ORDER BY seq
        """,
        content, room, account,
    ):  # fmt: skip
        if kind == "edit":
            found = found._replace(edit=body, edited_at=at)
        elif not found.deleted_by:
            found = found._replace(deleted_by=by, is_final=seq < WAITING)
    return found


def refresh(tx: Tx, room: bytes, account: bytes, content: bytes) -> None:
    """Work out anew what is shown of a content, and tell, if the content is known."""
    row = tx.one(
        """
        SELECT number, kind, is_muted, is_shown, is_on, text, body FROM line
        WHERE content = ? AND room = ? AND account = ?
        """,
        content, room, account,
    )  # fmt: skip
    if row is None:
        return
    number, kind, is_muted, was_shown, may_call_all, text, body = row
    found = verdict(tx, room, account, content)
    if found.is_final and kind != "delete":
        is_late = wipe_about(tx, room, account, content)
        if body or is_late:
            _let_go(tx, room, account, content, body)
        if kind != "gone":
            lose_body(tx, room, number)
            return  # Losing it has brought us here once more.
    is_there = kind in SHOWN or (kind == "gone" and found.deleted_by != b"")
    is_shown = is_there and not is_muted
    edit = found.edit if kind == "text" else b""
    now = Facts(kind)
    if is_shown and kind != "gone" and not found.deleted_by:
        now = facts(effective(decode_content(body), edit), account)
    reindex(tx, room, number, text, now.text)
    tx.run(
        """
        UPDATE line SET is_shown = ?, text = ?, deleted_by = ?, edit = ?, edited_at = ?,
            names_me = ?
        WHERE number = ?
        """,
        is_shown, now.text, found.deleted_by, edit, found.edited_at if edit else 0,
        names(now, tx.me.account, may_call_all=may_call_all), number,
    )  # fmt: skip
    if is_shown or was_shown:
        tx.tell(LineChanged(room, number))


def names(said: Facts, account: bytes, *, may_call_all: bool) -> bool:
    """Return whether a message calls an account, by its name or with all."""
    return account in said.mentions or (said.mentions_all and bool(may_call_all))


def effective(content: Content, edit: bytes) -> Content:
    """Return a content as its newest edit has it."""
    newer = decode_content(edit) if edit else None
    if not isinstance(content, Text) or not isinstance(newer, Edit):
        return content
    return Text(
        newer.text, content.topic, content.reply_to, newer.mentions, newer.mentions_all,
        content.is_forwarded, newer.preview, content.files, content.through,
    )  # fmt: skip


def lose_body(tx: Tx, room: bytes, number: int) -> None:
    """Forget what a line said: its body is nowhere any more.  What it did to others ends."""
    seq, account, content, target, target_account, text = tx.line(
        "SELECT seq, account, content, target, target_account, text FROM line WHERE number = ?",
        number,
    )
    reindex(tx, room, number, text, "")
    tx.run(
        """
        UPDATE line SET kind = 'gone', target = NULL, target_account = NULL, is_on = 1, word = '',
            counts = 1, files = 0, text = '', body = x'', edit = x''
        WHERE number = ?
        """,
        number,
    )
    transfers.drop_content(tx, room, account, content)
    refresh(tx, room, account, content)
    undo(tx, room, seq, target, target_account)


def undo(tx: Tx, room: bytes, seq: int, target: bytes | None, account: bytes | None) -> None:
    """Work out anew what a line had changed, or changes now."""
    if account is None:
        return
    if target is None:  # Only a mute is about somebody, and about nothing that they said.
        mute_again(tx, room, account, seq)
    else:
        refresh(tx, room, account, target)


def wipe_about(tx: Tx, room: bytes, account: bytes, content: bytes) -> bool:
    """Forget what was said about a content that was taken away, the removals excepted.

    Edits that were not sent yet never are.  Returns whether the log has one that was wiped now.
    """
    for number, edit in tx.all(
        """
        SELECT number, content FROM line
        WHERE target = ? AND room = ? AND target_account = ? AND kind = 'edit' AND seq >= ?
        """,
        content, room, account, WAITING,
    ):  # fmt: skip
        if tx.run(
            "DELETE FROM outbox WHERE room = ? AND content = ? AND request IS NULL AND seq IS NULL",
            room, edit,
        ):  # fmt: skip
            tx.run("DELETE FROM line WHERE number = ?", number)
    wiped = tx.all(
        """
        UPDATE line SET word = '', body = x'' WHERE target = ? AND room = ? AND target_account = ?
            AND kind != 'delete' AND body != x'' AND seq < ? RETURNING kind
        """,
        content, room, account, WAITING,
    )  # fmt: skip
    return ("edit",) in wiped


def _let_go(tx: Tx, room: bytes, account: bytes, content: bytes, body: bytes) -> None:
    """Have the server drop what this account took away: the content, or an edit that came late."""
    line = tx.one(
        """
        SELECT device FROM line
        WHERE kind = 'delete' AND target = ? AND room = ? AND target_account = ? AND account = ?
            AND counts = 1 AND seq < ? ORDER BY seq LIMIT 1
        """,
        content, room, account, tx.me.account, WAITING,
    )  # fmt: skip
    if line is None:
        return
    is_mine = line[0] == tx.me.device
    blobs = _blobs(tx, body) if body and is_mine and account == tx.me.account else ()
    at = tx.now if is_mine else tx.now + SIBLINGS_MS
    tx.wake(DROP, encode(Gone(room, account, content, blobs)), at)


def _blobs(tx: Tx, body: bytes) -> tuple[bytes, ...]:
    """Return the blobs of a content that no other line here names: what was forwarded stays."""
    said = decode_content(body)
    files = said.files if isinstance(said, Text) else ()
    sealed = [one for file in files for one in (file.sealed, file.thumbnail_blob)]
    return tuple(
        one.blob
        for one in sealed
        if one is not None
        and tx.line("SELECT COUNT(*) FROM line WHERE files > 0 AND instr(body, ?)", one.blob)
        <= (1,)
    )


# ---- Mutes ----


def is_muted(tx: Tx, room: bytes, account: bytes, seq: int) -> bool:
    """Return whether what an account says at a place of the log is hidden."""
    row = tx.one(
        """
        SELECT is_on FROM line
        WHERE kind = 'mute' AND room = ? AND target_account = ? AND seq <= ? AND counts = 1
        ORDER BY seq DESC LIMIT 1
        """,
        room, account, seq,
    )  # fmt: skip
    return row is not None and bool(row[0])


def mute_again(tx: Tx, room: bytes, account: bytes, seq: int) -> None:
    """Hide or show what an account said after a place, up to where the next word on it stands."""
    is_on = is_muted(tx, room, account, seq)
    (until,) = tx.line(
        """
        SELECT MIN(seq) FROM line
        WHERE kind = 'mute' AND room = ? AND target_account = ? AND seq > ? AND counts = 1
        """,
        room, account, seq,
    )  # fmt: skip
    rows = tx.all(
        """
        SELECT number, kind, seq, content, target, target_account FROM line
        WHERE room = ? AND is_shown IN (0, 1) AND seq > ? AND seq < ? AND account = ?
            AND is_muted != ? AND content IS NOT NULL
        ORDER BY seq
        """,
        room, seq, 2 * WAITING if until is None else until, account, is_on,
    )  # fmt: skip
    for number, kind, _seq, content, target, target_account in rows:
        tx.run("UPDATE line SET is_muted = ? WHERE number = ?", is_on, number)
        refresh(tx, room, account, content)
        if kind != "mute" and target is not None:
            refresh(tx, room, target_account, target)
