"""A restored server: its logs have lost their ends, and go on otherwise than this device knows.

    a new incarnation ──► where does our log part from its?  ──► what stood after it is void
                                                                      │
      handshakes past it are offered, raw, and known by their names when they come back
                                                                      │
      all are back     ──► what this device had said there waits in the outbox again
      others came      ──► this device comes in anew, on what the log has become

Places that are void are kept out of the way, from `VOID` on, until their handshakes are back:
then who stood where, and was what, has its place again, which may be another one.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct, structs

from alcove.client import outbox, receipts, restored
from alcove.client.events import RoomChanged, Warned
from alcove.client.restored import VOID
from alcove.client.rooms import anew, notices, withheld
from alcove.client.rooms.state import (
    Room,
    change,
    find_room,
    get_room,
    group_of,
)
from alcove.client.rooms.walk import Walk, mend_rows
from alcove.client.timeline import note, rewound
from alcove.client.tx import Tx
from alcove.wire.codec import decode_header, encode
from alcove.wire.content import Said, encode_said
from alcove.wire.entries import (
    Entries,
    HandshakeHeader,
    MessageHeader,
    NewEntry,
    Offered,
    OfferHandshakes,
    Read,
    Stored,
)
from alcove.wire.errors import Refusal, Refused
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name, name_of, next_chain
from alcove.wire.rooms import Room as Listed

STEP_ENTRIES: Final = 16
"""So many entries before the restored head are compared first; then four times as many."""
PAGE_ENTRIES: Final = 256
OFFERED_MAX: Final = 256
"""How many handshakes are offered to a restored server in one request."""
RELEASE: Final = "rewinding.release"
"""The alarm that sends what waited for a room's place to be known."""
RELEASE_MS: Final = 500
AGAIN_MS: Final = 10_000
"""What the server has not taken is offered again after so long, and later each time.

A log that it did not give is compared again after so long, with what is listed then."""
OFFER: Final = "offer"
OFFERS_MAX: Final = 8
"""What was offered so often in vain, within minutes, is given up: this device comes in anew."""
PLACES: Final = (
    ("handshake", "seq"),
    ("stay", "since"),
    ("stay", "until"),
    ("rank", "since"),
    ("posting", "since"),
    ("room", "joined_seq"),
    ("room", "opened_seq"),
)
"""Tables and columns that say where handshakes stand."""


class Look(Struct, frozen=True, array_like=True):
    """How far the comparison of a log with ours has come."""

    base: int
    """From which place on the log is read."""
    head: int
    chain: bytes
    """What the running hash is at `head`, as the list of rooms says."""
    seq: int
    """Read up to here,"""
    now: bytes
    """with this running hash, if all before `base` is as we know it."""
    same: int
    """The last place at which ours was the same,"""
    has_parted: bool
    """and whether there was one behind it at which it was another."""


_decode_look: Any = msgspec.msgpack.Decoder(Look).decode


# ---- Signing in ----


def server_was_restored(tx: Tx) -> None:
    """The server has lost its newest entries, and counts anew: nothing is added before a look."""
    withheld.withhold(tx)
    tx.change_me("restored_at", tx.now)
    # Letters have other numbers now, and of the archive's newest rows none may be there.
    tx.run("DELETE FROM request WHERE answered_by IN ('letters.cleared', 'archive.stored')")
    tx.run("UPDATE room_key SET is_archived = 0")
    # Key packages that were claimed it may hand out again: whoever is faster is who adds by them.
    tx.run("UPDATE wish SET detail = x'' WHERE kind IN ('add', 'add_device')")
    tx.wake(restored.ANSWERS_ARCHIVE, b"", tx.now)
    tx.tell(Warned("server-restored", b"", tx.now))


def listed(tx: Tx, one: Listed, incarnation: int) -> bool:
    """Look at a room of the server's list: whether it has to be compared before anything else."""
    here = find_room(tx, one.room)
    if here is None:
        return False
    if here.incarnation == incarnation or not here.incarnation:
        tx.wake(RELEASE, one.room, tx.now)
        return False
    if here.state in {"joining", "outside"} or not here.has_stood:
        look_anew(tx, here.room, incarnation)
    elif here.state == "gone" and (group_of(tx, one.room) is None or _has_left(tx, one.room)):
        _stay_away(tx, here, incarnation)
    else:  # Active, or gone by the server's word alone: what is being made has no place yet.
        tx.memory.listed[one.room] = None
        change(tx, one.room, state="active")
        _compare(tx, here, one, incarnation)
    return True


def look_anew(tx: Tx, room: bytes, incarnation: int) -> None:
    """Look anew for a way into a room: nothing tells how far its log is what was read of it."""
    make_void(tx, room, 0)
    anew.begin(tx, room, incarnation, may_be_there=True)


def _has_left(tx: Tx, room: bytes) -> bool:
    """Return whether this device is out of a room that is gone because it has left it."""
    line = tx.one(
        """
        SELECT cause FROM line
        WHERE room = ? AND is_shown IN (0, 1) AND content IS NULL
            AND cause IN ('you-left', 'you-were-removed', 'shut-out')
        ORDER BY seq DESC, number DESC LIMIT 1
        """,
        room,
    )
    return line == ("you-left",)


def _stay_away(tx: Tx, here: Room, incarnation: int) -> None:
    """Who has left, or saw itself removed, is routed to a room again: it stays away from it."""
    change(tx, here.room, incarnation=incarnation)
    tx.wake(RELEASE, here.room, tx.now)
    if group_of(tx, here.room) is not None:
        notices.send(tx, here, "leave")


def has_to_compare(tx: Tx, room: bytes) -> bool:
    """Return whether a log is compared with what is known of it before this device comes in."""
    here = find_room(tx, room)
    return (
        here is not None
        and not is_known(tx, room)
        and (here.state == "active" or (here.state == "gone" and not _has_left(tx, room)))
        and group_of(tx, room) is not None
    )


def is_known(tx: Tx, room: bytes) -> bool:
    """Return whether a room's place is one in the log as it is now."""
    here = find_room(tx, room)
    (incarnation,) = tx.line("SELECT incarnation FROM me")
    return here is None or here.incarnation in {0, incarnation}


# ---- Where the logs part ----


def _compare(tx: Tx, here: Room, one: Listed, incarnation: int) -> None:
    """Find the last place up to which the log is as this device knows it."""
    if one.head <= here.seq and _chain_at(tx, here, one.head) == one.chain:
        _rewind(tx, here, one.head, one.head, one.chain, incarnation)
    else:
        base = here.seq if one.head > here.seq else max(0, one.head - STEP_ENTRIES)
        _look(tx, here, base, one.head, one.chain, incarnation)


def _chain_at(tx: Tx, here: Room, seq: int) -> bytes | None:
    """Return the running hash at a place as this device knows it."""
    if seq == 0:
        return NOTHING_BEFORE
    if seq == here.seq:
        return here.chain
    line = tx.one("SELECT chain FROM entry WHERE room = ? AND seq = ?", here.room, seq)
    return None if line is None else line[0]


def _look(tx: Tx, here: Room, base: int, head: int, chain: bytes, incarnation: int) -> None:
    """Read from a place on, to compare."""
    ours = _chain_at(tx, here, base)
    if ours is None:
        base, ours = 0, NOTHING_BEFORE
    look = Look(base, head, chain, base, ours, base, has_parted=False)
    _read(tx, here.room, look, incarnation)


def _read(tx: Tx, room: bytes, look: Look, incarnation: int) -> None:
    since = Position(incarnation, look.seq)
    request = Read(room=room, since=since, entries_max=PAGE_ENTRIES)
    tx.ask(request, "rewinding.compared", encode(look))


def compared(tx: Tx, request: Read, answer: Entries | Refusal, said: bytes) -> None:
    """Take a page of the log, and compare it with what this device knows."""
    here = find_room(tx, request.room)
    if here is None or here.state != "active":
        return
    if isinstance(answer, Refusal):
        list_later(tx, answer)
        return
    incarnation = request.since.incarnation
    if here.incarnation == incarnation:
        return  # An earlier comparison has come to its end, and the log was read on since.
    look: Look = _decode_look(said)
    seq, now, same, has_parted = look.seq, look.now, look.same, look.has_parted
    for one in answer.entries:
        if one.seq > look.head or one.seq != seq + 1:
            break
        name = _name(here.room, one)
        seq, now = one.seq, next_chain(now, one.seq, name)
        if one.seq <= here.seq and not has_parted:
            is_same = _is_same(tx, here, one, name, now)
            same, has_parted = one.seq if is_same else same, is_same is False
    if look.seq == seq < look.head:
        list_later(tx)  # A log has no gaps: some is kept back.
    elif seq < look.head:
        look = structs.replace(look, seq=seq, now=now, same=same, has_parted=has_parted)
        _read(tx, here.room, look, incarnation)
    elif now == look.chain or look.base == 0:
        same = same if now == look.chain else 0
        _rewind(tx, here, same, look.head, look.chain, incarnation)
    else:
        base = max(0, look.base - max(STEP_ENTRIES, 4 * (look.head - look.base)))
        _look(tx, here, base, look.head, look.chain, incarnation)


def list_later(tx: Tx, refusal: Refusal | None = None) -> None:
    """Ask for the list of rooms again, which leads to all that is not compared yet."""
    retry_ms = None if refusal is None else refusal.retry_after_ms
    tx.wake("joining.list", b"", tx.now + (retry_ms or AGAIN_MS))


def _is_same(tx: Tx, here: Room, one: Stored, name: bytes, now: bytes) -> bool | None:
    """Return whether an entry is the one that this device knows at its place; None for no idea."""
    ours = _chain_at(tx, here, one.seq)
    if ours is not None:
        return ours == now
    # It came in the middle of the log, and did not know the running hash yet.
    handshake, content = tx.line(
        """
        SELECT (SELECT name FROM handshake WHERE room = ?1 AND seq = ?2),
            (SELECT content FROM entry WHERE room = ?1 AND seq = ?2)
        """,
        here.room, one.seq,
    )  # fmt: skip
    if handshake is not None:
        is_same: bool = handshake == name
        return is_same
    if content is None:
        return None
    try:
        header = decode_header(one.header)
    except Refused:
        return False
    return isinstance(header, MessageHeader) and header.content == content


def _name(room: bytes, one: Stored) -> bytes:
    if one.body is not None:
        return entry_name(room, one.header, one.body)
    return name_of(room, one.header, one.body_hash or bytes(32))


# ---- What is void ----


def _rewind(tx: Tx, here: Room, seq: int, head: int, chain: bytes, incarnation: int) -> None:
    """Go back to the last place that is as it was; what stood after it is void.

    Where this device has no running hash of its own it takes the server's of `head`.
    """
    room = here.room
    note(tx, room, seq, tx.now, "server-restored")
    make_void(tx, room, seq)
    (handshake,) = tx.one(
        "SELECT name FROM handshake WHERE room = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
        room, seq,
    ) or (NOTHING_BEFORE,)  # fmt: skip
    known = _known_chain(tx, here, seq) or (chain if seq == head else None)
    change(
        tx, room, seq=seq, head=head, chain=known, incarnation=incarnation, handshake=handshake,
        anchor_seq=head if known is None else 0, anchor_chain=chain if known is None else None,
    )  # fmt: skip
    say_again(tx, room, seq)
    outbox.go_on(tx, room)
    (since,) = tx.line(
        "SELECT MAX(since) FROM stay WHERE room = ? AND device = ?", room, tx.me.device
    )
    if since is not None and since >= VOID and not is_founder(tx, room):
        anew.strand(tx, here, incarnation, may_be_there=True)  # It came in by what is void.
        return
    mend_rows(tx, room)  # Some may be lost that were put beside what is still there.
    if has_void(tx, room) and seq == head:
        offer(tx, room)
    else:
        go_on(tx, room)
    tx.tell(RoomChanged(room))


def _known_chain(tx: Tx, here: Room, seq: int) -> bytes | None:
    return here.chain if seq == here.seq else _chain_at(tx, here, seq)


def is_founder(tx: Tx, room: bytes) -> bool:
    """Return whether this device made a room, and still has what founded it."""
    return tx.one(
        """
        SELECT 1 FROM handshake WHERE room = ? AND seq IN (1, ?) AND sender = ?
            AND body IS NOT NULL
        """,
        room, VOID + 1, tx.me.device,
    ) is not None  # fmt: skip


def make_void(tx: Tx, room: bytes, seq: int) -> None:
    """Put away what stood after a place; what is void already stood behind that."""
    _move_void(tx, room, seq)
    for table, column in PLACES:
        tx.run(
            f"UPDATE {table} SET {column} = {column} + ? WHERE room = ? AND {column} > ?"  # noqa: S608
            f" AND {column} < ?",
            VOID, room, seq, VOID,
        )  # fmt: skip
    for table in ("entry", "unopened", "notice"):
        tx.run(f"DELETE FROM {table} WHERE room = ? AND seq > ?", room, seq)  # noqa: S608
    tx.run("UPDATE doubt SET seq = MIN(seq, ?) WHERE room = ?", seq, room)
    tx.run("UPDATE past SET low = MIN(low, ?), known = MIN(known, ?) WHERE room = ?",
           seq + 1, seq + 1, room)  # fmt: skip
    tx.run("UPDATE outbox SET seq = NULL, request = NULL WHERE room = ? AND seq > ?", room, seq)


def _move_void(tx: Tx, room: bytes, seq: int) -> None:
    """Make room for what becomes void before what was, where only part of that has come back."""
    (last,) = tx.line("SELECT MAX(seq) FROM handshake WHERE room = ? AND seq < ?", room, VOID)
    if not has_void(tx, room) or (last or 0) <= seq:
        return
    for table, column in PLACES:
        # By way of places that there are not: no two may be the same at any moment.
        for sql in (
            f"UPDATE {table} SET {column} = -{column} - ?2 WHERE room = ?1 AND {column} >= {VOID}",  # noqa: S608
            f"UPDATE {table} SET {column} = -{column} WHERE room = ?1 AND {column} < 0 AND ?2",  # noqa: S608
        ):
            tx.run(sql, room, last)


def say_again(tx: Tx, room: bytes, seq: int) -> None:
    """Put what this device had said after a place into the outbox, under its old ids."""
    here = get_room(tx, room)
    for again in rewound(tx, room, seq):
        if again.device != tx.me.device or tx.one(
            "SELECT 1 FROM outbox WHERE room = ? AND content = ?", room, again.content_id
        ):
            continue
        said = Said(again.content, here.seq, here.chain, here.incarnation, tx.now)
        tx.run(
            "INSERT INTO outbox (room, content, plain, at, expires_at) VALUES (?, ?, ?, ?, ?)",
            room, again.content_id, encode_said(said), tx.now, again.expires_at,
        )  # fmt: skip


def has_void(tx: Tx, room: bytes) -> bool:
    """Return whether this device has followed handshakes that the log has not."""
    return (
        tx.one("SELECT 1 FROM handshake WHERE room = ? AND seq >= ? LIMIT 1", room, VOID)
        is not None
    )


# ---- Handshakes that are offered, and come back ----


def offer(tx: Tx, room: bytes) -> None:
    """Give the server back what it has lost, as it was."""
    if tx.one("SELECT 1 FROM request WHERE answered_by = 'rewinding.offered' AND note = ?", room):
        return
    entries = []
    for header, body in tx.all(
        "SELECT header, body FROM handshake WHERE room = ? AND seq >= ? ORDER BY seq LIMIT ?",
        room, VOID, OFFERED_MAX,
    ):  # fmt: skip
        if header is None or body is None:
            break
        entries.append(NewEntry(header, body))
    tx.memory.tries[OFFER, room] = tx.memory.tries.get((OFFER, room), 0) + 1
    if entries:
        tx.order(OfferHandshakes(room=room, entries=tuple(entries)), "rewinding.offered", room)
    else:
        go_on(tx, room, _pause_ms(tx, room))


def _pause_ms(tx: Tx, room: bytes) -> int:
    pause_ms: int = AGAIN_MS * 2 ** (tx.memory.tries.get((OFFER, room), 0) // 2)
    return pause_ms


def offered(tx: Tx, request: OfferHandshakes, _answer: Offered | Refusal, _: bytes) -> None:
    """The server has taken what chains: the log says what.  The others are offered again later."""
    go_on(tx, request.room, _pause_ms(tx, request.room))


def go_on(tx: Tx, room: bytes, wait_ms: int = 0) -> None:
    """Read on, go on with what was under way before, and let what waits be sent."""
    from alcove.client import history  # noqa: PLC0415
    from alcove.client.rooms import log, lost  # noqa: PLC0415

    log.read_on(tx, room)
    lost.resume_in(tx, room)
    history.resume_in(tx, room)
    tx.wake(RELEASE, room, tx.now + wait_ms)
    tx.stir(room)


def release(tx: Tx, room: bytes) -> None:
    """Send again what waited for a room's place, where the log cannot say what became of it."""
    here = find_room(tx, room)
    if here is None or here.state != "active":
        withheld.drop(tx, room, withheld.NEVER)
        return
    if not tx.memory.is_signed_in:
        return  # The next list of rooms leads here again.
    if room in tx.memory.reading or here.seq < here.head:
        tx.wake(RELEASE, room, tx.now + RELEASE_MS)
        return
    if has_void(tx, room):
        if tx.memory.tries.get((OFFER, room), 0) < OFFERS_MAX:
            offer(tx, room)
        else:  # Nobody can give them back: they are too old to be here, or no server takes them.
            del tx.memory.tries[OFFER, room]
            anew.strand(tx, here, here.incarnation)
        return
    withheld.send(tx, room)
    receipts.room_is_known(tx, room)


def came_back(tx: Tx, walk: Walk, stored: Stored, header: HandshakeHeader, name: bytes) -> bool:
    """Take a handshake that this device has followed before; returns whether it is done with.

    One that it does not know, while others are void, ends the branch on which it stands.
    """
    line = tx.one(
        "SELECT seq, epoch FROM handshake WHERE room = ? AND name = ? AND seq >= ?",
        walk.room, name, VOID,
    )  # fmt: skip
    if line is None:
        if not has_void(tx, walk.room):
            return False
        walk.is_over = True
        here = get_room(tx, walk.room)
        anew.strand(tx, here, here.incarnation)
        return True
    old, epoch = line
    (before,) = tx.line(
        "SELECT COALESCE(MAX(epoch), -1) FROM handshake WHERE room = ? AND seq < ?",
        walk.room, min(stored.seq, VOID),
    )  # fmt: skip
    for table, column in PLACES:
        tx.run(
            f"UPDATE {table} SET {column} = ? WHERE room = ? AND {column} = ?",  # noqa: S608
            stored.seq, walk.room, old,
        )  # fmt: skip
    tx.memory.tries.pop((OFFER, walk.room), None)
    walk.remember(header.sender, None)
    walk.handshake = name
    if header.renews and epoch > before:
        walk.room_key = name
        walk.renewed_at = min(stored.at, tx.now)
        # What stood beside it the server has lost, too, and whoever is there puts it back.
        mend_rows(tx, walk.room)
    return True
