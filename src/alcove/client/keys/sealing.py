"""What a room keeps, and how it is sealed: messages, rows, slots, signals, letters and notices.

    what            sealed under            signed by            belongs to
    kept message    message key             the header's device  room, account, device, content,
                                                                 key, expiry
    live message    MLS                     MLS                  the same, by MLS and `live_data`
    profile row     profile key             whom it says         room, key
    chain row       chain key               whom it says         room, key
    slot            position key            whom it says         room, account, key
    letter          letter key              the sender           room, sender, recipient, key
    signal          the epoch's signal key  the sender           room, account, sender, epoch
    profile         a key of its own        whom it says         account
    notice          nothing                 the header's device  room, account, device, leaf

Nothing of one line can be shown as another, or anywhere else than where it belongs: the place is
authenticated by the seal and covered by the signature.  docs/protocol/sealing.md has every byte.
"""

from typing import Final, Literal, NamedTuple

import msgspec
from msgspec import Struct

from alcove.client.errors import PeerError
from alcove.client.keys.envelope import (
    HASH_BYTES,
    Form,
    Opened,
    check_inside,
    check_inside_by,
    check_size,
    disclose,
    enclose,
    sign,
    sign_inside,
    sign_inside_by,
    verify,
)
from alcove.client.keys.rooms import SECRET_BYTES, RoomKey
from alcove.mls import SigningKey
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.devices import KeyPackage
from alcove.wire.ids import Hash, Millis, Signature
from alcove.wire.signed import device_id, transcript

PLAIN_BYTES_MAX: Final = 192 * 1024
"""What a kept message or a letter may hold: sealed, it fits into a request of any server."""
SIGNAL_BYTES_MAX: Final = 512
"""What a signal may hold: sealed, it fits into the kilobyte that a server takes."""
EPOCH_BYTES: Final = 8
EXPIRY_BYTES: Final = 8

KEPT: Final = Form("alcove kept 1", 256 * 1024)
PROFILE_ROW: Final = Form("alcove profile row 1", 64 * 1024)
CHAIN_ROW: Final = Form("alcove chain row 1", 4 * 1024)
SLOT: Final = Form("alcove slot 1", 16 * 1024)
LETTER: Final = Form("alcove letter 1", 256 * 1024)
SIGNAL: Final = Form("alcove signal 1", 1024)
PROFILE: Final = Form("alcove profile 1", 16 * 1024)
NOTICE: Final = Form("alcove notice 1", 32 * 1024)

NoticeKind = Literal["lost", "leave"]
"""What a notice says: that a device cannot follow, or that it leaves."""


# ---- Messages ----


class Place(NamedTuple):
    """Where a message belongs."""

    room: bytes
    account: bytes
    device: bytes
    """The id of the device that says it."""
    device_key: bytes
    """Its public key, as its leaf in the room has it."""
    content: bytes
    """The id of what is said."""
    key_name: bytes
    """The handshake entry that the header names: its room key seals the message."""
    expires_at: Millis | None = None
    """When it goes, as the header says."""


def _kept_place(place: Place) -> bytes:
    assert place.device == device_id(place.device_key)
    return transcript(
        KEPT.label, place.room, place.account, place.device_key, place.content, place.key_name,
        _expiry(place),
    )  # fmt: skip


def _expiry(place: Place) -> bytes:
    return b"" if place.expires_at is None else place.expires_at.to_bytes(EXPIRY_BYTES, "big")


def seal_kept(key: RoomKey, place: Place, signer: SigningKey, plain: bytes, salt: bytes) -> bytes:
    """Return the body of a kept message."""
    assert signer.public == place.device_key
    assert len(plain) <= PLAIN_BYTES_MAX
    bound = _kept_place(place)
    return enclose(KEPT, key.message, bound, sign_inside(signer, bound, plain), salt)


def open_kept(key: RoomKey, place: Place, body: bytes) -> bytes:
    """Return what a kept message says, if that device said it at that place."""
    bound = _kept_place(place)
    return check_inside(place.device_key, bound, disclose(KEPT, key.message, bound, body))


def live_data(place: Place) -> bytes:
    """Return the authenticated data of a live message.  MLS signs it with room, epoch and leaf."""
    return place.device + place.content + _expiry(place)


# ---- Rows: beside the log, each for one room key ----


def seal_profile_row(
    key: RoomKey, room: bytes, name: bytes, signer: SigningKey, plain: bytes, salt: bytes
) -> bytes:
    """Return the row with a room's profile; `name` is that of the key that seals it."""
    place = transcript(PROFILE_ROW.label, room, name)
    return enclose(PROFILE_ROW, key.profile, place, sign_inside_by(signer, place, plain), salt)


def open_profile_row(key: RoomKey, room: bytes, name: bytes, body: bytes) -> Opened:
    """Return a room's profile and who wrote it; whether that device may is for the caller."""
    place = transcript(PROFILE_ROW.label, room, name)
    return check_inside_by(place, disclose(PROFILE_ROW, key.profile, place, body))


class Link(NamedTuple):
    """What a chain row tells: an earlier room key."""

    writer: bytes
    """The public key of the device that says so."""
    name: bytes
    secret: bytes


def seal_chain_row(
    key: RoomKey, room: bytes, name: bytes, signer: SigningKey, earlier: tuple[bytes, bytes],
    salt: bytes,
) -> bytes:  # fmt: skip
    """Return the row that leads from the key of this name to an earlier one (name, secret)."""
    place = transcript(CHAIN_ROW.label, room, name)
    inner = sign_inside_by(signer, place, b"".join(earlier))
    return enclose(CHAIN_ROW, key.chain, place, inner, salt)


def open_chain_row(key: RoomKey, room: bytes, name: bytes, body: bytes) -> Link:
    """Return the earlier room key that a row tells of.

    Who wrote it may be long gone.  A false secret opens nothing, so it needs no membership to be
    tried; the writer is told to be named when it does not fit.
    """
    place = transcript(CHAIN_ROW.label, room, name)
    writer, plain = check_inside_by(place, disclose(CHAIN_ROW, key.chain, place, body))
    if len(plain) != HASH_BYTES + SECRET_BYTES:
        raise PeerError("bad-chain-row")
    return Link(writer, plain[:HASH_BYTES], plain[HASH_BYTES:])


# ---- Slots and letters: behind the name of their key ----


def named_key(body: bytes) -> bytes:
    """Return the name of the room key that seals a slot or a letter."""
    if len(body) < HASH_BYTES:
        raise PeerError("not-sealed")
    return body[:HASH_BYTES]


def seal_slot(
    key: RoomKey, room: bytes, account: bytes, key_name: bytes, signer: SigningKey, plain: bytes,
    salt: bytes,
) -> bytes:  # fmt: skip
    """Return an account's slot in a room: how far it has read."""
    place = transcript(SLOT.label, room, account, key_name)
    inner = sign_inside_by(signer, place, plain)
    return key_name + enclose(SLOT, key.position, place, inner, salt)


def open_slot(key: RoomKey, room: bytes, account: bytes, body: bytes) -> Opened:
    """Return what a slot says, and which device wrote it; it must be one of the account's."""
    check_size(SLOT, body)
    place = transcript(SLOT.label, room, account, named_key(body))
    return check_inside_by(place, disclose(SLOT, key.position, place, body[HASH_BYTES:]))


class Address(NamedTuple):
    """From whom a letter is, for whom, and about what."""

    room: bytes
    sender_key: bytes
    """The public key of the device that sends it."""
    recipient: bytes
    """The id of the one device that it is for."""


def seal_letter(
    key: RoomKey, address: Address, key_name: bytes, signer: SigningKey, plain: bytes, salt: bytes
) -> bytes:
    """Return a letter to one device.  All who hold the room key could open it."""
    assert signer.public == address.sender_key
    assert len(plain) <= PLAIN_BYTES_MAX
    place = transcript(LETTER.label, *address, key_name)
    return key_name + enclose(LETTER, key.letter, place, sign_inside(signer, place, plain), salt)


def open_letter(key: RoomKey, address: Address, body: bytes) -> bytes:
    """Return what a letter says, if that device wrote it to this one."""
    check_size(LETTER, body)
    place = transcript(LETTER.label, *address, named_key(body))
    inner = disclose(LETTER, key.letter, place, body[HASH_BYTES:])
    return check_inside(address.sender_key, place, inner)


# ---- Signals: behind the number of their epoch ----


class Caller(NamedTuple):
    """Who sends a signal, and where."""

    room: bytes
    account: bytes
    device_key: bytes


def seal_signal(
    secret: bytes, epoch: int, caller: Caller, signer: SigningKey, plain: bytes, salt: bytes
) -> bytes:
    """Return a signal; the secret is what the group exports under `SIGNAL_LABEL`."""
    assert signer.public == caller.device_key
    assert len(plain) <= SIGNAL_BYTES_MAX
    number = epoch.to_bytes(EPOCH_BYTES, "big")
    place = transcript(SIGNAL.label, *caller, number)
    return number + enclose(SIGNAL, secret, place, sign_inside(signer, place, plain), salt)


def signal_epoch(body: bytes) -> int:
    """Return the epoch that a signal was sealed in.  Of another one it is dropped unopened."""
    if len(body) < EPOCH_BYTES:
        raise PeerError("not-sealed")
    return int.from_bytes(body[:EPOCH_BYTES], "big")


def open_signal(secret: bytes, caller: Caller, body: bytes) -> bytes:
    """Return what a signal says, if that device sent it there in this epoch."""
    check_size(SIGNAL, body)
    number = signal_epoch(body).to_bytes(EPOCH_BYTES, "big")
    place = transcript(SIGNAL.label, *caller, number)
    return check_inside(
        caller.device_key, place, disclose(SIGNAL, secret, place, body[EPOCH_BYTES:])
    )


# ---- Profiles: an account's, for whom it gave the key ----


def seal_profile(
    secret: bytes, account: bytes, signer: SigningKey, plain: bytes, salt: bytes
) -> bytes:
    """Return an account's profile; the secret is random, and told in rooms."""
    place = transcript(PROFILE.label, account)
    return enclose(PROFILE, secret, place, sign_inside_by(signer, place, plain), salt)


def open_profile(secret: bytes, account: bytes, body: bytes) -> Opened:
    """Return a profile, and which device wrote it; it must be one of the account's."""
    place = transcript(PROFILE.label, account)
    return check_inside_by(place, disclose(PROFILE, secret, place, body))


# ---- Notices: signed, and not sealed ----


class Notice(Struct, frozen=True, array_like=True):
    """The body of a notice, in msgpack."""

    kind: NoticeKind
    leaf: Hash
    """The hash of the sender's leaf: the notice counts while that leaf stands."""
    package: KeyPackage | None
    """For `lost`: a key package by which the device can be added again."""
    signature: Signature


_decode_notice = msgspec.msgpack.Decoder(Notice).decode


def _notice_statement(
    room: bytes, account: bytes, device_key: bytes, kind: str, leaf: bytes, package: bytes | None
) -> bytes:
    return transcript(
        NOTICE.label, room, account, device_key, kind.encode("ascii"), leaf, package or b""
    )


def sign_notice(
    room: bytes, account: bytes, signer: SigningKey, kind: NoticeKind, leaf: bytes,
    package: bytes | None = None,
) -> bytes:  # fmt: skip
    """Return the body of a notice; only `lost` has a key package."""
    assert (package is not None) == (kind == "lost")
    statement = _notice_statement(room, account, signer.public, kind, leaf, package)
    return encode(Notice(kind, leaf, package, sign(signer, statement)))


def check_notice(room: bytes, account: bytes, device_key: bytes, body: bytes) -> Notice:
    """Return a notice, if this device signed it for this room.

    There is one encoding of it: a commit that carries a notice carries the same bytes.
    """
    check_size(NOTICE, body)
    try:
        notice = _decode_notice(body)
    except MALFORMED:
        raise PeerError("bad-notice") from None
    if (notice.package is not None) != (notice.kind == "lost") or encode(notice) != body:
        raise PeerError("bad-notice")
    verify(
        device_key,
        _notice_statement(room, account, device_key, notice.kind, notice.leaf, notice.package),
        notice.signature,
    )
    return notice
