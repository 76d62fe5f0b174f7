"""However much there is, only what is near the screen is held."""

import asyncio

from textual.widgets import OptionList

from alcove.tui.chats import Chats
from alcove.tui.log import HELD_LINES_MAX, Log
from tests.tui.stage import Stage
from tests.tui.test_log import made_up

WIDGETS_MAX = 200
LINES = 100_000


def test_two_hundred_rooms_and_a_hundred_thousand_lines_take_few_widgets() -> None:
    async def live() -> None:
        stage = Stage()
        for number in range(200):
            stage.add_room(f"Room {number}", 60, made_up)
        room = stage.add_room("Bench", LINES, made_up)
        app = stage.app()
        async with app.run_test(size=(140, 40)) as pilot:
            app.enter()
            await pilot.pause()
            await pilot.press("1")
            chats = app.screen.query_one(Chats)
            await chats.open(room)
            await pilot.pause()
            log = app.screen.query_one(Log)
            while log.lines[0].number > LINES - 2 * HELD_LINES_MAX:
                log.scroll_home(animate=False, immediate=True)
                await pilot.pause()
            assert len(log.lines) <= HELD_LINES_MAX
            assert chats.query_one("#chats", OptionList).option_count == 201
            assert len(app.screen.query("*")) <= WIDGETS_MAX
            await app.action_leave()

    asyncio.run(live())
