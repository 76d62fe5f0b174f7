"""Orders of the chat about this room, and about yourself."""

from typing import TYPE_CHECKING, Any, Final

from alcove.cli.member import saying
from alcove.cli.member.changing import carried
from alcove.cli.member.orders import Order
from alcove.cli.member.room_doors import joined
from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.cli.member.talk import Talk

ROOM: Final = "This room"
DOORS: Final = "Into rooms"
YOU: Final = "Yourself"
WORDS: Final = {
    "invite": "may_invite", "post": "may_post", "pin": "may_pin", "all": "may_mention_all",
    "history": "history", "files": "files",
}  # fmt: skip
"""How settings are called in `/settings`."""


async def join(talk: "Talk", rest: str) -> None:
    """Join a room by a link or its public name, and go there."""
    await talk.go(await joined(talk.client, rest))


async def find(talk: "Talk", rest: str) -> None:
    """List groups that can be found by everyone."""
    found = await talk.client.find_groups(rest.lower())
    lines = [
        f"{one.alias}  {one.members} in it  {' '.join(shown_text(one.description).split())}"
        for one in found
    ]
    talk.screen.show("\n".join(lines) or "· no group was found")


async def link(talk: "Talk", rest: str) -> None:
    """Make a link into this room."""
    days = int(rest) if rest.isdigit() else None
    room = talk.here()
    async with carried(room):
        text = await room.link(days=days)
    talk.screen.show(f"{text}\n· whoever has it can join: hand it on with care")


async def settings(talk: "Talk", rest: str) -> None:
    """Show or choose what this room allows."""
    from alcove.client import UsageError  # noqa: PLC0415

    room = talk.here()
    if not rest:
        talk.screen.show("\n".join(f"{name}: {value}" for name, value in saying.rights(room)))
        return
    word, _, value = rest.partition(" ")
    name = WORDS.get(word.lower())
    if name is None:
        raise UsageError(f"There is no such setting: there is {', '.join(WORDS)}.")
    wanted: dict[str, Any] = {name: value.strip().lower()}
    async with carried(room):
        await room.change_settings(**wanted)
    talk.screen.show("· the room allows that from now on")


async def rename(talk: "Talk", rest: str) -> None:
    """Call this room otherwise."""
    await talk.here().change_profile(name=rest)
    talk.set_prompt()


async def topic(talk: "Talk", rest: str) -> None:
    """Say what this room is about."""
    room = talk.here()
    if rest:
        await room.change_profile(topic=rest)
    talk.screen.show(f"· {room.topic or 'no topic'}")


async def role(talk: "Talk", rest: str) -> None:
    """Make somebody owner, admin or member."""
    name, _, rank = rest.partition(" ")
    room = talk.here()
    async with carried(room):
        await room.set_role(name, rank.strip().lower())
    talk.screen.show(f"· {_bare(name)} is {shown_name(rank)} now")


async def ban(talk: "Talk", rest: str) -> None:
    """Remove somebody, and let them in no more."""
    room = talk.here()
    async with carried(room):
        await room.ban(rest)
    talk.screen.show(f"· {_bare(rest)} is shut out")


async def unban(talk: "Talk", rest: str) -> None:
    """Let somebody in again."""
    room = talk.here()
    async with carried(room):
        await room.unban(rest)
    talk.screen.show(f"· {_bare(rest)} may come again; /add brings them")


async def mute(talk: "Talk", rest: str) -> None:
    """Hide what somebody says here, on everybody's device."""
    name, _, why = rest.partition(" ")
    await talk.here().mute(name, reason=why)
    talk.has_said = True


async def unmute(talk: "Talk", rest: str) -> None:
    """Show again what somebody says here."""
    await talk.here().mute(rest, on=False)
    talk.has_said = True


async def read(talk: "Talk", rest: str) -> None:
    """Note that everything here was read."""
    del rest
    await talk.here().read()


async def unread(talk: "Talk", rest: str) -> None:
    """Mark this room as unread."""
    del rest
    await talk.here().mark_unread()


async def notify(talk: "Talk", rest: str) -> None:
    """Choose what of this room rings."""
    from alcove.client import UsageError  # noqa: PLC0415

    if rest not in ("all", "mentions", "none"):
        raise UsageError("You are notified of all, mentions or none: say which.")
    level: Any = rest
    await talk.here().choose(level=level)


async def archive(talk: "Talk", rest: str) -> None:
    """Keep this room out of the list of rooms, or no longer."""
    del rest
    room = talk.here()
    is_archived = not room.choice.is_archived
    await room.choose(is_archived=is_archived)
    talk.screen.show("· archived" if is_archived else "· in the list again")


async def profile(talk: "Talk", rest: str) -> None:
    """Show how somebody shows themselves, or you."""
    who = await talk.client.person(rest or talk.client.name)
    called = who.display_name or "(as the name says)"
    talk.screen.show(f"{shown_name(who.name)}  {called}  {who.status}".rstrip())


async def called(talk: "Talk", rest: str) -> None:
    """Choose how you want to be called."""
    await talk.client.owner.show_me(name=rest)
    talk.screen.show("· those who share a room with you see it")


async def status(talk: "Talk", rest: str) -> None:
    """Say a line about yourself."""
    await talk.client.owner.show_me(status=rest)
    talk.screen.show("· those who share a room with you see it")


async def invite(talk: "Talk", rest: str) -> None:
    """Make a link by which somebody can register here."""
    uses = int(rest) if rest.isdigit() else 1
    talk.screen.show(await talk.client.owner.invite(uses=uses))


def _bare(name: str) -> str:
    """Return a name that was typed, without its `@`."""
    return shown_name(name.removeprefix("@"))


_NAME: Final = "Say who is meant, such as @bob."
ORDERS: Final[dict[str, Order]] = {
    "join": Order(
        join, DOORS, "/join LINK", "joins a room by a link, or its public name",
        "/join book-club", "Say which: a link that you were given, or what /find lists.",
    ),
    "find": Order(find, DOORS, "/find [NAME]", "groups that everyone may find"),
    "link": Order(link, DOORS, "/link [DAYS]", "makes a link into this room", "/link 7"),
    "invite": Order(invite, DOORS, "/invite [USES]", "makes a link to register on this server"),
    "settings": Order(
        settings, ROOM, "/settings [WHAT WHO]", "what this room allows, or chooses it",
        "/settings post admins  (invite, post, pin, all: everyone, admins or owners; history: open,"
        " closed or none; files: any or usual)",
    ),
    "name": Order(rename, ROOM, "/name TEXT", "calls this room otherwise", "", "Say how."),
    "topic": Order(topic, ROOM, "/topic [TEXT]", "what this room is about"),
    "role": Order(
        role, ROOM, "/role @name ROLE", "makes somebody owner, admin or member",
        "/role @bob admin", "Say who, and what they are to be: /role @bob admin",
    ),
    "ban": Order(ban, ROOM, "/ban @name", "removes somebody for good", "", _NAME),
    "unban": Order(unban, ROOM, "/unban @name", "lets somebody in again", "", _NAME),
    "mute": Order(
        mute, ROOM, "/mute @name [WHY]", "hides what somebody says here, for all", "", _NAME
    ),
    "unmute": Order(unmute, ROOM, "/unmute @name", "shows it again", "", _NAME),
    "read": Order(read, ROOM, "/read", "everything here is read"),
    "unread": Order(unread, ROOM, "/unread", "marks this room as unread"),
    "notify": Order(
        notify, ROOM, "/notify LEVEL", "what rings here: all, mentions or none",
        "/notify mentions", "Say which: all, mentions or none.",
    ),
    "archive": Order(archive, ROOM, "/archive", "keeps this room out of the list, or not"),
    "profile": Order(profile, YOU, "/profile [@name]", "how somebody shows themselves, or you"),
    "called": Order(called, YOU, "/called TEXT", "how you want to be called", "/called Ada L."),
    "status": Order(status, YOU, "/status TEXT", "a line about yourself", "/status on the train"),
}  # fmt: skip
