"""Everything that the owner of an engine may hear, in one screen.

An event leaves after what it tells is stored.  It may be lost when the program is killed then; what
matters can be looked up.
"""

from typing import Any

from msgspec import Struct

from alcove.wire.ids import Id, Millis, Seq


class Event(Struct, frozen=True):
    """Something that happened."""


class Online(Event, frozen=True, tag="online"):
    """The server knows this device, and answers."""


class Offline(Event, frozen=True, tag="offline"):
    """The line is down.  What is said waits."""


class Answered(Event, frozen=True, tag="answered"):
    """The server has answered what the owner asked through `Engine.ask`."""

    ticket: int
    answer: Any
    """A `Reply`, or a `Refusal`."""


class Pushed(Event, frozen=True, tag="pushed"):
    """The server has said something that only the owner need hear: presence, an announcement."""

    push: Any


class RoomChanged(Event, frozen=True, tag="room_changed"):
    """Something about a room is other than before: look at it again."""

    room: Id


class LineShown(Event, frozen=True, tag="line_shown"):
    """A room's timeline has a new line."""

    room: Id
    number: int
    """The line's number on this device."""


class LineChanged(Event, frozen=True, tag="line_changed"):
    """A line of a timeline is other than before: stored, read, edited, deleted, reacted to."""

    room: Id
    number: int


class Mended(Event, frozen=True, tag="mended"):
    """Something went wrong in a room, or was put right; a line in the room says so too."""

    room: Id
    cause: str
    """A code of docs/causes.md."""
    seq: Seq
    who: Id | None = None
    """The account that it is about."""


class Warned(Event, frozen=True, tag="warned"):
    """Something that the owner has to look at: a changed identity, a lying server."""

    code: str
    about: bytes
    at: Millis


class Signalled(Event, frozen=True, tag="signalled"):
    """Somebody does something in a room at this moment; it is over soon, and stored nowhere."""

    room: Id
    account: Id
    kind: str
    """`typing`, or `resting` when they stopped."""


class PeopleChanged(Event, frozen=True, tag="people_changed"):
    """How somebody is there, or how they show themselves, is other than before."""

    accounts: tuple[Id, ...]


class AsksChanged(Event, frozen=True, tag="asks_changed"):
    """Requests to chat have come or were answered: `chats.asks` has what waits."""


class TransferChanged(Event, frozen=True, tag="transfer_changed"):
    """A file on its way began, rests, waits, has failed, is through, or came further."""

    number: int
    """The transfer's: `files.transfers.transfer` tells the rest."""
