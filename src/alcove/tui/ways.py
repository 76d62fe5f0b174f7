"""Ways into groups: making one, finding one, and the links that let people in."""

from typing import TYPE_CHECKING, Final

from alcove.client import ClientError, UsageError
from alcove.desk import rooms, shown
from alcove.tui import look
from alcove.tui.choosing import Choice, Chooser, ShowText
from alcove.tui.look import styled
from alcove.tui.shell import Field, Form, OneOf

if TYPE_CHECKING:
    from alcove.tui.app import Alcove

NEWCOMERS: Final = {
    "open": "everything said before", "closed": "nothing from before",
    "none": "nothing, ever: forward secrecy",
}  # fmt: skip
NAMELESS: Final = "A group needs a name: its members see it, and the server never does."
LINK_DAYS: Final = 7


def _new_group(asked: dict[str, str], why: str) -> Form:
    """Return what is asked of a new group, with what was typed before."""
    return Form("New group", [
        Field("Name", note="sealed: the server never sees it", value=asked["name"], id="name"),
        Field("What it is about", value=asked["topic"], id="topic"),
        Field("People, by user name", note="@jonas @priya", value=asked["people"], id="people"),
        OneOf("What newcomers read", NEWCOMERS, value=asked["history"], id="history"),
    ], "create", why=why)  # fmt: skip


async def new_group(app: "Alcove") -> str | None:
    """Make a group, and return its room; what was typed is there again when it cannot be."""
    asked, why = {"name": "", "topic": "", "people": "", "history": "open"}, ""
    while True:
        filled = await app.push_screen_wait(_new_group(asked, why))
        if filled is None:
            return None
        asked = filled
        people = tuple(asked["people"].replace(",", " ").split())
        call = rooms.CreateGroup(
            name=asked["name"].strip(), members=people, topic=asked["topic"],
            history=asked["history"],
        )  # fmt: skip
        try:
            if not call.name:
                raise UsageError(NAMELESS)
            return await app.ask(call)
        except ClientError as error:
            why = str(error)


async def find_group(app: "Alcove") -> str | None:
    """Join a group that its owner lets be found, and return its room."""
    choices = await _groups(app, "")
    if not choices:
        app.tell("No group on this server lets itself be found.", is_bad=False)
        return None
    chooser = Chooser("Join a group", choices, more=lambda typed: _groups(app, typed))
    alias = await app.push_screen_wait(chooser)
    if alias is None:
        return None
    return await app.tried(rooms.JoinGroup(alias=alias))


async def _groups(app: "Alcove", beginning: str) -> list[Choice]:
    """Return groups whose public names begin so."""
    found = await app.tried(rooms.FindGroups(beginning=beginning.strip()))
    return [
        Choice(
            one.alias,
            f"{one.alias}  {one.members} members  {one.about}"
            + ("" if one.is_open else "  (nobody can join now)"),
        )
        for one in found or ()
    ]


async def join(app: "Alcove") -> str | None:
    """Join by a link, and return the room; what was typed is there again when it cannot be."""
    link, why = "", ""
    while True:
        form = Form("Join by a link", [Field("Link", value=link, id="link")], "join", why=why)
        asked = await app.push_screen_wait(form)
        if asked is None or not asked["link"].strip():
            return None
        link = asked["link"].strip()
        try:
            return await app.ask(rooms.Join(link=link))
        except ClientError as error:
            why = str(error)


async def make_link(app: "Alcove", chat: shown.Chat) -> None:
    """Make a link by which whoever has it can join, and show it."""
    from alcove.tui.qr import code  # noqa: PLC0415 - It is asked for seldom.

    link = await app.tried(rooms.MakeLink(room=chat.room, days=LINK_DAYS))
    if link is not None:
        app.copy_to_clipboard(link)
        words = styled(
            "Whoever has it can join, for seven days; it is in your clipboard too.\n\n",
            (link, "bold"), "\n\n", code(link),
        )  # fmt: skip
        await app.push_screen_wait(ShowText(f"A link to {chat.title}", words))


async def end_link(app: "Alcove", chat: shown.Chat) -> None:
    """Let nobody in any more by a link that was made here."""
    choices = [
        Choice(one.id, f"Link {one.id[:8]}", _until(one, app.now()))
        for one in await app.tried(rooms.GetLinks(room=chat.room)) or ()
    ]
    if not choices:
        app.tell("No link that was made on this device lets anybody in.", is_bad=False)
        return
    link = await app.push_screen_wait(Chooser("End a link: nobody comes in by it", choices))
    if link is not None:
        await app.tried(rooms.EndLink(room=chat.room, link=link))


def _until(link: shown.RoomLink, now: int) -> str:
    """Return how long a link still lets people in."""
    ends = "never ends" if link.ends_at is None else f"ends {look.date(link.ends_at, now)}"
    return ends if link.uses is None else f"{ends}, for {link.uses}"


async def publish(app: "Alcove", chat: shown.Chat) -> None:
    """Let a group be found by a public name, or no longer."""
    asked = await app.push_screen_wait(
        Form(
            "Let it be found",
            [
                Field("Public name; empty: no longer", id="alias"),
                Field("About it, for everyone to read", id="about"),
            ],
            "save",
            "The server and everyone on it can read this name and these words.",
        )
    )
    if asked is not None:
        alias = asked["alias"].strip()
        await app.tried(
            rooms.Publish(room=chat.room, alias=alias, about=asked["about"], on=bool(alias))
        )
