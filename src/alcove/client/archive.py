"""The archive: this account's room keys, each sealed to a key that lies only in its box.

Every room key is archived minutes after it was learnt.  A device that has just come, by password
or phrase, opens the archive once: it learns which rooms there are, and the keys of what was said
there.  Then it forgets the key of the archive, so a copy of the device opens no later row.
"""

from alcove.client import devices, entering
from alcove.client.account import ARCHIVE
from alcove.client.errors import PeerError
from alcove.client.events import Warned
from alcove.client.keys.archive import archive_key, open_archived, seal_archived
from alcove.client.rooms import approach, handshakes
from alcove.client.tx import Tx
from alcove.wire.accounts import Archive, ArchiveRow, GetArchive, PutArchive
from alcove.wire.base import Done
from alcove.wire.errors import Refusal

LATER_MS = 60 * 60 * 1000
"""What was refused is tried again after so long."""
ROWS_AT_ONCE = 64
"""So many room keys are archived by one request."""


def put(tx: Tx, _about: bytes) -> None:
    """Archive room keys that are not archived yet."""
    if tx.one("SELECT 1 FROM request WHERE answered_by = 'archive.stored'") is not None:
        return
    lines = tx.all(
        "SELECT room, name, secret FROM room_key WHERE is_archived = 0 ORDER BY room, name LIMIT ?",
        ROWS_AT_ONCE,
    )
    if not lines:
        return
    me = tx.me
    rows = tuple(
        ArchiveRow(
            room, name, seal_archived(me.archive_key, me.account, room, name, me.key, secret)
        )
        for room, name, secret in lines
    )
    tx.order(PutArchive(rows=rows), "archive.stored")


def stored(tx: Tx, request: PutArchive, answer: Done | Refusal, _: bytes) -> None:
    """Rows were stored; perhaps there are more."""
    if isinstance(answer, Refusal):
        tx.tell(Warned(f"archive: {answer.code}", tx.me.account, tx.now))
        tx.wake(handshakes.ARCHIVE, b"", tx.now + LATER_MS)
        return
    for row in request.rows:
        tx.run(
            "UPDATE room_key SET is_archived = 1 WHERE room = ? AND name = ?", row.room, row.name
        )
    put(tx, b"")


def read(tx: Tx, _about: bytes = b"", *, is_ready: bool = True) -> None:
    """Read the archive, when this device has just come and may open it."""
    if (
        is_ready
        and entering.archive_seeds(tx.db)
        and not any(one.answered_by == "archive.page" for one in tx.memory.asked.values())
    ):
        tx.ask(GetArchive(), "archive.page")


def page(tx: Tx, request: GetArchive, answer: Archive | Refusal, _: bytes) -> None:
    """Take a page of the archive."""
    if isinstance(answer, Refusal):
        tx.wake(ARCHIVE, b"", tx.now + (answer.retry_after_ms or LATER_MS))
        return  # Or at the next sign-in, as long as the seeds are here.
    seeds = entering.archive_seeds(tx.db)
    keys = [archive_key(seed) for seed in seeds]
    is_closed = False
    rooms: dict[bytes, None] = {}
    for row in answer.rows:
        for key in keys:
            try:
                opened = open_archived(key, tx.me.account, row.room, row.name, row.body)
            except PeerError:
                continue
            if devices.was_mine(tx, opened.writer):
                rooms[row.room] = None
                handshakes.learn_key(tx, row.room, row.name, opened.plain, is_archived=True)
            break
        else:
            is_closed = True
    if is_closed:  # Another device was revoked since this one came: it has the seeds of before.
        tx.run("UPDATE me SET is_archive_closed = 1")
        tx.tell(Warned("archive-closed", tx.me.account, tx.now))
    for room in rooms:
        approach.look_for(tx, room)
    if answer.next is not None and answer.next > request.since:
        tx.ask(GetArchive(since=answer.next), "archive.page")
    else:
        entering.archive_read(tx)
