"""Deleting an account: what goes, what stays and why.

    goes     its names, keys, lists, devices, tokens, packages, letters, archive, profile, blocks,
             requests, invites and files, its places in rooms, and rooms where nobody else is left
    stays    in rooms where others are: what it wrote, because it belongs to the room, whose members
             can drop it; and its device's id, which entries and letters name as their sender
    blanked  its audit events: their numbers, times, kinds and chain stay, so that the log is still
             one chain, and whose they were, from where and the details go

A device of the account stays in the room's cryptography until a member commits its removal; the
server gives it nothing any more.

First what the same batch holds of the account already is written, so that it is found.  Then the
account itself goes, so that nobody signs in, is found or added to a room any more.  All else goes
bit by bit, so that nobody has to wait for it: the first bit at once, the rest in turns of
housekeeping.  The table `leftover` says of what, and is written with the first step.
"""

from collections.abc import Callable

from alcove.server.answers import BY_TOKEN
from alcove.server.caller import Caller
from alcove.server.effects import BlobGone, Ended
from alcove.server.handlers.access import Handler
from alcove.server.handlers.archive import sweep_archive
from alcove.server.handlers.boxes import check_code, open_lock
from alcove.server.handlers.chats import take_out
from alcove.server.handlers.devices import drop_what_waits, tell_sharing
from alcove.server.handlers.leftovers import LINES, leave_over
from alcove.server.handlers.letters import clear, discard, drop_letters
from alcove.server.tx import Tx
from alcove.wire.accounts import DeleteAccount
from alcove.wire.base import Done
from alcove.wire.devices import ListChanged
from alcove.wire.errors import Code
from alcove.wire.rooms import RoomChanged

NOBODY_NOW = bytes(16)
"""Stands for an account that is gone, where a column must name one."""
ERASED = '{"erased":1}'
"""The detail of an event of an account that is gone.  Its line no longer fits the chain, and need
not: `account_deleted` says how many such lines there are."""

ROWS_OF_ROOMS = ("link", "alias", "member", "room_account")
"""The tables whose lines belong to one room and go at once."""
MANY_ROWS_OF_ROOMS = (("entry", "seq"), ("room_row", "number"), ("snapshot", "seq"))
"""Those that may have very many, and what counts their lines within a room."""

DROPPED = (
    ("invite", "invite", "made_by"),
    ("invite", "invite", "account"),
    ("block", "account, blocked", "account"),
    ("block", "account, blocked", "blocked"),
    ("ask", "asker, account", "asker"),
    ("ask", "asker, account", "account"),
    ("device_list", "account, version", "account"),
    ("archive", "account, room, name", "account"),
)
"""Tables whose lines go with an account: what names a line, and the column with the account."""
FORGOTTEN = (
    ("account", "account", "invited_by", None),
    ("room_account", "room, account", "asked_by", None),
    ("snapshot", "room, seq", "made_by", None),
    ("inbox", "device, letter", "sender", None),
    # A link still leads into its room; only by whom it was made is nobody's business any more.
    ("link", "hash", "made_by", NOBODY_NOW),
)
"""Tables whose lines stay: what names a line, the column with the account, and what comes there."""


def delete_account(tx: Tx, caller: Caller, request: DeleteAccount, now: int) -> Done:
    """Delete the caller's account, for who shows the login key and the code once more."""
    found = open_lock(tx, caller, request.lock, request.login, now)
    tx.settle()  # What this batch holds of the account already must go with the rest.
    check_code(tx, found, request.code, now)
    delete_for_good(tx, caller.account)
    return Done(id=request.id)


def delete_for_good(tx: Tx, account: bytes) -> None:
    """Delete an account and all that is kept for it."""
    devices = tuple(
        device
        for (device,) in tx.all(
            "SELECT device FROM device WHERE account = ? AND revoked_at IS NULL ORDER BY device",
            account,
        )
    )
    erased = _count_events(tx, account)
    (until,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM event") or (0,)
    tx.effects.append(Ended(devices, Code.REVOKED))
    tell_sharing(tx, account, ListChanged(account=account, version=0))
    for device in devices:
        tx.run("UPDATE device SET revoked_at = ? WHERE device = ?", tx.now, device)
        tx.run("DELETE FROM token WHERE device = ?", device)
    tx.run("DELETE FROM account WHERE account = ?", account)
    leave_over(tx, "account", account, until)
    tx.audit("account_deleted", None, is_quiet=True, erased_events=erased)
    sweep_leftovers(tx)


def _count_events(tx: Tx, account: bytes) -> int:
    """Return of how many audit events it will be taken whose they were."""
    (count,) = tx.one(
        """
        SELECT (SELECT COUNT(*) FROM event WHERE account = ?) + (
            SELECT COUNT(*) FROM event
            WHERE device IN (SELECT device FROM device WHERE account = ?)
              AND (account IS NULL OR account <> ?)
        )
        """,
        account,
        account,
        account,
    ) or (0,)
    return int(count)


# ---- What goes bit by bit ----


def sweep_leftovers(tx: Tx, most: int | None = None) -> int:
    """Delete some of what is left over, and return how many lines; fewer at the end."""
    lines, swept = most or LINES, 0
    while swept < lines:
        left = tx.one("SELECT kind, name, until FROM leftover ORDER BY kind, name LIMIT 1")
        if left is None:
            break
        kind, name, until = left
        swept += _SWEEPS[kind](tx, name, until, lines - swept)
        if swept < lines:
            tx.run("DELETE FROM leftover WHERE kind = ? AND name = ?", kind, name)
    return swept


def _sweep_account(tx: Tx, account: bytes, until: int, lines: int) -> int:
    """Go on with what an account that is gone has left."""
    swept = 0
    for step in _STEPS:
        swept += step(tx, account, until, lines - swept)
        if swept >= lines:
            break
    return swept


def _drop_rows(tx: Tx, account: bytes, _: int, lines: int) -> int:
    """Delete lines that go with the account, and its name from those that stay."""
    swept = 0
    for table, key, column in DROPPED:
        swept += tx.run(
            f"""
            DELETE FROM {table} WHERE ({key}) IN (
                SELECT {key} FROM {table} WHERE {column} = ? LIMIT ?
            )
            """,  # noqa: S608 - Our words.
            account,
            lines - swept,
        )
    for table, key, column, value in FORGOTTEN:
        swept += tx.run(
            f"""
            UPDATE {table} SET {column} = ? WHERE ({key}) IN (
                SELECT {key} FROM {table} WHERE {column} = ? LIMIT ?
            )
            """,  # noqa: S608 - Our words.
            value,
            account,
            lines - swept,
        )
    rooms = tx.all(
        "SELECT number, room FROM room WHERE created_by = ? LIMIT ?", account, lines - swept
    )
    for number, room in rooms:
        tx.run("UPDATE room SET created_by = NULL WHERE number = ?", number)
        tx.forget_room(room)
    return swept + len(rooms)


def _withdraw_asks(tx: Tx, account: bytes, _: int, lines: int) -> int:
    """Take requests back that nobody is left to make good."""
    asks = tx.all(
        """
        SELECT r.number, r.room, a.account FROM room_account a JOIN room r ON r.number = a.room
        WHERE a.asked_by = ? AND a.state = 'pending' ORDER BY r.number, a.account LIMIT ?
        """,
        account,
        lines,
    )
    for number, room, asked in asks:
        devices = take_out(tx, number, room, asked)
        discard(tx, number, devices)
        tx.push(devices, RoomChanged(room=room, state="gone"))
    return len(asks)


def _leave_rooms(tx: Tx, account: bytes, _: int, lines: int) -> int:
    """Leave rooms, and drop those where nobody else is active.

    The commons stays in any case: whoever comes next can still join it.
    """
    swept = 0
    for number, room, kind in tx.all(
        """
        SELECT r.number, r.room, r.kind FROM room_account a JOIN room r ON r.number = a.room
        WHERE a.account = ? ORDER BY a.room LIMIT ?
        """,
        account,
        lines,
    ):
        if swept >= lines:
            break
        other = tx.one(
            """
            SELECT 1 FROM room_account WHERE room = ? AND account <> ? AND state = 'active' LIMIT 1
            """,
            number,
            account,
        )
        swept += 1 + len(take_out(tx, number, room, account))
        if other is None and kind != "commons":
            drop_room(tx, number, room)
    return swept


def _drop_blobs(tx: Tx, account: bytes, _: int, lines: int) -> int:
    blobs = tx.all("SELECT blob FROM blob WHERE account = ? LIMIT ?", account, lines)
    for (blob,) in blobs:
        tx.run("DELETE FROM blob WHERE blob = ?", blob)
        tx.effects.append(BlobGone(blob))
    return len(blobs)


def _drop_devices(tx: Tx, account: bytes, until: int, lines: int) -> int:
    """Delete what the account's devices were given, and at last their own lines."""
    swept = 0
    while swept < lines:
        line = tx.one("SELECT device FROM device WHERE account = ? LIMIT 1", account)
        if line is None:
            break
        (device,) = line
        swept += drop_what_waits(tx, device, lines - swept)
        for name in (device, device + BY_TOKEN):
            swept += tx.erase_answers(name, lines - swept) if swept < lines else 0
        swept += _blank_events(tx, "device", device, until, lines - swept)
        if swept < lines:
            tx.run("DELETE FROM device WHERE device = ?", device)
            swept += 1
    return swept


def _blank_own_events(tx: Tx, account: bytes, until: int, lines: int) -> int:
    return _blank_events(tx, "account", account, until, lines)


def _blank_events(tx: Tx, column: str, name: bytes, until: int, lines: int) -> int:
    """Take from audit events whose they were, and return how many that are.

    Those that came after the deletion were not announced by it, and stay.
    """
    return tx.run(
        f"""
        UPDATE event SET account = NULL, device = NULL, address = '', detail = ?
        WHERE number IN (SELECT number FROM event WHERE {column} = ? AND number <= ? LIMIT ?)
        """,  # noqa: S608 - Our words.
        ERASED,
        name,
        until,
        lines,
    )


_STEPS = (
    _withdraw_asks, _leave_rooms, _drop_rows, _drop_blobs, _blank_own_events, _drop_devices,
)  # fmt: skip
"""What goes of an account, in this order: its rooms before what they name of it, devices last."""


# ---- Rooms and devices ----


def drop_room(tx: Tx, number: int, room: bytes) -> None:
    """Delete a room; its log goes bit by bit, and its line last: it keeps the number."""
    for table in ROWS_OF_ROOMS:
        tx.run(f"DELETE FROM {table} WHERE room = ?", number)  # noqa: S608 - Our words.
    tx.run("UPDATE room SET pair = NULL WHERE number = ?", number)
    leave_over(tx, "room", room)
    tx.forget_room(room)


def _sweep_room(tx: Tx, room: bytes, _: int, lines: int) -> int:
    """Delete the log of a room and what is sealed beside it, and at last the room's line."""
    (number,) = tx.one("SELECT number FROM room WHERE room = ?", room) or (0,)
    swept = drop_letters(tx, number, lines)
    for table, place in MANY_ROWS_OF_ROOMS:
        swept += tx.run(
            f"""
            DELETE FROM {table} WHERE room = ? AND {place} IN (
                SELECT {place} FROM {table} WHERE room = ? LIMIT ?
            )
            """,  # noqa: S608 - Our words.
            number,
            number,
            lines - swept,
        )
    if swept < lines:
        tx.run("DELETE FROM room WHERE number = ?", number)
        tx.forget_room(room)
    return swept


def _sweep_device(tx: Tx, device: bytes, _: int, lines: int) -> int:
    return drop_what_waits(tx, device, lines)


_SWEEPS: dict[str, Callable[[Tx, bytes, int, int], int]] = {
    "account": _sweep_account,
    "archive": sweep_archive,
    "device": _sweep_device,
    "inbox": clear,
    "room": _sweep_room,
}


HANDLERS: dict[type, Handler] = {
    # Its answer is not kept: nothing of the account is.
    DeleteAccount: Handler(delete_account, "socket", "sign_in", is_remembered=False),
}
