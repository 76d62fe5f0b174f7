"""What is to vanish at its time vanishes: lines, what was said about them, their words' index."""

from alcove.client.files import transfers
from alcove.client.timeline.taking import remove
from alcove.client.tx import Tx
from alcove.wire.ids import Millis

EXPIRED_PER_STEP = 500
"""So many lines vanish in one step; if there are more, the next step follows at once."""


def expire(tx: Tx, now: Millis) -> None:
    """Take out every line whose time is over, and ask to be called for the next one."""
    rows = tx.all(
        """
        SELECT number, room, account, content FROM line
        WHERE expires_at > 0 AND expires_at <= ? ORDER BY expires_at, room, seq LIMIT ?
        """,
        now, EXPIRED_PER_STEP,
    )  # fmt: skip
    for number, room, account, content in rows:
        if tx.one("SELECT 1 FROM line WHERE number = ?", number):  # It may have gone with another.
            for (about,) in tx.all(
                "SELECT number FROM line WHERE target = ? AND room = ? AND target_account = ?",
                content, room, account,
            ):  # fmt: skip
                tx.run("DELETE FROM line WHERE number = ?", about)
            remove(tx, room, number)
            tx.run(  # What nobody would see any more is not sent, either.
                """
                DELETE FROM outbox
                WHERE room = ? AND content = ? AND request IS NULL AND seq IS NULL
                """,
                room, content,
            )  # fmt: skip
            transfers.drop_content(tx, room, account, content)
    (following,) = tx.line("SELECT MIN(expires_at) FROM line WHERE expires_at > 0")
    if following is not None:
        tx.wake("expire", b"", following)


def expire_due(tx: Tx, _about: bytes) -> None:
    """Do what `expire` does, as an alarm."""
    expire(tx, tx.now)
