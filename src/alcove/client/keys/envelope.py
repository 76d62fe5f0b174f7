"""The one envelope around everything that is sealed: padded, under a key that is used once.

    salt (32 random bytes) ‖ AES-256-GCM(ExpandWithLabel(secret, label, salt), padded(inner), place)

The place says where the bytes belong (label, room, sender and so on): bytes that were moved to
another place do not open.  What is inside is signed, and the signature covers the place as well.
"""

from typing import Final, NamedTuple

from alcove.client.errors import PeerError
from alcove.client.keys.suite import SUITE
from alcove.mls import CryptoError, SigningKey, padme

SALT_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 32
HASH_BYTES: Final = 32
PADDED_BYTES_MIN: Final = 256
"""All that is short has one length."""
LENGTH_BYTES: Final = 4
NONCE: Final = bytes(12)
"""Each key is used for one sealing, so nothing is gained by another one."""


class Form(NamedTuple):
    """One kind of thing that is sealed."""

    label: str
    """No two kinds have the same: what is of one kind does not open as another."""
    bytes_max: int
    """How long sealed bytes of this kind may be.  Longer ones are not looked at."""


class Opened(NamedTuple):
    """Something that says itself who wrote it."""

    writer: bytes
    """The public key of the device that signed it; whether that device may is not yet asked."""
    plain: bytes


def part(piece: bytes) -> bytes:
    """Return one more part of a transcript."""
    return len(piece).to_bytes(LENGTH_BYTES, "big") + piece


def pad(data: bytes) -> bytes:
    """Return the data behind its length, with zeros up to one of few sizes."""
    size = max(PADDED_BYTES_MIN, padme(LENGTH_BYTES + len(data)))
    return (len(data).to_bytes(LENGTH_BYTES, "big") + data).ljust(size, b"\0")


def unpad(padded: bytes) -> bytes:
    """Return the data that was padded; there is one way to pad, and no other is taken."""
    length = int.from_bytes(padded[:LENGTH_BYTES], "big")
    data = padded[LENGTH_BYTES : LENGTH_BYTES + length]
    if pad(data) != padded:
        raise PeerError("not-padded")
    return data


def enclose(form: Form, secret: bytes, place: bytes, inner: bytes, salt: bytes) -> bytes:
    """Seal something for a place; the salt is random, and used for nothing else."""
    assert len(salt) == SALT_BYTES
    key = SUITE.expand_label(secret, form.label.encode(), salt, KEY_BYTES)
    body = salt + SUITE.aead_seal(key, NONCE, pad(inner), place)
    assert len(body) <= form.bytes_max, "the caller limits what it seals"
    return body


def disclose(form: Form, secret: bytes, place: bytes, body: bytes) -> bytes:
    """Return what was sealed for this place, or refuse it."""
    check_size(form, body)
    salt = body[:SALT_BYTES]
    key = SUITE.expand_label(secret, form.label.encode(), salt, KEY_BYTES)
    try:
        padded = SUITE.aead_open(key, NONCE, body[SALT_BYTES:], place)
    except CryptoError:
        raise PeerError("not-sealed") from None
    return unpad(padded)


def check_size(form: Form, body: bytes) -> None:
    """Refuse what is too long to be looked at."""
    if len(body) > form.bytes_max:
        raise PeerError("too-large")


def sign(signer: SigningKey, statement: bytes) -> bytes:
    """Return a device's or an identity's signature over a transcript."""
    return SUITE.crypto.sign(SUITE.signature, signer, statement)


def verify(public: bytes, statement: bytes, signature: bytes) -> None:
    """Refuse a signature that the key's owner did not make."""
    try:
        SUITE.crypto.verify(SUITE.signature, public, statement, signature)
    except CryptoError:
        raise PeerError("not-signed") from None


# ---- Signed by a device that the place names ----


def sign_inside(signer: SigningKey, place: bytes, plain: bytes) -> bytes:
    """Return signature and plain text, to be sealed."""
    return sign(signer, place + part(plain)) + plain


def check_inside(public: bytes, place: bytes, inner: bytes) -> bytes:
    """Return the plain text out of what was sealed, if this device signed it for this place."""
    signature, plain = inner[:SIGNATURE_BYTES], inner[SIGNATURE_BYTES:]
    verify(public, place + part(plain), signature)
    return plain


# ---- Signed by a device that is told only inside ----


def sign_inside_by(signer: SigningKey, place: bytes, plain: bytes) -> bytes:
    """Return writer, signature and plain text, to be sealed."""
    place += part(signer.public)
    return signer.public + sign_inside(signer, place, plain)


def check_inside_by(place: bytes, inner: bytes) -> Opened:
    """Return who wrote it, and the plain text, if the signature is the writer's for this place."""
    writer = inner[:KEY_BYTES]
    return Opened(writer, check_inside(writer, place + part(writer), inner[KEY_BYTES:]))
