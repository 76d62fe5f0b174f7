"""`alcove demo`: a story that shows what a server of Alcove does today, and checks every word.

The apps do not exist yet.  So the people in the story speak the protocol by hand, with a client
that has no outbox and no store: it is the least that the protocol asks for, and no example.

    story, evidence    the chapters
    people, room       what a person's device does and knows
    line, files        the two doors: the socket, and blobs over HTTP
    house              the server: a process of its own
    search, telling    looking for plain text; printing
"""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import click
from aiohttp import ClientError, ClientSession

from alcove.cli.demo.evidence import evidence
from alcove.cli.demo.house import House
from alcove.cli.demo.line import Gone
from alcove.cli.demo.story import (
    Story,
    bob_returns,
    carol_goes,
    talking,
    the_plug,
    the_room,
    the_server,
    three_people,
)
from alcove.cli.demo.telling import CALM_S, Teller, Untrue
from alcove.mls import MlsError
from alcove.wire.errors import Refused

FAILURES = (Untrue, Refused, Gone, MlsError, ClientError, OSError)
STOPPED = 130
"""The exit status of a program that was ended by Ctrl-C, as shells have it."""


@click.command
@click.option("--fast", is_flag=True, help="Do not pause between the lines.")
@click.option("--keep", is_flag=True, help="Leave the server's folder there, and say where it is.")
def demo(*, fast: bool, keep: bool) -> None:
    """Tell a story of three people and a server, which shows what exists today.

    A real server is started in a temporary folder.  Ada, Bob and Carol talk over it end-to-end
    encrypted; it is killed and loses nothing; somebody is removed; at the end its whole folder is
    searched for what they said.  The exit status is 0 only if all of it was true.
    """
    is_terminal = sys.stdout.isatty()
    teller = Teller(
        colours=is_terminal and "NO_COLOR" not in os.environ,
        pause_s=CALM_S if is_terminal and not fast else 0,
    )
    folder = Path(tempfile.mkdtemp(prefix="alcove-demo-"))
    try:
        asyncio.run(_in_folder(folder, teller))
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("\nStopped before the end.", err=True)
        raise SystemExit(STOPPED) from None
    except BrokenPipeError:
        raise  # Nobody reads along any more: click ends the program quietly.
    except FAILURES as error:
        teller.failed(str(error) or "An answer did not come in time.")
        raise SystemExit(1) from None
    finally:
        if keep:
            click.echo(f"The server's folder stays: {folder}", err=True)
        else:
            shutil.rmtree(folder)


async def _in_folder(folder: Path, teller: Teller) -> None:
    """Tell the story with a server in this folder, and leave no process behind."""
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    house = House(folder)
    try:
        async with ClientSession() as web:
            await tell(Story(house, web, teller))
    finally:
        await house.kill()


async def tell(story: Story) -> None:
    """Let it all happen, chapter by chapter."""
    began = time.perf_counter()
    story.teller.note("Three people, and a server that nobody needs to trust.")
    link = await the_server(story)
    await three_people(story, link)
    await the_room(story)
    await talking(story)
    await the_plug(story)
    await bob_returns(story)
    await carol_goes(story)
    await evidence(story)
    story.teller.heading(
        f"All of it was true, and happened just now, in {time.perf_counter() - began:.1f} seconds."
    )
