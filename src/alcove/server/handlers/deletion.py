"""Deleting an account: what goes, what stays and why.

    goes     its names, keys, lists, devices, tokens, packages, letters, archive, profile, blocks,
             requests, invites and files, its places in rooms, and rooms where nobody else is left
    stays    in rooms where others are: what it wrote, because it belongs to the room, whose members
             can drop it; and its device's id, which entries and letters name as their sender
    blanked  its audit events: their numbers, times, kinds and chain stay, so that the log is still
             one chain, and whose they were, from where and the details go

A device of the account stays in the room's cryptography until a member commits its removal; the
server gives it nothing any more.

What there may be very much of (files, events, answers, the archive, a room's log) goes bit by bit,
so that nobody else waits: the first bit with the account, the rest in turns of housekeeping.  The
table `leftover` says of what; nobody can reach it any more.
"""

from collections.abc import Callable

from alcove.server.answers import BY_TOKEN
from alcove.server.caller import Caller
from alcove.server.effects import BlobGone, Ended
from alcove.server.handlers.access import Handler
from alcove.server.handlers.boxes import check_code, open_lock
from alcove.server.handlers.devices import audit_quietly, drop_what_waits, sharing_devices
from alcove.server.handlers.letters import discard
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

LINES = 500
"""How many lines of what is left one turn deletes."""

ROWS_OF_ROOMS = ("link", "alias", "member", "room_account")
"""The tables whose lines belong to one room and go at once."""
MANY_ROWS_OF_ROOMS = (("entry", "seq"), ("room_row", "number"), ("snapshot", "seq"))
"""Those that may have very many, and what counts their lines within a room."""

STATEMENTS = (
    "DELETE FROM member WHERE device IN (SELECT device FROM device WHERE account = ?)",
    "DELETE FROM room_account WHERE account = ?",
    "DELETE FROM device_list WHERE account = ?",
    "DELETE FROM block WHERE account = ?",
    "DELETE FROM block WHERE blocked = ?",
    "DELETE FROM ask WHERE asker = ?",
    "DELETE FROM ask WHERE account = ?",
    "DELETE FROM invite WHERE made_by = ?",
    "DELETE FROM invite WHERE account = ?",
    "UPDATE account SET invited_by = NULL WHERE invited_by = ?",
    "UPDATE room_account SET asked_by = NULL WHERE asked_by = ?",
    "UPDATE room SET created_by = NULL WHERE created_by = ?",
    "UPDATE snapshot SET made_by = NULL WHERE made_by = ?",
    "UPDATE inbox SET sender = NULL WHERE sender = ?",
    "DELETE FROM device WHERE account = ?",
    "DELETE FROM account WHERE account = ?",
)


def delete_account(tx: Tx, caller: Caller, request: DeleteAccount, now: int) -> Done:
    """Delete the caller's account, for who shows the login key and the code once more."""
    found = open_lock(tx, caller, request.lock, request.login, now)
    check_code(tx, found, request.code, now)
    delete_for_good(tx, caller.account)
    return Done(id=request.id)


def delete_for_good(tx: Tx, account: bytes) -> None:
    """Delete an account and all that is kept for it."""
    devices = tuple(
        device
        for (device,) in tx.all(
            "SELECT device FROM device WHERE account = ? ORDER BY device", account
        )
    )
    mine = frozenset(devices)
    sharing = tuple(device for device in sharing_devices(tx, account) if device not in mine)
    _leave_rooms(tx, account)
    erased = _count_events(tx, account)
    for device in devices:
        drop_what_waits(tx, device)
    (until,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM event") or (0,)
    tx.insert(
        "leftover (kind, name, until)",
        [("account", account, until), *(("device", device, until) for device in devices)],
    )
    # A link still leads into its room; only by whom it was made is nobody's business any more.
    tx.run("UPDATE link SET made_by = ? WHERE made_by = ?", NOBODY_NOW, account)
    for statement in STATEMENTS:
        tx.run(statement, account)
    audit_quietly(tx, "account_deleted", None, erased_events=erased)
    sweep_leftovers(tx)
    tx.push(sharing, ListChanged(account=account, version=0))
    tx.effects.append(Ended(devices, Code.REVOKED))


def _leave_rooms(tx: Tx, account: bytes) -> None:
    """Withdraw what the account asks of others, and drop the rooms where nobody else is active.

    The commons stays in any case: whoever comes next can still join it.
    """
    emptied = tx.all(
        """
        SELECT r.number, r.room FROM room_account mine JOIN room r ON r.number = mine.room
        WHERE mine.account = ? AND r.kind <> 'commons' AND NOT EXISTS (
            SELECT 1 FROM room_account other
            WHERE other.room = r.number AND other.account <> ? AND other.state = 'active'
        )
        ORDER BY r.number
        """,
        account,
        account,
    )
    for room, asked in tx.all(
        """
        SELECT r.room, a.account FROM room_account a JOIN room r ON r.number = a.room
        WHERE a.asked_by = ? AND a.state = 'pending' ORDER BY r.number, a.account
        """,
        account,
    ):
        _withdraw(tx, room, asked)
    for number, room in emptied:
        drop_room(tx, number, room)
    for (room,) in tx.all(
        """
        SELECT r.room FROM room r JOIN room_account a ON a.room = r.number
        WHERE a.account = ? OR a.asked_by = ?
        UNION SELECT room FROM room WHERE created_by = ?
        ORDER BY 1
        """,
        account,
        account,
        account,
    ):
        tx.forget_room(room)


def _withdraw(tx: Tx, room: bytes, asked: bytes) -> None:
    """Take a request back that nobody is left to make good."""
    state = tx.known_room(room)
    devices = tuple(device for device, whose in state.members.items() if whose == asked)
    discard(tx, state, devices)
    tx.run("DELETE FROM member WHERE room = ? AND account = ?", state.number, asked)
    tx.run("DELETE FROM room_account WHERE room = ? AND account = ?", state.number, asked)
    tx.push(devices, RoomChanged(room=room, state="gone"))
    tx.forget_room(room)


def drop_room(tx: Tx, number: int, room: bytes) -> None:
    """Delete a room; its log goes bit by bit, and its line last: it keeps the number."""
    tx.run("DELETE FROM inbox WHERE letter IN (SELECT number FROM letter WHERE room = ?)", number)
    # The newest letter's line stays, without a body: see `letters`.
    tx.run("UPDATE letter SET body = ? WHERE room = ?", b"", number)
    tx.run(
        "DELETE FROM letter WHERE room = ? AND number < (SELECT MAX(number) FROM letter)", number
    )
    for table in ROWS_OF_ROOMS:
        tx.run(f"DELETE FROM {table} WHERE room = ?", number)  # noqa: S608 - Our words.
    tx.run("UPDATE room SET pair = NULL WHERE number = ?", number)
    tx.insert("leftover (kind, name, until)", [("room", room, 0)])
    tx.forget_room(room)


def _count_events(tx: Tx, account: bytes) -> int:
    """Return of how many audit events it will be taken whose they were."""
    (count,) = tx.one(
        """
        SELECT COUNT(*) FROM event
        WHERE account = ? OR device IN (SELECT device FROM device WHERE account = ?)
        """,
        account,
        account,
    ) or (0,)
    return int(count)


# ---- What goes bit by bit ----


def sweep_leftovers(tx: Tx, most: int | None = None) -> int:
    """Delete some of what is left of accounts, and return how many lines; fewer at the end."""
    lines, swept = most or LINES, 0
    while swept < lines:
        left = tx.one("SELECT kind, name, until FROM leftover ORDER BY kind, name LIMIT 1")
        if left is None:
            break
        kind, name, until = left
        count = _SWEEPS[kind](tx, name, until, lines - swept)
        swept += count
        if swept < lines:
            tx.run("DELETE FROM leftover WHERE kind = ? AND name = ?", kind, name)
    return swept


def _sweep_account(tx: Tx, account: bytes, until: int, lines: int) -> int:
    """Delete files and rows of the archive, and take from events whose they were."""
    blobs = tx.all("SELECT blob FROM blob WHERE account = ? LIMIT ?", account, lines)
    for (blob,) in blobs:
        tx.run("DELETE FROM blob WHERE blob = ?", blob)
        tx.effects.append(BlobGone(blob))
    swept = len(blobs)
    swept += tx.run(
        """
        DELETE FROM archive WHERE account = ? AND number IN (
            SELECT number FROM archive WHERE account = ? LIMIT ?
        )
        """,
        account,
        account,
        lines - swept,
    )
    return swept + _blank_events(tx, "account", account, until, lines - swept)


def _sweep_device(tx: Tx, device: bytes, until: int, lines: int) -> int:
    """Delete the answers that a device was given, and take from events that it was the one."""
    swept = 0
    for name in (device, device + BY_TOKEN):
        swept += tx.run(
            """
            DELETE FROM answer WHERE (device, last, first) IN (
                SELECT device, last, first FROM answer WHERE device = ? LIMIT ?
            )
            """,
            name,
            lines - swept,
        )
    return swept + _blank_events(tx, "device", device, until, lines - swept)


def _sweep_room(tx: Tx, room: bytes, _: int, lines: int) -> int:
    """Delete the log of a room and what is sealed beside it, and at last the room's line."""
    (number,) = tx.one("SELECT number FROM room WHERE room = ?", room) or (0,)
    swept = 0
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


_SWEEPS: dict[str, Callable[[Tx, bytes, int, int], int]] = {
    "account": _sweep_account,
    "device": _sweep_device,
    "room": _sweep_room,
}


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


HANDLERS: dict[type, Handler] = {
    # Its answer is not kept: nothing of the account is.
    DeleteAccount: Handler(delete_account, "socket", "sign_in", is_remembered=False),
}
