"""Entries: adding them to a room's log, reading them, and dropping bodies.

A message that stands alone, which is nearly every request that a server sees, touches the database
with two lines that are written together with those of others.  All else takes the longer way.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Following, Log, Moved, Routed, ToRoom
from alcove.server.handlers.access import Handler
from alcove.server.handlers.chats import asked_first
from alcove.server.handlers.letters import deliver
from alcove.server.handlers.links import may_join_by
from alcove.server.handlers.reads import page_length, reading, reading_public
from alcove.server.handlers.routing import begin_resync_pause, follow_commit, judge_commit
from alcove.server.handlers.rows import put_rows
from alcove.server.roomstate import FORMS, HANDSHAKE, LIVE, RoomState
from alcove.server.tx import Tx, digest, refuse_unless
from alcove.wire.base import Done
from alcove.wire.codec import decode_header, encode
from alcove.wire.entries import (
    Append,
    Appended,
    DropBodies,
    Dropped,
    Entries,
    HandshakeHeader,
    MessageHeader,
    NewEntries,
    NewEntry,
    Offered,
    OfferHandshakes,
    Passed,
    Read,
    Stored,
)
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import entry_name, next_chain
from alcove.wire.rooms import RoomChanged

DAY_MS = 24 * 60 * 60 * 1000
LOST_FIRST_MS = 60 * 1000
COST_BYTES = 64 * 1024
"""How many bytes of bodies count as one message more."""
COST_HEADER_BYTES = 2048
"""How many bytes of headers do: about fifty devices that a commit adds or removes."""
OFFERED_MAX = 2048
"""How many devices the handshakes that are taken back together may add and remove."""
OFFERS_MS = 30 * DAY_MS
"""How long after a restore handshakes are taken back: as long as devices keep them."""


def append(tx: Tx, caller: Caller, request: Append, now: int) -> Appended:
    """Add entries to the end of a room's log: all of them, in this order, or none."""
    state = tx.known_room(request.room)
    entries = request.entries
    header = decode_header(entries[0].header)
    is_joining = isinstance(header, HandshakeHeader) and header.joins is not None
    refuse_unless(is_joining or state.is_active(caller.device), Code.NOT_A_MEMBER)
    if (
        len(entries) > 1
        or not isinstance(header, MessageHeader)
        or request.welcomes
        or request.rows
    ):
        return append_all(tx, caller, state, request, now)
    _judge_message(tx, caller, state, header, entries[0])
    first = state.head + 1
    stored = _add(tx, state, header, entries[0], now)
    if header.notice is not None:
        _heed_notice(tx, caller, state, header)
    message = encode(NewEntries(room=request.room, entries=(stored,)))
    tx.effects.append(Log(request.room, first, first, caller.device, message))
    return Appended(id=request.id, first=first, at=now, chain=state.chain)


def append_all(
    tx: Tx, caller: Caller, state: RoomState, request: Append, now: int, *, is_new: bool = False
) -> Appended:
    """Add several entries, or handshakes with what belongs to them."""
    refuse_unless(len(request.entries) <= tx.settings.batch_entries_max, Code.LIMIT)
    tx.touch(state)
    first = state.head + 1
    stored: list[Stored] = []
    pending: list[bytes] = []
    added: dict[bytes, None] = {}
    # Who makes a room or joins one may go on with one commit at once.
    free_commits = int(is_new)
    asked: frozenset[bytes] = frozenset()
    for entry in request.entries:
        header = decode_header(entry.header)
        refuse_unless(header.sender == caller.device, Code.BAD_HEADER)
        if isinstance(header, MessageHeader):
            refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
            _judge_message(tx, caller, state, header, entry)
            stored.append(_add(tx, state, header, entry, now))
            if header.notice is not None:
                _heed_notice(tx, caller, state, header)
            continue
        refuse_unless(len(entry.body) <= tx.settings.handshake_bytes_max, Code.TOO_LARGE)
        if not is_new or stored:
            state.judge_handshake(header)
            if header.joins == "link":
                may_join_by(tx, state, header.link, now)
            asked = judge_commit(tx, caller, state, header, now, is_paused=not free_commits)
            free_commits = int(header.joins is not None)
        stored.append(_add(tx, state, header, entry, now))
        name = entry_name(state.room, entry.header, entry.body)
        pending += follow_commit(tx, caller, state, header, name, now, asked)
        begin_resync_pause(tx, caller, state, header, now)
        added |= {member.device: None for member in header.routing.adds}
    if request.rows or request.welcomes:  # A commit of these may have removed its sender.
        refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    for welcome in request.welcomes:
        is_here = all(one in added and one in state.members for one in welcome.devices)
        refuse_unless(is_here, Code.BAD_HEADER)
        refuse_unless(len(welcome.body) <= tx.settings.handshake_bytes_max, Code.TOO_LARGE)
        deliver(tx, state, caller.device, "welcome", welcome.devices, welcome.body, now)
    put_rows(tx, state, request.rows)
    message = encode(NewEntries(room=state.room, entries=tuple(stored)))
    tx.effects.append(Log(state.room, first, state.head, caller.device, message))
    return Appended(id=request.id, first=first, at=now, chain=state.chain, pending=tuple(pending))


def _judge_message(
    tx: Tx, caller: Caller, state: RoomState, header: MessageHeader, entry: NewEntry
) -> None:
    """Refuse a message that is not its sender's, too large, or sealed with a key of before."""
    refuse_unless(header.sender == caller.device, Code.BAD_HEADER)
    refuse_unless(len(entry.body) <= tx.settings.message_bytes_max, Code.TOO_LARGE)
    state.judge_message(header)
    if header.notice == "lost":
        wait = tx.pauses.wait((b"lost", state.room + caller.device), tx.now)
        if wait:
            raise Refused(Code.TOO_SOON, retry_after_ms=wait)


def _heed_notice(tx: Tx, caller: Caller, state: RoomState, header: MessageHeader) -> None:
    """A device that is lost says so rarely; one that leaves gets nothing more from here on."""
    if header.notice == "lost":
        key = (b"lost", state.room + caller.device)
        tx.pauses.doubling(key, LOST_FIRST_MS, DAY_MS, tx.now)
        return
    tx.touch(state)
    state.leaving[caller.device] = None
    tx.run(
        "UPDATE member SET left_at = ? WHERE room = ? AND device = ?",
        tx.now,
        state.number,
        caller.device,
    )
    tx.effects.append(Routed(state.room, (caller.device,), is_member=False))


def _add(
    tx: Tx, state: RoomState, header: MessageHeader | HandshakeHeader, entry: NewEntry, now: int
) -> Stored:
    """Give an entry the next place in the log."""
    if isinstance(header, MessageHeader):
        form, expires_at = FORMS[header.form], header.expires_at
        if form == LIVE:
            latest = now + tx.settings.live_days * DAY_MS
            expires_at = latest if expires_at is None else min(latest, expires_at)
        elif state.keep_ms:
            latest = now + state.keep_ms
            expires_at = latest if expires_at is None else min(latest, expires_at)
    else:
        form, expires_at = HANDSHAKE, None
    seq = state.head + 1
    name = entry_name(state.room, entry.header, entry.body)
    chain = next_chain(state.chain, seq, name)
    tx.add_entry((state.number, seq, now, form, entry.header, entry.body, chain, expires_at))
    state.head, state.chain = seq, chain
    return Stored(seq, now, entry.header, entry.body)


def read(tx: Tx, caller: Caller, request: Read, _: int) -> Entries:
    """Read a room's log after a position, as far as a page goes."""
    if request.lane == "handshake":
        number = reading_public(tx, caller, request.room, request.link)
    else:
        number = reading(tx, caller, request.room)
    check_incarnation(tx, request.since.incarnation)
    (head,) = tx.one("SELECT COALESCE(MAX(seq), 0) FROM entry WHERE room = ?", number) or (0,)
    entries_max = min(request.entries_max, tx.settings.page_entries_max)
    is_handshakes = request.lane == "handshake"
    lane = "" if request.lane is None else f"AND form {'=' if is_handshakes else '<>'} 0"
    # Their sizes first: a page must not bring more into memory than it returns.
    sizes = tx.all(
        f"""
        SELECT seq, LENGTH(header) + COALESCE(LENGTH(body), 0) FROM entry
        WHERE room = ? AND seq > ? {lane} ORDER BY seq LIMIT ?
        """,  # noqa: S608 - Our words.
        number,
        request.since.seq,
        entries_max,
    )
    count = page_length((size for _, size in sizes), tx.settings)
    lines = tx.all(
        f"""
        SELECT seq, at, header, body, body_hash FROM entry
        WHERE room = ? AND seq > ? AND seq <= ? {lane} ORDER BY seq
        """,  # noqa: S608 - Our words.
        number,
        request.since.seq,
        sizes[count - 1][0] if count else 0,
    )
    entries = [Stored(*line) for line in lines]
    more = count < len(sizes) or len(sizes) == entries_max
    last = entries[-1].seq if entries else request.since.seq
    if request.follow and not more and request.lane is None:
        tx.effects.append(Following(request.room, caller.device, max(last, head)))
    return Entries(
        id=request.id, room=request.room, incarnation=tx.incarnation, entries=tuple(entries),
        head=max(last, head), more=more,
    )  # fmt: skip


def check_incarnation(tx: Tx, incarnation: int) -> None:
    """Refuse a place in a log of before a restore, and say since when it is another log."""
    if incarnation != tx.incarnation:
        sql = "SELECT began_at FROM incarnation WHERE number = ?"
        (began_at,) = tx.one(sql, tx.incarnation) or (None,)
        raise Refused(Code.RESTORED, at=began_at)


def passed(tx: Tx, caller: Caller, request: Passed, _: int) -> Done:
    """Note how far a device has stored the logs of its rooms."""
    furthest: dict[bytes, int] = {}
    for room, position in request.rooms:
        check_incarnation(tx, position.incarnation)
        furthest[room] = max(position.seq, furthest.get(room, 0))
    for room, seq in furthest.items():
        # A room that is not in memory is not read for this: it may have thousands of devices.
        changed = tx.change(
            """
            UPDATE member SET passed = ?
            WHERE room = (SELECT number FROM room WHERE room = ?) AND device = ? AND passed < ?
              AND ? <= (SELECT MAX(seq) FROM entry e WHERE e.room = member.room)
            RETURNING passed
            """,
            seq,
            room,
            caller.device,
            seq,
            seq,
        )
        if changed:
            tx.effects.append(Moved(room, caller.device, seq))
    return Done(id=request.id)


def drop_bodies(tx: Tx, caller: Caller, request: DropBodies, _: int) -> Done:
    """Drop the bodies of messages: one's own, or as an admin anyone's."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    check_incarnation(tx, request.incarnation)
    marks = ", ".join("?" * len(request.seqs))
    lines = tx.all(
        f"""
        SELECT seq, form, header, body IS NOT NULL FROM entry
        WHERE room = ? AND seq IN ({marks}) ORDER BY seq
        """,  # noqa: S608 - Only marks.
        state.number,
        *request.seqs,
    )
    refuse_unless(len(lines) == len(set(request.seqs)), Code.UNKNOWN)
    is_admin = state.accounts[caller.account].role != "member"
    for _, form, header, _ in lines:
        refuse_unless(form != HANDSHAKE, Code.UNKNOWN)
        sender = decode_header(header).sender
        if not is_admin and state.members.get(sender) != caller.account:
            owner = tx.one("SELECT account FROM device WHERE device = ?", sender)
            refuse_unless(owner == (caller.account,), Code.NOT_ALLOWED)
    dropped = [seq for seq, _, _, has_body in lines if has_body]
    for seq in dropped:
        (body,) = tx.one(
            "SELECT body FROM entry WHERE room = ? AND seq = ?", state.number, seq
        ) or (b"",)
        drop_body(tx, state.number, seq, body)
    if dropped:
        message = encode(Dropped(room=request.room, seqs=tuple(dropped)))
        tx.effects.append(ToRoom(request.room, message, caller.device))
    return Done(id=request.id)


def drop_body(tx: Tx, number: int, seq: int, body: bytes) -> None:
    """Leave a tombstone: header, hash and chain stay, so that the log can still be checked."""
    tx.run(
        "UPDATE entry SET body = NULL, body_hash = ?, expires_at = NULL WHERE room = ? AND seq = ?",
        digest(body),
        number,
        seq,
    )


def offer_handshakes(tx: Tx, caller: Caller, request: OfferHandshakes, now: int) -> Offered:
    """After a restore: take back the handshakes that the log lost, as far as they chain."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    refuse_unless(_was_restored_lately(tx, now), Code.NOT_ALLOWED)
    tx.touch(state)
    taken: list[Stored] = []
    first, routed = state.head + 1, 0
    for entry in request.entries:
        header = decode_header(entry.header)
        refuse_unless(isinstance(header, HandshakeHeader), Code.BAD_HEADER)
        assert isinstance(header, HandshakeHeader)
        sender = state.members.get(header.sender)
        if header.before != state.handshake or (sender is None and header.joins is None):
            break
        routed += len(header.routing.adds) + len(header.routing.removes)
        if taken and routed > OFFERED_MAX:
            break
        # The server cannot check signatures.  What a header changes of others' rights is taken
        # only from who may change it now: else anyone could speak in an owner's name.
        by = caller
        if header.joins is not None:
            adds = header.routing.adds
            account = sender or (adds[0].account if adds else b"")
            by = Caller(caller.address, caller.door, account, header.sender)
        try:
            asked = judge_commit(tx, by, state, header, now, is_paused=False)
            if by.account != caller.account and by.account not in state.accounts:
                # Who is said to have joined by a link is asked first: anybody can say so.
                asked |= asked_first(tx, caller.account, [by.account], state.kind, now)
        except Refused:
            break
        taken.append(_add(tx, state, header, entry, now))
        name = entry_name(state.room, entry.header, entry.body)
        follow_commit(tx, by, state, header, name, now, asked)
        if by.device != caller.device and state.is_active(by.device):
            # It came in by itself, but does not hear so by an answer: others give its commit back.
            tx.push((by.device,), RoomChanged(room=state.room, state="active"))
    if taken:
        message = encode(NewEntries(room=state.room, entries=tuple(taken)))
        tx.effects.append(Log(state.room, first, state.head, b"", message))
        tx.audit("handshakes_offered", caller.account, count=len(taken))
    return Offered(id=request.id, taken=len(taken), head=state.head)


def _append_cost(request: Append) -> int:
    """Return how much of the limit for messages a request takes: by entries and by bytes."""
    entries = request.entries
    one = entries[0]
    if len(entries) == 1 and len(one.body) <= COST_BYTES and len(one.header) <= COST_HEADER_BYTES:
        return 1
    return sum(
        1 + len(entry.body) // COST_BYTES + len(entry.header) // COST_HEADER_BYTES
        for entry in entries
    )


def _was_restored_lately(tx: Tx, now: int) -> bool:
    """Return whether the log was restored, and clients may still have what it lost."""
    restored = tx.one(
        """
        SELECT 1 FROM incarnation
        WHERE number = ? AND began_at > ?
          AND EXISTS (SELECT 1 FROM incarnation WHERE number < ?)
        """,
        tx.incarnation,
        now - OFFERS_MS,
        tx.incarnation,
    )
    return restored is not None


HANDLERS: dict[type, Handler] = {
    Append: Handler(append, "device", "append", cost=_append_cost),
    Read: Handler(read, "device", "read", writes=False),
    Passed: Handler(
        passed, "socket", "write", cost=lambda one: 1 + len(one.rooms) // 16, is_remembered=False
    ),
    DropBodies: Handler(drop_bodies, "device", "write", cost=lambda one: len(one.seqs)),
    OfferHandshakes: Handler(
        offer_handshakes, "socket", "handshake", cost=lambda one: len(one.entries)
    ),
}
