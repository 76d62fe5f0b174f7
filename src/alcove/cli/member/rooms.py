"""`alcove rooms` and `alcove room …`: where this account talks, with whom, and who may what."""

from typing import TYPE_CHECKING, Any

import click

from alcove.cli.advice import say
from alcove.cli.lazy import Lazy, Promise
from alcove.cli.member import saying
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
@offline_option
@member_options
@json_option
def rooms(given: Given, *, gone: bool, offline: bool, as_json: bool) -> None:
    """List the rooms of this account, the one with the newest message first."""

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        found = client.rooms(gone=gone)
        if as_json:
            saying.emit([saying.room_shape(one) for one in found])
        elif found:
            saying.columns([_row(one) for one in found], ("ROOM", "KIND", "NEWEST", "", "ID"))
        else:
            say("There are no rooms yet: `alcove send @name hello` begins to talk.")

    run(given, story)


def _row(room: "Room") -> tuple[str, ...]:
    newest = room.history(1)
    when = saying.moment(newest[0].at) if newest else ""
    said = ""
    if newest:
        said = saying.told(newest[0]).replace("\n", " ")
        if newest[0].kind not in ("note", "gap"):
            said = f"{saying.who(newest[0])}: {said}"
    title = room.title if room.state == "active" else f"{room.title} ({room.state})"
    return title, room.kind, when, said[:NEWEST_CHARACTERS], room.id[:8]


def _in(name: str, summary: str) -> Promise:
    return Promise(f"alcove.cli.member.rooms:{name}", summary)


@click.group(
    cls=Lazy,
    promises={
        "new": _in("new", "Make a group."),
        "show": _in("show", "Show who is in a room, and what it allows."),
        "add": _in("add", "Add people to a room."),
        "remove": _in("remove", "Remove people from a room."),
        "role": _in("role", "Make somebody owner, admin or member."),
        "leave": _in("leave", "Leave a room."),
        "overlook": _in("overlook", "Go on in a room whose log is told in two ways."),
        "commons": _in("commons", "Make the room that everyone on the server may join."),
    },
)
def room() -> None:
    """Make a room, see who is in it, add and remove people.

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
            saying.emit(_shape(made))
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
            saying.emit(_shape(found))
            return
        saying.pairs(
            (
                ("room", found.title),
                ("topic", found.topic or "(none)"),
                ("kind", found.kind),
                ("id", found.id),
                ("state", found.state),
            )
        )
        click.echo()
        rows = [
            (shown_name(one.person.name), one.role, one.person.state, str(one.devices))
            for one in found.members()
        ]
        saying.columns(rows, ("NAME", "ROLE", "KEYS", "DEVICES"))

    run(given, story)


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
        for one in people:
            await found.invite(one)
        names = [shown_name((await client.person(one)).name) for one in people]
        await client.settled(15)
        if as_json:
            saying.emit(_shape(found))
        else:
            click.echo(f"{', '.join(names)}: added to {found.title}, or asked first.")

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
        for person in there:
            await found.remove(person)
        await client.until(lambda: not any(one.person in there for one in found.members()), 15)
        if as_json:
            saying.emit(_shape(found))
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
        await found.set_role(person, rank)
        await client.until(lambda: found.member(person).role == rank, 15)
        if as_json:
            saying.emit(_shape(found))
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

    async def story(client: "Client") -> None:
        await line(client)
        found = await room_of(client, room)
        was_doubted = found.is_doubted
        await found.overlook()
        await client.settled(15)
        if as_json:
            saying.emit(saying.room_shape(found))
        elif was_doubted:
            click.echo(f"What waited in {found.title} goes on its way.")
        else:
            click.echo(f"Nothing was held back in {found.title}.")

    run(given, story)


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
            saying.emit(_shape(made))
        else:
            click.echo(f"{made.title} is made: who signs in finds it among the rooms.")

    run(given, story)


def _shape(room: "Room") -> dict[str, Any]:
    members = [
        {
            "person": saying.person_shape(one.person),
            "role": one.role,
            "devices": one.devices,
        }
        for one in room.members()
    ]
    return saying.room_shape(room) | {"topic": room.topic, "members": members}


def _people(room: "Room") -> str:
    names = [shown_name(one.person.name) for one in room.members() if not one.person.is_me]
    if not names:
        return "so far with you alone; whom you named is asked, or comes in a moment"
    return "with " + ", ".join(names)
