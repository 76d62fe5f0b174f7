"""Devices: what the server knows of them, who is told of them, and how they end.

Everything here is about devices that stand on their account's signed list.  The list itself is in
`lists`.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Ended
from alcove.server.handlers.access import Handler
from alcove.server.handlers.letters import empty_inbox
from alcove.server.tx import Tx
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


def sharing_devices(tx: Tx, account: bytes, *, but: bytes = b"") -> tuple[bytes, ...]:
    """Return the devices of an account and of all who share a room with it, each of them once."""
    lines = tx.all(
        """
        SELECT m.device FROM room_account a JOIN member m ON m.room = a.room
        JOIN room_account theirs ON theirs.room = m.room AND theirs.account = m.account
        WHERE a.account = ? AND m.left_at IS NULL AND theirs.declined_at IS NULL
        UNION
        SELECT device FROM device WHERE account = ? AND revoked_at IS NULL
        ORDER BY 1
        """,
        account,
        account,
    )
    return tuple(device for (device,) in lines if device != but)


def retire_devices(tx: Tx, devices: tuple[bytes, ...], now: int) -> None:
    """End devices at once: tokens, key packages, letters and connections.

    Their lines stay, so that such a device is told that it was removed, and where they are routed
    they stay routed: only a commit of the room takes them away there.
    """
    for device in devices:
        tx.run("UPDATE device SET revoked_at = ? WHERE device = ?", now, device)
        drop_what_waits(tx, device)
    if devices:
        tx.effects.append(Ended(devices, Code.REVOKED))


def drop_what_waits(tx: Tx, device: bytes) -> None:
    """Drop what is kept for a device alone: tokens, key packages and letters."""
    tx.run("DELETE FROM token WHERE device = ?", device)
    tx.run("DELETE FROM package WHERE device = ?", device)
    empty_inbox(tx, device)


def audit_quietly(tx: Tx, kind: str, account: bytes | None, **detail: str | int) -> None:
    """Write down what somebody else did for an account that must not learn from where he did it."""
    caller, tx.caller = tx.caller, None
    tx.audit(kind, account, is_suspicious=False, **detail)
    tx.caller = caller


HANDLERS: dict[type, Handler] = {
    GetDevices: Handler(get_devices, "device", "read", writes=False),
}
