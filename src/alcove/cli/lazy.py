"""Groups of commands whose modules are loaded when they are called."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click


class Promise(NamedTuple):
    """A command that is not loaded yet."""

    place: str
    """`package.module:name`."""
    summary: str
    """What a list of commands says about it: the first sentence of its own help."""


class Lazy(click.Group):
    """A group that knows its commands by name, and loads the one that is called."""

    def __init__(
        self,
        *args: Any,
        promises: Mapping[str, Promise],
        aliases: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.promises = dict(promises)
        self.aliases = dict(aliases or {})
        """Other names, which no list shows."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which they were given."""
        del ctx
        return list(self.promises)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded now."""
        del ctx
        promise = self.promises.get(self.aliases.get(cmd_name, cmd_name))
        if promise is None:
            return None
        module, _, name = promise.place.partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.summary) for name, one in self.promises.items()])
