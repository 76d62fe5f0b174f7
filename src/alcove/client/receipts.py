"""How far everybody has come: what devices have stored, what people have read, what is unread.

    stored   the server counts it by devices, when they say so, and tells it: it could lie
    read     each account says it itself, sealed and signed, in one slot of each room: it cannot

A slot is overwritten, one in three seconds at most, and hidden from others in rooms of more than 32
accounts.  One's own devices see it always: what was read on one is read on all.
"""

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from alcove.client import profiles
from alcove.client.errors import PeerError, UsageError
from alcove.client.events import RoomChanged
from alcove.client.keys.envelope import KEY_BYTES
from alcove.client.keys.sealing import named_key, open_slot, seal_slot
from alcove.client.rooms.messages import SLOTS, key_of
from alcove.client.rooms.state import Room, find_room
from alcove.client.rooms.walk import PASSED, PASSED_MS
from alcove.client.store.database import Database
from alcove.client.timeline import Unread, delivered, read_by
from alcove.client.timeline import unread as count_unread
from alcove.client.timeline.rows import WAITING
from alcove.client.tx import Tx
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.content import TEXT_CHARACTERS_MAX
from alcove.wire.entries import Delivered, Passed
from alcove.wire.errors import Refusal
from alcove.wire.ids import Count, Position, Seq
from alcove.wire.rooms import (
    GetMembers,
    GetSlots,
    Members,
    PutSlot,
    Slot,
    Slots,
    SlotsChanged,
)
from alcove.wire.signed import device_id

Level = Literal["all", "mentions", "none"]
"""Of what in a room the owner is notified."""

PASSED_ROOMS = 1024
"""Rooms of one such request."""
SLOT = "receipts.slot"
"""The alarm that stores this account's slot in a room."""
SLOT_MS = 3_000
"""One slot of a room in so long."""
LOOK = "receipts.look"
"""The alarm that goes on reading slots, from a room on."""
LOOK_MS = 1_000
AGAIN_MS = 10_000
"""What was refused is asked again after so long, unless the server says when."""
SHOWN_ACCOUNTS_MAX = 32
"""In rooms of more accounts, read positions of others are not looked at."""
UNSAID = -1
"""What a slot says that is to be stored once more."""
ALONE = b"alone"
"""The note of a question about one room: after it no other room is asked about."""


class Mark(Struct, frozen=True, array_like=True):
    """What a slot holds, in msgpack; a longer one comes from a newer app."""

    seq: Seq
    """All up to this place was read,"""
    incarnation: Count
    """in this life of the log."""
    profile_key: Annotated[bytes, Meta(max_length=KEY_BYTES)] = b""
    """What opens the account's profile; empty for none."""


class Choice(NamedTuple):
    """What the owner has chosen for a room, on this device."""

    level: Level = "all"
    is_pinned: bool = False
    is_archived: bool = False
    is_marked: bool = False
    """Marked as unread, whatever was read."""
    draft: str = ""
    """What was begun there and not said yet."""


_decode_mark = msgspec.msgpack.Decoder(Mark).decode


# ---- Looking ----


def read_place(db: Database, room: bytes) -> int:
    """Return how far this account has read a room; what was there before it came is not unread."""
    row = db.one(
        """
        SELECT COALESCE(
            (SELECT seq FROM read_mark WHERE room = ?1 AND account = me.account),
            (SELECT MIN(since) FROM stay WHERE room = ?1 AND account = me.account),
            0)
        FROM me
        """,
        room,
    )
    return 0 if row is None else int(row[0])


def unread(db: Database, room: bytes) -> Unread:
    """Return how much of a room was not read yet on any device of this account."""
    row = db.one("SELECT account FROM me")
    assert row is not None
    return count_unread(db, room, row[0], read_place(db, room))


def choice(db: Database, room: bytes) -> Choice:
    """Return what the owner has chosen for a room."""
    row = db.one(
        "SELECT level, is_pinned, is_archived, is_marked, draft FROM room_choice WHERE room = ?",
        room,
    )
    if row is None:
        return Choice()
    is_pinned, is_archived, is_marked = map(bool, row[1:4])
    return Choice(row[0], is_pinned, is_archived, is_marked, row[4])


# ---- What the owner does ----


def read(tx: Tx, room: bytes, seq: int) -> None:
    """Note that the owner has read a room up to a place; places never go back."""
    here = find_room(tx, room)
    if here is None:
        raise UsageError("There is no such room on this device.")
    was_marked = tx.run(
        "UPDATE room_choice SET is_marked = 0 WHERE room = ? AND is_marked = 1", room
    )
    seq = min(seq, here.seq)
    if seq > _own_mark(tx, room):
        read_by(tx, room, tx.me.account, seq)
        say(tx, room)
    elif not was_marked:
        return
    tx.tell(RoomChanged(room))


def mark_unread(tx: Tx, room: bytes) -> None:
    """Show a room as unread on this device, until it is read again."""
    _choose(tx, room, is_marked=True)


def choose(
    tx: Tx, room: bytes, *, level: Level | None = None, is_pinned: bool | None = None,
    is_archived: bool | None = None,
) -> None:  # fmt: skip
    """Choose on this device what of a room is notified, and where it stands; None leaves it."""
    _choose(tx, room, level=level, is_pinned=is_pinned, is_archived=is_archived)


def _choose(tx: Tx, room: bytes, **wanted: bool | str | None) -> None:
    tx.run("INSERT INTO room_choice (room) VALUES (?) ON CONFLICT DO NOTHING", room)
    for column, value in wanted.items():
        if value is not None:
            tx.run(f"UPDATE room_choice SET {column} = ? WHERE room = ?", value, room)  # noqa: S608
    tx.tell(RoomChanged(room))


def keep_draft(tx: Tx, room: bytes, text: str) -> None:
    """Keep what was begun in a room; nothing at all forgets it.  Too much is cut."""
    tx.run("INSERT INTO room_choice (room) VALUES (?) ON CONFLICT DO NOTHING", room)
    tx.run("UPDATE room_choice SET draft = ? WHERE room = ?", text[:TEXT_CHARACTERS_MAX], room)


# ---- What this device has stored ----


def signed_in(tx: Tx) -> None:
    """Say how far this device is, and ask how far others have come."""
    tx.wake(PASSED, b"", tx.now + PASSED_MS)
    tx.wake(LOOK, b"", tx.now + LOOK_MS)


def passed(tx: Tx, _about: bytes) -> None:
    """Tell the server how far this device has stored its logs, where that is news.

    One place in a log that a restore has ended, and it would refuse to hear of any room: such a
    room is told of once it is compared.
    """
    if not tx.memory.is_signed_in:
        return  # The next sign-in does.
    if any(one.answered_by == "receipts.told" for one in tx.memory.asked.values()):
        tx.wake(PASSED, b"", tx.now + PASSED_MS)
        return
    rooms = tx.all(
        """
        SELECT room.room, room.incarnation, room.seq FROM room
        JOIN me ON me.incarnation = room.incarnation
        LEFT JOIN told_passed AS told ON told.room = room.room
            AND told.incarnation = room.incarnation
        WHERE room.state = 'active' AND room.seq > COALESCE(told.seq, 0)
        ORDER BY room.room LIMIT ?
        """,
        PASSED_ROOMS,
    )
    if rooms:
        news = tuple((room, Position(incarnation, seq)) for room, incarnation, seq in rooms)
        tx.ask(Passed(rooms=news), "receipts.told")


def told(tx: Tx, request: Passed, answer: object, _: bytes) -> None:
    """The server knows how far this device is."""
    if isinstance(answer, Refusal):
        tx.wake(PASSED, b"", tx.now + (answer.retry_after_ms or AGAIN_MS))
        return
    tx.many(
        """
        INSERT INTO told_passed (room, incarnation, seq) VALUES (?, ?, ?)
        ON CONFLICT (room) DO UPDATE SET incarnation = excluded.incarnation, seq = excluded.seq
        """,
        [(room, position.incarnation, position.seq) for room, position in request.rooms],
    )
    if len(request.rooms) == PASSED_ROOMS:
        tx.wake(PASSED, b"", tx.now + PASSED_MS)


def delivered_to(tx: Tx, push: Delivered) -> None:
    """Hear how far devices of others have stored a log, as the server says."""
    there = [
        device
        for (device,) in tx.all(
            "SELECT device FROM stay WHERE room = ? AND until IS NULL ORDER BY device", push.room
        )
    ]
    known = dict.fromkeys(there)
    delivered(tx, push.room, [(device, seq) for device, seq in push.devices if device in known])


def members(tx: Tx, request: GetMembers, answer: Members | Refusal, _: bytes) -> None:
    """Hear how far the others had come while this device was away: each account's furthest."""
    if isinstance(answer, Refusal):
        return  # What they store next is told again.
    devices = [(one.devices[0], one.passed) for one in answer.members if one.devices]
    delivered_to(tx, Delivered(room=request.room, devices=tuple(devices)))


# ---- What this account has read ----


def say(tx: Tx, room: bytes) -> None:
    """Have this account's slot in a room stored soon."""
    line = tx.one("SELECT at FROM slot WHERE room = ?", room)
    # A time to come is of a clock that was set back since.
    due = tx.now if line is None else min(line[0], tx.now) + SLOT_MS
    tx.wake(SLOT, room, max(tx.now, due))


def say_again(tx: Tx, room: bytes) -> None:
    """Have this account's slot stored once more: somebody may not know what it says."""
    if tx.run("UPDATE slot SET seq = ? WHERE room = ?", UNSAID, room):
        say(tx, room)


def server_was_restored(tx: Tx) -> None:
    """The server may have lost all slots: each is stored again once its room is known."""
    tx.run("UPDATE slot SET seq = ?", UNSAID)


def room_is_known(tx: Tx, room: bytes) -> None:
    """Say what waited until a room's place in a restored log is known: how far this device is."""
    tx.wake(PASSED, b"", tx.now + PASSED_MS)
    if _is_unsaid(tx, room):
        say(tx, room)


def _is_unsaid(tx: Tx, room: bytes) -> bool:
    return tx.one("SELECT 1 FROM slot WHERE room = ? AND seq = ?", room, UNSAID) is not None


def put(tx: Tx, room: bytes) -> None:
    """Store this account's slot in a room, unless it says that already."""
    here = find_room(tx, room)
    if here is None or here.state != "active" or here.room_key is None:
        return
    if tx.one("SELECT 1 FROM request WHERE answered_by = 'receipts.stored' AND note = ?", room):
        return  # The answer to that one goes on.
    seq = _own_mark(tx, room)
    key = key_of(tx, room, here.room_key)
    said = tx.one("SELECT seq, profile_key FROM slot WHERE room = ?", room) or (0, b"")
    mine = profiles.own_key(tx)
    if key is None or (seq, mine) == said:
        return
    me = tx.me
    tx.run("UPDATE me SET seals = seals + 1")
    plain = encode(Mark(seq, here.incarnation, mine))
    body = seal_slot(key, room, me.account, here.room_key, me.key, plain, tx.random(32))
    tx.order(PutSlot(room=room, body=body), "receipts.stored", room)
    tx.run(
        """
        INSERT INTO slot (room, seq, profile_key, at) VALUES (?, ?, ?, ?)
        ON CONFLICT (room) DO UPDATE SET seq = excluded.seq, at = excluded.at,
            profile_key = excluded.profile_key
        """,
        room, seq, mine, tx.now,
    )  # fmt: skip


def stored(tx: Tx, _request: PutSlot, answer: object, room: bytes) -> None:
    """A slot was stored, or could not be: what was read since says more, and comes next."""
    if not isinstance(answer, Refusal):
        say(tx, room)


def _own_mark(tx: Tx, room: bytes) -> int:
    line = tx.one("SELECT seq FROM read_mark WHERE room = ? AND account = ?", room, tx.me.account)
    return 0 if line is None else int(line[0])


# ---- What others have read ----


def arrived(tx: Tx, room: bytes) -> None:
    """Ask what was read in a room that this device has come into, and what it is called."""
    once(tx, room)
    tx.wake(SLOTS, room, tx.now + AGAIN_MS)
    profiles.arrived(tx, room)
    say_again(tx, room)  # What was stored before, who came meanwhile may not open.
    say(tx, room)  # Whoever is there learns who has come.


def once(tx: Tx, room: bytes) -> None:
    """Ask for the slots of one room, if there is a line; the next sign-in does it otherwise."""
    if tx.memory.is_signed_in:
        tx.ask(GetSlots(room=room), "receipts.slots", ALONE)


def look(tx: Tx, room: bytes) -> None:
    """Begin to ask for the slots of all rooms, or go on with one, if there is a line."""
    if not tx.memory.is_signed_in:
        return
    if room:
        tx.ask(GetSlots(room=room), "receipts.slots")
    else:
        _look_on(tx, b"")


def _look_on(tx: Tx, after: bytes) -> None:
    """Ask for the slots of the next room: one after another, because there may be many."""
    line = tx.one(
        """
        SELECT room FROM room WHERE state = 'active' AND kind <> 'mailbox' AND room > ?
        ORDER BY room LIMIT 1
        """,
        after,
    )
    if line is not None:
        tx.ask(GetSlots(room=line[0]), "receipts.slots")


def slots(tx: Tx, request: GetSlots, answer: Slots | Refusal, note: bytes) -> None:
    """Take the slots of a room, and go on with the next one."""
    if not isinstance(answer, Refusal):
        _take(tx, request.room, answer.slots)
        if note != ALONE:
            profiles.look(tx, request.room)
        if _waits_for_others(tx, request.room):
            tx.ask(GetMembers(room=request.room), "receipts.members")
    elif answer.retry_after_ms is not None and note != ALONE:
        tx.wake(LOOK, request.room, tx.now + answer.retry_after_ms)
        return
    if note != ALONE:
        _look_on(tx, request.room)


def _waits_for_others(tx: Tx, room: bytes) -> bool:
    """Return whether something was said here of which nobody has told that it has come."""
    line = tx.one(
        """
        SELECT 1 FROM line WHERE room = ?1 AND is_shown = 1 AND account = ?2 AND seq < ?3
            AND seq > COALESCE((SELECT MAX(seq) FROM passed WHERE room = ?1), 0) LIMIT 1
        """,
        room, tx.me.account, WAITING,
    )  # fmt: skip
    return line is not None


def changed(tx: Tx, push: SlotsChanged) -> None:
    """Somebody has read further."""
    _take(tx, push.room, push.slots)


def _take(tx: Tx, room: bytes, told: tuple[Slot, ...]) -> None:
    """Take slots of those who are in a room; bad ones mean nothing, and hurt nobody else."""
    here = find_room(tx, room)
    if here is None or here.state != "active":
        return
    accounts = [
        account
        for (account,) in tx.all(
            "SELECT DISTINCT account FROM stay WHERE room = ? AND until IS NULL", room
        )
    ]
    me = tx.me.account
    if len(accounts) > SHOWN_ACCOUNTS_MAX:
        accounts = [me]
    by_account = {slot.account: slot.body for slot in told}
    for account in sorted(accounts):
        found = _open(tx, here, account, by_account.get(account, b""))
        if found is None:
            continue
        mark, writer = found
        read_by(tx, room, account, min(mark.seq, max(here.head, here.seq)))
        if writer != tx.me.device or not _is_unsaid(tx, room):
            profiles.key_told(tx, account, mark.profile_key)
        if account == me:
            tx.tell(RoomChanged(room))
            if writer != tx.me.device and tx.run(
                "UPDATE slot SET seq = ?1 WHERE room = ?2 AND seq > ?1", mark.seq, room
            ):  # Another device has overwritten what it had not heard of: say it again.
                say(tx, room)


def _open(tx: Tx, here: Room, account: bytes, body: bytes) -> tuple[Mark, bytes] | None:
    """Return what a slot says and which device of its account wrote it, if it stands there."""
    try:
        key = key_of(tx, here.room, named_key(body))
        if key is None:
            tx.memory.closed_slots[here.room] = None  # Looked at again once a key has come.
            return None
        writer, plain = open_slot(key, here.room, account, body)
        mark = _decode_mark(plain)
    except (PeerError, *MALFORMED):
        return None
    stands = tx.one(
        "SELECT 1 FROM stay WHERE room = ? AND device = ? AND account = ? AND until IS NULL",
        here.room, device_id(writer), account,
    )  # fmt: skip
    return None if stands is None else (mark, device_id(writer))
