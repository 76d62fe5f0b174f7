"""The end of the story: what lies on the server's disk, beside what the people have read."""

from pathlib import Path

from alcove.cli.demo.people import LOGS
from alcove.cli.demo.search import Sought, files, found
from alcove.cli.demo.story import FILE_NAME, RECIPES, Story, hexed
from alcove.cli.demo.telling import must

TRAFFIC = "traffic"
"""Where `--keep` leaves what the recorder has heard; beside it, in `logs`, what was printed."""
FORMS = ("handshake", "kept", "live", "notice")
"""By their numbers in the database."""
SHOWN = 4
"""How many messages are shown from the beginning, and how many from the end."""
READ_WIDTH = 38
SEALED_FROM = 32
"""In front of what is sealed in a kept message stand so many random bytes."""


async def evidence(story: Story) -> None:
    """Search everything that the server has, has printed, has heard and has said."""
    house, wire, teller = story.house, story.wire, story.teller
    teller.heading("10. What the server has")
    stored = await show_both_sides(story)
    status = await house.stop()
    await story.end()
    await wire.stop()
    wire.write(story.folder / TRAFFIC)
    (story.folder / LOGS / "server.log").write_text("".join(house.printed))
    must(status == 0, f"The server ended with status {status}.")
    places = {
        "what it printed": "".join(house.printed).encode(),
        **{one.log.name: one.log.read_bytes() for one in story.everyone},
        "what people sent": wire.to_server(),
        "what it sent": wire.from_server(),
    }
    seen = sorted(found(house.data, places, Sought([stored])))
    for name in ("alcove.sqlite", "what people sent", "what it sent"):
        must(name in seen, f"The search does not even find in {name} what is there.")
    texts, keys = secrets_of(story)
    sought = Sought([*texts, *keys])
    leaks = found(house.data, places, sought)
    must(not leaks, f"Plain text or a private key stands in {', '.join(leaks)}.")
    paths = files(house.data)
    size = sum(path.stat().st_size for path in paths)
    teller.true(
        f"We have searched its folder ({len(paths)} files with {size:,} bytes: every table, the"
        f" log, the files), what every program has printed, and the {wire.size():,} bytes of all"
        f" {wire.connections()} connections, for {len(texts)} texts and names, passwords, the file,"
        f" and {len(keys)} private keys, as they are, in hex and in base64. None of them is there."
        " (A sealed message is found by the same search, on the disk and in both directions.)"
    )
    disks = [person.folder for person in story.everyone]
    open_disks = [disk.name for disk in disks if found(disk, {}, sought)]
    must(not open_disks, f"What was said lies open on the disk of {', '.join(open_disks)}.")
    teller.true(
        f"Nor on the {len(disks)} disks of the people, whose databases are encrypted too. It is on"
        " their screens, and in the file that Bob has saved."
    )
    teller.note(
        f"What the server does know, because it has to deliver: the names {story.names}, their"
        " devices and public keys, who is in which room, who sends when and roughly how much."
    )


def secrets_of(story: Story) -> tuple[list[bytes], list[bytes]]:
    """Return all that was said, sealed or chosen, and every private key."""
    texts = [text.encode() for text in story.spoken]
    texts += [FILE_NAME.encode(), RECIPES]
    keys = dict.fromkeys(secret for person in story.everyone for secret in person.secrets)
    return texts, list(keys)


async def show_both_sides(story: Story) -> bytes:
    """Show what people read and, beside it, what lies in the database for it.

    Returns a part of a sealed message, by which the search itself is tested.
    """
    placed = await story.laptop.do("placed", room=story.room)
    rows = story.house.ask(
        """
        SELECT seq, form, body FROM entry WHERE room = (SELECT number FROM room WHERE room = ?)
        ORDER BY seq
        """,
        bytes.fromhex(story.room),
    )
    stored = {seq: (FORMS[form], body) for seq, form, body in rows}
    story.names = ", ".join(name for (name,) in story.house.ask(_NAMES))
    story.teller.note(f"{'What Bob has read':<44}What the server has for it")
    sealed = b""
    for seq, name, text in (*placed[:SHOWN], *placed[-SHOWN:]):
        form, body = stored[seq]
        sealed = body[SEALED_FROM:]
        _row(story, f"{name.capitalize() + ':':<7}{text.splitlines()[0]}", form, body)
    blob = max((story.house.data / "blobs").rglob("*"), key=_size)
    _row(story, f"       ({len(RECIPES):,} bytes of recipes)", "blob", blob.read_bytes())
    return sealed


_NAMES = "SELECT name FROM account ORDER BY name"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _row(story: Story, read: str, kind: str, sealed: bytes) -> None:
    short = read if len(read) <= READ_WIDTH else f"{read[: READ_WIDTH - 1]}…"
    begins = hexed(sealed[SEALED_FROM:], 6)
    story.teller.show(f"{short:<{READ_WIDTH}}    {kind:<5}{len(sealed):>8,} bytes  {begins}")
