"""Commits of this device: from what a room shall become to an entry, with all that goes with it.

A commit counts once it stands in the log.  Until then the group stays as it is, and the one that
the commit leads to is kept as *pending*, under the name that the entry will have.
"""

from typing import Any, NamedTuple

import msgspec

from alcove.client.keys.certificates import read_list
from alcove.client.keys.rooms import EXPORT_LABEL, room_key
from alcove.client.keys.sealing import seal_chain_row, seal_profile_row
from alcove.client.rooms.extension import RoomState, state_of
from alcove.client.rooms.founding import founding_note
from alcove.client.rooms.handshakes import Body
from alcove.client.rooms.leaves import certificate_of, identity_hash, key_hash, member_of, whose
from alcove.client.rooms.note import Note, encode_note, header
from alcove.client.rooms.planning import Plan
from alcove.client.rooms.roles import settled
from alcove.client.rooms.state import Room
from alcove.client.tx import Tx
from alcove.mls import (
    CommitOptions,
    Group,
    LeafTemplate,
    OwnCommit,
    PublicGroup,
    basic,
    join_by_commit,
    save_group,
)
from alcove.wire.codec import encode
from alcove.wire.devices import SignedList
from alcove.wire.entries import History, NewEntry, Row
from alcove.wire.ids import entry_name

_decode_list: Any = msgspec.msgpack.Decoder(SignedList).decode


class Made(NamedTuple):
    """A commit that was made and not sent yet."""

    entry: NewEntry
    name: bytes
    welcome: bytes | None
    rows: tuple[Row, ...]
    after: Group


def found(tx: Tx, here: Room, group: Group) -> tuple[NewEntry, bytes]:
    """Return the entry that founds a room, and its name."""
    note = founding_note(group.public)
    info = group.group_info(with_tree=True)
    entry = NewEntry(encode(header(note, tx.me.device, here.handshake)), encode(Body(b"", info)))
    name = entry_name(here.room, entry.header, entry.body)
    return entry, name


def commit(tx: Tx, here: Room, group: Group, what: Plan) -> Made:
    """Make a commit that follows the newest handshake, and keep what it leads to."""
    options = CommitOptions(
        path=True, authenticated_data=encode_note(what.note),
        template=own_leaf(tx, group, what.state),
    )  # fmt: skip
    made = group.commit(what.proposals, entropy=tx.random, options=options)
    return keep(tx, here, what.note, made, group)


def own_leaf(tx: Tx, group: Group, after: RoomState) -> LeafTemplate | None:
    """Return what this device's leaf should say, when that is something new."""
    if group.leaf.credential.data == tx.me.certificate:
        return None
    if _known(group, after) != key_hash(tx.me.identity):
        return None  # The room would refuse an identity that no list has brought.
    return LeafTemplate.of(group.leaf)._replace(credential=basic(tx.me.certificate))


def rotations(tx: Tx, group: Group) -> tuple[bytes, ...]:
    """Return the lists by which a room learns that this account has another identity now.

    Each is the first of an identity, to which the identity before has agreed.
    """
    known = _known(group, state_of(group.public))
    if known == key_hash(tx.me.identity):
        return ()
    found: list[bytes] = []
    newest = known
    for (body,) in tx.all("SELECT signed FROM own_list ORDER BY version"):
        identity = key_hash(read_list(_decode_list(body)).identity)
        if identity == known:
            found = []
        elif identity != newest:
            found.append(body)
        newest = identity
    return tuple(found)


def _known(group: Group, state: RoomState) -> bytes:
    """Return the hash of the identity that a room's state gives this device's account."""
    return settled(state, identity_hash(certificate_of(group.leaf)))


def join(
    tx: Tx, here: Room, public: PublicGroup, note: Note, template: LeafTemplate,
    replaces: int | None,
) -> Made:  # fmt: skip
    """Make a commit by which this device comes in by itself."""
    made = join_by_commit(
        public,
        tx.me.key,
        template,
        tx.random,
        replaces=replaces,
        authenticated_data=encode_note(note),
    )
    return keep(tx, here, note, made, None)


def keep(tx: Tx, here: Room, note: Note, made: OwnCommit, before: Group | None) -> Made:
    """Keep what a commit leads to until it stands in the log, and return its entry."""
    after = made.merge()
    body = encode(Body(made.message, after.group_info(with_tree=False)))
    entry = NewEntry(encode(header(note, tx.me.device, here.handshake)), body)
    name = entry_name(here.room, entry.header, entry.body)
    tx.run(
        """
        INSERT INTO pending (room, name, epoch_part, message_part) VALUES (?, ?, ?, ?)
        ON CONFLICT (room) DO UPDATE SET name = excluded.name, epoch_part = excluded.epoch_part,
            message_part = excluded.message_part
        """,
        here.room, name, *save_group(after),
    )  # fmt: skip
    rows = rows_for(tx, here, note, name, before, after) if note.renews else ()
    return Made(entry, name, made.welcome, rows, after)


def rows_for(
    tx: Tx, here: Room, note: Note, name: bytes, before: Group | None, after: Group
) -> tuple[Row, ...]:
    """Return what stands beside the log for a new room key: the profile, and the key before."""
    key = room_key(after.export(EXPORT_LABEL, b"", 32))
    rows: list[Row] = []
    profile = tx.one("SELECT profile FROM room WHERE room = ?", here.room)
    if profile is not None and profile[0] is not None:
        sealed = seal_profile_row(key, here.room, name, tx.me.key, profile[0], tx.random(32))
        rows.append(Row("profile", name, sealed))
    earlier = earlier_key(tx, here.room)
    if note.joins is not None and not _is_newest(tx, here.room, earlier):
        earlier = None  # It would leave out a key: whoever holds that one writes the row.
    old = state_of((after if before is None else before).public).history
    is_new = adds_identity(note, before, after)
    if earlier is not None and is_chained(old, state_of(after.public).history, adds=is_new):
        sealed = seal_chain_row(key, here.room, name, tx.me.key, earlier, tx.random(32))
        rows.append(Row("chain", name, sealed))
    return tuple(rows)


def earlier_key(tx: Tx, room: bytes) -> tuple[bytes, bytes] | None:
    """Return the newest room key that this device holds: its name and secret."""
    line = tx.one(
        """
        SELECT k.name, k.secret FROM room_key k
        JOIN handshake h ON h.room = k.room AND h.name = k.name
        WHERE k.room = ? ORDER BY h.seq DESC LIMIT 1
        """,
        room,
    )
    return None if line is None else (line[0], line[1])


def _is_newest(tx: Tx, room: bytes, key: tuple[bytes, bytes] | None) -> bool:
    """Return whether this is the key of the newest handshake that renews."""
    line = tx.one(
        "SELECT name FROM handshake WHERE room = ? AND renews ORDER BY seq DESC LIMIT 1", room
    )
    return key is not None and line is not None and line[0] == key[0]


def is_chained(old: History, new: History, *, adds: bool) -> bool:
    """Return whether who holds the key of a commit may have the one before it.

    The policies are those before and after it; `adds` says that it brings somebody new.
    """
    if new == "none":
        return False
    if old != "open" and new == "open":
        return False  # What was said before was not meant for everybody who comes.
    return new == "open" or not adds


def adds_identity(note: Note, before: Group | None, after: Group) -> bool:
    """Return whether a commit brings somebody new, and not only another device of who is there."""
    if before is None or not note.routing.adds:
        return note.joins == "link"
    there = {whose(leaf.credential.data).identity for _, leaf in before.members()}
    new = {member.device for member in note.routing.adds}
    return any(
        member_of(leaf).device in new and whose(leaf.credential.data).identity not in there
        for _, leaf in after.members()
    )
