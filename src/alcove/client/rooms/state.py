"""A room as this device has stored it: its line, and its MLS group.

Groups are immutable values, loaded once and kept in memory with the version under which they are
stored.  A step that fails forgets them, so memory never runs ahead of the disk.
"""

from dataclasses import replace
from typing import NamedTuple

from alcove.client.errors import StoreError
from alcove.client.rooms.belief import SUITES, policy
from alcove.client.tx import Tx
from alcove.mls import Group, Policy, PublicGroup, Saved, load_group, save_group, save_messages

OUTSIDE_MAX = 1_000
"""So many rooms of which only the server speaks are stored at once."""
PAST_EPOCHS = 7
"""Live messages may name one of the newest eight epochs."""


class Room(NamedTuple):
    """Where this device stands in a room."""

    room: bytes
    kind: str
    history: str
    partner: bytes | None
    state: str
    seq: int
    head: int
    chain: bytes | None
    incarnation: int
    handshake: bytes
    room_key: bytes | None
    renewed_at: int
    healed_at: int
    refused_at: int
    sends: int
    is_lost: int
    joined_seq: int
    anchor_seq: int
    anchor_chain: bytes | None
    version: int
    """Of the group below."""
    is_public: int
    """Whether the group is followed in public alone."""

    @property
    def has_stood(self) -> bool:
        """Whether a log has shown that this device is in the room, as it was added last."""
        return self.room_key is not None


COLUMNS = ", ".join(Room._fields).replace("is_public", "public IS NOT NULL")
_READ = frozenset(Room._fields) - {"is_public"}
"""Columns that are as they were set."""


def find_room(tx: Tx, room: bytes) -> Room | None:
    """Return what is stored of a room, if there is such a room."""
    found: Room | None = tx.rooms.get(room)
    if found is None:
        line = tx.one(f"SELECT {COLUMNS} FROM room WHERE room = ?", room)  # noqa: S608
        found = None if line is None else Room(*line)
        tx.rooms[room] = found
    return found


def get_room(tx: Tx, room: bytes) -> Room:
    """Return a room that must be there."""
    found = find_room(tx, room)
    assert found is not None
    return found


def is_crowded(tx: Tx) -> bool:
    """Return whether so many rooms wait to be come into that the server's word brings no more."""
    (count,) = tx.line("SELECT COUNT(*) FROM room WHERE state = 'outside'")
    return bool(count >= OUTSIDE_MAX)


def change(tx: Tx, room: bytes, **values: int | str | bytes | None) -> None:
    """Set columns of a room."""
    before = tx.rooms.get(room)
    sets = ", ".join(f"{column} = ?" for column in values)
    tx.run(f"UPDATE room SET {sets} WHERE room = ?", *values.values(), room)  # noqa: S608
    if before is not None and values.keys() <= _READ:
        tx.rooms[room] = before._replace(**values)


def policy_of(tx: Tx, *, is_live: bool = True) -> Policy:
    """Return what decides who is believed in the rooms of this server."""
    return replace(policy(tx.me.server), past_epochs=PAST_EPOCHS if is_live else 0)


def group_of(tx: Tx, room: bytes) -> Group | None:
    """Return this device's group in a room; None while it has none."""
    here = find_room(tx, room)
    if here is None:
        return None
    kept = tx.memory.groups.get(room)
    if kept is not None and kept[0] == here.version:
        return kept[1]
    parts = tx.one(
        """
        SELECT group_epoch.body, group_messages.body FROM group_epoch JOIN group_messages
        USING (room) WHERE room = ?
        """,
        room,
    )
    if parts is None:
        return None
    group = load_group(Saved(*parts), policy_of(tx), suites=SUITES)
    tx.memory.groups[room] = here.version, group
    return group


def public_of(tx: Tx, room: bytes) -> PublicGroup | None:
    """Return the public state of a room's group: the newest that is known."""
    if get_room(tx, room).is_public:
        (public,) = tx.line("SELECT public FROM room WHERE room = ?", room)
        return PublicGroup.load(public, policy_of(tx), suites=SUITES)
    group = group_of(tx, room)
    return None if group is None else group.public


def keep_group(tx: Tx, room: bytes, group: Group) -> None:
    """Store a group in place of the one that this step has read."""
    kept = tx.memory.groups.get(room)
    version = kept[0] if kept else tx.line("SELECT version FROM room WHERE room = ?", room)[0]
    if kept is not None and kept[1].public is group.public:
        messages = save_messages(group)
    else:
        epoch, messages = save_group(group)
        tx.run("REPLACE INTO group_epoch (room, body) VALUES (?, ?)", room, epoch)
        change(tx, room, public=None)
    tx.run("REPLACE INTO group_messages (room, body) VALUES (?, ?)", room, messages)
    done = tx.run(
        "UPDATE room SET version = version + 1 WHERE room = ? AND version = ?", room, version
    )
    if done != 1:
        raise StoreError("Another program has changed this account's database; close one of them.")
    tx.memory.groups[room] = version + 1, group


def keep_public(tx: Tx, room: bytes, public: PublicGroup) -> None:
    """Store the public state of a group that this device cannot follow with its secrets."""
    change(tx, room, public=public.save())


def forget_group(tx: Tx, room: bytes) -> None:
    """Delete the secrets of a group that this device is no longer in."""
    tx.run("DELETE FROM group_epoch WHERE room = ?", room)
    tx.run("DELETE FROM group_messages WHERE room = ?", room)
    tx.run("UPDATE room SET version = version + 1 WHERE room = ?", room)
    tx.memory.groups.pop(room, None)


def is_coming(tx: Tx, room: bytes) -> bool:
    """Return whether a commit by which this device comes in has no answer yet."""
    return (
        tx.one(
            """
            SELECT 1 FROM request
            WHERE answered_by IN ('joining.came_in', 'lost.came_back') AND note = ?
            """,
            room,
        )
        is not None
    )
