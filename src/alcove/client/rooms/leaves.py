"""Leaves: whose device stands at one, as its certificate says.

Nothing is verified here.  A leaf that is in a group's tree has passed `belief.check_credential`.
"""

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from alcove.client.errors import PeerError
from alcove.client.keys.certificates import CERTIFICATES_KEPT, read_credential
from alcove.mls import LeafNode
from alcove.wire.codec import MALFORMED
from alcove.wire.devices import Certificate
from alcove.wire.entries import Member
from alcove.wire.signed import device_id

_decode: Final = msgspec.msgpack.Decoder(Certificate).decode


class Whose(NamedTuple):
    """What a credential says, and the name of its identity in the room extension."""

    said: Certificate
    identity: bytes


@lru_cache(maxsize=CERTIFICATES_KEPT)
def whose(credential: bytes) -> Whose:
    """Return whose device a credential is about.  Remembered: large rooms ask it of every leaf."""
    try:
        said = _decode(read_credential(credential).body)
    except MALFORMED:
        raise PeerError("bad-certificate") from None
    return Whose(said, key_hash(said.identity))


def certificate_of(leaf: LeafNode) -> Certificate:
    """Return what a leaf says of its device and account."""
    return whose(leaf.credential.data).said


def member_of(leaf: LeafNode) -> Member:
    """Return a leaf's account and device, as routing names them."""
    said = certificate_of(leaf)
    return Member(said.account, device_id(said.device))


def key_hash(identity: bytes) -> bytes:
    """Return what stands for an account in the room extension, given its identity key."""
    return hashlib.sha256(identity).digest()


def identity_hash(said: Certificate) -> bytes:
    """Return the same for the account that a certificate is about."""
    return key_hash(said.identity)


def leaf_hash(leaf: LeafNode) -> bytes:
    """Return the name of a leaf in notices: it changes with every path and every new place."""
    return hashlib.sha256(leaf.raw).digest()
