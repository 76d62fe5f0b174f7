"""Files on their way, as lines of a table: what `io/transfers.py` does is written down here.

An upload is looked at (its hash and its key), announced (its blob), sent, and is done.  Only then
the room is stirred, and the message that waits for it goes.  A key seals one content: if the file
has changed since it was looked at, it gets another key and another blob.

A download is read into a temporary file, checked, put into its place, and is done.
"""

from typing import NamedTuple

import msgspec

from alcove.client.errors import UsageError
from alcove.client.events import TransferChanged
from alcove.client.files.stream import FILE_BYTES_MAX, HASH_BYTES, KEY_BYTES
from alcove.client.store.database import Database, Line
from alcove.client.tx import Tx
from alcove.wire.blobs import DropBlob, Expiry
from alcove.wire.content import FILES_MAX, File, SealedBlob

OPEN, PAUSED, FAILED, DONE, CANCELLED = "open", "paused", "failed", "done", "cancelled"
BLOB_BYTES = 16
CHANGES_MAX = 3
"""So often a file is begun again because it changed while it was sent."""
OPEN_MAX = 1_000
"""So many transfers may wait at a time."""
DAY_MS = 24 * 60 * 60 * 1000
EXPIRY_MS: dict[Expiry, int | None] = {"never": None, "day": DAY_MS, "week": 7 * DAY_MS}

DROPPED = "files.dropped"
"""Who takes the server's answer to the order to delete a blob: `dropped`."""

_decode_file = msgspec.msgpack.Decoder(File).decode
_encode = msgspec.msgpack.Encoder().encode

_COLUMNS = """
    number, is_upload, room, account, content, place, path, file, blob, is_looked_at, expiry, done,
    changes, state, why, at
"""


class Transfer(NamedTuple):
    """One file on its way, or one that came through."""

    number: int
    is_upload: bool
    room: bytes
    account: bytes
    content: bytes
    place: int
    path: str
    file: File
    blob: bytes | None
    is_looked_at: bool
    expiry: Expiry
    done: int
    changes: int
    state: str
    why: str
    at: int


class Uploads(NamedTuple):
    """What can be said of the files of a message that is to be sent."""

    is_done: bool
    """Whether the message can go."""
    why: str
    """Why it cannot go as things are; nothing while it only has to wait."""
    files: tuple[File, ...]
    """What belongs into the message, in order; complete once it is done."""


def _transfer(line: Line) -> Transfer:
    number, is_upload, *middle, file, blob, is_looked_at = line[:10]
    room, account, content, place, path = middle
    return Transfer(
        number, bool(is_upload), room, account, content, place, path, _decode_file(file), blob,
        bool(is_looked_at), *line[10:],
    )  # fmt: skip


# ---- Questions ----


def transfer(db: Database, number: int) -> Transfer | None:
    """Return one transfer, or None when it was forgotten."""
    line = db.one(f"SELECT {_COLUMNS} FROM transfer WHERE number = ?", number)  # noqa: S608
    return None if line is None else _transfer(line)


def to_do(db: Database) -> list[Transfer]:
    """Return what has to be carried on, or cleared away, oldest first."""
    lines = db.all(
        f"SELECT {_COLUMNS} FROM transfer"  # noqa: S608
        " WHERE state IN ('open', 'cancelled') ORDER BY number"
    )
    return [_transfer(line) for line in lines]


def unfinished(db: Database) -> list[Transfer]:
    """Return what is on its way, rests or has failed, oldest first: what an owner can act on."""
    lines = db.all(
        f"SELECT {_COLUMNS} FROM transfer"  # noqa: S608
        " WHERE state IN ('open', 'paused', 'failed') ORDER BY number"
    )
    return [_transfer(line) for line in lines]


def of_content(db: Database, room: bytes, content: bytes) -> list[Transfer]:
    """Return the transfers of one message, in the order of its files."""
    lines = db.all(
        f"SELECT {_COLUMNS} FROM transfer"  # noqa: S608
        " WHERE room = ? AND content = ? AND state <> 'cancelled' ORDER BY place, number",
        room, content,
    )  # fmt: skip
    return [_transfer(line) for line in lines]


def uploads(db: Database, room: bytes, content: bytes) -> Uploads:
    """Return what can be said of the uploads that a message waits for."""
    mine = [found for found in of_content(db, room, content) if found.is_upload]
    whys = [found.why for found in mine if found.state == FAILED]
    is_done = all(found.state == DONE for found in mine)
    return Uploads(is_done, whys[0] if whys else "", tuple(found.file for found in mine))


# ---- What the owner wants ----


def begin_upload(
    tx: Tx, room: bytes, content: bytes, place: int, path: str, file: File, expiry: Expiry
) -> int:
    """Begin to send a file with a message, and return the transfer's number.

    `file` says name, type, looks and size; key, hash and blob of it are not looked at.
    """
    _check_space(tx)
    if not 0 <= place < FILES_MAX:
        raise UsageError(f"A message takes up to {FILES_MAX} files; send the rest with another.")
    if file.sealed.size > FILE_BYTES_MAX:
        raise UsageError("This file is too large to be sent by anybody; split it first.")
    blank = SealedBlob(bytes(BLOB_BYTES), bytes(KEY_BYTES), bytes(HASH_BYTES), file.sealed.size)
    whole = msgspec.structs.replace(file, sealed=blank, expires_at=None)
    return _begin(tx, room, tx.me.account, content, place, path, whole, expiry, is_upload=True)


def begin_download(
    tx: Tx, room: bytes, account: bytes, content: bytes, place: int, path: str, file: File
) -> int:
    """Begin to fetch a file of a message, to be saved at a path, and return the number.

    The path is a wish: whatever stands there stays, and the file gets a number behind its name.
    """
    _check_space(tx)
    if file.sealed.size > FILE_BYTES_MAX:
        raise UsageError("The message names a size that no file has; ask for the file again.")
    if file.expires_at is not None and file.expires_at <= tx.now:
        raise UsageError("The file has expired; ask its sender to send it again.")
    return _begin(tx, room, account, content, place, path, file, "never", is_upload=False)


def _check_space(tx: Tx) -> None:
    (count,) = tx.line("SELECT COUNT(*) FROM transfer WHERE state IN ('open', 'paused')")
    if count >= OPEN_MAX:
        raise UsageError(f"{OPEN_MAX} files are on their way already; wait until some are through.")


def _begin(
    tx: Tx, room: bytes, account: bytes, content: bytes, place: int, path: str, file: File,
    expiry: Expiry, *, is_upload: bool,
) -> int:  # fmt: skip
    (number,) = tx.line(
        """
        INSERT INTO transfer (is_upload, room, account, content, place, path, file, blob,
            is_looked_at, expiry, state, at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?) RETURNING number
        """,
        int(is_upload), room, account, content, place, path, _encode(file),
        None if is_upload else file.sealed.blob, int(not is_upload), expiry, tx.now,
    )  # fmt: skip
    tx.tell(TransferChanged(number))
    return int(number)


def pause(tx: Tx, number: int) -> None:
    """Let a transfer rest until `carry_on`."""
    _turn(tx, number, (OPEN,), PAUSED)


def carry_on(tx: Tx, number: int) -> None:
    """Go on with a transfer that rests, or try one again that has failed."""
    if _turn(tx, number, (PAUSED, FAILED), OPEN):
        tx.run("UPDATE transfer SET changes = 0 WHERE number = ?", number)


def cancel(tx: Tx, number: int) -> None:
    """Give a transfer up: what the server has of it is deleted, and the message does without it.

    The line stays until `io/` has cleared away what lies on the disk, and calls `forget`.
    """
    found = transfer(tx.db, number)
    if found is not None and _turn(tx, number, (OPEN, PAUSED, FAILED, DONE), CANCELLED):
        if found.is_upload:
            _drop(tx, found.blob)
        tx.stir(found.room)


def forget(tx: Tx, number: int) -> None:
    """Drop the line of a transfer of which nothing is left."""
    tx.run("DELETE FROM transfer WHERE number = ? AND state = 'cancelled'", number)


def drop_content(tx: Tx, room: bytes, account: bytes, content: bytes) -> None:
    """Give up every transfer of a message that is gone; files that were saved stay.

    What was sent leaves the server, too, unless another message names it: it was forwarded.
    """
    for found in of_content(tx.db, room, content):
        if found.account != account:
            continue  # Somebody else has used the same id.
        if found.state != DONE:
            cancel(tx, found.number)
            continue
        tx.run("DELETE FROM transfer WHERE number = ?", found.number)
        tx.tell(TransferChanged(found.number))
        if found.is_upload and not is_named(tx.db, found.file.sealed.blob):
            _drop(tx, found.blob)


def is_named(db: Database, blob: bytes) -> bool:
    """Return whether a message that is known here names a file of the server."""
    return db.one("SELECT 1 FROM line WHERE files > 0 AND instr(body, ?)", blob) is not None


def delete_blob(tx: Tx, blob: bytes) -> None:
    """Have the server delete a file that this account uploaded."""
    _drop(tx, blob)


def dropped(tx: Tx, request: DropBlob, answer: object, note: bytes) -> None:
    """Take the answer to the order to delete a blob.  Whatever it is, nothing is left to do."""
    del tx, request, answer, note


def _drop(tx: Tx, blob: bytes | None) -> None:
    if blob is not None:
        tx.order(DropBlob(blob=blob), DROPPED)


def _turn(tx: Tx, number: int, olds: tuple[str, ...], new: str, why: str = "") -> bool:
    """Change a transfer's state if it is one of these, and return whether it was."""
    marks = ", ".join("?" * len(olds))
    changed = tx.run(
        f"UPDATE transfer SET state = ?, why = ? WHERE number = ? AND state IN ({marks})",  # noqa: S608
        new, why, number, *olds,
    )  # fmt: skip
    if changed:
        tx.tell(TransferChanged(number))
    return changed > 0


# ---- What happened to it ----


def looked_at(tx: Tx, number: int, size: int, sha256: bytes) -> Transfer | None:
    """Note what a file holds before any of it is sent; return the transfer, if it goes on.

    Its key is drawn here: key and hash are written down together, so that a restored disk cannot
    know the one without the other.  If the file was looked at before and was another, it gets
    another key, and what the server has of the old one is deleted.
    """
    found = transfer(tx.db, number)
    if found is None or found.state != OPEN:
        return None
    sealed = found.file.sealed
    is_same = sealed.sha256 == sha256 and sealed.size == size
    if found.is_looked_at and is_same:
        return found
    if found.is_looked_at:
        if found.changes >= CHANGES_MAX:
            _fail(tx, found, "The file keeps changing while it is sent; send a copy of it.")
            return None
        _drop(tx, found.blob)
    sealed = SealedBlob(bytes(BLOB_BYTES), tx.random(KEY_BYTES), sha256, size)
    tx.run(
        """
        UPDATE transfer SET file = ?, blob = NULL, is_looked_at = 1, done = 0,
            changes = changes + is_looked_at
        WHERE number = ?
        """,
        _encode(msgspec.structs.replace(found.file, sealed=sealed)), number,
    )  # fmt: skip
    return transfer(tx.db, number)


def announced(tx: Tx, number: int, blob: bytes) -> bool:
    """Note the name that the server drew for an upload; false if nobody wants it any more."""
    changed = tx.run(
        "UPDATE transfer SET blob = ? WHERE number = ? AND state IN ('open', 'paused')",
        blob, number,
    )  # fmt: skip
    if not changed:
        _drop(tx, blob)
    return changed > 0


def given_up(tx: Tx, number: int) -> None:
    """Note that the server has given an upload up, or lost it: it begins again."""
    tx.run("UPDATE transfer SET blob = NULL, done = 0 WHERE number = ?", number)


def progressed(tx: Tx, number: int, done: int, why: str = "") -> None:
    """Note how far a transfer is, and why it waits if it does."""
    if tx.run(
        "UPDATE transfer SET done = ?, why = ? WHERE number = ? AND state = 'open'",
        done, why, number,
    ):  # fmt: skip
        tx.tell(TransferChanged(number))


def failed(tx: Tx, number: int, why: str) -> None:
    """Note that a transfer cannot go on, and why."""
    found = transfer(tx.db, number)
    if found is not None:
        _fail(tx, found, why)


def _fail(tx: Tx, found: Transfer, why: str) -> None:
    if _turn(tx, found.number, (OPEN,), FAILED, why):
        tx.stir(found.room)


def uploaded(tx: Tx, number: int) -> None:
    """Note that the server has the last byte; a message that waited for it may go."""
    found = transfer(tx.db, number)
    if found is None or found.blob is None or found.state not in (OPEN, PAUSED):
        return
    lasts_ms = EXPIRY_MS[found.expiry]
    file = msgspec.structs.replace(
        found.file,
        sealed=msgspec.structs.replace(found.file.sealed, blob=found.blob),
        expires_at=None if lasts_ms is None else tx.now + lasts_ms,
    )
    tx.run(
        "UPDATE transfer SET file = ?, done = ? WHERE number = ?",
        _encode(file), file.sealed.size, number,
    )  # fmt: skip
    _turn(tx, number, (OPEN, PAUSED), DONE)
    tx.stir(found.room)


def saved(tx: Tx, number: int, path: str) -> None:
    """Note that a download was checked and lies at a path."""
    found = transfer(tx.db, number)
    if found is not None and _turn(tx, number, (OPEN, PAUSED), DONE):
        tx.run(
            "UPDATE transfer SET path = ?, done = ? WHERE number = ?",
            path, found.file.sealed.size, number,
        )  # fmt: skip
