"""A server in a process of its own, and people who talk over it: the first chapters of the demo."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from aiohttp import ClientSession

from alcove.cli.demo.files import KEY_BYTES, open_file, seal_file
from alcove.cli.demo.house import House
from alcove.cli.demo.story import Story, talking, the_room, the_server, three_people
from alcove.cli.demo.telling import Teller, Untrue, must
from alcove.cli.selftest.failed import Failed

FILE: Final = bytes(range(256)) * 2000
"""What is sent as a file: half a megabyte."""


class Silent(Teller):
    """Tells nothing: what the story checks is told here in fewer words."""

    def _line(self, text: str, *, bold: bool = False, dim: bool = False) -> None:
        del text, bold, dim


def check(tell: Callable[[str], None], folder: Path) -> None:
    """Start a server, let people use it, stop it, and tell what went well."""
    try:
        asyncio.run(_check(tell, folder))
    except Untrue as error:
        raise Failed(str(error)) from error


async def _check(tell: Callable[[str], None], folder: Path) -> None:
    house = House(folder)
    try:
        async with ClientSession() as web:
            story = Story(house, web, Silent(colours=False, pause_s=0))
            await _talk(tell, story)
            await _send_file(tell, story)
            for person in story.people:
                await person.leave()
        must(await house.stop() == 0, "The server did not end well when it was asked to stop.")
        tell("Asked to stop, it ended.")
    finally:
        await house.kill()


async def _talk(tell: Callable[[str], None], story: Story) -> None:
    link = await the_server(story)
    async with story.web.get(f"{story.house.url}/health") as response:
        must(response.status == 200, "The server says that it is not well.")
    tell(f"It serves at {story.house.url}, and is well.")
    await three_people(story, link)
    tell("People come by links and sign in; somebody with a used-up link is refused.")
    await the_room(story)
    await talking(story)
    tell("They make an MLS group, and read what the others say over both directions.")


async def _send_file(tell: Callable[[str], None], story: Story) -> None:
    key = os.urandom(KEY_BYTES)
    sealed = seal_file(FILE, key)
    name = await story.ada.carrier.announce(len(sealed))
    await story.ada.carrier.send(name, 0, sealed)
    fetched = await story.bob.carrier.fetch(name)
    must(open_file(fetched, key, len(FILE)) == FILE, "A file came back as something else.")
    tell("A sealed file goes up and comes down.")
