"""`alcove demo`: a story that shows what Alcove does, and checks every word.

story, evidence    the chapters
people, person     the people: a process each, which is the SDK, driven through a pipe
wire               a recorder on the line between them and the server
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

from alcove.cli.demo.evidence import evidence
from alcove.cli.demo.house import House
from alcove.cli.demo.people import RefusalError
from alcove.cli.demo.story import (
    Story,
    another_device,
    asking,
    bob_returns,
    carol_goes,
    everyone,
    the_plug,
    the_room,
    the_server,
    three_people,
)
from alcove.cli.demo.telling import CALM_S, Teller, Untrue
from alcove.cli.demo.wire import Recorder

FAILURES = (Untrue, RefusalError, OSError)
STOPPED = 130
"""The exit status of a program that was ended by Ctrl-C, as shells have it."""


@click.command
@click.option("--fast", is_flag=True, help="Do not pause between the lines.")
@click.option("--keep", is_flag=True, help="Leave the folder there, and say where it is.")
def demo(*, fast: bool, keep: bool) -> None:
    """Tell a story of three people and a server that cannot read them.

    A real server is started in a temporary folder.  Ada, Bob and Carol, each in a process of their
    own, talk over it; it is killed and loses nothing; somebody is removed; a new device reads it
    all.  At the end everything that the server has and has heard is searched for what they said.
    The exit status is 0 only if all of it was true.
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
            click.echo(f"The folder stays: {folder}", err=True)
        else:
            shutil.rmtree(folder)


async def _in_folder(folder: Path, teller: Teller) -> None:
    """Tell the story with a server in this folder, and leave no process behind."""
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    story = Story(House(folder / "server"), Recorder(), teller, folder)
    try:
        await tell(story)
    finally:
        await story.end()
        await story.house.kill()


async def tell(story: Story) -> None:
    """Let it all happen, chapter by chapter."""
    began = time.perf_counter()
    story.teller.note("Three people, and a server that nobody needs to trust.")
    link = await the_server(story)
    await three_people(story, link)
    await asking(story)
    await the_room(story)
    await carol_goes(story)
    await everyone(story)
    await the_plug(story)
    await bob_returns(story)
    await another_device(story)
    await evidence(story)
    story.teller.heading(
        f"All of it was true, and happened just now, in {time.perf_counter() - began:.1f} seconds."
    )
