"""No key and nonce may seal two things: every sealing of a world is remembered, wherever it is.

It listens where all cryptography passes, so it knows nothing of formats.  What is sealed and never
leaves its device has harmed nobody: a process may be killed before it has stored what it sealed,
and then seals anew.  So what counts is what leaves.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

import msgspec

from alcove.mls.pyca import Pyca

TAG_BYTES: Final = 16
"""What is sealed is known by its last bytes."""


class Sealings:
    """What was sealed under which key and nonce, and what of it has left a device."""

    def __init__(self) -> None:
        self._made: dict[bytes, tuple[bytes, bytes]] = {}
        self._left: dict[tuple[bytes, bytes], bytes] = {}
        self.reused: list[str] = []
        """Who sealed two things under one key and nonce."""

    def note(self, key: bytes, nonce: bytes, sealed: bytes) -> None:
        """Remember a sealing."""
        self._made[sealed[-TAG_BYTES:]] = (bytes(key), bytes(nonce))

    def leave(self, who: str, frame: bytes) -> None:
        """Look at what leaves a device."""
        if not self._made:
            return
        for part in _parts(msgspec.msgpack.decode(frame)):
            tag = part[-TAG_BYTES:]
            under = self._made.get(tag)
            if under is not None and self._left.setdefault(under, tag) != tag:
                self.reused.append(who)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Listen to all sealing while this lasts."""
        seal = Pyca.aead_seal

        def aead_seal(
            crypto: Pyca, algorithm: str, key: bytes, nonce: bytes, data: bytes, aad: bytes
        ) -> bytes:
            sealed = seal(crypto, algorithm, key, nonce, data, aad)
            self.note(key, nonce, sealed)
            return sealed

        cast("Any", Pyca).aead_seal = aead_seal
        try:
            yield
        finally:
            cast("Any", Pyca).aead_seal = seal


def _parts(thing: Any) -> Iterator[bytes]:
    """Yield every piece of bytes in something that was decoded."""
    if isinstance(thing, bytes):
        yield thing
    elif isinstance(thing, dict):
        for value in thing.values():
            yield from _parts(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from _parts(value)
