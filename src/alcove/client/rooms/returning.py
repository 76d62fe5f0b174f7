"""Coming back into a room that this device has known: only what goes on from there is believed.

Who is shut out by the server's word alone forgets the group's secrets, but not how the group stood.
What it is shown later must lead on from that place, commit by commit, or begin behind it by the
word of somebody who stood there; else nothing is said, and nobody comes in, before the owner has
looked.  After a restore the log may be shorter; but it has to begin with what this device knows.
"""

from alcove.client import restored
from alcove.client.errors import PeerError
from alcove.client.rooms.belief import SUITES
from alcove.client.rooms.handshakes import decode_body, public_after
from alcove.client.rooms.leaves import certificate_of
from alcove.client.rooms.state import (
    Room,
    change,
    find_room,
    forget_group,
    policy_of,
    public_of,
)
from alcove.client.tx import Tx
from alcove.mls import MlsError, PublicGroup, decode_group_info
from alcove.wire.codec import decode_header
from alcove.wire.entries import HandshakeHeader, Joining
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.signed import device_id

ANOTHER = "fork"
AGAIN = "start again"
IN_VAIN = "look for a way in"
START_AGAIN_MS = 10_000
"""So late a log is read from its beginning that was not the server's; then twice as late."""
STARTS_MAX = 12
"""So often the pause before that doubles."""
LOOK_AGAIN_MS = 10 * 60 * 1000
"""So long apart it is seen whether the owner has looked, and what the server says by then."""


def put_away(tx: Tx, room: bytes) -> None:
    """Forget the secrets of a group, and remember how a room stood that is over."""
    remember(tx, room)
    forget_group(tx, room)


def remember(tx: Tx, room: bytes, *, was_restored: bool = False) -> None:
    """Remember how a room stood that is over.

    With `was_restored` its log has become another one: what this device has followed is there.
    """
    here = find_room(tx, room)
    is_over = here is not None and here.state == ("active" if was_restored else "gone")
    public = public_of(tx, room) if here is not None and is_over and here.has_stood else None
    if public is not None:
        tx.run("UPDATE room SET known = COALESCE(known, ?) WHERE room = ?", public.save(), room)
        # What counted, and was followed by this device or leads to where it came in.
        tx.run(
            """
            INSERT INTO walked (room, name) SELECT room, name FROM handshake h
            WHERE room = ?1 AND seq >= (SELECT MIN(since) FROM stay WHERE room = ?1) AND seq = (
                SELECT MIN(seq) FROM handshake WHERE room = ?1 AND epoch = h.epoch
            ) ON CONFLICT DO NOTHING
            """,
            room,
        )
    if was_restored:
        change(tx, room, was_restored=1)


def came_in(tx: Tx, room: bytes) -> None:
    """This device is in the room again: from here on it follows with its own eyes."""
    tx.run("DELETE FROM walked WHERE room = ?", room)
    change(tx, room, known=None, was_restored=0)
    for what in (AGAIN, IN_VAIN):
        tx.memory.tries.pop((what, room), None)


def start_again(tx: Tx, room: bytes) -> None:
    """What was followed of a room is not its log, as the server has it now: read all of it anew."""
    change(tx, room, seq=0, handshake=NOTHING_BEFORE, chain=None, public=None, base=None)
    tries = tx.memory.tries.get((AGAIN, room), 0)
    tx.memory.tries[AGAIN, room] = tries + 1
    tx.wake("joining.outside", room, tx.now + START_AGAIN_MS * 2 ** min(tries, STARTS_MAX))


def is_known(tx: Tx, room: bytes) -> bool:
    """Return whether this device knows how a room stood into which it comes back."""
    return tx.line("SELECT known FROM room WHERE room = ?", room) != (None,)


def _known(tx: Tx, room: bytes) -> PublicGroup | None:
    (known,) = tx.line("SELECT known FROM room WHERE room = ?", room)
    return None if known is None else PublicGroup.load(known, policy_of(tx), suites=SUITES)


def compare(tx: Tx, room: bytes, seq: int, info: bytes | None = None) -> None:
    """Compare a room's state with how it stood; `info` is what it begins with, if it does here."""
    known, public = _known(tx, room), public_of(tx, room)
    if known is None or public is None or public.epoch < known.epoch or _was_restored(tx, room):
        return
    is_other = public.epoch == known.epoch and public.context.raw != known.context.raw
    is_behind = info is not None and not _leads_to(tx, room, seq, known, public)
    if is_other or (is_behind and not _is_of_known(known, public, info or b"")):
        restored.doubt(tx, room, seq, b"", ANOTHER)


def _leads_to(tx: Tx, room: bytes, seq: int, known: PublicGroup, public: PublicGroup) -> bool:
    """Return whether the handshakes up to a place lead from how a room stood to how it stands."""
    followed = known
    for header, body in tx.all(
        """
        SELECT header, body FROM handshake
        WHERE room = ? AND seq <= ? AND header IS NOT NULL AND body IS NOT NULL ORDER BY seq
        """,
        room, seq,
    ):  # fmt: skip
        try:
            said, held = decode_header(header), decode_body(body)
            assert isinstance(said, HandshakeHeader), "the table holds no other"
            followed = public_after(tx, room, said, held, followed)
        except (PeerError, MlsError):
            continue  # One that counts for nobody, or for a state that is past.
    return followed.context.raw == public.context.raw


def _was_restored(tx: Tx, room: bytes) -> bool:
    return tx.line("SELECT was_restored FROM room WHERE room = ?", room) == (1,)


def _goes_on(tx: Tx, room: bytes, seq: int, known: PublicGroup, public: PublicGroup) -> bool:
    """Return whether a log, after a restore, is the one of before: as far as it goes, at least.

    It holds a handshake that this device has followed before, or one by somebody who stood in the
    room as it was, and comes from there to where the room stands; or who made that state did.
    """
    followed: PublicGroup | None = None
    is_shared, before, info = False, NOTHING_BEFORE, b""
    for name, header, body in tx.all(
        """
        SELECT name, header, body FROM handshake
        WHERE room = ? AND seq <= ? AND header IS NOT NULL ORDER BY seq
        """,
        room, seq,
    ):  # fmt: skip
        said, last, before = decode_header(header), before, name
        try:
            held = decode_body(body)
            assert isinstance(said, HandshakeHeader), "the table holds no other"
            if said.before == last:
                followed = public_after(tx, room, said, held, followed)
                is_shared = (
                    is_shared
                    or _has_walked(tx, room, name)
                    or _is_of_known(known, followed, held.info)
                )
                info = held.info
        except (PeerError, MlsError):
            continue  # It counts for nobody.
    if is_shared and followed is not None and followed.context.raw == public.context.raw:
        return True
    return _is_of_known(known, public, info)


def _has_walked(tx: Tx, room: bytes, name: bytes) -> bool:
    return tx.one("SELECT 1 FROM walked WHERE room = ? AND name = ?", room, name) is not None


def _is_of_known(known: PublicGroup, public: PublicGroup, info: bytes) -> bool:
    """Return whether somebody who stood in a room signed the state that is shown of it."""
    try:
        public.check_group_info(info)
    except MlsError:
        return False
    signer = public.tree.leaf(decode_group_info(info).signer)
    assert signer is not None, "its signature was checked"
    identity = certificate_of(signer).identity
    return any(
        leaf.signature_key == signer.signature_key and certificate_of(leaf).identity == identity
        for _, leaf in known.tree.leaves()
    )


def arrived(tx: Tx, room: bytes, seq: int, info: bytes) -> None:
    """A Welcome has led back into a room: whether to one that goes on from where it stood."""
    known, public = _known(tx, room), public_of(tx, room)
    assert public is not None, "it has a group"
    if known is not None and _is_another(tx, room, seq, known, public):
        restored.doubt(tx, room, seq, b"", ANOTHER)
    compare(tx, room, seq, info)
    came_in(tx, room)


def _is_another(tx: Tx, room: bytes, seq: int, known: PublicGroup, public: PublicGroup) -> bool:
    """Return whether a room, as it is shown, is not the one that this device has known."""
    if _was_restored(tx, room):
        return not _goes_on(tx, room, seq, known, public)
    return public.epoch < known.epoch


def may_come_in(tx: Tx, here: Room, public: PublicGroup) -> bool:
    """Return whether a room may be come into as it is shown; if not, it is looked at again."""
    known = _known(tx, here.room)
    if known is None:
        return True
    doubt = tx.one("SELECT is_seen FROM doubt WHERE room = ? AND account = x''", here.room)
    if doubt is None and _is_another(tx, here.room, here.seq, known, public):
        restored.doubt(tx, here.room, here.seq, b"", ANOTHER)
        doubt = (0,)
    if doubt == (0,):
        tx.wake("joining.outside", here.room, tx.now + LOOK_AGAIN_MS)
        return False
    return True


def right(tx: Tx, public: PublicGroup) -> tuple[Joining | None, int | None]:
    """Return by what right this device may come in, and which leaf it replaces."""
    sibling = False
    for index, leaf in public.tree.leaves():
        if device_id(leaf.signature_key) == tx.me.device:
            return "resync", index
        sibling = sibling or certificate_of(leaf).account == tx.me.account
    return ("sibling" if sibling else None), None
