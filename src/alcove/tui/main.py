"""The main screen: five places under one bar, and the keys that work in all of them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import ContentSwitcher, Input, TextArea

from alcove.desk.news import ConnectionChanged, News
from alcove.tui.shell import PLACES, Keys, TopBar, app_of

if TYPE_CHECKING:
    from alcove.tui.place import Place

TICK_S = 1.0
"""How often what shows a time is drawn anew."""


class Main(Screen[None]):
    """Everything behind the door."""

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

    def compose(self) -> ComposeResult:
        """Make the bar, the places and the keys."""
        from alcove.tui.chats import Chats  # noqa: PLC0415
        from alcove.tui.files import Files  # noqa: PLC0415
        from alcove.tui.groups import Groups  # noqa: PLC0415
        from alcove.tui.profile import Profile  # noqa: PLC0415
        from alcove.tui.security import Security  # noqa: PLC0415

        yield TopBar()
        with ContentSwitcher(initial="place4", id="body"):
            for number, kind in enumerate((Chats, Groups, Files, Security, Profile)):
                yield kind(id=f"place{number}")
        yield Keys()

    def on_mount(self) -> None:
        """Begin with the profile: who is here, and how the session stands."""
        self._is_here = True
        self.set_interval(TICK_S, self._tick)
        self.go(len(PLACES) - 1)

    # ---- Places ----

    @property
    def place(self) -> "Place":
        """The place that is shown."""
        from alcove.tui.place import Place  # noqa: PLC0415

        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", Place)

    def go(self, number: int) -> None:
        """Show a place."""
        self.query_one(ContentSwitcher).current = f"place{number}"
        bar = self.query_one(TopBar)
        bar.place = number
        bar.refresh()
        self.place.entered()
        self.show_keys()

    def action_go(self, number: int) -> None:
        """Show a place, by its key."""
        self.go(number)

    def action_chats(self) -> None:
        """Show the whole list of chats, wherever one is."""
        from alcove.tui.chats import Chats  # noqa: PLC0415

        self.go(0)
        self.query_one(Chats).action_all()

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

    def _places(self) -> "list[Place]":
        from alcove.tui.place import Place  # noqa: PLC0415

        return list(self.query(Place))

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

    # ---- Accounts ----

    async def action_switch(self) -> None:
        """Open another account of this machine."""
        await self._lock()

    async def action_lock(self) -> None:
        """Close the account; its passphrase opens it again."""
        await self._lock()

    async def _lock(self) -> None:
        from alcove.desk import door  # noqa: PLC0415

        await app_of(self).tried(door.Lock())
        app_of(self).go_to_door()


def focus_first(widget: Widget) -> None:
    """Give the focus to the first part of a place that takes it."""
    for one in widget.query("*"):
        if one.focusable:
            one.focus()
            return
