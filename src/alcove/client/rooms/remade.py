"""Rooms that a restored server has lost altogether: who founded one makes it again.

It is the same room, from the same bytes; what came after these is offered as in any other.
"""

from typing import Final

from alcove.client import outbox
from alcove.client.events import Warned
from alcove.client.rooms import log, rewinding, withheld
from alcove.client.rooms.state import Room, change, find_room
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.wire.entries import Appended, Entries, NewEntry, Read
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE, Position
from alcove.wire.rooms import CreateRoom, Kind

FOUNDING_MAX: Final = 2
"""With so many handshakes a room can be made: the one that founds it, and its first members'."""


def all_listed(tx: Tx, incarnation: int) -> None:
    """Look after rooms that a restored server does not name: it has lost them, or who is in them.

    Those that this device has founded are made again; into those that it was coming into when the
    server was restored it looks for a way anew, as far as there is one.
    """
    for room, state in tx.all(
        "SELECT room, state FROM room WHERE incarnation NOT IN (0, ?) ORDER BY room", incarnation
    ):
        if state in {"joining", "outside"}:  # It may be asked into a room to which it has a link.
            rewinding.look_anew(tx, room, incarnation)
        elif room in tx.memory.listed:
            continue
        elif state == "active":  # The room may be gone, or this device from it.
            tx.ask(Read(room=room, since=Position(incarnation, 0), entries_max=1), "remade.asked")
        else:
            withheld.drop(tx, room, withheld.NEVER)


def asked(tx: Tx, request: Read, answer: Entries | Refusal, _: bytes) -> None:
    """The server has said why a room is not on its list."""
    here = find_room(tx, request.room)
    if here is None or here.state != "active":
        return
    if not isinstance(answer, Refusal):
        rewinding.list_later(tx)  # It is there: the list was older, or leaves it out.
        return
    if answer.code not in {Code.NOT_A_MEMBER, Code.UNKNOWN}:
        rewinding.list_later(tx, answer)
        return
    if rewinding.is_founder(tx, here.room):
        _make_again(tx, here)  # The server does not say whether the room is there.
    else:
        log.shut_out(tx, here.room)


def _make_again(tx: Tx, here: Room) -> None:
    """Make a room again that this device has founded: the same room, from the same bytes."""
    room = here.room
    if tx.one("SELECT 1 FROM request WHERE answered_by = 'remade.made_again' AND note = ?", room):
        return
    entries = []
    for sender, header, body in tx.all(
        "SELECT sender, header, body FROM handshake WHERE room = ? ORDER BY seq LIMIT ?",
        room, FOUNDING_MAX,
    ):  # fmt: skip
        if sender != tx.me.device or header is None or body is None:
            break
        entries.append(NewEntry(header, body))
    kind: Kind = here.kind  # type: ignore[assignment]
    request = CreateRoom(room=room, kind=kind, entries=tuple(entries), partner=here.partner)
    tx.order(request, "remade.made_again", room)


def _rewind_all(tx: Tx, here: Room, incarnation: int) -> None:
    """Everything in a room is void."""
    note(tx, here.room, 0, tx.now, "server-restored")
    rewinding.make_void(tx, here.room, 0)
    change(
        tx, here.room, seq=0, head=0, chain=NOTHING_BEFORE, incarnation=incarnation,
        handshake=NOTHING_BEFORE, anchor_seq=0, anchor_chain=None,
    )  # fmt: skip
    rewinding.say_again(tx, here.room, 0)
    outbox.go_on(tx, here.room)


def made_again(tx: Tx, request: CreateRoom, answer: Appended | Refusal, _: bytes) -> None:
    """The room is there again; what came after its first commit is offered."""
    here = find_room(tx, request.room)
    if here is None or here.state != "active":
        return
    if isinstance(answer, Refusal):
        if answer.code != Code.EXISTS:
            tx.tell(Warned(f"room-not-restored: {answer.code}", request.room, tx.now))
        log.shut_out(tx, here.room)  # It is there, without this device.
        return
    (incarnation,) = tx.line("SELECT incarnation FROM me")
    _rewind_all(tx, here, incarnation)
    log.place(tx, request.room, request.entries, answer)
    if rewinding.has_void(tx, request.room):
        rewinding.offer(tx, request.room)
    else:
        rewinding.go_on(tx, request.room)
