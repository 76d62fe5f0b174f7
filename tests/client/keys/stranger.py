"""A second implementation of docs/protocol/sealing.md, by somebody who never saw ours.

It shares nothing with `alcove.client.keys`: only hmac, hashlib and the primitives of pyca.
"""

import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def transcript(*pieces: bytes) -> bytes:
    return b"".join(number(len(piece), 4) + piece for piece in pieces)


def expand_with_label(secret: bytes, label: bytes, context: bytes) -> bytes:
    """RFC 9420, section 8, for 32 bytes: the lengths here are short, so each takes one byte."""
    full = b"MLS 1.0 " + label
    info = number(32, 2) + number(len(full), 1) + full + number(len(context), 1) + context
    return hmac.digest(secret, info + b"\x01", "sha384")[:32]


def size_of(length: int) -> int:
    """Padmé, but no less than 256."""
    if length <= 256:
        return 256
    exponent = length.bit_length() - 1
    step = 1 << (exponent - exponent.bit_length())
    return -(-length // step) * step


def pad(data: bytes) -> bytes:
    framed = number(len(data), 4) + data
    return framed + bytes(size_of(len(framed)) - len(framed))


def enclose(secret: bytes, label: bytes, place: bytes, padded: bytes, salt: bytes) -> bytes:
    key = expand_with_label(secret, label, salt)
    return salt + AESGCM(key).encrypt(bytes(12), padded, place)


def disclose(secret: bytes, label: bytes, place: bytes, body: bytes) -> bytes:
    key = expand_with_label(secret, label, body[:32])
    padded = AESGCM(key).decrypt(bytes(12), body[32:], place)
    length = int.from_bytes(padded[:4], "big")
    assert padded == pad(padded[4 : 4 + length])
    return padded[4 : 4 + length]


def sign(private: bytes, statement: bytes) -> bytes:
    return Ed25519PrivateKey.from_private_bytes(private).sign(statement)


def verify(public: bytes, statement: bytes, signature: bytes) -> None:
    Ed25519PublicKey.from_public_bytes(public).verify(signature, statement)
