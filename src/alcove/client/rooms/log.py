"""Reading a room's log: every entry once, in order, each with what follows from it in one step.

    push or nudge ──► follow on ──► read page ──► walk: judge, open, apply, one after another

A bad entry is recorded with a cause, shown as a line that says what happened, and passed: it never
stops the room.  Nudges carry no truth; the cursor does.
"""

import hashlib

from alcove.client import outbox
from alcove.client.events import RoomChanged
from alcove.client.rooms import handshakes, messages, withheld
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.state import change, find_room, get_room, public_of
from alcove.client.rooms.walk import Walk
from alcove.client.timeline import dropped as forget_bodies
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.wire.codec import decode_header
from alcove.wire.entries import (
    Appended,
    Dropped,
    Entries,
    HandshakeHeader,
    NewEntries,
    NewEntry,
    Nudge,
    Read,
    Stored,
)
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.ids import Position, name_of

PAGE_ENTRIES = 256
STUCK_MS = 10_000
"""A log that has more, as the server says, and does not give it, is asked for again so late."""


def read_on(tx: Tx, room: bytes) -> None:
    """Read what comes after this device's place, unless that is being done already."""
    here = find_room(tx, room)
    if here is None or here.state != "active" or room in tx.memory.reading:
        return
    if here.incarnation != tx.line("SELECT incarnation FROM me")[0]:
        return  # The server was restored: first it is found out where its log parts from ours.
    since = Position(here.incarnation, here.seq)
    request = Read(room=room, since=since, entries_max=PAGE_ENTRIES, follow=True)
    tx.memory.reading[room] = tx.ask(request, "log.entries")


def entries(tx: Tx, request: Read, answer: Entries | Refusal, _: bytes) -> None:
    """Take a page of a log."""
    tx.memory.reading.pop(request.room, None)
    if isinstance(answer, Refusal):
        _refused(tx, request.room, answer)
        return
    if not answer.more:  # What was said of its end before is old, or was a lie.
        tx.run("UPDATE room SET head = ? WHERE room = ?", answer.head, request.room)
    is_more = answer.more or answer.head > request.since.seq
    if is_more and all(one.seq != request.since.seq + 1 for one in answer.entries):
        tx.wake("log.read_on", request.room, tx.now + STUCK_MS)
        return
    take(tx, request.room, answer.entries, answer.head)
    if answer.more or get_room(tx, request.room).seq < tx.memory.placed.pop(request.room, 0):
        read_on(tx, request.room)


def _refused(tx: Tx, room: bytes, refusal: Refusal) -> None:
    """The log cannot be read now."""
    if refusal.code in {Code.TOO_MANY, Code.BUSY, Code.FULL, Code.INTERNAL, Code.STORAGE}:
        tx.wake("log.read_on", room, tx.now + (refusal.retry_after_ms or 1_000))
    elif refusal.code in {Code.NOT_A_MEMBER, Code.UNKNOWN}:
        shut_out(tx, room)


def shut_out(tx: Tx, room: bytes) -> None:
    """The server gives this device nothing of a room any more: it was removed, or so it is said.

    Whoever is removed cannot read the commit that does it, so this is the server's word, and shown
    as such.  What was said stays here.
    """
    here = find_room(tx, room)
    if here is not None and here.state == "active":
        change(tx, room, state="gone")
        withheld.drop(tx, room, withheld.NEVER)
        outbox.stop(tx, room)
        note(tx, room, here.seq, tx.now, "shut-out", None)
        tx.wake(handshakes.WELCOME, room, tx.now)
        tx.tell(RoomChanged(room))


def pushed(tx: Tx, push: NewEntries) -> None:
    """Take what was pushed; when something is missing before it, read that."""
    if push.entries and find_room(tx, push.room) is not None:
        take(tx, push.room, push.entries, push.entries[-1].seq)


def nudged(tx: Tx, push: Nudge) -> None:
    """Read, because there is more."""
    tx.run("UPDATE room SET head = MAX(head, ?) WHERE room = ?", push.head, push.room)
    read_on(tx, push.room)


def dropped(tx: Tx, push: Dropped) -> None:
    """Forget bodies whose time in the room is over.

    That the server has dropped others is its word alone: what was said stays here, until its writer
    or an admin says under their own name that it goes.
    """
    here = find_room(tx, push.room)
    public = None if here is None else public_of(tx, push.room)
    keep_ms = 0 if public is None else state_of(public).keep_ms
    if keep_ms:
        forget_bodies(tx, push.room, push.seqs, until=tx.now - keep_ms)


def take(tx: Tx, room: bytes, stored: tuple[Stored, ...], head: int) -> None:
    """Walk over entries that follow this device's place; a gap is read first."""
    here = get_room(tx, room)
    if here.state != "active":
        return
    walk = Walk(tx, here)
    for one in stored:
        if one.seq <= walk.seq or walk.is_over:
            continue
        if one.seq != walk.seq + 1:
            walk.head = max(walk.head, one.seq)
            break
        step(tx, walk, one)
    walk.head = max(walk.head, head)
    walk.finish()
    if walk.head > walk.seq and not walk.is_over:
        read_on(tx, room)
    tx.stir(room)


def step(tx: Tx, walk: Walk, stored: Stored) -> None:
    """Take the next entry of a log."""
    body_hash = (
        hashlib.sha256(stored.body).digest() if stored.body is not None else stored.body_hash
    )
    name = name_of(walk.room, stored.header, body_hash or bytes(32))
    walk.go_on(stored.seq, name)
    if walk.is_off:
        handshakes.alarm(tx, walk.room, "fork", stored.seq)
    try:
        header = decode_header(stored.header)
    except Refused:
        walk.pass_over(stored, b"", None, "bad-header")
        return
    if isinstance(header, HandshakeHeader):
        handshakes.follow(tx, walk, stored, header, name)
    else:
        messages.take(tx, walk, stored, header)


def place(tx: Tx, room: bytes, sent: tuple[NewEntry, ...], appended: Appended) -> None:
    """Take entries of one's own that the server has stored, without reading them back.

    Where something before them is missing, the log is read up to them, even if a page that is under
    way was made before they were stored: nobody nudges a device for what it has sent itself.
    """
    stored = tuple(
        Stored(seq, appended.at, entry.header, entry.body)
        for seq, entry in enumerate(sent, start=appended.first)
    )
    if get_room(tx, room).state != "active":
        return  # It was said on the way out, and this log is not read any more.
    take(tx, room, stored, stored[-1].seq)
    here = get_room(tx, room)
    if here.seq < stored[-1].seq:
        tx.memory.placed[room] = stored[-1].seq
    if here.seq == stored[-1].seq and here.chain is not None and here.chain != appended.chain:
        handshakes.alarm(tx, room, "fork", here.seq)
