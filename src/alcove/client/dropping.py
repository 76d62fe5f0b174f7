"""Deleting really drops the body: what this account took away leaves the server, too.

A removal is a message like any other, and everyone who reads it forgets what it names.  Once the
log has it, the device that said it asks the server to drop the bodies of what was taken away and of
its edits, and the files that were uploaded for it.  The account's other devices ask a while later,
in case that one never could: asked twice, nothing happens.

What is to expire needs none of this: it is sealed as live, and the server drops it by itself.
"""

from typing import Any

import msgspec

from alcove.client.files import transfers
from alcove.client.rooms.state import find_room
from alcove.client.timeline.effects import DROP, Gone
from alcove.client.timeline.rows import WAITING
from alcove.client.tx import Tx
from alcove.wire.base import Done
from alcove.wire.entries import DropBodies
from alcove.wire.errors import Code, Refusal

AGAIN_MS = 60_000
"""How long to wait for a room that is compared anew, after its server was restored."""
BODIES_MAX = 256
"""As many bodies one request may name: a message and its edits."""

_decode_gone: Any = msgspec.msgpack.Decoder(Gone).decode


def drop(tx: Tx, about: bytes) -> None:
    """Ask the server to drop what was taken away, where it stands now."""
    gone = _decode_gone(about)
    for blob in gone.blobs:
        transfers.delete_blob(tx, blob)
    here = find_room(tx, gone.room)
    if here is None or here.state == "gone":
        return  # Who has left cannot ask any more.
    (incarnation,) = tx.line("SELECT incarnation FROM me")
    if here.state != "active" or here.incarnation != incarnation:
        _again(tx, gone)
        return
    seqs = _places(tx, gone)
    if seqs:
        request = DropBodies(room=gone.room, seqs=seqs, incarnation=incarnation)
        tx.order(request, "dropping.dropped", about)


def _places(tx: Tx, gone: Gone) -> tuple[int, ...]:
    """Return the places of what was taken away, if it still is: a restore may have lost that."""
    lines = tx.all(
        """
        SELECT seq FROM line
        WHERE room = ?1 AND account = ?2 AND seq < ?4 AND (
            (content = ?3 AND deleted_by != x'')
            OR (target = ?3 AND target_account = ?2 AND kind = 'edit'))
        ORDER BY seq LIMIT ?5
        """,
        gone.room, gone.account, gone.content, WAITING, BODIES_MAX,
    )  # fmt: skip
    return tuple(seq for (seq,) in lines)


def dropped(tx: Tx, _request: DropBodies, answer: Done | Refusal, about: bytes) -> None:
    """The bodies are gone; or the server was restored, and has them at other places, perhaps."""
    if isinstance(answer, Refusal) and answer.code == Code.RESTORED:
        _again(tx, _decode_gone(about))


def _again(tx: Tx, gone: Gone) -> None:
    rest = msgspec.structs.replace(gone, blobs=())
    tx.wake(DROP, msgspec.msgpack.encode(rest), tx.now + AGAIN_MS)
