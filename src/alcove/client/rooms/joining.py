"""How this device comes into rooms: by a Welcome, or by a commit of its own.

    a letter brings a Welcome ──► joining ── its handshake is found in the log ──► active
    a room without a leaf     ──► outside ── handshakes followed in public ──► own commit ──► active

A Welcome never replaces a live group.  A GroupInfo alone grants nothing: what lets a device in is
that its account is there already (sibling), that it was there itself (resync), or a link.
"""

from alcove.client import history, outbox, packages, receipts
from alcove.client.errors import PeerError
from alcove.client.events import RoomChanged, Warned
from alcove.client.rooms import (
    approach,
    handshakes,
    linking,
    log,
    making,
    notices,
    returning,
    surveying,
    welcomes,
)
from alcove.client.rooms.committing import join
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.handshakes import decode_body
from alcove.client.rooms.note import LinkProof, Note
from alcove.client.rooms.standing import stand
from alcove.client.rooms.state import (
    Room,
    change,
    find_room,
    get_room,
    group_of,
    is_coming,
    keep_public,
    public_of,
)
from alcove.client.rooms.surveying import Survey
from alcove.client.rooms.walk import Walk
from alcove.client.tx import Tx
from alcove.mls import LeafTemplate, MlsError
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
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE, entry_name

CONFLICT = b"conflict"  # Why handshakes are read: there are others than this device has followed.
PAUSES_MAX = 11
"""Every fourth time the pause between two looks doubles, so often, to an hour."""


def resume(tx: Tx) -> None:
    """Go on coming in where a broken line has ended it."""
    for (room,) in tx.all("SELECT room FROM room WHERE state IN ('joining', 'outside')"):
        if not is_coming(tx, room):
            tx.ask(GetSnapshot(room=room, link=linking.hash_for(tx, room)), "joining.snapshot")


# ---- Reading what is public ----


def snapshot(tx: Tx, request: GetSnapshot, answer: Snapshot | Refusal, why: bytes) -> None:
    """A snapshot is here, or there is none: survey the room from there, or follow it at once."""
    here = find_room(tx, request.room)
    if here is None or here.state not in {"joining", "outside"}:
        return
    if isinstance(answer, Refusal):
        _later(tx, request.room, answer)
        return
    if request.until is None:
        surveying.forget(tx, request.room)
    base, is_oldest = answer.body, why == surveying.OLDEST
    if request.until is not None and not 0 < answer.seq <= request.until:
        base = None  # That is not what was asked for.
    if is_oldest and base is None:
        _in_vain(tx, here)
        return
    if not is_oldest and returning.is_known(tx, request.room):
        base = None  # All is followed from where it stood.
    since = 0 if base is None else max(answer.seq - 1, 0)
    if here.state == "outside" and here.seq > 0:
        approach.read_handshakes(tx, request.room, here.incarnation, here.seq)
    elif here.state == "outside" and (base is None or is_oldest):
        _follow_from(tx, here, since, base)
    else:
        surveying.begin(tx, here, since, base, is_oldest=is_oldest)


def _follow_from(tx: Tx, here: Room, since: int, base: bytes | None) -> None:
    """Follow a room from its founding, or from a snapshot that is believed."""
    tx.run("UPDATE room SET base = ? WHERE room = ?", base, here.room)
    approach.read_handshakes(tx, here.room, here.incarnation, since)


def handshakes_read(tx: Tx, request: Read, answer: Entries | Refusal, why: bytes) -> None:
    """A page of handshakes is here."""
    here = find_room(tx, request.room)
    if here is None or here.state not in {"joining", "outside"}:
        return
    if isinstance(answer, Refusal):
        _later(tx, request.room, answer)
        return
    change(tx, request.room, incarnation=answer.incarnation)
    if why == surveying.SURVEY:
        survey = surveying.take(tx, here, request, answer)
        if survey is not None:
            _surveyed(tx, here, survey)
    elif here.state == "outside":
        _follow_outside(tx, here, request, answer, why)


def _surveyed(tx: Tx, here: Room, survey: Survey) -> None:
    """Come in where the room is believed, or survey more of it."""
    is_there = survey.is_believed and survey.public is not None
    if is_there and here.state == "outside":
        _follow_from(tx, here, survey.start - 1, survey.base)
    elif is_there and survey.place is not None:
        welcomes.arrive(tx, here, survey.place)
    elif not survey.is_last:
        surveying.further_back(tx, here.room, survey)
    else:
        _in_vain(tx, here)


def _in_vain(tx: Tx, here: Room) -> None:
    """Nothing of what came leads into a room: ask again later."""
    if here.state == "joining":
        welcomes.not_found(tx, here)
    else:
        _look_again(tx, here.room)


def _look_again(tx: Tx, room: bytes) -> int:
    """Look again for a way in, later and later; returns how often that was done before.

    Into some rooms no way will ever lead: anybody may make one of nonsense, with whom they like.
    """
    tries = tx.memory.tries.get((returning.IN_VAIN, room), 0)
    tx.memory.tries[returning.IN_VAIN, room] = tries + 1
    tx.wake("joining.outside", room, tx.now + approach.AGAIN_MS * 2 ** min(tries // 4, PAUSES_MAX))
    return tries


# ---- Coming in by a commit of one's own ----


def outside(tx: Tx, room: bytes) -> None:
    """No Welcome has come: read the room's public state, and come in."""
    here = find_room(tx, room)
    is_under_way = tx.one("SELECT 1 FROM pending WHERE room = ?", room) is not None
    is_on_its_way = here is not None and here.state in {"joining", "outside"}
    if is_on_its_way and tx.memory.is_signed_in and not is_under_way:
        tx.ask(GetSnapshot(room=room, link=linking.hash_for(tx, room)), "joining.snapshot")


def _follow_outside(tx: Tx, here: Room, request: Read, answer: Entries, why: bytes) -> None:
    """Follow handshakes in public, page by page, and come in at the end of the log."""
    if is_coming(tx, here.room):
        return  # Asked before its own commit was made: the answer to that one leads on.
    walk = Walk(tx, here)
    for stored, header in surveying.handshakes_of(answer, walk.seq):
        walk.seq = stored.seq
        name = entry_name(here.room, stored.header, stored.body or b"")
        if public_of(tx, here.room) is None:
            if not _start(tx, walk, stored, header, name):
                return
            continue
        handshakes.follow(tx, walk, stored, header, name)
        returning.compare(tx, here.room, stored.seq)
    walk.seq = surveying.end_of(answer, walk.seq)
    has_begun = public_of(tx, here.room) is not None
    if walk.seq <= max(here.seq, request.since.seq) if answer.more else not has_begun:
        _look_again(tx, here.room)  # Of no use.
        return
    if has_begun:
        walk.finish()
    if why == CONFLICT and walk.seq == here.seq:
        returning.start_again(tx, here.room)
    elif answer.more:
        approach.read_handshakes(tx, here.room, answer.incarnation, walk.seq)
    elif _is_reading_letters(tx):
        tx.wake("joining.outside", here.room, tx.now + approach.AGAIN_MS)  # There may be a Welcome.
    else:
        come_in(tx, here.room)


def _is_reading_letters(tx: Tx) -> bool:
    return any(one.answered_by == "letters.inbox" for one in tx.memory.asked.values())


def _start(tx: Tx, walk: Walk, stored: Stored, header: HandshakeHeader, name: bytes) -> bool:
    """Begin to follow, from where the room was founded or from a snapshot."""
    (base,) = tx.line("SELECT base FROM room WHERE room = ?", walk.room)
    if base is None and header.before != NOTHING_BEFORE:
        surveying.from_oldest(tx, walk.room, stored.seq)
        return False
    try:
        body = decode_body(stored.body)
        public = handshakes.public_after(tx, walk.room, header, body, None, base)
        state = state_of(public)
    except (MlsError, PeerError) as error:
        if not _look_again(tx, walk.room):
            tx.tell(Warned(handshakes.cause_of(error), walk.room, tx.now))
        return False
    keep_public(tx, walk.room, public)
    returning.compare(tx, walk.room, stored.seq, body.info)
    change(tx, walk.room, kind=state.kind, history=state.history)
    handshakes.record(tx, walk, stored, header, name, public.epoch)
    walk.handshake = name
    history.known_from(tx, walk.room, stored.seq)
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
            if find_room(tx, room) == here and here.state == "outside":
                returning.start_again(tx, room)  # The list says that it is there: who is right?
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
        if here.state == "outside":  # A newer certificate may be on its way, or it is not the log.
            returning.start_again(tx, room)
        return
    tx.order(Append(room=room, entries=(made.entry,), rows=made.rows), answered_by, room)


def came_in(tx: Tx, request: Append, answer: Appended | Refusal, _: bytes) -> None:
    """This device's own commit stands in the log, or somebody was faster."""
    room = request.room
    here = get_room(tx, room)
    if isinstance(answer, Refusal):
        tx.run("DELETE FROM pending WHERE room = ?", room)
        welcomes.accept(tx, room)
        if get_room(tx, room).state != "outside":
            return  # A Welcome has come meanwhile.
        if answer.code == Code.CONFLICT:
            approach.read_handshakes(tx, room, here.incarnation, here.seq, CONFLICT)
        elif answer.code == Code.TOO_SOON:
            tx.wake("joining.again", room, tx.now + (answer.retry_after_ms or approach.AGAIN_MS))
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
    if group_of(tx, room) is None:  # It has not the keys of that leaf: it takes its place anew.
        tx.wake("joining.outside", room, tx.now + approach.AGAIN_MS)
        return
    if not here.joined_seq:
        change(tx, room, joined_seq=answer.first)
    change(tx, room, state="active")
    notices.stays(tx, room)
    returning.came_in(tx, room)
    making.meet(tx, room)
    linking.came_in(tx, room)
    receipts.arrived(tx, room)
    outbox.go_on(tx, room)
    log.read_on(tx, room)
    history.begin(tx, room)
    tx.tell(RoomChanged(room))
    tx.stir(room)


def again(tx: Tx, room: bytes) -> None:
    """Try again to come in, on what has become of the room."""
    here = find_room(tx, room)
    if here is not None and (here.state == "outside" or here.is_lost):
        approach.read_handshakes(tx, room, here.incarnation, here.seq)


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
        tx.wake("joining.outside", room, tx.now + (refusal.retry_after_ms or approach.AGAIN_MS))
