"""What an order of the chat is, such as /edit, and how they are explained."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from alcove.cli.advice import advised

if TYPE_CHECKING:
    from alcove.cli.member.talk import Talk

WIDTH = 27
"""So wide is the column of what is typed."""

TYPED = """\
text                       says it where the prompt names: [everyone], [@name] or [room]
@name text                 says it to one person alone; a name that is not known is refused
@name                      from now on it goes to them
//text                     says a text that begins with /
exit                       ends
#7                         names a message in an order, by the number in front of it; without it
                           the newest that fits is meant
"""


class Order(NamedTuple):
    """A command of the chat."""

    do: "Callable[[Talk, str], Awaitable[None]]"
    about: str
    """In which part of the help it stands; empty for another name of an order."""
    use: str
    """How it is typed."""
    says: str
    """What it does."""
    example: str = ""
    """One way to type it, where `use` leaves questions."""
    needs: str = ""
    """What is said when it has to be followed by something, and is not."""


def help_of(orders: Mapping[str, Order], name: str) -> str:
    """Return all that can be typed, or what one order does."""
    bare = name.lower().removeprefix("/")
    if bare in orders:
        one = orders[bare]
        shown = f"{one.use}\n  {one.says}"
        return f"{shown}\n  For example: {one.example}" if one.example else shown
    parts: dict[str, list[str]] = {}
    for one in orders.values():
        if one.about:
            parts.setdefault(one.about, []).append(f"  {one.use:<{WIDTH - 2}} {one.says}")
    lists = "\n".join(f"{about}\n" + "\n".join(lines) for about, lines in parts.items())
    return f"{TYPED}{lists}\n{advised(ELSEWHERE)}"


ELSEWHERE = (
    "/help NAME explains one of them, such as /help poll.  Passwords are typed outside of the chat:"
    " `alcove account`, `alcove devices`, `alcove recovery`."
)
