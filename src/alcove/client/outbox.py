"""What we want to say, from Enter to its place in the log.

    say ──► a line, and a grey bubble ──► sealed, once ──► sent, the same bytes again and again
                                             ▲                      │
                                             └── closed, old key ───┘──► appended ──► its place

The line is stored before anything is shown.  It is sealed before it is first sent, and anew only
when the log has closed what it was sealed under; the content id stays, so nothing is said twice.
"""

from typing import Literal

from alcove.client.errors import PeerError, UsageError
from alcove.client.files import transfers
from alcove.client.keys.sealing import PLAIN_BYTES_MAX, Place, live_data, seal_kept
from alcove.client.rooms import messages
from alcove.client.rooms.members import may_post
from alcove.client.rooms.messages import key_of
from alcove.client.rooms.state import Room, find_room, get_room, group_of, keep_group
from alcove.client.timeline import cancelled, failed, retried, show_own, stored
from alcove.client.tx import Tx
from alcove.wire.codec import decode_header, encode
from alcove.wire.content import Content, ContentError, Poll, Said, Text, decode_said, encode_said
from alcove.wire.entries import Append, Appended, MessageHeader, NewEntry
from alcove.wire.errors import Code, Refusal

BATCH_BYTES = 192 * 1024
"""Bytes in one request, so that it stays below what the server takes."""
NOT_HERE = "You are not in this room any more; what you write cannot be sent there."
"""Why nothing can be said in a room that one has left."""
TOO_LARGE = "This message is too large to be sealed; send it in parts, or as a file."
MAY_NOT_POST = "Only some may post in this room; ask an admin, or write to them directly."
NOTHING = "There is nothing to send: write something first."
ANYWHERE = 2**62
"""Above all places."""
TRIES_MAX = 8
"""How often a message is sealed anew before its sender is told."""


def say(tx: Tx, room: bytes, content: Content, expires_at: int | None = None) -> int:
    """Say something: from here on it is stored, and will be said.  Returns its line's number."""
    here = find_room(tx, room)
    if here is None or here.state == "gone":
        raise UsageError(NOT_HERE)
    said = Said(content, here.seq, here.chain, here.incarnation, tx.now)
    plain = _plain(said)
    content_id = tx.random(16)
    tx.run(
        "INSERT INTO outbox (room, content, plain, at, expires_at) VALUES (?, ?, ?, ?, ?)",
        room, content_id, plain, tx.now, expires_at,
    )  # fmt: skip
    number = show_own(tx, room, content_id, said, expires_at)
    tx.stir(room)
    return number


def _plain(said: Said) -> bytes:
    """Return what is sealed of a content; what could not be must not wait, and stop all else."""
    try:
        plain = encode_said(said)
    except ContentError as error:
        raise UsageError(NOTHING if error.cause == "empty" else TOO_LARGE) from None
    if len(plain) > PLAIN_BYTES_MAX:
        raise UsageError(TOO_LARGE)
    return plain


def cancel(tx: Tx, room: bytes, content_id: bytes) -> bool:
    """Take back what waits and was not sent yet; return whether that was still possible."""
    done = tx.run(
        "DELETE FROM outbox WHERE room = ? AND content = ? AND request IS NULL AND seq IS NULL",
        room, content_id,
    )  # fmt: skip
    if done:
        cancelled(tx, room, content_id)
        transfers.drop_content(tx, room, tx.me.account, content_id)
    return bool(done)


def retry(tx: Tx, room: bytes, content_id: bytes) -> None:
    """Try to say again what has failed."""
    retried(tx, room, content_id)
    tx.run(
        "UPDATE outbox SET failed = NULL, tries = 0, header = NULL WHERE room = ? AND content = ?",
        room, content_id,
    )  # fmt: skip
    tx.stir(room)


def waiting(tx: Tx, here: Room) -> list[tuple[int, NewEntry]]:
    """Return what is to be sent now, sealed and stored: the lines' numbers, and the entries."""
    lines = tx.all(
        f"""
        SELECT number, content, plain, expires_at, header, body FROM outbox
        WHERE room = ? AND request IS NULL AND failed IS NULL AND seq IS NULL AND files = 0
        ORDER BY number LIMIT {tx.memory.batch_entries}
        """,  # noqa: S608  # SQLite plans anew for each limit that it is handed as a value.
        here.room,
    )
    found: list[tuple[int, NewEntry]] = []
    size = 0
    for number, content, plain, expires_at, header, body in lines:
        if header is None and not _may_say(tx, here, plain):
            fail(tx, here.room, content, MAY_NOT_POST)
            continue
        if header is None:
            entry = seal(tx, here, content, plain, expires_at)
            tx.run(
                "UPDATE outbox SET header = ?, body = ?, tries = tries + 1 WHERE number = ?",
                entry.header, entry.body, number,
            )  # fmt: skip
        else:
            entry = NewEntry(header, body)
        size += len(entry.header) + len(entry.body)
        if found and size > BATCH_BYTES:
            break
        found.append((number, entry))
    return found


def _may_say(tx: Tx, here: Room, plain: bytes) -> bool:
    """Return whether all will take something where it would stand: settings may have changed."""
    if may_post(tx, here.room, tx.me.account, here.seq + 1):
        return True
    return not isinstance(decode_said(plain).content, Text | Poll)


def carried(tx: Tx, sealed: list[tuple[int, NewEntry]], request: int) -> None:
    """Note which request carries these messages."""
    tx.many("UPDATE outbox SET request = ? WHERE number = ?", [(request, n) for n, _ in sealed])


def seal(tx: Tx, here: Room, content: bytes, plain: bytes, expires_at: int | None) -> NewEntry:
    """Seal something under the newest key of a room; stored before it leaves."""
    tx.run("UPDATE me SET seals = seals + 1 WHERE one = 1")
    me = tx.me
    if is_live(here, expires_at):
        group = group_of(tx, here.room)
        assert group is not None
        name = epoch_name(tx, here)
        place = Place(here.room, me.account, me.device, me.key.public, content, name, expires_at)
        sealed = group.seal(plain, tx.random, authenticated_data=live_data(place))
        keep_group(tx, here.room, sealed.group)
        header = MessageHeader(me.device, content, "live", name, expires_at)
        return NewEntry(encode(header), sealed.message)
    assert here.room_key is not None
    key = key_of(tx, here.room, here.room_key)
    assert key is not None
    place = Place(here.room, me.account, me.device, me.key.public, content, here.room_key)
    header = MessageHeader(me.device, content, "kept", here.room_key, expires_at)
    return NewEntry(encode(header), seal_kept(key, place, me.key, plain, tx.random(32)))


def is_shut(tx: Tx, here: Room) -> bool:
    """Return whether nothing can be said any more under what is the newest key, or epoch, here.

    Handshakes that count for nobody say that they close or renew, too, and begin nothing new.
    """
    names: dict[Literal["kept", "live"], bytes | None] = {}
    if here.history != "none":
        names["kept"] = here.room_key
    if here.history == "none" or expires(tx, here.room):
        names["live"] = epoch_name(tx, here)
    try:
        for form, name in names.items():
            header = MessageHeader(tx.me.device, b"", form, name)
            messages.judge(tx, here.room, header, here.seq + 1)
    except (PeerError, messages.NoKeyError):
        return True
    return False


def put_back(tx: Tx, request: int) -> int:
    """Let the messages wait that a request carried; return how many there were."""
    return tx.run(
        "UPDATE outbox SET request = NULL, header = NULL, body = NULL WHERE request = ?", request
    )


def expires(tx: Tx, room: bytes) -> bool:
    """Return whether something waits that shall expire, and so is sealed as live."""
    sql = "SELECT 1 FROM outbox WHERE room = ? AND expires_at IS NOT NULL LIMIT 1"
    return tx.one(sql, room) is not None


def is_live(here: Room, expires_at: int | None) -> bool:
    """Return whether a message is sealed for one opening: no history, or it shall expire."""
    return here.history == "none" or expires_at is not None


def epoch_name(tx: Tx, here: Room) -> bytes:
    """Return the name of the handshake that began the group's epoch: the newest that counted."""
    group = group_of(tx, here.room)
    assert group is not None
    (name,) = tx.line(
        "SELECT name FROM handshake WHERE room = ? AND epoch = ? ORDER BY seq LIMIT 1",
        here.room, group.epoch,
    )  # fmt: skip
    found: bytes = name
    return found


def not_taken(tx: Tx, request: Append, refusal: Refusal, *, was_the_commit: bool) -> None:
    """What was sent stands nowhere: decide what becomes of its messages."""
    carried_by = tx.all("SELECT content FROM outbox WHERE request = ?", request.id)
    tx.run("UPDATE outbox SET request = NULL WHERE request = ?", request.id)
    if refusal.code in {Code.CLOSED, Code.OLD_KEY}:
        tx.run("UPDATE outbox SET header = NULL, body = NULL WHERE room = ?", request.room)
    elif refusal.code in {Code.LIMIT, Code.TOO_LARGE} and len(carried_by) > 1:
        # The host lets a request carry less than that: half of it then, or half of that.
        tx.memory.batch_entries = len(carried_by) // 2
        tx.stir(request.room)
    elif refusal.code not in {Code.CONFLICT, Code.TOO_SOON} and not was_the_commit:
        # Who is out may come in again: what was said then goes on.
        why = NOT_HERE if refusal.code == Code.NOT_A_MEMBER else refusal.why
        for (content,) in carried_by:
            fail(tx, request.room, content, why)
    for (content,) in tx.all(
        "SELECT content FROM outbox WHERE room = ? AND tries >= ?", request.room, TRIES_MAX
    ):
        fail(tx, request.room, content, "The room changed faster than this could be sent.")
    here = find_room(tx, request.room)
    if here is None or here.state == "gone":
        stop(tx, request.room)


def placed(tx: Tx, request: Append, appended: Appended) -> None:
    """Note where the log has what this device said, as far as it does not read there yet."""
    if not tx.run("UPDATE outbox SET request = NULL WHERE request = ?", request.id):
        return
    for seq, entry in enumerate(request.entries, start=appended.first):
        tx.run(
            "UPDATE outbox SET seq = ?, at = ? WHERE room = ? AND content = ?",
            seq, appended.at, request.room, getattr(decode_header(entry.header), "content", None),
        )  # fmt: skip


def settle(tx: Tx, room: bytes, until: int) -> None:
    """What has its place in a part of the log that this device does not walk was said all the same.

    It was shut out before it had read so far, or has come in again behind it.
    """
    for content, seq, at in tx.all(
        """
        DELETE FROM outbox WHERE room = ? AND seq <= ? RETURNING content, seq, at
        """,
        room, until,
    ):  # fmt: skip
        stored(tx, room, content, seq, at)
        tx.run(
            """
            INSERT INTO entry (room, seq, device, content) VALUES (?, ?, ?, ?)
            ON CONFLICT DO NOTHING
            """,
            room, seq, tx.me.device, content,
        )  # fmt: skip


def stop(tx: Tx, room: bytes, why: str = NOT_HERE) -> None:
    """This device is in a room no longer: what waits cannot be said there."""
    settle(tx, room, ANYWHERE)
    for (content,) in tx.all("SELECT content FROM outbox WHERE room = ?", room):
        fail(tx, room, content, why)


def go_on(tx: Tx, room: bytes, why: str = NOT_HERE) -> None:
    """This device is in a room again: say what could not be said meanwhile."""
    settle(tx, room, get_room(tx, room).seq)
    tx.run(
        """
        UPDATE outbox SET failed = NULL, tries = 0, header = NULL, body = NULL, request = NULL
        WHERE room = ? AND seq IS NULL AND (failed IS NULL OR failed = ?)
        """,
        room, why,
    )  # fmt: skip


def say_now(tx: Tx, room: bytes, why: str) -> None:
    """Say what could not be said for this reason, but what the log turned out to hold already."""
    settle(tx, room, get_room(tx, room).seq)
    if tx.run(
        """
        UPDATE outbox SET failed = NULL, tries = 0, header = NULL, body = NULL
        WHERE room = ? AND seq IS NULL AND failed = ?
        """,
        room, why,
    ):  # fmt: skip
        tx.stir(room)


def fail(tx: Tx, room: bytes, content: bytes, why: str) -> None:
    """Give up on a message, and say why; its sender may try again."""
    tx.run("UPDATE outbox SET failed = ? WHERE room = ? AND content = ?", why, room, content)
    failed(tx, room, content, why)
