"""docs/commands.md is made from the command line itself, and compared with it here.

`python -m tests.cli.test_documentation --write` makes it anew.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from alcove.cli import main
from alcove.cli.lazy import Lazy

PAGE = Path(__file__).parent.parent.parent / "docs" / "commands.md"

HEAD = """\
# Commands

What `alcove` can be asked on the command line. `python -m alcove` is the same, and every command
explains itself with `--help`. Options that set something are [settings](settings.md): they can
stand in a file or in the environment too.

Members talk with the first of them (`chat` to `completion`): [howto/chat.md](howto/chat.md) shows
how, and what `--json` says. The others are for who runs a server; [coming-from.md](coming-from.md)
maps the commands of other programs to these.

How a command ends, for scripts:

| status | what it means |
|---|---|
| 0 | fine |
| 1 | it was refused, or what was looked for is not there; the sentence says why |
| 2 | it was not typed as it is to be |
| 3 | there is no line to the server; what was said is stored, and waits |
| 4 | what is kept on this machine cannot be used: damaged, full, or in use by another program |
| 5 | a mistake of this program |
| 130 | stopped by Ctrl-C |

Errors are one sentence on standard error. `--json` prints JSON on standard output, and nothing
else there. Nothing is coloured when it is piped, or with `NO_COLOR` set. Passwords are never words
of a command.

This page is made from the commands; `python -m tests.cli.test_documentation --write` makes it anew.
"""
COMMON = """\
## Options of many commands

| option | what it does |
|---|---|
"""


def walk(
    command: click.Command, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below a command, and itself."""
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, (*path, name))


def usage(command: click.Command, path: tuple[str, ...]) -> str:
    pieces = command.collect_usage_pieces(click.Context(command))
    return " ".join([*path, *pieces])


def options(command: click.Command) -> list[str]:
    """Return the rows that tell a command's options, but for `--help`."""
    rows = []
    for one in command.params:
        if not isinstance(one, click.Option) or one.hidden:
            continue
        names = ", ".join(f"`{name}`" for name in sorted(one.opts, key=len, reverse=True))
        value = "" if one.is_flag else f" {one.make_metavar(click.Context(command))}"
        default = f" Default: {one.default}." if one.show_default else ""
        rows.append(f"| {names}{value.replace('|', ' or ')} | {one.help}{default} |")
    return rows


def told(command: click.Command, path: tuple[str, ...]) -> str:
    """Return what the page says about one command."""
    level = "##" if len(path) <= 2 else "###"
    text = inspect.cleandoc(command.help or "").replace(".  ", ". ")
    pieces = [f"{level} {' '.join(path)}", f"```\n{usage(command, path)}\n```", text]
    if command.epilog:
        lines = command.epilog.split("\n")[2:]
        pieces.append("```sh\n" + "\n".join(line.strip() for line in lines) + "\n```")
    if isinstance(command, Lazy):
        names = [
            f"| [`{name}`](#{'-'.join((*path, name))}) | {one.summary} |"
            for name, one in command.promises.items()
        ]
        pieces.append("\n".join(["| command | what it does |", "|---|---|", *names]))
        return "\n\n".join(pieces)
    rows = options(command)
    its_own = [row for row in rows if row not in common()]
    if path == ("alcove", "up"):
        assert rows == options(loaded("serve"))
        return "\n\n".join([*pieces, "It takes the options of [`serve`](#alcove-serve)."])
    if its_own:
        pieces.append("\n".join(["| option | what it does |", "|---|---|", *its_own]))
    others = [row.split(" | ")[0].removeprefix("| ") for row in rows if row in common()]
    if others:
        pieces.append(f"Also: {', '.join(others)}.")
    return "\n\n".join(pieces)


def loaded(*path: str) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    return command


def common() -> list[str]:
    """Return the rows of the options that many commands have: those of the simplest one."""
    return options(loaded("admin", "accounts")) + [
        row for row in options(loaded("rooms")) if "`--gone`" not in row and "--config" not in row
    ]


def page() -> str:
    parts = [told(command, path) for path, command in walk(main, ("alcove",))]
    shared = COMMON + "\n".join(dict.fromkeys(common()))
    return "\n\n".join([HEAD.strip(), *parts, shared]) + "\n"


def test_the_page_tells_every_command_and_option_as_it_is() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(
    ("path", "command"),
    list(walk(main, ("alcove",))),
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else "",
)
def test_every_command_and_option_explains_itself(
    path: tuple[str, ...], command: click.Command
) -> None:
    assert command.help, path
    assert command.help.strip().endswith((".", "?"))
    for one in command.params:
        if isinstance(one, click.Option):
            assert one.help, one.name
            assert one.help.endswith("."), one.name


@pytest.mark.parametrize(
    "group", [main] + [loaded(name) for name in ("admin", "room", "message", "account")]
)
def test_a_list_of_commands_says_what_each_says_itself(group: click.Command) -> None:
    assert isinstance(group, Lazy)
    for name, promise in group.promises.items():
        command = group.get_command(click.Context(group), name)
        assert command is not None
        assert command.help is not None
        assert command.help.split("\n")[0] == promise.summary


SHOWN_ONLY = ("chat", "completion", "tui")
"""Commands of members that answer people alone, or a shell."""


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (path, command)
        for path, command in walk(main, ("alcove",))
        if not isinstance(command, Lazy) and "member" in (command.callback or main).__module__
    ],
    ids=lambda one: "-".join(one) if isinstance(one, tuple) else "",
)
def test_every_command_of_members_teaches_by_examples_and_answers_programs(
    path: tuple[str, ...], command: click.Command
) -> None:
    assert command.epilog, path
    assert " ".join(path) in command.epilog.replace("localhost:8888 ", "")
    names = [name for one in command.params for name in one.opts]
    assert ("--json" in names) == (path[-1] not in SHOWN_ONLY)


if __name__ == "__main__":
    assert sys.argv[1:] == ["--write"]
    PAGE.write_text(page(), encoding="utf-8")
