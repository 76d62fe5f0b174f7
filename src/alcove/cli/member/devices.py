"""`alcove devices` and `recovery`: what opens this account, and how to come back to it."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alcove.cli.member import saying
from alcove.cli.member.changing import told
from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import (
    Given,
    ask_secret,
    chosen,
    examples,
    fresh,
    json_option,
    line,
    member_options,
    password_options,
    run,
    secret_from,
)
from alcove.cli.member.passwords import with_locks
from alcove.wire.content import shown_name

if TYPE_CHECKING:
    from alcove.client import Client, Device

T = TypeVar("T")
ONLY_ON_PAPER = (
    "The password does not open the account by itself, and this machine has not kept the phrase: it"
    " is only where you have written it.  `alcove account leaked` takes a new one, for the old."
)


@click.command(
    epilog=examples(
        "alcove devices",
        "alcove devices --reach 4f2a",
        "alcove devices --revoke 4f2a",
    )
)
@click.option("--revoke", metavar="ID", help="Take a device off the account: it reads nothing new.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--reach", metavar="ID", help="Show what a device could read, and since when.")
@password_options
@member_options
@json_option
def devices(
    given: Given,
    revoke: str | None,
    reach: str | None,
    password_file: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """List the devices of this account; revoke one that was lost.

    ID is how the id of a device in the list begins.  A device that was revoked does not come back:
    whoever holds it signs in anew.
    """
    password = ""
    if revoke:
        if not yes:
            click.confirm(f"Take the device {revoke} off the account, for good?", abort=True)
        password = secret_from(password_file, f"Password of {chosen(given)[1].account}")

    async def story(client: "Client") -> None:
        await fresh(client)
        await line(client)
        rooms: list[dict[str, Any]] = []
        if reach or revoke:
            rooms = _reach(client, reach or revoke or "", as_json=as_json)
        if revoke:
            await with_locks(
                lambda phrase, code: client.owner.revoke(revoke, password, phrase=phrase, code=code)
            )
            if as_json:
                saying.emit({"revoked": revoke, "could_read": rooms})
            else:
                click.echo("It is off the account, and is taken out of every room now.")
        elif reach and as_json:
            saying.emit({"device": reach, "could_read": rooms})
        elif not reach:
            _list(await client.owner.devices(), as_json=as_json)

    run(given, story, patience_s=10)


async def with_code(do: "Callable[[Callable[[], str] | None], Awaitable[T]]") -> T:
    """Do something that may need a code of an authenticator app, and only then ask for it."""
    from alcove.client import RefusedError  # noqa: PLC0415

    try:
        return await do(None)
    except RefusedError as error:
        if error.code != "code_needed":
            raise
    return await do(lambda: ask_secret("Code of the authenticator app"))


def _reach(client: "Client", device: str, *, as_json: bool) -> list[dict[str, Any]]:
    reached = client.owner.reach(device)
    found = [
        {
            "room": one.room.id,
            "title": one.room.title,
            "since": saying.stamp(one.since),
            "until": saying.stamp(one.until),
        }
        for one in reached
    ]
    if not as_json:
        rows = [
            (
                one.room.title,
                saying.moment(one.since) if one.since else "the beginning",
                saying.moment(one.until) if one.until else "now",
            )
            for one in reached
        ]
        if rows:
            click.echo("What this device could read:")
            saying.columns(rows, ("ROOM", "SINCE", "UNTIL"))
        else:
            click.echo("This device stood in no room.")
    return found


def _list(found: "list[Device]", *, as_json: bool) -> None:
    if as_json:
        saying.emit(
            [
                {
                    "id": one.id,
                    "this": one.is_this,
                    "browser": one.is_browser,
                    "added_at": saying.stamp(one.added_at),
                    "seen_at": saying.stamp(one.seen_at),
                    "program": one.program,
                }
                for one in found
            ]
        )
        return
    rows = [
        (
            one.id[:8],
            "this one" if one.is_this else "",
            saying.moment(one.added_at),
            saying.moment(one.seen_at) if one.seen_at else "",
            shown_name(one.program),
        )
        for one in found
    ]
    saying.columns(rows, ("ID", "", "ADDED", "LAST SEEN", "PROGRAM"))


@click.command(
    epilog=examples(
        "alcove recovery",
        "alcove recovery --saved",
    )
)
@click.option("--saved", is_flag=True, help="The phrase is written down: forget it here.")
@password_options
@member_options
@json_option
def recovery(given: Given, password_file: str | None, *, saved: bool, as_json: bool) -> None:
    """Show the recovery phrase.

    It opens the account when the password is forgotten: `alcove login` takes it in place of the
    password.  Whoever has lost both asks the host for a reset link.  `alcove account leaked` takes
    another phrase.
    """
    password = ""
    if not saved:
        password = secret_from(password_file, f"Password of {chosen(given)[1].account}")

    async def story(client: "Client") -> None:
        if saved:
            await client.owner.phrase_saved()
            told("This machine has forgotten the phrase.", {"saved": True}, as_json=as_json)
            return
        from alcove.client import PhraseNeededError  # noqa: PLC0415 - With it comes everything.

        await line(client)
        try:
            phrase = await with_code(lambda code: client.owner.recovery_phrase(password, code=code))
        except PhraseNeededError as error:
            raise Failed(ONLY_ON_PAPER) from error
        told(f"Your recovery phrase:\n\n  {phrase}\n", {"phrase": phrase}, as_json=as_json)

    run(given, story, patience_s=10)
