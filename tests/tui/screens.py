"""Each screen of the terminal app, and how to come to it on the stage.

async with shown_on("room", (80, 24)) as app: ...
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from alcove.desk import shown
from alcove.tui.look import LIGHT
from tests.tui import harbour
from tests.tui.stage import Stage, Staged

SIZES: Final = ((140, 40), (80, 24), (46, 30))
LOOKS_MAX: Final = 200
"""A screen that still moves after so many looks is wrong."""
NAMES: Final = {" ": "space", "@": "at", ".": "full_stop", "/": "slash", "-": "minus"}


class Visit(NamedTuple):
    """Somebody in front of a screen."""

    app: Staged
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        await self.pilot.press(*(NAMES.get(one, one) for one in text))
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing moves any more."""
        before = None
        for _ in range(LOOKS_MAX):
            for one in (*self.app.screen.query(Input), *self.app.screen.query(TextArea)):
                one.cursor_blink = False
                one._cursor_visible = True
            await self.pilot.pause()
            now = self.app.screen._compositor.render_strips()
            busy = any(not one.is_finished and one.group in _WAITED for one in self.app.workers)
            if now == before and not busy:
                return
            before = now
        raise AssertionError("it does not come to rest")

    async def enter(self) -> None:
        """Come in, with what there is to look at."""
        await self.settle()
        self.app.enter()
        await self.settle()
        self.app.stage.tell(*harbour.ALERTS)
        await self.settle()
        self.app.clear_notifications()
        await self.settle()

    async def open(self, title: str) -> None:
        await self.enter()
        await self.press("1", "slash")
        await self.type(title)
        await self.press("enter")


_WAITED: Final = ("look", "screens", "open", "room", "judge", "goto", "page", "read")
Way = Callable[[Visit], Awaitable[None]]


class Shown(NamedTuple):
    """A screen."""

    way: Way
    stage: Callable[[], Stage] = harbour.stage
    facts: Mapping[str, Any] = MappingProxyType({})


# ---- The door ----


async def _door_create(visit: Visit) -> None:
    await visit.settle()
    await visit.press("escape", "ctrl+s", "ctrl+s")
    visit.app.screen.query_one("#name", Input).value = "chiara"
    visit.app.screen.query_one("#password").focus()
    await visit.settle()


async def _door_own_words(visit: Visit) -> None:
    await _door_create(visit)
    await visit.press("ctrl+e")
    await visit.type("harbour-quay")


async def _door_sign_in(visit: Visit) -> None:
    await visit.settle()
    await visit.press("ctrl+s")
    visit.app.screen.query_one("#name", Input).value = "chiara"
    visit.app.screen.query_one("#password").focus()
    await visit.settle()


async def _door_accounts(visit: Visit) -> None:
    await visit.settle()


def _nobody() -> Stage:
    found = harbour.stage()
    found.accounts = ()
    return found


def _not_invited() -> Stage:
    found = _nobody()
    found.server = shown.Server(address="harbour.example.org", registration="invite")
    return found


# ---- Rooms ----


async def _chats(visit: Visit) -> None:
    await visit.enter()
    await visit.press("1")


async def _room(visit: Visit) -> None:
    await visit.open("harbour")
    await visit.press("ctrl+r")
    await visit.type("I changed it in three places. @no")


async def _read_mode(visit: Visit) -> None:
    await visit.open("harbour")
    await visit.press("up", "up", "up", "up")


async def _room_above(visit: Visit) -> None:
    await visit.open("harbour")
    await visit.press("escape", "home")


async def _direct(visit: Visit) -> None:
    await visit.open("tomas")


async def _requests(visit: Visit) -> None:
    await visit.enter()
    await visit.press("1", "a")


async def _finding(visit: Visit) -> None:
    await visit.open("harbour")
    await visit.press("ctrl+f")
    await visit.type("the")


# ---- Other places ----


async def _groups(visit: Visit) -> None:
    await visit.enter()
    await visit.press("2", "down", "down")


async def _members(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("tab", "down", "down")


async def _new_group(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("ctrl+n")
    await visit.type("Winter storage")


async def _leaving(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("d")


async def _link(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("l")


async def _choosing(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("e")


async def _files(visit: Visit) -> None:
    await visit.enter()
    await visit.press("3", "down")


async def _saving(visit: Visit) -> None:
    await _files(visit)
    await visit.press("s")


async def _security(visit: Visit) -> None:
    await visit.enter()
    await visit.press("4")


async def _comparison(visit: Visit) -> None:
    await _security(visit)
    await visit.press("tab", "v")


async def _revoking(visit: Visit) -> None:
    await _security(visit)
    await visit.press("down", "d")


async def _profile(visit: Visit) -> None:
    await visit.enter()


async def _palette(visit: Visit) -> None:
    await visit.open("harbour")
    await visit.press("ctrl+p")
    await visit.type("go")


async def _help(visit: Visit) -> None:
    await visit.enter()
    await visit.press("f1")


async def _told(visit: Visit) -> None:
    await visit.open("harbour")
    visit.app.stage.tell(*harbour.ALERTS)
    await visit.settle()


def _offline() -> Stage:
    return harbour.stage(is_offline=True)


INVITE: Final = {"server": "https://harbour.example.org/i/Kq7x-29Fd-mW"}
SCREENS: Final = {
    "door-create": Shown(_door_create, _nobody, INVITE),
    "door-own-words": Shown(_door_own_words, _nobody, INVITE),
    "door-sign-in": Shown(_door_sign_in, _not_invited, {"server": "harbour.example.org"}),
    "door-accounts": Shown(_door_accounts),
    "chats": Shown(_chats),
    "room": Shown(_room),
    "room-light": Shown(_room, harbour.stage, {"light": True}),
    "room-offline": Shown(_room, _offline),
    "room-picked": Shown(_read_mode),
    "room-above": Shown(_room_above),
    "room-direct": Shown(_direct),
    "room-told": Shown(_told),
    "requests": Shown(_requests),
    "finding": Shown(_finding),
    "groups": Shown(_groups),
    "members": Shown(_members),
    "new-group": Shown(_new_group),
    "leaving": Shown(_leaving),
    "link": Shown(_link),
    "choosing": Shown(_choosing),
    "files": Shown(_files),
    "saving": Shown(_saving),
    "security": Shown(_security),
    "comparison": Shown(_comparison),
    "revoking": Shown(_revoking),
    "profile": Shown(_profile),
    "profile-light": Shown(_profile, harbour.stage, {"light": True}),
    "palette": Shown(_palette),
    "help": Shown(_help),
}


@asynccontextmanager
async def shown_on(name: str, size: tuple[int, int]) -> AsyncIterator[Staged]:
    """Come to a screen of this size, and stay until its picture was taken."""
    screen = SCREENS[name]
    with patch.dict(os.environ, {"TZ": "UTC", "HOME": "/home/mira"}):
        time.tzset()
        app = screen.stage().app(**screen.facts)
        app.animation_level = "none"
        async with app.run_test(size=size) as pilot:
            await screen.way(Visit(app, pilot))
            yield app
            await app.action_leave()
    time.tzset()


def is_light(app: Staged) -> bool:
    """Whether it is drawn dark on light."""
    return app.theme == LIGHT.name
