"""`alcove admin invite`, `invites`, `uninvite` and `owner-link`."""

import time

import click
import msgspec

from alcove.cli.advice import say
from alcove.cli.asking import ask
from alcove.cli.links import show_link
from alcove.cli.shared import json_option, load, place_options, table, when
from alcove.server.admin_messages import (
    Done,
    Invite,
    InviteLink,
    InviteList,
    Invites,
    Link,
    OwnerLink,
    Uninvite,
)

HEADS = ("ID", "KIND", "FOR", "BY", "MADE", "UNTIL", "USED", "")


@click.command
@click.option(
    "--uses", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many people."
)
@click.option(
    "--days", type=click.IntRange(1, 365), default=7, show_default=True, help="For how many days."
)
@place_options
@json_option
def invite(uses: int, days: int, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Make a link by which people register.

    The link alone goes to standard output, what is said about it does not.
    """
    link = ask(load(data, config), InviteLink(uses, days), Link)
    if as_json:
        click.echo(msgspec.json.encode(link))
    else:
        show_link(link)


@click.command
@place_options
@json_option
def invites(data: str | None, config: str | None, *, as_json: bool) -> None:
    """List the links that were made.

    Without their secrets, which are stored as hashes.
    """
    found = ask(load(data, config), Invites(), InviteList).invites
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found:
        table([_row(one) for one in found], HEADS)
    else:
        click.echo("There are no links.")


def _row(one: Invite) -> tuple[str, ...]:
    ended = one.used >= one.uses or one.expires_at <= time.time() * 1000
    return (
        one.invite,
        one.kind,
        one.account,
        one.made_by or "the server",
        when(one.made_at),
        when(one.expires_at),
        f"{one.used} of {one.uses}",
        "ended" if ended else "",
    )


@click.command
@click.argument("invite", metavar="ID")
@place_options
@json_option
def uninvite(invite: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Withdraw a link.

    ID is what stands in the link between /i/ and #.
    """
    done = ask(load(data, config), Uninvite(invite), Done)
    click.echo(msgspec.json.encode(done) if as_json else done.text)


@click.command("owner-link")
@place_options
@json_option
def owner_link(data: str | None, config: str | None, *, as_json: bool) -> None:
    """Make the link by which somebody becomes the host.

    As long as there is none.  Links that were shown before end.
    """
    link = ask(load(data, config), OwnerLink(), Link)
    if as_json:
        click.echo(msgspec.json.encode(link))
    else:
        show_link(link)
        say("Use it with `alcove register`, on the machine of who is to be the host.", err=True)
