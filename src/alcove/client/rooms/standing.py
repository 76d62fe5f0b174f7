"""Who stands in a room from a handshake on, and what they are there: lines that judge messages.

Every place of a log that is known has its stays and ranks, whichever way this device learnt them:
from commits that it followed, from those that it was shown, or from a Welcome.
"""

from alcove.client.rooms.extension import state_of
from alcove.client.rooms.facts import CLOSED_KINDS
from alcove.client.rooms.leaves import certificate_of, identity_hash
from alcove.client.rooms.roles import rights_of
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import LeafNode, PublicGroup
from alcove.wire.entries import Stored
from alcove.wire.signed import device_id


def stand(tx: Tx, room: bytes, seq: int, before: PublicGroup | None, after: PublicGroup) -> None:
    """Write down who stands in a room from here on, and what they may do."""
    old = {} if before is None else dict(before.tree.leaves())
    new = dict(after.tree.leaves())
    for index, leaf in old.items():
        if new.get(index) is not leaf and _other(leaf, new.get(index)):
            tx.run(
                """
                UPDATE stay SET until = ?1
                WHERE room = ?2 AND device = ?3 AND since < ?1 AND (until IS NULL OR until > ?1)
                """,
                seq, room, device_id(leaf.signature_key),
            )  # fmt: skip
    for index, leaf in new.items():
        if old.get(index) is not leaf and _other(old.get(index), leaf):
            tx.run(
                """
                INSERT INTO stay (room, device, account, since, leaf, key, certificate)
                VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
                """,
                room, device_id(leaf.signature_key), certificate_of(leaf).account, seq, index,
                leaf.signature_key, leaf.credential.data,
            )  # fmt: skip
    _rank(tx, room, seq, before, after)
    if before is not None and state_of(before).history != "open" == state_of(after).history:
        tx.run("UPDATE room SET opened_seq = MAX(opened_seq, ?) WHERE room = ?", seq, room)
    rights = rights_of(state_of(after))
    if before is None or rights_of(state_of(before)) != rights:
        tx.run(
            "INSERT OR REPLACE INTO posting (room, since, who, pin, call) VALUES (?, ?, ?, ?, ?)",
            room, seq, *rights,
        )  # fmt: skip


def _other(one: LeafNode | None, other: LeafNode | None) -> bool:
    """Return whether two leaves differ in whose they are."""
    if one is None or other is None:
        return True
    return (one.signature_key, one.credential.data) != (other.signature_key, other.credential.data)


def _rank(tx: Tx, room: bytes, seq: int, before: PublicGroup | None, after: PublicGroup) -> None:
    """Write down who is owner and admin from here on."""
    roles = _roles(after)
    is_closed = state_of(after).kind in CLOSED_KINDS  # Its roles stand before all have come.
    if before is not None and not is_closed and _roles(before) == roles:
        return
    ranks = {
        certificate_of(leaf).account: roles.get(identity_hash(certificate_of(leaf)), "member")
        for _, leaf in after.tree.leaves()
    }
    known: dict[bytes, str] = dict(
        tx.all(
            "SELECT account, role FROM rank WHERE room = ? AND since <= ? ORDER BY since", room, seq
        )
    )
    for account, role in (dict.fromkeys(known, "member") | ranks).items():
        if known.get(account, "member") != role:
            tx.run(
                """
                INSERT INTO rank (room, account, since, role) VALUES (?, ?, ?, ?)
                ON CONFLICT (room, account, since) DO UPDATE SET role = excluded.role
                """,
                room, account, seq, role,
            )  # fmt: skip


def rank_all(tx: Tx, room: bytes, seq: int, public: PublicGroup) -> None:
    """Write down what everybody is at a place, whatever they were before it."""
    roles = _roles(public)
    for _, leaf in public.tree.leaves():
        certificate = certificate_of(leaf)
        tx.run(
            """
            INSERT INTO rank (room, account, since, role) VALUES (?, ?, ?, ?)
            ON CONFLICT (room, account, since) DO UPDATE SET role = excluded.role
            """,
            room, certificate.account, seq, roles.get(identity_hash(certificate), "member"),
        )  # fmt: skip


def _roles(public: PublicGroup) -> dict[bytes, str]:
    return {one.identity: one.rank for one in state_of(public).roles}


def tell_of_members(
    tx: Tx, room: bytes, stored: Stored, before: PublicGroup, after: PublicGroup
) -> None:
    """Show in the room who came and who went."""
    old = {certificate_of(leaf).account: None for _, leaf in changed(before, after)}
    new = {certificate_of(leaf).account: None for _, leaf in changed(after, before)}
    for account in [*new, *old]:
        was, is_ = _has(before, account), _has(after, account)
        if is_ and tx.one("SELECT 1 FROM asked WHERE room = ? AND account = ?", room, account):
            continue  # They are not there before they accept, and that is said already.
        if was != is_:
            note(tx, room, stored.seq, stored.at, "joined" if is_ else "left", account)


def changed(one: PublicGroup, other: PublicGroup) -> list[tuple[int, LeafNode]]:
    """Return the leaves of one state that the other has not."""
    there = dict(other.tree.leaves())
    return [(index, leaf) for index, leaf in one.tree.leaves() if there.get(index) is not leaf]


def _has(public: PublicGroup, account: bytes) -> bool:
    return any(certificate_of(leaf).account == account for _, leaf in public.tree.leaves())
