"""`alcove chat`: a chat of lines, which needs no full screen, for people, screen readers and pipes.

no account here     1 Register  2 Login  3 Exit
then                [everyone] Enter message: hello            said to everyone on the server
                    [everyone] Enter message: @bob hello       said to bob alone
                    [everyone] Enter message: /to kitchen      from now on it goes there
"""

import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from alcove.cli.advice import say
from alcove.cli.member import saying
from alcove.cli.member.ending import NO_LINE, Failed
from alcove.cli.member.opening import (
    Given,
    examples,
    here,
    member_options,
    run,
)

if TYPE_CHECKING:
    from alcove.client import Client

MENU = "1 Register  2 Login  3 Exit"
END_S = 10.0
"""How long the end waits for what was said to reach the server."""
NEWS_S = 10.0
"""How long the beginning waits for what is new."""


@click.command(
    epilog=examples(
        "alcove chat",
        "alcove chat @bob",
        "echo '@bob hello' | alcove chat",
    )
)
@click.argument("to", required=False)
@click.option(
    "--plain", is_flag=True, help="Redraw nothing: for screen readers, and simple terminals."
)
@member_options
@click.pass_context
def chat(context: click.Context, given: Given, to: str | None, *, plain: bool) -> None:
    """Talk, line by line.

    Type to everyone on the server, `@name text` for one person, `exit` to end.  TO is where it goes
    at first: `@name`, or a room.  `/help` lists what else can be typed.
    """
    if not _has_account(given):
        _menu(context, given)
    try:
        waits = run(given, lambda client: _talk(client, to, plain=plain), patience_s=0)
    except KeyboardInterrupt:
        return
    if waits:
        raise Failed(waits, NO_LINE)


def _has_account(given: Given) -> bool:
    profiles = here(given).profiles
    return any(profiles.profile(name).account for name in profiles.names())


# ---- Without an account ----


def _menu(context: click.Context, given: Given) -> None:
    """Register, or bring an account, as often as it takes."""
    from alcove.cli.member.account import login, register  # noqa: PLC0415 - Once in a lifetime.

    while not _has_account(given):
        click.echo(MENU)
        match _asked("Choose: "):
            case "1":
                _try(context, register, given)
            case "2":
                _try(context, login, given)
            case "3" | "exit" | None:
                raise SystemExit(0)
            case _:
                click.echo("Type 1, 2 or 3.")


def _asked(prompt: str) -> str | None:
    """Return what somebody types; None at the end."""
    click.echo(prompt, nl=False)
    line = sys.stdin.readline(1024)
    if not sys.stdin.isatty():
        click.echo()
    return line.strip().lower() if line else None


def _try(context: click.Context, command: click.Command, given: Given) -> None:
    """Carry out a command; what goes wrong is told, and the menu comes again."""
    default = here(given).settings.server
    click.echo(f"Server or invite link [{default}]: ", nl=False)
    link = sys.stdin.readline(1024).strip() or default
    if not sys.stdin.isatty():
        click.echo()
    words: dict[str, Any] = {"link": link, "profile": given.profile, "config": given.config}
    try:
        context.invoke(command, **words, debug=given.debug, server=given.server)
    except click.ClickException as error:
        say(f"Error: {error.format_message()}", err=True)
        if not sys.stdin.isatty():
            raise SystemExit(error.exit_code) from error


# ---- With one ----


async def _talk(client: "Client", to: str | None, *, plain: bool) -> str:
    """Talk until the end; return why what was said has not all reached the server, if so."""
    import asyncio  # noqa: PLC0415

    from alcove.cli.member.screen import screen_for  # noqa: PLC0415
    from alcove.cli.member.talk import Talk  # noqa: PLC0415
    from alcove.client import OfflineError, caught_up  # noqa: PLC0415

    talk = Talk(client)
    screen = screen_for(talk.complete, plain=plain)
    talk.screen = screen
    events = client.events()
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError):  # Windows ends programs in its own way.
        loop.add_signal_handler(signal.SIGTERM, screen.stop)
    screen.open()
    hearing: asyncio.Task[None] | None = None
    try:
        talk.greet()  # What is typed from here on is kept, and goes out once it is known where to.
        with suppress(OfflineError):
            await caught_up(client, NEWS_S)
        await talk.begin(to)
        hearing = asyncio.create_task(talk.hearing.hear(events))
        async for line in screen.lines():
            if not await talk.take(line):
                break
        if talk.has_said and client.is_online:
            with suppress(OfflineError):
                await client.until(lambda: not _waits(client).is_moving, END_S)
    finally:
        if hearing is not None:
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing
        events.close()
        screen.close()
    if not talk.has_said:
        return ""
    waits = _waits(client)
    when = "has the time" if client.is_online else "has a line to the server"
    return "  ".join(([WAITS.format(when=when)] if waits.is_moving else []) + waits.held)


WAITS = (
    "Not everything that you said has left: it is stored here, and leaves when a program of this"
    " account next {when}."
)
_WAITING = "SELECT DISTINCT room FROM outbox WHERE failed IS NULL"


class _Waiting(NamedTuple):
    """What has not left yet of what was said."""

    is_moving: bool
    """Some of it leaves by itself, when it can."""
    held: list[str]
    """Why the rest does not, a sentence for each room: somebody has to look at changed keys."""


def _waits(client: "Client") -> _Waiting:
    waiting = {room for (room,) in client.db.all(_WAITING)}
    rooms = [room for room in client.rooms() if room.room in waiting] if waiting else []
    held = [why for why in map(saying.look_first, rooms) if why]
    return _Waiting(len(held) < len(waiting), held)
