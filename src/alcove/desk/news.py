"""News: what the desk tells a face unasked.  It says how things are now, not how they became so."""

from collections.abc import Iterable

from msgspec import Struct

from alcove.desk.shown import Chat, Connection, Line, Transfer


class News(Struct, frozen=True, kw_only=True, tag_field="news"):
    """Something is other than before."""


class ChatsChanged(News, frozen=True, kw_only=True):
    """These rows of the list of chats are new or other; it is sorted anew by the face."""

    chats: tuple[Chat, ...]
    gone: tuple[str, ...] = ()


class LinesChanged(News, frozen=True, kw_only=True):
    """These lines of a room that is open are new or other."""

    room: str
    lines: tuple[Line, ...]
    gone: tuple[int, ...] = ()


class RoomChanged(News, frozen=True, kw_only=True):
    """Members, settings or name of an open room are other: ask for it again."""

    room: str


class AskingChanged(News, frozen=True, kw_only=True):
    """So many requests wait now."""

    count: int


class PeopleChanged(News, frozen=True, kw_only=True):
    """People came or went, or show themselves otherwise."""

    accounts: tuple[str, ...]


class TransfersChanged(News, frozen=True, kw_only=True):
    """Files came further."""

    transfers: tuple[Transfer, ...]


class ConnectionChanged(News, frozen=True, kw_only=True):
    """The line to the server stands otherwise."""

    connection: Connection


class Called(News, frozen=True, kw_only=True):
    """A line that should be noticed: it calls me, or it was said to me alone."""

    line: Line
    title: str


class Alert(News, frozen=True, kw_only=True):
    """Something to look at."""

    code: str
    text: str
    about: str = ""


class Announced(News, frozen=True, kw_only=True):
    """The host of the server says something to everyone."""

    text: str


class Ended(News, frozen=True, kw_only=True):
    """The server does not want this device any more."""

    code: str
    why: str


def together(told: Iterable[News]) -> list[News]:
    """Return the same in fewer words: of each row and each line only what was told last."""
    rows: dict[str, Chat | None] = {}
    lines: dict[str, dict[int, Line | None]] = {}
    others: list[News] = []
    for one in told:
        match one:
            case ChatsChanged(chats=chats, gone=gone):
                rows |= {chat.room: chat for chat in chats} | dict.fromkeys(gone)
            case LinesChanged(room=room, lines=said, gone=away):
                lines.setdefault(room, {}).update(
                    {line.number: line for line in said} | dict.fromkeys(away)
                )
            case _:
                others.append(one)
    if rows:
        others.append(
            ChatsChanged(
                chats=tuple(row for row in rows.values() if row is not None),
                gone=tuple(room for room, row in rows.items() if row is None),
            )
        )
    for room, found in lines.items():
        others.append(
            LinesChanged(
                room=room, lines=tuple(line for line in found.values() if line is not None),
                gone=tuple(number for number, line in found.items() if line is None),
            )
        )  # fmt: skip
    return others
