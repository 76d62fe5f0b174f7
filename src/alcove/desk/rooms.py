"""Rooms: making them, who is in them, what they allow, and ways into them."""

from typing import TYPE_CHECKING, Any

from alcove import client as sdk
from alcove.client import UsageError
from alcove.desk import shown, values
from alcove.desk.calls import Call, answers
from alcove.desk.chats import room_of

if TYPE_CHECKING:
    from alcove.desk.desk import Desk


class CreateGroup(Call[str], frozen=True, kw_only=True):
    """Make a group."""

    name: str
    members: tuple[str, ...] = ()
    topic: str = ""
    history: str = "open"


@answers(CreateGroup)
async def create_group(desk: "Desk", call: CreateGroup) -> str:
    """Make it, and return the room's id."""
    room = await desk.client.create_group(
        call.name,
        call.members,
        topic=call.topic,
        history=call.history,  # type: ignore[arg-type]
    )
    return room.id


class GetNotes(Call[str], frozen=True, kw_only=True):
    """The room in which only I am."""


@answers(GetNotes)
async def notes(desk: "Desk", _: GetNotes) -> str:
    """Return its id; it is made where there is none."""
    return (await desk.client.note_to_self()).id


class GetRoom(Call[shown.Room], frozen=True, kw_only=True):
    """A room with its people and settings, without opening it."""

    room: str


@answers(GetRoom)
async def room(desk: "Desk", call: GetRoom) -> shown.Room:
    """Return the room as it is now."""
    return values.room(room_of(desk, call.room))


# ---- Who is in it ----


class Invite(Call[None], frozen=True, kw_only=True):
    """Add somebody to a room."""

    room: str
    name: str


@answers(Invite)
async def invite(desk: "Desk", call: Invite) -> None:
    """Add them."""
    await room_of(desk, call.room).invite(call.name)


class Remove(Call[None], frozen=True, kw_only=True):
    """Remove somebody from a room."""

    room: str
    name: str


@answers(Remove)
async def remove(desk: "Desk", call: Remove) -> None:
    """Remove them."""
    await room_of(desk, call.room).remove(call.name)


class SetRole(Call[None], frozen=True, kw_only=True):
    """Make somebody owner, admin or member."""

    room: str
    name: str
    role: str


@answers(SetRole)
async def set_role(desk: "Desk", call: SetRole) -> None:
    """Let it be so."""
    await room_of(desk, call.room).set_role(call.name, call.role)


class Leave(Call[None], frozen=True, kw_only=True):
    """Leave a room; what was said stays readable here."""

    room: str


@answers(Leave)
async def leave(desk: "Desk", call: Leave) -> None:
    """Leave it."""
    await room_of(desk, call.room).leave()


# ---- What it is ----


class ChangeProfile(Call[None], frozen=True, kw_only=True):
    """Call a room otherwise."""

    room: str
    name: str | None = None
    topic: str | None = None


@answers(ChangeProfile)
async def change_profile(desk: "Desk", call: ChangeProfile) -> None:
    """Let it be so."""
    await room_of(desk, call.room).change_profile(name=call.name, topic=call.topic)


class ChangeSettings(Call[None], frozen=True, kw_only=True):
    """Change what a room allows; None leaves what is."""

    room: str
    may_invite: str | None = None
    may_post: str | None = None
    may_pin: str | None = None
    history: str | None = None
    expires_ms: int | None = None


@answers(ChangeSettings)
async def change_settings(desk: "Desk", call: ChangeSettings) -> None:
    """Let it be so."""
    names = ("may_invite", "may_post", "may_pin", "history", "expires_ms")
    wanted: dict[str, Any] = {name: getattr(call, name) for name in names}
    await room_of(desk, call.room).change_settings(
        **{name: value for name, value in wanted.items() if value is not None}
    )


# ---- Ways in ----


class MakeLink(Call[str], frozen=True, kw_only=True):
    """A new link by which whoever has it can join."""

    room: str
    days: int | None = None
    uses: int | None = None


@answers(MakeLink)
async def make_link(desk: "Desk", call: MakeLink) -> str:
    """Make it."""
    return await room_of(desk, call.room).link(days=call.days, uses=call.uses)


class GetLinks(Call[tuple[shown.RoomLink, ...]], frozen=True, kw_only=True):
    """The links that were made on this device and still let people in."""

    room: str


@answers(GetLinks)
async def links(desk: "Desk", call: GetLinks) -> tuple[shown.RoomLink, ...]:
    """Return them."""
    return tuple(
        shown.RoomLink(id=one.hash.hex(), ends_at=one.expires_at, uses=one.uses)
        for one in room_of(desk, call.room).links()
    )


class EndLink(Call[None], frozen=True, kw_only=True):
    """Let nobody in by a link any more."""

    room: str
    link: str


@answers(EndLink)
async def end_link(desk: "Desk", call: EndLink) -> None:
    """End it."""
    room = room_of(desk, call.room)
    for one in room.links():
        if one.hash.hex() == call.link:
            await room.end_link(one)
            return
    raise UsageError("This link lets nobody in any more.")


class Join(Call[str], frozen=True, kw_only=True):
    """Join a room by a link."""

    link: str


@answers(Join)
async def join(desk: "Desk", call: Join) -> str:
    """Join it, and return its id."""
    return (await desk.client.join(call.link)).id


class JoinCommons(Call[str], frozen=True, kw_only=True):
    """Go to the room of everyone on this server."""


@answers(JoinCommons)
async def join_commons(desk: "Desk", _: JoinCommons) -> str:
    """Go there, and return its id."""
    return (await desk.client.join_commons()).id


class FindGroups(Call[tuple[shown.PublicRoom, ...]], frozen=True, kw_only=True):
    """Groups whose owners let them be found."""

    beginning: str = ""


@answers(FindGroups)
async def find_groups(desk: "Desk", call: FindGroups) -> tuple[shown.PublicRoom, ...]:
    """Ask the server."""
    return tuple(
        shown.PublicRoom(
            room=one.room.hex(), alias=sdk.shown_name(one.alias),
            about=sdk.shown_text(one.description), members=one.members, is_open=one.key is not None,
        )
        for one in await desk.client.find_groups(call.beginning)
    )  # fmt: skip


class JoinGroup(Call[str], frozen=True, kw_only=True):
    """Join a group that was found, by its public name."""

    alias: str


@answers(JoinGroup)
async def join_group(desk: "Desk", call: JoinGroup) -> str:
    """Join it, and return its id."""
    for one in await desk.client.find_groups(call.alias):
        if one.alias == call.alias:
            return (await desk.client.join_group(one)).id
    raise UsageError("There is no such group any more: look again.")


class Publish(Call[None], frozen=True, kw_only=True):
    """Let a group be found by a public name, or no longer."""

    room: str
    alias: str
    about: str = ""
    on: bool = True


@answers(Publish)
async def publish(desk: "Desk", call: Publish) -> None:
    """Let it be so."""
    room = room_of(desk, call.room)
    await (room.publish(call.alias, call.about) if call.on else room.unpublish())
