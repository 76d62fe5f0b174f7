"""`alcove room pins`, `read`, `unread`, `notify` and `archive`: how a room is kept in sight."""

from typing import TYPE_CHECKING, Any

import click

from alcove.cli.member import saying
from alcove.cli.member.changing import WAIT_S, there, told
from alcove.cli.member.opening import (
    Given,
    examples,
    fresh,
    json_option,
    member_options,
    offline_option,
    run,
)
from alcove.cli.member.talking import room_of

if TYPE_CHECKING:
    from alcove.client import Client

LEVELS = {
    "all": "You are notified of everything in",
    "mentions": "You are notified of what calls you in",
    "none": "You are notified of nothing in",
}


@click.command(
    epilog=examples(
        "alcove room pins kitchen",
    )
)
@click.argument("room")
@offline_option
@member_options
@json_option
def pins(given: Given, room: str, *, offline: bool, as_json: bool) -> None:
    """Show what is pinned in a room.

    `alcove message pin` pins something.
    """

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        found = await room_of(client, room)
        pinned = found.pins()
        if as_json:
            saying.emit([saying.message_shape(one) for one in pinned])
        elif pinned:
            for one in pinned:
                click.echo(f"{one.number}  {saying.line(one, with_room=False)}")
        else:
            click.echo(f"Nothing is pinned in {found.title}.")

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room read kitchen",
        "alcove room read @bob",
    )
)
@click.argument("room")
@member_options
@json_option
def read(given: Given, room: str, *, as_json: bool) -> None:
    """Note that everything in a room was read.

    Your other devices know it then; the others there see it below what they have said, where that
    is not a large room.
    """

    async def story(client: "Client") -> None:
        found = await there(client, room)
        await found.read()
        await client.until(lambda: found.is_read_told, WAIT_S)
        told(f"{found.title}: everything is read.", saying.room_shape(found), as_json=as_json)

    run(given, story, patience_s=5)


@click.command(
    epilog=examples(
        "alcove room unread kitchen",
    )
)
@click.argument("room")
@member_options
@json_option
def unread(given: Given, room: str, *, as_json: bool) -> None:
    """Mark a room as unread, until it is read again.

    This is noted on this machine alone.
    """

    async def story(client: "Client") -> None:
        found = await room_of(client, room)
        await found.mark_unread()
        told(f"{found.title} is marked as unread.", saying.room_shape(found), as_json=as_json)

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room notify kitchen mentions",
    )
)
@click.argument("room")
@click.argument("level", type=click.Choice(["all", "mentions", "none"]))
@member_options
@json_option
def notify(given: Given, room: str, level: Any, *, as_json: bool) -> None:
    """Choose what of a room you are notified of.

    This is noted on this machine alone: everything, what calls you by name or with all, or nothing.
    """

    async def story(client: "Client") -> None:
        found = await room_of(client, room)
        await found.choose(level=level)
        told(f"{LEVELS[level]} {found.title}.", saying.room_shape(found), as_json=as_json)

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room archive kitchen",
        "alcove room archive kitchen --undo",
    )
)
@click.argument("room")
@click.option("--undo", is_flag=True, help="Show it in the list again.")
@member_options
@json_option
def archive(given: Given, room: str, *, undo: bool, as_json: bool) -> None:
    """Keep a room out of the list of rooms.

    You stay in it, and `alcove rooms --archived` shows it.  This is noted on this machine alone.
    """

    async def story(client: "Client") -> None:
        found = await room_of(client, room)
        await found.choose(is_archived=not undo)
        sentence = f"{found.title} is in the list again." if undo else f"{found.title} is archived."
        told(sentence, saying.room_shape(found), as_json=as_json)

    run(given, story)
