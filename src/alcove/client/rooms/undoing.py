"""What a restored log has undone: who was removed stands there again, who lost a role has it.

A device that saw it says nothing in such a room but the commit that does it again.  It is
over, too, when the log itself has gone on: who was removed was added anew, the role was had since.
"""

from typing import Final

from alcove.client.restored import VOID
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import certificate_of, identity_hash, key_hash
from alcove.client.rooms.roles import may, may_remove, role
from alcove.client.rooms.wish import add_wish
from alcove.client.tx import Tx
from alcove.mls import LeafNode, PublicGroup
from alcove.wire.signed import device_id

RANKS: Final = ("member", "admin", "owner")


def remember(tx: Tx, room: bytes) -> None:
    """Keep in mind who was removed and who lost a role on a branch that is void."""
    for device, account in tx.all(
        """
        SELECT device, account FROM stay s WHERE room = ? AND until >= ? AND NOT EXISTS (
            SELECT 1 FROM stay WHERE room = s.room AND device = s.device AND until IS NULL
        ) ORDER BY device
        """,
        room, VOID,
    ):  # fmt: skip
        _undone(tx, room, "device", device, account)
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
    there = {device_id(leaf.signature_key): leaf for _, leaf in public.tree.leaves()}
    state = state_of(public)
    mine = key_hash(tx.me.identity)
    gone = [about for kind, about, *_ in lines if kind == "device"]
    left = 0
    for kind, about, detail, seq in lines:
        if kind == "device":
            leaf = there.get(about)
            is_done = leaf is None or _was_added_anew(tx, room, detail, seq)
            others = [
                device for device, one in there.items() if certificate_of(one).account == detail
            ]
            if (
                leaf is not None
                and not is_done
                and all(one in gone for one in others)
                and may_remove(state, mine, identity_hash(certificate_of(leaf)))
            ):
                add_wish(tx, room, "drop", detail, is_quiet=True)
        else:
            leaf = next(
                (one for one in there.values() if certificate_of(one).account == about), None
            )
            wanted = detail.decode("ascii")
            is_done = leaf is None or role(state, _identity(leaf)) == wanted
            is_done = is_done or _has_changed(tx, room, about, wanted, seq)
            if not is_done and may(state, mine, "settings"):
                add_wish(tx, room, "role", about, detail, is_quiet=True)
        left += not is_done
        if is_done:
            tx.run(
                "DELETE FROM undone WHERE room = ? AND kind = ? AND about = ?",
                room, kind, about,
            )  # fmt: skip
    return left > 0


def _identity(leaf: LeafNode) -> bytes:
    return identity_hash(certificate_of(leaf))
