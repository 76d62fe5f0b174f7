"""`alcove upgrade`: bring the database up to date, or say what that would do."""

import time
from pathlib import Path

import click
import msgspec

from alcove import __version__
from alcove.cli.asking import find_store
from alcove.cli.shared import json_option, load, place_options
from alcove.server.io import upgrade as upgrading
from alcove.server.io.places import keep_to_the_owner
from alcove.server.store.database import DatabaseRefused, StorageError


@click.command
@place_options
@json_option
@click.option("--check", "only_checks", is_flag=True, help="Say what would happen; change nothing.")
def upgrade(data: str | None, config: str | None, *, as_json: bool, only_checks: bool) -> None:
    """Bring the database up to date with this program.

    Stop the server first.  What is there is backed up before it is changed.
    """
    settings = load(data, config)
    try:
        if only_checks:
            plan = upgrading.check(settings)
            click.echo(msgspec.json.encode(plan) if as_json else "\n".join(plan.lines()))
            if not plan.has_room:
                raise SystemExit(1)
            return
        find_store(settings)
        keep_to_the_owner(settings)
        done = upgrading.upgrade(settings, time.time_ns() // 1_000_000, f"alcove {__version__}")
    except (DatabaseRefused, StorageError) as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        backup = _text(done.backup)
        click.echo(msgspec.json.encode({"steps": done.steps, "backup": backup}))
    elif not done.steps:
        click.echo("The database is up to date: nothing was changed.")
    else:
        click.echo(f"The database is up to date now: {', '.join(done.steps)}.")
        if done.backup is not None:
            click.echo(f"What it was before is in {done.backup}.")


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
