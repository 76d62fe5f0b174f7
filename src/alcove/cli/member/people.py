"""`alcove people`, `request`, `accept`, `decline`, `block`, `unblock` and `verify`."""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import (
    Given,
    examples,
    fresh,
    json_option,
    line,
    member_options,
    run,
)
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client, Person, Presence, Request

ANSWERED_S = 15.0
DIGITS_A_GROUP = 5
GROUPS_A_LINE = 4


@click.command(
    epilog=examples(
        "alcove people",
        "alcove people jo",
    )
)
@click.argument("beginning", required=False)
@member_options
@json_option
def people(given: Given, beginning: str | None, *, as_json: bool) -> None:
    """List who is online, or find people by how their names begin.

    Everyone chooses who may see them: whoever is not listed may still be there.
    """

    async def story(client: "Client") -> None:
        await line(client)
        found = await (client.find(beginning) if beginning else client.who_is_online())
        if as_json:
            saying.emit([_presence(one) for one in found])
        elif found:
            rows = [_row(one) for one in found]
            saying.columns(rows, ("NAME", "", "KEYS", "LAST SEEN"))
        else:
            say("Nobody is to be seen.  `alcove send @name hello` reaches people who are away too.")

    run(given, story)


def _presence(one: "Presence") -> dict[str, Any]:
    return {
        "person": saying.person_shape(one.person),
        "presence": one.presence,
        "is_bot": one.is_bot,
        "seen_at": saying.stamp(one.seen_at),
    }


def _row(one: "Presence") -> tuple[str, ...]:
    name = shown_name(one.person.name) + (" (bot)" if one.is_bot else "")
    seen = saying.moment(one.seen_at) if one.seen_at else ""
    keys = "you" if one.person.is_me else one.person.state
    return name, one.presence, keys, seen


# ---- Requests to chat ----


@click.command(
    epilog=examples(
        "alcove request",
        "alcove request @bob 'hello, it is ada from the library'",
    )
)
@click.argument("person", required=False)
@click.argument("text", required=False)
@member_options
@json_option
def request(given: Given, person: str | None, text: str | None, *, as_json: bool) -> None:
    """List who asks to chat with you; or ask somebody.

    With PERSON and TEXT it asks: the text travels with the request, sealed, and is shown when they
    accept.  That is the same as `alcove send @name TEXT`.
    """

    async def story(client: "Client") -> None:
        if person is None:
            await fresh(client)
            _list(client.requests(), as_json=as_json)
            return
        if text is None:
            raise click.UsageError("TEXT is missing: what is to be said with the request?")
        await line(client)
        room = await client.direct(person)
        message = await (await room.send(text)).sent(ANSWERED_S)
        if as_json:
            saying.emit(saying.message_shape(message))
        else:
            say(saying.not_accepted(room) or f"{room.title} has it.")

    run(given, story)


def _list(found: "list[Request]", *, as_json: bool) -> None:
    if as_json:
        saying.emit([_shape(one) for one in found])
    elif found:
        rows = [
            (shown_name(one.person.name), one.kind, saying.moment(one.at), saying.guess(one))
            for one in found
        ]
        saying.columns(rows, ("FROM", "KIND", "SINCE", ""))
        say("`alcove accept @name`, `alcove decline @name` or `alcove block @name` answers one.")
    else:
        click.echo("Nobody asks.")


def _shape(one: "Request") -> dict[str, Any]:
    return {
        "room": one.id,
        "person": saying.person_shape(one.person),
        "kind": one.kind,
        "at": saying.stamp(one.at),
        "looks_like_spam": one.suspicion.is_spam,
    }


def _asking(client: "Client", names: tuple[str, ...]) -> "list[Request]":
    """Return the requests of people who were named, or of the rooms that they ask into."""
    waiting = client.requests()
    found: list[Request] = []
    for name in names:
        bare = name.removeprefix("@").lower()
        mine = [one for one in waiting if bare in (one.person.name.lower(), one.id)]
        if not mine:
            raise Failed(f"No request of {shown_name(bare)} waits: `alcove request` lists them.")
        found += mine
    return found


async def _gone(client: "Client", answered: "list[Request]") -> None:
    """Wait until requests wait no more at the server either."""
    ids = {one.id for one in answered}
    await client.until(lambda: not any(one.id in ids for one in client.requests()), ANSWERED_S)


@click.command(
    epilog=examples(
        "alcove accept @bob",
    )
)
@click.argument("names", nargs=-1, required=True)
@member_options
@json_option
def accept(given: Given, names: tuple[str, ...], *, as_json: bool) -> None:
    """Accept requests to chat: the rooms come, with what was said in them."""

    async def story(client: "Client") -> None:
        from alcove.client import OfflineError, caught_up  # noqa: PLC0415

        await fresh(client)
        await line(client)
        found = _asking(client, names)
        for one in found:
            await one.accept()
        wanted = [one.id for one in found]
        await client.until(
            lambda: all(any(room.id == id_ and room.state == "active" for room in client.rooms())
                        for id_ in wanted),
            ANSWERED_S,
        )  # fmt: skip
        with suppress(OfflineError):
            await caught_up(client, ANSWERED_S)
        rooms = [room for room in client.rooms() if room.id in wanted]
        if as_json:
            saying.emit([saying.room_shape(room) for room in rooms])
            return
        for room in rooms:
            click.echo(f"You talk with {room.title}: the room is set up.")
            for message in room.history(20):
                click.echo(saying.line(message, with_room=False))

    run(given, story)


@click.command(
    epilog=examples(
        "alcove decline @bob",
        "alcove decline --all",
    )
)
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every request that waits.")
@member_options
@json_option
def decline(given: Given, names: tuple[str, ...], *, every: bool, as_json: bool) -> None:
    """Decline requests to chat: they are gone, and nobody is told."""
    if not names and not every:
        raise click.UsageError("Say whose request is meant, or --all.")

    async def story(client: "Client") -> None:
        await fresh(client)
        await line(client)
        found = client.requests() if every else _asking(client, names)
        for one in found:
            await one.decline()
        await _gone(client, found)
        if as_json:
            saying.emit([_shape(one) for one in found])
        else:
            click.echo(f"Declined: {len(found)}.")

    run(given, story, patience_s=5)


@click.command(
    epilog=examples(
        "alcove block @mallory",
        "alcove block",
    )
)
@click.argument("names", nargs=-1)
@member_options
@json_option
def block(given: Given, names: tuple[str, ...], *, as_json: bool) -> None:
    """Hear nothing more of people; without a name, list who is blocked."""

    async def story(client: "Client") -> None:
        await fresh(client)
        if names:
            await line(client)
        named: dict[bytes, Person] = {}  # Who was not met yet has no name here but this.
        for name in names:
            person = await client.person(name)
            named[person.account] = person
            await person.block()
        found = [named.get(one.account, one) for one in client.blocked()]
        if as_json:
            saying.emit([saying.person_shape(one) for one in found])
        elif found:
            click.echo("Blocked: " + ", ".join(shown_name(one.name) for one in found))
        else:
            click.echo("Nobody is blocked.")

    run(given, story, patience_s=5)


@click.command(
    epilog=examples(
        "alcove unblock @bob",
    )
)
@click.argument("names", nargs=-1, required=True)
@member_options
@json_option
def unblock(given: Given, names: tuple[str, ...], *, as_json: bool) -> None:
    """Hear people again who were blocked."""

    async def story(client: "Client") -> None:
        await fresh(client)
        await line(client)
        for name in names:
            person = await client.person(name)
            await person.unblock()
            if not as_json:
                click.echo(f"You hear {shown_name(person.name)} again.")
        if as_json:
            saying.emit([saying.person_shape(one) for one in client.blocked()])

    run(given, story, patience_s=5)


# ---- Whether the keys are theirs ----


@click.command(
    epilog=examples(
        "alcove verify @bob",
        "alcove verify @bob '12345 67890 …'",
        "alcove verify @bob '12345 67890 12345' --accept-change",
    )
)
@click.argument("person")
@click.argument("number", required=False)
@click.option("--undo", is_flag=True, help="Take back that you have compared.")
@click.option(
    "--accept-change",
    is_flag=True,
    help="Go on with changed keys, after asking them: those of this number or its first 15 digits.",
)
@member_options
@json_option
def verify(
    given: Given, person: str, number: str | None, *, undo: bool, accept_change: bool, as_json: bool
) -> None:
    """Show the safety number of you and somebody, or compare the one that they read out.

    Both of you see the same 60 digits, if nobody stands between you.  Compare them by another way
    than this one: in person, or by telephone.  The exit status is 1 when they differ.
    """

    async def story(client: "Client") -> bool:
        await fresh(client)
        found = await client.person(person)
        is_right: bool | None = None
        if undo:
            await found.unverify()
        if accept_change:
            await found.accept_change(number or "")
        elif number is not None:
            is_right = await found.verify(number)
        if as_json:
            shape = {"safety_number": found.safety_number, "matches": is_right}
            saying.emit((saying.person_shape(found) or {}) | shape)
        else:
            _tell(found, is_right=is_right)
        return is_right is not False

    if not run(given, story):
        raise SystemExit(1)


STATES = {
    "checked": "You have compared: the keys are theirs.",
    "unchecked": "You have not compared yet.",
    "changed": "Their keys have changed since you knew them: ask them by another way before you"
    " write, then go on with this number and --accept-change.",
}


def _tell(person: "Person", *, is_right: bool | None) -> None:
    name = shown_name(person.name)
    if is_right is False:
        click.echo(
            f"This is not the number of you and {name}.  Read it again; if it stays so, somebody"
            " may stand between you: write nothing secret."
        )
        return
    click.echo(f"Safety number of you and {name}:\n")
    groups = person.safety_number.replace(" ", "")
    pieces = [
        groups[place : place + DIGITS_A_GROUP] for place in range(0, len(groups), DIGITS_A_GROUP)
    ]
    for place in range(0, len(pieces), GROUPS_A_LINE):
        click.echo("  " + " ".join(pieces[place : place + GROUPS_A_LINE]))
    click.echo(f"\n{STATES.get(person.state, person.state)}")
