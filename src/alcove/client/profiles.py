"""Names and pictures: of rooms, as their owners and admins choose, and of people, as they do.

    room     a statement of an owner or admin, signed; it lies beside the log as a sealed row, which
             every renewal of the room key seals anew, whoever makes it
    person   one sealed profile at the server; its key stands in the person's slot of each room

A signal tells who is online that a room's profile has changed; all others look when they sign in.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from alcove.client import trust
from alcove.client.errors import PeerError, UsageError
from alcove.client.events import PeopleChanged, RoomChanged
from alcove.client.keys.envelope import KEY_BYTES, sign, verify
from alcove.client.keys.sealing import (
    open_profile,
    open_profile_row,
    seal_profile,
    seal_profile_row,
)
from alcove.client.rooms.members import role_of
from alcove.client.rooms.messages import key_of
from alcove.client.rooms.state import Room, change, find_room
from alcove.client.rooms.walk import MEND_PROFILE, looked_at
from alcove.client.store.database import Database
from alcove.client.tx import Tx
from alcove.wire.accounts import GetProfile, Profile, PutProfile
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.content import SealedBlob, shown_name, shown_text
from alcove.wire.entries import Row
from alcove.wire.errors import Refusal
from alcove.wire.ids import Count, Key, Signature
from alcove.wire.rooms import GetRows, PutRows, RoomRows
from alcove.wire.signed import device_id, transcript

STATEMENT_LABEL: Final = "alcove room profile 1"
NAME_CHARACTERS_MAX: Final = 80
"""The longest name of a room or of a person, as others see it."""
TOPIC_CHARACTERS_MAX: Final = 500
"""The longest topic of a room."""
STATUS_CHARACTERS_MAX: Final = 140
"""The longest line that people say about themselves."""
PICTURE_BYTES_MAX: Final = 8 * 1024
"""A picture that travels inside a profile."""
LEAP_MAX: Final = 2**20
"""A room's profile may be numbered so far above the one that is known: who could count to the end
would have the last word for ever."""
FIRST_MAX: Final = 2**40
"""The highest number of the first profile of a room that a device sees."""
LOOK: Final = "profiles.look"
"""The alarm that reads a room's profile."""
MEND_AGAIN_MS: Final = 3_600_000
"""Without a line it waits so long, or until there is one."""
LOOK_MS: Final = 20_000
"""Who came by a link waits so long for a member to seal the profile for him."""
SLOT: Final = "receipts.slot"
"""The alarm that stores this account's slot in a room: in it is the key of the profile."""
NAMELESS_MAX: Final = 20
"""So many rooms whose names have not come are looked at when a device signs in."""
PUT_BACK: Final = "profiles.put_back"
"""The alarm that gives a restored server this account's profile back."""
PUT_BACK_MS: Final = 60_000
"""Before that it is looked whether another device has told of a newer one."""
SPREAD_MS: Final = 200
"""One room after another is told of a new key, so long apart."""

Name = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]
Picture = Annotated[bytes, Meta(max_length=PICTURE_BYTES_MAX)]


class RoomProfile(Struct, frozen=True, omit_defaults=True):
    """How a room is shown."""

    name: Name = ""
    topic: Annotated[str, Meta(max_length=TOPIC_CHARACTERS_MAX)] = ""
    picture: Picture = b""
    """A small one; empty for none."""
    avatar: SealedBlob | None = None
    """A larger one."""


class AccountProfile(Struct, frozen=True, omit_defaults=True):
    """How a person shows themselves to those who share a room with them."""

    name: Name = ""
    """As they want to be called; it proves nothing, so faces show the user name beside it."""
    status: Annotated[str, Meta(max_length=STATUS_CHARACTERS_MAX)] = ""
    picture: Picture = b""
    avatar: SealedBlob | None = None


class Statement(Struct, frozen=True, array_like=True):
    """What an owner or admin says of a room; members hand it on as it is."""

    body: Annotated[bytes, Meta(max_length=16 * 1024)]
    """A `RoomProfile` in msgpack."""
    number: Count
    """Counts up: the highest counts."""
    author: Key
    """The public key of the device that says so."""
    signature: Signature


_decode_room = msgspec.msgpack.Decoder(RoomProfile).decode
_decode_person = msgspec.msgpack.Decoder(AccountProfile).decode
_decode_statement = msgspec.msgpack.Decoder(Statement).decode


# ---- Looking ----


def room_profile(db: Database, room: bytes) -> RoomProfile:
    """Return how a room is shown; of nothing but empty texts while that is not known."""
    line = db.one("SELECT profile FROM room WHERE room = ?", room)
    if line is None or line[0] is None:
        return RoomProfile()
    said = _decode_room(_decode_statement(line[0]).body)
    name = shown_name(said.name) if said.name else ""
    return msgspec.structs.replace(said, name=name, topic=shown_text(said.topic))


def person(db: Database, account: bytes) -> AccountProfile:
    """Return how somebody shows themselves; of nothing but empty texts while that is not known."""
    line = db.one("SELECT body FROM person WHERE account = ? AND body <> x''", account)
    if line is None:
        return AccountProfile()
    said = _decode_person(line[0])
    name, status = (shown_name(text) if text else "" for text in (said.name, said.status))
    return msgspec.structs.replace(said, name=name, status=status)


# ---- A room's ----


def set_profile(
    tx: Tx, room: bytes, *, name: str | None = None, topic: str | None = None,
    picture: bytes | None = None, avatar: SealedBlob | None = None,
) -> None:  # fmt: skip
    """Change how a room is shown, as its owner or admin; None leaves what it is."""
    here = find_room(tx, room)
    if here is None or here.state not in {"making", "founded", "active"}:
        raise UsageError("You are not in this room, or not yet; wait until it is there, or ask.")
    if here.state == "active" and not _may_say(tx, here, tx.me.device):
        raise UsageError("Only owners and admins choose a room's name and picture; ask one.")
    wanted = {"name": name, "topic": topic, "picture": picture, "avatar": avatar}
    changed = {field: value for field, value in wanted.items() if value is not None}
    (before,) = tx.line("SELECT profile FROM room WHERE room = ?", room)
    known = None if before is None else _decode_statement(before)
    said = RoomProfile() if known is None else _decode_room(known.body)
    said = _checked(RoomProfile, msgspec.structs.replace(said, **changed))
    number = 1 if known is None else known.number + 1
    body = encode(said)
    signature = sign(tx.me.key, _stated(room, body, number, tx.me.key.public))
    change(tx, room, profile=encode(Statement(body, number, tx.me.key.public, signature)))
    put(tx, room)
    tx.tell(RoomChanged(room))


def _checked(kind: type, said: Struct) -> "RoomProfile":
    """Return a profile that anybody can read, or say what is too long."""
    try:
        result: RoomProfile = msgspec.msgpack.decode(encode(said), type=kind)
    except msgspec.ValidationError:
        raise UsageError(
            f"A name has at most {NAME_CHARACTERS_MAX} characters, a topic"
            f" {TOPIC_CHARACTERS_MAX}, a status {STATUS_CHARACTERS_MAX}, and a picture"
            f" {PICTURE_BYTES_MAX // 1024} KiB; make it shorter."
        ) from None
    return result


def _stated(room: bytes, body: bytes, number: int, author: bytes) -> bytes:
    return transcript(STATEMENT_LABEL, room, author, number.to_bytes(8, "big"), body)


def put(tx: Tx, room: bytes) -> None:
    """Seal a room's profile for its newest key, and let who is online look."""
    here = find_room(tx, room)
    if here is None or here.state != "active" or here.room_key is None:
        return
    (profile,) = tx.line("SELECT profile FROM room WHERE room = ?", room)
    key = key_of(tx, room, here.room_key)
    if profile is None or key is None:
        return
    body = seal_profile_row(key, room, here.room_key, tx.me.key, profile, tx.random(32))
    row = Row("profile", here.room_key, body)
    tx.order(PutRows(room=room, rows=(row,)), "profiles.put", room)


def was_put(tx: Tx, request: PutRows, answer: object, _: bytes) -> None:
    """The row is there: tell who is online."""
    from alcove.client import signals  # noqa: PLC0415  # It tells this module to look.

    if not isinstance(answer, Refusal):
        signals.look(tx, request.room)


def look(tx: Tx, room: bytes) -> None:
    """Read the profile of a room."""
    here = find_room(tx, room)
    if here is not None and here.state == "active" and tx.memory.is_signed_in:
        tx.ask(GetRows(room=room, kind="profile"), "profiles.rows")


def arrived(tx: Tx, room: bytes) -> None:
    """Read the profile of a room into which this device has come; and again if it is not there."""
    look(tx, room)
    tx.wake(LOOK, room, tx.now + LOOK_MS)


def mend(tx: Tx, room: bytes) -> None:
    """Somebody came in by themselves, who could not seal the profile: one of the others does."""
    here = find_room(tx, room)
    if here is None or here.state != "active":
        return
    tx.wake(
        MEND_PROFILE, room, tx.now + MEND_AGAIN_MS
    )  # Or at the next sign-in: until it is looked.
    if tx.memory.is_signed_in:
        tx.ask(GetRows(room=room, kind="profile"), "profiles.rows", b"mend")


def rows(tx: Tx, request: GetRows, answer: RoomRows | Refusal, note: bytes) -> None:
    """Take the newest profile among the rows that this device can open."""
    room = request.room
    here = find_room(tx, room)
    if isinstance(answer, Refusal) or here is None or here.state != "active":
        return  # The next sign-in asks again.
    if note:
        looked_at(tx, room, MEND_PROFILE)
    is_sealed = False
    for row in answer.rows:
        if _take(tx, here, row):
            is_sealed = is_sealed or row.name == here.room_key
    if note and not is_sealed:
        put(tx, room)


def _take(tx: Tx, here: Room, row: Row) -> bool:
    """Take one row, if who seals it is here and who says it may; returns whether that is so."""
    key = key_of(tx, here.room, row.name)
    if key is None:
        return False
    try:
        opened = open_profile_row(key, here.room, row.name, row.body)
        said = _decode_statement(opened.plain)
        _decode_room(said.body)
        verify(said.author, _stated(here.room, said.body, said.number, said.author), said.signature)
    except (PeerError, *MALFORMED):
        return False
    if not _stands(tx, here.room, device_id(opened.writer)):
        return False
    if not _may_say(tx, here, device_id(said.author)):
        return False
    (before,) = tx.line("SELECT profile FROM room WHERE room = ?", here.room)
    known = None if before is None else _decode_statement(before).number
    if said.number > (FIRST_MAX if known is None else known + LEAP_MAX):
        return False
    if known is None or known < said.number:
        change(tx, here.room, profile=opened.plain)
        tx.tell(RoomChanged(here.room))
    return True


def _stands(tx: Tx, room: bytes, device: bytes) -> bytes | None:
    """Return whose device stands in a room."""
    line = tx.one(
        "SELECT account FROM stay WHERE room = ? AND device = ? AND until IS NULL", room, device
    )
    return None if line is None else line[0]


def _may_say(tx: Tx, here: Room, device: bytes) -> bool:
    """Return whether a device stands in a room, and its account is an owner or admin there now."""
    account = _stands(tx, here.room, device)
    if account is None:
        return False
    return role_of(tx, here.room, account, here.seq + 1) in {"owner", "admin"}


# ---- A person's ----


def set_mine(tx: Tx, profile: AccountProfile) -> None:
    """Show oneself so to those who share a room of at most 32 people, from now on."""
    body = encode(_checked(AccountProfile, profile))
    me = tx.me
    secret = tx.random(KEY_BYTES)
    _know(tx, me.account, secret, body)
    tx.run("UPDATE person SET is_mine = 1 WHERE account = ?", me.account)
    put_back(tx, b"")
    for place, (room,) in enumerate(
        tx.all("SELECT room FROM room WHERE state = 'active' AND kind <> 'mailbox' ORDER BY room")
    ):
        tx.wake(SLOT, room, tx.now + place * SPREAD_MS)
    tx.tell(PeopleChanged((me.account,)))


def server_was_restored(tx: Tx) -> None:
    """The server may have lost this account's profile: who has written it puts it back."""
    tx.wake(PUT_BACK, b"", tx.now + PUT_BACK_MS)


def put_back(tx: Tx, _about: bytes) -> None:
    """Store this account's profile, if this device has written the one that counts."""
    me = tx.me
    line = tx.one("SELECT key, body FROM person WHERE account = ? AND is_mine = 1", me.account)
    if line is not None:
        sealed = seal_profile(line[0], me.account, me.key, line[1], tx.random(32))
        tx.order(PutProfile(body=sealed), "profiles.mine")


def mine_put(_tx: Tx, _request: PutProfile, _answer: object, _: bytes) -> None:
    """The server has this account's profile, or has no place for it."""


def own_key(tx: Tx) -> bytes:
    """Return the key of this account's profile, which its slots tell; empty for none."""
    line = tx.one("SELECT key FROM person WHERE account = ?", tx.me.account)
    return b"" if line is None else line[0]


def key_told(tx: Tx, account: bytes, secret: bytes) -> None:
    """Somebody has told the key of their profile, and may have changed that."""
    line = tx.one("SELECT key FROM person WHERE account = ?", account)
    if len(secret) == KEY_BYTES and (line is None or line[0] != secret):
        _know(tx, account, secret, b"")
        tx.ask(GetProfile(account=account), "profiles.person")


def _know(tx: Tx, account: bytes, secret: bytes, body: bytes) -> None:
    tx.run(
        """
        INSERT INTO person (account, key, body) VALUES (?, ?, ?)
        ON CONFLICT (account) DO UPDATE SET is_mine = is_mine AND key = excluded.key,
            key = excluded.key, body = excluded.body
        """,
        account, secret, body,
    )  # fmt: skip


def signed_in(tx: Tx) -> None:
    """Ask for the profiles whose keys were told and that have not come, and for names of rooms."""
    for (account,) in tx.all("SELECT account FROM person WHERE body = x'' ORDER BY account"):
        tx.ask(GetProfile(account=account), "profiles.person")
    for (room,) in tx.all(
        """
        SELECT room FROM room WHERE state = 'active' AND profile IS NULL
            AND kind NOT IN ('direct', 'mailbox') ORDER BY room LIMIT ?
        """,
        NAMELESS_MAX,
    ):
        look(tx, room)


def told(tx: Tx, request: GetProfile, answer: Profile | Refusal, _: bytes) -> None:
    """Take somebody's profile, if the key opens it and a device of theirs has written it."""
    line = tx.one("SELECT key FROM person WHERE account = ?", request.account)
    if isinstance(answer, Refusal) or answer.body is None or line is None:
        return
    try:
        writer, plain = open_profile(line[0], request.account, answer.body)
        _decode_person(plain)
    except (PeerError, *MALFORMED):
        return
    device = device_id(writer)
    there = tx.one(
        "SELECT 1 FROM stay WHERE account = ? AND device = ? AND until IS NULL LIMIT 1",
        request.account, device,
    )  # fmt: skip
    if there is None and device not in trust.devices_pinned(tx.db, request.account):
        return
    _know(tx, request.account, line[0], plain)
    tx.tell(PeopleChanged((request.account,)))
