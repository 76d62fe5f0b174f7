"""Healing: new keys for this device's own leaf, so that whoever copied the old ones is left behind.

A path commit heals its committer alone, so every device makes them: with its first message after
joining, after 64 of its own, and after a day.  When an hour has passed since the room key was
renewed, it renews that too.  A healing commit that is refused is dropped: the message goes alone.
"""

from itertools import islice

from alcove.client.errors import UsageError
from alcove.client.events import RoomChanged, Warned
from alcove.client.rooms import planning
from alcove.client.rooms.changes import Plan
from alcove.client.rooms.state import Room, change
from alcove.client.store.database import Database
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import Group

SENDS = 64
DAY_MS = 24 * 60 * 60 * 1000
RENEWAL_MS = 60 * 60 * 1000
STAGGER = 32
"""Leaves are spread over so many steps, so that not all devices of a room heal together."""
REFUSED_MS = 2 * DAY_MS
"""Whose healing is refused for so long is told, and again after as long."""
PAUSE_MS = 60_000
"""The server takes one healing commit of a device in a minute."""


def plan(tx: Tx, here: Room, group: Group, *, has_something_to_say: bool) -> Plan | None:
    """Return a healing commit when it is time for one and something is sent anyway."""
    if not has_something_to_say or here.kind == "mailbox" or not is_due(tx, here, group):
        return None
    (not_before, heal_at) = tx.line("SELECT commit_at, heal_at FROM room WHERE room = ?", here.room)
    if max(not_before, heal_at) > tx.now:
        if here.refused_at:  # What is held goes when it may.
            tx.wake("room.look_after", here.room, max(not_before, heal_at))
        return None
    tx.run("UPDATE room SET heal_at = ? WHERE room = ?", tx.now + PAUSE_MS, here.room)
    renews = here.renewed_at + RENEWAL_MS <= tx.now
    return Plan(planning.plan(group.public, group.me, renews=renews))


def reopen(tx: Tx, here: Room, group: Group) -> Plan | None:
    """Return a commit that renews the room key, where nothing can be said under the newest one."""
    (not_before,) = tx.line("SELECT commit_at FROM room WHERE room = ?", here.room)
    if not_before > tx.now:
        tx.wake("room.look_after", here.room, not_before)
        return None
    return Plan(planning.plan(group.public, group.me, renews=True))


def is_due(tx: Tx, here: Room, group: Group) -> bool:
    """Return whether this device should heal with what it sends next."""
    if len(tuple(islice(group.public.tree.leaves(), 2))) == 1:  # Not a thousand, for each message.
        return False
    share = group.me % STAGGER
    return (
        here.healed_at == 0
        or here.sends >= SENDS + share
        or here.healed_at + DAY_MS + share * DAY_MS // STAGGER <= tx.now
    )


def refused(tx: Tx, here: Room, group: Group) -> None:
    """A commit of this device was refused; tell its owner when it could not heal for two days."""
    if not is_due(tx, here, group):
        return
    if not here.refused_at:
        change(tx, here.room, refused_at=tx.now)
    elif here.refused_at + REFUSED_MS <= tx.now:
        change(tx, here.room, refused_at=tx.now)
        note(tx, here.room, here.seq, tx.now, "not-healed", tx.me.account)
        tx.tell(Warned("not-healed", here.room, tx.now))


# ---- What the owner may choose then ----


def hold(tx: Tx, room: bytes) -> None:
    """Say nothing in a room until it can heal: who may have copied its keys reads no more."""
    if not tx.run("UPDATE room SET is_held = 1 WHERE room = ? AND refused_at > 0", room):
        raise UsageError(
            "Your keys in this room are renewed as they should be: there is nothing to wait for."
        )
    tx.tell(RoomChanged(room))


def let_go(tx: Tx, room: bytes) -> None:
    """Say what waits all the same, and what comes."""
    if tx.run("UPDATE room SET is_held = 0 WHERE room = ? AND is_held", room):
        tx.tell(RoomChanged(room))
        tx.stir(room)


def is_held(db: Database, room: bytes) -> bool:
    """Return whether nothing is said in a room by the owner's choice, until it can heal."""
    return db.one("SELECT 1 FROM room WHERE room = ? AND is_held", room) is not None


def postpone(tx: Tx, room: bytes, at: int) -> None:
    """Make no commit in a room before this time; then look again whether one is wished."""
    tx.run("UPDATE room SET commit_at = ? WHERE room = ?", at, room)
    tx.wake("room.look_after", room, at)
