"""A new device that shows a code, and an installed one that scans it: what passes between them.

    code      "ALCOVE:PAIR:" and base32 of  form ‖ ends ‖ device key ‖ agreement key ‖ secret
    hello     agreement key ‖ envelope, which opens for who has drawn the code, and for no other

Who only sees the code cannot open the hello, and who only sees what the server has cannot either,
a quantum computer later included: the key follows from the agreement and from the secret.
"""

import base64
import binascii
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from alcove.client.errors import PeerError, UsageError
from alcove.client.keys.envelope import KEY_BYTES, SALT_BYTES, Form, disclose, enclose
from alcove.client.keys.suite import SUITE
from alcove.mls.provider import without_secrets
from alcove.wire.signed import transcript

HELLO: Final = Form("alcove pairing 1", 16 * 1024)
START: Final = "ALCOVE:PAIR:"
"""Capitals, digits and colons: a QR code holds them in fewer squares than other text."""
FORM: Final = 1
TIME_BYTES: Final = 6
OFFER_BYTES: Final = 1 + TIME_BYTES + 3 * KEY_BYTES
CODE_CHARACTERS_MAX: Final = 256
"""Longer texts are not looked at."""
NOT_A_CODE: Final = "This is not the code of a new device: scan it, or copy it, once more."


class Offer(NamedTuple):
    """What the code says."""

    ends_at: int
    """After this time, in ms, it is not taken any more."""
    device: bytes
    """The new device's public key."""
    agreement: bytes
    """Its public X25519 key, for this once."""
    secret: bytes
    """Never sent: only shown."""

    def __repr__(self) -> str:
        return without_secrets(self)


def public_of(private: bytes) -> bytes:
    """Return the public half of an agreement key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def write_offer(offer: Offer) -> str:
    """Return the text of the code: 178 characters."""
    ends_at, *keys = offer
    body = bytes([FORM]) + ends_at.to_bytes(TIME_BYTES, "big") + b"".join(keys)
    return START + base64.b32encode(body).decode("ascii").rstrip("=")


def read_offer(text: str) -> Offer:
    """Return what a code says that was scanned or pasted."""
    text = "".join(text.split()).upper()
    body = b""
    if text.startswith(START) and len(text) <= CODE_CHARACTERS_MAX:
        code = text.removeprefix(START)
        try:
            body = base64.b32decode(code + "=" * (-len(code) % 8))
        except binascii.Error:
            body = b""
    if len(body) != OFFER_BYTES or body[0] != FORM:
        raise UsageError(NOT_A_CODE)
    keys = body[1 + TIME_BYTES :]
    parts = (keys[at : at + KEY_BYTES] for at in range(0, len(keys), KEY_BYTES))
    return Offer(int.from_bytes(body[1 : 1 + TIME_BYTES], "big"), *parts)


def seal_hello(offer: Offer, server: bytes, plain: bytes, private: bytes, salt: bytes) -> bytes:
    """Return what tells the new device whose it is; `private` is drawn for it alone."""
    assert len(salt) == SALT_BYTES
    public = public_of(private)
    key = _key(private, offer.agreement, offer.secret)
    return public + enclose(HELLO, key, _place(server, offer.device, public), plain, salt)


def open_hello(offer: Offer, server: bytes, private: bytes, body: bytes) -> bytes:
    """Return what the installed device says, or refuse what is not from who has seen the code."""
    public = body[:KEY_BYTES]
    if len(public) != KEY_BYTES:
        raise PeerError("not-sealed")
    key = _key(private, public, offer.secret)
    return disclose(HELLO, key, _place(server, offer.device, public), body[KEY_BYTES:])


def _place(server: bytes, device: bytes, public: bytes) -> bytes:
    return transcript(HELLO.label, server, device, public)


def _key(private: bytes, public: bytes, secret: bytes) -> bytes:
    try:
        shared = X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:  # All zeros: there is nobody who could know less.
        raise PeerError("bad-key") from None
    return SUITE.extract(secret, shared)
