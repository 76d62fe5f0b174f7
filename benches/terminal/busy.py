"""A program with a room in which others talk fast: `python -m benches.terminal.busy SECONDS LINES`.

The app is the one that is shipped, at 140 by 40 cells without a terminal behind it; its desk is a
stage, which says 300 lines a second from a thread of its own, as an engine would.  Meanwhile keys
are pressed, and each is timed from the press until what it wrote has been drawn.  Then lines come
as fast as they are taken, for the memory.  It prints what it found as one JSON object.
"""

import asyncio
import json
import sys
import threading
import time
from pathlib import Path
from typing import Final

from msgspec import structs
from textual import events
from textual.app import App

from alcove.desk import news, shown
from alcove.tui.chats import Chats
from alcove.tui.composer import Composer
from benches.client.town import TEXT
from benches.server.figures import percentile
from tests.tui import test_log
from tests.tui.stage import Stage

A_SECOND: Final = 300
NEWS_S: Final = 0.03
"""A desk gathers news for so long, too."""
KEY_S: Final = 0.1
"""Somebody types ten keys a second."""
FLAT_FROM: Final = 10_000
AT_ONCE: Final = 100
SIZE: Final = (140, 40)


def made_up(number: int) -> shown.Line:
    """Return a line of the length that texts have."""
    return structs.replace(test_log.made_up(number), text=f"{TEXT} {number}")


class Talk:
    """What others say in the room that is open."""

    def __init__(self, stage: Stage, room: str) -> None:
        self._stage, self._room = stage, room
        self.said = self._stage.told[room].lines

    def say(self, count: int) -> None:
        """Say so many lines more; the desk could give each of them again."""
        lines = tuple(made_up(self.said + one) for one in range(count))
        self.said += count
        told = self._stage.told[self._room]
        self._stage.told[self._room] = told._replace(lines=self.said)
        self._stage.tell(
            news.ChatsChanged(chats=(self._stage.rooms[self._room].chat,)),
            news.LinesChanged(room=self._room, lines=lines),
        )


def _mib() -> float:
    """Return the memory of this process that is its own."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


async def _press(app: App[None], text: Composer) -> float:
    """Press a key, and return how many milliseconds later it stands on the screen."""
    drawn = asyncio.Event()
    before = len(text.text)
    begin_s = time.perf_counter()
    app.post_message(events.Key("a", "a"))
    while len(text.text) == before:  # noqa: ASYNC110 - Nobody tells when a key was taken.
        await asyncio.sleep(0.0005)
    text.call_after_refresh(drawn.set)
    await drawn.wait()
    return (time.perf_counter() - begin_s) * 1000


async def _play(seconds: float, lines: int) -> dict[str, float]:
    stage = Stage()
    room = stage.add_room("Bench", FLAT_FROM, made_up)
    app, talk = stage.app(), Talk(stage, room)
    over = threading.Event()

    def others() -> None:
        while not over.wait(NEWS_S):
            talk.say(round(A_SECOND * NEWS_S))

    found: dict[str, float] = {}
    async with app.run_test(size=SIZE) as pilot:
        app.enter()
        await pilot.pause()
        await pilot.press("1")
        await app.screen.query_one(Chats).open(room)
        app.screen.query_one(Composer).focus()
        await pilot.pause()
        text = app.screen.query_one(Composer)
        rate_thread = threading.Thread(target=others)
        rate_thread.start()
        took_ms, begin_s, before = [], time.perf_counter(), talk.said
        while time.perf_counter() - begin_s < seconds:
            took_ms.append(await _press(app, text))
            await asyncio.sleep(KEY_S)
        over.set()
        await asyncio.to_thread(rate_thread.join)
        found["tui_lines_rate"] = (talk.said - before) / (time.perf_counter() - begin_s)
        took_ms.sort()
        found |= {f"tui_key_p{one}_ms": percentile(took_ms, one) for one in (50, 95)}
        found["tui_key_most_ms"] = took_ms[-1]
        at_first = 0.0
        begun = talk.said
        while talk.said - begun < lines:
            talk.say(AT_ONCE)
            await pilot.pause()
            if not at_first and talk.said - begun >= min(FLAT_FROM, lines // 2):
                at_first = _mib()
        found["tui_memory_mib"] = _mib()
        found["tui_memory_grown_mib"] = found["tui_memory_mib"] - at_first
        await app.action_leave()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_play(float(sys.argv[1]), int(sys.argv[2])))))
