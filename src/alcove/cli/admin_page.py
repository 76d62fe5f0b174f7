"""`alcove admin page`: the admin page in a browser, by a link that works once."""

import html
import os
import time
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import msgspec

from alcove.cli.advice import say
from alcove.cli.asking import ask
from alcove.cli.links import show_link
from alcove.cli.shared import json_option, load, place_options
from alcove.server.admin_messages import InviteList, Invites, Link, PageLink
from alcove.server.settings import Settings

FILE_NAME: Final = "admin-page.html"
"""What the browser is sent to first.  It is in the data folder, because some browsers may not look
into the system's folder for temporary files."""
OPEN_WAIT_S: Final = 60
"""How long a browser has time to use the link."""

LEADING: Final = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>Alcove admin</title>
<p><a href="{link}">To the admin page</a></p>
</html>
"""


@click.command
@click.option("--open", "opens", is_flag=True, help="Open it in a browser on this machine.")
@place_options
@json_option
def page(data: str | None, config: str | None, *, opens: bool, as_json: bool) -> None:
    """Make a one-time link to the admin page.

    It works once, for ten minutes, and the one of before ends.  The page shows what stats, accounts
    and audit show, and changes nothing.  Whoever has opened it stays signed in for eight hours at
    most, and no longer than an hour without touching it.
    """
    settings = load(data, config)
    link = ask(settings, PageLink(), Link)
    if as_json:
        click.echo(msgspec.json.encode(link))
    else:
        show_link(link)
    if opens:
        _open(settings, link)


def _open(settings: Settings, link: Link) -> None:
    """Open a link in a browser, by a file: what programs are started with, everybody can see."""
    file = (Path(settings.data) / FILE_NAME).absolute()
    try:
        file.unlink(missing_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as opened:
            opened.write(LEADING.format(link=html.escape(link.link)))
        if not webbrowser.open(file.as_uri()):
            say("There is no browser here: open the link in one of your own.", err=True)
        elif _was_used(settings, link):
            say("The page is open.", err=True)
        else:
            say("The browser did not open it: open the link yourself.", err=True)
    except (OSError, webbrowser.Error) as error:
        why = f"No browser could be started ({type(error).__name__}): open the link yourself."
        raise click.ClickException(why) from error
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _was_used(settings: Settings, link: Link) -> bool:
    """Wait until a link was used; return whether it was."""
    for _ in range(OPEN_WAIT_S):
        found = ask(settings, Invites(), InviteList).invites
        if any(one.invite == link.invite and one.used for one in found):
            return True
        time.sleep(1)
    return False
