"""How this device comes into rooms: by a Welcome, or by a commit of its own.

    a letter brings a Welcome ──► joining ── its handshake is found in the log ──► active
    a room without a leaf     ──► outside ── handshakes followed in public ──► own commit ──► active

A Welcome never replaces a live group.  A GroupInfo alone grants nothing: what lets a device in is
that its account is there already (sibling), that it was there itself (resync), or a link.
"""

from alcove.client import history, outbox, packages, receipts
from alcove.client.errors import PeerError
from alcove.client.events import RoomChanged, Warned
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import handshakes, linking, log, lost, making, returning, rewinding
from alcove.client.rooms.belief import SUITES
from alcove.client.rooms.committing import join
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.founding import check_beginning, check_standing
from alcove.client.rooms.handshakes import decode_body, own_key, stand
from alcove.client.rooms.note import LinkProof, Note
from alcove.client.rooms.state import (
    Room,
    change,
    find_room,
    forget_group,
    get_room,
    group_of,
    is_crowded,
    keep_group,
    keep_public,
    policy_of,
    public_of,
)
from alcove.client.rooms.walk import Walk
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import (
    Group,
    LeafTemplate,
    MlsError,
    PublicGroup,
    Welcome,
    decode_group_info,
    decode_message,
    join_group,
)
from alcove.wire.codec import decode_header
from alcove.wire.entries import (
    Append,
    Appended,
    Entries,
    GetSnapshot,
    HandshakeHeader,
    Member,
    Read,
    Routing,
    Snapshot,
    Stored,
)
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name
from alcove.wire.rooms import GetRooms, Letter, Rooms

OUTSIDE_MS = 5_000
"""How long a device waits for a Welcome before it comes in by a commit of its own."""
AGAIN_MS = 2_000
CROWDED_MS = 60 * 60 * 1000


def welcome(tx: Tx, letter: Letter) -> None:
    """Join by a Welcome, if it is for this device and no live group is there."""
    tx.run(
        """
        INSERT INTO welcome (room, body) VALUES (?, ?)
        ON CONFLICT (room) DO UPDATE SET body = excluded.body
        """,
        letter.room, letter.body,
    )  # fmt: skip
    accept(tx, letter.room)


def accept(tx: Tx, room: bytes) -> None:
    """Join by the Welcome that has come, once no live group is there any more."""
    line = tx.one("SELECT body FROM welcome WHERE room = ?", room)
    if line is None:
        return
    here = find_room(tx, room)
    if (
        here is not None
        and here.state in {"active", "founded"}
        and not here.is_lost
        and group_of(tx, room) is not None
    ):
        log.read_on(tx, room)  # The log says whether this device is still in that group.
        return
    tx.run("DELETE FROM welcome WHERE room = ?", room)
    _join(tx, room, line[0])


def _join(tx: Tx, room: bytes, body: bytes) -> None:
    try:
        message = decode_message(body)
        if not isinstance(message, Welcome):
            raise PeerError("not-a-welcome")
        bundle = packages.bundle_for(tx, message)
        if bundle is None:
            raise PeerError("welcome-for-another")
        group = join_group(body, bundle, policy_of(tx), suites=SUITES)
        if group.group_id != room:
            raise PeerError("welcome-for-another-room")
        cause = check_standing(group.public)
        if cause is not None:
            raise PeerError(cause)
        state = state_of(group.public)
    except (MlsError, PeerError) as error:
        cause = str(getattr(error, "cause", None) or getattr(error, "rule", "bad-welcome"))
        tx.tell(Warned(cause, room, tx.now))
        look_for(tx, room)
        return
    packages.spent(tx, bundle.package.reference(SUITE))
    returning.put_away(tx, room)
    _begin(tx, room, state.kind, state.history)
    keep_group(tx, room, group)
    change(tx, room, state="joining", is_lost=0, heal_at=0, healed_at=0, refused_at=0, seq=0)
    tx.run("DELETE FROM pending WHERE room = ?", room)
    tx.ask(GetSnapshot(room=room), "joining.snapshot")


def _begin(tx: Tx, room: bytes, kind: str, kept: str) -> None:
    """Make the line of a room, or set what the group says of it."""
    tx.run(
        """
        INSERT INTO room (room, kind, history, state, chain, handshake)
        VALUES (?, ?, ?, 'joining', NULL, ?)
        ON CONFLICT (room) DO UPDATE SET kind = excluded.kind, history = excluded.history
        """,
        room, kind, kept, NOTHING_BEFORE,
    )  # fmt: skip


def resume(tx: Tx) -> None:
    """Go on coming in where a broken line has ended it."""
    for (room,) in tx.all("SELECT room FROM room WHERE state IN ('joining', 'outside')"):
        tx.ask(GetSnapshot(room=room, link=linking.hash_for(tx, room)), "joining.snapshot")


# ---- Finding one's place in the log ----


def snapshot(tx: Tx, request: GetSnapshot, answer: Snapshot | Refusal, _: bytes) -> None:
    """The newest snapshot is here: read handshakes from there on."""
    here = find_room(tx, request.room)
    if here is None or here.state not in {"joining", "outside"}:
        return
    if isinstance(answer, Refusal):
        _later(tx, request.room, answer)
        return
    if here.state == "outside" and here.seq == 0 and answer.body is not None:
        tx.run("UPDATE room SET base = ? WHERE room = ?", answer.body, request.room)
    since = max(answer.seq - 1, 0) if here.seq == 0 else here.seq
    _read_handshakes(tx, request.room, here.incarnation, since)


def _read_handshakes(tx: Tx, room: bytes, incarnation: int, since: int, note: bytes = b"") -> None:
    (known,) = tx.line("SELECT incarnation FROM me")
    request = Read(
        room=room,
        since=Position(incarnation or known, since),
        lane="handshake",
        link=linking.hash_for(tx, room),
    )
    tx.ask(request, "joining.handshakes", note)


def handshakes_read(tx: Tx, request: Read, answer: Entries | Refusal, note: bytes) -> None:
    """A page of handshakes is here."""
    here = find_room(tx, request.room)
    if here is None or here.state not in {"joining", "outside"}:
        return
    if isinstance(answer, Refusal):
        _later(tx, request.room, answer)
        return
    change(tx, request.room, incarnation=answer.incarnation)
    if here.state == "joining":
        _find_place(tx, here, request, answer, note)
    else:
        _follow_outside(tx, here, answer)


def _find_place(tx: Tx, here: Room, request: Read, answer: Entries, note: bytes) -> None:
    """Look for the handshake that this device was added by."""
    group = group_of(tx, here.room)
    assert group is not None
    epoch = 0
    for stored in answer.entries:
        try:
            header = decode_header(stored.header)
        except Refused:
            continue
        if not isinstance(header, HandshakeHeader):
            continue
        try:
            context = decode_group_info(decode_body(stored.body).info).context
        except (PeerError, MlsError):
            context = None  # It counts for nobody, and is counted by everybody all the same.
        epoch = epoch if context is None else context.epoch
        name = entry_name(here.room, stored.header, stored.body or b"")
        tx.run(
            """
            INSERT INTO handshake (room, seq, name, at, sender, epoch, renews, closes, header, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            here.room, stored.seq, name, stored.at, header.sender, epoch,
            int(header.renews), int(header.closes), stored.header, stored.body,
        )  # fmt: skip
        if context is not None and context.raw == group.public.context.raw:
            _arrive(tx, here, group, stored, name)
            return
    if answer.more and answer.entries and answer.entries[-1].seq > request.since.seq:
        _read_handshakes(tx, here.room, answer.incarnation, answer.entries[-1].seq, note)
    elif request.since.seq > 0 and not note:  # Once from the beginning, and no more.
        _read_handshakes(tx, here.room, answer.incarnation, 0, b"whole")
    else:
        # The log does not hold what the Welcome says: somebody lies, or it was lost.
        tx.tell(Warned("welcome-not-in-log", here.room, tx.now))
        forget_group(tx, here.room)  # Nobody comes in on what the Welcome alone says.
        change(tx, here.room, state="outside", seq=0)
        tx.wake("joining.outside", here.room, tx.now + AGAIN_MS)


def _arrive(tx: Tx, here: Room, group: Group, stored: Stored, name: bytes) -> None:
    """This is where the device came in: from here on it reads like everybody."""
    change(
        tx,
        here.room,
        state="active",
        seq=stored.seq,
        head=max(here.head, stored.seq),
        handshake=name,
        room_key=name,
        renewed_at=min(stored.at, tx.now),
        joined_seq=here.joined_seq or stored.seq,
        chain=None,
    )
    tx.run("DELETE FROM stay WHERE room = ? AND since >= ?", here.room, stored.seq)
    tx.run(
        "UPDATE stay SET until = ? WHERE room = ? AND (until IS NULL OR until > ?)",
        stored.seq, here.room, stored.seq,
    )  # fmt: skip
    stand(tx, here.room, stored.seq, None, group.public)
    returning.arrived(tx, here.room, stored.seq, decode_body(stored.body).info)
    own_key(tx, here.room, name, group)
    if not here.joined_seq:
        note(tx, here.room, stored.seq, stored.at, "you-joined", tx.me.account)
    tx.run(
        "UPDATE past SET low = ?, known = ?, is_done = 0 WHERE room = ?",
        *(stored.seq,) * 2,
        here.room,
    )
    lost.found(tx, here.room, stored.seq)
    outbox.go_on(tx, here.room)
    making.meet(tx, here.room)
    receipts.arrived(tx, here.room)
    list_rooms(tx)  # For a hash of the log to begin with.
    log.read_on(tx, here.room)
    history.begin(tx, here.room)
    tx.tell(RoomChanged(here.room))
    tx.stir(here.room)


# ---- The list of rooms ----


def list_rooms(tx: Tx) -> None:
    """Ask which rooms this device is routed to, unless that is being done."""
    if not any(one.answered_by == "joining.rooms" for one in tx.memory.asked.values()):
        tx.ask(GetRooms(), "joining.rooms")


def list_again(tx: Tx, _about: bytes) -> None:
    """Ask again which rooms there are."""
    list_rooms(tx)


def rooms(tx: Tx, request: GetRooms, answer: Rooms | Refusal, _: bytes) -> None:
    """Compare a page of the list with what is stored here."""
    if isinstance(answer, Refusal):
        tx.wake("joining.list", b"", tx.now + (answer.retry_after_ms or AGAIN_MS))
        return
    if request.since == 0:
        tx.memory.listed.clear()
    for one in answer.rooms:
        tx.memory.listed[one.room] = None
        here = find_room(tx, one.room)
        if one.state != "active" or rewinding.listed(tx, one, answer.incarnation):
            continue
        if here is None or here.state == "gone":
            look_for(tx, one.room)
            continue
        tx.run("UPDATE room SET head = MAX(head, ?) WHERE room = ?", one.head, one.room)
        if here.state == "active" and here.chain is None and one.head >= here.seq:
            if one.head == here.seq:
                change(tx, one.room, chain=one.chain)
            else:
                change(tx, one.room, anchor_seq=one.head, anchor_chain=one.chain)
        elif here.state == "active" and one.head == here.seq and one.chain != here.chain:
            handshakes.alarm(tx, one.room, "fork", here.seq)
        log.read_on(tx, one.room)
    if answer.next is not None and answer.next > request.since:
        tx.ask(GetRooms(since=answer.next), "joining.rooms")
        return
    rewinding.all_listed(tx, answer.incarnation)
    for (room,) in tx.all("SELECT room FROM room WHERE state = 'active' ORDER BY room"):
        if room not in tx.memory.listed:
            log.read_on(tx, room)  # The answer says whether this device is out.


# ---- Coming in by a commit of one's own ----


def look_for(tx: Tx, room: bytes, *, is_wanted: bool = False) -> None:
    """Come into a room that this device is routed to, if no Welcome does it."""
    here = find_room(tx, room)
    if here is None and not is_wanted and is_crowded(tx):
        tx.wake("joining.list", b"", tx.now + CROWDED_MS)
        return
    if here is None:
        tx.run(
            """
            INSERT INTO room (room, kind, history, state, chain, handshake)
            VALUES (?, 'group', 'open', 'outside', NULL, ?)
            """,
            room, NOTHING_BEFORE,
        )  # fmt: skip
    elif here.state == "gone":
        returning.put_away(tx, room)
        change(tx, room, state="outside", seq=0, handshake=NOTHING_BEFORE, chain=None, is_lost=0)
        change(tx, room, public=None, base=None)
    elif here.state != "outside":
        return
    tx.wake("joining.outside", room, tx.now + OUTSIDE_MS)


def outside(tx: Tx, room: bytes) -> None:
    """No Welcome has come: read the room's public state, and come in."""
    here = find_room(tx, room)
    is_under_way = tx.one("SELECT 1 FROM pending WHERE room = ?", room) is not None
    is_coming = here is not None and here.state in {"joining", "outside"}
    if is_coming and tx.memory.is_signed_in and not is_under_way:
        tx.ask(GetSnapshot(room=room, link=linking.hash_for(tx, room)), "joining.snapshot")


def _follow_outside(tx: Tx, here: Room, answer: Entries) -> None:
    """Follow handshakes in public, page by page, and come in at the end of the log."""
    walk = Walk(tx, here)
    for stored in answer.entries:
        if stored.seq <= walk.seq:
            continue
        walk.seq = stored.seq
        try:
            header = decode_header(stored.header)
        except Refused:
            continue
        if not isinstance(header, HandshakeHeader):
            continue
        name = entry_name(here.room, stored.header, stored.body or b"")
        if public_of(tx, here.room) is None:
            if not _start(tx, walk, stored, header, name):
                return
            continue
        handshakes.follow(tx, walk, stored, header, name)
        returning.compare(tx, here.room, stored.seq)
    is_stuck = answer.more and walk.seq == here.seq
    if is_stuck or public_of(tx, here.room) is None:  # Of no use: as if it had not come.
        tx.wake("joining.outside", here.room, tx.now + AGAIN_MS)
        return
    walk.finish()
    if answer.more:
        _read_handshakes(tx, here.room, answer.incarnation, walk.seq)
    else:
        come_in(tx, here.room)


def _start(tx: Tx, walk: Walk, stored: Stored, header: HandshakeHeader, name: bytes) -> bool:
    """Begin to follow, from where the room was founded or from a snapshot."""
    (base,) = tx.line("SELECT base FROM room WHERE room = ?", walk.room)
    try:
        info = decode_body(stored.body).info
        tree = None if header.before == NOTHING_BEFORE else base
        public = PublicGroup.from_group_info(info, policy_of(tx), tree=tree, suites=SUITES)
        check_beginning(public, header, walk.room)
        state = state_of(public)
    except (MlsError, PeerError) as error:
        tx.tell(Warned(handshakes.cause_of(error), walk.room, tx.now))
        tx.wake("joining.outside", walk.room, tx.now + AGAIN_MS)
        return False
    keep_public(tx, walk.room, public)
    returning.compare(tx, walk.room, stored.seq, info)
    change(tx, walk.room, kind=state.kind, history=state.history)
    handshakes.record(tx, walk, stored, header, name, public.epoch)
    walk.handshake = name
    stand(tx, walk.room, stored.seq, None, public)
    return True


def come_in(tx: Tx, room: bytes, answered_by: str = "joining.came_in") -> None:
    """Commit this device into a room."""
    here, public = get_room(tx, room), public_of(tx, room)
    assert public is not None, "who comes in has followed it"
    if not returning.may_come_in(tx, here, public):
        return
    group = group_of(tx, room)
    if public.external_pub is None and group is not None:
        # Who followed with its secrets has the key itself.
        public = public.check_group_info(group.group_info(with_tree=False))
    right, replaces = returning.right(tx, public)
    template = LeafTemplate.of(packages.own_bundle(tx).package.leaf)
    link: tuple[bytes | None, LinkProof | None] = None, None
    if right is None:
        found = linking.way_in(tx, room, public, template.credential.data)
        if found is None:
            return
        right, link = "link", found
    me = Member(tx.me.account, tx.me.device)
    removes = (me,) if replaces is not None else ()
    routing = Routing(adds=(me,), removes=removes)
    note_ = Note(renews=True, joins=right, link=link[0], proof=link[1], routing=routing)
    try:
        made = join(tx, here, public, note_, template, replaces)
    except MlsError as error:
        tx.tell(Warned(handshakes.cause_of(error), room, tx.now))
        return
    tx.order(Append(room=room, entries=(made.entry,), rows=made.rows), answered_by, room)


def came_in(tx: Tx, request: Append, answer: Appended | Refusal, _: bytes) -> None:
    """This device's own commit stands in the log, or somebody was faster."""
    room = request.room
    here = get_room(tx, room)
    if isinstance(answer, Refusal):
        tx.run("DELETE FROM pending WHERE room = ?", room)
        if answer.code == Code.CONFLICT:
            _read_handshakes(tx, room, here.incarnation, here.seq)
        elif answer.code == Code.TOO_SOON:
            tx.wake("joining.again", room, tx.now + (answer.retry_after_ms or AGAIN_MS))
        elif not linking.refused(tx, room, answer):
            tx.tell(Warned(f"not-joined: {answer.code}", room, tx.now))
        return
    entry = request.entries[0]
    stored = Stored(answer.first, answer.at, entry.header, entry.body)
    walk = Walk(tx, here)
    walk.seq, walk.chain, walk.is_lost = answer.first, answer.chain, 0
    header = decode_header(entry.header)
    assert isinstance(header, HandshakeHeader)
    name = entry_name(room, entry.header, entry.body)
    handshakes.follow(tx, walk, stored, header, name)
    walk.finish()
    if not here.joined_seq:
        change(tx, room, joined_seq=answer.first)
    change(tx, room, state="active")
    making.meet(tx, room)
    linking.came_in(tx, room)
    receipts.arrived(tx, room)
    log.read_on(tx, room)
    history.begin(tx, room)
    tx.tell(RoomChanged(room))
    tx.stir(room)


def again(tx: Tx, room: bytes) -> None:
    """Try again to come in, on what has become of the room."""
    here = find_room(tx, room)
    if here is not None and (here.state == "outside" or here.is_lost):
        _read_handshakes(tx, room, here.incarnation, here.seq)


def _later(tx: Tx, room: bytes, refusal: Refusal) -> None:
    """Try again soon, unless this account is not in the room: then it was, once."""
    if linking.refused(tx, room, refusal):
        return
    if refusal.code in {Code.NOT_A_MEMBER, Code.UNKNOWN}:
        change(tx, room, state="gone")
        outbox.stop(tx, room)
        tx.run("DELETE FROM wish WHERE room = ?", room)
        tx.tell(RoomChanged(room))
    else:
        tx.wake("joining.outside", room, tx.now + (refusal.retry_after_ms or AGAIN_MS))
