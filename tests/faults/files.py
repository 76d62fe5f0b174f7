"""Files over HTTP, as a client of tus 1.0 sends them."""

import io
from typing import Self

import aiohttp
import msgspec

from alcove.wire.greeting import NewToken, Token
from tests.faults.clients import Friend

TUS = {"Tus-Resumable": "1.0.0"}


class Files:
    """Somebody's uploads and downloads, with a token of one's own."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.token = token
        self.headers = {"Authorization": f"Bearer {token}", **TUS}

    @classmethod
    async def of(cls, friend: Friend, url: str) -> Self:
        """Ask for a token on a friend's socket."""
        token = await friend.ask(NewToken(id=friend.next_id()))
        assert isinstance(token, Token), token
        return cls(url, token.token)

    async def announce(self, size: int) -> str:
        """Announce a file, and return where it goes."""
        headers = {**self.headers, "Upload-Length": str(size)}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/v1/blobs", headers=headers) as response,
        ):
            assert response.status == 201, await response.text()
            return f"{self.url}{response.headers['Location']}"

    async def offset(self, place: str) -> int:
        """Ask how much of a file is there."""
        async with (
            aiohttp.ClientSession() as session,
            session.head(place, headers=self.headers) as response,
        ):
            assert response.status == 200
            return int(response.headers["Upload-Offset"])

    async def send(self, place: str, offset: int, data: bytes) -> tuple[int, str]:
        """Send bytes of a file, and return the status and the refusal's code, if there is one."""
        headers = {
            **self.headers,
            "Upload-Offset": str(offset),
            "Content-Type": "application/offset+octet-stream",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.patch(place, data=io.BytesIO(data), headers=headers) as response,
        ):
            text = await response.text()
            return response.status, msgspec.json.decode(text)["code"] if text else ""

    async def fetch(self, place: str) -> tuple[int, bytes]:
        """Read a file, and return the status and the bytes."""
        async with (
            aiohttp.ClientSession() as session,
            session.get(place, headers=self.headers) as response,
        ):
            return response.status, await response.read()
