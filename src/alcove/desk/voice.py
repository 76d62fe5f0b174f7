"""Voice notes of one's own: where they lie until they have left.

HOME/profiles/NAME/files/voice-….wav      as the recorder writes it; gone when it was sent
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alcove import client as sdk
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

PATTERN: Final = "voice-*.wav"


class NewVoice(Call[str], frozen=True, kw_only=True):
    """Where a voice note is to be recorded; send it by `SendFiles`."""


@answers(NewVoice)
async def new_voice(desk: "Desk", _: NewVoice) -> str:
    """Return a path of which nothing is there yet; what was never sent is taken away."""
    folder = desk.client.opened.profile.files
    await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
    desk.recorded = folder / PATTERN.replace("*", str(desk.now()))
    await sweep(desk)
    return str(desk.recorded)


def heard(desk: "Desk", news: object) -> bool:
    """Whether a voice note of one's own is through, or was given up."""
    if not isinstance(news, sdk.FileChanged):
        return False
    found = desk.client.files.transfer(news.number)
    if found is None or found.state != "done" or not found.path.match(PATTERN):
        return False
    if found.path == desk.recorded:
        desk.recorded = None
    return True


async def sweep(desk: "Desk") -> None:
    """Take away the voice notes that nobody needs any more."""
    folder = desk.client.opened.profile.files
    needed = {one.path for one in desk.client.files.all()} | {desk.recorded}
    await asyncio.to_thread(_sweep, folder, needed)


def _sweep(folder: Path, needed: set[Path | None]) -> None:
    for one in sorted(folder.glob(PATTERN)):
        if one not in needed:
            with suppress(OSError):  # It is taken away the next time.
                one.unlink()
