"""Files of the story: sealed in chunks before they leave, and carried by the server as blobs.

    padded text ─► chunks of 64 KiB, each sealed under (its number, whether it is the last) ─► blob

The key travels inside a message.  A chunk that is missing, moved or cut off does not open.
"""

import hashlib

from aiohttp import ClientSession

from alcove.cli.demo.telling import must
from alcove.mls import padme, standard_suites

CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
KEY_BYTES = 32
CHACHA_SUITE = 3
"""The suite of RFC 9420 whose cipher is ChaCha20-Poly1305."""
TUS = {"Tus-Resumable": "1.0.0"}


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])


def _cut(text: bytes, size: int) -> list[bytes]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def seal_file(text: bytes, key: bytes) -> bytes:
    """Return a file as it may leave: padded, and sealed chunk by chunk.  A key is used once."""
    suite = standard_suites()[CHACHA_SUITE]
    chunks = _cut(text.ljust(padme(len(text)), b"\0"), CHUNK_BYTES)
    last = len(chunks) - 1
    return b"".join(
        suite.aead_seal(key, _nonce(number, is_last=number == last), chunk, b"")
        for number, chunk in enumerate(chunks)
    )


def open_file(blob: bytes, key: bytes, size: int) -> bytes:
    """Return the file in a blob; raise `CryptoError` when anything of it was changed."""
    suite = standard_suites()[CHACHA_SUITE]
    chunks = _cut(blob, CHUNK_BYTES + TAG_BYTES)
    last = len(chunks) - 1
    return b"".join(
        suite.aead_open(key, _nonce(number, is_last=number == last), chunk, b"")
        for number, chunk in enumerate(chunks)
    )[:size]


def digest(text: bytes) -> bytes:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(text).digest()


class Carrier:
    """One device's way to blobs: uploads by tus 1.0 that can be taken up again, and downloads."""

    def __init__(self, web: ClientSession, url: str, token: str) -> None:
        self._web = web
        self._url = f"{url}/v1/blobs"
        self._token = {"Authorization": f"Bearer {token}"}

    async def announce(self, size: int) -> str:
        """Announce a blob, and return its id."""
        headers = {**self._token, **TUS, "Upload-Length": str(size)}
        async with self._web.post(self._url, headers=headers) as response:
            must(response.status == 201, "The server did not accept the file.")
            return response.headers["Location"].rpartition("/")[2]

    async def there(self, blob: str) -> int:
        """Return how much of a blob has arrived."""
        headers = {**self._token, **TUS}
        async with self._web.head(f"{self._url}/{blob}", headers=headers) as response:
            return int(response.headers["Upload-Offset"])

    async def send(self, blob: str, offset: int, part: bytes) -> None:
        """Send a part of a blob, and wait until the server says that it is safe."""
        headers = {
            **self._token,
            **TUS,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        async with self._web.patch(f"{self._url}/{blob}", headers=headers, data=part) as response:
            arrived = response.headers.get("Upload-Offset")
            must(arrived == str(offset + len(part)), "The server did not take the file.")

    async def fetch(self, blob: str) -> bytes:
        """Return a blob's bytes."""
        async with self._web.get(f"{self._url}/{blob}", headers=self._token) as response:
            must(response.status == 200, "The server did not hand out the file.")
            return await response.read()
