"""Sealed rows beside a room's log: its profile, and the chain of its keys.

A row is named by the handshake whose room key seals it.  Who mends a bad row replaces it where it
stands, so that the newest row stays the newest key's.
"""

from collections.abc import Sequence

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.reads import page_length, reading
from alcove.server.roomstate import RoomState
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.entries import Row
from alcove.wire.errors import Code
from alcove.wire.rooms import GetRows, PutRows, RoomRows

PROFILES_MAX = 16
"""How many profiles a room keeps: the newest one counts, and slow devices read older ones."""
CHAIN_ROW_BYTES_MAX = 4 * 1024
"""A link of the chain holds one key, its name and a signature."""


def put_rows(tx: Tx, state: RoomState, rows: Sequence[Row]) -> None:
    """Store rows; one of the same kind and name is replaced."""
    for row in rows:
        fits = row.kind == "profile" or len(row.body) <= CHAIN_ROW_BYTES_MAX
        refuse_unless(fits, Code.TOO_LARGE)
    for row in rows:
        is_there = tx.run(
            "UPDATE room_row SET body = ? WHERE room = ? AND kind = ? AND name = ?",
            row.body,
            state.number,
            row.kind,
            row.name,
        )
        if is_there:
            continue
        newest = tx.one(
            "SELECT number FROM room_row WHERE room = ? AND kind = ? ORDER BY number DESC LIMIT 1",
            state.number,
            row.kind,
        )
        number = newest[0] + 1 if newest else 1
        tx.insert(
            "room_row (room, kind, name, number, body)",
            [(state.number, row.kind, row.name, number, row.body)],
        )
        most = PROFILES_MAX if row.kind == "profile" else tx.settings.room_chain_rows_max
        if number > most:
            tx.run(
                "DELETE FROM room_row WHERE room = ? AND kind = ? AND number <= ?",
                state.number,
                row.kind,
                number - most,
            )


def put(tx: Tx, caller: Caller, request: PutRows, _: int) -> Done:
    """Store sealed rows beside a room's log."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    put_rows(tx, state, request.rows)
    return Done(id=request.id)


def get(tx: Tx, caller: Caller, request: GetRows, _: int) -> RoomRows:
    """Return a page of a room's rows, newest first."""
    number = reading(tx, caller, request.room)
    older = "" if request.before is None else "AND number < ?"
    before = () if request.before is None else (request.before,)
    lines = tx.all(
        f"""
        SELECT number, name, body FROM room_row WHERE room = ? AND kind = ? {older}
        ORDER BY number DESC LIMIT ?
        """,  # noqa: S608 - Our words.
        number,
        request.kind,
        *before,
        tx.settings.page_entries_max + 1,
    )
    count = page_length((len(body) for _, _, body in lines), tx.settings)
    rows = tuple(Row(request.kind, name, body) for _, name, body in lines[:count])
    more = lines[count - 1][0] if count < len(lines) else None
    return RoomRows(id=request.id, rows=rows, next=more)


HANDLERS: dict[type, Handler] = {
    PutRows: Handler(put, "device", "write"),
    GetRows: Handler(get, "device", "read", writes=False),
}
