"""Whose a device is: certificates and device lists, made by an identity key and checked by all.

    identity key ── signs ──> certificate of each device ──┐
         └───────── signs ──> device list, version n  <────┘   names the hash of version n - 1

What a list says by itself is checked by `check_list`; how it stands to the one that was known so
far, by `follows`.  Rules: docs/protocol/devices.md.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, NamedTuple

import msgspec

from alcove.client.errors import PeerError
from alcove.client.keys.envelope import sign, verify
from alcove.mls import SigningKey
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.devices import (
    DEVICES_MAX,
    Certificate,
    DeviceList,
    SignedCertificate,
    SignedList,
)
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.signed import certificate_bytes, device_id, list_bytes

CREDENTIAL_BYTES_MAX: Final = 2 * 1024
"""A `SignedCertificate` in msgpack is shorter."""
CERTIFICATES_KEPT: Final = 4096
"""So many checks are remembered: a leaf of each device of the largest room."""
LISTS_KEPT: Final = 128
"""So many checks of lists are remembered."""

Step = Literal["same", "next", "rotated", "reset", "older", "missing", "forked"]
"""How a list stands to the one that was known so far."""

_decode_credential = msgspec.msgpack.Decoder(SignedCertificate).decode
_decode_certificate = msgspec.msgpack.Decoder(Certificate).decode
_decode_list = msgspec.msgpack.Decoder(DeviceList).decode


# ---- Making ----


class Owner(NamedTuple):
    """Whose devices they are: what each certificate of a list says."""

    account: bytes
    name: str
    server: bytes
    """The server's public key."""


class NewDevice(NamedTuple):
    """What a list says of one device."""

    key: bytes
    """Its public key."""
    browser: bool = False
    """Whether its code comes from the server."""


def certify(
    identity: SigningKey, owner: Owner, device: NewDevice, version: int
) -> SignedCertificate:
    """Return the certificate of one device, for the list of this version."""
    said = Certificate(identity.public, *owner, device.key, device.browser, version)
    body = encode(said)
    return SignedCertificate(body, sign(identity, certificate_bytes(body)))


def make_list(
    identity: SigningKey,
    owner: Owner,
    devices: Sequence[NewDevice],
    before: SignedList | None,
    old_identity: SigningKey | None = None,
    *,
    archive: bytes,
) -> SignedList:
    """Return the list after `before`, which is None for an account's first.

    `archive` is the public key to which all its devices seal the archive from this list on.
    `old_identity` signs too where the identity changes; without it, others see a reset.
    """
    assert 0 < len(devices) <= DEVICES_MAX
    version = 1 if before is None else read_list(before).version + 1
    said = DeviceList(
        version,
        NOTHING_BEFORE if before is None else list_hash(before),
        *owner,
        identity.public,
        archive,
        tuple(certify(identity, owner, device, version) for device in devices),
    )
    body = encode(said)
    statement = list_bytes(body)
    old = None if old_identity is None else sign(old_identity, statement)
    return SignedList(body, sign(identity, statement), old)


# ---- Checking ----


def read_credential(credential: bytes) -> SignedCertificate:
    """Return the certificate in the credential of a leaf, not yet checked."""
    if len(credential) > CREDENTIAL_BYTES_MAX:
        raise PeerError("bad-certificate")
    try:
        return _decode_credential(credential)
    except MALFORMED:
        raise PeerError("bad-certificate") from None


@lru_cache(maxsize=CERTIFICATES_KEPT)
def check_certificate(signed: SignedCertificate, server: bytes) -> Certificate:
    """Return what a certificate says, if its identity key signed it and it is for this server.

    The answer is remembered by all the bytes that went into it, and refusals are not: nobody can
    make another certificate pass by having one checked.
    """
    try:
        said = _decode_certificate(signed.body)
    except MALFORMED:
        raise PeerError("bad-certificate") from None
    if said.server != server:
        raise PeerError("wrong-server")
    verify(said.identity, certificate_bytes(signed.body), signed.signature)
    return said


def read_list(signed: SignedList) -> DeviceList:
    """Return what a list says, before anything about it is believed."""
    try:
        return _decode_list(signed.body)
    except MALFORMED:
        raise PeerError("bad-list") from None


def list_hash(signed: SignedList) -> bytes:
    """Return the hash by which the next list names this one."""
    return hashlib.sha256(signed.body).digest()


@lru_cache(maxsize=LISTS_KEPT)
def check_list(signed: SignedList, server: bytes) -> DeviceList:
    """Return what a list says, if all is right that can be seen from it alone.

    `old_signature` is judged by `follows`: only who knows the list before knows whose it must be.
    """
    said = read_list(signed)
    if said.server != server:
        raise PeerError("wrong-server")
    is_first = said.version == 1 and said.before == NOTHING_BEFORE and signed.old_signature is None
    is_later = said.version > 1 and said.before != NOTHING_BEFORE
    if not (is_first or is_later) or not said.certificates:
        raise PeerError("bad-list")
    verify(said.identity, list_bytes(signed.body), signed.signature)
    devices: dict[bytes, None] = {}
    for one in said.certificates:
        try:
            certificate = check_certificate(one, server)
        except PeerError as error:
            raise PeerError("not-signed" if error.cause == "not-signed" else "bad-list") from None
        whose = (certificate.identity, certificate.account, certificate.name, certificate.version)
        if whose != (said.identity, said.account, said.name, said.version):
            raise PeerError("bad-list")
        devices[certificate.device] = None
    if len(devices) != len(said.certificates):
        raise PeerError("bad-list")
    return said


def follows(old: SignedList, new: SignedList, server: bytes) -> Step:
    """Tell how a list stands to the one that was known so far, once both have been checked.

    same      the same list
    next      the list after it, of the same identity
    rotated   the list after it, of a new identity, to which the old one agrees
    reset     the list after it, of a new identity, to which the old one does not: look
    older     a list of before: never taken
    missing   there are lists between the two: ask for them
    forked    another list of the same version, or after another one: an alarm
    """
    known, said = check_list(old, server), check_list(new, server)
    if (known.account, known.name) != (said.account, said.name):
        raise PeerError("wrong-account")
    if old.body == new.body:
        return "same"
    if said.version == known.version:
        return "forked"
    if said.version < known.version:
        return "older"
    if said.version > known.version + 1:
        return "missing"
    if said.before != list_hash(old):
        return "forked"
    if said.identity == known.identity:
        if new.old_signature is not None:
            raise PeerError("bad-list")
        return "next"
    if new.old_signature is None:
        return "reset"
    verify(known.identity, list_bytes(new.body), new.old_signature)
    return "rotated"


def devices_of(checked: DeviceList) -> dict[bytes, Certificate]:
    """Return the devices of a list that was checked, by id, in its order."""
    certificates = [_decode_certificate(one.body) for one in checked.certificates]
    return {device_id(one.device): one for one in certificates}
