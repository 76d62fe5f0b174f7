"""Deleting an account: what goes, what stays and why.

    goes     its names, keys, lists, devices, tokens, packages, letters, archive, profile, blocks,
             requests, invites and files, its places in rooms, and rooms where nobody else is left
    stays    in rooms where others are: what it wrote, because it belongs to the room, whose members
             can drop it; and its device's id, which entries and letters name as their sender
    blanked  its audit events: their numbers, times, kinds and chain stay, so that the log is still
             one chain, and whose they were, from where and the details go

A device of the account stays in the room's cryptography until a member commits its removal; the
server gives it nothing any more.
"""

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

ROWS_OF_ROOMS = ("entry", "room_row", "snapshot", "link", "alias", "member", "room_account")
"""The tables whose lines belong to one room, named by its number."""

STATEMENTS = (
    "DELETE FROM member WHERE account = ?",
    "DELETE FROM room_account WHERE account = ?",
    "DELETE FROM device_list WHERE account = ?",
    "DELETE FROM archive WHERE account = ?",
    "DELETE FROM blob WHERE account = ?",
    "DELETE FROM block WHERE account = ?",
    "DELETE FROM block WHERE blocked = ?",
    "DELETE FROM ask WHERE asker = ?",
    "DELETE FROM ask WHERE account = ?",
    "DELETE FROM invite WHERE made_by = ?",
    "DELETE FROM invite WHERE account = ?",
    "UPDATE account SET invited_by = NULL WHERE invited_by = ?",
    "UPDATE room_account SET asked_by = NULL WHERE asked_by = ?",
    "UPDATE room SET created_by = NULL WHERE created_by = ?",
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
    blobs = tx.all("SELECT blob FROM blob WHERE account = ? ORDER BY blob", account)
    _leave_rooms(tx, account)
    erased = _blank_events(tx, account)
    for device in devices:
        drop_what_waits(tx, device)
        tx.run("DELETE FROM answer WHERE device IN (?, ?)", device, device + BY_TOKEN)
    # A link still leads into its room; only by whom it was made is nobody's business any more.
    tx.run("UPDATE link SET made_by = ? WHERE made_by = ?", NOBODY_NOW, account)
    for statement in STATEMENTS:
        tx.run(statement, account)
    audit_quietly(tx, "account_deleted", None, erased_events=erased)
    tx.effects.extend(BlobGone(blob) for (blob,) in blobs)
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
    """Delete a room, its log and all that belongs to it."""
    tx.run("DELETE FROM inbox WHERE letter IN (SELECT number FROM letter WHERE room = ?)", number)
    # The newest letter's line stays, without a body: see `letters`.
    tx.run("UPDATE letter SET body = ? WHERE room = ?", b"", number)
    tx.run(
        "DELETE FROM letter WHERE room = ? AND number < (SELECT MAX(number) FROM letter)", number
    )
    for table in ROWS_OF_ROOMS:
        tx.run(f"DELETE FROM {table} WHERE room = ?", number)  # noqa: S608 - Our words.
    tx.run("DELETE FROM room WHERE number = ?", number)
    tx.forget_room(room)


def _blank_events(tx: Tx, account: bytes) -> int:
    """Take from an account's audit events whose they were, and return how many that are."""
    return tx.run(
        """
        UPDATE event SET account = NULL, device = NULL, address = '', detail = ?
        WHERE account = ? OR device IN (SELECT device FROM device WHERE account = ?)
        """,
        ERASED,
        account,
        account,
    )


HANDLERS: dict[type, Handler] = {
    # Its answer is not kept: nothing of the account is.
    DeleteAccount: Handler(delete_account, "socket", "sign_in", is_remembered=False),
}
