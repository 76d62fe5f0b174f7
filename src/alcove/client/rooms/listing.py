"""The server's list of a device's rooms: what of it is new, and what is otherwise than it was.

It is asked for at each sign-in; its words are a server's, and what they lead to is read and judged.
"""

from alcove.client.rooms import approach, handshakes, log, notices, remade, rewinding
from alcove.client.rooms.approach import LIST
from alcove.client.rooms.state import change, find_room
from alcove.client.tx import Tx
from alcove.wire.errors import Refusal
from alcove.wire.rooms import GetRooms, Room, Rooms


def again(tx: Tx, _about: bytes) -> None:
    """Ask again which rooms there are."""
    approach.list_rooms(tx)


def listed(tx: Tx, request: GetRooms, answer: Rooms | Refusal, _: bytes) -> None:
    """Compare a page of the list with what is stored here."""
    if isinstance(answer, Refusal):
        tx.wake(LIST, b"", tx.now + (answer.retry_after_ms or approach.AGAIN_MS))
        return
    if request.since == 0:
        tx.memory.listed.clear()
    for one in answer.rooms:
        if one.state == "active":  # Who believes to be in where it is asked first is out.
            _look_at(tx, one, answer.incarnation)
            if find_room(tx, one.room) is not None:  # A list may name others without end.
                tx.memory.listed[one.room] = None
    if answer.next is not None and answer.next > request.since:
        tx.ask(GetRooms(since=answer.next), "joining.rooms")
        return
    remade.all_listed(tx, answer.incarnation)
    for (room,) in tx.all("SELECT room FROM room WHERE state = 'active' ORDER BY room"):
        if room not in tx.memory.listed:
            log.read_on(tx, room)  # The answer says whether this device is out.


def _look_at(tx: Tx, one: Room, incarnation: int) -> None:
    """Compare what is said of a room that this device is routed to."""
    here = find_room(tx, one.room)
    if rewinding.listed(tx, one, incarnation):
        return
    if here is None or here.state == "gone":
        _look_for(tx, one.room)
        return
    tx.run("UPDATE room SET head = MAX(head, ?) WHERE room = ?", one.head, one.room)
    if here.state == "active" and one.head > here.seq:  # Compared when it has come so far.
        change(tx, one.room, anchor_seq=one.head, anchor_chain=one.chain)
    elif here.state == "active" and one.head == here.seq and here.chain is None:
        change(tx, one.room, chain=one.chain)
    elif here.state == "active" and one.head == here.seq and one.chain != here.chain:
        handshakes.alarm(tx, one.room, "fork", here.seq)
    log.read_on(tx, one.room)


def _look_for(tx: Tx, room: bytes) -> None:
    """Come into a room, unless the list is older than what this device has said itself."""
    if not notices.is_leaving(tx, room):
        approach.look_for(tx, room)
