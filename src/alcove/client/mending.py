"""The chain of a room's keys, where rows of it are missing: whoever holds the keys adds them.

Who came in by a commit of their own may not hold the key before; and a server that was restored has
lost the rows of commits that come back.  What nobody may have is left out, as its committer would.
"""

from itertools import pairwise
from typing import NamedTuple

from alcove.client import restored
from alcove.client.keys.rooms import room_key
from alcove.client.keys.sealing import seal_chain_row
from alcove.client.rooms import messages
from alcove.client.rooms.committing import is_chained
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.handshakes import decode_body
from alcove.client.rooms.state import find_room
from alcove.client.rooms.walk import MEND_CHAIN, looked_at
from alcove.client.tx import Tx
from alcove.mls import decode_group_info
from alcove.wire.codec import decode_header
from alcove.wire.entries import HandshakeHeader, History, Row
from alcove.wire.errors import Refusal
from alcove.wire.rooms import GetRows, PutRows, RoomRows

MEND_AGAIN_MS = 3_600_000
"""What is to be mended and finds no line, or no answer, waits so long, or for the next line."""
MENDED_MAX = 256
"""So many of the newest room keys are looked at when rows of the chain are missing."""
PUT_MAX = 64
"""So many rows one request adds."""


class Renewal(NamedTuple):
    """A handshake with which a room key began, as far as it is known here."""

    name: bytes
    secret: bytes | None
    seq: int
    header: bytes | None
    body: bytes | None


def mend(tx: Tx, room: bytes) -> None:
    """Look whether the chain is whole, as its newest keys should be linked."""
    here = find_room(tx, room)
    if here is None or here.state != "active" or here.history == "none":
        return
    tx.wake(MEND_CHAIN, room, tx.now + MEND_AGAIN_MS)  # Or at the next sign-in: until it is looked.
    if tx.memory.is_signed_in and restored.may_speak(tx, here):
        tx.ask(GetRows(room=room, kind="chain"), "mending.looked")


def looked(tx: Tx, request: GetRows, answer: RoomRows | Refusal, _: bytes) -> None:
    """Add what is missing among the newest rows of the chain, the oldest first."""
    if isinstance(answer, Refusal):
        return  # Somebody else may do it; and this device looks again later.
    there = {row.name for row in answer.rows}
    room = request.room
    looked_at(tx, room, MEND_CHAIN)
    # What counts for nobody renews nothing, whatever its header says: no epoch begins with it.
    renewals = [
        Renewal(*line)
        for line in tx.all(
            """
            SELECT h.name, k.secret, h.seq, h.header, h.body FROM handshake h
            LEFT JOIN room_key k ON k.room = h.room AND k.name = h.name
            WHERE h.room = ? AND h.renews AND h.epoch > COALESCE((
                SELECT epoch FROM handshake WHERE room = h.room AND seq < h.seq
                ORDER BY seq DESC LIMIT 1
            ), -1) ORDER BY h.seq DESC LIMIT ?
            """,
            room, MENDED_MAX + 1,
        )
    ]  # fmt: skip
    # Before the oldest row that is there the server may have dropped those that were too many.
    known = [place for place, one in enumerate(renewals) if one.name in there]
    until = max([messages.RENEWALS, *known]) if known else len(renewals)
    rows = []
    for now, before in list(pairwise(renewals))[:until]:
        if now.name in there or now.secret is None or before.secret is None:
            continue
        if now.body is not None and _is_chained(tx, room, now, before):
            earlier = before.name, before.secret
            body = seal_chain_row(
                room_key(now.secret), room, now.name, tx.me.key, earlier, tx.random(32)
            )
            rows.append(Row("chain", now.name, body))
    if rows:
        tx.order(PutRows(room=room, rows=tuple(rows[:PUT_MAX][::-1])), "mending.put")


def _is_chained(tx: Tx, room: bytes, now: Renewal, before: Renewal) -> bool:
    """Return whether who has the key of a handshake may have the one before it."""
    header = decode_header(now.header or b"")
    assert isinstance(header, HandshakeHeader), "only such are written down there"
    new = old = _policy(now)
    if header.closes:  # Nothing else changes it.
        if before.body is None:
            return False
        old = _policy(before)
    is_new = header.joins == "link" or any(
        not tx.one(
            """
            SELECT 1 FROM stay WHERE room = ?1 AND account = ?2 AND since < ?3
                AND (until IS NULL OR until >= ?3)
            """,
            room, member.account, now.seq,
        )
        for member in header.routing.adds
    )  # fmt: skip
    return is_chained(old, new, adds=is_new)


def _policy(renewal: Renewal) -> History:
    """Return the history policy after a handshake whose body is here."""
    return state_of(decode_group_info(decode_body(renewal.body).info).context).history


def put(tx: Tx, request: PutRows, answer: object, _: bytes) -> None:
    """Rows were added to the chain, or another member's were; perhaps there are more."""
    if not isinstance(answer, Refusal) and len(request.rows) == PUT_MAX:
        tx.wake(MEND_CHAIN, request.room, tx.now)
