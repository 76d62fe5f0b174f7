"""The parts of HPKE (RFC 9180) that pyca/cryptography does not offer: key derivation and export.

`cryptography` seals and opens; MLS also derives key pairs from path secrets and exports a secret
for external commits.  Both are a few HMACs around a shared secret, written here once for every
provider.  Checked against the vectors of RFC 9180 and draft-ietf-hpke-pq in the tests.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import NamedTuple

from alcove.mls.errors import CryptoError

_VERSION = b"HPKE-v1"


class KemSpec(NamedTuple):
    """What HPKE needs to know of a KEM, beside the curve itself."""

    number: int
    hash: str
    private_bytes: int
    order: int = 0
    """The order of a NIST curve's group; 0 where every string is a private key."""
    top_byte_mask: int = 0xFF


KEMS = {
    "x25519": KemSpec(0x0020, "sha256", 32),
    "x448": KemSpec(0x0021, "sha512", 56),
    "p256": KemSpec(
        0x0010,
        "sha256",
        32,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    "p384": KemSpec(
        0x0011,
        "sha384",
        48,
        0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    ),
    "p521": KemSpec(
        0x0012,
        "sha512",
        66,
        (1 << 521)
        - (1 << 264)
        + 0xFA51868783BF2F966B7FCC0148F709A5D03BB5C9B8899C47AEBB6FB71E91386409,
        0x01,
    ),
    "xwing": KemSpec(0x647A, "sha256", 32),
}
_P25519 = 2**255 - 19
_P448 = 2**448 - 2**224 - 1
_LOW_ORDER_25519 = {
    0,
    1,
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
    _P25519 - 1,
}
_LOW_ORDER_448 = {0, 1, _P448 - 1}
_SMALL_ORDER_25519 = {
    0,
    1,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
}
"""The y of the points of order 1, 2, 4 and 8, up to sign."""
_SMALL_ORDER_448 = {0, 1}

KDF_NUMBERS = {"sha256": 1, "sha384": 2, "sha512": 3}
AEAD_NUMBERS = {"aes128gcm": 1, "aes256gcm": 2, "chacha20poly1305": 3}
AEAD_KEY_BYTES = {"aes128gcm": 16, "aes256gcm": 32, "chacha20poly1305": 32}
AEAD_NONCE_BYTES = 12
HASH_BYTES = {"sha256": 32, "sha384": 48, "sha512": 64}


def expand(hash_name: str, secret: bytes, info: bytes, length: int) -> bytes:
    """HKDF-Expand (RFC 5869)."""
    block = hmac.digest(secret, info + b"\x01", hash_name)
    if length <= len(block):
        return block[:length]
    out = block
    count = 1
    while len(out) < length:
        count += 1
        block = hmac.digest(secret, block + info + bytes((count,)), hash_name)
        out += block
    return out[:length]


def labeled_extract(kdf: str, suite: bytes, salt: bytes, label: bytes, data: bytes) -> bytes:
    """RFC 9180 LabeledExtract."""
    return hmac.digest(salt or bytes(HASH_BYTES[kdf]), _VERSION + suite + label + data, kdf)


def labeled_expand(
    kdf: str, suite: bytes, secret: bytes, label: bytes, info: bytes, length: int
) -> bytes:
    """RFC 9180 LabeledExpand."""
    return expand(kdf, secret, length.to_bytes(2, "big") + _VERSION + suite + label + info, length)


def low_order(kem: str, public: bytes) -> bool:
    """Say whether an X25519 or X448 key is one that every agreement with fails.

    A member with such a key would make everybody's commits fail: it is refused at the door.
    """
    value = int.from_bytes(public, "little")
    if kem == "x25519":
        return (value & (2**255 - 1)) % _P25519 in _LOW_ORDER_25519
    return value % _P448 in _LOW_ORDER_448


def small_order(scheme: str, public: bytes) -> bool:
    """Say whether an Ed25519 or Ed448 key is one of the few that anybody can sign for."""
    if scheme == "ed25519":
        y = (int.from_bytes(public, "little") & (2**255 - 1)) % _P25519
        return min(y, _P25519 - y) in _SMALL_ORDER_25519
    y = int.from_bytes(public[:56], "little") % _P448
    return min(y, _P448 - y) in _SMALL_ORDER_448


def dh_private_key(kem: str, seed: bytes) -> bytes:
    """DeriveKeyPair for the Diffie-Hellman KEMs (RFC 9180, 7.1.3): the private key's bytes."""
    spec = KEMS[kem]
    suite = b"KEM" + spec.number.to_bytes(2, "big")
    secret = labeled_extract(spec.hash, suite, b"", b"dkp_prk", seed)
    if not spec.order:
        return labeled_expand(spec.hash, suite, secret, b"sk", b"", spec.private_bytes)
    for counter in range(256):
        candidate = bytearray(
            labeled_expand(
                spec.hash, suite, secret, b"candidate", bytes((counter,)), spec.private_bytes
            )
        )
        candidate[0] &= spec.top_byte_mask
        if 0 < int.from_bytes(candidate, "big") < spec.order:
            return bytes(candidate)
    raise CryptoError("no private key in 256 candidates")


def xwing_private_key(seed: bytes) -> bytes:
    """DeriveKeyPair of X-Wing in the labelled form of draft-ietf-hpke-pq: the 32-byte seed."""
    number = KEMS["xwing"].number.to_bytes(2, "big")
    label = b"\x00\x0dDeriveKeyPair" + (32).to_bytes(2, "big")
    return hashlib.shake_256(seed + _VERSION + b"KEM" + number + label).digest(32)


def xwing_secret(mlkem: bytes, x25519: bytes, encapsulated: bytes, public: bytes) -> bytes:
    """The combiner of X-Wing, over both shared secrets and the X25519 halves of what was sent."""
    return hashlib.sha3_256(mlkem + x25519 + encapsulated + public + b"\\.//^\\").digest()


def dh_secret(kem: str, exchanged: bytes, encapsulated: bytes, public: bytes) -> bytes:
    """ExtractAndExpand of the Diffie-Hellman KEMs."""
    spec = KEMS[kem]
    suite = b"KEM" + spec.number.to_bytes(2, "big")
    secret = labeled_extract(spec.hash, suite, b"", b"eae_prk", exchanged)
    return labeled_expand(
        spec.hash, suite, secret, b"shared_secret", encapsulated + public, HASH_BYTES[spec.hash]
    )


class Context(NamedTuple):
    """The key schedule of HPKE in base mode, for one message."""

    key: bytes
    nonce: bytes
    exporter: bytes
    suite: bytes
    kdf: str

    def export(self, context: bytes, length: int) -> bytes:
        """RFC 9180 Context.Export."""
        return labeled_expand(self.kdf, self.suite, self.exporter, b"sec", context, length)


class Info(NamedTuple):
    """What the key schedule takes from suite and info, ready for any number of receivers."""

    suite: bytes
    kdf: str
    aead: str
    schedule: bytes


def hashed_info(kem: str, kdf: str, aead: str, info: bytes) -> Info:
    """Hash what is the same for every receiver: a Welcome's info holds the whole tree."""
    numbers = (KEMS[kem].number, KDF_NUMBERS[kdf], AEAD_NUMBERS[aead])
    suite = b"HPKE" + b"".join(number.to_bytes(2, "big") for number in numbers)
    psk_id_hash = labeled_extract(kdf, suite, b"", b"psk_id_hash", b"")
    info_hash = labeled_extract(kdf, suite, b"", b"info_hash", info)
    return Info(suite, kdf, aead, b"\x00" + psk_id_hash + info_hash)


def context(shared: bytes, info: Info) -> Context:
    """RFC 9180 KeySchedule in base mode."""
    suite, kdf, aead, schedule = info
    secret = labeled_extract(kdf, suite, shared, b"secret", b"")
    return Context(
        labeled_expand(kdf, suite, secret, b"key", schedule, AEAD_KEY_BYTES[aead]),
        labeled_expand(kdf, suite, secret, b"base_nonce", schedule, AEAD_NONCE_BYTES),
        labeled_expand(kdf, suite, secret, b"exp", schedule, HASH_BYTES[kdf]),
        suite,
        kdf,
    )
