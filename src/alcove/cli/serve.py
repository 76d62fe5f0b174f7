"""`alcove serve` and `alcove up`: start the server, and say what it finds."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from alcove.cli.advice import advised, say
from alcove.cli.shared import is_terminal, load_all, place_options

F = TypeVar("F", bound=Callable[..., Any])

FLAGS = ("behind_proxy", "debug", "self_signed")


class Spoken:
    """Tells people what the server finds while it starts."""

    def check(self, name: str, text: str) -> None:
        """Tell what was found out about one thing, and that it is fine."""
        say(f"  ok  {name:<10}  {text}")

    def notice(self, text: str) -> None:
        """Tell something that the host should know."""
        say(f"  !!  {text}")

    def started(self, lines: list[tuple[str, str]]) -> None:
        """Tell that the server serves, and where."""
        click.echo("\nAlcove server started")
        for name, text in lines:
            click.echo(f"{name}: {text}")
        click.echo("Waiting for connections… (Ctrl-C stops the server)")

    def stopping(self) -> None:
        """Tell that a stop was asked for."""
        click.echo("\nStopping: what was asked is answered, and everybody is told.")

    def stopped(self) -> None:
        """Tell that everything is closed."""
        click.echo("Stopped.  All that was acknowledged is on the disk.")

    def owner_link(self, link: str | None) -> None:
        """Show the owner link; or say how to get it, where others may read along."""
        if link is None:
            say("There is no host yet: `alcove admin owner-link` shows how to become it.")
            return
        from alcove.cli.links import show_qr  # noqa: PLC0415 - Only before there is a host.

        click.echo("\nThere is no host yet.  Whoever uses this link first is it; it works once:\n")
        click.echo(link)
        show_qr(link)


class Collected:
    """Tells programs that collect logs the same, a line of JSON each."""

    def _line(self, level: str, text: str) -> None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = {"at": moment, "level": level, "logger": "alcove.start", "text": advised(text)}
        click.echo(json.dumps(line, ensure_ascii=False), err=True)

    def check(self, name: str, text: str) -> None:
        """Tell what was found out about one thing, and that it is fine."""
        self._line("info", f"{name}: {text}")

    def notice(self, text: str) -> None:
        """Tell something that the host should know."""
        self._line("warning", text)

    def started(self, lines: list[tuple[str, str]]) -> None:
        """Tell that the server serves, and where."""
        self._line("info", "; ".join(f"{name}: {text}" for name, text in lines))

    def stopping(self) -> None:
        """Tell that a stop was asked for."""
        self._line("info", "stopping")

    def stopped(self) -> None:
        """Tell that everything is closed."""
        self._line("info", "stopped")

    def owner_link(self, link: str | None) -> None:
        """Show the owner link if that was asked for: not as a line of the log, which is kept."""
        self._line(
            "info", "There is no host yet: `alcove admin owner-link` shows how to become it."
        )
        if link is not None:
            click.echo(link)


def serve_options(command: F) -> F:
    """Add the options of a server."""
    for option in reversed(
        (
            click.option("--host", metavar="ADDRESS", help="The address to listen on."),
            click.option("--port", metavar="NUMBER", help="The one port for everything."),
            click.option(
                "--status-port",
                metavar="NUMBER",
                help="The port of the status page on 127.0.0.1; 0 turns it off.",
            ),
            click.option(
                "--public-url", metavar="URL", help="The address that people use, for links."
            ),
            click.option("--tls-cert", metavar="FILE", help="The TLS certificate and its chain."),
            click.option("--tls-key", metavar="FILE", help="The certificate's private key."),
            click.option(
                "--self-signed", is_flag=True, help="Make a certificate, and pin it in invites."
            ),
            click.option("--behind-proxy", is_flag=True, help="A proxy in front does TLS."),
            place_options,
            click.option(
                "--debug",
                is_flag=True,
                help="Log everything; in a checkout, start again when the code changes.",
            ),
            click.option("--verbose", "-v", is_flag=True, help="Show the log's lines here too."),
            click.option(
                "--print-owner-link",
                is_flag=True,
                help="Show the owner link though this is no terminal, where logs may keep it.",
            ),
        )
    ):
        command = option(command)
    return command


@click.command
@serve_options
def serve(**options: Any) -> None:
    """Start the server.

    It runs until Ctrl-C or SIGTERM, then answers what was asked and tells everyone.  Settings that
    are not given here come from the environment, .env and alcove.toml.
    """
    run(**options)


@click.command
@serve_options
def up(**options: Any) -> None:
    """Set everything up and start it.

    So far that is the server: the page for the browser comes with a later release.
    """
    say("This starts the server; `alcove chat` in another window talks on it.\n")
    run(**options)


def run(*, verbose: bool, print_owner_link: bool, **options: Any) -> None:
    """Start a server with these options, and again as often as its code changes."""
    for name in FLAGS:
        options[name] = "true" if options[name] else None
    loaded = load_all(**options)
    settings = loaded.settings
    is_json = settings.log_format == "json"

    from alcove.server.io import serve as serving  # noqa: PLC0415 - With it comes everything.
    from alcove.server.io.machine import CannotStart  # noqa: PLC0415

    start = serving.Start(
        settings=settings,
        sources=loaded.sources,
        notices=tuple(notice.text for notice in loaded.notices),
        voice=Collected() if is_json else Spoken(),
        shows_link=print_owner_link or is_terminal(),
        verbose=verbose,
        origins=loaded.origins,
    )
    try:
        restarts = serving.run(start)
    except CannotStart as error:
        raise click.ClickException(str(error)) from error
    if restarts:
        sys.stdout.flush()
        os.execv(sys.executable, [sys.executable, "-m", "alcove", *sys.argv[1:]])  # noqa: S606
