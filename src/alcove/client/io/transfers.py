"""Carries files to the server and back, a few at a time, until each is through or cannot be.

A line of the table `transfer` is what is to be done; a task here does it, and notes each step in
the table before the next.  So a broken line, a pause or a kill costs the bytes under way, no more.
"""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError as WebError
from aiohttp import ClientSession

from alcove.client.errors import ClientError, OfflineError, PeerError
from alcove.client.files import transfers as steps
from alcove.client.files.kinds import people_size
from alcove.client.files.stream import HEADER, SEALED_RUN_BYTES, Tally, largest, shape
from alcove.client.files.transfers import Transfer
from alcove.client.io import disk
from alcove.client.io.door import Door, GetToken, StatusError
from alcove.client.store.database import Database

AT_ONCE = 3
"""Files that are carried at a time."""
PAUSE_S, PAUSE_S_MAX = 1.0, 60.0
"""After a failure that may pass; doubled each time until something has come through."""
STALL_TIMEOUT_S = 300
"""A line that takes nothing for so long is dropped."""
NOTED_BYTES = 64 * 1024 * 1024
"""How far a transfer goes between two notes of its progress."""

PART_BYTES = 256 * 1024
"""What is handed to the line at a time: what the system does not take at once is copied."""

Do = Callable[..., Any]
"""Carries out one step of the engine: do(step, *arguments)."""
Progress = Callable[[int, int], None]
"""Is told a transfer's number and how many bytes of the plain file are through."""

_DISK = {
    errno.ENOSPC: "The disk is full; make space and try again.",
    errno.ENOENT: "The file is not there any more; look where it went and send it again.",
    errno.EACCES: "This device does not let the app at the file; change its permissions.",
    errno.EROFS: "The folder cannot be written to; choose another one.",
}
_OFFLINE = "The server cannot be reached; the file goes on when it can."
_BUSY = "The server asks to wait a little; the file goes on by itself."
_GONE = "The file is not on the server any more; ask its sender to send it again."
_WRONG = (
    "What the server has is not the file that was sent, so it was deleted here; ask its sender to"
    " send it again."
)
_ODD = "The server answered in a way that this app does not know; update the older of the two."
_PASSING = frozenset({401, 408, 409, 423, 425, 429, 500, 502, 503, 504})
"""Answers after which the same may be tried again."""


@dataclass
class _Task:
    """One transfer under way."""

    task: asyncio.Task[None]
    done: int = 0
    noted: int = 0
    """The progress that the table knows."""


class Transfers:
    """The files of one account on their way."""

    def __init__(
        self,
        do: Do,
        db: Database,
        session: ClientSession,
        address: str,
        token: GetToken,
        *,
        progress: Progress | None = None,
        blob_bytes_max: int | None = None,
    ) -> None:
        self._do, self._db = do, db
        self._door = Door(session, address, token)
        self._progress = progress
        self.blob_bytes_max = blob_bytes_max
        """What the server's greeting says; larger files are refused before they are read."""
        self._tasks: dict[int, _Task] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._hope = asyncio.Event()
        self._is_stopped = False

    # ---- From outside ----

    def wake(self) -> None:
        """Carry on what is to be done: at the start, when the line is up, and after each step."""
        if self._is_stopped:
            return
        hope, self._hope = self._hope, asyncio.Event()
        hope.set()
        for found in steps.to_do(self._db):
            if found.number not in self._tasks:
                self._tasks[found.number] = _Task(asyncio.create_task(self._run(found.number)))

    async def pause(self, number: int) -> None:
        """Let a transfer rest; `carry_on` of `files.transfers`, and `wake`, go on with it."""
        if number in self._tasks:
            self._note(number, None)
        self._do(steps.pause, number)
        await self._end(number)

    async def cancel(self, number: int) -> None:
        """Give a transfer up, and delete what there is of it here and on the server."""
        self._do(steps.cancel, number)
        await self._end(number)
        self.wake()

    def drop(self, number: int) -> None:
        """End what is under way of a transfer that went with its message, and clear it away."""
        under_way = self._tasks.get(number)
        if under_way is None:
            self.wake()
            return

        def ended(_: object) -> None:
            if self._tasks.get(number) is under_way:  # It had not begun, and so clears nothing.
                del self._tasks[number]
            self.wake()

        under_way.task.cancel()
        under_way.task.add_done_callback(ended)

    async def stop(self) -> None:
        """End all tasks; what they did not finish is still to be done the next time."""
        self._is_stopped = True
        for number in list(self._tasks):
            await self._end(number)

    async def idle(self) -> None:
        """Return when nothing is under way any more."""
        while self._tasks:
            await asyncio.wait([under_way.task for under_way in self._tasks.values()])
            await asyncio.sleep(0)

    async def _end(self, number: int) -> None:
        under_way = self._tasks.get(number)
        if under_way is not None:
            under_way.task.cancel()
            with suppress(asyncio.CancelledError):
                await under_way.task
            if self._tasks.get(number) is under_way:  # It had not begun, and so clears nothing.
                del self._tasks[number]

    # ---- One transfer ----

    async def _run(self, number: int) -> None:
        """Carry one transfer until it is through, cannot be, or is not wanted any more."""
        try:
            async with self._slots:
                pause_s = PAUSE_S
                while (found := steps.transfer(self._db, number)) is not None:
                    if found.state == steps.CANCELLED:
                        await self._clear(found)
                    if found.state != steps.OPEN:
                        return
                    rest = await self._try(found)
                    if rest is None:
                        pause_s = PAUSE_S
                        continue
                    await self._rest(max(rest, pause_s))
                    pause_s = min(2 * pause_s, PAUSE_S_MAX)
        finally:
            del self._tasks[number]

    async def _rest(self, seconds: float) -> None:
        """Wait for so long, or until there is hope."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._hope.wait(), seconds)

    async def _try(self, found: Transfer) -> float | None:
        """Go as far as it goes; return how long to wait, or None to look at the table again."""
        try:
            await (self._upload(found) if found.is_upload else self._download(found))
        except StatusError as error:
            return self._refused(found, error)
        except PeerError:
            await asyncio.to_thread(disk.clear, found.path, found.number)
            self._fail(found, _WRONG)
        except (OfflineError, WebError, TimeoutError, ConnectionError):
            self._note(found.number, None, _OFFLINE)
            return 0.0
        except ClientError as error:
            self._fail(found, str(error))
        except disk.ChangedError:
            pass  # It is looked at again, and begins anew.
        except OSError as error:
            self._fail(found, _DISK.get(error.errno or 0, "The disk does not work as it should."))
        return None

    def _refused(self, found: Transfer, error: StatusError) -> float | None:
        """Do what follows from a refusal."""
        if error.status == 404 and found.is_upload:
            self._do(steps.given_up, found.number)
            return 0.0
        if error.status in _PASSING and error.code != "limit":
            self._note(found.number, None, _BUSY)
            return (error.retry_after_ms or 0) / 1000
        if error.status == 404:
            self._fail(found, _GONE)
        elif error.status == 413:
            self._fail(found, self._too_large())
        elif error.status == 507:
            size = people_size(found.file.sealed.size)
            self._fail(found, f"There is no space for {size} on the server; delete older files.")
        elif error.code == "limit":
            self._fail(found, "You have as many files on the server as it takes; delete some.")
        else:
            self._fail(found, _ODD)
        return None

    def _too_large(self) -> str:
        if self.blob_bytes_max is None:
            return "The file is larger than this server takes; ask its host, or send parts."
        most = people_size(largest(self.blob_bytes_max))
        return f"The file is larger than this server takes ({most}); ask its host, or send parts."

    def _fail(self, found: Transfer, why: str) -> None:
        self._do(steps.failed, found.number, why)

    async def _clear(self, found: Transfer) -> None:
        """Delete what lies here of a transfer that was given up."""
        if not found.is_upload:
            with suppress(OSError):  # What cannot be deleted now, the owner sees in the folder.
                await asyncio.to_thread(disk.clear, found.path, found.number)
        self._do(steps.forget, found.number)

    def _note(self, number: int, done: int | None, why: str = "") -> None:
        """Tell how far a transfer is, and write it down from time to time."""
        under_way = self._tasks[number]
        under_way.done = under_way.done if done is None else done
        if done is None or abs(done - under_way.noted) >= NOTED_BYTES:
            under_way.noted = under_way.done
            self._do(steps.progressed, number, under_way.done, why)
        if done is not None and self._progress is not None:
            self._progress(number, done)

    # ---- Up ----

    async def _upload(self, found: Transfer) -> None:
        """Look at a file, announce it, and send what the server does not have yet."""
        size = await asyncio.to_thread(lambda: Path(found.path).stat().st_size)
        if self.blob_bytes_max is not None and shape(size).sealed > self.blob_bytes_max:
            self._fail(found, self._too_large())
            return
        size, first_look = await asyncio.to_thread(disk.look_at, found.path)
        looked = self._do(steps.looked_at, found.number, size, first_look.digest())
        if looked is None:
            return
        sealed_size, offset = shape(size).sealed, 0
        if looked.blob is None:
            blob = await self._door.announce(sealed_size, looked.expiry)
            if not self._do(steps.announced, found.number, blob):
                return
        else:
            blob = looked.blob
            offset = await self._door.offset(blob)
        while True:  # An upload that is whole is said to be so by an empty request, if need be.
            had, offset = offset, await self._send(looked, blob, offset, first_look)
            if offset >= sealed_size:
                break
            if offset <= had:
                raise StatusError(502, "no_progress", None)
        self._do(steps.uploaded, found.number)
        self._note(found.number, size)

    async def _send(self, looked: Transfer, blob: bytes, offset: int, first_look: Tally) -> int:
        """Send a file from an offset of its sealed form on; return what the server has then."""
        sealed = looked.file.sealed
        its = shape(sealed.size)
        if offset > its.sealed:
            raise StatusError(404, "unknown", None)  # It is another's, or none of ours.
        async with asyncio.timeout(STALL_TIMEOUT_S) as stall:

            def moved(run: int) -> None:
                stall.reschedule(asyncio.get_running_loop().time() + STALL_TIMEOUT_S)
                self._note(looked.number, sum(its.plain_at(run)))

            feed = _Feed(looked, first_look, offset, moved)
            try:
                return await self._door.append(blob, offset, its.sealed - offset, feed.parts())
            except (WebError, ConnectionError):
                if feed.failure is not None:
                    raise feed.failure from None
                raise
            finally:
                await feed.close()

    # ---- Down ----

    async def _download(self, found: Transfer) -> None:
        """Fetch what is not here yet of a file, check it, and put it in its place."""
        sealed = found.file.sealed
        sink = disk.Sink(found.path, found.number, sealed)
        try:
            await _whole(asyncio.ensure_future(asyncio.to_thread(sink.open)))
            if sink.run < sink.shape.runs:
                await self._fetch(found, sink)
            await _whole(asyncio.ensure_future(asyncio.to_thread(sink.finish)))
        except PeerError:
            if not sink.is_resumed:
                raise
            # What lay here may have suffered: once more from the beginning.
            await asyncio.to_thread(disk.clear, found.path, found.number)
            return
        finally:
            sink.close()
        path = await asyncio.to_thread(disk.put, sink.part, found.path)
        self._do(steps.saved, found.number, path)
        self._note(found.number, sealed.size)

    async def _fetch(self, found: Transfer, sink: disk.Sink) -> None:
        """Read a blob from where the temporary file ends."""
        begin, its = sink.wanted_from(), sink.shape
        reading = self._door.reading(found.file.sealed.blob, begin, its.sealed)
        async with asyncio.timeout(STALL_TIMEOUT_S) as stall, reading as response:
            writing: asyncio.Future[None] | None = None
            try:
                for run in range(sink.run, its.runs):
                    front = len(HEADER) if run == 0 else 0
                    sealed = await _read(response.content, front + its.sealed_at(run)[1])
                    if writing is not None:
                        await _whole(writing)
                    writing = asyncio.ensure_future(asyncio.to_thread(sink.take, sealed))
                    stall.reschedule(asyncio.get_running_loop().time() + STALL_TIMEOUT_S)
                    self._note(found.number, sum(its.plain_at(run)))
                assert writing is not None
                await _whole(writing)
            finally:
                if writing is not None and not writing.done():
                    await asyncio.wait([writing])


class _Feed:
    """Feeds an upload: the next run is read and sealed in a thread while the last one leaves."""

    def __init__(
        self, looked: Transfer, first_look: Tally, offset: int, moved: Callable[[int], None]
    ) -> None:
        self._shape = shape(looked.file.sealed.size)
        self._offset = offset
        self._first = self._shape.run_of(offset)
        self._source = disk.Source(looked.path, looked.file.sealed, first_look, self._first)
        self._moved = moved
        self._coming: asyncio.Future[memoryview] | None = None
        self.failure: Exception | None = None
        """Why the file could not be read on: the web library tells its own version of it."""

    async def parts(self) -> AsyncIterator[memoryview]:
        """Yield what the server does not have yet."""
        if self._offset == self._shape.sealed:
            return
        self._fetch()
        for run in range(self._first, self._shape.runs):
            assert self._coming is not None
            try:
                data = await asyncio.shield(self._coming)
            except (disk.ChangedError, ClientError, OSError) as error:
                self.failure = error
                raise
            if run + 1 < self._shape.runs:
                self._fetch()
            for part in _from(self._offset, self._shape.sealed_at(run)[0], data):
                yield part
            self._moved(run)

    def _fetch(self) -> None:
        self._coming = asyncio.ensure_future(asyncio.to_thread(self._source.next))

    async def close(self) -> None:
        """Close the file, once nobody reads in it any more."""
        if self._coming is not None:
            await asyncio.wait([self._coming])
            self._coming.exception()  # Whoever waited for it has seen it.
        self._source.close()


async def _whole(running: "asyncio.Future[None]") -> None:
    """Wait for what runs in a thread; whoever is cancelled meanwhile waits until it has ended."""
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


async def _read(content: Any, size: int) -> memoryview:
    """Read so many bytes, or break off."""
    buffer = memoryview(bytearray(size))
    at = 0
    async for data in _taking(content, size):
        buffer[at : at + len(data)] = data
        at += len(data)
    if at < size:
        raise ConnectionError
    return buffer


async def _taking(content: Any, size: int) -> AsyncIterator[bytes]:
    """Yield what comes, so many bytes in all at the most."""
    while size and (data := await content.read(min(size, SEALED_RUN_BYTES))):
        size -= len(data)
        yield data


def _from(offset: int, begin: int, data: memoryview) -> list[memoryview]:
    """Return what of a run lies behind an offset; the header stands before the first."""
    front = [memoryview(HEADER), data] if begin == len(HEADER) else [data]
    at = 0 if begin == len(HEADER) else begin
    parts: list[memoryview] = []
    for part in front:
        left = part[max(offset - at, 0) :]
        at += len(part)
        parts += [left[begin : begin + PART_BYTES] for begin in range(0, len(left), PART_BYTES)]
    return parts
