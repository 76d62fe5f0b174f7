"""Coming anew into a room whose log has become another one by a restore.

What this device stood on is void: it forgets its group, and looks for a way in as the log is now.
It does not forget how the room stood, and which handshakes it has followed: a log that has nothing
of that is not this room's, whatever the server says of a restore (see `rooms.returning`).  Where
others may have given back what it came in by, it looks for that first: its group opens what is said
since, as a Welcome would.
"""

from alcove.client import outbox
from alcove.client.events import RoomChanged
from alcove.client.restored import must_return
from alcove.client.rooms import undoing, withheld
from alcove.client.rooms.state import Room, change, forget_group, group_of
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.wire.ids import NOTHING_BEFORE


def strand(tx: Tx, here: Room, incarnation: int, *, may_be_there: bool = False) -> None:
    """Come in anew, on what the log has become, and remember what is undone by that."""
    undoing.remember(tx, here.room)
    begin(tx, here.room, incarnation, may_be_there=may_be_there)
    note(tx, here.room, here.seq, tx.now, "server-restored")
    tx.tell(RoomChanged(here.room))


def begin(tx: Tx, room: bytes, incarnation: int, *, may_be_there: bool = False) -> None:
    """Look for a way into a room from its beginning, as the log is now.

    With `may_be_there` the log may hold what this device's group has come from, at another place.
    """
    from alcove.client.rooms import returning  # noqa: PLC0415

    returning.remember(tx, room, was_restored=True)
    withheld.drop(tx, room)
    has_group = may_be_there and not must_return(tx, room) and group_of(tx, room) is not None
    if not has_group:
        forget_group(tx, room)
    for table in ("handshake", "pending", "past", "stay", "rank", "posting", "unopened", "notice"):
        tx.run(f"DELETE FROM {table} WHERE room = ?", room)  # noqa: S608
    tx.run("DELETE FROM entry WHERE room = ? AND cause = 'no-key'", room)  # It is read again.
    # What its owner has seen was another log.
    tx.run("DELETE FROM doubt WHERE room = ? AND is_seen AND account = x''", room)
    outbox.go_on(tx, room)
    change(
        tx, room, state="joining" if has_group else "outside", seq=0, head=0, joined_seq=0,
        handshake=NOTHING_BEFORE, room_key=None, chain=None, is_lost=0, incarnation=incarnation,
        public=None, base=None, anchor_seq=0, anchor_chain=None,
    )  # fmt: skip
    tx.memory.reading.pop(room, None)
    tx.wake("joining.welcome", room, tx.now)  # One may have come before this was known.
    tx.wake("joining.outside", room, tx.now + 1)
