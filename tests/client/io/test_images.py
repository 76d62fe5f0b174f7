"""Small pictures and sound bars: small, clean, and never a danger to whoever sends a file."""

import builtins
import io
import struct
import wave
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from alcove.client.io import images
from alcove.client.io.images import Looks, looks, thumbnail
from alcove.wire.content import THUMBNAIL_BYTES_MAX


def noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise(size, 90).convert("RGB")


def test_a_picture_gets_a_small_one_whatever_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    noise((1600, 800)).save(path)
    found = looks(str(path))
    assert (found.width, found.height) == (1600, 800)
    assert 0 < len(found.thumbnail) <= THUMBNAIL_BYTES_MAX
    with Image.open(io.BytesIO(found.thumbnail)) as small:
        assert (small.format, small.size) == ("JPEG", (320, 160))
    assert thumbnail(str(path)) == found.thumbnail


def test_a_small_picture_says_nothing_of_place_and_camera_and_stands_upright(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cat.jpg"
    exif = Image.Exif()
    exif[0x0110] = "Secret Camera"
    exif[0x0112] = 6
    noise((400, 200)).save(path, exif=exif)
    assert b"Secret Camera" in path.read_bytes()
    found = looks(str(path))
    assert (found.width, found.height) == (200, 400)
    assert b"Secret" not in found.thumbnail
    assert b"Exif" not in found.thumbnail
    with Image.open(io.BytesIO(found.thumbnail)) as small:
        assert small.size == (160, 320)


def test_what_is_see_through_stands_on_white(tmp_path: Path) -> None:
    path = tmp_path / "cat.gif"
    Image.new("RGBA", (10, 10), (0, 0, 0, 0)).save(path)
    with Image.open(io.BytesIO(looks(str(path)).thumbnail)) as small:
        assert small.getpixel((5, 5)) == (255, 255, 255)


def bomb(path: Path, side: int) -> None:
    """Write a PNG that unpacks into a huge picture."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")
    )  # fmt: skip


@pytest.mark.parametrize("side", [7_100, 60_000])
def test_a_picture_that_unpacks_into_too_much_is_not_unpacked(tmp_path: Path, side: int) -> None:
    path = tmp_path / "bomb.png"
    bomb(path, side)
    assert looks(str(path)) == Looks()


def test_what_is_no_picture_is_sent_without_one(tmp_path: Path) -> None:
    for name, data in (
        ("text.png", b"hello"), ("cut.png", b"\x89PNG\r\n\x1a\n\0"), ("cat.gif", b""),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_bytes(data)
        assert looks(str(path)) == Looks()
        assert thumbnail(str(path)) is None
    other = tmp_path / "picture.jpg"
    noise((10, 10)).save(other, "BMP")
    assert looks(str(other)) == Looks()
    assert looks(str(tmp_path / "nowhere.png")) == Looks()
    assert looks(str(tmp_path / "notes.txt")) == Looks()


def test_without_pillow_there_are_no_small_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cat.png"
    noise((10, 10)).save(path)
    real = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "PIL":
            raise ImportError
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    assert looks(str(path)) == Looks()


def test_a_picture_that_cannot_be_small_enough_goes_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "THUMBNAIL_BYTES_MAX", 10)
    path = tmp_path / "cat.png"
    noise((20, 10)).save(path)
    assert looks(str(path)) == Looks(b"", 20, 10)


def record(path: Path, samples: list[int], *, width: int = 2, channels: int = 1) -> str:
    with wave.open(str(path), "wb") as out:
        out.setparams((channels, width, 8_000, 0, "NONE", ""))
        out.writeframes(b"".join(value.to_bytes(width, "little", signed=True) for value in samples))
    return str(path)


def test_a_recording_tells_its_length_and_how_loud_it_is(tmp_path: Path) -> None:
    quiet_then_loud = [100] * 4_000 + [-20_000] * 4_000
    found = looks(record(tmp_path / "note.wav", quiet_then_loud))
    assert found.length_ms == 1_000
    assert found.waveform == bytes([1] * 32 + [255] * 32)
    stereo = looks(record(tmp_path / "two.wav", quiet_then_loud, channels=2))
    assert (stereo.length_ms, stereo.waveform) == (500, found.waveform)


def test_silence_and_short_and_odd_recordings_do_no_harm(tmp_path: Path) -> None:
    assert looks(record(tmp_path / "a.wav", [0] * 80)).waveform == bytes(64)
    assert looks(record(tmp_path / "b.wav", [5, 10])).waveform == bytes([127, 255])
    assert looks(record(tmp_path / "c.wav", [])) == Looks()
    assert looks(record(tmp_path / "d.wav", [1] * 80, width=3)) == Looks(length_ms=10)
    whole = Path(record(tmp_path / "e.wav", [1000] * 8_000)).read_bytes()
    cut = tmp_path / "f.wav"
    cut.write_bytes(whole[:4_001])
    assert looks(str(cut)).waveform[0] == 255
    assert looks(str(cut)).waveform[-1] == 0
    cut.write_bytes(b"RIFF")
    assert looks(str(cut)) == Looks()
    cut.write_bytes(b"\0" * 100)
    assert looks(str(cut)) == Looks()


def test_a_recording_that_is_too_long_goes_without_bars(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "SOUND_BYTES_MAX", 100)
    assert looks(record(tmp_path / "a.wav", [0] * 80)) == Looks()
