"""How fast this machine does the cryptography: told, and no reason to fail.

What whole messages and files cost, with disk and line, docs/design/performance-client.md says.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alcove.mls import DEFAULT_SUITE, standard_suites

TRIED_S: Final = 0.2
"""So long each thing is done over and over."""
NONCE_BYTES, MESSAGE_BYTES = 12, 200
PIECE_BYTES: Final = 64 * 1024
"""As much of a file as is sealed at once."""
MEGABYTE: Final = 1_000_000


def check(tell: Callable[[str], None], _: Path) -> None:
    """Measure, and tell each figure beside the one that is promised for any machine of today."""
    suite = standard_suites()[DEFAULT_SUITE]
    key, nonce = bytes(suite.key_bytes), bytes(NONCE_BYTES)
    signer = suite.new_signing_key(bytes(64))
    message, piece = bytes(MESSAGE_BYTES), bytes(PIECE_BYTES)

    def say() -> None:
        suite.sign(signer, b"message", suite.aead_seal(key, nonce, message, b""))

    def seal() -> None:
        suite.aead_seal(key, nonce, message, b"")

    def carry() -> None:
        suite.aead_seal(key, nonce, piece, b"")

    def make() -> None:
        suite.kem_derive(bytes(64))

    tell(f"Messages sealed and signed: {rate(say):,.0f} a second (promised: 1,000).")
    tell(f"Sealing alone: {rate(seal):,.0f} a second (promised: 10,000).")
    megabytes = rate(carry) * PIECE_BYTES / MEGABYTE
    tell(f"Files sealed: {megabytes:,.0f} MB a second (promised: 50).")
    tell(f"Key pairs, post-quantum ones included: {rate(make):,.0f} a second (promised: 100).")


def rate(act: Callable[[], None]) -> float:
    """Return how often in a second something is done."""
    count, began = 0, time.perf_counter()
    while (lasted := time.perf_counter() - began) < TRIED_S:
        act()
        count += 1
    return count / lasted
