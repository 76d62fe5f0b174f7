"""Welcomes: a letter brings one, and the log says where in it this device has come in.

A Welcome never replaces a live group, and what it says counts once its handshake is in the log.
"""

from alcove.client import history, outbox, packages, receipts
from alcove.client.errors import PeerError
from alcove.client.events import RoomChanged, Warned
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import (
    approach,
    handshakes,
    log,
    lost,
    making,
    notices,
    returning,
    rewinding,
)
from alcove.client.rooms.belief import SUITES
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.founding import check_standing
from alcove.client.rooms.handshakes import decode_body, own_key
from alcove.client.rooms.standing import stand
from alcove.client.rooms.state import (
    Room,
    change,
    find_room,
    forget_group,
    group_of,
    is_coming,
    keep_group,
    policy_of,
    public_of,
)
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import Group, MlsError, Welcome, decode_group_info, decode_message, join_group
from alcove.wire.codec import decode_header
from alcove.wire.entries import Entries, GetSnapshot, HandshakeHeader, Read, Stored
from alcove.wire.errors import Refused
from alcove.wire.ids import NOTHING_BEFORE, entry_name
from alcove.wire.rooms import Letter

SOUGHT_MAX = 3
"""So often the log is asked once more for what a Welcome says, each time later."""


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
    if is_coming(tx, room):
        return  # What becomes of its own commit decides whether the Welcome is still one.
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
        approach.look_for(tx, room)
        return
    packages.spent(tx, bundle.package.reference(SUITE))
    if _is_past(tx, room, group):
        return
    returning.put_away(tx, room)
    _begin(tx, room, state.kind, state.history)
    keep_group(tx, room, group)
    change(tx, room, state="joining", is_lost=0, heal_at=0, healed_at=0, refused_at=0, is_held=0)
    change(tx, room, seq=0)
    tx.run("DELETE FROM pending WHERE room = ?", room)
    tx.ask(GetSnapshot(room=room), "joining.snapshot")


def _is_past(tx: Tx, room: bytes, group: Group) -> bool:
    """Return whether this device has come in anew, or was removed, since a Welcome was made."""
    here = find_room(tx, room)
    if here is None or here.state != "active" or rewinding.has_void(tx, room):
        return False
    public = public_of(tx, room)
    if public is None or public.epoch < group.epoch:
        return False
    leaf = public.tree.leaf(group.me)
    return leaf is None or leaf.raw != group.leaf.raw


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


# ---- Finding one's place in the log ----


def find_place(tx: Tx, here: Room, request: Read, answer: Entries, note: bytes) -> None:
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
        is_place = context is not None and context.raw == group.public.context.raw
        if is_place:  # What a server told before of what comes after is read anew.
            handshakes.make_way(tx, here.room, stored.seq, name, is_end=True)
        tx.run(
            """
            INSERT INTO handshake (room, seq, name, at, sender, epoch, renews, closes, header, body)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
            """,
            here.room, stored.seq, name, stored.at, header.sender, epoch,
            int(header.renews), int(header.closes), stored.header, stored.body,
        )  # fmt: skip
        if is_place:
            _arrive(tx, here, group, stored, name)
            return
    if answer.more and answer.entries and answer.entries[-1].seq > request.since.seq:
        approach.read_handshakes(tx, here.room, answer.incarnation, answer.entries[-1].seq, note)
    elif request.since.seq > 0 and not note:  # Once from the beginning, and no more.
        approach.read_handshakes(tx, here.room, answer.incarnation, 0, b"whole")
    else:
        _not_found(tx, here)


def _not_found(tx: Tx, here: Room) -> None:
    """The log does not hold what a Welcome says: it is kept back, was lost, or somebody lies.

    With the Welcome goes what only it can open, so it is looked for some times before.
    """
    tries = tx.memory.sought.pop(here.room, 0)
    tx.wake("joining.outside", here.room, tx.now + approach.AGAIN_MS * 2**tries)
    if tries < SOUGHT_MAX:
        tx.memory.sought[here.room] = tries + 1
        return
    tx.tell(Warned("welcome-not-in-log", here.room, tx.now))
    forget_group(tx, here.room)  # Nobody comes in on what the Welcome alone says.
    change(tx, here.room, state="outside", seq=0)


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
    history.known_from(tx, here.room, stored.seq)
    stand(tx, here.room, stored.seq, None, group.public)
    notices.stays(tx, here.room)
    returning.arrived(tx, here.room, stored.seq, decode_body(stored.body).info)
    own_key(tx, here.room, name, group)
    if not here.joined_seq:
        note(tx, here.room, stored.seq, stored.at, "you-joined", tx.me.account)
    lost.found(tx, here.room, stored.seq)
    outbox.go_on(tx, here.room)
    making.meet(tx, here.room)
    receipts.arrived(tx, here.room)
    approach.list_rooms(tx)  # For a hash of the log to begin with.
    log.read_on(tx, here.room)
    history.begin(tx, here.room)
    tx.tell(RoomChanged(here.room))
    tx.stir(here.room)
