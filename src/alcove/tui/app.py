"""The app: what is always there, and the desk in a thread of its own."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final, Literal, TypeVar

from textual import work
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.app import App
from textual.binding import Binding
from textual.worker import WorkerFailed

from alcove.client import ClientError, Preferences
from alcove.desk import chats, door, people, preferences, profile, shown
from alcove.desk.calls import Call
from alcove.desk.desk import Tell
from alcove.desk.news import (
    Alert,
    Announced,
    AskingChanged,
    Called,
    ChatsChanged,
    ConnectionChanged,
    Ended,
    News,
    together,
)
from alcove.desk.thread import Asked, DeskThread
from alcove.tui import look

R = TypeVar("R")

# Textual takes alt with a digit for the letter that one terminal on macOS has there: no terminal
# elsewhere could say alt 1 then, and who holds alt means our places.
for _digit in "12345":
    ANSI_SEQUENCES_KEYS.pop(f"\x1b{_digit}", None)  # type: ignore[attr-defined]

REST: Final = 2
"""After news was drawn, nothing is drawn of it for so many times as long as that took."""
REST_MAX_S: Final = 0.25
"""It is no longer: a screen that had nothing to draw says so late."""
CHIME_S: Final = 8.0
"""How long a notice stays."""


class Alcove(App[None]):
    """The terminal app of one person; one account is open at a time."""

    TITLE = "Alcove"
    CSS_PATH = "alcove.tcss"
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 - So it is in Textual.
        (0, "-narrow"),
        (70, "-classic"),
        (110, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (28, "-high")]  # noqa: RUF012 - So it is in Textual.
    BINDINGS: ClassVar = [
        Binding("f1", "help", "keys", priority=True),
        Binding("ctrl+p", "palette", "all", priority=True),
        Binding("ctrl+q", "leave", "quit", priority=True),
    ]

    def __init__(
        self,
        home: Path | None = None,
        *,
        light: bool = False,
        server: str = "",
        desk: Callable[[Tell], Asked] | None = None,
    ) -> None:
        super().__init__()
        self.server = server
        """What was named when the app was started: an address, or an invite link."""
        self.me: shown.Me | None = None
        self.chats: dict[str, shown.Chat] = {}
        self.asking = 0
        """So many people wait for an answer."""
        self.alerts: list[Alert] = []
        self.preferences = Preferences()
        self._light = light
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard: list[News] = []
        self._is_taking = False
        self._rests_until_s = 0.0
        self._desk = DeskThread(self._told, home) if desk is None else desk(self._told)

    # ---- Coming and going ----

    async def on_mount(self) -> None:
        """Look which accounts are here, and show the door."""
        from alcove.tui.door import Door  # noqa: PLC0415 - It needs this module.

        self._loop = asyncio.get_running_loop()
        for theme in (look.DARK, look.LIGHT):
            self.register_theme(theme)
        self._desk.start()
        await self._prefer(preferences.GetPreferences())
        await self.push_screen(Door(await self._desk.ask(door.GetAccounts())))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return our colours, which must be there before a theme is chosen."""
        return look.DARK.variables

    def enter(self) -> None:
        """An account is open: show it.  The app does so, and no screen that goes with it."""
        self.run_worker(self._enter(), group="screens", exclusive=True)

    def go_to_door(self) -> None:
        """No account is open any more."""
        self.run_worker(self._go_to_door(), group="screens", exclusive=True)

    async def _enter(self) -> None:
        from alcove.tui.main import Main  # noqa: PLC0415 - It needs this module.

        self.me = await self._desk.ask(profile.GetMe())
        self.chats = {one.room: one for one in await self._desk.ask(chats.GetChats())}
        asking = await self._desk.ask(people.GetAsking())
        self.asking = len(asking)
        await self.switch_screen(Main())

    def _part(self) -> None:
        for screen in self.screen_stack:
            part = getattr(screen, "part", None)
            if part is not None:
                part()

    async def _go_to_door(self) -> None:
        from alcove.tui.door import Door  # noqa: PLC0415 - It needs this module.

        self._part()
        self.me, self.asking = None, 0
        self.chats.clear()
        self.alerts.clear()
        await self.switch_screen(Door(await self._desk.ask(door.GetAccounts())))

    async def action_leave(self) -> None:
        """End; what was said and has not left goes on the next time."""
        if self._loop is None:
            return
        self._loop = None  # What is still told has nowhere to be shown.
        self._part()
        await self._desk.close()
        self.exit()

    def action_help(self) -> None:
        """Show all keys."""
        from alcove.tui.helping import Help  # noqa: PLC0415 - It is asked for seldom.

        if not isinstance(self.screen, Help):
            self.push_screen(Help())

    @work(exclusive=True, group="palette")
    async def action_palette(self) -> None:
        """Find a command, a chat or a person."""
        from alcove.tui import palette  # noqa: PLC0415 - They need this module.
        from alcove.tui.main import Main  # noqa: PLC0415

        if isinstance(self.screen, Main):
            await palette.ask(self, self.screen)

    def action_other_light(self) -> None:
        """Go from dark to light, or back."""
        self._light = False  # What was asked for at the start is over.
        other: Literal["dark", "light"] = "light" if self.theme == look.DARK.name else "dark"
        self.run_worker(self._prefer(preferences.Prefer(theme=other)), group="prefer")

    async def _prefer(self, call: Call[Preferences]) -> None:
        chosen = await self.tried(call)
        self.prefer(chosen)

    def prefer(self, chosen: Preferences | None) -> None:
        """Follow what was chosen on this machine; None for nothing else than before."""
        if chosen is not None:
            self.preferences = chosen
        is_light = self._light or self.preferences.theme == "light"
        self.theme = look.LIGHT.name if is_light else look.DARK.name
        for one in self.screen_stack[0].walk_children():
            one.refresh()

    # ---- Asking ----

    async def ask(self, call: "Call[R]") -> R:
        """Ask the desk; raises a `ClientError` that says why something cannot be done."""
        return await self._desk.ask(call)

    async def tried(self, call: Call[R]) -> R | None:
        """Ask the desk, and tell what went wrong; None then."""
        try:
            return await self._desk.ask(call)
        except ClientError as error:
            self.tell(str(error))
            return None

    def tell(self, text: str, *, is_bad: bool = True, title: str = "") -> None:
        """Show a sentence for a while."""
        self.notify(
            text, title=title, severity="error" if is_bad else "information", timeout=CHIME_S,
            markup=False,
        )  # fmt: skip

    def now(self) -> int:
        """Return the time, in milliseconds."""
        return time.time_ns() // 1_000_000

    @property
    def unread(self) -> int:
        """How much was not read yet, but for what is muted or put away."""
        return sum(
            one.unread for one in self.chats.values() if one.level != "none" and not one.is_archived
        )

    def _handle_exception(self, error: Exception) -> None:
        """Tell what the engine could not do, wherever it was asked; only our mistakes end us."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(cause, ClientError):
            self.tell(str(cause))
        else:
            super()._handle_exception(error)

    # ---- Hearing ----

    def _told(self, news: tuple[News, ...]) -> None:
        """Hand news from the desk's thread over to this one."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hear, news)

    def _hear(self, news: tuple[News, ...]) -> None:
        """Keep news until it is time to draw: what comes fast is drawn together."""
        self._heard += news
        if self._loop is not None and not self._is_taking:
            self._is_taking = True
            self._loop.call_at(self._rests_until_s, self._take)

    def _take(self) -> None:
        """Draw what was heard, and rest for twice as long as it took: keys come first."""
        self._is_taking = False
        if self._loop is None:
            return
        begun_s = self._loop.time()
        news, self._heard = together(self._heard), []
        self._show(news)
        self.call_after_refresh(self._rest, begun_s)

    def _rest(self, begun_s: float) -> None:
        if self._loop is not None:
            now_s = self._loop.time()
            self._rests_until_s = now_s + min(REST * (now_s - begun_s), REST_MAX_S)

    def _show(self, news: list[News]) -> None:
        for one in news:
            self._note(one)
        for screen in reversed(self.screen_stack):
            told = getattr(screen, "told", None)
            if told is not None:
                for one in news:
                    told(one)
                return

    def _note(self, news: News) -> None:
        match news:
            case ChatsChanged(chats=rows):
                self.chats.update((one.room, one) for one in rows)
            case AskingChanged(count=count):
                self.asking = count
            case ConnectionChanged(connection=connection) if self.me is not None:
                self.me = _with(self.me, connection)
            case Alert():
                self.alerts.append(news)
                self.tell(news.text)
            case Announced(text=text):
                self.tell(text, is_bad=False, title="The host says")
            case Ended(why=why):
                self.tell(why)
            case Called(line=line, title=title):
                self._chime(line, title)

    def _chime(self, line: shown.Line, title: str) -> None:
        """Let the terminal notify of something that calls me, when nobody looks."""
        chat = self.chats.get(line.room)
        if chat is not None and (chat.level == "none" or chat.is_archived):
            return
        at, quiet = look.local(line.at), self.preferences.quiet
        if quiet is not None and quiet.holds(at.hour * 60 + at.minute):
            return
        if not self.app_focus:
            self.notice(f"{title}: {line.text}" if title else line.text)

    def notice(self, text: str) -> None:
        """Send a notice of the terminal itself: OSC 9 and OSC 777, and the bell."""
        plain = "".join(sign for sign in text if sign.isprintable())[:120].replace(";", ",")
        if self._driver is not None:
            self._driver.write(f"\x1b]9;{plain}\x07\x1b]777;notify;Alcove;{plain}\x07\x07")


def _with(me: shown.Me, connection: shown.Connection) -> shown.Me:
    from msgspec.structs import replace  # noqa: PLC0415 - Small, and only here.

    return replace(me, connection=connection)
