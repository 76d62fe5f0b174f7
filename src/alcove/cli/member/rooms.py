"""`alcove rooms` and `alcove room …`: where this account talks, with whom, and who may what."""

from typing import TYPE_CHECKING, Any

import click

from alcove.cli.advice import say
from alcove.cli.lazy import Lazy, Promise
from alcove.cli.member import saying
from alcove.cli.member.changing import carried, change_room
from alcove.cli.member.opening import (
    Given,
    examples,
    fresh,
    json_option,
    line,
    member_options,
    offline_option,
    run,
)
from alcove.cli.member.talking import room_of
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client, Room

NEWEST_CHARACTERS = 50
"""So much of the newest message stands in the list."""


@click.command(
    epilog=examples(
        "alcove rooms",
        "alcove rooms --json | jq -r '.[].title'",
    )
)
@click.option("--gone", is_flag=True, help="Also rooms in which you are no more.")
@click.option("--archived", is_flag=True, help="Also rooms that were archived.")
@offline_option
@member_options
@json_option
def rooms(given: Given, *, gone: bool, archived: bool, offline: bool, as_json: bool) -> None:
    """List the rooms of this account, the one with the newest message first."""

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        there = client.rooms(gone=gone)
        found = [one for one in there if archived or not one.choice.is_archived]
        if as_json:
            saying.emit([saying.room_shape(one) for one in found])
            return
        if found:
            heads = ("ROOM", "KIND", "UNREAD", "NEWEST", "", "ID")
            saying.columns([_row(one) for one in found], heads)
        elif not there:
            say("There are no rooms yet: `alcove send @name hello` begins to talk.")
        if len(found) < len(there):
            say(f"Archived: {len(there) - len(found)}.  `alcove rooms --archived` shows them too.")

    run(given, story)


def _unread(room: "Room") -> str:
    """Return how much is unread, and how much of it calls you."""
    found = room.unread
    if not found.lines:
        return "yes" if room.choice.is_marked else ""
    return f"{found.lines} (@{found.mentions})" if found.mentions else str(found.lines)


def _row(room: "Room") -> tuple[str, ...]:
    newest = room.history(1)
    when = saying.moment(newest[0].at) if newest else ""
    said = ""
    if newest:
        said = " ".join(saying.told(newest[0]).split())
        if newest[0].kind not in ("note", "gap"):
            said = f"{saying.who(newest[0])}: {said}"
    title = room.title if room.state == "active" else f"{room.title} ({room.state})"
    return title, room.kind, _unread(room), when, said[:NEWEST_CHARACTERS], room.id[:8]


def _in(module: str, name: str, summary: str) -> Promise:
    return Promise(f"alcove.cli.member.{module}:{name}", summary)


@click.group(
    cls=Lazy,
    promises={
        "new": _in("rooms", "new", "Make a group."),
        "show": _in("rooms", "show", "Show who is in a room, and what it allows."),
        "join": _in("room_doors", "join", "Join a room by a link, or by its public name."),
        "find": _in("room_doors", "find", "Find groups that may be found by everyone."),
        "add": _in("rooms", "add", "Add people to a room."),
        "remove": _in("rooms", "remove", "Remove people from a room."),
        "link": _in("room_doors", "link", "Make a link by which people join a room."),
        "publish": _in("room_doors", "publish", "Let a group be found by a public name."),
        "rename": _in("room_rights", "rename", "Call a room otherwise."),
        "topic": _in("room_rights", "topic", "Say what a room is about."),
        "settings": _in("room_rights", "settings", "Show or choose what a room allows."),
        "role": _in("rooms", "role", "Make somebody owner, admin or member."),
        "ban": _in("room_rights", "ban", "Remove people, and let them in no more."),
        "unban": _in("room_rights", "unban", "Let people in again who were banned."),
        "mute": _in("room_rights", "mute", "Have everybody's device hide what somebody says."),
        "unmute": _in("room_rights", "unmute", "Show again what somebody says."),
        "pins": _in("room_marks", "pins", "Show what is pinned in a room."),
        "read": _in("room_marks", "read", "Note that everything in a room was read."),
        "unread": _in("room_marks", "unread", "Mark a room as unread, until it is read again."),
        "notify": _in("room_marks", "notify", "Choose what of a room you are notified of."),
        "archive": _in("room_marks", "archive", "Keep a room out of the list of rooms."),
        "leave": _in("rooms", "leave", "Leave a room."),
        "overlook": _in("rooms", "overlook", "Go on in a room whose log is told in two ways."),
        "hold": _in("rooms", "hold", "Say nothing in a room while it cannot renew your keys."),
        "commons": _in("rooms", "commons", "Make the room that everyone on the server may join."),
    },
    aliases={"invite": "add", "kick": "remove", "invite-link": "link", "name": "rename"},
)
def room() -> None:
    """Make a room or join one, see who is in it, and choose what it allows.

    Who may do what is signed into the room, and checked by every member's device.
    """


@click.command(
    epilog=examples(
        "alcove room new kitchen @bob @eva --topic 'who cooks when'",
        "alcove room new board @bob --history none",
    )
)
@click.argument("name")
@click.argument("people", nargs=-1)
@click.option("--topic", metavar="TEXT", default="", help="What it is about.")
@click.option(
    "--history",
    type=click.Choice(["open", "closed", "none"]),
    default="open",
    show_default=True,
    help="Whether newcomers read what was said before, and whether anything is kept at all.",
)
@member_options
@json_option
def new(
    given: Given, name: str, people: tuple[str, ...], topic: str, history: Any, *, as_json: bool
) -> None:
    """Make a group.

    PEOPLE are `@names`; whoever is not known on the server is refused, and nothing is made.
    """

    async def story(client: "Client") -> None:
        await line(client)
        made = await client.create_group(name, people, topic=topic, history=history)
        await client.until(lambda: made.state == "active", 15)
        if as_json:
            saying.emit(saying.room_details(made))
        else:
            click.echo(f"{made.title} is made: {_people(made)}.")

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room show kitchen",
    )
)
@click.argument("room")
@offline_option
@member_options
@json_option
def show(given: Given, room: str, *, offline: bool, as_json: bool) -> None:
    """Show who is in a room, and what it allows."""

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        found = await room_of(client, room)
        if as_json:
            saying.emit(saying.room_details(found))
            return
        saying.pairs(
            (
                ("room", found.title),
                ("topic", found.topic or "(none)"),
                ("kind", found.kind),
                ("id", found.id),
                ("state", found.state),
                *(_of_its_state(found) if found.state == "active" else ()),
            )
        )
        click.echo()
        rows = [
            (shown_name(one.person.name), one.role, one.person.state, str(one.devices))
            for one in found.members()
        ]
        saying.columns(rows, ("NAME", "ROLE", "KEYS", "DEVICES"))
        if found.asked:
            click.echo(f"Asked, not accepted yet: {saying.names(found.asked)}")
        if found.state == "active" and found.banned():
            click.echo(f"Banned: {', '.join(saying.banned(found))}")
        if found.muted():
            click.echo(f"Muted: {saying.names(found.muted())}")

    run(given, story)


def _of_its_state(room: "Room") -> list[tuple[str, str]]:
    """Return what is signed into a room."""
    return [("made", saying.made(room)), *saying.rights(room)]


@click.command(
    epilog=examples(
        "alcove room add kitchen @eva",
    )
)
@click.argument("room")
@click.argument("people", nargs=-1, required=True)
@member_options
@json_option
def add(given: Given, room: str, people: tuple[str, ...], *, as_json: bool) -> None:
    """Add people to a room.

    What they may read of what was said before is the room's policy, which everyone sees.
    """

    async def story(client: "Client") -> None:
        await line(client)
        found = await room_of(client, room)
        persons = [await client.person(one) for one in people]
        async with carried(found, *(one.account for one in persons)):
            for one in persons:
                await found.invite(one)
        if as_json:
            saying.emit(saying.room_details(found))
            return
        click.echo(f"{saying.names(persons)}: added to {found.title}.")
        if found.asked:
            say(saying.not_accepted(found))

    run(given, story, patience_s=5)


@click.command(
    epilog=examples(
        "alcove room remove kitchen @eva",
    )
)
@click.argument("room")
@click.argument("people", nargs=-1, required=True)
@member_options
@json_option
def remove(given: Given, room: str, people: tuple[str, ...], *, as_json: bool) -> None:
    """Remove people from a room.

    What is said from then on they cannot read; what they have read, they have.
    """

    async def story(client: "Client") -> None:
        await line(client)
        found = await room_of(client, room)
        there = [found.member(one).person for one in people]
        async with carried(found):
            for person in there:
                await found.remove(person)
        if as_json:
            saying.emit(saying.room_details(found))
        else:
            names = ", ".join(shown_name(person.name) for person in there)
            click.echo(f"{names}: in {found.title} no more.")

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room role kitchen @eva admin",
    )
)
@click.argument("room")
@click.argument("person")
@click.argument("rank", metavar="ROLE", type=click.Choice(["owner", "admin", "member"]))
@member_options
@json_option
def role(given: Given, room: str, person: str, rank: str, *, as_json: bool) -> None:
    """Make somebody owner, admin or member.

    Only an owner may.
    """

    async def story(client: "Client") -> None:
        await line(client)
        found = await room_of(client, room)
        async with carried(found):
            await found.set_role(person, rank)
        if as_json:
            saying.emit(saying.room_details(found))
        else:
            name = shown_name(found.member(person).person.name)
            click.echo(f"{name} is {rank} of {found.title}.")

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room leave kitchen",
    )
)
@click.argument("room")
@click.option("--yes", "-y", is_flag=True, help="Do not ask whether it is meant.")
@member_options
@json_option
def leave(given: Given, room: str, *, yes: bool, as_json: bool) -> None:
    """Leave a room.

    What was said stays readable on this device.
    """
    if not yes:
        click.confirm(f"Leave {shown_name(room)}?", abort=True)

    async def story(client: "Client") -> None:
        await line(client)
        found = await room_of(client, room)
        title = found.title
        await found.leave()
        await client.settled(15)
        if as_json:
            saying.emit(saying.room_shape(found))
        else:
            click.echo(f"You leave {title}: a device of it that is online carries that out.")

    run(given, story, patience_s=5)


@click.command(
    epilog=examples(
        "alcove room overlook kitchen",
    )
)
@click.argument("room")
@click.option("--yes", "-y", is_flag=True, help="Do not ask whether it is meant.")
@member_options
@json_option
def overlook(given: Given, room: str, *, yes: bool, as_json: bool) -> None:
    """Go on in a room whose log is told in two ways.

    Until then nothing is sent there: the server may show each of its members something else.
    Compare what you see with the others first, by another way than this server.
    """
    if not yes:
        click.confirm(f"Have you compared {shown_name(room)} with its others?", abort=True)

    async def change(found: "Room") -> str:
        was_doubted = found.is_doubted
        await found.overlook()
        if was_doubted:
            return f"What waited in {found.title} goes on its way."
        return f"Nothing was held back in {found.title}."

    change_room(given, room, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove room hold kitchen",
        "alcove room hold kitchen --off",
    )
)
@click.argument("room")
@click.option("--off", is_flag=True, help="Send what waits all the same.")
@member_options
@json_option
def hold(given: Given, room: str, *, off: bool, as_json: bool) -> None:
    """Say nothing in a room while it cannot renew your keys.

    For when you were told that the server refuses to: what you write waits, and goes by itself
    once your keys were renewed.
    """

    async def change(found: "Room") -> str:
        if off:
            await found.let_go()
            return f"What waited in {found.title} goes on its way."
        await found.hold()
        return f"What you write in {found.title} waits until your keys were renewed."

    change_room(given, room, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove room commons",
    )
)
@member_options
@json_option
def commons(given: Given, *, as_json: bool) -> None:
    """Make the room that everyone on the server may join.

    Only its host may.  Everyone on the server, the host included, can read what is said there.
    """

    async def story(client: "Client") -> None:
        await line(client)
        made = await client.make_commons()
        await client.settled(15)
        if as_json:
            saying.emit(saying.room_details(made))
        else:
            click.echo(f"{made.title} is made: who signs in finds it among the rooms.")

    run(given, story)


def _people(room: "Room") -> str:
    names = [shown_name(one.person.name) for one in room.members() if not one.person.is_me]
    if not names:
        return "with you alone so far"
    return "with " + ", ".join(names)
