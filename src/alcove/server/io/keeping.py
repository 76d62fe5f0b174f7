"""Runs the housekeeping beside the requests: one small transaction at a time, with pauses between.

However much there is to do, it takes a fifth of the time at most; the rest belongs to requests.
"""

import asyncio
import logging
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

from alcove.server.handlers import blobs
from alcove.server.io.places import blob_path
from alcove.server.io.works import Works, now_ms
from alcove.server.keeping import (
    CHORES,
    DAY_MS,
    HOUR_MS,
    LINES,
    MINUTE_MS,
    SIGHTS,
    Chore,
    Turn,
    count_messages,
)
from alcove.server.settings import Settings
from alcove.server.store.database import StorageError
from alcove.server.tx import Tx
from alcove.wire.errors import Refused

LOOK_S: Final = 5
"""How often the keeper looks what is due."""
REST: Final = 4
"""It rests so many times as long as it has just worked."""
TURNS_MAX: Final = 200
"""How many turns a chore has before others have theirs; it goes on the next time."""
STORED_MAX: Final = 50_000
"""For so many devices messages are counted before the counts are written down."""
ORPHANS_EVERY_MS: Final = 5 * MINUTE_MS
FOLDERS: Final = 256
RESTORED_MS: Final = 30 * DAY_MS
"""So long after a restore no file is taken for an orphan: a newer backup may still be restored."""

_log = logging.getLogger("alcove.server.keeping")


class Keeper:
    """Knows what was done last, and does what is due."""

    def __init__(
        self, works: Works, blob_folder: Path, settings: Callable[[], Settings], now: int
    ) -> None:
        self._works = works
        self._folder = blob_folder
        self._settings = settings
        self._due: dict[str, int] = {chore.name: now + MINUTE_MS for chore in CHORES}
        self._due |= {"uploads": now + HOUR_MS, "orphans": now + ORPHANS_EVERY_MS}
        self._since: dict[str, int] = {}
        self._orphans_folder = 0
        self._day = now // DAY_MS

    async def run(self) -> None:
        """Do what is due, for as long as the server runs."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look(now_ms())

    async def look(self, now: int) -> None:
        """Do what is due by now."""
        for chore in CHORES:
            if self._is_due(chore.name, chore.every_ms, now):
                await self._do(chore)
        if self._is_due("uploads", HOUR_MS, now):
            await self._give_up_uploads(now)
        if self._is_due("orphans", ORPHANS_EVERY_MS, now):
            await self._drop_orphans(now)
        if now // DAY_MS != self._day or len(self._works.hub.stored) > STORED_MAX:
            self._day = now // DAY_MS
            await self.write_counts()

    def _is_due(self, name: str, every_ms: int, now: int) -> bool:
        # A clock that was set back must not keep a chore waiting for long.
        if self._due[name] - every_ms <= now < self._due[name]:
            return False
        self._due[name] = now + every_ms
        return True

    async def _do(self, chore: Chore) -> None:
        """Call a chore until it is through, but not for ever."""
        loop = asyncio.get_running_loop()
        since, done = self._since.pop(chore.name, 0), 0
        for _ in range(TURNS_MAX):
            began = loop.time()
            try:
                turn = await self._works.do(_bound(chore, since))
            except Refused:
                break  # The works have logged why; it begins anew when its time comes again.
            done += turn.done
            if turn.next is None:
                break
            since = turn.next
            await asyncio.sleep(REST * (loop.time() - began))
        else:
            self._since[chore.name] = since
            self._due[chore.name] = 0
        if done:
            _log.info("dropped %s: %d", chore.name, done)

    async def finish(self) -> None:
        """Write down what is only in memory, before the server stops."""
        await self._do(SIGHTS)
        await self.write_counts()

    async def write_counts(self) -> None:
        """Write down how many messages accounts had stored since the last time."""
        hub = self._works.hub
        stored, hub.stored = hub.stored, {}
        while stored:
            some = dict(islice(stored.items(), LINES))
            try:
                await self._works.do(_counting(some))
            except Refused:
                for device, count in hub.stored.items():
                    stored[device] = stored.get(device, 0) + count
                hub.stored = stored
                return
            for device in some:
                del stored[device]

    # ---- Files ----

    async def _give_up_uploads(self, now: int) -> None:
        """Give up uploads that nobody has gone on with for long."""
        since = now - self._settings().upload_hours * HOUR_MS
        try:
            for blob in await self._works.look(lambda tx: blobs.unfinished(tx, now, LINES)):
                if _changed_at(blob_path(self._folder, blob)) < since:
                    await self._works.do(_giving_up(blob))
        except (Refused, StorageError):
            return

    async def _drop_orphans(self, now: int) -> None:
        """Look through one folder of blobs for files that nobody knows.

        A blob's line is written before its file and dropped before it: what a crash leaves behind
        is a file without a line.  A folder outside of the data folder is left alone, because
        another server's files may be there too.
        """
        folder = self._folder / f"{self._orphans_folder:02x}"
        self._orphans_folder = (self._orphans_folder + 1) % FOLDERS
        if self._settings().blob_folder or not folder.is_dir():
            return
        names = sorted(file.name for file in folder.iterdir())
        try:
            if await self._works.look(lambda tx: _was_restored(tx, now)):
                return
            for name in names:
                blob = _blob_named(name)
                if blob and not await self._works.look(_knows(blob)):
                    (folder / name).unlink(missing_ok=True)
                    _log.info("dropped a file that belonged to nothing")
        except StorageError:
            return  # Not the moment.


def _bound(chore: Chore, since: int) -> Callable[[Tx], Turn]:
    return lambda tx: chore.turn(tx, since)


def _counting(stored: dict[bytes, int]) -> Callable[[Tx], int]:
    return lambda tx: count_messages(tx, stored)


def _giving_up(blob: bytes) -> Callable[[Tx], None]:
    return lambda tx: blobs.give_up(tx, blob)


def _knows(blob: bytes) -> Callable[[Tx], bool]:
    return lambda tx: tx.one("SELECT 1 FROM blob WHERE blob = ?", blob) is not None


def _was_restored(tx: Tx, now: int) -> bool:
    """Whether the server was restored lately: it may not know all files that are still wanted."""
    count, newest = tx.one("SELECT COUNT(*), MAX(began_at) FROM incarnation") or (0, 0)
    return bool(count > 1 and newest > now - RESTORED_MS)


def _blob_named(name: str) -> bytes:
    """Return the blob whose file has this name; nothing for other files."""
    try:
        blob = bytes.fromhex(name)
    except ValueError:
        return b""
    return blob if blob.hex() == name else b""


def _changed_at(path: Path) -> int:
    try:
        return int(path.stat().st_mtime * 1000)
    except FileNotFoundError:
        return 0
