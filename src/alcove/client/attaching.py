"""Messages with files: shown at once, and sent when all their files are on the server.

attach ──► a line with its files, waiting ──► every upload is done ──► sealed with their keys
                                                   │
                                                   └── one has failed: so has the message
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from alcove.client import outbox
from alcove.client.files import transfers
from alcove.client.rooms import acting
from alcove.client.timeline import completed
from alcove.client.tx import Tx
from alcove.wire.blobs import Expiry
from alcove.wire.content import File, Text, decode_said, encode_said


class Attached(NamedTuple):
    """A file of this device that is to be sent."""

    path: str
    file: File
    """Its name, type, looks and size; key, hash and place come when it is sent."""
    expiry: Expiry = "never"


def say(tx: Tx, room: bytes, text: Text, files: Sequence[Attached]) -> int:
    """Say something with files.  Returns its line's number."""
    content = msgspec.structs.replace(text, files=tuple(one.file for one in files))
    number = acting.say(tx, room, content)
    (content_id,) = tx.line("SELECT content FROM line WHERE number = ?", number)
    tx.run(
        "UPDATE outbox SET files = ? WHERE room = ? AND content = ?", len(files), room, content_id
    )
    for place, one in enumerate(files):
        transfers.begin_upload(tx, room, content_id, place, one.path, one.file, one.expiry)
    return number


def complete(tx: Tx, room: bytes) -> None:
    """Let messages go whose files are all on the server, and give up those with one that is not."""
    for number, content, plain in tx.all(
        """
        SELECT number, content, plain FROM outbox
        WHERE room = ? AND files > 0 AND failed IS NULL ORDER BY number
        """,
        room,
    ):
        uploads = transfers.uploads(tx.db, room, content)
        if uploads.why:
            outbox.fail(tx, room, content, uploads.why)
        elif uploads.is_done:
            said = decode_said(plain)
            assert isinstance(said.content, Text)
            whole = msgspec.structs.replace(
                said, content=msgspec.structs.replace(said.content, files=uploads.files)
            )
            tx.run(
                "UPDATE outbox SET plain = ?, files = 0 WHERE number = ?",
                encode_said(whole), number,
            )  # fmt: skip
            completed(tx, room, content, whole.content)


def take_back(tx: Tx, room: bytes, content: bytes) -> bool:
    """Take back what still waits for its files: nobody has seen it.  False if it does not."""
    waits = tx.one(
        "SELECT 1 FROM outbox WHERE room = ? AND content = ? AND files > 0", room, content
    )
    return waits is not None and outbox.cancel(tx, room, content)
