"""`alcove room rename`, `topic`, `settings`, `ban`, `unban`, `mute`, `unmute`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from alcove.cli.member import saying
from alcove.cli.member.changing import change_room
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
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client, Room

WHO: Final = click.Choice(["everyone", "admins", "owners"])
_SPAN: Final = re.compile(r"([1-9][0-9]{0,5})([wdhms])")
NEVER: Final = "never"


class Span(click.ParamType):  # type: ignore[type-arg]
    """A span of time such as 7d, or never."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return it in milliseconds; 0 for never."""
        if isinstance(value, int):
            return value
        if value == NEVER:
            return 0
        found = _SPAN.fullmatch(value)
        if found is None:
            self.fail("a time is such as 30m, 12h, 7d or 4w, or never", param, ctx)
        return int(found[1]) * saying.UNITS[found[2]] * 1000


# ---- What it is called ----


@click.command(
    epilog=examples(
        "alcove room rename kitchen 'kitchen and cellar'",
        "alcove room rename kitchen kitchen --picture stove.jpg",
    )
)
@click.argument("room")
@click.argument("name")
@click.option(
    "--picture",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show it with this picture, made small.",
)
@member_options
@json_option
def rename(given: Given, room: str, name: str, picture: Path | None, *, as_json: bool) -> None:
    """Call a room otherwise.

    Its owners and admins may.  The server does not learn what a room is called.
    """

    async def change(found: "Room") -> str:
        before = found.title
        await found.change_profile(name=name, picture=picture)
        return f"{before} is called {found.title} now."

    change_room(given, room, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove room topic kitchen 'who cooks when'",
        "alcove room topic kitchen ''",
    )
)
@click.argument("room")
@click.argument("text")
@member_options
@json_option
def topic(given: Given, room: str, text: str, *, as_json: bool) -> None:
    """Say what a room is about.

    Its owners and admins may; an empty TEXT takes it away.
    """

    async def change(found: "Room") -> str:
        await found.change_profile(topic=text)
        return f"{found.title}: {found.topic or 'no topic'}"

    change_room(given, room, change, as_json=as_json)


# ---- What it allows ----


@click.command(
    epilog=examples(
        "alcove room settings kitchen",
        "alcove room settings kitchen --may-invite admins --may-post everyone",
        "alcove room settings kitchen --expire 7d",
    )
)
@click.argument("room")
@click.option("--may-invite", type=WHO, help="Who adds people and makes links.")
@click.option("--may-post", type=WHO, help="Who says something.")
@click.option("--may-pin", type=WHO, help="Who pins messages.")
@click.option("--may-mention-all", type=WHO, help="Whose `@all` calls everybody.")
@click.option(
    "--history",
    type=click.Choice(["open", "closed", "none"]),
    help="Whether newcomers read what was said before, and whether anything is kept at all.",
)
@click.option(
    "--files",
    type=click.Choice(["any", "usual"]),
    help="Which kinds of files are sent: any, or those that go without a question.",
)
@click.option(
    "--expire",
    "expires_ms",
    type=Span(),
    metavar="TIME",
    help="After what time messages end for everyone: 7d, 12h, or never.",
)
@click.option(
    "--keep",
    "keep_ms",
    type=Span(),
    metavar="TIME",
    help="After what time the server drops what it keeps sealed: 30d, or never.",
)
@offline_option
@member_options
@json_option
def settings(given: Given, room: str, *, offline: bool, as_json: bool, **wanted: Any) -> None:
    """Show or choose what a room allows.

    Only owners choose.  Everybody's device checks it, so nobody can be talked out of it by a
    changed program, or by the server.
    """
    chosen = {name: value for name, value in wanted.items() if value is not None}
    if chosen and offline:
        raise click.UsageError("--offline is for looking: choosing needs the server.")
    if chosen:

        async def change(found: "Room") -> str:
            await found.change_settings(**chosen)
            return f"{found.title} allows that from now on: {', '.join(_said(chosen))}."

        change_room(given, room, change, as_json=as_json)
        return

    async def story(client: "Client") -> None:
        await fresh(client, offline=offline)
        found = await room_of(client, room)
        if as_json:
            saying.emit(saying.room_details(found))
        else:
            saying.pairs([("room", found.title), *saying.rights(found)])

    run(given, story)


def _said(chosen: dict[str, Any]) -> list[str]:
    """Return settings as words."""
    words = {"expires_ms": "messages end after", "keep_ms": "the server drops after"}
    return [
        f"{words.get(name, name.replace('_', ' '))}"
        f" {(saying.span(value) if value else NEVER) if isinstance(value, int) else value}"
        for name, value in chosen.items()
    ]


# ---- Who is kept out, or silent ----


@click.command(
    epilog=examples(
        "alcove room ban kitchen @mallory",
    )
)
@click.argument("room")
@click.argument("people", nargs=-1, required=True)
@member_options
@json_option
def ban(given: Given, room: str, people: tuple[str, ...], *, as_json: bool) -> None:
    """Remove people, and let them in no more.

    Admins may.  No link and no invitation brings them back until `alcove room unban`; somebody who
    has left already can be banned too.  All links into the room end when somebody is removed.
    """

    async def change(found: "Room") -> str:
        persons = [await found.client.person(one) for one in people]
        for person in persons:
            await found.ban(person)
        return f"{saying.names(persons)}: banned from {found.title}."

    change_room(given, room, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove room unban kitchen @eva",
    )
)
@click.argument("room")
@click.argument("people", nargs=-1, required=True)
@member_options
@json_option
def unban(given: Given, room: str, people: tuple[str, ...], *, as_json: bool) -> None:
    """Let people in again who were banned.

    It adds nobody: `alcove room add` does.  Of people whom this machine does not know, `alcove room
    show` tells an id, which may stand for the name.
    """

    async def change(found: "Room") -> str:
        for one in people:
            await found.unban(one)
        return f"{', '.join(shown_name(one) for one in people)}: may come to {found.title} again."

    change_room(given, room, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove room mute kitchen @mallory --reason 'one advert is enough'",
    )
)
@click.argument("room")
@click.argument("person")
@click.option("--reason", metavar="TEXT", default="", help="Why; everybody there can read it.")
@member_options
@json_option
def mute(given: Given, room: str, person: str, reason: str, *, as_json: bool) -> None:
    """Have everybody's device hide what somebody says.

    Admins may, from now on and until `alcove room unmute`.  To be notified of less in a room
    yourself is `alcove room notify`; to hear nothing more of somebody anywhere, `alcove block`.
    """

    async def change(found: "Room") -> str:
        await found.mute(person, reason=reason)
        name = shown_name(found.member(person).person.name)
        return f"What {name} says in {found.title} is hidden from now on."

    change_room(given, room, change, as_json=as_json)


@click.command(
    epilog=examples(
        "alcove room unmute kitchen @mallory",
    )
)
@click.argument("room")
@click.argument("person")
@member_options
@json_option
def unmute(given: Given, room: str, person: str, *, as_json: bool) -> None:
    """Show again what somebody says.

    What they said while they were muted stays hidden.
    """

    async def change(found: "Room") -> str:
        await found.mute(person, on=False)
        name = shown_name(found.member(person).person.name)
        return f"What {name} says in {found.title} is shown again."

    change_room(given, room, change, as_json=as_json)
