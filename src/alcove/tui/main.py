"""The main screen: five places under one bar, and the keys that work in all of them."""

import asyncio
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widgets import ContentSwitcher, Input, TextArea

from alcove.desk.news import ConnectionChanged, News
from alcove.tui.guard import Steady
from alcove.tui.shell import PLACES, Keys, TopBar, app_of

if TYPE_CHECKING:
    from alcove.tui.chats import Chats
    from alcove.tui.place import Place

CHATS, FIRST = 0, len(PLACES) - 1
"""Where the chats are; and what is shown first: who is here."""
TICK_S = 1.0
"""How often what shows a time is drawn anew."""


def _name(number: int) -> str:
    return f"place{number}"


def _made(number: int) -> "Place":
    """Make a place: the class of its name, in the module of its name."""
    name = PLACES[number]
    place: Place = getattr(import_module(f"alcove.tui.{name.lower()}"), name)(id=_name(number))
    return place


class Main(Steady, Screen[None]):
    """Everything behind the door."""

    AUTO_FOCUS = ""

    BINDINGS: ClassVar = [
        *(Binding(str(number), f"go({number - 1})", show=False) for number in range(1, 6)),
        *(
            Binding(f"alt+{number}", f"go({number - 1})", show=False, priority=True)
            for number in range(1, 6)
        ),
        Binding("ctrl+k", "chats", "chats", priority=True, show=False),
        Binding("ctrl+s", "switch", "switch account", priority=True, show=False),
        Binding("ctrl+l", "lock", "lock", priority=True, show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._is_here = False
        self._making = asyncio.Lock()

    def compose(self) -> ComposeResult:
        """Make the bar, the first place and the keys."""
        yield TopBar()
        with ContentSwitcher(initial=_name(FIRST), id="body"):
            yield _made(FIRST)
        yield Keys()

    async def on_mount(self) -> None:
        """Begin with the profile: who is here, and how the session stands."""
        self._is_here = True
        self.set_interval(TICK_S, self._tick)
        await self.go(FIRST)

    # ---- Places ----

    @property
    def place(self) -> "Place":
        """The place that is shown."""
        from alcove.tui.place import Place  # noqa: PLC0415

        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", Place)

    async def go(self, number: int) -> "Place":
        """Show a place, and return it.  It is made when it is shown for the first time."""
        body = self.query_one(ContentSwitcher)
        async with self._making:
            if not body.query(f"#{_name(number)}"):
                await body.add_content(_made(number))
        body.current = _name(number)
        bar = self.query_one(TopBar)
        bar.place = number
        bar.refresh()
        place = self.place
        place.entered()
        self.show_keys()
        return place

    async def chats(self) -> "Chats":
        """Show the chats, and return them."""
        return cast("Chats", await self.go(CHATS))

    async def action_go(self, number: int) -> None:
        """Show a place, by its key."""
        await self.go(number)

    async def action_chats(self) -> None:
        """Show the whole list of chats, wherever one is."""
        (await self.chats()).action_all()

    def show_keys(self) -> None:
        """Show the keys of what has the focus now."""
        self.query_one(Keys).tell(self.keys())

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done here."""
        is_writing = isinstance(self.focused, Input | TextArea)
        return (
            *self.place.keys(),
            ("alt 1-5" if is_writing else "1-5", "places"),
            ("^s", "switch account"),
            ("^l", "lock"),
            ("^q", "quit"),
        )

    def on_descendant_focus(self) -> None:
        """Show other keys with another focus."""
        self.show_keys()

    # ---- Hearing ----

    def told(self, news: News) -> None:
        """Hand news on to all places; the bar shows counts and the line."""
        if not self._is_here:
            return
        self.query_one(TopBar).refresh()
        for place in self._places():
            place.told(news)
        if isinstance(news, ConnectionChanged):
            self.show_keys()

    def told_counts(self) -> None:
        """Draw the bar anew: what it counts is other."""
        self.query_one(TopBar).refresh()

    def _places(self) -> "list[Place]":
        from alcove.tui.place import Place  # noqa: PLC0415

        return [one for one in self.query(Place) if one.is_mounted]

    async def save(self) -> None:
        """Keep what was begun in the room that is open."""
        from alcove.tui.chats import Chats  # noqa: PLC0415

        if self._is_here:
            for chats in self.query(Chats):
                await chats.room.keep_draft()

    def part(self) -> None:
        """Begin nothing more: the screen goes, or the whole app."""
        self._is_here = False
        for place in self._places():
            for one in place.walk_children(with_self=True):
                self.workers.cancel_node(one)

    def _tick(self) -> None:
        if not self._is_here:
            return
        self.query_one(TopBar).refresh()
        self.place.tick()
        app_of(self).lock_when_idle()

    # ---- Accounts ----

    def action_switch(self) -> None:
        """Open another account of this machine."""
        self.action_lock()

    def action_lock(self) -> None:
        """Close the account; its passphrase opens it again."""
        app_of(self).run_worker(app_of(self).lock(), group="screens")
