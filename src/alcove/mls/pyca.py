"""The provider on pyca/cryptography: the only module of the package that imports it.

Seal and open of HPKE are the library's own.  X448, which it leaves out, and the exports go through
`alcove.mls.hpke` on the library's key agreement.
"""

from __future__ import annotations

import hashlib
import hmac
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any, ParamSpec, TypeVar

from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mlkem, x448, x25519
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.utils import CryptographyDeprecationWarning

from alcove.mls import hpke as ours
from alcove.mls.errors import CryptoError
from alcove.mls.provider import Hpke, KemKey, SigningKey

P = ParamSpec("P")
R = TypeVar("R")

_CURVES: dict[str, ec.EllipticCurve] = {
    "p256": ec.SECP256R1(),
    "p384": ec.SECP384R1(),
    "p521": ec.SECP521R1(),
}
_ECDSA = {
    "p256": ec.ECDSA(hashes.SHA256()),
    "p384": ec.ECDSA(hashes.SHA384()),
    "p521": ec.ECDSA(hashes.SHA512()),
}
_DIGESTS = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}
_AEADS: dict[str, type[AESGCM] | type[ChaCha20Poly1305]] = {
    "aes128gcm": AESGCM,
    "aes256gcm": AESGCM,
    "chacha20poly1305": ChaCha20Poly1305,
}
_KEMS = {
    "x25519": library.KEM.X25519,
    "p256": library.KEM.P256,
    "p384": library.KEM.P384,
    "p521": library.KEM.P521,
    "xwing": library.KEM.MLKEM768_X25519,
}
_KDFS = {
    "sha256": library.KDF.HKDF_SHA256,
    "sha384": library.KDF.HKDF_SHA384,
    "sha512": library.KDF.HKDF_SHA512,
}
_HPKE_AEADS = {
    "aes128gcm": library.AEAD.AES_128_GCM,
    "aes256gcm": library.AEAD.AES_256_GCM,
    "chacha20poly1305": library.AEAD.CHACHA20_POLY1305,
}
_MLKEM_PUBLIC_BYTES = 1184
_MLKEM_CIPHERTEXT_BYTES = 1088
_REFUSALS = (
    InvalidTag,
    InvalidSignature,
    ValueError,
    UnsupportedAlgorithm,
    CryptographyDeprecationWarning,
)


def _one_error(function: Callable[P, R]) -> Callable[P, R]:
    """Damaged input fails in several ways below; above there is one."""

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except _REFUSALS as refusal:
            raise CryptoError(type(refusal).__name__) from None

    return call


@lru_cache(maxsize=32)
def _suite(hpke: Hpke) -> library.Suite:
    return library.Suite(_KEMS[hpke.kem], _KDFS[hpke.kdf], _HPKE_AEADS[hpke.aead])


def _point(curve: ec.EllipticCurve, public: bytes) -> ec.EllipticCurvePublicKey:
    """Read an uncompressed point: the only form that HPKE and MLS allow."""
    if public[:1] != b"\x04":
        raise ValueError
    return ec.EllipticCurvePublicKey.from_encoded_point(curve, public)


def _uncompressed(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )


@lru_cache(maxsize=1024)
def _xwing_halves(public: bytes) -> tuple[mlkem.MLKEM768PublicKey, x25519.X25519PublicKey]:
    return (
        mlkem.MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC_BYTES]),
        x25519.X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC_BYTES:]),
    )


@lru_cache(maxsize=1024)
def _kem_public(kem: str, public: bytes) -> Any:
    if kem == "x25519":
        return x25519.X25519PublicKey.from_public_bytes(public)
    if kem == "x448":
        return x448.X448PublicKey.from_public_bytes(public)
    if kem == "xwing":
        return library.MLKEM768X25519PublicKey(*_xwing_halves(public))
    return _point(_CURVES[kem], public)


@lru_cache(maxsize=4096)
def _signature_public(scheme: str, public: bytes) -> Any:
    if scheme in ("ed25519", "ed448") and ours.small_order(scheme, public):
        raise ValueError  # Fixed signatures would pass for everything "signed" with such a key.
    if scheme == "ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(public)
    if scheme == "ed448":
        return ed448.Ed448PublicKey.from_public_bytes(public)
    return _point(_CURVES[scheme], public)


class _XWing:
    """Both halves of an X-Wing private key, and the form the library's HPKE wants them in."""

    __slots__ = ("hpke", "mlkem", "public", "x25519")

    def __init__(self, seed: bytes) -> None:
        material = hashlib.shake_256(seed).digest(96)
        self.mlkem = mlkem.MLKEM768PrivateKey.from_seed_bytes(material[:64])
        self.x25519 = x25519.X25519PrivateKey.from_private_bytes(material[64:])
        self.hpke = library.MLKEM768X25519PrivateKey(self.mlkem, self.x25519)
        self.public = (
            self.mlkem.public_key().public_bytes_raw() + self.x25519.public_key().public_bytes_raw()
        )


class Pyca:
    """`alcove.mls.provider.Provider` on pyca/cryptography 50 or newer."""

    mac = staticmethod(hmac.digest)

    def digest(self, algorithm: str, data: bytes) -> bytes:
        """Hash `data`."""
        return _DIGESTS[algorithm](data).digest()

    def aead_seal(self, algorithm: str, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate."""
        try:
            return _AEADS[algorithm](key).encrypt(nonce, data, aad)
        except _REFUSALS as refusal:
            raise CryptoError(type(refusal).__name__) from None

    def aead_open(self, algorithm: str, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Decrypt, or raise when anything was changed."""
        try:
            return _AEADS[algorithm](key).decrypt(nonce, data, aad)
        except _REFUSALS as refusal:
            raise CryptoError(type(refusal).__name__) from None

    @_one_error
    def kem_key(self, kem: str, private: bytes) -> KemKey:
        """Parse a private key."""
        if kem == "x25519":
            agreed = x25519.X25519PrivateKey.from_private_bytes(private)
            return KemKey(private, agreed.public_key().public_bytes_raw(), agreed)
        if kem == "xwing":
            if len(private) != ours.KEMS[kem].private_bytes:
                raise ValueError
            pair = _XWing(private)
            return KemKey(private, pair.public, pair)
        if kem == "x448":
            long = x448.X448PrivateKey.from_private_bytes(private)
            return KemKey(private, long.public_key().public_bytes_raw(), long)
        if len(private) != ours.KEMS[kem].private_bytes:
            raise ValueError
        scalar = ec.derive_private_key(int.from_bytes(private, "big"), _CURVES[kem])
        return KemKey(private, _uncompressed(scalar), scalar)

    def kem_derive(self, kem: str, seed: bytes) -> KemKey:
        """RFC 9180 DeriveKeyPair."""
        if kem == "xwing":
            return self.kem_key(kem, ours.xwing_private_key(seed))
        return self.kem_key(kem, ours.dh_private_key(kem, seed))

    @_one_error
    def kem_check(self, kem: str, public: bytes) -> None:
        """Raise unless `public` is a public key of this KEM."""
        _kem_public(kem, public)
        if kem == "x448":
            refused = ours.low_order(kem, public)
        else:
            refused = kem in ("x25519", "xwing") and ours.low_order("x25519", public[-32:])
        if refused:
            raise ValueError

    @_one_error
    def hpke_seal(self, hpke: Hpke, public: bytes, info: bytes, data: bytes) -> tuple[bytes, bytes]:
        """RFC 9180 SealBase with empty aad; returns (encapsulated key, ciphertext)."""
        if hpke.kem == "x448":
            return self.hpke_seal_many(hpke, [public], info, [data])[0]
        sealed = _suite(hpke).encrypt(data, _kem_public(hpke.kem, public), info)
        split = _KEMS[hpke.kem].enc_length()
        return sealed[:split], sealed[split:]

    @_one_error
    def hpke_seal_many(
        self, hpke: Hpke, publics: Sequence[bytes], info: bytes, data: Sequence[bytes]
    ) -> list[tuple[bytes, bytes]]:
        """Seal one text for each key under the same info, which is hashed once."""
        hashed = ours.hashed_info(*hpke, info)
        sealed = []
        for public, text in zip(publics, data, strict=True):
            shared, enc = self._encapsulate(hpke.kem, public)
            keys = ours.context(shared, hashed)
            sealed.append((enc, self.aead_seal(hpke.aead, keys.key, keys.nonce, text, b"")))
        return sealed

    @_one_error
    def hpke_open(self, hpke: Hpke, key: KemKey, enc: bytes, info: bytes, data: bytes) -> bytes:
        """RFC 9180 OpenBase with empty aad."""
        if hpke.kem == "x448":
            keys = _context(hpke, self._decapsulate(hpke.kem, key, enc), info)
            return self.aead_open(hpke.aead, keys.key, keys.nonce, data, b"")
        if len(enc) != _KEMS[hpke.kem].enc_length():
            raise ValueError
        handle = key.handle.hpke if hpke.kem == "xwing" else key.handle
        return _suite(hpke).decrypt(enc + data, handle, info)

    @_one_error
    def hpke_send_export(
        self, hpke: Hpke, public: bytes, info: bytes, context: bytes, length: int
    ) -> tuple[bytes, bytes]:
        """RFC 9180 SendExportBase; returns (encapsulated key, secret)."""
        shared, enc = self._encapsulate(hpke.kem, public)
        return enc, _context(hpke, shared, info).export(context, length)

    @_one_error
    def hpke_receive_export(
        self, hpke: Hpke, key: KemKey, enc: bytes, info: bytes, context: bytes, length: int
    ) -> bytes:
        """RFC 9180 ReceiveExportBase."""
        shared = self._decapsulate(hpke.kem, key, enc)
        return _context(hpke, shared, info).export(context, length)

    def _encapsulate(self, kem: str, public: bytes) -> tuple[bytes, bytes]:
        if kem == "xwing":
            secret, ciphertext = _xwing_halves(public)[0].encapsulate()
            theirs = public[_MLKEM_PUBLIC_BYTES:]
            shared, enc = self._agree("x25519", theirs)
            return ours.xwing_secret(secret, shared, enc, theirs), ciphertext + enc
        shared, enc = self._agree(kem, public)
        return ours.dh_secret(kem, shared, enc, public), enc

    def _agree(self, kem: str, public: bytes) -> tuple[bytes, bytes]:
        """Diffie-Hellman with a fresh key: the shared point and our public half."""
        peer = _kem_public(kem, public)
        if kem == "x25519":
            fresh = x25519.X25519PrivateKey.generate()
            return fresh.exchange(peer), fresh.public_key().public_bytes_raw()
        if kem == "x448":
            long = x448.X448PrivateKey.generate()
            return long.exchange(peer), long.public_key().public_bytes_raw()
        scalar = ec.generate_private_key(_CURVES[kem])
        return scalar.exchange(ec.ECDH(), peer), _uncompressed(scalar)

    def _decapsulate(self, kem: str, key: KemKey, enc: bytes) -> bytes:
        if kem == "xwing":
            pair = key.handle
            secret = pair.mlkem.decapsulate(enc[:_MLKEM_CIPHERTEXT_BYTES])
            theirs = enc[_MLKEM_CIPHERTEXT_BYTES:]
            shared = pair.x25519.exchange(_kem_public("x25519", theirs))
            return ours.xwing_secret(secret, shared, theirs, key.public[_MLKEM_PUBLIC_BYTES:])
        peer = _kem_public(kem, enc)
        if kem in _CURVES:
            shared = key.handle.exchange(ec.ECDH(), peer)
        else:
            shared = key.handle.exchange(peer)
        return ours.dh_secret(kem, shared, enc, key.public)

    @_one_error
    def signing_key(self, scheme: str, private: bytes) -> SigningKey:
        """Parse a private key for signatures."""
        if scheme == "ed25519":
            key = ed25519.Ed25519PrivateKey.from_private_bytes(private)
            return SigningKey(private, key.public_key().public_bytes_raw(), key)
        if scheme == "ed448":
            long = ed448.Ed448PrivateKey.from_private_bytes(private)
            return SigningKey(private, long.public_key().public_bytes_raw(), long)
        scalar = ec.derive_private_key(int.from_bytes(private, "big"), _CURVES[scheme])
        return SigningKey(private, _uncompressed(scalar), scalar)

    def signing_derive(self, scheme: str, seed: bytes) -> SigningKey:
        """Make a key pair from `seed`, which is 64 random bytes."""
        stream = hashlib.shake_256(b"alcove signature key " + scheme.encode() + b"\x00" + seed)
        if scheme == "ed25519":
            return self.signing_key(scheme, stream.digest(32))
        if scheme == "ed448":
            return self.signing_key(scheme, stream.digest(57))
        spec = ours.KEMS[scheme]  # The curves of the KEMs: 16 bytes more than needed, no bias.
        wide = int.from_bytes(stream.digest(spec.private_bytes + 16), "big")
        scalar = wide % (spec.order - 1) + 1
        return self.signing_key(scheme, scalar.to_bytes(spec.private_bytes, "big"))

    def sign(self, scheme: str, key: SigningKey, data: bytes) -> bytes:
        """Sign `data`."""
        curve = _ECDSA.get(scheme)
        signature: bytes = key.handle.sign(data) if curve is None else key.handle.sign(data, curve)
        return signature

    def verify(self, scheme: str, public: bytes, data: bytes, signature: bytes) -> None:
        """Raise unless `signature` over `data` was made by the owner of `public`."""
        try:
            curve = _ECDSA.get(scheme)
            if curve is None:
                _signature_public(scheme, public).verify(signature, data)
            else:
                _signature_public(scheme, public).verify(signature, data, curve)
        except _REFUSALS as refusal:
            raise CryptoError(type(refusal).__name__) from None

    @_one_error
    def certificate_key(self, scheme: str, certificate: bytes) -> bytes:
        """Return the public key in a DER certificate, in the form that leaves carry."""
        from cryptography import x509  # noqa: PLC0415 - It is slow to load, and hardly ever used.

        with warnings.catch_warnings():  # What is no longer allowed is refused, not talked about.
            warnings.simplefilter("error", CryptographyDeprecationWarning)
            try:
                key = x509.load_der_x509_certificate(certificate).public_key()
            except x509.InvalidVersion:
                raise CryptoError("InvalidVersion") from None
        if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
            return key.public_bytes_raw()
        if isinstance(key, ec.EllipticCurvePublicKey):
            return key.public_bytes(
                serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
            )
        raise CryptoError(f"a certificate's key is not one for {scheme}")


def _context(hpke: Hpke, shared: bytes, info: bytes) -> ours.Context:
    return ours.context(shared, ours.hashed_info(*hpke, info))


PROVIDER = Pyca()
