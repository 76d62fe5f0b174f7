"""Plays a voice note with a player of this machine, when somebody asks for it.

A file from outside is handed to a player only if it begins as a sound does: a list of addresses in
a sound's clothes would make some players call them.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from alcove.client import UsageError

PLAYERS: Final = (
    ("mpv", "--no-config", "--no-video", "--ytdl=no", "--really-quiet"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet", "-protocol_whitelist", "file"),
    ("play", "-q"),
    ("afplay",),
    ("paplay",),
)
"""Programs that play a file and end; the first that is there is taken."""
HEAD_BYTES: Final = 12
_STARTS: Final = (b"OggS", b"\x1aE\xdf\xa3", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf1")
"""Ogg, WebM, FLAC, MP3, AAC."""


def is_sound(head: bytes) -> bool:
    """Whether a file that begins so is a sound, and no list of others."""
    is_wave = head[:4] == b"RIFF" and head[8:12] == b"WAVE"
    return head.startswith(_STARTS) or head[4:8] == b"ftyp" or is_wave


async def play(path: Path) -> None:
    """Play a file until it is over; who stops waiting stops it."""
    head = await asyncio.to_thread(_head, path)
    if not is_sound(head):
        raise UsageError("This file is not the sound that it is called: it is not played.")
    found = next((one for one in PLAYERS if shutil.which(one[0])), None)
    if found is None:
        names = ", ".join(one[0] for one in PLAYERS)
        raise UsageError(f"There is no player here: install one of {names}, or save the file.")
    nothing = asyncio.subprocess.DEVNULL
    player = await asyncio.create_subprocess_exec(
        *found, str(path), stdin=nothing, stdout=nothing, stderr=nothing
    )
    try:
        await player.wait()
    finally:
        if player.returncode is None:
            player.kill()
            await player.wait()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
