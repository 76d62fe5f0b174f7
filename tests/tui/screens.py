"""Each screen of the terminal app, and how to come to it on the stage.

async for name, app in toured("rooms", (80, 24)): ...
"""

import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from unittest.mock import patch

from textual.pilot import Pilot
from textual.widgets import Input, TextArea

from alcove.desk import shown
from alcove.tui.chats import Chats
from alcove.tui.look import LIGHT
from alcove.tui.main import Main
from tests.tui import harbour
from tests.tui.stage import Stage, Staged

SIZES: Final = ((140, 40), (80, 24), (46, 30))
ALIKE: Final = 2
"""So many looks in a row see the same when a screen rests."""
LOOKS_MAX: Final = 200
"""A screen that still moves after so many looks is wrong."""


class Visit(NamedTuple):
    """Somebody in front of a screen."""

    app: Staged
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def type(self, text: str) -> None:
        """Write at once what somebody would write letter by letter."""
        focused = self.app.focused
        assert isinstance(focused, Input | TextArea)
        if isinstance(focused, Input):
            focused.insert_text_at_cursor(text)
        else:
            focused.insert(text)
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing moves any more."""
        before, alike = None, 0
        for _ in range(LOOKS_MAX):
            for one in (*self.app.screen.query(Input), *self.app.screen.query(TextArea)):
                one.cursor_blink = False
                one._cursor_visible = True
            await self.pilot.pause()
            now = self.app.screen._compositor.render_strips()
            busy = any(not one.is_finished and one.group in _WAITED for one in self.app.workers)
            alike = alike + 1 if now == before and not busy else 0
            if alike == ALIKE:
                return
            before = now
        raise AssertionError("it does not come to rest")

    async def enter(self) -> None:
        """Come in, with what there is to look at, and without a window over it."""
        if self.app.me is None:
            await self.settle()
            self.app.enter()
            await self.settle()
            self.app.stage.tell(*harbour.ALERTS)
            await self.pilot.pause()
        self.app.clear_notifications()
        while not isinstance(self.app.screen, Main):
            await self.press("escape")

    async def place(self, number: int) -> None:
        await self.enter()
        await self.press(f"alt+{number}")

    async def open(self, title: str) -> None:
        await self.place(1)
        rooms = {one.title: one.room for one in self.app.chats.values()}
        await self.app.screen.query_one(Chats).open(rooms[title])
        await self.settle()


_WAITED: Final = ("look", "screens", "open", "room", "judge", "goto", "page", "read")
Way = Callable[[Visit], Awaitable[None]]


class Tour(NamedTuple):
    """Screens that are come to one after the other."""

    stops: Mapping[str, Way]
    stage: Callable[[], Stage] = harbour.stage
    facts: Mapping[str, Any] = MappingProxyType({})


# ---- The door ----


async def _door_create(visit: Visit) -> None:
    await visit.settle()
    visit.app.screen.query_one("#name", Input).value = "chiara"
    visit.app.screen.query_one("#password").focus()
    await visit.settle()


async def _door_own_words(visit: Visit) -> None:
    await visit.press("ctrl+e")
    await visit.type("harbour-quay")


async def _door_sign_in(visit: Visit) -> None:
    await visit.settle()
    await visit.press("ctrl+s")
    visit.app.screen.query_one("#name", Input).value = "chiara"
    visit.app.screen.query_one("#password").focus()
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


async def _room(visit: Visit) -> None:
    await visit.open("Harbour team")
    await visit.press("ctrl+r")
    await visit.type("I changed it in three places. @no")


async def _room_picked(visit: Visit) -> None:
    await visit.open("Harbour team")
    await visit.press("up", "up", "up", "up")


async def _room_above(visit: Visit) -> None:
    await visit.open("Harbour team")
    await visit.press("escape", "home")


async def _requests(visit: Visit) -> None:
    await visit.place(1)
    await visit.press("a")


async def _finding(visit: Visit) -> None:
    await visit.open("Harbour team")
    await visit.press("ctrl+f")
    await visit.type("the")


async def _palette(visit: Visit) -> None:
    await visit.open("Harbour team")
    await visit.press("ctrl+p")
    await visit.type("go")


async def _about(visit: Visit) -> None:
    await _room_picked(visit)
    await visit.press("up", "up", "up", "i")


async def _nobody_found(visit: Visit) -> None:
    await visit.place(1)
    await visit.press("escape", "slash")
    await visit.type("chiara")


async def _browsing(visit: Visit) -> None:
    await visit.open("Harbour team")
    await visit.press("ctrl+o")


async def _sending(visit: Visit) -> None:
    await _browsing(visit)
    await visit.press("down", "down", "down", "enter", "tab", "right")


async def _told(visit: Visit) -> None:
    await visit.open("Harbour team")
    visit.app.stage.tell(*harbour.ALERTS)
    await visit.settle()


# ---- Other places ----


async def _groups(visit: Visit) -> None:
    await visit.place(2)
    for _ in range(6):
        await visit.pilot.press("up")
    await visit.press("home", "down", "down")


async def _members(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("tab", "home", "down", "down")


async def _new_group(visit: Visit) -> None:
    await _groups(visit)
    await visit.press("ctrl+n")
    await visit.type("Winter storage")


async def _files(visit: Visit) -> None:
    await visit.place(3)
    await visit.press("home", "down")


async def _security(visit: Visit) -> None:
    await visit.place(4)
    await visit.press("home")


async def _comparison(visit: Visit) -> None:
    await _security(visit)
    await visit.press("tab", "home", "v")


def _then(way: Way, *keys: str) -> Way:
    async def go(visit: Visit) -> None:
        await way(visit)
        await visit.press(*keys)

    return go


def _at(place: int) -> Way:
    async def go(visit: Visit) -> None:
        await visit.place(place)

    return go


def _in(title: str) -> Way:
    async def go(visit: Visit) -> None:
        await visit.open(title)

    return go


def _offline() -> Stage:
    return harbour.stage(is_offline=True)


INVITE: Final = {"server": "https://harbour.example.org/i/Kq7x-29Fd-mW"}
TOURS: Final = {
    "invited": Tour(
        {"door-create": _door_create, "door-own-words": _door_own_words}, _nobody, INVITE
    ),
    "back": Tour({"door-sign-in": _door_sign_in}, _not_invited, {"server": "harbour.example.org"}),
    "places": Tour(
        {
            "door-accounts": Visit.settle, "profile": _at(5), "help": _then(_at(5), "f1"),
            "groups": _groups, "members": _members, "new-group": _new_group,
            "leaving": _then(_groups, "d"), "link": _then(_groups, "l"),
            "choosing": _then(_groups, "e"), "files": _files, "saving": _then(_files, "s"),
            "security": _security, "comparison": _comparison,
            "revoking": _then(_security, "down", "d"),
        }
    ),
    "rooms": Tour(
        {
            "chats": _at(1), "requests": _requests, "room-direct": _in("tomas"),
            "room-picked": _room_picked, "room-above": _room_above, "finding": _finding,
            "about": _about, "nobody-found": _nobody_found, "browsing": _browsing,
            "sending": _sending, "palette": _palette, "room-told": _told, "room": _room,
        }
    ),
    "light": Tour({"profile-light": _at(5), "room-light": _room}, facts={"light": True}),
    "offline": Tour({"room-offline": _room}, _offline),
}  # fmt: skip
SCREENS: Final = tuple(name for tour in TOURS.values() for name in tour.stops)


async def toured(
    name: str, size: tuple[int, int], wanted: Sequence[str] = ()
) -> AsyncIterator[tuple[str, Staged]]:
    """Come to each screen of a tour, or to those that are wanted."""
    tour = TOURS[name]
    with patch.dict(os.environ, {"TZ": "UTC", "HOME": "/home/mira"}):
        time.tzset()
        app = tour.stage().app(**tour.facts)
        app.animation_level = "none"
        async with app.run_test(size=size, notifications=True) as pilot:
            for stop, way in tour.stops.items():
                if wanted and stop not in wanted and name != "invited":
                    continue
                await way(Visit(app, pilot))
                yield stop, app
            await app.action_leave()
    time.tzset()


def is_light(app: Staged) -> bool:
    """Whether it is drawn dark on light."""
    return app.theme == LIGHT.name
