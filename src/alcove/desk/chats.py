"""The list of chats, an open room, and what is read there."""

from typing import TYPE_CHECKING, Final

from alcove import client as sdk
from alcove.client import UsageError
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.client import Message, Room
    from alcove.desk.desk import Desk

PAGE_LINES: Final = 60
"""Lines of one page."""
PAGE_LINES_MAX: Final = 200


def room_of(desk: "Desk", room: str) -> "Room":
    """Return a room by its id."""
    try:
        return desk.client.room_of(bytes.fromhex(room))
    except ValueError:
        raise UsageError("This is no room: choose one from the list.") from None


def line_of(desk: "Desk", number: int) -> "Message":
    """Return a message by its number."""
    return desk.client.message_of(number)


# ---- The list ----


class GetChats(Call[tuple[shown.Chat, ...]], frozen=True, kw_only=True):
    """The list of chats; the face sorts it."""


@answers(GetChats)
async def chats(desk: "Desk", _: GetChats) -> tuple[shown.Chat, ...]:
    """Return all rooms of the account, the newest first."""
    return tuple(values.chat(room, desk.typing(room.room)) for room in desk.client.rooms())


class Choose(Call[None], frozen=True, kw_only=True):
    """Choose on this device how a room is shown and what of it is notified."""

    room: str
    level: str | None = None
    is_pinned: bool | None = None
    is_archived: bool | None = None


@answers(Choose)
async def choose(desk: "Desk", call: Choose) -> None:
    """Take the choice."""
    await room_of(desk, call.room).choose(
        level=call.level,  # type: ignore[arg-type]
        is_pinned=call.is_pinned,
        is_archived=call.is_archived,
    )


class MarkUnread(Call[None], frozen=True, kw_only=True):
    """Show a room as unread."""

    room: str


@answers(MarkUnread)
async def mark_unread(desk: "Desk", call: MarkUnread) -> None:
    """Take the mark."""
    await room_of(desk, call.room).mark_unread()


class KeepDraft(Call[None], frozen=True, kw_only=True):
    """Keep what stands in a room's composer."""

    room: str
    text: str


@answers(KeepDraft)
async def keep_draft(desk: "Desk", call: KeepDraft) -> None:
    """Keep it."""
    room = room_of(desk, call.room)
    await room.keep_draft(call.text)
    desk.chat_changed(room.room)


# ---- One room ----


class OpenRoom(Call[shown.Room], frozen=True, kw_only=True):
    """A room with its people and settings; from now on its lines are told as they change."""

    room: str


@answers(OpenRoom)
async def open_room(desk: "Desk", call: OpenRoom) -> shown.Room:
    """Return the room as it is now."""
    room = room_of(desk, call.room)
    desk.watched.add(room.room)
    return values.room(room, desk.typing(room.room))


class CloseRoom(Call[None], frozen=True, kw_only=True):
    """A room is not looked at any more."""

    room: str


@answers(CloseRoom)
async def close_room(desk: "Desk", call: CloseRoom) -> None:
    """Tell nothing more of its lines."""
    room = room_of(desk, call.room)
    desk.watched.discard(room.room)
    desk.unread.pop(room.room, None)


class GetLines(Call[tuple[shown.Line, ...]], frozen=True, kw_only=True):
    """A page of a room's lines: the newest, those before one, or those from one on."""

    room: str
    before: int | None = None
    since: int | None = None
    limit: int = PAGE_LINES


@answers(GetLines)
async def lines(desk: "Desk", call: GetLines) -> tuple[shown.Line, ...]:
    """Return the page, in the order in which things were said."""
    room = room_of(desk, call.room)
    limit = max(1, min(call.limit, PAGE_LINES_MAX))
    if call.since is not None:
        found = room.history_from(line_of(desk, call.since), limit)
    else:
        found = room.history(limit, None if call.before is None else line_of(desk, call.before))
    if call.before is None and call.since is None:
        newest = max((one.line.seq or 0 for one in found), default=0)
        desk.unread.setdefault(room.room, range(room.read_place + 1, newest + 1))
    pinned = frozenset(one.number for one in room.pins())
    unread = desk.unread.get(room.room, values.NOTHING)
    return tuple(values.line(one, pinned, unread) for one in found)


class LineAt(Call[int | None], frozen=True, kw_only=True):
    """The number of the first line of a room at or after a moment; None for none."""

    room: str
    at: int


@answers(LineAt)
async def line_at(desk: "Desk", call: LineAt) -> int | None:
    """Look it up."""
    found = room_of(desk, call.room).message_at(sdk.moment(call.at))
    return None if found is None else found.number


class Read(Call[None], frozen=True, kw_only=True):
    """Everything in a room was seen, or everything up to a line."""

    room: str
    upto: int | None = None


@answers(Read)
async def read(desk: "Desk", call: Read) -> None:
    """Note it, for all devices of this account."""
    room = room_of(desk, call.room)
    await room.read(None if call.upto is None else line_of(desk, call.upto))
    desk.chat_changed(room.room)


class Type(Call[None], frozen=True, kw_only=True):
    """I write in a room, or have stopped."""

    room: str
    on: bool = True


@answers(Type)
async def typing(desk: "Desk", call: Type) -> None:
    """Tell those who are there."""
    await room_of(desk, call.room).typing(on=call.on)


class Overlook(Call[None], frozen=True, kw_only=True):
    """Go on in a room whose log is told in two ways: I have asked the others."""

    room: str


@answers(Overlook)
async def overlook(desk: "Desk", call: Overlook) -> None:
    """Go on."""
    await room_of(desk, call.room).overlook()


class Search(Call[tuple[shown.Line, ...]], frozen=True, kw_only=True):
    """Messages that hold all these words, newest first; in all rooms where none is named."""

    words: str
    room: str | None = None
    before: int | None = None
    limit: int = PAGE_LINES


@answers(Search)
async def search(desk: "Desk", call: Search) -> tuple[shown.Line, ...]:
    """Look on this device; no server is asked."""
    found = desk.client.search(
        call.words,
        limit=max(1, min(call.limit, PAGE_LINES_MAX)),
        before=None if call.before is None else line_of(desk, call.before),
        room=None if call.room is None else room_of(desk, call.room),
    )
    return tuple(values.line(one) for one in found)
