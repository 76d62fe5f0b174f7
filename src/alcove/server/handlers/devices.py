"""Devices: what the server knows of them, who is told of them, and how they end.

Everything here is about devices on their account's signed list; the list itself is in `lists`.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Ended, ToMany
from alcove.server.handlers.access import Handler
from alcove.server.handlers.leftovers import LINES, leave_over
from alcove.server.handlers.letters import empty_inbox
from alcove.server.tx import Tx
from alcove.wire.base import Push
from alcove.wire.codec import encode
from alcove.wire.devices import Device, Devices, GetDevices
from alcove.wire.errors import Code


def get_devices(tx: Tx, caller: Caller, request: GetDevices, _: int) -> Devices:
    """Tell what the server knows of the caller's own devices, oldest first."""
    lines = tx.all(
        """
        SELECT d.device, d.added_at, d.seen_at, d.client,
            (SELECT COUNT(*) FROM package p
                WHERE p.device = d.device AND p.number > 0 AND p.claim IS NULL)
        FROM device d
        WHERE d.account = ? AND d.revoked_at IS NULL
        ORDER BY d.added_at, d.device
        """,
        caller.account,
    )
    return Devices(id=request.id, devices=tuple(Device(*line) for line in lines))


def tell_sharing(tx: Tx, account: bytes, push: Push, *, but: bytes = b"") -> None:
    """Tell the devices of an account and of all who share a room with it, each of them once.

    Only rooms are named here, which may have any number of members: the hub knows who is there.
    Who was asked into such a room and has not answered is not found that way.
    """
    rooms = tx.all(
        """
        SELECT r.room FROM room_account a JOIN room r ON r.number = a.room
        WHERE a.account = ? ORDER BY a.room
        """,
        account,
    )
    asked = tx.all(
        """
        SELECT DISTINCT p.account FROM room_account a
        JOIN room_account p ON p.room = a.room AND p.state = 'pending'
        WHERE a.account = ? AND p.account <> ? AND p.declined_at IS NULL ORDER BY p.account
        """,
        account,
        account,
    )
    tx.effects.append(
        ToMany(
            tuple(room for (room,) in rooms),
            (account, *(one for (one,) in asked)),
            encode(push),
            but,
        )
    )


def retire_devices(tx: Tx, devices: tuple[bytes, ...], now: int) -> None:
    """End devices at once: tokens and connections; and key packages and letters bit by bit.

    Their lines stay, so that such a device is told that it was removed, and where they are routed
    they stay routed: only a commit of the room takes them away there.
    """
    lines = LINES
    for device in devices:
        tx.run("UPDATE device SET revoked_at = ? WHERE device = ?", now, device)
        tx.run("DELETE FROM token WHERE device = ?", device)
        lines -= drop_what_waits(tx, device, lines)
        if lines <= 0:
            leave_over(tx, "device", device)
    if devices:
        tx.effects.append(Ended(devices, Code.REVOKED))


def drop_what_waits(tx: Tx, device: bytes, lines: int) -> int:
    """Drop so much of what is kept for a device alone, and return how much: fewer at the end."""
    swept = tx.run(
        """
        DELETE FROM package WHERE device = ? AND number IN (
            SELECT number FROM package WHERE device = ? LIMIT ?
        )
        """,
        device,
        device,
        lines,
    )
    return swept + empty_inbox(tx, device, lines - swept)


HANDLERS: dict[type, Handler] = {
    GetDevices: Handler(get_devices, "device", "read", writes=False),
}
