"""The server's door for files: tus 1.0 as docs/protocol/blobs.md has it, in five requests.

No answer is believed further than it must be: redirects are not followed, a blob's id is taken from
the end of `Location`, and of a refusal a few hundred bytes are read.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec
from aiohttp import ClientResponse, ClientSession, ClientTimeout

from alcove.client.errors import PeerError
from alcove.wire.blobs import Expiry

TUS = {"Tus-Resumable": "1.0.0"}
EXPIRIES: dict[Expiry, str] = {"never": "bmV2ZXI=", "day": "ZGF5", "week": "d2Vlaw=="}
"""What tus has in its metadata: words in base64."""
REFUSAL_BYTES_MAX = 4_096
"""So much of what a server says when it refuses over HTTP is read."""
CONNECT_TIMEOUT_S = 20
SILENCE_TIMEOUT_S = 90
"""A little more than what the server waits for us."""
READ_BUFFER_BYTES = 1024 * 1024
ID_DIGITS = 32

_TIMEOUT = ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_TIMEOUT_S)


class GetToken(Protocol):
    """Where bearer tokens come from."""

    async def __call__(self, *, is_stale: bool) -> str:
        """Return the token; a new one, now and from now on, when the last one was not taken."""


class StatusError(Exception):
    """The server answered with another status than the one that was hoped for."""

    def __init__(self, status: int, code: str, retry_after_ms: int | None) -> None:
        self.status, self.code, self.retry_after_ms = status, code, retry_after_ms
        super().__init__(f"{status} {code}")


class _Refusal(msgspec.Struct):
    code: str = ""
    retry_after_ms: int | None = None


class Door:
    """Asks the server for what concerns files, with a token that is renewed when it ends."""

    def __init__(self, session: ClientSession, address: str, token: GetToken) -> None:
        self._session, self._token = session, token
        self._blobs = f"{address.rstrip('/')}/v1/blobs"

    async def announce(self, sealed_size: int, expiry: Expiry) -> bytes:
        """Announce an upload and return the blob's id."""
        headers = {
            "Upload-Length": str(sealed_size), "Upload-Metadata": f"expiry {EXPIRIES[expiry]}",
        }  # fmt: skip
        async with self._asking("POST", self._blobs, headers, 201) as response:
            return _id_in(response.headers.get("Location", ""))

    async def offset(self, blob: bytes) -> int:
        """Return how much of an upload the server has."""
        async with self._asking("HEAD", self._of(blob), {}, 200) as response:
            return _number(response, "Upload-Offset")

    async def append(
        self, blob: bytes, offset: int, size: int, parts: AsyncIterator[memoryview]
    ) -> int:
        """Send `size` bytes from an offset on, and return how much the server has then."""
        headers = {
            "Upload-Offset": str(offset), "Content-Length": str(size),
            "Content-Type": "application/offset+octet-stream",
        }  # fmt: skip
        async with self._asking("PATCH", self._of(blob), headers, 204, parts) as response:
            return _number(response, "Upload-Offset")

    @asynccontextmanager
    async def reading(self, blob: bytes, begin: int, size: int) -> AsyncIterator[ClientResponse]:
        """Read a blob from a byte on; refuse one that has another size."""
        headers = {"Accept-Encoding": "identity"}
        if begin:
            headers["Range"] = f"bytes={begin}-"
        status = 206 if begin else 200
        async with self._asking("GET", self._of(blob), headers, status) as response:
            if response.headers.get("Content-Length") != str(size - begin):
                raise PeerError("file_size")
            yield response

    def _of(self, blob: bytes) -> str:
        return f"{self._blobs}/{blob.hex()}"

    @asynccontextmanager
    async def _asking(
        self, verb: str, url: str, headers: dict[str, str], status: int,
        parts: AsyncIterator[memoryview] | None = None,
    ) -> AsyncIterator[ClientResponse]:  # fmt: skip
        """Ask, a second time with a new token if the first one has ended.

        What has a body is asked once: it is not at its beginning any more.
        """
        for is_stale in (False, True):
            token = await self._token(is_stale=is_stale)
            async with self._session.request(
                verb, url, headers={**TUS, "Authorization": f"Bearer {token}", **headers},
                data=parts, allow_redirects=False,
                timeout=_TIMEOUT, read_bufsize=READ_BUFFER_BYTES,
            ) as response:  # fmt: skip
                if response.status == 401 and not is_stale and parts is None:
                    continue
                if response.status != status:
                    refused = await _refused(response)
                    response.close()  # The server may hang up instead of reading what it refuses.
                    raise refused
                yield response
                return


async def _refused(response: ClientResponse) -> StatusError:
    """Return what the server says instead."""
    try:
        refusal = msgspec.json.decode(await response.content.read(REFUSAL_BYTES_MAX), type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        refusal = _Refusal()
    return StatusError(response.status, refusal.code, refusal.retry_after_ms)


def _number(response: ClientResponse, name: str) -> int:
    """Return a header's number; what is none is not an answer of tus."""
    text = response.headers.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise StatusError(502, "no_number", None)
    return int(text)


def _id_in(location: str) -> bytes:
    """Return the blob's id at the end of a place."""
    try:
        blob = bytes.fromhex(location[-ID_DIGITS:])
    except ValueError:
        blob = b""
    if len(blob) * 2 != ID_DIGITS:
        raise StatusError(502, "no_blob", None)
    return blob
