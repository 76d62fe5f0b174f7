"""Cipher suites: which algorithms go together, and the labelled functions of RFC 9420 over them.

A `Suite` is what the rest of the package computes with: hashes, HKDF with labels (section 8),
signatures and public-key encryption with labels (5.1.2 and 5.1.3), hash references (5.2).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from alcove.mls.codec import opaque
from alcove.mls.errors import UsageError
from alcove.mls.hpke import AEAD_KEY_BYTES, AEAD_NONCE_BYTES, HASH_BYTES, expand
from alcove.mls.provider import Hpke, KemKey, Provider, SigningKey

DEFAULT_SUITE: Final = 0xF0A1
"""X-Wing, AES-256-GCM, SHA-384, Ed25519: recorded traffic stays closed to a quantum computer."""


class Algorithms(NamedTuple):
    """What one cipher suite is made of."""

    kem: str
    aead: str
    hash: str
    signature: str
    kdf: str = ""
    """The hash inside HKDF; that of `hash` when empty, as in every suite of RFC 9420."""


ALGORITHMS: Final[Mapping[int, Algorithms]] = {
    1: Algorithms("x25519", "aes128gcm", "sha256", "ed25519"),
    2: Algorithms("p256", "aes128gcm", "sha256", "p256"),
    3: Algorithms("x25519", "chacha20poly1305", "sha256", "ed25519"),
    4: Algorithms("x448", "aes256gcm", "sha512", "ed448"),
    5: Algorithms("p521", "aes256gcm", "sha512", "p521"),
    6: Algorithms("x448", "chacha20poly1305", "sha512", "ed448"),
    7: Algorithms("p384", "aes256gcm", "sha384", "p384"),
    DEFAULT_SUITE: Algorithms("xwing", "aes256gcm", "sha384", "ed25519"),
}
"""What every suite known here is made of, by its number."""

_PREFIX = b"MLS 1.0 "


@lru_cache(maxsize=256)
def _label(label: bytes) -> bytes:
    return opaque(_PREFIX + label)


class Suite:
    """One cipher suite over one provider.  Stateless, compared by identity, made once."""

    __slots__ = (
        "aead",
        "crypto",
        "derive_info",
        "hash_name",
        "hpke",
        "id",
        "kdf",
        "kem",
        "key_bytes",
        "key_info",
        "nonce_info",
        "secret_bytes",
        "secret_info",
        "sender_key_info",
        "sender_nonce_info",
        "signature",
        "zero",
    )

    def __init__(self, suite_id: int, algorithms: Algorithms, crypto: Provider) -> None:
        self.id = suite_id
        self.crypto = crypto
        self.hash_name = algorithms.hash
        self.kdf = algorithms.kdf or algorithms.hash
        self.kem = algorithms.kem
        self.aead = algorithms.aead
        self.signature = algorithms.signature
        self.hpke = Hpke(self.kem, self.kdf, self.aead)
        self.key_bytes = AEAD_KEY_BYTES[self.aead]
        self.secret_bytes = HASH_BYTES[self.kdf]
        self.zero = bytes(self.secret_bytes)
        # The ratchets' labels end in a generation of four bytes: built once, up to its length.
        self.key_info = self._ratchet_info(b"key", self.key_bytes)
        self.nonce_info = self._ratchet_info(b"nonce", AEAD_NONCE_BYTES)
        self.secret_info = self._ratchet_info(b"secret", self.secret_bytes)
        # The sender data's keys end in a sample of the ciphertext.
        self.sender_key_info = self.key_bytes.to_bytes(2, "big") + _label(b"key")
        self.sender_nonce_info = AEAD_NONCE_BYTES.to_bytes(2, "big") + _label(b"nonce")
        self.derive_info: dict[bytes, bytes] = {}

    def __repr__(self) -> str:
        return f"Suite({self.id:#06x})"

    def _ratchet_info(self, label: bytes, length: int) -> bytes:
        return length.to_bytes(2, "big") + _label(label) + b"\x04"

    # Hashes and HKDF.

    def hash(self, data: bytes) -> bytes:
        """Hash with the suite's hash."""
        return self.crypto.digest(self.hash_name, data)

    def mac(self, key: bytes, data: bytes) -> bytes:
        """Return the MAC of section 6: HMAC with the suite's hash."""
        return self.crypto.mac(key, data, self.hash_name)

    def extract(self, salt: bytes, data: bytes) -> bytes:
        """KDF.Extract."""
        return self.crypto.mac(salt, data, self.kdf)

    def expand_label(self, secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
        """ExpandWithLabel of section 8."""
        info = length.to_bytes(2, "big") + _label(label) + opaque(context)
        return expand(self.kdf, secret, info, length)

    def derive(self, secret: bytes, label: bytes) -> bytes:
        """DeriveSecret of section 8."""
        info = self.derive_info.get(label)
        if info is None:
            info = self.secret_bytes.to_bytes(2, "big") + _label(label) + b"\x00\x01"
            if len(self.derive_info) < 64:  # Exporter labels come from outside.
                self.derive_info[label] = info
        return self.crypto.mac(secret, info, self.kdf)

    def reference(self, label: bytes, value: bytes) -> bytes:
        """RefHash of section 5.2.  Its labels are literal: they already begin with "MLS 1.0 "."""
        return self.hash(opaque(label) + opaque(value))

    # Signatures.

    def sign(self, key: SigningKey, label: bytes, content: bytes) -> bytes:
        """SignWithLabel of section 5.1.2."""
        return self.crypto.sign(self.signature, key, _label(label) + opaque(content))

    def verify(self, public: bytes, label: bytes, content: bytes, signature: bytes) -> None:
        """VerifyWithLabel of section 5.1.2; raises `CryptoError`."""
        self.crypto.verify(self.signature, public, _label(label) + opaque(content), signature)

    def signing_key(self, private: bytes) -> SigningKey:
        """Parse a private signature key."""
        return self.crypto.signing_key(self.signature, private)

    def new_signing_key(self, seed: bytes) -> SigningKey:
        """Make a signature key pair from 64 random bytes."""
        if len(seed) < 32:
            raise UsageError("a signature key is made from 64 random bytes")
        return self.crypto.signing_derive(self.signature, seed)

    # Public-key encryption.

    def seal(self, public: bytes, label: bytes, context: bytes, data: bytes) -> tuple[bytes, bytes]:
        """EncryptWithLabel of section 5.1.3; returns (kem_output, ciphertext)."""
        info = _label(label) + opaque(context)
        return self.crypto.hpke_seal(self.hpke, public, info, data)

    def seal_many(
        self, publics: Sequence[bytes], label: bytes, context: bytes, data: Sequence[bytes]
    ) -> list[tuple[bytes, bytes]]:
        """EncryptWithLabel for many receivers under one context, which may be long."""
        info = _label(label) + opaque(context)
        return self.crypto.hpke_seal_many(self.hpke, publics, info, data)

    def open(self, key: KemKey, label: bytes, context: bytes, enc: bytes, data: bytes) -> bytes:
        """DecryptWithLabel of section 5.1.3; raises `CryptoError`."""
        return self.crypto.hpke_open(self.hpke, key, enc, _label(label) + opaque(context), data)

    def kem_key(self, private: bytes) -> KemKey:
        """Parse a private HPKE key."""
        return self.crypto.kem_key(self.kem, private)

    def kem_derive(self, seed: bytes) -> KemKey:
        """KEM.DeriveKeyPair."""
        return self.crypto.kem_derive(self.kem, seed)

    def aead_seal(self, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """AEAD.Seal."""
        return self.crypto.aead_seal(self.aead, key, nonce, data, aad)

    def aead_open(self, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """AEAD.Open; raises `CryptoError`."""
        return self.crypto.aead_open(self.aead, key, nonce, data, aad)


Suites = Mapping[int, Suite]
"""Cipher suites by number: those that a program is willing to use."""


def suites_on(
    crypto: Provider, algorithms: Mapping[int, Algorithms] = ALGORITHMS
) -> dict[int, Suite]:
    """Return every suite of the table, computed by `crypto`."""
    return {number: Suite(number, row, crypto) for number, row in algorithms.items()}


@lru_cache(maxsize=1)
def standard_suites() -> Suites:
    """Return suites 1 to 7 and the default suite on pyca/cryptography, made at the first call."""
    from alcove.mls.pyca import PROVIDER  # noqa: PLC0415 - a browser tab has another provider.

    return suites_on(PROVIDER)
