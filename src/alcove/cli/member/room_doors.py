"""`alcove room join`, `find`, `link` and `publish`: how people come into rooms by themselves."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.changing import WAIT_S, carried, change_room, there, told
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import Given, examples, fresh, json_option, line, member_options, run
from alcove.cli.member.talking import EVERYONE
from alcove.wire.content import shown_name, shown_text

if TYPE_CHECKING:
    from alcove.client import Client, Room

NAME_S: Final = 3.0
"""So long the name of a room is waited for: its people seal it for who has just come."""


@click.command(
    epilog=examples(
        "alcove room join 'https://chat.example.org/r/…#…'",
        "alcove room join book-club",
        "alcove room join everyone",
    )
)
@click.argument("link", metavar="LINK")
@member_options
@json_option
def join(given: Given, link: str, *, as_json: bool) -> None:
    """Join a room by a link, or by its public name.

    LINK is what somebody in it has given you, or what `alcove room find` lists, or `everyone` for
    the room of everybody on the server.  Nobody there has to be online.
    """

    async def story(client: "Client") -> None:
        from alcove.client import OfflineError, caught_up  # noqa: PLC0415

        await fresh(client)
        await line(client)
        room = await joined(client, link)
        with suppress(OfflineError):
            await caught_up(client, WAIT_S)
            await client.until(lambda: bool(room.name) or room.kind != "group", NAME_S)
        sentence = f"You are in {room.title}."
        if not room.name and room.kind == "group":
            sentence = (
                f"You are in a room with {room.title}.  What it is called comes when one of them is"
                f" online; till then its id names it: {room.id}"
            )
        told(sentence, saying.room_details(room), as_json=as_json)

    run(given, story, patience_s=5)


async def joined(client: "Client", link: str) -> "Room":
    """Return the room into which a link, a public name or `everyone` leads, once one is there."""
    if link.lower() in EVERYONE:
        return await client.join_commons()
    if "#" in link or "/" in link:
        return await client.join(link)
    for found in await client.find_groups(link.lower()):
        if found.alias == link.lower():
            return await client.join_group(found)
    raise Failed(
        f"No group here is called {shown_name(link)} in public: `alcove room find` lists what there"
        " is; into all others a member adds you, or gives you a link."
    )


@click.command(
    epilog=examples(
        "alcove room find",
        "alcove room find book",
    )
)
@click.argument("beginning", required=False, default="")
@member_options
@json_option
def find(given: Given, beginning: str, *, as_json: bool) -> None:
    """Find groups that may be found by everyone.

    BEGINNING is how the public name begins.  What stands beside it is public: the host reads it
    too.
    """

    async def story(client: "Client") -> None:
        await line(client)
        found = await client.find_groups(beginning.lower())
        if as_json:
            saying.emit([
                {
                    "alias": one.alias,
                    "description": shown_text(one.description),
                    "members": one.members,
                    "room": one.room.hex(),
                    "joinable": one.key is not None,
                }
                for one in found
            ])  # fmt: skip
        elif found:
            rows = [
                (
                    one.alias,
                    str(one.members),
                    "" if one.key else "ask a member",
                    shown_text(one.description).replace("\n", " "),
                )
                for one in found
            ]
            saying.columns(rows, ("NAME", "MEMBERS", "", "ABOUT"))
            say("`alcove room join NAME` joins one.")
        else:
            click.echo("No group was found.")

    run(given, story)


@click.command(
    epilog=examples(
        "alcove room link kitchen --days 7 --uses 5",
        "alcove room link kitchen --list",
        "alcove room link kitchen --end 4f2a81c0",
    )
)
@click.argument("room")
@click.option(
    "--days", metavar="NUMBER", type=click.IntRange(1, 365), help="It ends after so long."
)
@click.option(
    "--uses", metavar="NUMBER", type=click.IntRange(1, 100_000), help="It lets in so many people."
)
@click.option("--list", "lists", is_flag=True, help="List the links that this machine has made.")
@click.option("--end", metavar="ID", help="Let nobody in by a link any more; `all` ends each.")
@member_options
@json_option
def link(
    given: Given,
    room: str,
    days: int | None,
    uses: int | None,
    end: str | None,
    *,
    lists: bool,
    as_json: bool,
) -> None:
    """Make a link by which people join a room.

    Whoever has the link comes in, as long as it works and you are there and may invite: hand it on
    with care.  All links end when somebody is removed.  People who have no account on the server
    need an invitation first: `alcove invite`.
    """
    if lists and end:
        raise click.UsageError("--list and --end are for one at a time.")

    async def story(client: "Client") -> None:
        found = await there(client, room)
        if lists:
            _list(found, as_json=as_json)
            return
        if end:
            async with carried(found):
                ended = await _end(found, end)
            told(f"Links that ended: {len(ended)}.", {"ended": ended}, as_json=as_json)
            return
        before = [one.hash for one in found.links()]
        async with carried(found):
            text = await found.link(days=days, uses=uses)
        (made,) = [one for one in found.links() if one.hash not in before]
        told(text, _link_shape(made) | {"link": text}, as_json=as_json)

    run(given, story, patience_s=5)


def _link_shape(made: Any) -> dict[str, Any]:
    return {
        "id": made.hash.hex()[:8],
        "made_at": saying.stamp_ms(made.at),
        "expires_at": None if made.expires_at is None else saying.stamp_ms(made.expires_at),
        "uses": made.uses,
        "works": made.works,
    }


def _list(room: "Room", *, as_json: bool) -> None:
    shapes = [_link_shape(one) for one in room.links()]
    if as_json:
        saying.emit(shapes)
    elif shapes:
        rows = [
            (
                one["id"],
                one["made_at"][:16].replace("T", " "),
                (one["expires_at"] or "never")[:16].replace("T", " "),
                str(one["uses"] or "any number"),
                "" if one["works"] else "not yet",
            )
            for one in shapes
        ]
        saying.columns(rows, ("ID", "MADE (UTC)", "ENDS (UTC)", "FOR", ""))
    else:
        click.echo(f"This machine has made no link into {room.title} that still works.")


async def _end(room: "Room", wanted: str) -> list[str]:
    """End links by their ids, or all."""
    ended = []
    for one in room.links():
        if wanted == "all" or one.hash.hex().startswith(wanted.lower()):
            await room.end_link(one)
            ended.append(one.hash.hex()[:8])
    if not ended:
        raise Failed("No link of this machine has this id: --list shows what there is.")
    return ended


@click.command(
    epilog=examples(
        "alcove room publish books book-club --about 'one novel a month'",
        "alcove room publish books --end",
    )
)
@click.argument("room")
@click.argument("alias", required=False)
@click.option("--about", metavar="TEXT", default="", help="What people read before they join.")
@click.option("--closed", is_flag=True, help="It can be found, but nobody joins by themselves.")
@click.option("--end", is_flag=True, help="Let it be found no longer.")
@member_options
@json_option
def publish(
    given: Given,
    room: str,
    alias: str | None,
    about: str,
    *,
    closed: bool,
    end: bool,
    as_json: bool,
) -> None:
    """Let a group be found by a public name.

    Only an owner may.  ALIAS, --about and the number of members can be read by everyone on the
    server, its host included; and unless it is --closed, everyone can join, and so read.
    """
    if end == bool(alias):
        raise click.UsageError("Say ALIAS, under which it is to be found, or --end.")

    async def change(found: "Room") -> str:
        if alias is None:
            await found.unpublish()
            return f"{found.title} can be found no more; who is in it stays."
        await found.publish(alias, about, joinable=not closed)
        return f"{found.title} is found as {alias}: `alcove room join {alias}`."

    change_room(given, room, change, as_json=as_json)
