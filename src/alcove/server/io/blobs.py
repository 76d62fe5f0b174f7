"""Blobs over HTTP: resumable uploads into plain files, downloads out of them.

A blob is one file, named by its id, in folders by its first byte.  What an answer says was
received is on the disk.  `Blobs` is all that is asked of the place where the bytes are.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from alcove.server.blobs import (
    CONTENT_TYPE,
    EXTENSIONS,
    OVERRIDE,
    TUS_VERSION,
    blob_id,
    check_version,
    expiry_of,
    metadata_of,
    number,
)
from alcove.server.caller import Caller
from alcove.server.door import Door
from alcove.server.handlers import blobs as handlers
from alcove.server.handlers.blobs import HOUR_MS, Found
from alcove.server.io.http import BROKEN, HttpDoor, refusal_response
from alcove.server.io.uploads import Upload
from alcove.server.io.works import Works, now_ms
from alcove.server.openapi import CONFLICT, LATE, OTHER_TYPE, REPLACED, WRONG_VERSION
from alcove.server.space import Space
from alcove.server.tx import Tx
from alcove.wire.blobs import DropBlob
from alcove.wire.errors import Code, Refused

Sent = Callable[[], Awaitable[None]]
Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]

PART_BYTES_MAX = 1024 * 1024
"""How much of a file is read or written at one time: a thread is woken for each part."""
PART_BYTES_MIN = 64 * 1024
"""Smaller parts would take more time than they spare memory."""
SYNCED_BYTES = 64 * 1024 * 1024
"""After so much the disk is set to work while more comes, so that the end waits for little."""
PARTS_BYTES_MAX = 64 * 1024 * 1024
"""What the parts of all files under way may take: when there are many of them they get smaller."""
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

    async def changed_at(self, blob: bytes) -> int:
        """Return when bytes of a blob came last, in milliseconds since 1970; 0: none has come."""
        ...

    async def begin(self, blob: bytes) -> None:
        """Make the place for a blob's bytes: nothing is added where there is none."""
        ...

    async def append(self, blob: bytes, offset: int, parts: AsyncIterator[bytes], most: int) -> int:
        """Add bytes at the end, at most so many, and return the size when they are safe."""
        ...

    def response(self, blob: bytes, sent: Sent) -> web.StreamResponse:
        """Return the answer that sends a blob or the part asked for, and then says so."""
        ...

    async def drop(self, blob: bytes) -> None:
        """Delete a blob's bytes, and end its downloads; that they are gone already is no error."""
        ...


class Parts:
    """How large the parts are in which files come and go, by how many are under way."""

    def __init__(self) -> None:
        self._count = 0

    @property
    def size(self) -> int:
        """How large a part may be now, with one more file under way."""
        return max(PART_BYTES_MIN, min(PART_BYTES_MAX, PARTS_BYTES_MAX // (self._count + 1)))

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """Count a file for as long as the block lasts."""
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1


class FileBlobs:
    """Blobs as plain files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts = Parts()
        self._sending: dict[bytes, list[asyncio.Timeout]] = {}

    def _path(self, blob: bytes) -> Path:
        name = blob.hex()
        return self._folder / name[:2] / name

    async def size(self, blob: bytes) -> int:
        """Return how much of a blob is here."""
        try:
            return self._path(blob).stat().st_size
        except FileNotFoundError:
            return 0

    async def changed_at(self, blob: bytes) -> int:
        """Return when bytes of a blob came last, in milliseconds since 1970; 0: none has come."""
        try:
            return self._path(blob).stat().st_mtime_ns // 1_000_000
        except FileNotFoundError:
            return 0

    async def begin(self, blob: bytes) -> None:
        """Make the place for a blob's bytes: nothing is added where there is none."""
        path = self._path(blob)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    async def append(self, blob: bytes, offset: int, parts: AsyncIterator[bytes], most: int) -> int:
        """Add bytes at the end, at most so many, and return the size when they are safe."""
        with self._parts.one_more():
            return await self._append(blob, offset, parts, most)

    async def _append(
        self, blob: bytes, offset: int, parts: AsyncIterator[bytes], most: int
    ) -> int:
        try:
            file = os.open(self._path(blob), os.O_WRONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise Refused(Code.UNKNOWN) from error  # It was deleted a moment ago.
        waiting: list[bytes] = []
        size = written = 0
        syncing: asyncio.Future[None] | None = None
        try:
            os.lseek(file, offset, os.SEEK_SET)
            async for part in parts:
                most -= len(part)
                if most < 0:
                    raise Refused(Code.TOO_LARGE, "More bytes came than the upload announced.")
                waiting.append(part)
                size += len(part)
                if size >= self._parts.size:
                    offset += await asyncio.to_thread(_write, file, waiting)
                    written += size
                    waiting, size = [], 0
                if written >= SYNCED_BYTES and (syncing is None or syncing.done()):
                    if syncing is not None:
                        syncing.result()  # The disk tells of a failure once.
                    syncing = asyncio.ensure_future(asyncio.to_thread(os.fdatasync, file))
                    written = 0
        finally:
            # What came before a connection broke is kept: the client asks for the offset.
            try:
                if waiting and most >= 0:
                    offset += await asyncio.to_thread(_write, file, waiting)
                if syncing is not None:
                    await syncing
                await asyncio.to_thread(os.fdatasync, file)
            finally:
                if syncing is not None:
                    await asyncio.gather(syncing, return_exceptions=True)
                os.close(file)
        return offset

    def response(self, blob: bytes, sent: Sent) -> web.StreamResponse:
        """Return the answer that sends a blob or the part asked for, and then says so."""
        return _Download(
            sent,
            lambda: self._send(blob),
            self._path(blob),
            chunk_size=self._parts.size,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": "attachment",
                "Cache-Control": "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    @asynccontextmanager
    async def _send(self, blob: bytes) -> AsyncIterator[None]:
        """Count a download for as long as the block lasts, which is until the blob is dropped."""
        async with asyncio.timeout(None) as end:
            sending = self._sending.setdefault(blob, [])
            sending.append(end)
            try:
                with self._parts.one_more():
                    yield
            finally:
                sending.remove(end)
                if not sending:
                    self._sending.pop(blob, None)

    async def drop(self, blob: bytes) -> None:
        """Delete a blob's bytes, and end its downloads; that they are gone already is no error."""
        # In this order: whoever opens the file before is in the list, and later on nobody can.
        await asyncio.to_thread(self._path(blob).unlink, missing_ok=True)
        for end in self._sending.pop(blob, []):
            end.reschedule(0)


class _Download(web.FileResponse):
    """A file on its way out, which knows when it has been sent."""

    def __init__(
        self,
        sent: Sent,
        counted: Callable[[], AbstractAsyncContextManager[None]],
        path: Path,
        **options: Any,
    ) -> None:
        super().__init__(path, **options)
        self._sent, self._counted = sent, counted

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        try:
            async with self._counted():
                writer = await super().prepare(request)
        except TimeoutError as error:
            if request.transport is not None:
                request.transport.abort()  # The rest that was promised does not come.
            raise ConnectionResetError("The download was ended.") from error
        if self.status < web.HTTPBadRequest.status_code:
            await self._sent()
        return writer


def _write(file: int, parts: list[bytes]) -> int:
    data = memoryview(b"".join(parts))
    done = 0
    while done < len(data):
        done += os.write(file, data[done:])
    return done


class BlobDoor:
    """The routes under `/v1/blobs`."""

    def __init__(
        self, works: Works, door: Door, http: HttpDoor, blobs: Blobs, space: Space
    ) -> None:
        self._works, self._door, self._http, self._blobs = works, door, http, blobs
        self._space = space
        self._uploading: dict[bytes, Upload] = {}

    def add_to(self, app: web.Application) -> None:
        """Add the routes of this door."""
        everything: dict[str, Handle] = {"OPTIONS": self.options, "POST": self.create}
        one: dict[str, Handle] = {
            "OPTIONS": self.options,
            "GET": self.download,
            "HEAD": self.offset,
            "PATCH": self.upload,
            "DELETE": self.drop,
        }
        for path, handles in (("/v1/blobs", everything), ("/v1/blobs/{blob}", one)):
            serve = self._serving(handles)
            # POST is how a client that has no other method says which one it means.
            for method in sorted({"POST", *handles}):
                app.router.add_route(method, path, serve)

    def _serving(self, handles: Mapping[str, Handle]) -> Handle:
        """Find the method that is meant, and answer refusals as the rest of the HTTP door does."""

        async def serve(request: web.Request) -> web.StreamResponse:
            method = request.headers.get(OVERRIDE, request.method).upper()
            handle = handles.get(method)
            if handle is None:
                raise web.HTTPMethodNotAllowed(method, handles)
            try:
                return await handle(request)
            except Refused as refused:
                return _refusal(refused)
            except ConnectionError:
                return _refusal(Refused(Code.MALFORMED, BROKEN))
            except OSError:
                return _refusal(Refused(Code.STORAGE))

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
        await self._blobs.begin(blob)
        headers = {
            **TUS_HEADERS,
            "Location": f"/v1/blobs/{blob.hex()}",
            "Upload-Offset": "0",
            "Upload-Expires": self._ends(now_ms()),
        }
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
            "Upload-Metadata": metadata_of(found.expiry),
            **await self._expires(blob, found),
        }
        return web.Response(status=200, headers=headers)

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Take bytes of an upload, from where it stands."""
        check_version(request.headers)
        caller = await self._enter(request)
        blob = blob_id(request.match_info["blob"])
        if request.content_type != CONTENT_TYPE:
            wrong = Refused(Code.MALFORMED, f"The Content-Type of an upload is {CONTENT_TYPE}.")
            return _refusal(wrong, OTHER_TYPE)
        found = await self._find(blob, caller, is_mine=True)
        self._space.check_addition(caller.account)
        while (older := self._uploading.get(blob)) is not None:
            await older.replace()  # Its connection may be dead without anybody having said so.
        mine = self._uploading[blob] = Upload(self._door.settings.upload_timeout_s)
        try:
            offset = await self._blobs.size(blob)
            if number(request.headers, "Upload-Offset") != offset:
                headers = {**TUS_HEADERS, **await self._expires(blob, found)}
                return web.Response(status=CONFLICT, headers=headers)
            parts = self._while_space(mine.parts(request.content), caller.account)
            offset = await self._blobs.append(blob, offset, parts, found.size - offset)
        finally:
            del self._uploading[blob]
            mine.end()
        if mine.is_gone:
            raise Refused(Code.UNKNOWN)
        headers = {**TUS_HEADERS, "Upload-Offset": str(offset)}
        if offset < found.size:
            headers |= await self._expires(blob, found)
        if mine.is_replaced or mine.is_late:
            return web.Response(status=REPLACED if mine.is_replaced else LATE, headers=headers)
        if offset == found.size and not found.is_done:
            await self._http.caller(request)  # An account may have been disabled meanwhile.
            await self._works.do(
                lambda tx: handlers.finish(tx, caller.account, blob, now_ms()), caller
            )
        return web.Response(status=204, headers=headers)

    async def _expires(self, blob: bytes, found: Found) -> dict[str, str]:
        """Return the header that tells when an upload that stands still is given up."""
        if found.is_done:
            return {}
        since = max(found.created_at, await self._blobs.changed_at(blob))
        return {"Upload-Expires": self._ends(since)}

    def _ends(self, since: int) -> str:
        """Return the end of an upload that stands still since then, as HTTP writes times."""
        ends_at = since + self._door.settings.upload_hours * HOUR_MS
        return formatdate(ends_at / 1000, usegmt=True)

    async def _while_space(
        self, parts: AsyncIterator[bytes], account: bytes
    ) -> AsyncIterator[bytes]:
        """Return what comes, for as long as there is space for it."""
        async for part in parts:
            self._space.check_addition(account)
            yield part

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

        _end_if_untaken(request, self._door.settings.download_timeout_s)
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
        """Delete the files of blobs whose lines are gone, and end what is under way with them.

        A file that is still open takes space for which nobody is asked any more.
        """
        gone = self._works.hub.blobs_gone
        for _ in range(len(gone)):
            blob = gone[0]  # It stays there until it is done.
            try:
                await self._blobs.drop(blob)
            except OSError:  # The disk may come back: it is tried again the next time.
                gone.append(blob)
            del gone[0]
            upload = self._uploading.get(blob)
            if upload is not None:
                upload.be_gone()


def _refusal(refused: Refused, status: int | None = None) -> web.Response:
    """Return a refusal as HTTP and tus say it."""
    response = refusal_response(refused)
    response.headers["Tus-Resumable"] = TUS_VERSION
    if refused.code == Code.VERSION:
        response.headers["Tus-Version"] = TUS_VERSION
        status = WRONG_VERSION
    if status is not None:
        response.set_status(status)
    return response


def _end_if_untaken(request: web.Request, patience_s: int) -> None:
    """Let the system end a connection on which bytes wait and none is taken for so long.

    Only the system sees each byte that moves, whichever way a file is sent.
    """
    transport = request.transport
    line = None if transport is None else transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if line is not None and option is not None:
        line.setsockopt(socket.IPPROTO_TCP, option, patience_s * 1000)


def _reaches_end(request: web.Request, size: int) -> bool:
    """Return whether what was asked for goes to the blob's last byte."""
    try:
        part = request.http_range
    except ValueError:
        return False
    return part.stop is None or part.stop >= size
