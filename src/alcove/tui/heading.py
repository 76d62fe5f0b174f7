"""What stands above a room and above where one writes: who is there, and what is most urgent."""

from collections.abc import Callable
from typing import Final

from textual.content import Content

from alcove.desk import shown
from alcove.tui import look
from alcove.tui.look import keyed, padded, spread, styled
from alcove.tui.shell import connection

CLASSIC, WIDE = 70, 110
"""From so many columns of the whole screen on there is room for more."""
NARROW: Final = 40
"""Where a border has no room for all of its words."""
NEWCOMERS: Final = {
    "open": "newcomers can read what came before",
    "closed": "newcomers read nothing from before",
    "none": "nothing is kept: who comes later reads nothing",
    "": "on its way",
}
TRUSTED: Final = {
    "checked": "safety number checked",
    "unchecked": "safety number not compared yet",
    "changed": "keys have changed: compare before you write",
}


def head(room: shown.Room, columns: int, width: int) -> Content:
    """Return the head of a room: one line, or two on a wide screen."""
    person = room.chat.person
    name = room.chat.title if person is None else look.called(person)
    trust = styled(" ", look.trust(person)) if person is not None else styled("")
    first = styled(_sign(room.chat), " ", (name, "bold"), trust)
    online = sum(1 for one in room.members if one.person.presence in ("online", "away"))
    if columns < WIDE:
        if person is None and online:
            here = (f"  {online} of {len(room.members)} ", "$soft")
            first = styled(first, here, (look.ONLINE, "$good"))
        elif person is None:
            first = styled(first, (f"  {len(room.members)} members", "$soft"))
        if columns < CLASSIC:
            first = styled(
                ("\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK} ", "$accent bold"), first
            )
        return spread(first, _lock(room.chat, width), width)
    if person is None:
        count = f"{len(room.members)} members" + (f", {online} online" if online else "")
        second = f"{count} · {NEWCOMERS[room.history]}"
    else:
        second = person.status or TRUSTED[person.trust]
    return styled(
        spread(styled(first, "  ", (room.topic, "$soft")), _lock(room.chat, width), width),
        "\n",
        spread(styled((second, "$soft")), _marks(room), width),
    )


def _sign(chat: shown.Chat) -> tuple[str, str]:
    if chat.person is not None:
        return look.dot(chat.person)
    return look.COMMONS if chat.kind == "commons" else look.GROUP, look.colour(chat.title)


def _lock(chat: shown.Chat, width: int) -> Content:
    """Return who can read what is said here."""
    if chat.kind == "commons":
        words = "read by everyone here, the host too" if width >= CLASSIC else "for everyone"
        return styled((words, "$accent"))
    return styled(("encrypted" if width < 50 else "end-to-end encrypted", "$good"))


def _marks(room: shown.Room) -> Content:
    """Return how many of the others are checked, unchecked and changed."""
    parts: list[tuple[str, str]] = []
    for kind, sign in look.TRUST.items():
        count = sum(1 for one in room.members if one.person.trust == kind and not one.person.is_me)
        if count:
            parts.append((f"{count} {sign}  ", "$bad" if kind == "changed" else "$soft"))
    return styled(*parts).rstrip()


def below(
    room: shown.Room, chat: shown.Chat, line: shown.Connection, now: int, waiting: int
) -> Content:
    """Return the most urgent thing that can be said above where one writes."""
    if room.is_doubted:
        return styled(
            ("▲ ", "$bad bold"),
            keyed("^p", "overlook  "),
            ("Others see another version of this room: ask them elsewhere.", "$bad"),
        )
    if chat.person is not None and chat.person.trust == "changed":
        name = chat.person.name
        return styled(
            ("▲ ", "$bad bold"),
            keyed("v", "compare  "),
            (f"The keys of {name} have changed: nothing is sent before you look.", "$bad"),
        )
    if line.state != "online":
        sign, words, ink = connection(line, now)
        kept = f"{waiting} wait to be sent" if waiting else "what you write is kept"
        return styled(
            (f"{sign} ", f"{ink} bold"), ("No connection", "bold"), (f": {kept}, {words}", "$soft")
        )
    if chat.waits_for:
        who = ", ".join(chat.waits_for)
        said = f"{who} has not accepted your request yet; what you write goes along."
        return styled(("→ ", "$accent"), (said, "$soft"))
    if chat.typing:
        verb = "is" if len(chat.typing) == 1 else "are"
        return styled(
            (", ".join(chat.typing), look.colour(chat.typing[0])), (f" {verb} typing…", "$soft")
        )
    return styled("")


def answered(line: shown.Line, width: int) -> Content:
    """Return whom a reply answers, with so much of it as there is room for."""
    end = styled("  ", keyed("esc", "drop"))
    by = "" if line.author is None else look.called(line.author)
    ink = "$accent" if line.author is None else look.colour(line.author.name)
    to = by if width < NARROW else f"Reply to {by}"
    said = " ".join(line.text.split())
    quote = styled((f"{look.REPLY} {to}", f"{ink} bold"), (f": {said}", "$soft"))
    return styled(quote.truncate(max(8, width - end.cell_length), ellipsis=True), end)


def choice(
    words: str, person: shown.Person | None, columns: int, *, is_picked: bool
) -> Callable[[int], Content]:
    """Return what draws a completion: an emoji, or somebody of the room."""
    sign = (f" {look.PICK} " if is_picked else "   ", "$accent bold")
    said = styled(sign, (words, "bold"))
    if person is not None:
        called = person.called or person.name
        trust = "" if columns < CLASSIC else f"{look.TRUST[person.trust]} {person.trust}"
        said = styled(
            sign, look.dot(person), " ", (f"{called:<18}", "bold"), (f"{words:<12}", "$soft"),
            (trust, "$soft"),
        )  # fmt: skip
    back = "on $pick" if is_picked else "on $card"
    return lambda width: padded(said, width).stylize_before(back)
