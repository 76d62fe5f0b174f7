"""The end of the story: what lies on the server's disk, beside what the people have read."""

import sqlite3
from contextlib import closing
from typing import Any

from alcove.cli.demo.room import File
from alcove.cli.demo.search import files, found
from alcove.cli.demo.story import RECIPES, Story, hexed
from alcove.cli.demo.telling import must
from alcove.mls import PrivateMessage, decode_message
from alcove.wire.greeting import Goodbye

FORMS = ("handshake", "kept", "live", "notice")
"""By their numbers in the database."""
SHOWN = 4
"""How many messages are shown from the beginning, and how many from the end."""
READ_WIDTH = 38


async def evidence(story: Story) -> None:
    """Search the whole folder, and show what is there."""
    house, teller = story.house, story.teller
    teller.heading("8. What the server has")
    show_both_sides(story)
    printed = {"what it printed": "".join(house.printed).encode()}
    secrets = [
        *(text.encode() for text in story.spoken),
        *(key for person in story.people for key in person.secrets),
        story.file.name.encode(),
        story.file.key,
        RECIPES,
    ]
    control = found(
        house.folder, printed, [sealed_part(story.bob.room.bodies[story.bob.room.said[0].seq])]
    )
    must(control, "The search does not even find what the server has.")
    leaks = found(house.folder, printed, secrets)
    must(not leaks, f"Plain text or a private key stands in {', '.join(leaks)}.")
    paths = files(house.folder)
    size = sum(path.stat().st_size for path in paths)
    teller.true(
        f"We have searched its folder, {len(paths)} files with {size:,} bytes, and all that it has"
        f" printed: for {len(story.spoken)} texts, the file with its name and key, and"
        f" {len(story.people) * 3} private keys, as they are, in hex and in base64. None of them is"
        f" there. (Sealed bytes are found by the same search, in {control[0]}.)"
    )
    teller.note(
        f"What it does know, because it has to deliver: the names {', '.join(names(story))}, their"
        " devices and public keys, who is in which room, who sends when and roughly how much."
    )
    status = await house.stop()
    must(status == 0, f"The server ended with status {status}.")
    goodbyes = [push.code for push in story.ada.line.pushed() if isinstance(push, Goodbye)]
    must(goodbyes == ["stopping"], "The server has not said goodbye.")
    teller.true("Asked to stop, it says goodbye to everyone and ends.")


def sealed_part(body: bytes) -> bytes:
    """Return what is secret in a message: behind its group, its epoch and who may open it."""
    message = decode_message(body)
    assert isinstance(message, PrivateMessage)
    return message.ciphertext


def names(story: Story) -> list[str]:
    """Return the names in the server's database."""
    return [name for (name,) in _ask(story, "SELECT name FROM account ORDER BY name")]


def _ask(story: Story, sql: str) -> list[Any]:
    path = story.house.data / "alcove.sqlite"
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
        return database.execute(sql).fetchall()


def show_both_sides(story: Story) -> None:
    """Show what people read and, beside it, what lies in the database for it."""
    stored = {
        seq: (FORMS[form], body)
        for seq, form, body in _ask(story, "SELECT seq, form, body FROM entry ORDER BY seq")
    }
    said = story.bob.room.said
    story.teller.note(f"{'What Bob has read':<44}What the server has for it")
    for one in (*said[:SHOWN], *said[-SHOWN:]):
        form, body = stored[one.seq]
        must(body == story.bob.room.bodies[one.seq], "The database holds other bytes.")
        content = one.content
        read = content.name if isinstance(content, File) else content.text
        _row(story, f"{one.name + ':':<7}{read}", form, len(body), sealed_part(body))
    name, size = story.file.blob, story.file.size
    blob = (story.house.data / "blobs" / name[:2] / name).read_bytes()
    _row(story, f"       ({size:,} bytes of recipes)", "blob", len(blob), blob)


def _row(story: Story, read: str, kind: str, size: int, sealed: bytes) -> None:
    short = read if len(read) <= READ_WIDTH else f"{read[: READ_WIDTH - 1]}…"
    story.teller.show(f"{short:<{READ_WIDTH}}    {kind:<5}{size:>8,} bytes  {hexed(sealed, 6)}")
