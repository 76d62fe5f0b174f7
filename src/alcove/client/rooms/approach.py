"""The first steps into a room, whichever way leads in: it is looked for, and its log is read.

What comes of them is taken by `rooms.joining`, and by `rooms.welcomes` where a Welcome has come.
"""

from alcove.client.rooms import linking, returning, rewinding
from alcove.client.rooms.state import change, find_room, group_of, is_crowded
from alcove.client.tx import Tx
from alcove.wire.entries import Read
from alcove.wire.ids import NOTHING_BEFORE, Position
from alcove.wire.rooms import GetRooms

OUTSIDE_MS = 1_000
"""How long a device waits for a Welcome before it comes in by a commit of its own."""
AGAIN_MS = 2_000
LIST = "joining.list"
"""The alarm that asks again which rooms there are."""
CROWDED_MS = 60 * 60 * 1000


def list_rooms(tx: Tx) -> None:
    """Ask which rooms this device is routed to, unless that is being done."""
    if not any(one.answered_by == "joining.rooms" for one in tx.memory.asked.values()):
        tx.ask(GetRooms(), "joining.rooms")


def look_for(tx: Tx, room: bytes, *, is_wanted: bool = False) -> None:
    """Come into a room that this device is routed to, if no Welcome does it."""
    here = find_room(tx, room)
    if rewinding.has_to_compare(tx, room):
        list_rooms(tx)  # For where its log stands since the server was restored.
        return
    if here is None and not is_wanted and is_crowded(tx):
        tx.wake(LIST, b"", tx.now + CROWDED_MS)
        return
    if here is None:
        tx.run(
            """
            INSERT INTO room (room, kind, history, state, chain, handshake)
            VALUES (?, 'group', 'open', 'outside', NULL, ?)
            """,
            room, NOTHING_BEFORE,
        )  # fmt: skip
    elif here.state == "gone" and group_of(tx, room) is not None and not here.has_stood:
        change(tx, room, state="joining")  # Its Welcome led nowhere; now it may.
    elif here.state == "gone":
        returning.put_away(tx, room)
        change(tx, room, state="outside", seq=0, handshake=NOTHING_BEFORE, chain=None, is_lost=0)
        change(tx, room, public=None, base=None)
        tx.run("DELETE FROM pending WHERE room = ?", room)  # It belonged to the time before.
    elif here.state != "outside":
        return
    tx.wake("joining.outside", room, tx.now + OUTSIDE_MS)


def read_handshakes(tx: Tx, room: bytes, incarnation: int, since: int, note: bytes = b"") -> None:
    """Ask for the handshakes of a log after a place."""
    (known,) = tx.line("SELECT incarnation FROM me")
    request = Read(
        room=room,
        since=Position(incarnation or known, since),
        lane="handshake",
        link=linking.hash_for(tx, room),
    )
    tx.ask(request, "joining.handshakes", note)
