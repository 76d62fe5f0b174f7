"""What this device wants a room to become: lines that `changes` turns into commits."""

from alcove.client import trust
from alcove.client.tx import Tx


def add_wish(
    tx: Tx, room: bytes, kind: str, about: bytes, detail: bytes = b"", *, is_quiet: bool = False
) -> None:
    """Wish something for a room, once.  The kinds are those of `changes.KINDS`.

    A wish of who looks after the room anyway is quiet: else that would never end.
    """
    if not tx.one(
        "SELECT 1 FROM wish WHERE room = ? AND kind = ? AND about = ?", room, kind, about
    ):
        tx.run(
            "INSERT INTO wish (room, kind, about, detail, since) VALUES (?, ?, ?, ?, ?)",
            room, kind, about, detail, tx.now,
        )  # fmt: skip
    if not is_quiet:
        tx.stir(room)


def bring_siblings(tx: Tx, room: bytes) -> None:
    """Wish this account's other devices into a room that this one has made or come into."""
    if tx.one("SELECT 1 FROM wish WHERE room = ? AND kind = 'leave'", room):
        return
    for device in trust.devices_pinned(tx.db, tx.me.account):
        there = tx.one(
            "SELECT 1 FROM stay WHERE room = ? AND device = ? AND until IS NULL", room, device
        )
        if there is None:
            add_wish(tx, room, "add_device", device)
