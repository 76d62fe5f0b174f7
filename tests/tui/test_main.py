"""What is behind the door comes when it is wanted: its modules, its places, and the line."""

import asyncio
import subprocess
import sys

from alcove.desk import door
from alcove.tui.main import Main
from alcove.tui.place import Place
from tests.tui import harbour
from tests.tui.screens import Visit

BEHIND_THE_DOOR = (
    "aiohttp", "argon2", "cryptography", "sqlcipher3", "alcove.mls", "alcove.client.engine",
    "alcove.tui.chats", "alcove.tui.main",
)  # fmt: skip


def test_the_door_does_not_wait_for_what_opens_an_account() -> None:
    program = "import sys\nfrom alcove.tui import app, door\nprint(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stdout.split()
    assert [name for name in BEHIND_THE_DOOR if name in loaded] == []


def test_a_place_is_made_once_when_it_is_shown_for_the_first_time() -> None:
    async def story() -> None:
        app = harbour.stage().app()
        async with app.run_test(size=(140, 40)) as pilot:
            visit = Visit(app, pilot)
            await visit.enter()
            main = app.screen
            assert isinstance(main, Main)
            assert [one.id for one in main.query(Place)] == ["place4"]
            first, second = await asyncio.gather(main.chats(), main.chats())
            assert first is second
            await visit.press("5")
            await visit.press("1")
            assert main.place is first
            assert [one.id for one in main.query(Place)] == ["place4", "place0"]

    asyncio.run(story())


def test_a_line_is_looked_for_when_what_is_known_here_is_to_be_seen() -> None:
    async def story() -> None:
        stage = harbour.stage()
        app = stage.app()
        async with app.run_test(size=(140, 40)) as pilot:
            visit = Visit(app, pilot)
            await visit.settle()
            assert door.Prepare() in stage.asked
            assert door.Connect() not in stage.asked
            await visit.enter()
            assert stage.asked.count(door.Connect()) == 1

    asyncio.run(story())
