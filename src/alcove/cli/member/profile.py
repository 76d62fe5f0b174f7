"""`alcove profile`: how people show themselves to those who share a room with them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alcove.cli.member import saying
from alcove.cli.member.changing import CLOSE_S, WAIT_S
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
    from alcove.client import Client, Person


@click.command(
    epilog=examples(
        "alcove profile",
        "alcove profile --name 'Ada L.' --status 'on the train'",
        "alcove profile --picture me.jpg",
        "alcove profile @bob",
    )
)
@click.argument("person", required=False)
@click.option("--name", metavar="TEXT", help="As you want to be called; empty takes it away.")
@click.option("--status", metavar="TEXT", help="A line about yourself; empty takes it away.")
@click.option(
    "--picture",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JPEG, PNG or GIF, which is made small.",
)
@click.option("--no-picture", is_flag=True, help="Show no picture any more.")
@click.option(
    "--save-picture",
    "target",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the picture that is shown into a new file.",
)
@member_options
@json_option
def profile(
    given: Given,
    person: str | None,
    name: str | None,
    status: str | None,
    picture: Path | None,
    target: Path | None,
    *,
    no_picture: bool,
    as_json: bool,
) -> None:
    """Show or choose how you show yourself; or see how somebody else does.

    It is sealed: those who share a room with you can read it, and the server cannot.  The name by
    which others find you stays, because it stands in your keys.
    """
    wanted: dict[str, Any] = {"name": name, "status": status, "picture": picture}
    if no_picture:
        wanted["picture"] = b""
    changes = {field: value for field, value in wanted.items() if value is not None}
    if person and changes:
        raise click.UsageError("Only your own profile can be chosen: leave PERSON out.")

    async def story(client: "Client") -> None:
        await fresh(client, marks=True)
        who = await client.person(person or client.name)
        if changes:
            await line(client)
            await client.owner.show_me(**changes)
            await client.until(lambda: client.owner.is_shown, WAIT_S)
        if target:
            _save(who, target)
        _tell(who, as_json=as_json)

    run(given, story, patience_s=CLOSE_S)


def _save(who: "Person", target: Path) -> None:
    if not who.picture:
        raise Failed(f"{shown_name(who.name)} shows no picture.")
    with target.open("xb") as file:
        file.write(who.picture)


def _tell(who: "Person", *, as_json: bool) -> None:
    if as_json:
        shape = {
            "display_name": who.display_name,
            "status": who.status,
            "picture_bytes": len(who.picture),
        }
        saying.emit((saying.person_shape(who) or {}) | shape)
        return
    facts = [
        ("name", shown_name(who.name)),
        ("called", who.display_name or "(as the name says)"),
        ("status", who.status or "(nothing)"),
        ("picture", saying.size(len(who.picture)) if who.picture else "(none)"),
    ]
    if not who.is_me:
        facts.append(("keys", who.state))
    saying.pairs(facts)
