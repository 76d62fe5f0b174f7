"""`alcove admin policy`, `limits`, `tell`, `stats`, `backup` and `restore`."""

import time
from pathlib import Path

import click
import msgspec

from alcove import __version__
from alcove.cli.asking import ask
from alcove.cli.shared import (
    facts,
    json_option,
    load,
    load_all,
    place_options,
    size,
    table,
    when,
)
from alcove.server.admin_messages import (
    Backup,
    Done,
    Limit,
    LimitList,
    Limits,
    Policy,
    Report,
    Saved,
    Stats,
    Tell,
)


@click.command
@click.argument("name", required=False)
@click.argument("value", required=False)
@place_options
@json_option
def policy(
    name: str | None, value: str | None, data: str | None, config: str | None, *, as_json: bool
) -> None:
    """Show or change who may do what.

    With NAME and VALUE the setting changes at once, and stays so after a restart, whatever the
    files say; the value `default` goes back to the files.
    """
    _show(_ask(data, config, Policy(name, value)), as_json=as_json)


@click.command
@place_options
@json_option
def limits(data: str | None, config: str | None, *, as_json: bool) -> None:
    """Show every limit.

    With what counts now, and where that was set.  What may change while the server runs is changed
    by alcove admin policy, the rest in alcove.toml.
    """
    _show(_ask(data, config, Limits()), as_json=as_json)


def _ask(data: str | None, config: str | None, request: Policy | Limits) -> tuple[Limit, ...]:
    loaded = load_all(data, config)
    return ask(loaded.settings, request, LimitList, loaded.origins).limits


def _show(found: tuple[Limit, ...], *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(found))
        return
    rows = [
        (
            one.name,
            one.value or "not set",
            one.source,
            "at once" if one.changeable else "at a start",
            one.text,
        )
        for one in found
    ]
    table(rows, ("NAME", "VALUE", "FROM", "CHANGES", "WHAT IT IS"))


@click.command
@click.argument("text")
@place_options
@json_option
def tell(text: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Tell everyone who is connected something.

    Such as "Back at 20:10, after an update".  TEXT is plain and not sealed, has at most 500
    characters, and comes from the server, not from you.  Who is away does not get it: what is to
    stay belongs in the commons.
    """
    done = ask(load(data, config), Tell(text), Done)
    click.echo(msgspec.json.encode(done) if as_json else done.text)


@click.command
@place_options
@json_option
def stats(data: str | None, config: str | None, *, as_json: bool) -> None:
    """Show figures of the server and its database."""
    report = ask(load(data, config), Stats(), Report)
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    totals, status = report.totals, report.status
    facts({
        "running": f"yes, since {when(status.started_at)}" if status else "no",
        "address": report.address,
        "connected": f"{status.connected:,}" if status else "nobody",
        "accounts": f"{totals.accounts:,} ({totals.bots:,} bots, {totals.disabled:,} disabled)",
        "devices": f"{totals.devices:,}",
        "rooms": f"{totals.rooms:,}, with {totals.entries:,} entries",
        "files": f"{totals.files:,}, {size(totals.files_bytes)}",
        "open links": f"{totals.open_invites:,}",
        "audit log": f"{totals.events:,} events, {totals.suspicious:,} of them suspicious",
    })  # fmt: skip


@click.command
@click.argument("file")
@place_options
@json_option
def backup(file: str, data: str | None, config: str | None, *, as_json: bool) -> None:
    """Write everything into one file.

    While the server runs or not.  The file is read back and checked before it gets its name.
    """
    saved = ask(load(data, config), Backup(str(Path(file).absolute())), Saved)
    if as_json:
        click.echo(msgspec.json.encode(saved))
        return
    inside = f"{saved.lines:,} lines of {saved.tables} tables and {saved.files:,} files"
    click.echo(f"{saved.file} holds {inside}: {size(saved.size_bytes)}.")
    click.echo("The server's own secret is in it: keep it as you would keep a key.")


@click.command
@click.argument("file")
@click.option("--replace", is_flag=True, help="Take the place of a server that has accounts.")
@place_options
@json_option
def restore(
    file: str, data: str | None, config: str | None, *, replace: bool, as_json: bool
) -> None:
    """Bring everything back from a backup.

    Stop the server first.  Members are told that the server was restored, and their devices bring
    back what they can.
    """
    from alcove.server.io import restore as restoring  # noqa: PLC0415 - Seldom needed, and much.
    from alcove.server.io.backup import BackupError  # noqa: PLC0415
    from alcove.server.io.places import keep_to_the_owner  # noqa: PLC0415
    from alcove.server.store.database import DatabaseRefused  # noqa: PLC0415

    settings, now = load(data, config), time.time_ns() // 1_000_000
    software = f"alcove {__version__}"
    try:
        keep_to_the_owner(settings)
        done = restoring.restore(Path(file), settings, now, software, replaces=replace)
    except (BackupError, DatabaseRefused) as error:
        raise click.ClickException(str(error)) from error
    kept = None if done.kept is None else str(done.kept)
    if as_json:
        said = {
            "made_at": done.manifest.made_at,
            "incarnation": done.incarnation,
            "kept": kept,
            "withdrawn": done.withdrawn,
        }
        click.echo(msgspec.json.encode(said))
        return
    click.echo(f"Everything is as it was on {when(done.manifest.made_at)}: start the server.")
    if kept is not None:
        click.echo(f"What was there before is in {kept}.")
    if done.withdrawn:
        click.echo(
            "One link into the server (an invite, or for owner, bot or reset) was withdrawn: make"
            " a new one."
            if done.withdrawn == 1
            else f"{done.withdrawn:,} links into the server (invites, and links for owner, bots and"
            " resets) were withdrawn: make new ones."
        )
