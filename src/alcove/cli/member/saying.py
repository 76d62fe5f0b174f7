"""How messages, rooms, people and times are told: as lines for people, and as JSON for programs.

Whatever others chose (names, texts) is made fit to be shown first: nothing in it rings, hides,
turns around or moves the cursor.  Colours are only for a terminal, and for nobody with NO_COLOR.
"""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import msgspec

from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.client import Message, Person, Room

MARKS = {"waiting": "…", "stored": "✓", "delivered": "✓✓", "read": "✓✓", "failed": "!"}
"""What stands behind one's own message."""


# ---- Printing ----


def emit(value: Any) -> None:
    """Print a value as one line of JSON."""
    click.echo(msgspec.json.encode(value))


def is_coloured() -> bool:
    """Whether colours are wanted: on a terminal, unless its user says no."""
    return (
        sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )


def paint(text: str, **style: Any) -> str:
    """Return a text in a style, where that can be seen."""
    return click.style(text, **style) if is_coloured() else text


def columns(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Print rows in columns."""
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    for row in (heads, *rows):
        told = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(told.rstrip())


def pairs(facts: Iterable[tuple[str, str]]) -> None:
    """Print names and what they stand for, one a line."""
    told = list(facts)
    width = max(len(name) for name, _ in told)
    for name, text in told:
        click.echo(f"{name:<{width}}  {text}")


# ---- Times and sizes ----


def moment(at: datetime) -> str:
    """Return a time as people here write it: today's without the day."""
    local = at.astimezone()
    is_today = local.date() == datetime.now(local.tzinfo).date()
    return local.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M")


def stamp(at: datetime | None) -> str | None:
    """Return a time for programs: ISO 8601 in UTC."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp_ms(at: int) -> str:
    """Return a time of the server's clock for programs."""
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // 1000))
    return f"{whole}.{at % 1000:03d}Z"


def size(count: int) -> str:
    """Return a number of bytes, rounded, as people say it."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"


# ---- Shapes for programs ----


def person_shape(person: "Person | None") -> dict[str, Any] | None:
    """Return a person: `id`, `name`, `keys`."""
    if person is None:
        return None
    return {"id": person.id, "name": shown_name(person.name), "keys": person.state}


def room_shape(room: "Room") -> dict[str, Any]:
    """Return a room: `id`, `kind`, `title`, `state`, `unread`."""
    return {"id": room.id, "kind": room.kind, "title": room.title, "state": room.state}


def message_shape(message: "Message") -> dict[str, Any]:
    """Return a message; docs/howto/chat.md explains each field."""
    reply_to = message.reply_to
    return {
        "number": message.number,
        "room": message.room.id,
        "title": message.room.title,
        "kind": message.kind,
        "cause": message.cause,
        "at": stamp(message.at),
        "author": person_shape(message.author),
        "mine": message.is_mine,
        "mentions_me": message.mentions_me,
        "text": shown_text(message.text),
        "topic": shown_name(message.topic) if message.topic else "",
        "reply_to": None if reply_to is None else reply_to.number,
        "state": message.state,
        "why": message.why,
        "files": [
            {"name": shown_name(one.name), "media": one.media, "size": one.sealed.size}
            for one in message.files
        ],
    }


# ---- Lines for people ----


def who(message: "Message") -> str:
    """Return whose a message is, for people."""
    if message.is_mine:
        return "you"
    return "*" if message.author is None else shown_name(message.author.name)


def told(message: "Message") -> str:
    """Return what a message says, on lines of which all but the first are indented."""
    if message.kind == "gone":
        return "(deleted)"
    if message.kind in ("note", "gap"):
        return note(message)
    if message.kind == "unknown":
        return "(something that a newer version of this program shows)"
    text = shown_text(message.text).strip("\n")
    names = [f"[file: {shown_name(one.name)}, {size(one.sealed.size)}]" for one in message.files]
    said = text.split("\n")
    if names:  # The names of files stand below the text already.
        said = said[: len(said) - len(names)] + names
    return "\n    ".join(line for line in said if line or len(said) > 1)


def note(message: "Message") -> str:
    """Return what a note tells: the person that it is about, and the words of its cause."""
    about = f" ({shown_name(message.author.name)})" if message.author else ""
    words = message.cause.replace("-", " ")
    return f"· {words}{about}"


def line(message: "Message", *, with_room: bool = True) -> str:
    """Return a message as people read it: when, where, who, what."""
    where = f"[{message.room.title}] " if with_room else ""
    name = who(message)
    if message.kind in ("note", "gap"):
        return paint(f"{moment(message.at)} {where}{told(message)}", dim=True)
    mark = f" {MARKS.get(message.state, '')}" if message.is_mine else ""
    return (
        f"{paint(moment(message.at), dim=True)} {paint(where, dim=True)}"
        f"{paint(name, bold=True)}: {told(message)}{mark}"
    )
