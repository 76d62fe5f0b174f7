"""Showing links: to people with a QR code beside, to programs alone on a line."""

import click

from alcove.cli.advice import say
from alcove.cli.shared import is_terminal, when
from alcove.server.admin_messages import Link
from alcove.server.settings_together import is_only_here

SAID = {
    "invite": "Whoever uses this link can register",
    "owner": "Whoever uses this link first is the host",
    "bot": "One bot can register by this link",
    "reset": "By this link the account comes back with new keys: everyone will be shown that",
    "page": "Whoever opens this link first sees the admin page",
}

ONLY_HERE = (
    "Nobody else can use it: its address means this machine alone.  Start the server where others"
    " reach it (--host, or behind a proxy) and tell it their address (--public-url), then make the"
    " link again."
)

PAGE_ONLY_HERE = (
    "It opens in a browser on this machine only: its address means just that (--public-url changes"
    " it)."
)
PLAIN = (
    "It goes without TLS: whoever is on the network in between can read along and see the page too."
)


def show_link(link: Link) -> None:
    """Print a link.  What is said about it goes elsewhere, so that the link can be piped."""
    times = "once" if link.uses == 1 else f"{link.uses} times"
    said = SAID[link.kind]
    say(
        f"{said}.  It works {times}, until {when(link.expires_at)}, and is shown only now."
        f"  (To withdraw it: `alcove admin uninvite {link.invite}`)",
        err=True,
    )
    if is_only_here(link.link):
        if link.kind != "owner":
            say(PAGE_ONLY_HERE if link.kind == "page" else ONLY_HERE, err=True)
    elif link.kind == "page" and link.link.startswith("http:"):
        say(PLAIN, err=True)
    click.echo(link.link)
    show_qr(link.link)


def show_qr(link: str) -> None:
    """Draw a link for a telephone's camera, on a terminal."""
    if is_terminal():
        from alcove.server.qr import terminal_qr  # noqa: PLC0415 - Only where somebody sees it.

        click.echo(f"\n{terminal_qr(link)}\n")
