"""Small pictures and sound bars that travel with a file, made by its sender, on the sender's disk.

Pictures need Pillow (the extra `media`); without it there are none.  Only files that the
owner chose to send are ever decoded, and never one that would unpack into more than 50 million
pixels.  What comes out is drawn anew: no place, no camera, no text of the original goes with it.
"""

import io
import sys
import wave
from array import array
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from alcove.client.errors import UsageError
from alcove.client.files.kinds import kind
from alcove.client.profiles import PICTURE_BYTES_MAX
from alcove.wire.content import THUMBNAIL_BYTES_MAX

PIXELS_MAX = 50_000_000
"""A picture with more is sent without a small one."""
SIDE_PIXELS = 320
AVATAR_PIXELS = 128
"""The longer side of a picture in a profile."""
QUALITIES = (75, 60, 45, 30, 15)
"""Of JPEG: the first that is small enough is taken."""
FORMATS = ("JPEG", "PNG", "GIF")
"""Pillow knows many more; each is a decoder that nobody here asked for."""
SOUND_BYTES_MAX = 64 * 1024 * 1024
"""A longer recording is sent without its bars."""
BARS = 64
FRAMES_AT_ONCE = 64 * 1024
"""So many samples of a recording are looked at together."""


class Looks(NamedTuple):
    """What a message shows of a file before it is fetched."""

    thumbnail: bytes = b""
    width: int = 0
    height: int = 0
    length_ms: int = 0
    waveform: bytes = b""


def looks(path: str) -> Looks:
    """Return what can be shown of a file, going by its name; it blocks, so call it in a thread."""
    known = kind(Path(path).name)
    if known is not None and known.group == "image":
        return picture(path)
    if known is not None and known.type == "audio/wav":
        return sound(path)
    return Looks()


def thumbnail(path: str) -> bytes | None:
    """Return a small JPEG of a picture, or None where there can be none."""
    return picture(path).thumbnail or None


# ---- Pictures ----


def picture(path: str, side: int = SIDE_PIXELS, bytes_max: int | None = None) -> Looks:
    """Return a picture's size and a small one of it; nothing for what is no picture."""
    try:
        from PIL import Image  # noqa: PLC0415  # An extra, and slow to import.
    except ImportError:
        return Looks()
    try:
        with Image.open(path, formats=FORMATS) as found:
            if found.width * found.height > PIXELS_MAX:
                return Looks()
            return _drawn(found, side, THUMBNAIL_BYTES_MAX if bytes_max is None else bytes_max)
    # What a damaged picture raises is not written down anywhere: a file without a small picture
    # is sent all the same.
    except Exception:  # noqa: BLE001
        return Looks()


def avatar(path: str) -> bytes:
    """Return a picture as it travels in a profile; what is no picture is refused."""
    drawn = picture(path, AVATAR_PIXELS, PICTURE_BYTES_MAX).thumbnail
    if not drawn:
        raise UsageError(
            "This is no JPEG, PNG or GIF that can be made small here: choose another file; making"
            " pictures small needs Pillow (the extra `media`)."
        )
    return drawn


def _drawn(found: Any, side: int, bytes_max: int) -> Looks:
    """Draw a picture again, upright, small, and on white."""
    from PIL import Image, ImageOps  # noqa: PLC0415

    found.draft("RGB", (2 * side, 2 * side))  # JPEG unpacks no more than is needed.
    orientation = found.getexif().get(_ORIENTATION, 1)
    width, height = found.size if orientation < _FIRST_TURNED else found.size[::-1]
    found.thumbnail((side, side))
    upright = ImageOps.exif_transpose(found).convert("RGBA")
    drawn = Image.new("RGB", upright.size, "white")
    drawn.paste(upright, mask=upright.getchannel("A"))
    for quality in QUALITIES:
        out = io.BytesIO()
        drawn.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= bytes_max:
            return Looks(out.getvalue(), width, height)
    return Looks(b"", width, height)


_ORIENTATION, _FIRST_TURNED = 0x0112, 5
"""The mark of EXIF that tells how a camera was held, and the first of its values that lie."""


# ---- Sounds ----


def sound(path: str) -> Looks:
    """Return how long a WAV recording is, and how loud along its way; nothing for other files."""
    try:
        with wave.open(path, "rb") as found:
            frames, rate = found.getnframes(), found.getframerate()
            width, channels = found.getsampwidth(), found.getnchannels()
            if not frames or not rate or Path(path).stat().st_size > SOUND_BYTES_MAX:
                return Looks()
            length_ms = frames * 1000 // rate
            if width != 2:  # 16 bits are what recorders write; others go without bars.
                return Looks(length_ms=length_ms)
            return Looks(length_ms=length_ms, waveform=_bars(found, frames, channels))
    except (wave.Error, EOFError, OSError, ValueError):
        return Looks()


def _bars(found: wave.Wave_read, frames: int, channels: int) -> bytes:
    """Return the loudest of each stretch, one byte each, the loudest of all at 255."""
    count = min(BARS, frames)
    peaks = []
    for begin, end in pairwise(frames * bar // count for bar in range(count + 1)):
        peak, left = 0, end - begin
        while left > 0:
            samples = array("h", _even(found.readframes(min(left, FRAMES_AT_ONCE))))
            if not samples:
                break  # The header promised more than there is.
            if sys.byteorder == "big":
                samples.byteswap()
            highest, lowest = max(samples), min(samples)
            peak = max(peak, highest, -lowest)
            left -= max(len(samples) // channels, 1)
        peaks.append(peak)
    most = max(peaks) or 1
    return bytes(peak * 255 // most for peak in peaks)


def _even(data: bytes) -> bytes:
    """Return whole samples of two bytes: a file that was cut may end in the middle of one."""
    return data[: len(data) // 2 * 2]
