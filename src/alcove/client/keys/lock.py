"""What a password or a phrase opens: the login key that is shown, and the box that is sealed.

    password or phrase ── Argon2id ──> stretched ─┬─ login key   shown to the server
                                                  └─ box key     never leaves the device
                                                       └─ box:  identity key, archive keys, phrase

Argon2id itself is computed in `io`, because it takes long and much memory; its parameters stand
here, because no server may weaken them.
"""

import hashlib
import unicodedata
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from alcove.client.errors import PeerError, UsageError
from alcove.client.keys.envelope import KEY_BYTES, Form, disclose, enclose
from alcove.client.keys.suite import SUITE
from alcove.mls import SigningKey
from alcove.mls.provider import without_secrets
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.signed import transcript

ARGON2_MEMORY_KIB: Final = 64 * 1024
ARGON2_PASSES: Final = 3
ARGON2_LANES: Final = 4
"""The second recommended choice of RFC 9106, section 4.  Version 0x13, 32 bytes, no secret."""
STRETCHED_BYTES: Final = 32
SALT_LABEL: Final = b"alcove salt 1"
SERVER_SALT_BYTES: Final = 16

PHRASE_BYTES: Final = 16
ARCHIVES_MAX: Final = 256
"""Archive keys that a box holds: a new one begins whenever a device is revoked."""

BOX: Final = Form("alcove box 1", 16 * 1024)
PHRASE: Final = Form("alcove phrase box 1", 1024)

Seed = Annotated[bytes, Meta(min_length=KEY_BYTES, max_length=KEY_BYTES)]


class Box(Struct, frozen=True):
    """What only its owner can open.  It lies on the server, sealed, and on no device."""

    identity: Seed
    """The private identity key: the 32 bytes of RFC 8032."""
    archives: Annotated[tuple[Seed, ...], Meta(min_length=1, max_length=ARCHIVES_MAX)]
    """The seeds of the archive key pairs, newest first: older ones open older rows."""
    phrase: Annotated[bytes, Meta(min_length=PHRASE_BYTES, max_length=PHRASE_BYTES)]
    """The recovery phrase, to be shown again, and to seal the next box under it."""

    def __repr__(self) -> str:
        return without_secrets(self)


_decode_box = msgspec.msgpack.Decoder(Box).decode


def password_bytes(password: str) -> bytes:
    """Return what Argon2id gets of a password: the same however a keyboard composes its letters."""
    try:
        return unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:  # Half a surrogate pair, which a terminal may make of stray bytes.
        raise UsageError("This password is not text: type it again.") from None


def salt_of(server_key: bytes, name: str, server_salt: bytes) -> bytes:
    """Return the salt of Argon2id; the name counts without its case."""
    assert (len(server_key), len(server_salt)) == (KEY_BYTES, SERVER_SALT_BYTES)
    lowered = name.lower().encode("ascii")
    return hashlib.sha256(SALT_LABEL + server_key + lowered + server_salt).digest()


def split(stretched: bytes) -> tuple[bytes, bytes]:
    """Return the login key, which is shown to the server, and the box key, which is not."""
    assert len(stretched) == STRETCHED_BYTES
    login = SUITE.expand_label(stretched, b"alcove login key 1", b"", KEY_BYTES)
    return login, SUITE.expand_label(stretched, b"alcove box key 1", b"", KEY_BYTES)


def identity_key(box: Box) -> SigningKey:
    """Return the identity key of a box that was opened.  To be forgotten after use."""
    return SUITE.signing_key(box.identity)


def seal_box(box_key: bytes, box: Box, account: bytes, salt: bytes) -> bytes:
    """Seal an account's box under one lock."""
    return enclose(BOX, box_key, transcript(BOX.label, account), encode(box), salt)


def open_box(box_key: bytes, account: bytes, sealed: bytes) -> Box:
    """Open an account's box, or refuse what is none of it."""
    inner = disclose(BOX, box_key, transcript(BOX.label, account), sealed)
    try:
        return _decode_box(inner)
    except MALFORMED:
        raise PeerError("bad-box") from None


def seal_phrase(box_key: bytes, phrase: bytes, account: bytes, salt: bytes) -> bytes:
    """Seal the phrase alone: what the first device keeps while the password may not seal a box."""
    assert len(phrase) == PHRASE_BYTES
    return enclose(PHRASE, box_key, transcript(PHRASE.label, account), phrase, salt)


def open_phrase(box_key: bytes, account: bytes, sealed: bytes) -> bytes:
    """Return the phrase that this device kept."""
    return disclose(PHRASE, box_key, transcript(PHRASE.label, account), sealed)
