"""Names of things, hashes and times: the smallest words that two machines exchange.

Whoever makes a thing draws its id, so that a request can be repeated without making two.
"""

import hashlib
from typing import Annotated, NewType

from msgspec import Meta, Struct

AccountId = NewType("AccountId", bytes)
DeviceId = NewType("DeviceId", bytes)
RoomId = NewType("RoomId", bytes)
BlobId = NewType("BlobId", bytes)
ContentId = NewType("ContentId", bytes)

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
"""16 bytes on the wire; each kind of id has a name of its own in the code."""

Hash = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""SHA-256, unless something else is said."""
Key = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""An Ed25519 public key."""
Signature = Annotated[bytes, Meta(min_length=64, max_length=64)]
"""An Ed25519 signature."""

RequestId = Annotated[int, Meta(ge=0, lt=2**53)]
"""A number that the device counts up and never uses for two requests: the device counter."""

Seq = Annotated[int, Meta(ge=0, lt=2**53)]
"""The place of an entry in its room's log, counted from 1 without a gap."""
Millis = Annotated[int, Meta(ge=0, lt=2**53)]
"""Milliseconds since 1970, by the server's clock: its word, and never a proof."""

Count = Annotated[int, Meta(ge=0, lt=2**53)]
"""How many, how large, or which one."""

NAME_CHARACTERS_MIN = 3
"""The shortest name of an account."""
NAME_CHARACTERS_MAX = 30
"""The longest name of an account."""
Name = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9._-]{3,30}\Z")]
"""A user name: compared without case, shown as it was first written."""

Box = Annotated[bytes, Meta(max_length=16 * 1024)]
"""Something small that only its owner can open."""

SmallText = Annotated[str, Meta(pattern=r"\A[^\x00]{0,300}\Z")]
"""A short text for people."""
Sentence = Annotated[
    str, Meta(pattern=r"\A[^\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]{0,1000}\Z")
]
"""What people are told, as it is: on one line, with nothing that steers a terminal."""
Secret = Annotated[str, Meta(min_length=8, max_length=128, pattern=r"\A[A-Za-z0-9_-]+\Z")]
"""The secret half of a link, as it stands after the `#`."""

NOTHING_BEFORE = bytes(32)
"""The name of the handshake before a room's first one, and the chain before its first entry."""


class Position(Struct, frozen=True, array_like=True):
    """A place in a room's log.  A restored server starts a new incarnation."""

    incarnation: Count
    seq: Seq
    """The place of an entry, from 1; 0 is before the first."""


def entry_name(room: bytes, header: bytes, body: bytes) -> bytes:
    """Return the name of an entry, which its sender knows before the server has seen it."""
    return name_of(room, header, hashlib.sha256(body).digest())


def name_of(room: bytes, header: bytes, body_hash: bytes) -> bytes:
    """Return the same name for an entry whose body is gone."""
    size = len(header).to_bytes(4, "big")
    return hashlib.sha256(b"alcove entry 1" + room + size + header + body_hash).digest()


def next_chain(chain: bytes, seq: int, name: bytes) -> bytes:
    """Return the running hash of a log after one more entry."""
    return hashlib.sha256(b"alcove chain 1" + chain + seq.to_bytes(8, "big") + name).digest()
