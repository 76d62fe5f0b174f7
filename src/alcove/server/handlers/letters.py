"""Letters: Welcomes and sealed words, each stored once and waiting in the inboxes of devices.

A Welcome to a room that its account has not accepted yet stays hidden: neither told nor listed, nor
cleared.  When the request is accepted it comes as a new letter, when it is declined it goes.

Numbers of letters count up for ever, also when all letters are gone and the clock is set back: a
device that has read up to a number must not miss what comes later.  So a new number is at least the
time in milliseconds, and the newest letter's line stays.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.reads import page_length
from alcove.server.roomstate import RoomState
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.errors import Code
from alcove.wire.rooms import ClearInbox, GetInbox, Inbox, Letter, NewLetter, SendLetter

SEALED_LETTERS_MAX = 500
"""How many letters an inbox may hold and still take a sealed one."""
LETTERS_MAX = 10_000
"""How many it may hold and still take a Welcome: sealed ones leave room for them."""
DEVICES_AT_ONCE = 256
"""How many devices one statement asks about."""
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
    devices = tuple(dict.fromkeys(devices))
    _refuse_full(tx, devices, SEALED_LETTERS_MAX if kind == "sealed" else LETTERS_MAX)
    number = _next_number(tx, now)
    tx.insert(
        "letter (number, kind, room, sender, at, body)",
        [(number, kind, state.number, sender_device, now, body)],
    )
    tx.insert("inbox (device, letter)", [(device, number) for device in devices])
    _tell(tx, [device for device in devices if state.is_active(device)], number)


def release(tx: Tx, state: RoomState, devices: Sequence[bytes], now: int) -> None:
    """Deliver what was hidden from these devices: their account has accepted the room."""
    there: dict[int, list[bytes]] = {}
    for device in devices:
        for letter in _letters_about(tx, state, device):
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
                "UPDATE inbox SET letter = ? WHERE device = ? AND letter = ?",
                number,
                device,
                letter,
            )
        _drop_unneeded(tx, (letter,))
        _tell(tx, there[letter], number)


def discard(tx: Tx, state: RoomState, devices: Sequence[bytes]) -> None:
    """Drop what waits in these devices' inboxes about a room: their account has declined it."""
    for device in devices:
        _take_out(tx, device, _letters_about(tx, state, device))


def expire_letters(tx: Tx, now: int, limit: int) -> int:
    """Drop letters that nobody fetched in time, and return how many there were."""
    lines = tx.all(
        """
        SELECT number FROM letter
        WHERE at < ? AND number < (SELECT MAX(number) FROM letter) ORDER BY at LIMIT ?
        """,
        now - tx.settings.inbox_days * DAY_MS,
        limit,
    )
    for (number,) in lines:
        tx.run("DELETE FROM inbox WHERE letter = ?", number)
        tx.run("DELETE FROM letter WHERE number = ?", number)
    return len(lines)


def _refuse_full(tx: Tx, devices: tuple[bytes, ...], letters_max: int) -> None:
    for start in range(0, len(devices), DEVICES_AT_ONCE):
        part = devices[start : start + DEVICES_AT_ONCE]
        marks = ", ".join("?" * len(part))
        sql = f"""
            SELECT device FROM inbox WHERE device IN ({marks})
            GROUP BY device HAVING COUNT(*) >= ? LIMIT 1
            """  # noqa: S608 - Only marks.
        full = tx.one(sql, *part, letters_max)
        refuse_unless(
            full is None, Code.LIMIT, "The inbox of a device is full; wait until it was there."
        )


def _next_number(tx: Tx, now: int) -> int:
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM letter") or (0,)
    return max(int(newest) + 1, now)


def _tell(tx: Tx, devices: Sequence[bytes], number: int) -> None:
    if devices:
        tx.push(tuple(devices), NewLetter(number=number))


def _letters_about(tx: Tx, state: RoomState, device: bytes) -> list[int]:
    lines = tx.all(
        """
        SELECT i.letter FROM inbox i JOIN letter l ON l.number = i.letter
        WHERE i.device = ? AND l.room = ? ORDER BY i.letter
        """,
        device,
        state.number,
    )
    return [letter for (letter,) in lines]


def _take_out(tx: Tx, device: bytes, letters: Sequence[int]) -> None:
    for letter in letters:
        tx.run("DELETE FROM inbox WHERE device = ? AND letter = ?", device, letter)
    _drop_unneeded(tx, letters)


def _drop_unneeded(tx: Tx, letters: Iterable[int]) -> None:
    """Drop those of some letters that wait in no inbox; of the newest one its line stays."""
    (newest,) = tx.one("SELECT COALESCE(MAX(number), 0) FROM letter") or (0,)
    for letter in letters:
        if tx.one("SELECT 1 FROM inbox WHERE letter = ? LIMIT 1", letter) is not None:
            continue
        if letter == newest:
            tx.run("UPDATE letter SET body = ? WHERE number = ?", b"", letter)
        else:
            tx.run("DELETE FROM letter WHERE number = ?", letter)


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
    """Take letters out of this device's inbox, and drop those that nobody waits for any more."""
    lines = tx.all(
        f"SELECT l.number {_SHOWN} AND i.letter <= ?",
        caller.account,
        caller.device,
        request.until,
    )
    _take_out(tx, caller.device, [letter for (letter,) in lines])
    return Done(id=request.id)


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
