"""History: what was said in a room before this device came, newest first.

    chain rows ──► room keys, back as far as the chain goes
    handshakes, from a snapshot on ──► who stood there then
    pages of the log, newest first ──► judged and opened like any message

Each page is a step of its own, so a device is usable at once, and a crash costs one page.
"""

import hashlib
from typing import NamedTuple

from alcove.client import asking, outbox
from alcove.client.errors import PeerError
from alcove.client.events import Mended
from alcove.client.keys.sealing import open_chain_row
from alcove.client.rooms import handshakes, making, messages
from alcove.client.rooms.handshakes import decode_body
from alcove.client.rooms.messages import LOOK_AGAIN, LOOK_AGAIN_MS
from alcove.client.rooms.standing import rank_all, stand
from alcove.client.rooms.state import Room, find_room
from alcove.client.timeline import note
from alcove.client.timeline import take as show
from alcove.client.tx import Tx
from alcove.mls import MlsError, PublicGroup, decode_group_info
from alcove.wire.codec import decode_header
from alcove.wire.content import ContentError
from alcove.wire.entries import (
    Entries,
    GetSnapshot,
    HandshakeHeader,
    MessageHeader,
    Read,
    Row,
    Snapshot,
    Stored,
)
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.ids import Position, entry_name
from alcove.wire.rooms import GetRows, RoomRows

PAGE_ENTRIES = 256
GO_ON = "history.go_on"
"""The alarm that fetches the next page of a room's history."""
AGAIN_MS = 5_000
IN_VAIN = "past-in-vain"
TOLD_TRIES = 8
"""After so many tries in vain, a minute of them, the owner is told."""
LOOKS_MAX = 12
"""Every fourth time the pause doubles, so often, to a day."""


class Step(NamedTuple):
    """A handshake of the past, and the public state that it leads to."""

    stored: Stored
    header: HandshakeHeader
    public: PublicGroup


class Walked(NamedTuple):
    """How far the handshakes of the past were followed: none of it is believed before the end."""

    since: int
    """From here on is read next."""
    steps: list[Step]


def begin(tx: Tx, room: bytes) -> None:
    """Begin to fetch what was said in a room before this device came."""
    here = find_room(tx, room)
    assert here is not None
    if here.kind == "mailbox" or here.seq <= 1:
        return
    tx.run("UPDATE past SET low = ?, is_done = 0 WHERE room = ?", here.seq, room)
    line = tx.one(
        """
        SELECT h.body FROM past p JOIN handshake h ON h.room = p.room AND h.seq = p.known
        WHERE p.room = ? AND h.body IS NOT NULL
            AND EXISTS (SELECT 1 FROM stay s WHERE s.room = p.room AND s.since = p.known)
        """,
        room,
    )
    if line is not None:
        context = decode_group_info(decode_body(line[0]).info).context.raw
        tx.run("UPDATE past SET context = ? WHERE room = ?", _hash(context), room)
    tx.ask(GetRows(room=room, kind="chain"), "history.chain")
    tx.wake(
        LOOK_AGAIN, room, tx.now + LOOK_AGAIN_MS
    )  # For the row that others add for this device.


def known_from(tx: Tx, room: bytes, seq: int) -> None:
    """Forget who stands in a room: from a place on it is found out anew, and all that was before.

    What is said while this device is out of a room may be meant for it when it is there again.
    """
    tx.run("DELETE FROM stay WHERE room = ? AND since >= ?", room, seq)
    tx.run(
        "UPDATE stay SET until = ? WHERE room = ? AND (until IS NULL OR until > ?)", seq, room, seq
    )
    tx.run(
        """
        INSERT INTO past (room, low, known) VALUES (?, ?, ?)
        ON CONFLICT (room) DO UPDATE SET low = excluded.low, known = excluded.known, is_done = 0
        """,
        room, seq, seq,
    )  # fmt: skip


def look_again(tx: Tx, room: bytes) -> None:
    """Look for keys again, as long as something waits for one."""
    here = find_room(tx, room)
    if (
        here is not None
        and here.state == "active"
        and tx.one("SELECT 1 FROM unopened WHERE room = ?", room)
    ):
        tx.ask(GetRows(room=room, kind="chain"), "history.chain")
        asking.ask(tx, room)
        line = tx.one("UPDATE past SET tries = tries + 1 WHERE room = ? RETURNING tries", room)
        tries = 0 if line is None else line[0]
        tx.wake(LOOK_AGAIN, room, tx.now + LOOK_AGAIN_MS * 2 ** min(tries // 4, LOOKS_MAX))


def _later(tx: Tx, room: bytes, refusal: Refusal) -> None:
    """Try again soon, unless this device may not read there any more."""
    if refusal.code not in {Code.NOT_A_MEMBER, Code.UNKNOWN}:
        tx.wake(GO_ON, room, tx.now + (refusal.retry_after_ms or AGAIN_MS))


def _in_vain(tx: Tx, room: bytes) -> None:
    """What came is not all that is there, or cannot be believed: ask again, each time later.

    The owner is told once that it takes long: part of what was said is not shown meanwhile.
    """
    (tries,) = tx.line("UPDATE past SET tries = tries + 1 WHERE room = ? RETURNING tries", room)
    tx.wake(GO_ON, room, tx.now + AGAIN_MS * 2 ** min(tries // 4, LOOKS_MAX))
    if tries >= TOLD_TRIES and not tx.one(
        "SELECT 1 FROM line WHERE room = ? AND cause = ?", room, IN_VAIN
    ):
        (seq,) = tx.line("SELECT seq FROM room WHERE room = ?", room)
        note(tx, room, seq, tx.now, IN_VAIN)
        tx.tell(Mended(room, IN_VAIN, seq))


def resume(tx: Tx) -> None:
    """Go on with what was not fetched to its end."""
    for (room,) in tx.all("SELECT room FROM past WHERE is_done = 0 ORDER BY room"):
        resume_in(tx, room)


def resume_in(tx: Tx, room: bytes) -> None:
    """Go on in a room with what was not fetched to its end."""
    here = find_room(tx, room)
    is_open = tx.one("SELECT 1 FROM past WHERE room = ? AND is_done = 0", room) is not None
    if is_open and here is not None and here.state == "active":
        tx.ask(GetRows(room=room, kind="chain"), "history.chain")


# ---- Keys: from each to the one before ----


def chain(tx: Tx, request: GetRows, answer: RoomRows | Refusal, _: bytes) -> None:
    """Take a page of chain rows, newest first."""
    if isinstance(answer, Refusal):
        _later(tx, request.room, answer)
        return
    rows, left = answer.rows, 0
    while len(rows) != left:  # What was put back stands behind what it leads to.
        left = len(rows)
        rows = tuple(row for row in rows if not _walked(tx, request.room, row))
    if answer.next is not None and (request.before is None or answer.next < request.before):
        tx.ask(GetRows(room=request.room, kind="chain", before=answer.next), "history.chain")
    else:
        go_on(tx, request.room)


def _walked(tx: Tx, room: bytes, row: Row) -> bool:
    """Go from a key to the one before it; returns whether the key was there to open the row."""
    key = messages.key_of(tx, room, row.name)
    if key is None:
        return False
    try:
        link = open_chain_row(key, room, row.name, row.body)
    except PeerError:
        return True
    handshakes.learn_key(tx, room, link.name, link.secret, is_archived=True)
    return True


# ---- Pages: from the newest to the oldest ----


def go_on(tx: Tx, room: bytes) -> None:
    """Fetch the next page, or first find out who stood there."""
    here = find_room(tx, room)
    line = tx.one("SELECT low, known, tries, is_done FROM past WHERE room = ?", room)
    if here is None or here.state != "active" or line is None or line[3]:
        return
    low, known, tries, _ = line
    if low <= 1 or here.history == "none":
        tx.run("UPDATE past SET is_done = 1 WHERE room = ?", room)
        messages.settle(tx, room)
        making.is_read(tx, room)
    elif known < low:
        since = max(known - 1, low - 1 - PAGE_ENTRIES, 0)
        request = Read(
            room=room, since=Position(here.incarnation, since), entries_max=low - 1 - since
        )
        tx.ask(request, "history.page")
    elif tries % 2 == 0:
        tx.ask(GetSnapshot(room=room, until=low - 1), "history.snapshot")
    else:  # The snapshot led nowhere: any member can have stored it.
        _walk(tx, here, 0, None)


def page(tx: Tx, request: Read, answer: Entries | Refusal, note: bytes) -> None:
    """Take a page of what was said; `note` is where it begins, if that was asked for before."""
    room = request.room
    if isinstance(answer, Refusal):
        _later(tx, room, answer)
        return
    line = tx.one("SELECT low FROM past WHERE room = ?", room)
    last, end = request.since.seq, request.since.seq + request.entries_max
    until = 0 if line is None else min(end, line[0] - 1)
    if until <= last:
        return  # It is here already, or this device has begun anew in this room.
    for one in answer.entries:  # Oldest first: the search index likes numbers that go up.
        if one.seq != last + 1 or one.seq > until:
            break
        take(tx, room, one)
        last = one.seq
    first = int.from_bytes(note, "big") or request.since.seq + 1
    if last == request.since.seq:
        _in_vain(tx, room)  # A log has no gaps: the server keeps something back.
    elif last < until:
        # The server's pages are smaller: the rest of this one comes first.
        rest = Position(answer.incarnation, last)
        tx.ask(
            Read(room=room, since=rest, entries_max=end - last),
            "history.page",
            first.to_bytes(8, "big"),
        )
    else:
        tx.run("UPDATE past SET low = ?, tries = 0 WHERE room = ?", first, room)
        go_on(tx, room)


def take(tx: Tx, room: bytes, stored: Stored) -> None:
    """Take one entry of the past."""
    if tx.one("SELECT 1 FROM entry WHERE room = ? AND seq = ?", room, stored.seq):
        return
    try:
        header = decode_header(stored.header)
    except Refused:
        return
    if isinstance(header, HandshakeHeader) or header.form != "kept":
        return
    _take_message(tx, room, stored, header)


def _take_message(tx: Tx, room: bytes, stored: Stored, header: MessageHeader) -> None:
    from alcove.client.rooms.members import stay_at  # noqa: PLC0415

    stay = stay_at(tx, room, header.sender, stored.seq)
    if stay is None:
        return
    if tx.one(
        "SELECT 1 FROM entry WHERE room = ? AND device = ? AND content = ? AND seq < ?",
        room, header.sender, header.content, stored.seq,
    ):  # fmt: skip
        _remember(tx, room, stored, header.sender, None, "twice")
        return
    if header.sender == tx.me.device and _was_said(tx, room, stored, header):
        return
    cause = None
    if stored.body is None:
        show(tx, room, messages.opened(stored, header, stay, None))
        _remember(tx, room, stored, header.sender, header.content, "deleted")
        return
    try:
        said = messages.open_said(tx, room, stored, header, stay)
        show(tx, room, messages.opened(stored, header, stay, said))
    except messages.NoKeyError:
        cause = "no-key"
        messages.wait_for_key(tx, room, stored, header, stay)
    except (PeerError, MlsError, ContentError) as error:
        cause = messages.cause_of(error)
    if cause is not None and cause != "no-key":
        note(tx, room, stored.seq, stored.at, cause, stay.account)
    _remember(tx, room, stored, header.sender, None if cause else header.content, cause)


def _was_said(tx: Tx, room: bytes, stored: Stored, header: MessageHeader) -> bool:
    """Return whether this is what still waits here, on a disk that was set back; then it is said.

    What has been deleted since is not, and nobody says it again.
    """
    if stored.body is None:
        tx.run("DELETE FROM outbox WHERE room = ? AND content = ?", room, header.content)
        return False
    waits = tx.run(
        """
        UPDATE outbox SET seq = ?, at = ?
        WHERE room = ? AND content = ? AND request IS NULL AND seq IS NULL
        """,
        stored.seq, stored.at, room, header.content,
    )  # fmt: skip
    outbox.settle(tx, room, stored.seq)
    return bool(waits)


def _remember(
    tx: Tx, room: bytes, stored: Stored, device: bytes, content: bytes | None, cause: str | None
) -> None:
    """Write down what became of an entry of the past."""
    tx.run(
        """
        INSERT INTO entry (room, seq, chain, device, content, cause) VALUES (?, ?, NULL, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        room, stored.seq, device, content, cause,
    )  # fmt: skip


# ---- Who stood there: handshakes, followed in public ----


def snapshot(tx: Tx, request: GetSnapshot, answer: Snapshot | Refusal, _: bytes) -> None:
    """The snapshot before the next page is here: follow handshakes from there on."""
    here = find_room(tx, request.room)
    if isinstance(answer, Refusal):
        _later(tx, request.room, answer)
    elif here is not None:
        _walk(tx, here, max(answer.seq - 1, 0), answer.body)


def _walk(tx: Tx, here: Room, since: int, base: bytes | None) -> None:
    """Follow handshakes after a place, from the tree of a snapshot or from the room's founding."""
    tx.run("UPDATE past SET base = ? WHERE room = ?", base, here.room)
    tx.memory.walks[here.room] = Walked(since, [])
    _read_handshakes(tx, here.room, Position(here.incarnation, since))


def _read_handshakes(tx: Tx, room: bytes, since: Position) -> None:
    tx.ask(Read(room=room, since=since, lane="handshake"), "history.handshakes")


def handshakes_read(tx: Tx, request: Read, answer: Entries | Refusal, _: bytes) -> None:
    """Follow a page of old handshakes, up to where it is known who stood there."""
    room = request.room
    if isinstance(answer, Refusal):
        _later(tx, room, answer)
        return
    line = tx.one("SELECT known, base, context FROM past WHERE room = ?", room)
    walked: Walked | None = tx.memory.walks.get(room)
    if line is None or walked is None or walked.since != request.since.seq:
        return  # It is not followed any more, or from somewhere else.
    (known, base, context), steps = line, [*walked.steps]
    for stored in answer.entries:
        if stored.seq > known:
            break
        try:
            header = decode_header(stored.header)
            if isinstance(header, HandshakeHeader):
                body, before = decode_body(stored.body), steps[-1].public if steps else None
                public = handshakes.public_after(tx, room, header, body, before, base)
                steps.append(Step(stored, header, public))
        except (PeerError, MlsError, Refused):
            continue
    last = answer.entries[-1].seq if answer.entries and answer.more else known
    if request.since.seq < last < known:
        tx.memory.walks[room] = Walked(last, steps)
        _read_handshakes(tx, room, Position(answer.incarnation, last))
        return
    del tx.memory.walks[room]
    tx.run("UPDATE past SET base = NULL WHERE room = ?", room)
    if len(steps) < 2 or steps[-1].stored.seq != known or _place(steps[-1]) != context:
        # It does not lead to what this device has seen itself: the server may say what it likes.
        _in_vain(tx, room)
        return
    _believe(tx, room, steps)
    tx.run(
        "UPDATE past SET known = ?, context = ? WHERE room = ?",
        steps[0].stored.seq, _place(steps[0]), room,
    )  # fmt: skip
    go_on(tx, room)


def _hash(context: bytes) -> bytes:
    return hashlib.sha256(context).digest()


def _place(step: Step) -> bytes:
    """Return the hash of the context that a handshake leads to."""
    return _hash(step.public.context.raw)


def _believe(tx: Tx, room: bytes, steps: list[Step]) -> None:
    """Write down who stood in a room, and was what, up to a place that this device knows itself."""
    for stored, header, public in steps:
        name = entry_name(room, stored.header, stored.body or b"")
        handshakes.make_way(tx, room, stored.seq, name)
        tx.run(
            """
            INSERT INTO handshake (room, seq, name, at, sender, epoch, renews, closes)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            room, stored.seq, name, stored.at, header.sender, public.epoch, int(header.renews),
            int(header.closes),
        )  # fmt: skip
    before = None
    for stored, _, public in steps[:-1]:
        stand(tx, room, stored.seq, before, public)
        before = public
    _end_stays(tx, room, steps[-1].stored.seq)
    rank_all(tx, room, steps[-1].stored.seq, steps[-1].public)


def _end_stays(tx: Tx, room: bytes, seq: int) -> None:
    """Those who stood before a place, and stand no longer in what is known from there on, left."""
    tx.run(
        """
        UPDATE stay SET until = ?
        WHERE room = ? AND until IS NULL AND since < ?
        """,
        seq, room, seq,
    )  # fmt: skip
