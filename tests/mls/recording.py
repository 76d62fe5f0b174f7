"""A provider that remembers what was sealed and fails when a key is used for two messages."""

from __future__ import annotations

from alcove.mls.pyca import Pyca


class RecordingProvider(Pyca):
    """pyca/cryptography, with a list of every key that sealed something.

    Every key of MLS seals one message, so it is the key that may not come twice, whatever nonce.

    Sealing the very same bytes again gives the very same ciphertext and tells nobody anything: that
    happens when a commit is dropped and made again, word for word, with the same Welcome.
    """

    def __init__(self) -> None:
        self.sealed: dict[bytes, tuple[bytes, bytes]] = {}
        """By key: nonce and ciphertext."""

    def aead_seal(self, algorithm: str, key: bytes, nonce: bytes, data: bytes, aad: bytes) -> bytes:
        """Encrypt and authenticate, once for each key."""
        ciphertext = super().aead_seal(algorithm, key, nonce, data, aad)
        first = self.sealed.setdefault(key, (nonce, ciphertext))
        assert first == (nonce, ciphertext), "a key has sealed two different messages"
        return ciphertext
