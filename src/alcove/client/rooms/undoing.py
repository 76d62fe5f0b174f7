"""What a restored log has undone: who was removed stands there again, who lost a role has it.

A device that saw it says nothing in such a room but the commit that does it again.  It is
over, too, when the log itself has gone on: who was removed was added anew, the role was had since.
"""

from typing import Final

from alcove.client import trust
from alcove.client.events import RoomChanged
from alcove.client.restored import VOID
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import certificate_of, identity_hash, key_hash
from alcove.client.rooms.roles import may, may_remove, role
from alcove.client.rooms.wish import add_wish
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import LeafNode, PublicGroup
from alcove.wire.signed import device_id

WAITS = "waits-for-admin"
RANKS: Final = ("member", "admin", "owner")
Undone = tuple[bytes, bytes, int]
"""What a line of the table `undone` says: about whom, the detail, and up to where."""


def remember(tx: Tx, room: bytes) -> None:
    """Keep in mind who was removed and who lost a role on a branch that is void.

    Of an account that had no device there at its end none may stand there again, whichever it is.
    """
    for device, account, is_there in tx.all(
        """
        SELECT device, account, EXISTS (
            SELECT 1 FROM stay WHERE room = s.room AND account = s.account AND until IS NULL
        ) FROM stay s WHERE room = ? AND until >= ? AND NOT EXISTS (
            SELECT 1 FROM stay WHERE room = s.room AND device = s.device AND until IS NULL
        ) ORDER BY device
        """,
        room, VOID,
    ):  # fmt: skip
        if is_there:
            _undone(tx, room, "device", device, account)
        else:
            _undone(tx, room, "account", account, b"")
    for account, newest in tx.all(
        "SELECT account, role FROM rank WHERE room = ? AND since >= ? ORDER BY since", room, VOID
    ):
        before = tx.one(
            """
            SELECT role FROM rank WHERE room = ? AND account = ? AND since < ?
            ORDER BY since DESC LIMIT 1
            """,
            room, account, VOID,
        )  # fmt: skip
        if before is not None and RANKS.index(newest) < RANKS.index(before[0]):
            _undone(tx, room, "role", account, newest.encode("ascii"))


def _undone(tx: Tx, room: bytes, kind: str, about: bytes, detail: bytes) -> None:
    tx.run(
        """
        INSERT INTO undone (room, kind, about, detail, seq) VALUES (?1, ?2, ?3, ?4, (
            SELECT COALESCE(MAX(seq), 0) FROM handshake WHERE room = ?1 AND seq < ?5
        )) ON CONFLICT (room, kind, about)
            DO UPDATE SET detail = excluded.detail, seq = excluded.seq
        """,
        room, kind, about, detail, VOID,
    )  # fmt: skip


def _was_added_anew(tx: Tx, room: bytes, account: bytes, seq: int) -> bool:
    """Return whether somebody else has added an account behind a place where it was not there."""
    return tx.one(
        """
        SELECT 1 FROM stay s
        JOIN handshake h ON h.room = s.room AND h.seq = s.since
        JOIN stay c ON c.room = h.room AND c.device = h.sender AND c.since < h.seq
        WHERE s.room = ?1 AND s.account = ?2 AND s.since > ?3 AND s.since < ?4 AND c.account <> ?2
            AND NOT EXISTS (
                SELECT 1 FROM stay WHERE room = ?1 AND device = s.device AND until = s.since
            )
        """,
        room, account, seq, VOID,
    ) is not None  # fmt: skip


def _has_changed(tx: Tx, room: bytes, account: bytes, role: str, seq: int) -> bool:
    """Return whether an account has had a role at some time behind a place."""
    return tx.one(
        """
        SELECT 1 FROM rank
        WHERE room = ? AND account = ? AND role = ? AND since > ? AND since < ?
        """,
        room, account, role, seq, VOID,
    ) is not None  # fmt: skip


def waits(tx: Tx, room: bytes, public: PublicGroup) -> bool:
    """Wish for what a restored log has undone, forget what is done; return whether any is left.

    As long as it is, nothing else is said: who may not do it waits for who may.  Whoever calls this
    makes the next commit, so the room needs no other look.
    """
    lines = tx.all(
        "SELECT kind, about, detail, seq FROM undone WHERE room = ? ORDER BY kind, about", room
    )
    if not lines:
        return False
    left = 0
    for kind, about, detail, seq in lines:
        is_done = IS_DONE[kind](tx, room, public, (about, detail, seq))
        left += not is_done
        if is_done:
            tx.run(
                "DELETE FROM undone WHERE room = ? AND kind = ? AND about = ?",
                room, kind, about,
            )  # fmt: skip
    return left > 0


def _account(tx: Tx, room: bytes, public: PublicGroup, undone: Undone) -> bool:
    """Take an account out that has no device in a room, unless it was added anew since."""
    account, _, seq = undone
    leaf = _leaf_of(public, account)
    if leaf is None or _was_added_anew(tx, room, account, seq):
        return True
    if may_remove(state_of(public), key_hash(tx.me.identity), _identity(leaf)):
        add_wish(tx, room, "drop", account, is_quiet=True)
    else:
        _tell(tx, room)
    return False


def _device(tx: Tx, room: bytes, public: PublicGroup, undone: Undone) -> bool:
    """Take one device of an account out; what its account still has on its list may stay."""
    device, account, _ = undone
    is_here = any(device_id(leaf.signature_key) == device for _, leaf in public.tree.leaves())
    pin = trust.pin_of(tx.db, account)
    if not is_here or pin is None or device in trust.devices_pinned(tx.db, account):
        return True
    add_wish(tx, room, "drop_device", device, pin.signed, is_quiet=True)
    return False


def _role(tx: Tx, room: bytes, public: PublicGroup, undone: Undone) -> bool:
    """Take a role from an account, unless it had the other one since."""
    account, detail, seq = undone
    leaf, wanted, state = _leaf_of(public, account), detail.decode("ascii"), state_of(public)
    if leaf is None or role(state, _identity(leaf)) == wanted:
        return True
    if _has_changed(tx, room, account, wanted, seq):
        return True
    owners = [one.identity for one in state.roles if one.rank == "owner"]
    if owners == [_identity(leaf)]:
        return True  # No room may be without an owner: who came after them is none any more.
    if may(state, key_hash(tx.me.identity), "settings"):
        add_wish(tx, room, "role", account, detail, is_quiet=True)
    else:
        _tell(tx, room)
    return False


def _tell(tx: Tx, room: bytes) -> None:
    """Tell the owner once that what is said here waits for somebody who may do what is undone."""
    if not tx.one("SELECT 1 FROM line WHERE room = ? AND cause = ?", room, WAITS):
        (seq,) = tx.line("SELECT seq FROM room WHERE room = ?", room)
        note(tx, room, seq, tx.now, WAITS)
        tx.tell(RoomChanged(room))


IS_DONE: Final = {"account": _account, "device": _device, "role": _role}
"""Each wishes for what is still to be done, and returns whether nothing is."""


def _leaf_of(public: PublicGroup, account: bytes) -> LeafNode | None:
    leaves = (leaf for _, leaf in public.tree.leaves())
    return next((leaf for leaf in leaves if certificate_of(leaf).account == account), None)


def _identity(leaf: LeafNode) -> bytes:
    return identity_hash(certificate_of(leaf))
