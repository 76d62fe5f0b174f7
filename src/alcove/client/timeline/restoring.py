"""A restored server has lost the end of its logs: what stood there waits to be said again."""

from typing import NamedTuple

from alcove.client.timeline.effects import refresh, undo
from alcove.client.timeline.rows import WAITING
from alcove.client.timeline.taking import last_place, remove
from alcove.client.tx import Tx
from alcove.wire.content import Content, decode_content


class Again(NamedTuple):
    """Something of this account that the log has lost."""

    content_id: bytes
    device: bytes
    """Which of the account's devices said it: only that one says it again."""
    content: Content
    expires_at: int | None


def rewound(tx: Tx, room: bytes, head: int) -> list[Again]:
    """Take lines past a restored head off their places; returns what this account has to say again.

    They are still shown, behind all that the log has, until their writers have said them again:
    then the log's entry takes their place.  Notes of what happened there are void, and so is what
    had been taken away: nobody has it any more, to say it again.
    """
    tx.run(
        """
        DELETE FROM line WHERE room = ? AND is_shown IN (0, 1) AND seq > ? AND content IS NULL
        """,
        room, head,
    )  # fmt: skip
    rows = tx.all(
        """
        SELECT number, seq, account, device, content, target, target_account, body,
            expires_at
        FROM line
        WHERE room = ? AND is_shown IN (0, 1) AND seq > ? AND seq < ? ORDER BY seq
        """,
        room, head, WAITING,
    )  # fmt: skip
    again = []
    place = last_place(tx, room)
    for number, seq, account, device, content, target, about, body, expires_at in rows:
        if not body:
            remove(tx, room, number)
            continue
        tx.run(
            """
            UPDATE line SET seq = ?, state = 'waiting', is_muted = 0,
                counts = CASE kind WHEN 'mute' THEN 0 ELSE counts END
            WHERE number = ?
            """,
            place, number,
        )  # fmt: skip
        place += 1
        if account == tx.me.account:
            again.append(Again(content, device, decode_content(body), expires_at or None))
        refresh(tx, room, account, content)
        undo(tx, room, seq, target, about)
    return again
