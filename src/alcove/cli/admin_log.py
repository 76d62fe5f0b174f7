"""`alcove admin audit` and `clear-audit`."""

import csv
import sys
from collections.abc import Iterator

import click
import msgspec

from alcove.cli.asking import ask
from alcove.cli.shared import json_option, load, place_options, table, when
from alcove.server.admin_messages import (
    EVENTS_MAX,
    Checked,
    CheckLog,
    ClearLog,
    Done,
    EventPage,
    Events,
    Export,
    LoggedEvent,
)
from alcove.server.settings import Settings

HEADS = ("WHEN", "WHAT", "WHO", "FROM", "MORE")
COLUMNS = LoggedEvent.__struct_fields__


@click.command
@click.option("--csv", "as_csv", is_flag=True, help="All events, as CSV with a line of headings.")
@click.option("--json", "as_json", is_flag=True, help="All events, as one JSON object a line.")
@click.option("--suspicious", is_flag=True, help="Only what a rule has raised.")
@click.option(
    "--last",
    type=click.IntRange(1, EVENTS_MAX),
    default=100,
    show_default=True,
    help="How many, where they are shown to people.",
)
@click.option("--check", is_flag=True, help="Check instead that the log is one whole chain.")
@place_options
def audit(
    data: str | None,
    config: str | None,
    last: int,
    *,
    as_csv: bool,
    as_json: bool,
    suspicious: bool,
    check: bool,
) -> None:
    """Show, export or check the audit log.

    Without options the newest events.  An export holds all there are, the oldest first, and is
    itself written down.
    """
    settings = load(data, config)
    if check:
        _check(settings, as_json=as_json)
    elif as_json:
        for event in _all(settings, suspicious=suspicious):
            click.echo(msgspec.json.encode(event))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        for event in _all(settings, suspicious=suspicious):
            writer.writerow(_cells(event))
    else:
        found = ask(settings, Events(last, suspicious=suspicious), EventPage).events
        table([_row(event) for event in found], HEADS)


def _all(settings: Settings, *, suspicious: bool) -> Iterator[LoggedEvent]:
    after = 0
    while True:
        page = ask(settings, Export(after, suspicious=suspicious), EventPage).events
        if not page:
            return
        yield from page
        after = page[-1].number


def _cells(event: LoggedEvent) -> list[str]:
    return [
        msgspec.json.encode(event.detail).decode()
        if name == "detail"
        else str(getattr(event, name))
        for name in COLUMNS
    ]


def _row(event: LoggedEvent) -> tuple[str, ...]:
    kind = f"! {event.kind}" if event.suspicious else event.kind
    more = ", ".join(f"{name} {value}" for name, value in event.detail.items())
    who = event.name or (event.account and f"{event.account[:8]}…")
    return when(event.at), kind, who, event.address, more


def _check(settings: Settings, *, as_json: bool) -> None:
    found = ask(settings, CheckLog(), Checked)
    if as_json:
        click.echo(msgspec.json.encode(found))
    elif found.whole:
        gone = f"; of {found.erased:,} the account was deleted" if found.erased else ""
        click.echo(f"The log is whole: {found.count:,} events, one chain{gone}.")
    if not found.whole:
        raise click.ClickException(f"The log was changed by other means: {found.problem}")


@click.command("clear-audit")
@click.option("--yes", is_flag=True, help="Do not ask.")
@place_options
@json_option
def clear_audit(data: str | None, config: str | None, *, yes: bool, as_json: bool) -> None:
    """Clear the audit log.

    For everyone, and for good.  One event stays, which says who cleared it and when.
    """
    settings = load(data, config)
    if not yes:
        click.confirm("Clear the audit log for good?", abort=True, err=True)
    done = ask(settings, ClearLog(), Done)
    click.echo(msgspec.json.encode(done) if as_json else done.text)
