"""Advice that names commands, written so that it works where it is read.

`alcove admin invites`  ──►  `.venv/bin/alcove admin invites --data there`

In a checkout the program is not on the PATH, and what was said of the data folder has to be said
again.  Usage mistakes are told here too, in the words of all other errors.
"""

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import click

NAME = "alcove"
PLACES = {
    "--data": "ALCOVE_DATA",
    "--profile": "ALCOVE_PROFILE",
    "--config": "ALCOVE_CONFIG",
}
"""The options that say which server or account is meant, and the variables that do: often for one
command."""
META = "alcove.places"

_OURS = (
    "serve|up|demo|selftest|status|admin|upgrade|register|login|logout|send|listen|chat|rooms|people"
    "|request|accept|decline|block|unblock|verify|devices|files|search|export|recovery|doctor|hook"
    "|message|invite|profile|account"
)
_MEMBERS = re.compile(r"(?!serve|up|demo|selftest|status|admin|upgrade)\w+")
"""The commands that are about an account, and not about a server here."""
_COMMAND = re.compile(rf"`{NAME} ((?:--help|(?:{_OURS})\b)[^`]*)`")


def program() -> str:
    """Return what has to be typed for this very program, in the folder where we are."""
    found = shutil.which(NAME)
    beside = Path(sys.executable).with_name(NAME)
    if not beside.exists():
        return NAME if found else f"{shlex.quote(sys.executable)} -m {NAME}"
    if found is not None and beside.samefile(found):
        return NAME
    here = Path.cwd()
    is_near = beside.is_relative_to(here) and here != here.parent
    short = beside.relative_to(here) if is_near else beside  # Nobody is in / to stay there.
    return shlex.quote(str(short))


def advised(text: str) -> str:
    """Return a text whose commands, which stand in backquotes, can be typed as they are."""
    return _COMMAND.sub(_typed, text)


def _typed(match: re.Match[str]) -> str:
    command = match[1].removesuffix("…").rstrip()
    is_members = _MEMBERS.match(command) is not None
    places = [] if "--help" in command else _places("--data" if is_members else "--profile")
    return f"`{' '.join([*_lent(), program(), command, *places])}`"


def _lent() -> list[str]:
    """Return what makes a command run as the same user again, when `sudo -u` made this one."""
    user = os.environ.get("USER")
    is_lent = bool(os.environ.get("SUDO_USER")) and os.geteuid() != 0
    return ["sudo", "-u", shlex.quote(user)] if is_lent and user else []


def _places(other: str) -> list[str]:
    """Return the places that were named, but for the one that only other commands know."""
    context = click.get_current_context(silent=True)
    given = context.meta.get(META, {}) if context else {}
    said = {name: given.get(name) or os.environ.get(PLACES[name]) for name in PLACES}
    return [
        f"{name} {shlex.quote(value)}" for name, value in said.items() if value and name != other
    ]


def note_place(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """Remember what was said about which server is meant."""
    if value is not None:
        context.meta.setdefault(META, {})[option.opts[0]] = value
    return value


def say(text: str, *, err: bool = False) -> None:
    """Print a sentence for people, in lines that are broken between words."""
    from alcove.cli.wrapping import for_stream  # noqa: PLC0415 - Help needs none of it.

    click.echo(for_stream(advised(text), sys.stderr if err else sys.stdout), err=err)


# ---- Errors ----


class Sentence(click.ClickException):
    """What went wrong, in a sentence for people."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it where errors go."""
        del file
        say(f"Error: {self.format_message()}", err=True)


class Told(Sentence):
    """A sentence for people, and the number with which the program ends."""

    def __init__(self, sentence: str, status: int = 1) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def exit_code(self) -> int:  # type: ignore[override]
        """The number with which the program ends."""
        return self.status


class Mistake(Sentence):
    """A command was not written as it is to be."""

    exit_code = 2


@contextmanager
def plainly(context: click.Context | None) -> Iterator[None]:
    """Tell mistakes in a command as all other errors are told, with advice that works."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise  # It shows the help.
    except click.UsageError as error:
        raise Mistake(f"{_mistake(error)}  {_help(error.ctx or context)}") from error
    except click.ClickException as error:
        raise Told(advised(error.format_message()), error.exit_code) from error


def _help(context: click.Context | None) -> str:
    words: list[str] = []
    while context is not None and context.parent is not None:
        words.insert(0, context.info_name or "")
        context = context.parent
    return advised(f"`{' '.join([NAME, *words, '--help'])}` tells what there is.")


def _mistake(error: click.UsageError) -> str:
    """Return what is wrong, in one sentence."""
    match error:
        case click.NoSuchOption():
            guess = f"; did you mean {error.possibilities[0]}?" if error.possibilities else "."
            return f"There is no option {error.option_name}{guess}"
        case click.MissingParameter(param=click.Parameter() as missing):
            return f"{_named(missing)} is missing."
        case click.BadParameter(param=click.Parameter(type=click.IntRange() as range_) as bad):
            return f"{_named(bad)} must be a whole number from {range_.min} to {range_.max}."
        case _:
            return f"{error.format_message().removesuffix('.')}."


def _named(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Argument):
        return str(parameter.metavar or parameter.name or "").upper()
    return max(parameter.opts, key=len)
