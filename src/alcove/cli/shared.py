"""What commands have in common: where the server is, how errors and figures are told."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from alcove.cli.advice import note_place
from alcove.server.settings import Settings, SettingsError
from alcove.server.values import size_text

if TYPE_CHECKING:
    from alcove.server.io.config import Loaded

F = TypeVar("F", bound=Callable[..., Any])


@contextmanager
def told() -> Iterator[None]:
    """Tell what is wrong with the settings, a sentence each, and end with status 1."""
    try:
        yield
    except SettingsError as error:
        lines = str(error).split("\n")
        several = f"{len(lines)} settings are wrong:\n  " if len(lines) > 1 else ""
        raise click.ClickException(several + "\n  ".join(lines)) from error


def load(data: str | None, config: str | None, **more: str | None) -> Settings:
    """Return the settings of the server on this machine."""
    return load_all(data, config, **more).settings


def load_all(data: str | None, config: str | None, **more: str | None) -> "Loaded":
    """Return the settings, where they come from, and what to say about them."""
    from alcove.server.io.config import load_settings  # noqa: PLC0415 - Only for some commands.

    overrides = {name: text for name, text in {"data": data, **more}.items() if text is not None}
    with told():
        return load_settings(overrides, config=Path(config) if config else None)


def place_options(command: F) -> F:
    """Add the options that say which server is meant."""
    command = click.option(
        "--config",
        metavar="FILE",
        callback=note_place,
        help="The file of settings, in place of alcove.toml.",
    )(command)
    return click.option(
        "--data", metavar="FOLDER", callback=note_place, help="The server's data folder."
    )(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Answer as JSON, for programs.")(
        command
    )


# ---- Telling ----


def is_terminal() -> bool:
    """Whether what is printed is seen at once, and kept by nobody."""
    return sys.stdout.isatty()


def when(millis: int | None) -> str:
    """Return a time as people here write it."""
    if millis is None:
        return "never"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(millis / 1000))


def size(count: int) -> str:
    """Return a number of bytes, rounded, as people say it."""
    value, unit = float(count), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}" if unit != "B" else f"{count} B"


def exact_size(count: int) -> str:
    """Return a number of bytes as it may be typed, and always with a unit."""
    text = size_text(count)
    return f"{text} bytes" if text.isdigit() else text


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Print rows in columns."""
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    for row in (heads, *rows):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def facts(pairs: Mapping[str, str]) -> None:
    """Print names and what they stand for, one a line."""
    width = max(len(name) for name in pairs)
    for name, text in pairs.items():
        click.echo(f"{name:<{width}}  {text}")
