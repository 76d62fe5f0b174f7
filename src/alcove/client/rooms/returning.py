"""Coming back into a room that this device has known: only what goes on from there is believed.

Who is shut out by the server's word alone forgets the group's secrets, but not how the group stood.
What it is shown later must lead past that place, or begin behind it by the word of somebody who
stood there; else nothing is said, and nobody comes in, before the owner has looked.
"""

from alcove.client import restored
from alcove.client.rooms.belief import SUITES
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
from alcove.wire.entries import Joining
from alcove.wire.signed import device_id

ANOTHER = "fork"
LOOK_AGAIN_MS = 10 * 60 * 1000
"""So long apart it is seen whether the owner has looked, and what the server says by then."""


def put_away(tx: Tx, room: bytes) -> None:
    """Forget the secrets of a group, and remember how a room stood that is over."""
    here = find_room(tx, room)
    public = None if here is None or here.state != "gone" else public_of(tx, room)
    if public is not None:
        tx.run("UPDATE room SET known = COALESCE(known, ?) WHERE room = ?", public.save(), room)
    forget_group(tx, room)


def _known(tx: Tx, room: bytes) -> PublicGroup | None:
    (known,) = tx.line("SELECT known FROM room WHERE room = ?", room)
    return None if known is None else PublicGroup.load(known, policy_of(tx), suites=SUITES)


def compare(tx: Tx, room: bytes, seq: int, info: bytes | None = None) -> None:
    """Compare a room's state with how it stood; `info` is what it begins with, if it does here."""
    known, public = _known(tx, room), public_of(tx, room)
    if known is None or public is None or public.epoch < known.epoch:
        return
    is_other = public.epoch == known.epoch and public.context.raw != known.context.raw
    if is_other or (info is not None and not _is_of_known(known, public, info)):
        restored.doubt(tx, room, seq, b"", ANOTHER)


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
    if known is not None and public.epoch < known.epoch:
        restored.doubt(tx, room, seq, b"", ANOTHER)
    compare(tx, room, seq, info)
    change(tx, room, known=None)


def may_come_in(tx: Tx, here: Room, public: PublicGroup) -> bool:
    """Return whether a room may be come into as it is shown; if not, it is looked at again."""
    known = _known(tx, here.room)
    if known is None:
        return True
    doubt = tx.one("SELECT is_seen FROM doubt WHERE room = ? AND account = x''", here.room)
    if public.epoch < known.epoch and doubt is None:
        restored.doubt(tx, here.room, here.seq, b"", ANOTHER)
        doubt = (0,)
    if doubt == (0,):
        tx.wake("joining.outside", here.room, tx.now + LOOK_AGAIN_MS)
        return False
    change(tx, here.room, known=None)
    return True


def right(tx: Tx, public: PublicGroup) -> tuple[Joining | None, int | None]:
    """Return by what right this device may come in, and which leaf it replaces."""
    sibling = False
    for index, leaf in public.tree.leaves():
        if device_id(leaf.signature_key) == tx.me.device:
            return "resync", index
        sibling = sibling or certificate_of(leaf).account == tx.me.account
    return ("sibling" if sibling else None), None
