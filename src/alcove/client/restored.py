"""Disks that were set back, and logs that are told in two ways: what keeps this device silent.

a disk that was set back   seals nothing: numbers and keys may have been used.  What it had asked is
                           derived anew, every room is come into by a commit of its own
another log                a writer has read other entries than this device: the owner is shown who
                           says so, and nothing is said in that room before a look

What a restored server asks for is in `rooms.rewinding`.
"""

from typing import Any, Final, Union

import msgspec

from alcove.client import packages, trust
from alcove.client.events import RoomChanged, Warned
from alcove.client.rooms.state import Room, change, find_room
from alcove.client.store.database import Database
from alcove.client.timeline import note
from alcove.client.tx import READS_FROM, Tx
from alcove.wire import REQUESTS
from alcove.wire.base import Request
from alcove.wire.content import Said
from alcove.wire.entries import Append
from alcove.wire.ids import NOTHING_BEFORE

RESYNC: Final = "lost.resync"
"""The alarm that lets this device come back into a room by a commit of its own."""
STAGGER_MS: Final = 250
"""Rooms are come into one after another, so long apart."""
REUSED_SKIP: Final = 1_000
"""A number was used that this disk does not know: others above it may have been, too."""
LEAD_MAX: Final = 2**32
"""A server that says a device's disk is more requests behind is not believed."""
COUNTER_MAX: Final = 2**51
"""Numbers of a device's requests stay below; those that only ask begin far above."""
ANSWERS_ARCHIVE: Final = "archive.put"
GIVEN_BACK_MS: Final = 30 * 24 * 60 * 60 * 1000
"""So long somebody may come who has what a restored server has lost: bodies are kept so long."""
VOID: Final = 2**52
"""Places from here on are of a log that a restored server has lost."""
DERIVED: Final = ("wishes.appended", "joining.came_in", "lost.came_back", "packages.put")
"""Requests that are not repeated after a disk was set back: what they wanted is found out anew."""

_decode_request: Any = msgspec.msgpack.Decoder(Union[REQUESTS]).decode  # noqa: UP007


# ---- A disk that was set back ----


def counter_told(tx: Tx, counter: int) -> None:
    """Compare the highest number that the server has seen of this device with its disk's own.

    One that no device reaches is a lie: with it this device would soon have no numbers left.  What
    has a number, and has not left, the server cannot know: a disk that was set back may have given
    the same numbers to other requests by now.
    """
    own, sent = tx.line("SELECT counter, sent FROM me")
    if counter > own + LEAD_MAX or counter >= COUNTER_MAX:
        tx.tell(Warned("bad-counter", b"", tx.now))
    elif counter > sent:
        was_set_back(tx, counter)
    tx.run("UPDATE me SET sent = counter")  # All that waits leaves now.


def was_set_back(tx: Tx, counter: int) -> None:
    """The server knows requests of this device that its disk does not: it was set back."""
    (own,) = tx.line("SELECT counter FROM me")
    tx.change_me("counter", max(own, counter))
    tx.sent = [request for request in tx.sent if request.id >= READS_FROM]
    for number in [one for one in tx.memory.asked if one < READS_FROM]:
        del tx.memory.asked[number]
    for number, body, answered_by, said in tx.all(
        "SELECT id, body, answered_by, note FROM request ORDER BY id"
    ):
        ask_anew(tx, number, body, answered_by, said)
    # Private halves may have been used: a Welcome to one of them is not opened twice.
    tx.run("DELETE FROM package")
    tx.run("DELETE FROM welcome")
    packages.replace_all(tx)
    for place, (room, state) in enumerate(
        tx.all("SELECT room, state FROM room JOIN group_epoch USING (room) ORDER BY room")
    ):
        if state in {"joining", "gone"}:
            _put_away(tx, room, state)
            continue
        tx.run(
            """
            INSERT INTO trouble (room, must_return) VALUES (?, 1)
            ON CONFLICT (room) DO UPDATE SET must_return = 1
            """,
            room,
        )
        tx.wake(RESYNC, room, tx.now + place * STAGGER_MS)
    tx.wake(ANSWERS_ARCHIVE, b"", tx.now)
    tx.wake(trust.REFRESH, b"", tx.now)
    tx.tell(Warned("restored", b"", tx.now))


def _put_away(tx: Tx, room: bytes, state: str) -> None:
    """What a group that this device did not stand in yet, or any more, has sealed is not known."""
    from alcove.client.rooms import returning  # noqa: PLC0415  # It asks this module.

    returning.put_away(tx, room)
    if state == "joining":
        change(tx, room, state="outside", seq=0, handshake=NOTHING_BEFORE, public=None, base=None)
        tx.wake("joining.outside", room, tx.now)


def ask_anew(tx: Tx, number: int, body: bytes, answered_by: str, said: bytes) -> None:
    """Ask with a new number what was asked with one that may be used, or let it be derived."""
    tx.run("DELETE FROM request WHERE id = ?", number)
    request: Request = _decode_request(body)
    if answered_by not in DERIVED:
        again = tx.order(request, answered_by, said)
        tx.run("UPDATE outbox SET request = ? WHERE request = ?", again, number)
        return
    if isinstance(request, Append) and answered_by != "wishes.appended":
        tx.run("DELETE FROM pending WHERE room = ?", request.room)
        tx.wake("joining.outside", request.room, tx.now)
    tx.run("UPDATE outbox SET request = NULL, header = NULL, body = NULL WHERE request = ?", number)


def number_refused(tx: Tx, number: int) -> None:
    """A request's number was used for another one: this disk does not know all that it has sent."""
    was_set_back(tx, number + REUSED_SKIP)


def must_return(tx: Tx, room: bytes) -> bool:
    """Return whether this device has to come into a room anew before it says anything there."""
    return tx.one("SELECT 1 FROM trouble WHERE room = ? AND must_return", room) is not None


def wrote_what_we_do_not_know(tx: Tx, room: bytes) -> None:
    """The log holds a message of this device that its disk does not know: it was set back."""
    if not must_return(tx, room):
        (counter,) = tx.line("SELECT counter FROM me")
        was_set_back(tx, counter)


def server_was_restored_lately(tx: Tx) -> bool:
    """Return whether handshakes may be given back to a server, without the rows beside them."""
    (at,) = tx.line("SELECT restored_at FROM me")
    return bool(at > 0 and tx.now - at < GIVEN_BACK_MS)


# ---- Another log ----


def may_speak(tx: Tx, here: Room) -> bool:
    """Return whether nothing that was restored or is told in two ways keeps this device silent."""
    (is_silent,) = tx.line(
        """
        SELECT (SELECT incarnation FROM me) <> ?2
            OR EXISTS (SELECT 1 FROM trouble WHERE room = ?1 AND must_return)
            OR EXISTS (SELECT 1 FROM doubt WHERE room = ?1 AND NOT is_seen)
            OR EXISTS (SELECT 1 FROM handshake WHERE room = ?1 AND seq >= ?3)
        """,
        here.room, here.incarnation, VOID,
    )  # fmt: skip
    return not is_silent


def claims_another_log(tx: Tx, room: bytes, seq: int, account: bytes, said: Said) -> None:
    """Somebody has read another log than this device: show the claim, with the name.

    Who it was is asked about once: nobody silences a room by claiming it again.
    """
    here = find_room(tx, room)
    if here is None or said.seen_incarnation != here.incarnation:
        return  # It was written before the server was restored, or after: those places are void.
    code = "own-log-differs" if account == tx.me.account else "another-log"
    doubt(tx, room, seq, account, code)


def doubt(tx: Tx, room: bytes, seq: int, account: bytes, code: str) -> None:
    """Stop sending in a room until the owner has looked, and say why; once for each who says it.

    What the server or one of the owner's own devices says of a later place is shown again.
    """
    is_new = tx.run(
        """
        INSERT INTO doubt (room, account, seq) VALUES (?1, ?2, ?3)
        ON CONFLICT DO UPDATE SET seq = excluded.seq, is_seen = 0
            WHERE is_seen AND seq < excluded.seq AND account IN (x'', ?4)
        """,
        room, account, seq, tx.me.account,
    )  # fmt: skip
    if is_new:
        note(tx, room, seq, tx.now, code, account or None)
        tx.tell(Warned(code, room, tx.now))
        tx.tell(RoomChanged(room))


def is_doubted(db: Database, room: bytes) -> bool:
    """Return whether a room waits for its owner's look, because its log is told in two ways."""
    return db.one("SELECT 1 FROM doubt WHERE room = ? AND NOT is_seen", room) is not None


def overlook(tx: Tx, room: bytes) -> None:
    """Go on in a room although somebody has read another log: the owner has looked."""
    tx.run("UPDATE doubt SET is_seen = 1 WHERE room = ?", room)
    tx.tell(RoomChanged(room))
    tx.stir(room)
