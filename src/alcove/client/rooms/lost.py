"""Lost and found: what a device does that cannot follow a commit that counts for everyone else.

    lost ──► says so, once a minute, then half as often each time ──► somebody adds it again
      │
      └── nobody did for 30 s, in its turn ──► comes back by a commit of its own (resync)

Whoever makes a commit that loses others is named in the room.  A device whose disk was set back
comes in the same way: once it has read the log to its end it resyncs, and says nothing before.
"""

from alcove.client import restored
from alcove.client.events import Mended, Warned
from alcove.client.rooms import notices
from alcove.client.rooms.extension import state_of
from alcove.client.rooms.leaves import certificate_of, key_hash
from alcove.client.rooms.messages import LOOK_AGAIN, LOOK_AGAIN_MS
from alcove.client.rooms.roles import may, may_remove
from alcove.client.rooms.state import Room, change, find_room, get_room, is_coming, public_of
from alcove.client.rooms.walk import Walk
from alcove.client.rooms.wish import add_wish
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import PublicGroup
from alcove.wire.entries import Append, Appended, PutSnapshot, Stored
from alcove.wire.errors import Code, Refusal
from alcove.wire.rooms import GetRows
from alcove.wire.signed import device_id

NOTICE = "lost.notice"
"""The alarm that says that this device is lost."""
RESYNC = restored.RESYNC
NOTICE_MS = 60_000
RESYNC_MS = 30_000
TURN_MS = 2_000
"""The lost come back one after another, by leaf index, so long apart."""
SNAPSHOTS = 64
"""A snapshot of the public state is stored every so many epochs."""
AGAIN_MS = 2_000
"""How soon to try again to come back, if the server does not say."""
CONFLICT_MS = 500
"""How long to wait, at most, after somebody else's commit came first."""
OTHERS_MS = 15_000
"""Whoever came back adds the others again within so long: the server makes it wait for 10 s."""
REFUSED_MS = 60_000
BLAME_MS = 2_000
"""Whoever sees a bad GroupInfo waits up to so long: then one commit is enough."""
UNSIGNED = "frame-membership-tag"
"""The rule that a commit breaks whose tag is another one than members make: no signature covers
the tag, so whoever carried the commit may have altered it, and its writer is not blamed."""
STRANGERS_MAX = 2
"""After so many commits by its own leaf that it did not make, a device stops."""


# ---- Lost ----


def begin(tx: Tx, walk: Walk, stored: Stored, committer: bytes, rule: str) -> None:
    """This device cannot follow a commit: say so in the room, and ask to be added again."""
    culprit = None if rule == UNSIGNED else committer
    code = "altered" if culprit is None else "lost"
    note(tx, walk.room, stored.seq, stored.at, code, culprit)
    tx.tell(Mended(walk.room, f"lost: {rule}", stored.seq, culprit))
    if restored.must_return(tx, walk.room):
        return  # That was to be expected: it is about to come back by itself.
    tx.run(
        """
        INSERT INTO trouble (room, culprit) VALUES (?, ?)
        ON CONFLICT (room) DO UPDATE SET culprit = COALESCE(culprit, excluded.culprit)
        """,
        walk.room, culprit,
    )  # fmt: skip
    tx.wake(NOTICE, walk.room, tx.now)
    public = public_of(tx, walk.room)
    assert public is not None
    wait_ms = 0 if _is_admin(tx, public) else RESYNC_MS + leaf_index(tx, public) * TURN_MS
    tx.wake(RESYNC, walk.room, tx.now + wait_ms)


def _is_admin(tx: Tx, public: PublicGroup) -> bool:
    return may(state_of(public), key_hash(tx.me.identity), "remove")


def stranger(tx: Tx, walk: Walk, stored: Stored) -> None:
    """A commit by this device's leaf is not its own: somebody has its keys, or had its disk.

    It comes back once.  After a second one it stops: only taking it off the account's list helps.
    """
    if get_room(tx, walk.room).state != "active":
        return  # It is only about to come in, and may have been there long ago.
    walk.is_lost = 1
    if restored.must_return(tx, walk.room):
        return  # That was to be expected: it is about to come back by itself.
    (strangers,) = tx.line(
        """
        INSERT INTO trouble (room, strangers) VALUES (?, 1)
        ON CONFLICT (room) DO UPDATE SET strangers = strangers + 1 RETURNING strangers
        """,
        walk.room,
    )
    code = "revoke-this-device" if strangers >= STRANGERS_MAX else "somebody-has-your-device"
    note(tx, walk.room, stored.seq, stored.at, code, tx.me.account)
    tx.tell(Warned(code, walk.room, tx.now))
    if strangers < STRANGERS_MAX:
        tx.wake(RESYNC, walk.room, tx.now + RESYNC_MS)


def leaf_index(tx: Tx, public: PublicGroup) -> int:
    """Return where this device stands, in a room in which it does."""
    return next(
        index
        for index, leaf in public.tree.leaves()
        if device_id(leaf.signature_key) == tx.me.device
    )


def wait_for(tx: Tx, room: bytes) -> None:
    """Somebody has come back, and may add the others again: give it time."""
    tx.run(
        "UPDATE alarm SET at = MAX(at, ?) WHERE kind = ? AND about = ?",
        tx.now + OTHERS_MS, RESYNC, room,
    )  # fmt: skip


def say_so(tx: Tx, room: bytes) -> None:
    """Post a notice, as long as this device is lost."""
    here = find_room(tx, room)
    if here is None or not here.is_lost or here.state != "active":
        return
    notices.send(tx, here, "lost")
    (tries,) = tx.line(
        "UPDATE room SET lost_tries = lost_tries + 1 WHERE room = ? RETURNING lost_tries", room
    )
    tx.wake(NOTICE, room, tx.now + NOTICE_MS * 2 ** min(tries, 10))


# ---- Coming back ----


def resume(tx: Tx) -> None:
    """Go on coming back where a broken line has ended it, and where this device has no keys."""
    tx.run(
        """
        UPDATE room SET is_lost = 1
        WHERE state = 'active' AND public IS NOT NULL
            AND room NOT IN (SELECT room FROM group_epoch)
        """
    )
    for (room,) in tx.all(
        """
        SELECT room FROM room WHERE is_lost UNION SELECT room FROM trouble WHERE must_return
        ORDER BY room
        """
    ):
        resume_in(tx, room)


def resume_in(tx: Tx, room: bytes) -> None:
    """Go on coming back into a room, if this device has to."""
    here = find_room(tx, room)
    if here is not None and _has_to(tx, here):
        wait_ms = 0 if restored.must_return(tx, room) else RESYNC_MS
        tx.wake(RESYNC, room, tx.now + wait_ms)


def resync(tx: Tx, room: bytes) -> None:
    """Come back into a room by a commit of its own, once its log is read to the end."""
    from alcove.client.rooms import joining, log, rewinding  # noqa: PLC0415

    here = find_room(tx, room)
    if here is None or not tx.memory.is_signed_in or not _has_to(tx, here):
        return
    is_read = here.state == "active" and here.seq >= here.head and room not in tx.memory.reading
    if not is_read or not rewinding.is_known(tx, room):
        log.read_on(tx, room)
        tx.wake(RESYNC, room, tx.now + AGAIN_MS)
    elif not is_coming(tx, room):
        joining.come_in(tx, room, "lost.came_back")
        if not is_coming(tx, room):
            tx.wake(RESYNC, room, tx.now + REFUSED_MS)


def _has_to(tx: Tx, here: Room) -> bool:
    """Return whether a device has to come back, and may."""
    line = tx.one("SELECT must_return, strangers FROM trouble WHERE room = ?", here.room)
    has_to, strangers = line or (0, 0)
    if here.state == "gone" or strangers >= STRANGERS_MAX:
        return False
    return bool(has_to or here.is_lost)


def came_back(tx: Tx, request: Append, answer: Appended | Refusal, _: bytes) -> None:
    """This device's own commit stands in the log, or has to be made anew."""
    from alcove.client.rooms import log, welcomes  # noqa: PLC0415

    room = request.room
    here = get_room(tx, room)
    if not isinstance(answer, Refusal):
        log.place(tx, room, request.entries, answer)
        return
    tx.run("DELETE FROM pending WHERE room = ?", room)
    welcomes.accept(tx, room)
    log.read_on(tx, room)
    if answer.code == Code.CONFLICT:
        pause_ms = int.from_bytes(tx.random(2), "big") % CONFLICT_MS
        tx.wake(RESYNC, room, tx.now + pause_ms)
    elif answer.code == Code.TOO_SOON:
        # Others may be faster: they are told that this device is not there.
        tx.wake(RESYNC, room, tx.now + (answer.retry_after_ms or AGAIN_MS))
        if not here.is_lost and (answer.retry_after_ms or 0) > RESYNC_MS:
            notices.send(tx, here, "lost")
    elif answer.code != Code.NOT_A_MEMBER:
        tx.tell(Warned(f"not-joined: {answer.code}", room, tx.now))
        tx.wake(RESYNC, room, tx.now + REFUSED_MS)


def found(tx: Tx, room: bytes, seq: int) -> None:
    """This device follows again, if it did not."""
    here = get_room(tx, room)
    line = tx.one("SELECT must_return, culprit FROM trouble WHERE room = ?", room)
    if line is None and not here.is_lost:
        return
    change(tx, room, lost_tries=0, is_lost=0)
    tx.run("UPDATE trouble SET must_return = 0, culprit = NULL WHERE room = ?", room)
    tx.run("DELETE FROM alarm WHERE about = ? AND kind IN (?, ?)", room, NOTICE, RESYNC)
    tx.run(
        """
        UPDATE outbox SET header = NULL, body = NULL
        WHERE room = ? AND request IS NULL AND seq IS NULL
        """,
        room,
    )
    note(tx, room, seq, tx.now, "found", tx.me.account)
    tx.tell(Mended(room, "found", seq, tx.me.account))
    # What was said meanwhile is sealed under keys that lie in the chain, or come there soon.
    tx.ask(GetRows(room=room, kind="chain"), "history.chain")
    tx.wake(LOOK_AGAIN, room, tx.now + LOOK_AGAIN_MS)
    if line is not None and line[1] is not None and not line[0]:
        _remove(tx, room, line[1])


def _remove(tx: Tx, room: bytes, culprit: bytes) -> None:
    """Wish out of the room who has lost this device, if its account is an admin's."""
    public = public_of(tx, room)
    assert public is not None
    state = state_of(public)
    for _, leaf in public.tree.leaves():
        said = certificate_of(leaf)
        if said.account != culprit or culprit == tx.me.account:
            continue
        if state.kind != "direct" and may_remove(
            state, key_hash(tx.me.identity), key_hash(said.identity)
        ):
            add_wish(tx, room, "drop", culprit)
        return


# ---- Others ----


def blame(tx: Tx, walk: Walk, stored: Stored, committer: bytes, epoch: int) -> None:
    """A GroupInfo would have locked out who joins by it: name its signer, and renew it at once.

    Whoever is first does it for all.
    """
    note(tx, walk.room, stored.seq, stored.at, "bad-group-info", committer)
    tx.tell(Mended(walk.room, "bad-group-info", stored.seq, committer))
    at = tx.now + int.from_bytes(tx.random(4), "big") % BLAME_MS
    change(tx, walk.room, commit_at=at)
    tx.wake("room.look_after", walk.room, at)
    add_wish(tx, walk.room, "heal", epoch.to_bytes(8, "big"))


def snapshot(tx: Tx, room: bytes, name: bytes, public: PublicGroup) -> None:
    """Store the tree now and then, so that who joins need not replay everything."""
    if public.epoch % SNAPSHOTS == 0 and public.epoch:
        tx.order(PutSnapshot(room=room, name=name, body=public.tree.encode()), "lost.stored")


def stored(tx: Tx, request: PutSnapshot, answer: object, _: bytes) -> None:
    """A snapshot was stored, or another member's was."""
