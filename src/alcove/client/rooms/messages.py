"""Messages of a log: who wrote them, whether they may stand there, and what they say.

A kept message is judged by two lines of tables: the room key that it names, and who its device was
at its place.  A live one opens with the group, once.
"""

from alcove.client import restored
from alcove.client.errors import PeerError
from alcove.client.keys.rooms import RoomKey, room_key
from alcove.client.keys.sealing import Place, live_data, open_kept
from alcove.client.rooms import notices
from alcove.client.rooms.members import Stay, between, has_stood, may_post, stay_at
from alcove.client.rooms.state import group_of, keep_group
from alcove.client.rooms.walk import Walk
from alcove.client.timeline import Opened, explain, note
from alcove.client.timeline import stored as was_stored
from alcove.client.timeline import take as show
from alcove.client.tx import Tx
from alcove.mls import ApplicationMessage, MlsError, RuleBroken
from alcove.wire.codec import decode_header
from alcove.wire.content import ContentError, Poll, Said, Text, decode_said
from alcove.wire.entries import MessageHeader, Stored

BEFORE = "before-you-joined"
"""The cause of what was sealed before this device came, in a room that keeps it from newcomers."""
WHILE_LOST = "while-lost"
"""The cause of what was said for one opening while this device could not follow the room."""
SAID_BEFORE = "said-before-restore"
"""The cause of what this device has said itself, before its disk was set back."""
LOOK_AGAIN = "history.look_again"
"""The alarm that looks for keys once more, as long as something waits for one."""
LOOK_AGAIN_MS = 20_000
SLOTS = "receipts.once"
"""The alarm that reads a room's slots once more, when the keys of before have come."""
SLOTS_MS = 1_000
"""Keys that come together lead to one look."""
_AGREED = ("agreed",)
"""What somebody has read of the log, as it was found to agree with ours."""
RENEWALS = 8
"""A kept message names one of so many newest handshakes that renew; a live one of any."""


def take(tx: Tx, walk: Walk, stored: Stored, header: MessageHeader) -> None:
    """Take a message at its place."""
    if header.sender == tx.me.device:
        _take_own(tx, walk, stored, header)
        return
    stay = stay_at(tx, walk.room, header.sender, stored.seq)
    if tx.one(
        "SELECT 1 FROM entry WHERE room = ? AND device = ? AND content = ?",
        walk.room, header.sender, header.content,
    ):  # fmt: skip
        walk.remember(header.sender, None, "twice")
        return
    if stay is None:
        walk.pass_over(stored, header.sender, None, "not-a-member")
    elif header.form == "notice":
        notices.take(tx, walk, stored, header, stay)
    elif stored.body is None:
        walk.remember(header.sender, header.content, "deleted")
        show(tx, walk.room, opened(stored, header, stay, None))
    else:
        _open(tx, walk, stored, header, stay)


def _open(tx: Tx, walk: Walk, stored: Stored, header: MessageHeader, stay: Stay) -> None:
    """Open a message of somebody else, and show it."""
    assert stored.body is not None
    try:
        said = open_said(tx, walk.room, stored, header, stay)
    except NoKeyError as error:
        if isinstance(error, BeforeError) or is_before(tx, walk.room, header):
            walk.remember(header.sender, header.content, BEFORE)
            note(tx, walk.room, stored.seq, stored.at, BEFORE, stay.account)
            return
        walk.remember(header.sender, header.content, "no-key")
        wait_for_key(tx, walk.room, stored, header, stay)
        return
    except (PeerError, ContentError, MlsError) as error:
        cause = WHILE_LOST if walk.is_lost and header.form == "live" else cause_of(error)
        walk.pass_over(stored, header.sender, stay.account, cause)
        return
    walk.remember(header.sender, header.content)
    check_seen(tx, walk.room, stored.seq, stay.account, said)
    show(tx, walk.room, opened(stored, header, stay, said))


def opened(stored: Stored, header: MessageHeader, stay: Stay, said: Said | None) -> Opened:
    """Return a message as the timeline takes it."""
    return Opened(
        stored.seq, stored.at, stay.account, header.sender, header.content, said, header.expires_at
    )


def settle(tx: Tx, room: bytes) -> None:
    """The past of a room is fetched: what was sealed while it was closed to newcomers stays so."""
    for seq, named in tx.all(
        """
        SELECT u.seq, h.seq FROM unopened u JOIN handshake h ON h.room = u.room AND h.name = u.key
        JOIN room r ON r.room = u.room
        WHERE u.room = ? AND (r.history = 'closed' OR h.seq < r.opened_seq) ORDER BY u.seq
        """,
        room,
    ):
        if has_stood(tx, room, tx.me.account, named):
            continue
        tx.run("DELETE FROM unopened WHERE room = ? AND seq = ?", room, seq)
        tx.run("UPDATE entry SET cause = ? WHERE room = ? AND seq = ?", BEFORE, room, seq)
        explain(tx, room, seq, BEFORE)


def is_before(tx: Tx, room: bytes, header: MessageHeader) -> bool:
    """Return whether a message was sealed before this device came, or in a closed room its account.

    Who is added closes nothing: what was sealed before may come after them in the log.
    """
    history, joined, named = tx.line(
        """
        SELECT r.history, r.joined_seq, h.seq FROM room r
        LEFT JOIN handshake h ON h.room = r.room AND h.name = ?
        WHERE r.room = ?
        """,
        header.key, room,
    )  # fmt: skip
    if history == "none":
        return named is None or named < joined
    is_closed = history == "closed" and header.form == "kept" and named is not None
    return is_closed and has_stood(tx, room, tx.me.account, named) is False


class NoKeyError(Exception):
    """This device has not got the key of a message."""


class BeforeError(NoKeyError):
    """Nor will it: the message was sealed before this device came, or came back."""


def open_said(tx: Tx, room: bytes, stored: Stored, header: MessageHeader, stay: Stay) -> Said:
    """Open a message, and check that everything about it agrees who wrote it and where."""
    assert stored.body is not None
    place = place_of(room, header, stay)
    if header.form == "live":
        said = _open_live(tx, room, stored, header, place)
    else:
        judge(tx, room, header, stored.seq)
        said = decode_said(_open_kept(tx, place, stored.body))
    if isinstance(said.content, Text | Poll) and not may_post(tx, room, stay.account, stored.seq):
        raise PeerError("may-not-post")
    return said


def _open_kept(tx: Tx, place: Place, body: bytes) -> bytes:
    """Open a kept body; a key that others have told is believed once it has opened something."""
    key = key_of(tx, place.room, place.key_name)
    if key is None:
        raise NoKeyError
    is_sure = (place.room, place.key_name) in tx.memory.keys
    try:
        plain = open_kept(key, place, body)
    except PeerError as error:
        if is_sure or error.cause != "not-sealed":
            raise
        raise NoKeyError from error
    if not is_sure:
        tx.run(
            "UPDATE room_key SET is_sure = 1 WHERE room = ? AND name = ?",
            place.room, place.key_name,
        )  # fmt: skip
    return plain


def place_of(room: bytes, header: MessageHeader, stay: Stay) -> Place:
    """Return what a message is bound to."""
    return Place(
        room, stay.account, header.sender, stay.key, header.content, header.key or bytes(32),
        header.expires_at,
    )  # fmt: skip


def _open_live(tx: Tx, room: bytes, stored: Stored, header: MessageHeader, place: Place) -> Said:
    group = group_of(tx, room)
    if group is None or stored.body is None or is_before(tx, room, header):
        raise NoKeyError
    judge(tx, room, header, stored.seq)
    line = tx.one("SELECT epoch FROM handshake WHERE room = ? AND name = ?", room, place.key_name)
    try:
        received = group.receive(stored.body)
    except RuleBroken as error:
        if error.rule == "private-epoch-kept" and line is not None and line[0] < group.epoch:
            raise BeforeError from error  # A group that was there then keeps as many epochs.
        raise
    if not isinstance(received, ApplicationMessage):
        raise PeerError("not-a-message")
    if (
        received.leaf.signature_key != place.device_key
        or received.authenticated_data != live_data(place)
        or line is None
        or received.epoch != line[0]
    ):
        raise PeerError("not-its-writer")
    keep_group(tx, room, received.group)
    return decode_said(received.data)


def judge(tx: Tx, room: bytes, header: MessageHeader, seq: int) -> None:
    """Raise unless a message may stand at its place: the server's rule, applied once more."""
    known = between(tx, room, seq)
    if (header.form, header.key) not in known:
        _judge(tx, room, header, seq)
        known[header.form, header.key] = True


def _judge(tx: Tx, room: bytes, header: MessageHeader, seq: int) -> None:
    line = tx.one(
        "SELECT seq, renews FROM handshake WHERE room = ? AND name = ?", room, header.key or b""
    )
    if line is None:
        raise NoKeyError
    named, renews = line
    only = "AND renews" if header.form == "kept" else ""
    if header.form == "kept" and not renews:
        raise PeerError("key-does-not-renew")
    count, closing = tx.line(
        f"""
        SELECT COUNT(*), COALESCE(SUM(closes), 0) FROM handshake
        WHERE room = ? AND seq > ? AND seq < ? {only}
        """,  # noqa: S608
        room, named, seq,
    )  # fmt: skip
    if count >= RENEWALS:
        raise PeerError("old-key")
    if closing:
        raise PeerError("closed")


def key_of(tx: Tx, room: bytes, name: bytes) -> RoomKey | None:
    """Return a room key, if this device has it."""
    key: RoomKey | None = tx.memory.keys.get((room, name))
    if key is None:
        line = tx.one(
            "SELECT secret, is_sure FROM room_key WHERE room = ? AND name = ?", room, name
        )
        if line is None:
            return None
        key = room_key(line[0])
        if line[1]:
            tx.memory.keys[room, name] = key
    return key


def _doubt_key(tx: Tx, room: bytes, name: bytes) -> None:
    """Forget a key that others have told and that has opened nothing: another one may come."""
    tx.run("DELETE FROM room_key WHERE room = ? AND name = ? AND NOT is_sure", room, name)


def wait_for_key(tx: Tx, room: bytes, stored: Stored, header: MessageHeader, stay: Stay) -> None:
    """Keep a message until its key comes, and show that something is there."""
    assert stored.body is not None
    tx.run(
        """
        INSERT INTO unopened (room, seq, key, at, header, body) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        room, stored.seq, header.key or b"", stored.at, stored.header, stored.body,
    )  # fmt: skip
    note(tx, room, stored.seq, stored.at, "no-key", stay.account)
    tx.wake(LOOK_AGAIN, room, tx.now + LOOK_AGAIN_MS)
    _doubt_key(tx, room, header.key or b"")


def check_seen(tx: Tx, room: bytes, seq: int, account: bytes, said: Said) -> None:
    """Compare the log that a writer had read with ours: a server may not tell two stories."""
    claim, known = (said.seen_seq, said.seen_chain), between(tx, room, seq)
    if said.seen_chain is None or known.get(_AGREED) == claim:
        return  # Who says much at once has mostly read up to the same place.
    line = tx.one("SELECT chain FROM entry WHERE room = ? AND seq = ?", room, said.seen_seq)
    if line is None or line[0] is None:
        return
    if line[0] == said.seen_chain:
        known[_AGREED] = claim
    else:
        restored.claims_another_log(tx, room, seq, account, said)


def cause_of(error: Exception) -> str:
    """Return the code of what is wrong with an entry."""
    return str(getattr(error, "cause", None) or getattr(error, "rule", None) or "not-readable")


def _take_own(tx: Tx, walk: Walk, stored: Stored, header: MessageHeader) -> None:
    """A message of this device: it is in the outbox, or it was there before."""
    known = tx.one(
        "SELECT 1 FROM entry WHERE room = ? AND device = ? AND content = ?",
        walk.room, header.sender, header.content,
    )  # fmt: skip
    if known:
        walk.remember(header.sender, None, "twice")
        tx.run("DELETE FROM outbox WHERE room = ? AND content = ?", walk.room, header.content)
        return
    waiting = tx.one(
        "SELECT header FROM outbox WHERE room = ? AND content = ?", walk.room, header.content
    )
    if waiting is None and header.form != "notice":
        _take_forgotten(tx, walk, stored, header)
        return
    walk.remember(header.sender, header.content)
    tx.run("DELETE FROM outbox WHERE room = ? AND content = ?", walk.room, header.content)
    if header.form == "notice":
        notices.sent(tx, walk, stored, header)
    else:
        was_stored(tx, walk.room, header.content, stored.seq, stored.at)


def _take_forgotten(tx: Tx, walk: Walk, stored: Stored, header: MessageHeader) -> None:
    """A message of this device that its disk does not know: it was set back, and reads it anew."""
    restored.wrote_what_we_do_not_know(tx, walk.room)
    stay = stay_at(tx, walk.room, header.sender, stored.seq)
    if stay is None or header.form != "kept":
        walk.pass_over(stored, header.sender, tx.me.account, SAID_BEFORE)
    elif stored.body is None:
        walk.remember(header.sender, header.content, "deleted")
        show(tx, walk.room, opened(stored, header, stay, None))
    else:
        _open(tx, walk, stored, header, stay)


def reopen(tx: Tx, room: bytes, name: bytes) -> None:
    """A room key has come: open what waited for it."""
    if room in tx.memory.closed_slots:
        del tx.memory.closed_slots[room]
        tx.wake(SLOTS, room, tx.now + SLOTS_MS)
    was_sure = _is_sure(tx, room, name)
    waiting = tx.all(
        "SELECT seq, at, header, body FROM unopened WHERE room = ? AND key = ? ORDER BY seq",
        room, name,
    )  # fmt: skip
    left = len(waiting)
    for seq, at, raw, body in waiting:
        left -= _reopened(tx, room, Stored(seq, at, raw, body))
    if left and was_sure != _is_sure(tx, room, name):
        reopen(tx, room, name)  # The key is the right one: what it does not open, nothing does.
    elif left:
        _doubt_key(tx, room, name)


def _is_sure(tx: Tx, room: bytes, name: bytes) -> bool:
    return tx.one("SELECT is_sure FROM room_key WHERE room = ? AND name = ?", room, name) == (1,)


def _reopened(tx: Tx, room: bytes, waiting: Stored) -> bool:
    """Open a message that waited for its key; returns whether it waits no longer."""
    header = decode_header(waiting.header)
    assert isinstance(header, MessageHeader)
    stay = stay_at(tx, room, header.sender, waiting.seq)
    cause = None
    try:
        if stay is None:
            raise PeerError("not-a-member")
        said = open_said(tx, room, waiting, header, stay)
        show(tx, room, opened(waiting, header, stay, said))
    except NoKeyError:
        return False
    except (PeerError, ContentError, MlsError) as error:
        cause = cause_of(error)
        explain(tx, room, waiting.seq, cause)
    tx.run("DELETE FROM unopened WHERE room = ? AND seq = ?", room, waiting.seq)
    tx.run("UPDATE entry SET cause = ? WHERE room = ? AND seq = ?", cause, room, waiting.seq)
    return True
