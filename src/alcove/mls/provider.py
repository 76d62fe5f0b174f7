"""The one seam to cryptography: what the rest of the package asks of a library of primitives.

Two implementations are meant to exist: `alcove.mls.pyca` on pyca/cryptography, and one for a
browser tab.  Nothing else in `alcove.mls` may import a cryptographic library; a test checks it.

Every function raises `CryptoError` when a primitive refuses, never anything of the library below.
Randomness: keys come from seeds that the caller draws.  Encapsulation and ECDSA draw their own, as
the libraries below are used; so nothing may depend on the bytes of a ciphertext or a signature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


def without_secrets(value: object) -> str:
    """Return a repr that shows no content: what is printed is read."""
    return f"<{type(value).__name__}>"


class Hpke(NamedTuple):
    """The three algorithms of RFC 9180 that a cipher suite uses, by name."""

    kem: str
    kdf: str
    aead: str


class KemKey(NamedTuple):
    """A private key for HPKE, parsed once and kept: parsing costs as much as making one."""

    private: bytes
    public: bytes
    handle: Any

    def __repr__(self) -> str:
        return without_secrets(self)


class SigningKey(NamedTuple):
    """A private key for signatures, parsed once and kept."""

    private: bytes
    public: bytes
    handle: Any

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"


class Provider(Protocol):
    """About a dozen functions.  Algorithms are named as in `alcove.mls.suites`."""

    def digest(self, algorithm: str, data: bytes) -> bytes:
        """Hash `data`."""
        ...

    def mac(self, key: bytes, data: bytes, algorithm: str) -> bytes:
        """Return HMAC over `data`."""
        ...

    def aead_seal(self, algorithm: str, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate."""
        ...

    def aead_open(self, algorithm: str, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Decrypt, or raise when anything was changed."""
        ...

    def kem_key(self, kem: str, private: bytes) -> KemKey:
        """Parse a private key."""
        ...

    def kem_derive(self, kem: str, seed: bytes) -> KemKey:
        """RFC 9180 DeriveKeyPair."""
        ...

    def kem_check(self, kem: str, public: bytes) -> None:
        """Raise unless `public` is a public key of this KEM."""
        ...

    def hpke_seal(self, hpke: Hpke, public: bytes, info: bytes, data: bytes) -> tuple[bytes, bytes]:
        """RFC 9180 SealBase with empty aad; returns (encapsulated key, ciphertext)."""
        ...

    def hpke_seal_many(
        self, hpke: Hpke, publics: Sequence[bytes], info: bytes, data: Sequence[bytes]
    ) -> list[tuple[bytes, bytes]]:
        """Seal one text for each key under the same info, which is hashed once."""
        ...

    def hpke_open(self, hpke: Hpke, key: KemKey, enc: bytes, info: bytes, data: bytes) -> bytes:
        """RFC 9180 OpenBase with empty aad."""
        ...

    def hpke_send_export(
        self, hpke: Hpke, public: bytes, info: bytes, context: bytes, length: int
    ) -> tuple[bytes, bytes]:
        """RFC 9180 SendExportBase; returns (encapsulated key, secret)."""
        ...

    def hpke_receive_export(
        self, hpke: Hpke, key: KemKey, enc: bytes, info: bytes, context: bytes, length: int
    ) -> bytes:
        """RFC 9180 ReceiveExportBase."""
        ...

    def signing_key(self, scheme: str, private: bytes) -> SigningKey:
        """Parse a private key for signatures."""
        ...

    def signing_derive(self, scheme: str, seed: bytes) -> SigningKey:
        """Make a key pair from `seed`, which is 64 random bytes."""
        ...

    def sign(self, scheme: str, key: SigningKey, data: bytes) -> bytes:
        """Sign `data`."""
        ...

    def verify(self, scheme: str, public: bytes, data: bytes, signature: bytes) -> None:
        """Raise unless `signature` over `data` was made by the owner of `public`."""
        ...

    def certificate_key(self, scheme: str, certificate: bytes) -> bytes:
        """Return the public key in a DER certificate, in the form that leaves carry."""
        ...
