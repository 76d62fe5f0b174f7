"""Handshakes of a log: whether a commit counts, and what it makes of the room.

    publicly invalid       it stands in the log and changes nothing, for everyone alike
    valid, and followed    the group goes on; members, roles and room key change with it
    valid, not followed    this device is lost: it goes on in public, and asks to be added anew

Whether a commit counts is decided from the group's public state and the entry's bytes alone.
"""

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from alcove.client import outbox, receipts, restored, trust
from alcove.client.errors import PeerError
from alcove.client.events import Mended, RoomChanged
from alcove.client.keys.rooms import EXPORT_LABEL
from alcove.client.rooms import lost, messages, rewinding
from alcove.client.rooms.belief import SUITES
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.founding import check_beginning
from alcove.client.rooms.leaves import certificate_of
from alcove.client.rooms.looking import look_at
from alcove.client.rooms.members import stay_at
from alcove.client.rooms.note import agrees, decode_note
from alcove.client.rooms.standing import changed, stand, tell_of_members
from alcove.client.rooms.state import (
    change,
    forget_group,
    group_of,
    keep_group,
    keep_public,
    policy_of,
    public_of,
)
from alcove.client.rooms.walk import Walk, mend_rows
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import (
    Group,
    Lost,
    MlsError,
    PublicGroup,
    Saved,
    StagedCommit,
    StagedPublicCommit,
    decode_group_info,
    load_group,
)
from alcove.wire.devices import SignedList
from alcove.wire.entries import HandshakeHeader, Stored
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.signed import device_id

WELCOME = "joining.welcome"
"""The alarm that looks whether a Welcome was waiting for a group to end."""
ARCHIVE = "archive.put"
"""The alarm that archives what is not archived yet."""
ARCHIVE_MS = 5_000
"""Keys that are learnt in the same seconds are archived together."""
KEPT_MS = 30 * 24 * 60 * 60 * 1000
"""How long raw handshakes are kept, to be offered to a server that was restored."""


class Body(Struct, frozen=True, array_like=True):
    """The body of a handshake."""

    commit: bytes
    """Empty in the entry that founds a room."""
    info: bytes
    """The GroupInfo of the epoch that begins, with the tree only where a room is founded."""


class Outcome(NamedTuple):
    """What a commit that counts leads to."""

    public: PublicGroup
    """The next public state."""
    group: Group | None
    """The next group; None for who cannot follow, or is out."""
    is_out: bool
    """Whether this device's leaf was removed."""
    committer: int
    """The committer's leaf, in the next state."""
    lost: str | None = None
    """The rule that this device could not follow by."""
    lists: tuple[bytes, ...] = ()
    """Device lists that came along."""


_decode_body: Any = msgspec.msgpack.Decoder(Body).decode
_decode_list: Any = msgspec.msgpack.Decoder(SignedList).decode


def decode_body(body: bytes | None) -> Body:
    """Return what the body of a handshake holds."""
    try:
        decoded: Body = _decode_body(body or b"")
    except msgspec.DecodeError as error:
        raise PeerError("handshake-body") from error
    return decoded


def cause_of(error: Exception) -> str:
    """Return the code of what is wrong with a handshake."""
    return str(getattr(error, "cause", None) or getattr(error, "rule", None) or "not-readable")


def follow(tx: Tx, walk: Walk, stored: Stored, header: HandshakeHeader, name: bytes) -> None:
    """Take a handshake at its place."""
    if rewinding.came_back(tx, walk, stored, header, name):
        return
    before = public_of(tx, walk.room)
    assert before is not None
    if stored.seq == 1 and messages.key_of(tx, walk.room, name) is not None:
        _founded(tx, walk, stored, header, name)
        return
    try:
        outcome = judge(tx, walk, header, stored, name, before)
    except (PeerError, MlsError) as error:
        record(tx, walk, stored, header, name, before.epoch)
        walk.handshake = name
        stay = stay_at(tx, walk.room, header.sender, stored.seq)
        account = None if stay is None else stay.account
        walk.pass_over(stored, header.sender, account, cause_of(error))
        return
    record(tx, walk, stored, header, name, outcome.public.epoch)
    walk.remember(header.sender, None)
    walk.handshake = name
    _apply(tx, walk, header, name, stored, before, outcome)


def _founded(tx: Tx, walk: Walk, stored: Stored, header: HandshakeHeader, name: bytes) -> None:
    """The room that this device has made is there."""
    record(tx, walk, stored, header, name, 0)
    walk.remember(header.sender, None)
    walk.handshake = walk.room_key = name
    walk.renewed_at = min(stored.at, tx.now)
    note(tx, walk.room, stored.seq, stored.at, "founded", tx.me.account)


def judge(
    tx: Tx, walk: Walk, header: HandshakeHeader, stored: Stored, name: bytes, before: PublicGroup
) -> Outcome:
    """Raise unless a handshake counts; return what it leads to."""
    if header.before != walk.handshake:
        raise PeerError("handshake-order")
    body = decode_body(stored.body)
    mine = _pending(tx, walk.room, name)
    if mine is not None:
        return Outcome(mine.public, mine, is_out=False, committer=mine.me)
    is_mine = header.sender == tx.me.device
    group = None if walk.is_lost or is_mine else group_of(tx, walk.room)
    if group is None:
        staged = staged_by(before, body.commit)
        # Who only looks for a way in may have been there, and gone, before.
        is_in = not is_mine and walk.state != "outside"
        is_out = is_in and _removes(before, staged, tx.me.device)
        outcome = Outcome(staged.group, None, is_out, staged.committer)
        said = staged.authenticated_data
    else:
        outcome, said = _receive(group, body.commit)
    public = counted(header, said, body.info, outcome.public, outcome.committer)
    return outcome._replace(public=public, lists=decode_note(said).lists)


def counted(
    header: HandshakeHeader, said: bytes, info: bytes, after: PublicGroup, committer: int
) -> PublicGroup:
    """Return the public state that a commit leads to, if all that stands beside it agrees."""
    cause = agrees(header, decode_note(said))
    if cause is not None:
        raise PeerError(cause)
    if decode_group_info(info).signer != committer:
        raise PeerError("group-info-signer")
    _check_writer(header, after, committer)
    return after.check_group_info(info)


def public_after(
    tx: Tx, room: bytes, header: HandshakeHeader, body: Body, before: PublicGroup | None,
    base: bytes | None = None,
) -> PublicGroup:  # fmt: skip
    """Return the public state after one more handshake; raise where that does not count.

    Without a state before, a room is founded by it, or goes on with the tree of a snapshot.
    """
    if before is None:
        tree = None if header.before == NOTHING_BEFORE else base
        first = PublicGroup.from_group_info(body.info, policy_of(tx), tree=tree, suites=SUITES)
        check_beginning(first, header, room)
        _check_writer(header, first, decode_group_info(body.info).signer)
        return first
    staged = staged_by(before, body.commit)
    return counted(header, staged.authenticated_data, body.info, staged.group, staged.committer)


def staged_by(before: PublicGroup, commit: bytes) -> StagedPublicCommit:
    """Return what a commit leads to in public; whatever else stands in its place is refused."""
    staged = before.receive(commit)
    if not isinstance(staged, StagedPublicCommit):
        raise PeerError("not-a-commit")
    return staged


def _check_writer(header: HandshakeHeader, after: PublicGroup, committer: int) -> None:
    leaf = after.tree.leaf(committer)
    if leaf is None or device_id(leaf.signature_key) != header.sender:
        raise PeerError("not-its-writer")


def _pending(tx: Tx, room: bytes, name: bytes) -> Group | None:
    """Return the group that a commit of one's own leads to, when this is that commit."""
    line = tx.one(
        "SELECT epoch_part, message_part FROM pending WHERE room = ? AND name = ?", room, name
    )
    if line is None:
        return None
    after = load_group(Saved(*line), policy_of(tx), suites=SUITES)
    newest = group_of(tx, room)
    is_next = newest is not None and newest.epoch + 1 == after.epoch
    return after.with_past_of(newest) if newest is not None and is_next else after


def _has_made(tx: Tx, room: bytes, after: PublicGroup) -> bool:
    """Return whether this device has made a commit, which came back with another name.

    Then what its writer signed is the same: what is not signed was altered on the way.
    """
    line = tx.one("SELECT epoch_part, message_part FROM pending WHERE room = ?", room)
    if line is None:
        return False
    made = load_group(Saved(*line), policy_of(tx), suites=SUITES).public.context
    return made.confirmed_transcript_hash == after.context.confirmed_transcript_hash


def _receive(group: Group, commit: bytes) -> tuple[Outcome, bytes]:
    """Follow a commit with the group's secrets, and return what its sender said with it."""
    try:
        staged = group.receive(commit)
    except Lost as error:
        # The public half again, for what the committer said: it counts for everyone else.
        seen = staged_by(group.public, commit)
        return Outcome(
            error.public, None, is_out=False, committer=seen.committer, lost=error.rule
        ), seen.authenticated_data
    if not isinstance(staged, StagedCommit):
        raise PeerError("not-a-commit")
    after = None if staged.removes_me else staged.merge()
    outcome = Outcome(staged.after, after, staged.removes_me, staged.committer)
    return outcome, staged.authenticated_data


def _removes(before: PublicGroup, staged: StagedPublicCommit, device: bytes) -> bool:
    """Return whether a commit removes the leaf of a device."""
    leaves = (before.tree.leaf(index) for index in staged.removed)
    return any(leaf is not None and device_id(leaf.signature_key) == device for leaf in leaves)


def make_way(tx: Tx, room: bytes, seq: int, name: bytes, *, is_end: bool = False) -> None:
    """Forget what was told before of the place of a handshake, where it turns out to be untrue.

    Who looks for a Welcome's place writes down handshakes that nothing has proven yet.  With
    `is_end` all goes that was told of later places.
    """
    tx.run(
        """
        DELETE FROM handshake WHERE room = ?1 AND seq < ?4
            AND (((seq = ?2 OR name = ?3) AND NOT (seq = ?2 AND name = ?3)) OR (seq > ?2 AND ?5))
        """,
        room, seq, name, restored.VOID, is_end,
    )  # fmt: skip


def record(
    tx: Tx, walk: Walk, stored: Stored, header: HandshakeHeader, name: bytes, epoch: int
) -> None:
    """Write down that a handshake stands in the log, whether it counts or not."""
    make_way(tx, walk.room, stored.seq, name)
    tx.run(
        """
        INSERT INTO handshake (room, seq, name, at, sender, epoch, renews, closes, header, body)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        walk.room, stored.seq, name, stored.at, header.sender, epoch, int(header.renews),
        int(header.closes), stored.header, stored.body,
    )  # fmt: skip
    tx.run("DELETE FROM pending WHERE room = ? AND name = ?", walk.room, name)


def _apply(
    tx: Tx,
    walk: Walk,
    header: HandshakeHeader,
    name: bytes,
    stored: Stored,
    before: PublicGroup,
    outcome: Outcome,
) -> None:
    """Let the room become what a commit that counts makes of it."""
    stand(tx, walk.room, stored.seq, before, outcome.public)
    change(tx, walk.room, history=state_of(outcome.public).history)
    tell_of_members(tx, walk.room, stored, before, outcome.public)
    _look_at_news(tx, walk.room, before, outcome)
    leaf = outcome.public.tree.leaf(outcome.committer)
    assert leaf is not None
    committer = certificate_of(leaf).account
    if outcome.is_out:
        _out(tx, walk, outcome, committer, stored)
        return
    if outcome.group is None:
        keep_public(tx, walk.room, outcome.public)
        _not_followed(tx, walk, header, stored, committer, outcome)
        return
    group = outcome.group
    keep_group(tx, walk.room, group)
    if header.sender != tx.me.device and outcome.public.external_pub != group.external_key().public:
        lost.blame(tx, walk, stored, committer, group.epoch)
    if header.renews:
        walk.room_key = name
        walk.renewed_at = min(stored.at, tx.now)
        own_key(tx, walk.room, name, group)
        may_lack_rows = header.joins is not None or restored.server_was_restored_lately(tx)
        if may_lack_rows and header.sender != tx.me.device:
            mend_rows(tx, walk.room)
    if header.sender == tx.me.device:
        change(tx, walk.room, healed_at=tx.now, sends=0, refused_at=0, is_held=0)
        tx.stir(walk.room)
        if header.joins is not None:
            walk.is_lost = 0
            lost.found(tx, walk.room, stored.seq)
        lost.snapshot(tx, walk.room, name, group.public)
    tx.tell(RoomChanged(walk.room))


def _look_at_news(tx: Tx, room: bytes, before: PublicGroup, outcome: Outcome) -> None:
    """Compare who is new with what is known of them, after what the commit tells of it."""
    for body in outcome.lists:
        trust.take_list(tx, _decode_list(body))
    there = [leaf.signature_key for _, leaf in changed(before, outcome.public)]
    for _, newcomer in changed(outcome.public, before):
        look_at(tx, room, newcomer)
        is_mine = certificate_of(newcomer).account == tx.me.account
        if is_mine and newcomer.signature_key not in there:
            receipts.say_again(tx, room)  # What was sealed before, it may not open.


def _not_followed(
    tx: Tx, walk: Walk, header: HandshakeHeader, stored: Stored, committer: bytes, outcome: Outcome
) -> None:
    """This device is left behind by a commit, or was before."""
    if header.sender == tx.me.device and _has_made(tx, walk.room, outcome.public):
        walk.is_lost = 1
        lost.begin(tx, walk, stored, committer, lost.UNSIGNED)
    elif header.sender == tx.me.device:
        lost.stranger(tx, walk, stored)
    elif walk.is_lost and header.joins is not None:
        lost.wait_for(tx, walk.room)
    elif outcome.lost is not None:
        walk.is_lost = 1
        tx.wake(WELCOME, walk.room, tx.now)
        lost.begin(tx, walk, stored, committer, outcome.lost)


def own_key(tx: Tx, room: bytes, name: bytes, group: Group) -> None:
    """Keep the room key of this device's own group, whatever others have told of it."""
    tx.run(
        """
        INSERT INTO room_key (room, name, secret, is_sure) VALUES (?, ?, ?, 1)
        ON CONFLICT (room, name) DO UPDATE SET secret = excluded.secret, is_sure = 1,
            is_archived = is_archived AND secret = excluded.secret
        """,
        room, name, group.export(EXPORT_LABEL, b"", 32),
    )  # fmt: skip
    tx.memory.keys.pop((room, name), None)
    tx.wake(ARCHIVE, b"", tx.now + ARCHIVE_MS)
    messages.reopen(tx, room, name)
    tx.stir(room)


def learn_key(
    tx: Tx, room: bytes, name: bytes, secret: bytes, *, is_archived: bool = False
) -> None:
    """Keep a room key that others tell, until it is found to be false; open what waited for it."""
    if not _is_of_room(tx, room, name):
        return
    tx.run(
        """
        INSERT INTO room_key (room, name, secret, is_archived) VALUES (?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        room, name, secret, int(is_archived),
    )  # fmt: skip
    if not is_archived:
        tx.wake(ARCHIVE, b"", tx.now + ARCHIVE_MS)
    messages.reopen(tx, room, name)
    tx.stir(room)


def _is_of_room(tx: Tx, room: bytes, name: bytes) -> bool:
    """Return whether a key's handshake is known, or may be one that is still to be read."""
    if tx.one("SELECT 1 FROM handshake WHERE room = ? AND name = ?", room, name):
        return True
    is_active = tx.one("SELECT 1 FROM room WHERE room = ? AND state = 'active'", room)
    return not is_active or bool(tx.one("SELECT 1 FROM past WHERE room = ? AND NOT is_done", room))


def _out(tx: Tx, walk: Walk, outcome: Outcome, committer: bytes, stored: Stored) -> None:
    """This device's leaf was removed: for good, unless the same commit adds it again."""
    forget_group(tx, walk.room)
    keep_public(tx, walk.room, outcome.public)
    is_back = any(
        device_id(leaf.signature_key) == tx.me.device for _, leaf in outcome.public.tree.leaves()
    )
    tx.wake(WELCOME, walk.room, tx.now)
    if is_back:
        walk.is_lost = 1  # Until its Welcome is opened.
        return
    walk.finish()
    walk.is_over = True
    change(tx, walk.room, state="gone", seq=stored.seq)
    outbox.stop(tx, walk.room)
    if walk.head > stored.seq:  # The log goes on for this device: it may have been added again.
        tx.wake("joining.list", b"", tx.now)
    note(tx, walk.room, stored.seq, stored.at, "you-were-removed", committer)
    tx.tell(RoomChanged(walk.room))


def alarm(tx: Tx, room: bytes, code: str, seq: int) -> None:
    """Show that somebody lies, and stop sending in this room until the owner has seen it."""
    restored.doubt(tx, room, seq, b"", code)
    tx.tell(Mended(room, code, seq))
