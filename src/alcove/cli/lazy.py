"""Groups of commands whose modules are loaded when they are called."""

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import click

from alcove.cli.advice import advised, plainly


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
        unlisted: Mapping[str, Promise] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.promises = dict(promises)
        self.aliases = dict(aliases or {})
        """Other names, which no list shows."""
        self.unlisted = dict(unlisted or {})
        """Commands that no list shows either."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Read the words of a command; what is wrong with them is told in our own way."""
        if parent is not None:
            return super().make_context(info_name, args, parent, **extra)
        with plainly(None):
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Carry a command out; errors are told in our own way, once, by the outermost group."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        with plainly(ctx):
            return super().invoke(ctx)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the group is for, with commands that can be typed as they are."""
        text, self.help = self.help, advised(self.help or "")
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = text

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order in which they were given."""
        del ctx
        return list(self.promises)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that is called, and the words that are left for it."""
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]}.")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, loaded now."""
        del ctx
        name = self.aliases.get(cmd_name, cmd_name)
        promise = self.promises.get(name) or self.unlisted.get(name)
        if promise is None:
            return None
        module, _, function = promise.place.partition(":")
        command = getattr(importlib.import_module(module), function)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without loading them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.summary) for name, one in self.promises.items()])
