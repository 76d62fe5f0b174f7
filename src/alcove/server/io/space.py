"""Looks every few seconds how much space there is, so that no request has to."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from alcove.server.io.works import Works, now_ms
from alcove.server.settings import Settings
from alcove.server.space import Space
from alcove.wire.errors import Refused

LOOK_S: Final = 5
"""How often it looks: even a fast line fills no reserve in that time."""

_log = logging.getLogger("alcove.server.space")


class Surveyor:
    """Knows how much space is free, and says when that is too little."""

    def __init__(
        self,
        works: Works,
        space: Space,
        folders: Sequence[Path],
        settings: Callable[[], Settings],
    ) -> None:
        self._works, self._space = works, space
        self._folders, self._settings = tuple(folders), settings

    async def run(self) -> None:
        """Look again and again, for as long as the server runs."""
        while True:
            await self.look(now_ms())
            await asyncio.sleep(LOOK_S)

    async def look(self, now: int) -> None:
        """Look once at the disk, and at what accounts have sent today."""
        settings, space = self._settings(), self._space
        sent = self._works.hub.received_today(now)
        space.see_accounts(sent, settings.account_day_bytes, now)
        free = await asyncio.to_thread(least_free, self._folders)
        if not space.see_disk(free, settings.disk_free_min_bytes):
            return
        megabytes = free // 1_000_000
        if space.level == "enough":
            _log.info("there is space on the disk again: %d MB", megabytes)
        else:
            _log.error("the disk is nearly full: %d MB, see disk_free_min_bytes", megabytes)
        kind = "disk_enough" if space.level == "enough" else "disk_short"
        with suppress(Refused):  # There may be no space for that either.
            await self._works.do(lambda tx: tx.audit(kind, None, megabytes=megabytes))


def least_free(folders: Sequence[Path]) -> int:
    """Return how many bytes are free where there is the least of them."""
    return min(shutil.disk_usage(_existing(folder)).free for folder in folders)


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there already."""
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())
