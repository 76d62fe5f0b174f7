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
    from alcove.client import Message, Person, PollResults, Request, Room
    from alcove.wire.content import File

MARKS = {"waiting": "…", "stored": "✓", "delivered": "✓✓", "read": "✓✓ read", "failed": "!"}
"""What stands behind one's own message."""

LOOK = "▲"
"""What stands before the name of somebody whose keys have changed, until somebody has looked."""
PHRASE_WAITS = (
    "Your recovery phrase is not written down yet: without it the account is lost with this"
    " machine.  `alcove recovery` shows it, `alcove recovery --saved` ends this line."
)
BARS, BARS_MAX = "▁▂▃▄▅▆▇█", 24
"""How loud a voice note is, from its beginning to its end, and in how many places at most."""


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


UNITS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
"""Units of a span of time, in seconds."""


def span(ms: int) -> str:
    """Return a span of time as it may be typed."""
    seconds = ms // 1000
    for unit, length in UNITS.items():
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{ms}ms"


def lasting(ms: int) -> str:
    """Return how long something has lasted, in its two largest units: 2d 3h."""
    seconds = ms // 1000
    parts: list[str] = []
    for unit, length in UNITS.items():
        if seconds >= length or (unit == "s" and not parts):
            parts.append(f"{seconds // length}{unit}")
            seconds %= length
    return " ".join(parts[:2])


def length(ms: int) -> str:
    """Return how long a voice note or a film takes: 0:07."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}"


def size(count: int) -> str:
    """Return a number of bytes, rounded, as people say it."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"


def share(done: int, whole: int) -> int:
    """Return how much of something is through, in per cent."""
    return done * 100 // whole if whole else 100


# ---- Shapes for programs ----


def person_shape(person: "Person | None") -> dict[str, Any] | None:
    """Return a person: `id`, `name`, `keys`."""
    if person is None:
        return None
    return {"id": person.id, "name": shown_name(person.name), "keys": person.state}


def room_shape(room: "Room") -> dict[str, Any]:
    """Return a room: `id`, `kind`, `title`, `state`, `unread`."""
    unread = room.unread
    return {
        "id": room.id,
        "kind": room.kind,
        "title": room.title,
        "state": room.state,
        "unread": unread.lines,
        "mentions": unread.mentions,
        "marked_unread": room.choice.is_marked,
        "notify": room.choice.level,
        "archived": room.choice.is_archived,
    }


RIGHTS = ("may_invite", "may_post", "may_pin", "may_mention_all", "history", "files")
"""Settings of a room that are words."""
TIMES = {"expires_ms": "messages end after", "keep_ms": "server drops after"}
"""Settings that are times, and what they are called."""


def room_details(room: "Room") -> dict[str, Any]:
    """Return all of a room: who is in it and who is not let in, and what it allows."""
    shape = room_shape(room) | {
        "topic": room.topic,
        "members": [
            {"person": person_shape(one.person), "role": one.role, "devices": one.devices}
            for one in room.members()
        ],
        "asked": [person_shape(one) for one in room.asked],
        "muted": [person_shape(one) for one in room.muted()],
    }
    if room.state != "active":
        return shape
    settings = room.settings
    return shape | {
        "created_by": person_shape(room.created_by),
        "created_at": stamp(room.created_at),
        "banned": [{"id": one.id, "person": person_shape(one.person)} for one in room.banned()],
        "settings": {name: getattr(settings, name) for name in (*RIGHTS, *TIMES)},
    }


def made(room: "Room") -> str:
    """Return when a room was made, and by whom."""
    maker = room.created_by
    by = "" if maker is None else f" by {'you' if maker.is_me else shown_name(maker.name)}"
    return moment(room.created_at) + by


def rights(room: "Room") -> list[tuple[str, str]]:
    """Return what a room allows, for people."""
    settings = room.settings
    found = [(name.replace("_", " "), str(getattr(settings, name))) for name in RIGHTS]
    for name, words in TIMES.items():
        found.append((words, span(getattr(settings, name)) if getattr(settings, name) else "never"))
    return found


def banned(room: "Room") -> list[str]:
    """Return who is shut out of a room: by name, or where none is known by id."""
    return [shown_name(one.person.name) if one.person else one.id for one in room.banned()]


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
        "through": message.through,
        "state": message.state,
        "why": message.why,
        "files": [
            {
                "name": shown_name(one.name),
                "media": one.media,
                "size": one.sealed.size,
                "length_ms": one.length_ms,
            }
            for one in message.files
        ],
    }


# ---- Lines for people ----


def who(message: "Message") -> str:
    """Return whose a message is, and by which hook a program has posted it, for people."""
    by = f" (by {message.through})" if message.through else ""
    if message.is_mine:
        return f"you{by}"
    return "*" if message.author is None else f"{shown_name(message.author.name)}{by}"


def told(message: "Message") -> str:
    """Return what a message says, on lines of which all but the first are indented."""
    if message.kind == "gone":
        return "(deleted)"
    if message.kind in ("note", "gap"):
        return note(message)
    if message.kind == "unknown":
        return "(something that a newer version of this program shows)"
    if message.poll is not None:
        return _poll(message.poll)
    said = shown_text(message.text).strip("\n").split("\n")
    said += [_file(one) for one in message.files]
    return "\n    ".join(line for line in said if line or len(said) > 1)


def _file(one: "File") -> str:
    """Return a file, and of a voice note how long and how loud it is."""
    facts = [shown_name(one.name), size(one.sealed.size)]
    if one.length_ms:
        step = max(1, len(one.waveform) // BARS_MAX)
        loud = one.waveform[::step][:BARS_MAX]
        bars = "".join(BARS[volume * len(BARS) // 256] for volume in loud)
        facts.insert(1, f"{length(one.length_ms)} {bars}".rstrip())
    return f"[file: {', '.join(facts)}]"


def _poll(poll: "PollResults") -> str:
    """Return a poll, with its answers by the numbers that `vote` takes."""
    end = " (over)" if poll.is_over else " (several answers)" if poll.is_multiple else ""
    lines = [f"{shown_text(poll.question)}{end}"]
    for number, one in enumerate(poll.options, 1):
        votes = f"  {len(one.people)}: {names(one.people)}" if one.people else ""
        lines.append(f"{number}. {shown_text(one.text)}{votes}")
    return "\n    ".join("\n".join(lines).split("\n"))


def note(message: "Message") -> str:
    """Return what a note or a gap tells, as a line of a log."""
    return f"· {message.told}"


def names(people: "Iterable[Person]") -> str:
    """Return people by name, fit to be shown."""
    return ", ".join(shown_name(one.name) for one in people)


def guess(request: "Request") -> str:
    """Return what this machine thinks of a request: nothing, or that it looks like spam."""
    return "looks like spam" if request.suspicion.is_spam else ""


def look_first(
    room: "Room", verify: str = "alcove verify", seen: str = "NUMBER --accept-change"
) -> str:
    """Return why what is said to a person waits, when their keys have changed; else nothing."""
    person = room.partner
    if person is None or person.state != "changed":
        return ""
    name = shown_name(person.name)
    return (
        f"What you say waits here: the keys of @{name} have changed, after a reset perhaps."
        f" Ask them by another way and compare the number that `{verify} @{name}` shows; then go on"
        f" with `{verify} @{name} {seen}`."
    )


def not_accepted(room: "Room") -> str:
    """Return a sentence about those who were asked and have not accepted yet; empty for nobody."""
    waiting = room.asked
    if not waiting:
        return ""
    have = "has" if len(waiting) == 1 else "have"
    return f"{names(waiting)} {have} not accepted yet: what you say is shown to them when they do."


def line(message: "Message", *, with_room: bool = True) -> str:
    """Return a message as people read it: when, where, who, what."""
    where = f"[{message.room.title}] " if with_room else ""
    if message.kind in ("note", "gap"):
        return paint(f"{moment(message.at)} {where}{told(message)}", dim=True)
    author = message.author
    name = f"{LOOK} {who(message)}" if author and author.state == "changed" else who(message)
    mark = f" {MARKS.get(message.state, '')}" if message.is_mine else ""
    return (
        f"{paint(moment(message.at), dim=True)} {paint(where, dim=True)}"
        f"{paint(name, bold=True)}: {told(message)}{mark}{about(message)}"
    )


def about(message: "Message") -> str:
    """Return what has happened to a message since: whether it was edited, and its reactions."""
    edited = " (edited)" if len(message.edits) > 1 else ""
    emoji = [
        f"{shown_name(one.emoji)} {len(one.people)}" for one in message.reactions if one.people
    ]
    return edited + (f" [{', '.join(emoji)}]" if emoji else "")
