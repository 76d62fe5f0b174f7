"""Voice notes are played by a player of the machine when somebody asks for it; nothing else is."""

import asyncio
import os
import wave
from pathlib import Path

import pytest

from alcove.client import UsageError
from alcove.desk import chats, messages
from alcove.tui import sounds
from tests.tui.seats import Seat, seated


def recorded(path: Path) -> Path:
    """Write a second of silence."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8_000, 8_000, "NONE", "not compressed"))
        file.writeframes(bytes(16_000))
    return path


def player(folder: Path, monkeypatch: pytest.MonkeyPatch, *, ends: bool = True) -> Path:
    """Put a player into the path that notes what it is given, and return where."""
    (folder / "bin").mkdir()
    heard, program = folder / "heard", folder / "bin" / "mpv"
    rest = "" if ends else "exec sleep 1000"
    words = f'printf "%s\\n" "$@" > {folder / "words"}'
    program.write_text(f'#!/bin/sh\n{words}\nfor last; do :; done\ncp "$last" {heard}\n{rest}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return heard


def test_a_sound_is_played_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, path = player(tmp_path, monkeypatch), recorded(tmp_path / "note.wav")
    asyncio.run(sounds.play(path))
    assert heard.read_bytes() == path.read_bytes()


def test_who_stops_waiting_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard, path = player(tmp_path, monkeypatch, ends=False), recorded(tmp_path / "note.wav")

    async def live() -> None:
        playing = asyncio.create_task(sounds.play(path))
        while not heard.exists():  # noqa: ASYNC110 - Nobody else tells.
            await asyncio.sleep(0.01)
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing

    asyncio.run(live())


@pytest.mark.parametrize("head", [b"", b"#EXTM3U\nhttp://x", b"[playlist]", b"RIFF\0\0\0\0AVI "])
def test_what_does_not_begin_as_a_sound_is_played_by_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: bytes
) -> None:
    heard, path = player(tmp_path, monkeypatch), tmp_path / "note.wav"
    path.write_bytes(head)
    with pytest.raises(UsageError, match="not the sound"):
        asyncio.run(sounds.play(path))
    assert not heard.exists()


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"OggS", "ogg"), (b"\x1aE\xdf\xa3", "matroska"), (b"ID3\4", "mp3"),
        (b"\0\0\0\x18ftypM4A ", "mov"), (b"RIFF\0\0\0\0WAVE", "wav"), (b"ID2", ""),
    ],
)  # fmt: skip
def test_sounds_are_known_by_their_beginning(head: bytes, kind: str) -> None:
    assert sounds.kind_of(head) == kind


def test_a_player_is_told_what_it_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list of addresses behind the name tag of an MP3 is no list for it then."""
    heard, path = player(tmp_path, monkeypatch), tmp_path / "note.m3u8"
    path.write_bytes(b"ID3\4\0\0\0\0\0\0#EXTM3U\nhttp://example.org/who-listens\n")
    asyncio.run(sounds.play(path))
    assert heard.read_bytes() == path.read_bytes()
    assert "--demuxer-lavf-format=mp3" in (tmp_path / "words").read_text().split("\n")


def test_without_a_player_the_way_out_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="install one of mpv"):
        asyncio.run(sounds.play(recorded(tmp_path / "note.wav")))


@seated()
async def test_a_voice_note_that_came_is_played_by_a_key_and_lies_nowhere_afterwards(
    seat: Seat,
) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    folder = seat.square.folder
    note = recorded(folder / "note.wav")
    with pytest.MonkeyPatch.context() as patch:
        heard = player(folder, patch, ends=False)
        await bob.ask(messages.SendFiles(room=room, paths=(str(note),)))
        await seat.open("bob")
        await seat.sees("note.wav", "0:01")
        await seat.press("up")
        await seat.sees("play or stop")
        await seat.press("space")
        await seat.until(lambda: heard.exists() and heard.read_bytes() == note.read_bytes())
        assert list((folder / "me").rglob("note.wav"))
        await seat.press("space")
        await seat.until(lambda: not list((folder / "me").rglob("note.wav")))


@seated()
async def test_a_voice_note_is_recorded_sent_and_gone_from_this_machine(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    folder = seat.square.folder
    note = recorded(folder / "note.wav")
    (folder / "bin").mkdir()
    program = folder / "bin" / "arecord"
    program.write_text(
        f'#!/bin/sh\nfor last; do :; done\ntrap "exit 0" INT\ncp {note} "$last"\n'
        "while :; do sleep 0.05; done\n"
    )
    program.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        await seat.open("bob")
        for key in ("escape", "enter"):
            await seat.choose("record")
            await seat.sees("Voice note", "of at most 5:00")
            await seat.until(lambda: list((folder / "me").rglob("voice-*.wav")))
            await seat.press(key)
        found = await bob.until(
            chats.GetLines(room=room), lambda lines: any(one.files for one in lines)
        )
    (voice,) = [file for line in found for file in line.files]
    assert (voice.type, voice.length_ms) == ("audio/wav", 1000)
    await seat.until(lambda: not list((folder / "me").rglob("voice-*.wav")))


@seated()
async def test_without_a_recorder_the_way_out_is_said(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.meet("bob")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(seat.square.folder))
        await seat.open("bob")
        await seat.choose("record")
        await seat.told("install one of arecord")
