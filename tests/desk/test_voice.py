"""Voice notes lie on this machine only as long as they are needed."""

from pathlib import Path

from alcove.desk import chats, door, messages, people, profile, voice
from tests.desk.desks import Square, sat
from tests.tui.test_sounds import recorded


def left(home: Path) -> list[str]:
    """Return what lies in the folders of files of a home."""
    return sorted(one.name for one in home.rglob("files/**/*") if one.is_file())


def content(path: Path) -> bytes:
    return path.read_bytes()


def mode(path: Path) -> int:
    return path.stat().st_mode


@sat()
async def test_what_a_killed_program_left_is_taken_away_when_the_account_is_opened(
    square: Square,
) -> None:
    ada = await square.newcomer("ada")
    place = await ada.ask(voice.NewVoice())
    own = Path(place)
    name = (await ada.ask(profile.GetMe())).profile
    await ada.ask(door.Lock())
    recorded(own)
    (own.parent / voice.HEARD).mkdir()
    recorded(own.parent / voice.HEARD / "note.wav")
    recorded(own.parent / "mine.wav")
    await ada.ask(door.Open(profile=name, passphrase="heron"))
    assert left(ada.home) == ["mine.wav"]


@sat()
async def test_what_is_played_when_the_account_is_closed_goes_with_it(square: Square) -> None:
    ada, bob = await square.newcomer("ada"), await square.newcomer("bob")
    room = await bob.ask(people.Direct(name="ada"))
    await bob.ask(messages.Send(room=room, text="are you there?"))
    await ada.until(people.GetAsking(), bool)
    await ada.ask(people.Accept(room=room))
    note = recorded(square.folder / "note.wav")
    await bob.ask(messages.SendFiles(room=room, paths=(str(note),)))
    lines = await ada.until(chats.GetLines(room=room), lambda them: any(one.files for one in them))
    (line,) = [one for one in lines if one.files]
    fetched = await ada.ask(voice.Hear(line=line.number, place=0))
    path = Path(fetched)
    assert content(path) == content(note)
    assert (mode(path) | mode(path.parent)) & 0o077 == 0
    again = await ada.ask(voice.Hear(line=line.number, place=0))
    assert (left(ada.home), again) == (["note.wav"], str(path))
    await ada.ask(door.Lock())
    assert left(ada.home) == []
