"""Welcomes: a letter brings one, and the log says where in it this device has come in.

A Welcome never replaces a live group, and what it says counts once its handshake is in the log.
"""

from typing import NamedTuple

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
from alcove.mls import Group, MlsError, PublicGroup, Welcome, decode_message, join_group
from alcove.wire.entries import GetSnapshot, HandshakeHeader, Stored
from alcove.wire.ids import NOTHING_BEFORE, Millis
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
    if rewinding.has_to_compare(tx, room):
        approach.list_rooms(tx)  # What a restored server has lost is to be said again.
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
        approach.look_for(tx, room)
        return
    packages.spent(tx, bundle.package.reference(SUITE))
    if _is_past(tx, room, group):
        return
    returning.put_away(tx, room)
    _begin(tx, room, state.kind, state.history)
    keep_group(tx, room, group)
    change(tx, room, state="joining", is_lost=0, heal_at=0, healed_at=0, refused_at=0, is_held=0)
    change(tx, room, seq=0, room_key=None)
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


class Place(NamedTuple):
    """The handshake by which this device was added."""

    stored: Stored
    name: bytes
    room_key: bytes
    """The name of the room key that holds there."""
    renewed_at: Millis


def look(
    tx: Tx, here: Room, stored: Stored, header: HandshakeHeader, name: bytes,
    public: PublicGroup, *, counts: bool,
) -> Place | None:  # fmt: skip
    """Write down a handshake of the log, and see whether this device was added by it.

    It was, if it counts, and leads to what the Welcome says.
    """
    group = group_of(tx, here.room)
    assert group is not None
    is_place = counts and public.context.raw == group.public.context.raw
    if is_place:  # What a server told before of what comes after is read anew.
        handshakes.make_way(tx, here.room, stored.seq, name, is_end=True)
    tx.run(
        """
        INSERT INTO handshake (room, seq, name, at, sender, epoch, renews, closes, header, body)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (room, seq) DO UPDATE SET epoch = excluded.epoch WHERE name = excluded.name
        ON CONFLICT DO NOTHING
        """,
        here.room, stored.seq, name, stored.at, header.sender, public.epoch,
        int(header.renews), int(header.closes), stored.header, stored.body,
    )  # fmt: skip
    if not is_place:
        return None
    key = _key_at(tx, here.room, stored.seq, name if header.renews else None)
    return None if key is None else Place(stored, name, *key)


def not_found(tx: Tx, here: Room) -> None:
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


def _key_at(tx: Tx, room: bytes, seq: int, name: bytes | None) -> tuple[bytes, Millis] | None:
    """Return the name of the room key that holds at a place, and when it came.

    `name` is the one that begins there.  Where none does this device has been in the room before a
    restore, and followed it further than to where it came in: then it has the key from that time.
    """
    key: tuple[bytes, Millis] | None = tx.one(
        """
        SELECT h.name, h.at FROM handshake h
        LEFT JOIN room_key k ON k.room = h.room AND k.name = h.name AND k.is_sure = 1
        WHERE h.room = ?1 AND h.seq <= ?2 AND h.renews AND (h.name = ?3 OR k.name NOT NULL)
        ORDER BY h.seq DESC LIMIT 1
        """,
        room, seq, name,
    )  # fmt: skip
    return key


def arrive(tx: Tx, here: Room, place: Place) -> None:
    """This is where the device came in: from here on it reads like everybody."""
    group = group_of(tx, here.room)
    assert group is not None
    stored, name, room_key, renewed_at = place
    change(
        tx,
        here.room,
        state="active",
        seq=stored.seq,
        head=max(here.head, stored.seq),
        handshake=name,
        room_key=room_key,
        renewed_at=min(renewed_at, tx.now),
        joined_seq=here.joined_seq or stored.seq,
        chain=None,
    )
    history.known_from(tx, here.room, stored.seq)
    stand(tx, here.room, stored.seq, None, group.public)
    notices.stays(tx, here.room)
    returning.arrived(tx, here.room, stored.seq, decode_body(stored.body).info)
    if room_key == name:
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
