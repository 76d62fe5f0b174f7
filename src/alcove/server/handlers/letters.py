"""Letters: Welcomes and sealed words, each stored once and waiting in the inboxes of devices.

A Welcome to a room that its account has not accepted yet stays hidden: neither told nor listed, nor
cleared.  When the request is accepted it comes as a new letter, when it is declined it goes.  Of
the Welcomes to one room only the newest waits: those before are for a state that is gone.

    kind in an inbox     each has its own limit (the settings `inbox_…_max`), so that
    own                  an account's devices reach each other, whoever else writes
    sealed               with a lower one for each account, none shuts the others out
    welcome              nobody's letters keep somebody from coming into a room
    hidden               what nobody is shown yet takes no place from what is

Numbers of letters count up for ever, also when all letters are gone and the clock is set back: a
device that has read up to a number must not miss what comes later.  So a new number is at least the
time in milliseconds, and the newest letter's line stays.
"""

from collections.abc import Sequence
from typing import Literal

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.leftovers import LINES, leave_over
from alcove.server.handlers.reads import in_parts, page_length
from alcove.server.roomstate import RoomState
from alcove.server.settings import Settings
from alcove.server.store.database import Value
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.errors import Code
from alcove.wire.rooms import ClearInbox, GetInbox, Inbox, Letter, NewLetter, SendLetter

COPY_BYTES = 16 * 1024
"""Dropping so much of a body takes about as long as dropping a copy."""
DAY_MS = 24 * 60 * 60 * 1000

_SHOWN = """
    FROM inbox i JOIN letter l ON l.number = i.letter JOIN room r ON r.number = l.room
    LEFT JOIN room_account a ON a.room = l.room AND a.account = ?
    WHERE i.device = ? AND (l.kind = 'sealed' OR a.state = 'active')
"""
"""The letters in a device's inbox that it may see."""


def deliver(
    tx: Tx,
    state: RoomState,
    sender_device: bytes,
    kind: Literal["welcome", "sealed"],
    devices: Sequence[bytes],
    body: bytes,
    now: int,
) -> None:
    """Put a letter into the inboxes of devices, and tell those that may see it."""
    sender = state.members[sender_device]
    kinds = _kinds(tx, state, sender, kind, tuple(dict.fromkeys(devices)))
    if not kinds:
        return
    if kind == "welcome":
        _take_out_welcomes(tx, state.number, tuple(kinds))
    for one, most in _most(tx.settings):
        found = [device for device, its in kinds.items() if its == one]
        _refuse_full(tx, found, "kind = ?", one, most)
        if one == "sealed":
            _refuse_full(tx, found, "sender = ?", sender, tx.settings.inbox_sender_max)
    number = _next_number(tx, now)
    tx.insert(
        "letter (number, kind, room, sender, at, body)",
        [(number, kind, state.number, sender_device, now, body)],
    )
    tx.insert(
        "inbox (device, letter, kind, sender, room)",
        [
            (
                device,
                number,
                its,
                sender if its == "sealed" else None,
                state.number if kind == "welcome" else None,
            )
            for device, its in sorted(kinds.items())
        ],
    )
    _tell(tx, [device for device in kinds if state.is_active(device)], number)


def _most(settings: Settings) -> tuple[tuple[str, int], ...]:
    """Return how many letters of each kind an inbox holds."""
    return (
        ("own", settings.inbox_own_max),
        ("sealed", settings.inbox_sealed_max),
        ("welcome", settings.inbox_welcome_max),
        ("hidden", settings.inbox_hidden_max),
    )


def _kinds(
    tx: Tx, state: RoomState, sender: bytes, kind: str, devices: tuple[bytes, ...]
) -> dict[bytes, str]:
    """Return as what a letter comes to each of these devices, but for those of who declined."""
    if kind == "sealed":
        return {one: "own" if state.members[one] == sender else "sealed" for one in devices}
    accounts = state.accounts
    waiting = {one for one in devices if accounts[state.members[one]].state == "pending"}
    declined: set[bytes] = set()
    if waiting:
        sql = "SELECT account FROM room_account WHERE room = ? AND declined_at IS NOT NULL"
        declined = {account for (account,) in tx.all(sql, state.number)}
    return {
        one: "hidden" if one in waiting else "welcome"
        for one in devices
        if state.members[one] not in declined
    }


def release(tx: Tx, room: int, devices: Sequence[bytes], now: int) -> None:
    """Deliver what was hidden from these devices: their account has accepted the room."""
    there: dict[int, list[bytes]] = {}
    for letter, device in _welcomes_to(tx, room, devices):
        there.setdefault(letter, []).append(device)
    for letter in sorted(there):
        number = _next_number(tx, now)
        tx.run(
            """
            INSERT INTO letter (number, kind, room, sender, at, body)
            SELECT ?, kind, room, sender, at, body FROM letter WHERE number = ?
            """,
            number,
            letter,
        )
        for device in there[letter]:
            tx.run(
                "UPDATE inbox SET letter = ?, kind = 'welcome' WHERE device = ? AND letter = ?",
                number,
                device,
                letter,
            )
        _drop_unneeded(tx, (letter,))
        _tell(tx, there[letter], number)


def discard(tx: Tx, room: int, devices: Sequence[bytes]) -> None:
    """Drop the Welcomes to a room that wait for these devices: their account has declined it."""
    _take_out_welcomes(tx, room, devices)


def expire_letters(tx: Tx, now: int, limit: int) -> int:
    """Drop copies of letters that nobody fetched in time, at most so many; return how many.

    A letter goes with its last copy.  A large one counts as so many copies as it takes as long.
    """
    lines = tx.all(
        """
        SELECT number, LENGTH(body) FROM letter
        WHERE at < ? AND number < (SELECT MAX(number) FROM letter) ORDER BY at LIMIT ?
        """,
        now - tx.settings.inbox_days * DAY_MS,
        limit,
    )
    dropped = 0
    for number, size in lines:
        if dropped >= limit:
            break
        copies = tx.run(
            """
            DELETE FROM inbox WHERE letter = ? AND device IN (
                SELECT device FROM inbox WHERE letter = ? LIMIT ?
            )
            """,
            number,
            number,
            limit - dropped,
        )
        dropped += max(copies, 1)
        if tx.one("SELECT 1 FROM inbox WHERE letter = ? LIMIT 1", number) is None:
            tx.run("DELETE FROM letter WHERE number = ?", number)
            dropped += size // COPY_BYTES
    return dropped


def drop_letters(tx: Tx, room: int, lines: int) -> int:
    """Drop so many letters about a room that is gone; return how many it were."""
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM letter") or (0,)
    found = tx.all("SELECT number FROM letter WHERE room = ? ORDER BY number LIMIT ?", room, lines)
    letters = [letter for (letter,) in found]
    for marks, part in in_parts(letters):
        tx.run(f"DELETE FROM inbox WHERE letter IN ({marks})", *part)  # noqa: S608 - Only marks.
    _drop_unneeded(tx, letters)
    return len([letter for letter in letters if letter != newest])


def empty_inbox(tx: Tx, device: bytes, lines: int) -> int:
    """Drop so many of the letters that wait for a device that is gone; return how many it were."""
    letters = tx.all("SELECT letter FROM inbox WHERE device = ? LIMIT ?", device, lines)
    _take_out(tx, device, [letter for (letter,) in letters])
    return len(letters)


def _refuse_full(tx: Tx, devices: Sequence[bytes], condition: str, value: Value, most: int) -> None:
    for marks, part in in_parts(devices):
        sql = f"""
            SELECT device FROM inbox WHERE device IN ({marks}) AND {condition}
            GROUP BY device HAVING COUNT(*) >= ? LIMIT 1
            """  # noqa: S608 - Our words and marks.
        full = tx.one(sql, *part, value, most)
        refuse_unless(
            full is None, Code.LIMIT, "The inbox of a device is full; wait until it was there."
        )


def _take_out_welcomes(tx: Tx, room: int, devices: Sequence[bytes]) -> None:
    """Take the Welcomes to a room out of inboxes: a newer one comes, or nobody wants them."""
    for marks, part in in_parts(devices):
        sql = f"DELETE FROM inbox WHERE room = ? AND device IN ({marks}) RETURNING letter"  # noqa: S608 - Only marks.
        lines = tx.change(sql, room, *part)
        _drop_unneeded(tx, sorted({letter for (letter,) in lines}))


def _next_number(tx: Tx, now: int) -> int:
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM letter") or (0,)
    return max(int(newest) + 1, now)


def _tell(tx: Tx, devices: Sequence[bytes], number: int) -> None:
    if devices:
        tx.push(tuple(devices), NewLetter(number=number))


def _welcomes_to(tx: Tx, room: int, devices: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Return the Welcomes to a room that wait for these devices: letters and devices."""
    found: list[tuple[int, bytes]] = []
    for marks, part in in_parts(devices):
        sql = f"""
            SELECT letter, device FROM inbox WHERE room = ? AND device IN ({marks})
            ORDER BY letter, device
            """  # noqa: S608 - Only marks.
        found += [(letter, device) for letter, device in tx.all(sql, room, *part)]
    return found


def _take_out(tx: Tx, device: bytes, letters: Sequence[int]) -> None:
    for marks, part in in_parts(letters):
        sql = f"DELETE FROM inbox WHERE device = ? AND letter IN ({marks})"  # noqa: S608 - Only marks.
        tx.run(sql, device, *part)
    _drop_unneeded(tx, letters)


def _drop_unneeded(tx: Tx, letters: Sequence[int]) -> None:
    """Drop those of some letters that wait in no inbox; of the newest one its line stays."""
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM letter") or (0,)
    for marks, part in in_parts(letters):
        unneeded = f"""
            number IN ({marks})
            AND NOT EXISTS (SELECT 1 FROM inbox i WHERE i.letter = letter.number)
            """  # noqa: S608 - Only marks.
        if newest in part:
            tx.run(f"UPDATE letter SET body = ? WHERE {unneeded}", b"", *part)  # noqa: S608
        tx.run(f"DELETE FROM letter WHERE {unneeded} AND number < ?", *part, newest)  # noqa: S608


# ---- Requests ----


def get_inbox(tx: Tx, caller: Caller, request: GetInbox, _: int) -> Inbox:
    """Return a page of the letters that wait for this device, oldest first."""
    lines = tx.all(
        f"SELECT l.number, LENGTH(l.body) {_SHOWN} AND i.letter > ? ORDER BY i.letter LIMIT ?",
        caller.account,
        caller.device,
        request.since,
        tx.settings.page_entries_max + 1,
    )
    count = page_length((size for _, size in lines), tx.settings)
    letters = tx.all(
        f"""
        SELECT l.number, l.kind, r.room, l.sender, l.at, l.body {_SHOWN}
        AND i.letter > ? AND i.letter <= ? ORDER BY i.letter
        """,
        caller.account,
        caller.device,
        request.since,
        lines[count - 1][0] if count else request.since,
    )
    return Inbox(
        id=request.id,
        letters=tuple(Letter(*letter) for letter in letters),
        more=count < len(lines),
    )


def clear_inbox(tx: Tx, caller: Caller, request: ClearInbox, _: int) -> Done:
    """Take letters out of this device's inbox, and drop those that nobody waits for any more.

    What is hidden stays, but for Welcomes to rooms where the account was asked and is no longer.
    """
    if clear(tx, caller.device, request.until, LINES) == LINES:
        leave_over(tx, "inbox", caller.device, request.until)
    return Done(id=request.id)


def clear(tx: Tx, device: bytes, until: int, lines: int) -> int:
    """Take so many letters up to a number out of an inbox; return how many it were."""
    letters = tx.all(
        """
        SELECT i.letter FROM inbox i JOIN device d ON d.device = i.device
        WHERE i.device = ? AND i.letter <= ? AND (i.kind <> 'hidden' OR NOT EXISTS (
            SELECT 1 FROM room_account a WHERE a.room = i.room AND a.account = d.account
        ))
        ORDER BY i.letter LIMIT ?
        """,
        device,
        until,
        lines,
    )
    _take_out(tx, device, [letter for (letter,) in letters])
    return len(letters)


def send_letter(tx: Tx, caller: Caller, request: SendLetter, now: int) -> Done:
    """Put sealed bytes into inboxes of a room, but not of who has blocked the sender."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    refuse_unless(len(request.body) <= tx.settings.message_bytes_max, Code.TOO_LARGE)
    is_here = all(state.is_active(device) for device in request.devices)
    refuse_unless(is_here, Code.NOT_A_MEMBER, "A device of the letter is not in the room.")
    blocking = {
        account
        for (account,) in tx.all("SELECT account FROM block WHERE blocked = ?", caller.account)
    }
    devices = [one for one in request.devices if state.members[one] not in blocking]
    if devices:
        deliver(tx, state, caller.device, "sealed", devices, request.body, now)
    return Done(id=request.id)


HANDLERS: dict[type, Handler] = {
    GetInbox: Handler(get_inbox, "device", "read", writes=False),
    ClearInbox: Handler(clear_inbox, "socket", "write"),
    SendLetter: Handler(send_letter, "device", "write"),
}
