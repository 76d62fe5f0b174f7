"""Snapshots: a room's public state after a handshake, so that who joins need not replay all.

    handshakes   1 ··· 40 ··· 64 ···· 128 ···· 192 ··
    snapshots    ▪            ▪        ▪        ▪      the newest two always stay
    kept bodies      ░░░░░░░░░ ░░░░░    ░░░░░          older ones while a body needs them

A body is checked against the room's state at its place: the newest snapshot before it, and the
handshakes since.  So snapshots go from the front only, when no kept body is left before the next.

A member can store a bad one, which nobody can take for the room's state.  So that it cannot push
all good ones out, the newest one of another account than the newest one's stays too.
"""

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.reads import reading_public
from alcove.server.roomstate import KEPT
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.entries import GetSnapshot, PutSnapshot, Snapshot
from alcove.wire.errors import Code
from alcove.wire.ids import NOTHING_BEFORE

NEWEST_KEPT = 2
"""How many snapshots stay in any case: the newest may turn out to be bad."""
SPACING_HANDSHAKES = 16
"""Older snapshots that are closer together than this are thinned: their handshakes stay."""


def put_snapshot(tx: Tx, caller: Caller, request: PutSnapshot, now: int) -> Done:
    """Store the state after one of the newest handshakes."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    refuse_unless(len(request.body) <= tx.settings.handshake_bytes_max, Code.TOO_LARGE)
    seqs = [mark.seq for mark in state.recent if mark.name == request.name]
    refuse_unless(seqs, Code.UNKNOWN, "Only the newest handshakes of a room get a snapshot.")
    newest = tx.one(
        "SELECT seq FROM snapshot WHERE room = ? ORDER BY seq DESC LIMIT 1", state.number
    )
    is_newer = newest is None or seqs[0] > newest[0]
    refuse_unless(is_newer, Code.EXISTS, "The room has this snapshot already, or a newer one.")
    tx.insert(
        "snapshot (room, seq, name, at, made_by, body)",
        [(state.number, seqs[0], request.name, now, caller.account, request.body)],
    )
    _thin(tx, state.number)
    drop_snapshots(tx, state.number)
    return Done(id=request.id)


def _thin(tx: Tx, number: int) -> None:
    """Drop the snapshot that is no longer among the newest, if it is close to the one before."""
    lines = tx.all(
        "SELECT seq FROM snapshot WHERE room = ? ORDER BY seq DESC LIMIT ?",
        number,
        NEWEST_KEPT + 2,
    )
    if len(lines) < NEWEST_KEPT + 2:
        return
    (after,), (before,) = lines[NEWEST_KEPT:]
    if after == _by_another(tx, number):
        return
    (count,) = tx.one(
        "SELECT COUNT(*) FROM entry WHERE room = ? AND form = 0 AND seq > ? AND seq <= ?",
        number,
        before,
        after,
    ) or (0,)
    if count < SPACING_HANDSHAKES:
        tx.run("DELETE FROM snapshot WHERE room = ? AND seq = ?", number, after)


def _by_another(tx: Tx, number: int) -> int | None:
    """Return the place of the newest snapshot by another account than the newest one's."""
    line = tx.one(
        """
        SELECT s.seq FROM snapshot s
        WHERE s.room = ? AND s.made_by <> (
            SELECT n.made_by FROM snapshot n WHERE n.room = s.room ORDER BY n.seq DESC LIMIT 1
        )
        ORDER BY s.seq DESC LIMIT 1
        """,
        number,
    )
    return None if line is None else line[0]


def drop_snapshots(tx: Tx, number: int) -> None:
    """Drop the oldest snapshots of a room that no kept body needs any more."""
    seqs = [
        seq for (seq,) in tx.all("SELECT seq FROM snapshot WHERE room = ? ORDER BY seq", number)
    ]
    by_another = _by_another(tx, number)
    for place in range(len(seqs) - NEWEST_KEPT):
        seq, following = seqs[place], seqs[place + 1]
        if seq == by_another:
            continue
        needed = tx.one(
            """
            SELECT 1 FROM entry
            WHERE room = ? AND seq > ? AND seq <= ? AND form = ? AND body IS NOT NULL
            ORDER BY seq DESC LIMIT 1
            """,
            number,
            seq,
            following,
            KEPT,
        )
        if needed is not None:
            return
        tx.run("DELETE FROM snapshot WHERE room = ? AND seq = ?", number, seq)


def get_snapshot(tx: Tx, caller: Caller, request: GetSnapshot, _: int) -> Snapshot:
    """Return the newest snapshot at or before a place, to members and to who may join."""
    number = reading_public(tx, caller, request.room, request.link)
    until = "" if request.until is None else "AND seq <= ?"
    line = tx.one(
        f"SELECT seq, name, body FROM snapshot WHERE room = ? {until} ORDER BY seq DESC LIMIT 1",  # noqa: S608 - Our words.
        number,
        *(() if request.until is None else (request.until,)),
    )
    seq, name, body = line or (0, NOTHING_BEFORE, None)
    return Snapshot(id=request.id, seq=seq, name=name, body=body)


HANDLERS: dict[type, Handler] = {
    PutSnapshot: Handler(put_snapshot, "device", "handshake"),
    GetSnapshot: Handler(get_snapshot, "device", "read", writes=False),
}
