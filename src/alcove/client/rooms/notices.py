"""Notices: what a device says to its room without a seal, because the others must act on it.

leave   the next committer removes its leaf, and carries the notice
lost    it could not follow a commit: somebody removes and adds it in one commit
"""

from alcove.client import packages
from alcove.client.errors import PeerError
from alcove.client.keys.sealing import check_notice, sign_notice
from alcove.client.keys.suite import SUITE
from alcove.client.rooms.leaves import leaf_hash
from alcove.client.rooms.members import Stay
from alcove.client.rooms.state import Room, change, find_room, policy_of, public_of
from alcove.client.rooms.walk import Walk
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import MlsError, PublicGroup, check_key_package, decode_key_package
from alcove.wire.codec import encode
from alcove.wire.entries import Append, Appended, MessageHeader, NewEntry, Stored
from alcove.wire.errors import Code, Refusal
from alcove.wire.signed import device_id

AGAIN = "notices.again"
"""The alarm that says once more that this device leaves."""
AGAIN_MS = 10_000
JITTER_MS = 10_000
"""Whoever follows waits up to so long before adding the lost again: then one commit is enough."""


def take(tx: Tx, walk: Walk, stored: Stored, header: MessageHeader, stay: Stay) -> None:
    """Take a notice of somebody else."""
    try:
        notice = check_notice(walk.room, stay.account, stay.key, stored.body or b"")
        if notice.package is not None:
            _check_package(tx, notice.package, stay)
    except (PeerError, MlsError) as error:
        cause = str(getattr(error, "cause", None) or getattr(error, "rule", "bad-key-package"))
        walk.pass_over(stored, header.sender, stay.account, cause)
        return
    walk.remember(header.sender, header.content)
    jitter_ms = int.from_bytes(tx.random(4), "big") % JITTER_MS if notice.kind == "lost" else 0
    tx.run(
        """
        INSERT INTO notice (room, device, seq, kind, leaf, package, body, ready_at)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (room, device) DO UPDATE SET seq = excluded.seq, kind = excluded.kind,
            leaf = excluded.leaf, package = excluded.package, body = excluded.body,
            ready_at = MIN(ready_at, excluded.ready_at)
        """,
        walk.room, header.sender, stored.seq, notice.kind, notice.leaf, notice.package,
        stored.body, min(stored.at, tx.now) + jitter_ms,
    )  # fmt: skip
    tx.wake("room.look_after", walk.room, tx.now + jitter_ms)
    note(tx, walk.room, stored.seq, stored.at, f"{notice.kind}-notice", stay.account)


def _check_package(tx: Tx, message: bytes, stay: Stay) -> None:
    """Refuse a key package by which its sender could not be added again: it would stop others."""
    package = decode_key_package(message)
    check_key_package(package, SUITE)
    policy_of(tx).check_credential(package.leaf, None)
    if package.leaf.signature_key != stay.key:
        raise PeerError("package-of-another")


def sent(tx: Tx, walk: Walk, stored: Stored, header: MessageHeader) -> None:
    """A notice of this device stands in the log."""
    from alcove.client import outbox  # noqa: PLC0415  # It says things in rooms by this package.

    if header.notice == "leave":
        walk.finish()
        walk.is_over = True
        change(tx, walk.room, state="gone", seq=stored.seq)
        outbox.stop(tx, walk.room)
        if walk.head > stored.seq:  # The log goes on for this device: others may have added it.
            tx.wake("joining.welcome", walk.room, tx.now)
            tx.wake("joining.list", b"", tx.now)
        note(tx, walk.room, stored.seq, stored.at, "you-left", tx.me.account)


def send(tx: Tx, here: Room, kind: str) -> None:
    """Say that this device leaves, or is lost."""
    public = public_of(tx, here.room)
    assert public is not None
    leaf = own_leaf_hash(tx, public)
    if leaf is None:
        return
    me = tx.me
    if kind == "lost":
        (package,) = packages.make(tx, 1)
        body = sign_notice(here.room, me.account, me.key, "lost", leaf, package)
        header = MessageHeader(me.device, tx.random(16), "notice", notice="lost")
    else:
        body = sign_notice(here.room, me.account, me.key, "leave", leaf)
        header = MessageHeader(me.device, tx.random(16), "notice", notice="leave")
    request = Append(room=here.room, entries=(NewEntry(encode(header), body),))
    tx.order(request, "notices.appended", here.room if kind == "leave" else b"")


def is_leaving(tx: Tx, room: bytes) -> bool:
    """Return whether this device has said that it leaves, and the server has not taken it yet."""
    sql = """
        SELECT 1 FROM request WHERE answered_by = 'notices.appended' AND note = ?1
        UNION ALL SELECT 1 FROM alarm WHERE kind = ?2 AND about = ?1
    """
    return tx.one(sql, room, AGAIN) is not None


def own_leaf_hash(tx: Tx, public: PublicGroup) -> bytes | None:
    """Return the name of this device's leaf, while it stands."""
    for _, leaf in public.tree.leaves():
        if device_id(leaf.signature_key) == tx.me.device:
            return leaf_hash(leaf)
    return None


def stays(tx: Tx, room: bytes) -> None:
    """This device has come into a room: what it said before of leaving is over."""
    tx.run("DELETE FROM alarm WHERE kind = ? AND about = ?", AGAIN, room)


def again(tx: Tx, room: bytes) -> None:
    """Say once more that this device leaves, as its leaf is now."""
    here = find_room(tx, room)
    if here is not None and public_of(tx, room) is not None:
        send(tx, here, "leave")


def appended(tx: Tx, request: Append, answer: Appended | Refusal, leaves: bytes) -> None:
    """A notice of this device was stored, or refused; `leaves` is the room that it leaves by it.

    Who is lost says so again by itself, as long as it is.
    """
    from alcove.client.rooms import log  # noqa: PLC0415

    if not isinstance(answer, Refusal):
        here = public_of(tx, request.room)
        if here is not None:
            log.place(tx, request.room, request.entries, answer)
    elif leaves and answer.code not in {Code.NOT_A_MEMBER, Code.UNKNOWN}:
        tx.wake(AGAIN, leaves, tx.now + (answer.retry_after_ms or AGAIN_MS))
