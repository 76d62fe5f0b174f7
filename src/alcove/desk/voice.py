"""Voice notes: one's own until they have left, those of others while they are played.

HOME/profiles/NAME/files/voice-….wav     as the recorder writes it; gone when it was sent
HOME/profiles/NAME/files/.heard/         what is being played; gone when that is over

Both can be read by who has the disk.  What a program that was killed has left of them goes when the
account is opened the next time.
"""

import asyncio
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alcove import client as sdk
from alcove.client import ClientError
from alcove.desk.calls import Call, answers
from alcove.desk.chats import line_of

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

PATTERN: Final = "voice-*.wav"
HEARD: Final = ".heard"


class NewVoice(Call[str], frozen=True, kw_only=True):
    """Where a voice note is to be recorded; send it by `SendFiles`."""


@answers(NewVoice)
async def new_voice(desk: "Desk", _: NewVoice) -> str:
    """Return a path of which nothing is there yet; what was never sent is taken away."""
    folder = _files(desk.client)
    await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
    desk.recorded = folder / PATTERN.replace("*", str(desk.now()))
    await sweep(desk.client, desk.recorded)
    return str(desk.recorded)


class Hear(Call[str], frozen=True, kw_only=True):
    """Fetch a voice note to play it; answered with its path, until `Heard` takes it away."""

    line: int
    place: int


@answers(Hear)
async def hear(desk: "Desk", call: Hear) -> str:
    """Fetch it, check it, and return where it lies."""
    message, folder = line_of(desk, call.line), _files(desk.client) / HEARD
    await forget(desk.client)
    await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
    return str(await message.save_file(folder, call.place))


class Heard(Call[None], frozen=True, kw_only=True):
    """It is not played any more."""


@answers(Heard)
async def heard(desk: "Desk", _: Heard) -> None:
    """Take away what was fetched to be played."""
    await forget(desk.client)


def is_through(desk: "Desk", news: object) -> bool:
    """Whether a voice note of one's own is through, or was given up."""
    if not isinstance(news, sdk.FileChanged):
        return False
    found = desk.client.files.transfer(news.number)
    if found is None or found.state != "done" or not found.path.match(PATTERN):
        return False
    if found.path == desk.recorded:
        desk.recorded = None
    return True


async def clear(client: "sdk.Client") -> None:
    """Take away what nobody needs any more: the account was opened now, or is closed."""
    with suppress(ClientError):  # A disk that does not work; it is done the next time.
        await sweep(client)
        await forget(client)


async def sweep(client: "sdk.Client", recorded: Path | None = None) -> None:
    """Take away voice notes of one's own, but for what leaves still, and what is recorded now."""
    needed = {one.path for one in client.files.all()} | {recorded}
    await asyncio.to_thread(_sweep, _files(client), needed)


async def forget(client: "sdk.Client") -> None:
    """Take away what was fetched to be played, also what is on its way still."""
    folder = _files(client) / HEARD
    for one in client.files.all():
        if one.path.parent == folder:
            with suppress(ClientError):  # It is given up the next time.
                await one.cancel()
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def _files(client: "sdk.Client") -> Path:
    """Return the folder of files, as paths of transfers name it."""
    return client.opened.profile.files.absolute()


def _sweep(folder: Path, needed: set[Path | None]) -> None:
    for one in sorted(folder.glob(PATTERN)):
        if one not in needed:
            with suppress(OSError):  # It is taken away the next time.
                one.unlink()
