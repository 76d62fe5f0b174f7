"""Looking at who comes into a room: whether their keys are those that are known.

Whether a commit counts does not depend on it, because members know more or less of each other.  It
makes a device warn, and take out what its account has revoked.
"""

from alcove.client import trust
from alcove.client.events import Warned
from alcove.client.rooms.leaves import certificate_of, whose
from alcove.client.rooms.wish import add_wish
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.mls import LeafNode
from alcove.wire.signed import device_id


def look_at(tx: Tx, room: bytes, leaf: LeafNode) -> None:
    """Compare a leaf with what is known of its account; one that was revoked is taken out."""
    cause = trust.check_leaf(tx, leaf.credential.data)
    if cause is None:
        return
    account = certificate_of(leaf).account
    tx.tell(Warned(cause, account, tx.now))
    if cause == "device-revoked":
        _take_out(tx, room, account, device_id(leaf.signature_key))


def look_again(tx: Tx, account: bytes) -> None:
    """Compare all leaves of an account once more: its lists say more than when they came."""
    for room, device, certificate in tx.all(
        """
        SELECT s.room, s.device, s.certificate FROM stay s JOIN room r ON r.room = s.room
        WHERE s.account = ? AND s.until IS NULL AND r.state = 'active' ORDER BY s.room, s.device
        """,
        account,
    ):
        if _is_revoked_since(tx, certificate):
            tx.tell(Warned("device-revoked", account, tx.now))
            _take_out(tx, room, account, device)


def _is_revoked_since(tx: Tx, credential: bytes) -> bool:
    """Compare a leaf once more, and return whether its device was revoked since it came."""
    said = whose(credential).said
    pin = trust.pin_of(tx.db, said.account)
    if pin is None or said.identity != pin.identity:
        return False  # What is to be said of it was said when it came.
    if said.version > pin.version:
        trust.ask_at_least(tx, said.account, said.version)
        return False
    return trust.on_the_list(tx, pin, said) == "device-revoked"


def is_known(db: Database, leaf: LeafNode) -> bool:
    """Say whether a leaf is its account's by the keys that are pinned.

    A device may stand there still under an identity that was followed by the one that is known.
    """
    said = certificate_of(leaf)
    pin = trust.pin_of(db, said.account)
    return pin is not None and (
        said.identity == pin.identity
        or device_id(said.device) in trust.devices_pinned(db, said.account)
    )


def _take_out(tx: Tx, room: bytes, account: bytes, device: bytes) -> None:
    """Wish a device out of a room that the newest list of its account omits."""
    pin = trust.pin_of(tx.db, account)
    assert pin is not None, "a device is revoked by a list"
    add_wish(tx, room, "drop_device", device, pin.signed)
