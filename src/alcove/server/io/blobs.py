"""Blobs over HTTP: resumable uploads into plain files, downloads out of them.

A blob is one file, named by its id, in folders by its first byte.  What an answer says was
received is on the disk.  `Blobs` is all that is asked of the place where the bytes are.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter

from alcove.server.blobs import (
    CONTENT_TYPE,
    EXTENSIONS,
    TUS_VERSION,
    blob_id,
    check_version,
    expiry_of,
    number,
)
from alcove.server.caller import Caller
from alcove.server.door import Door
from alcove.server.handlers import blobs as handlers
from alcove.server.handlers.blobs import Found
from alcove.server.io.http import HttpDoor, refusal_response
from alcove.server.io.works import Works, now_ms
from alcove.server.openapi import CONFLICT, LATE
from alcove.server.tx import Tx
from alcove.wire.blobs import DropBlob
from alcove.wire.errors import Code, Refused

Sent = Callable[[], Awaitable[None]]
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

WRITE_BYTES = 1024 * 1024
"""How much of an upload is gathered before it is written: a thread is woken for each write."""
LOCKED = 423
TUS_HEADERS = {
    "Tus-Resumable": TUS_VERSION,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Blobs(Protocol):
    """Where the bytes of blobs are."""

    async def size(self, blob: bytes) -> int:
        """Return how much of a blob is here."""
        ...

    async def append(self, blob: bytes, offset: int, parts: AsyncIterator[bytes], most: int) -> int:
        """Add bytes at the end, at most so many, and return the size when they are safe."""
        ...

    def response(self, blob: bytes, sent: Sent) -> web.StreamResponse:
        """Return the answer that sends a blob or the part asked for, and then says so."""
        ...

    async def drop(self, blob: bytes) -> None:
        """Delete a blob's bytes; that they are gone already is no error."""
        ...


class FileBlobs:
    """Blobs as plain files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, blob: bytes) -> Path:
        name = blob.hex()
        return self._folder / name[:2] / name

    async def size(self, blob: bytes) -> int:
        """Return how much of a blob is here."""
        try:
            return self._path(blob).stat().st_size
        except FileNotFoundError:
            return 0

    async def append(self, blob: bytes, offset: int, parts: AsyncIterator[bytes], most: int) -> int:
        """Add bytes at the end, at most so many, and return the size when they are safe."""
        path = self._path(blob)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        waiting: list[bytes] = []
        size = 0
        try:
            os.lseek(file, offset, os.SEEK_SET)
            async for part in parts:
                most -= len(part)
                if most < 0:
                    raise Refused(Code.TOO_LARGE, "More bytes came than the upload announced.")
                waiting.append(part)
                size += len(part)
                if size >= WRITE_BYTES:
                    offset += await asyncio.to_thread(_write, file, waiting)
                    waiting, size = [], 0
        finally:
            # What came before a connection broke is kept: the client asks for the offset.
            if waiting and most >= 0:
                offset += await asyncio.to_thread(_write, file, waiting)
            await asyncio.to_thread(os.fdatasync, file)
            os.close(file)
        return offset

    def response(self, blob: bytes, sent: Sent) -> web.StreamResponse:
        """Return the answer that sends a blob or the part asked for, and then says so."""
        return _Download(
            sent,
            self._path(blob),
            chunk_size=WRITE_BYTES,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": "attachment",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def drop(self, blob: bytes) -> None:
        """Delete a blob's bytes; that they are gone already is no error."""
        await asyncio.to_thread(self._path(blob).unlink, missing_ok=True)


class _Download(web.FileResponse):
    """A file on its way out, which knows when it has been sent."""

    def __init__(self, sent: Sent, path: Path, *, chunk_size: int, headers: dict[str, str]) -> None:
        super().__init__(path, chunk_size=chunk_size, headers=headers)
        self._sent = sent

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        writer = await super().prepare(request)
        if self.status < web.HTTPBadRequest.status_code:
            await self._sent()
        return writer


def _write(file: int, parts: list[bytes]) -> int:
    data = memoryview(b"".join(parts))
    done = 0
    while done < len(data):
        done += os.write(file, data[done:])
    return done


class _Upload:
    """One upload that is running: it ends when nothing comes, or when a newer one takes over."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._waiting: asyncio.Timeout | None = None
        self._ended = asyncio.Event()
        self.is_replaced = False
        self.is_late = False

    async def parts(self, content: StreamReader) -> AsyncIterator[bytes]:
        """Return what comes, for as long as it goes on coming."""
        while not self.is_replaced:
            try:
                async with asyncio.timeout(self._patience_s) as self._waiting:
                    part = await content.readany()
            except TimeoutError:
                self.is_late = not self.is_replaced
                return
            finally:
                self._waiting = None
            if not part:
                return
            yield part

    async def replace(self) -> None:
        """Let it end where it is, and wait until it has."""
        if self._waiting is not None and not self.is_replaced:
            self._waiting.reschedule(0)
        self.is_replaced = True
        await self._ended.wait()

    def end(self) -> None:
        """Say that nothing is written by this upload any more."""
        self._ended.set()


class BlobDoor:
    """The routes under `/v1/blobs`."""

    def __init__(self, works: Works, door: Door, http: HttpDoor, blobs: Blobs) -> None:
        self._works, self._door, self._http, self._blobs = works, door, http, blobs
        self._uploading: dict[bytes, _Upload] = {}

    def add_to(self, app: web.Application) -> None:
        """Add the routes of this door."""
        app.router.add_route("OPTIONS", "/v1/blobs", self.options)
        app.router.add_post("/v1/blobs", self._refusing(self.create))
        one = "/v1/blobs/{blob}"
        app.router.add_get(one, self._refusing(self.download), allow_head=False)
        app.router.add_head(one, self._refusing(self.offset))
        app.router.add_patch(one, self._refusing(self.upload))
        app.router.add_delete(one, self._refusing(self.drop))

    def _refusing(self, handle: Handle) -> Handle:
        """Answer refusals as the rest of the HTTP door does."""

        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                return await handle(request)
            except Refused as refused:
                response = refusal_response(refused)
                response.headers["Tus-Resumable"] = TUS_VERSION
                if refused.code == Code.VERSION:
                    response.headers["Tus-Version"] = TUS_VERSION
                    response.set_status(412)
                return response
            except OSError as error:
                if isinstance(error, ConnectionError):
                    raise
                return refusal_response(Refused(Code.STORAGE))

        return serve

    async def _enter(self, request: web.Request) -> Caller:
        caller = await self._http.caller(request)
        if not caller.device:
            raise Refused(Code.SIGN_IN_FIRST)
        self._http.count("blob", caller)
        return caller

    async def _find(self, blob: bytes, caller: Caller, *, is_mine: bool) -> Found:
        def look(tx: Tx) -> Found:
            return handlers.look_up(tx, blob, now_ms())

        found = await self._http.look(look)
        if (is_mine or not found.is_done) and found.account != caller.account:
            raise Refused(Code.UNKNOWN)
        return found

    async def options(self, _: web.Request) -> web.StreamResponse:
        """Say what this server can do."""
        headers = {
            **TUS_HEADERS,
            "Tus-Version": TUS_VERSION,
            "Tus-Extension": EXTENSIONS,
            "Tus-Max-Size": str(self._door.settings.blob_bytes_max),
        }
        return web.Response(status=204, headers=headers)

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Announce an upload."""
        check_version(request.headers)
        caller = await self._enter(request)
        size, expiry = number(request.headers, "Upload-Length"), expiry_of(request.headers)
        blob = await self._works.do(
            lambda tx: handlers.announce(tx, caller.account, size, expiry, now_ms()), caller
        )
        headers = {**TUS_HEADERS, "Location": f"/v1/blobs/{blob.hex()}", "Upload-Offset": "0"}
        return web.Response(status=201, headers=headers)

    async def offset(self, request: web.Request) -> web.StreamResponse:
        """Say how much of an upload is here."""
        check_version(request.headers)
        caller = await self._enter(request)
        blob = blob_id(request.match_info["blob"])
        found = await self._find(blob, caller, is_mine=True)
        headers = {
            **TUS_HEADERS,
            "Upload-Offset": str(await self._blobs.size(blob)),
            "Upload-Length": str(found.size),
        }
        return web.Response(status=200, headers=headers)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take bytes of an upload, from where it stands."""
        check_version(request.headers)
        caller = await self._enter(request)
        blob = blob_id(request.match_info["blob"])
        if request.content_type != CONTENT_TYPE:
            raise Refused(Code.MALFORMED, f"The Content-Type of an upload is {CONTENT_TYPE}.")
        found = await self._find(blob, caller, is_mine=True)
        while (older := self._uploading.get(blob)) is not None:
            await older.replace()  # Its connection may be dead without anybody having said so.
        mine = self._uploading[blob] = _Upload(self._door.settings.upload_timeout_s)
        try:
            offset = await self._blobs.size(blob)
            if number(request.headers, "Upload-Offset") != offset:
                return web.Response(status=CONFLICT, headers=TUS_HEADERS)
            offset = await self._blobs.append(
                blob, offset, mine.parts(request.content), found.size - offset
            )
        finally:
            del self._uploading[blob]
            mine.end()
        headers = {**TUS_HEADERS, "Upload-Offset": str(offset)}
        if mine.is_replaced or mine.is_late:
            return web.Response(status=LOCKED if mine.is_replaced else LATE, headers=headers)
        if offset == found.size and not found.is_done:
            await self._http.caller(request)  # An account may have been disabled meanwhile.
            await self._works.do(
                lambda tx: handlers.finish(tx, caller.account, blob, now_ms()), caller
            )
        return web.Response(status=204, headers=headers)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Send a blob, or the part of it that was asked for."""
        caller = await self._enter(request)
        blob = blob_id(request.match_info["blob"])
        found = await self._find(blob, caller, is_mine=False)
        if not found.is_done:
            raise Refused(Code.UNKNOWN, "This file is still being uploaded.")

        async def sent() -> None:
            if _reaches_end(request, found.size):
                await self._works.do(
                    lambda tx: handlers.count_download(tx, caller.account, blob), caller
                )

        return self._blobs.response(blob, sent)

    async def drop(self, request: web.Request) -> web.StreamResponse:
        """End an upload, or delete a blob of one's own."""
        check_version(request.headers)
        caller = await self._enter(request)
        blob = blob_id(request.match_info["blob"])
        await self._find(blob, caller, is_mine=True)
        request_ = DropBlob(blob=blob)
        await self._works.do(lambda tx: handlers.drop_blob(tx, caller, request_, now_ms()), caller)
        return web.Response(status=204, headers=TUS_HEADERS)

    async def drop_files(self) -> None:
        """Delete the files of blobs whose lines are gone."""
        gone, self._works.hub.blobs_gone = self._works.hub.blobs_gone, []
        for blob in gone:
            await self._blobs.drop(blob)


def _reaches_end(request: web.Request, size: int) -> bool:
    """Return whether what was asked for goes to the blob's last byte."""
    try:
        part = request.http_range
    except ValueError:
        return False
    return part.stop is None or part.stop >= size
