"""Every suite that the interop tests speak: ours, and two that only ts-mls has.

ts-mls offers X-Wing under private numbers of its own, with SHA-512 and with a DeriveKeyPair that
hashes the seed without the labels of draft-ietf-hpke-pq.  Nobody else speaks that, so it has no
place in the library; but a table of two rows and a provider with one other function make our code
a member of such groups, and so all of it but that function is tested in a post-quantum suite too.
"""

from __future__ import annotations

import hashlib
from typing import Final

from alcove.mls import DEFAULT_SUITE, Algorithms, KemKey, Suites, standard_suites, suites_on
from alcove.mls.pyca import Pyca

XWING_SEED_BYTES: Final = 32


class UnlabelledXWing(Pyca):
    """Our provider, but for how ts-mls derives an X-Wing key pair."""

    def kem_derive(self, kem: str, seed: bytes) -> KemKey:
        """DeriveKeyPair: plain SHAKE256 for X-Wing, everything else as the RFC has it."""
        if kem != "xwing":
            return super().kem_derive(kem, seed)
        return self.kem_key(kem, hashlib.shake_256(seed).digest(XWING_SEED_BYTES))


TSMLS_XWING: Final = {
    83: Algorithms("xwing", "aes256gcm", "sha512", "ed25519"),
    84: Algorithms("xwing", "chacha20poly1305", "sha512", "ed25519"),
}

SUITES: Final[Suites] = {**standard_suites(), **suites_on(UnlabelledXWing(), TSMLS_XWING)}

SUITE_NAMES: Final = {
    1: "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519",
    2: "MLS_128_DHKEMP256_AES128GCM_SHA256_P256",
    3: "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519",
    4: "MLS_256_DHKEMX448_AES256GCM_SHA512_Ed448",
    5: "MLS_256_DHKEMP521_AES256GCM_SHA512_P521",
    6: "MLS_256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448",
    7: "MLS_256_DHKEMP384_AES256GCM_SHA384_P384",
    83: "MLS_256_XWING_AES256GCM_SHA512_Ed25519",
    84: "MLS_256_XWING_CHACHA20POLY1305_SHA512_Ed25519",
    DEFAULT_SUITE: "MLS_256_XWING_AES256GCM_SHA384_Ed25519",
}
