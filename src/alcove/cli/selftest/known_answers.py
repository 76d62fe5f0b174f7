"""Cryptography against published examples: what `alcove.mls` computes here is what others compute.

A library that was built wrong, or a processor whose instructions for AES are broken, is noticed
here and not by somebody who cannot read a message.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from alcove.cli.selftest.failed import Failed
from alcove.mls import DEFAULT_SUITE, CryptoError, standard_suites
from alcove.mls.provider import Hpke, Provider

ABC_SHA384: Final = bytes.fromhex(
    "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
    "8086072ba1e7cc2358baeca134c825a7"
)
JEFE_HMAC_SHA384: Final = bytes.fromhex(
    "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
    "8e2240ca5e69e2c78b3239ecfab21649"
)
TIP: Final = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future,"
    b" sunscreen would be it."
)


def check(tell: Callable[[str], None], _: Path) -> None:
    """Compute each example, and tell which were right."""
    check_on(standard_suites()[DEFAULT_SUITE].crypto, tell)


def check_on(crypto: Provider, tell: Callable[[str], None]) -> None:
    """Compute each example with these primitives, and tell which were right."""
    for name, example in EXAMPLES.items():
        if not example(crypto):
            raise Failed(f"{name}: the result is not the published one.")
        tell(f"{name}.")


def _hashes(crypto: Provider) -> bool:
    mac = crypto.mac(b"Jefe", b"what do ya want for nothing?", "sha384")
    return (crypto.digest("sha384", b"abc"), mac) == (ABC_SHA384, JEFE_HMAC_SHA384)


def _aes(crypto: Provider) -> bool:
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308") * 2
    text = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
        "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
    )
    sealed = bytes.fromhex(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece"
        "0f4e1768cddf8853bb2d551b"
    )
    nonce = bytes.fromhex("cafebabefacedbaddecaf888")
    aad = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    return _seals(crypto, "aes256gcm", (key, nonce, aad), text, sealed)


def _chacha(crypto: Provider) -> bool:
    key = bytes(range(0x80, 0xA0))
    nonce = bytes.fromhex("070000004041424344454647")
    aad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    begins = bytes.fromhex("d31a8d34648e60db7b86afbc53ef7ec2")
    ends = bytes.fromhex("1ae10b594f09e26a7e902ecbd0600691")
    sealed = crypto.aead_seal("chacha20poly1305", key, nonce, TIP, aad)
    is_known = sealed.startswith(begins) and sealed.endswith(ends)
    return is_known and _seals(crypto, "chacha20poly1305", (key, nonce, aad), TIP, sealed)


def _seals(
    crypto: Provider, algorithm: str, given: tuple[bytes, bytes, bytes], text: bytes, sealed: bytes
) -> bool:
    """Whether a text is sealed as it should be, opened again, and not when a bit was changed."""
    key, nonce, aad = given
    if crypto.aead_seal(algorithm, key, nonce, text, aad) != sealed:
        return False
    if crypto.aead_open(algorithm, key, nonce, sealed, aad) != text:
        return False
    changed = bytes([sealed[0] ^ 1]) + sealed[1:]
    try:
        crypto.aead_open(algorithm, key, nonce, changed, aad)
    except CryptoError:
        return True
    return False


def _signatures(crypto: Provider) -> bool:
    private = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"
    key = crypto.signing_key("ed25519", bytes.fromhex(private))
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    if crypto.sign("ed25519", key, b"r") != signature:
        return False
    crypto.verify("ed25519", key.public, b"r", signature)
    try:
        crypto.verify("ed25519", key.public, b"s", signature)
    except CryptoError:
        return True
    return False


def _agreement(crypto: Provider) -> bool:
    """The first example of RFC 9180, as far as its exporter."""
    seed = "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df3234"
    theirs = crypto.kem_derive("x25519", bytes.fromhex(seed)).public
    private = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"
    ours = crypto.kem_key("x25519", bytes.fromhex(private))
    info = bytes.fromhex("4f6465206f6e2061204772656369616e2055726e")
    suite = Hpke("x25519", "sha256", "aes128gcm")
    secret = crypto.hpke_receive_export(suite, ours, theirs, info, b"", 32)
    return secret == bytes.fromhex(
        "3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d0095250ee"
    )


def _post_quantum(crypto: Provider) -> bool:
    """The first key pair of the X-Wing draft; and what is sealed for it, opens."""
    seed = "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26"
    key = crypto.kem_key("xwing", bytes.fromhex(seed))
    begins = "e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5"
    suite = Hpke("xwing", "sha384", "aes256gcm")
    enc, sealed = crypto.hpke_seal(suite, key.public, b"alcove selftest", TIP)
    opened = crypto.hpke_open(suite, key, enc, b"alcove selftest", sealed)
    return key.public.startswith(bytes.fromhex(begins)) and opened == TIP


EXAMPLES: Final[dict[str, Callable[[Provider], bool]]] = {
    "SHA-384 and HMAC, as FIPS 180-4 and RFC 4231 have them": _hashes,
    "AES-256-GCM, as its designers have it": _aes,
    "ChaCha20-Poly1305, as RFC 8439 has it": _chacha,
    "Ed25519, as RFC 8032 has it": _signatures,
    "HPKE with X25519, as RFC 9180 has it": _agreement,
    "HPKE with X-Wing (ML-KEM-768 and X25519), with a key as its draft has it": _post_quantum,
}
