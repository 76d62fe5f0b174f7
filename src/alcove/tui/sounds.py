"""Plays a voice note with a player of this machine, when somebody asks for it.

A file from outside is handed to a player only if it begins as a sound does, and as that kind of
sound: a list of addresses in a sound's clothes would make some players call them.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Final

from alcove.client import UsageError

PLAYERS: Final = (
    ("mpv", "--no-config", "--no-video", "--ytdl=no", "--really-quiet", "--load-scripts=no",
     "--demuxer=lavf", "--demuxer-lavf-format={kind}"),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "quiet", "-protocol_whitelist", "file",
     "-f", "{kind}"),
    ("play", "-q", "-t", "{kind}"),
    ("afplay",),
    ("paplay",),
)  # fmt: skip
"""Programs that play a file and end; the first that is there is taken.  They are told what it is:
behind the name tag of an MP3 some look for a list of addresses."""
HEAD_BYTES: Final = 12
_STARTS: Final = (
    (b"OggS", "ogg"), (b"\x1aE\xdf\xa3", "matroska"), (b"fLaC", "flac"), (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"), (b"\xff\xf1", "aac"),
)  # fmt: skip
VOICE_BYTES_MAX: Final = 64 * 1024 * 1024
"""A larger one is saved by its own key: it is not fetched into the machine's memory."""


def kind_of(head: bytes) -> str:
    """Return the kind of the sound that begins so; empty for what is none, or a list of others."""
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    return next((kind for start, kind in _STARTS if head.startswith(start)), "")


async def play(path: Path) -> None:
    """Play a file until it is over; who stops waiting stops it."""
    head = await asyncio.to_thread(_head, path)
    kind = kind_of(head)
    if not kind:
        raise UsageError("This file is not the sound that it is called: it is not played.")
    found = next((one for one in PLAYERS if shutil.which(one[0])), None)
    if found is None:
        names = ", ".join(one[0] for one in PLAYERS)
        raise UsageError(f"There is no player here: install one of {names}, or save the file.")
    nothing = asyncio.subprocess.DEVNULL
    player = await asyncio.create_subprocess_exec(
        *(word.format(kind=kind) for word in found), str(path),
        stdin=nothing, stdout=nothing, stderr=nothing,
    )  # fmt: skip
    try:
        await player.wait()
    finally:
        if player.returncode is None:
            player.kill()
            await player.wait()


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)
