"""Beside a room: who is there, what is pinned, which files were sent, and what the room is."""

from collections.abc import Iterator, Sequence
from typing import Final

from textual.content import Content

from alcove.desk import shown
from alcove.tui import look
from alcove.tui.look import keyed, spread, styled

CELLS: Final = 27
"""How wide all of it is."""
PINS_SHOWN: Final = 3
FILES_SHOWN: Final = 3
_PRESENCE: Final = (
    ("Online", ("online", "away")), ("Offline", ("offline", "invisible")),
    ("People", ("unknown",)),
)  # fmt: skip
_READ: Final = {"open": "everything", "closed": "nothing before", "none": "nothing, ever"}
LEVELS: Final = {"all": "everything", "mentions": "mentions only", "none": "nothing"}
"""What of a room is notified."""


def details(room: shown.Room, files: Sequence[shown.Line], now: int) -> Content:
    """Return all of it, line below line."""
    parts = [*_people(room), *_changed(room), *_facts(room, now), *_pins(room), *_files(files)]
    return styled(*(part for one in parts for part in (one, "\n")))


def _head(name: str, count: int) -> Content:
    return styled("\n", (name, "bold"), (f" {count}", "$soft"))


def _people(room: shown.Room) -> Iterator[Content]:
    for head, signs in _PRESENCE:
        members = [one for one in room.members if one.person.presence in signs]
        if members:
            yield _head(head, len(members))
        for one in members:
            person = one.person
            sign = "you" if person.is_me else look.TRUST[person.trust]
            ink = "$soft" if person.is_me else look.trust(person)[1]
            role = "" if one.role == "member" else f" {one.role}"
            name = (person.called or person.name, look.colour(person.name))
            left = styled(look.dot(person), " ", name, (role, "$soft"))
            yield spread(left, styled((sign, ink)), CELLS)


def _changed(room: shown.Room) -> Iterator[Content]:
    for one in room.members:
        if one.person.trust == "changed":
            yield styled(
                ("\n▲ ", "$bad bold"),
                (f"{one.person.called or one.person.name} changed: look", "$bad bold"),
                ("\nCompare the safety number before you trust it.\n", "$soft"),
                keyed("v", "compare now"),
            )


def _facts(room: shown.Room, now: int) -> Iterator[Content]:
    yield styled("\n", ("This room", "bold"))
    facts = [("Encryption", "MLS"), ("", "post-quantum hybrid")]
    if room.history:
        facts.append(("Newcomers read", _READ[room.history]))
    goes = f"go after {look.lasting(room.expires_ms)}" if room.expires_ms else "do not disappear"
    facts.append(("Messages", goes))
    facts.append(("Notify me", LEVELS.get(room.chat.level, room.chat.level)))
    if room.created_at is not None:
        facts.append(("Made", look.date(room.created_at, now)))
    if room.created_by:
        facts.append(("by", f"@{room.created_by}"))
    for name, value in facts:
        yield spread(styled((name, "$soft")), styled(value), CELLS)


def _pins(room: shown.Room) -> Iterator[Content]:
    if room.pins:
        yield _head("Pinned", len(room.pins))
    for one in room.pins[:PINS_SHOWN]:
        by = "" if one.author is None else look.called(one.author)
        ink = "" if one.author is None else look.colour(one.author.name)
        said = styled((f"{by}: ", ink), " ".join(one.text.split()))
        yield said.truncate(CELLS, ellipsis=True) if said.cell_length > CELLS else said


def _files(lines: Sequence[shown.Line]) -> Iterator[Content]:
    found = [one for line in lines for one in line.files][:FILES_SHOWN]
    if found:
        yield styled("\n", ("Files", "bold"), ("  the newest", "$soft"))
    for one in found:
        name = styled((f"{look.file_sign(one)} ", "$soft"), one.name)
        yield spread(name, styled((look.size(one.size), "$soft")), CELLS)
