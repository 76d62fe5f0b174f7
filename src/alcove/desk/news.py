"""News: what the desk tells a face unasked.  It says how things are now, not how they became so."""

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
