"""`alcove` and `alcove tui`: the terminal app."""

import sys

import click

from alcove.cli.member.ending import Failed
from alcove.cli.member.opening import Given, examples, here, member_options


@click.command(
    epilog=examples("alcove", "alcove tui 'https://chat.example.org/i/…#…'", "alcove tui --light")
)
@click.argument("link", required=False)
@click.option("--light", is_flag=True, help="Dark letters on a light ground.")
@member_options
def tui(given: Given, link: str | None, *, light: bool) -> None:
    """Open the terminal app.

    LINK is the invite link that you were given, or the server's address; it is only needed the
    first time.  For screen readers, and for lines that are slow, there is `alcove chat`.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Failed("The app needs a terminal to draw in: use `alcove chat`, or send and listen.")
    from alcove.tui.app import Alcove  # noqa: PLC0415 - With it comes everything.

    around = here(given)
    server = link or given.server or ""
    Alcove(around.profiles.home, light=light, server=server).run()
