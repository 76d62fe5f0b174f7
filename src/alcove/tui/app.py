"""The app: what is always there, and the desk in a thread of its own."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final, Literal, TypeVar

from textual import work
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual.app import App
from textual.binding import Binding
from textual.events import Event, InputEvent
from textual.filter import LineFilter
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
    PeopleChanged,
    together,
)
from alcove.desk.thread import Asked, DeskThread
from alcove.tui import look, pictures
from alcove.tui.guard import HARMLESS, MISSES, Often, Steady, note_miss, report

R = TypeVar("R")

# Textual takes alt with a digit for the letter that one terminal on macOS has there: no terminal
# elsewhere could say alt 1 then, and who holds alt means our places.
for _digit in "12345":
    ANSI_SEQUENCES_KEYS.pop(f"\x1b{_digit}", None)  # type: ignore[attr-defined]

REST: Final = 2
"""After news was drawn, nothing is drawn of it for so many times as long as that took."""
REST_MAX_S: Final = 0.25
"""It is no longer: a screen that had nothing to draw says so late."""
SIGNALLED: Final = 128
"""What a program that a signal has ended says, and the signal's number."""
CHIME_S: Final = 8.0
"""How long a notice stays."""
TOASTS_MAX: Final = 5
"""So many notices from outside stay at once: a flood of them must not hide the screen."""
RING_MS: Final = 3_000
"""The terminal rings once in so long."""
ALERTS_MAX: Final = 100
"""So much to look at is kept; the oldest goes first."""


class Alcove(Steady, App[None]):
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
        self.changed: frozenset[str] = frozenset()
        """Whose keys have changed, until somebody has looked."""
        self.used_at = 0
        """When a key was pressed last, or the mouse was used."""
        self.preferences = Preferences()
        self._light = light
        self._loop: asyncio.AbstractEventLoop | None = None
        self._heard: list[News] = []
        self._rings, self._toasts = Often(1, RING_MS), Often(TOASTS_MAX, round(CHIME_S * 1000))
        self._is_taking = False
        self._is_locked = True
        """Whether no account is open, or will be none in a moment."""
        self._rests_until_s = 0.0
        self._switching = asyncio.Lock()
        """Held from one screen to another: one that is half there cannot be left."""
        self._desk = DeskThread(self._told, home) if desk is None else desk(self._told)
        for theme in (look.DARK, look.LIGHT):
            self.register_theme(theme)
        # Now, and not when it is drawn: whenever the theme changes, all styles are read anew.
        self.set_reactive(App.theme, look.DARK.name)
        self.stylesheet.set_variables(self.get_css_variables())

    # ---- Coming and going ----

    async def on_mount(self) -> None:
        """Look which accounts are here, and show the door."""
        from alcove.tui.door import Door  # noqa: PLC0415 - It needs this module.

        self._loop = asyncio.get_running_loop()
        with suppress(NotImplementedError, AttributeError):  # Windows has no such signals.
            for number in (signal.SIGTERM, signal.SIGHUP):
                self._loop.add_signal_handler(number, self._end_by, number)
        self._desk.start()
        await self._prefer(preferences.GetPreferences())
        await self.push_screen(Door(await self._desk.ask(door.GetAccounts())))

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Return our colours, which must be there before a theme is chosen."""
        return look.DARK.variables

    def enter(self) -> None:
        """An account is open: show it.  The app does so, and no screen that goes with it."""
        self.run_worker(self._enter(), group="screens")

    def go_to_door(self, said: str = "") -> None:
        """No account is open any more; what went wrong with that is said there."""
        self.run_worker(self._leave_for_door(said), group="screens")

    async def _enter(self) -> None:
        from alcove.tui.main import Main  # noqa: PLC0415 - It needs this module.

        async with self._switching:
            self.me = await self._desk.ask(profile.GetMe())
            self._is_locked = False
            self.chats.clear()
            await self.look_at_chats()
            asking = await self._desk.ask(people.GetAsking())
            self.asking, self.used_at = len(asking), self.now()
            await self.switch_screen(Main())
        self.screen.call_after_refresh(self._connect)
        self.look_at_people()

    @work(group="connect")
    async def _connect(self) -> None:
        """Look for a line, now that what is known here is to be seen."""
        await self.tried(door.Connect())

    def _part(self) -> None:
        for screen in self.screen_stack:
            part = getattr(screen, "part", None)
            if part is not None:
                part()

    async def _save(self) -> None:
        """Keep what was begun and is nowhere else yet."""
        from alcove.tui.main import Main  # noqa: PLC0415 - It needs this module.

        for screen in self.screen_stack:
            if isinstance(screen, Main):
                await screen.save()

    async def _leave_for_door(self, said: str) -> None:
        async with self._switching:
            await self._go_to_door()
        if said:
            self.tell(said)

    async def _go_to_door(self) -> None:
        from alcove.tui.door import Door  # noqa: PLC0415 - It needs this module.
        from alcove.tui.main import Main  # noqa: PLC0415 - It needs this module.

        while len(self.screen_stack) > 2 and not isinstance(self.screen, Main):
            await self.screen.dismiss(None)  # What was begun in a window is left.
        self._part()
        self._is_locked = True
        self.me, self.asking, self.changed = None, 0, frozenset()
        self.chats.clear()
        self.alerts.clear()
        self._forget()
        await self.switch_screen(Door(await self._desk.ask(door.GetAccounts())))

    def _forget(self) -> None:
        """Hold nothing more of an account that was closed: the next one may be somebody else's."""
        self._heard.clear()  # Its last news may wait to be drawn.
        self.clear_notifications()
        self._clipboard = ""
        pictures.blocks.cache_clear()

    async def action_leave(self) -> None:
        """End; what was said and has not left goes on the next time."""
        if self._loop is not None:
            try:
                await self._close()
            finally:
                self.exit()

    async def _close(self) -> None:
        await self._save()
        self._loop = None  # What is still told has nowhere to be shown.
        self._part()
        await self._desk.close()

    def _end_by(self, number: signal.Signals) -> None:
        """Somebody ends all programs, or the terminal is gone."""
        self.run_worker(self._ended_by(number), group="leave", exclusive=True)

    async def _ended_by(self, number: signal.Signals) -> None:
        """Keep what was begun, and end; a terminal that is gone needs nothing put in order."""
        try:
            if self._loop is not None:
                await self._close()
        finally:
            if number == signal.SIGTERM:
                self.exit(return_code=SIGNALLED + number)
            else:
                signal.signal(number, signal.SIG_DFL)
                signal.raise_signal(number)

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
    def to_look_at(self) -> int:
        """How much one has to look at: people with other keys, and what else was told."""
        return len(self.changed) + sum(one.about not in self.changed for one in self.alerts)

    async def look_at_chats(self) -> None:
        """Ask for all rows of the list: some are new, or may be."""
        self.chats |= {one.room: one for one in await self._desk.ask(chats.GetChats())}

    def newest_chats(self) -> list[shown.Chat]:
        """Return all chats, those first in which something was said last."""
        return sorted(self.chats.values(), key=lambda one: -(one.last_at or 0))

    @work(exclusive=True, group="people")
    async def look_at_people(self, *, is_noted: bool = False) -> None:
        """Look whose keys have changed: the bar and the profile say how many."""
        if self.me is not None:
            told = await self.tried(people.GetChanged())
            before, self.changed = self.changed, frozenset(told or ())
            found = self.changed
            self.alerts = [one for one in self.alerts if one.about not in before - found]
            if is_noted or found != before:
                self._show([PeopleChanged(accounts=tuple(sorted(found)))])

    # ---- Nobody is here ----

    async def on_event(self, event: Event) -> None:
        """Note when somebody was here last."""
        if isinstance(event, InputEvent):
            self.used_at = self.now()
        await super().on_event(event)

    @property
    def locks_after_ms(self) -> int:
        """After how long without a key the account is closed: the shorter of both choices."""
        policy = 0 if self.me is None else self.me.lock_after_ms
        spans = [one for one in (policy, self.preferences.lock_minutes * look.MINUTE_MS) if one]
        return min(spans, default=0)

    def lock_when_idle(self) -> None:
        """Close the account when nobody has used it for as long as was chosen."""
        span_ms = self.locks_after_ms
        if span_ms and self.me is not None and self.now() - self.used_at >= span_ms:
            self.used_at = self.now()
            self.run_worker(self.lock(), group="screens")

    async def lock(self) -> None:
        """Close the account; it stays on this machine."""
        async with self._switching:
            if self.me is not None:  # Else it was locked already, by the same key.
                self._is_locked = True
                await self._save()
                await self.tried(door.Lock())
                await self._go_to_door()

    @property
    def unread(self) -> int:
        """How much was not read yet, but for what is muted or put away."""
        return sum(
            one.unread for one in self.chats.values() if one.level != "none" and not one.is_archived
        )

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what all lines go through on their way to the terminal."""
        return [*super().get_line_filters(), HARMLESS]

    def _fatal_error(self) -> None:
        """End, and tell where, without what anybody has typed."""
        self._exit_renderables.append(report(self._exception))
        self._close_messages_no_wait()

    def _handle_exception(self, error: Exception) -> None:
        """Tell what the engine could not do, wherever it was asked; only our mistakes end us."""
        cause = error.error if isinstance(error, WorkerFailed) else error
        if isinstance(cause, ClientError):
            self.tell(str(cause))
        elif isinstance(cause, MISSES) and cause is not error:
            note_miss(cause)
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
                if count > self.asking:
                    self._announce()
                self.asking = count
            case ConnectionChanged(connection=connection) if self.me is not None:
                self.me = _with(self.me, connection)
            case Alert():
                if news not in self.alerts:
                    self.alerts = [*self.alerts, news][-ALERTS_MAX:]
                if not self._toasts.is_too(self.now()):
                    self.tell(news.text)
                self.look_at_people()
            case Announced(text=text):
                if not self._toasts.is_too(self.now()):
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
        self._ring(f"{title}: {line.text}" if title else line.text)

    @work(exclusive=True, group="announce")
    async def _announce(self) -> None:
        """Say who asks, where it is not on the screen already."""
        from alcove.tui.asking import REASONS, Asking  # noqa: PLC0415 - It needs this module.

        found = await self.tried(people.GetAsking())
        if not found or self.me is None:  # It may be locked by now.
            return
        one = max(found, key=lambda asking: asking.at)
        into = "wants to chat" if one.kind == "direct" else f"invites you to a {one.kind}"
        said = f"{one.person.name} {into}"
        if not isinstance(self.screen, Asking):
            why = ", ".join(REASONS.get(reason, reason) for reason in one.reasons)
            self.tell(
                (f"It looks like spam: {why}. " if one.is_spam else "") + "Chats, a: look.",
                is_bad=False, title=said,
            )  # fmt: skip
        if not one.is_spam:
            self._ring(said)

    def _ring(self, text: str) -> None:
        """Let the terminal notify, but for quiet hours, and when nobody looks.

        It goes by the clock here: when a message was said is what its writer or the server claims.
        """
        at, quiet = look.local(self.now()), self.preferences.quiet
        is_quiet = quiet is not None and quiet.holds(at.hour * 60 + at.minute)
        # Whoever sees the machine of an account that is locked sees nothing of what is said there.
        if self.app_focus or is_quiet or self._is_locked or self._rings.is_too(self.now()):
            return
        missed = self._rings.forget()
        self.notice(f"({missed} more) {text}" if missed else text)

    def notice(self, text: str) -> None:
        """Send a notice of the terminal itself: OSC 9 and OSC 777, and the bell."""
        plain = "".join(sign for sign in text if sign.isprintable())[:120].replace(";", ",")
        if self._driver is not None:
            self._driver.write(f"\x1b]9;{plain}\x07\x1b]777;notify;Alcove;{plain}\x07\x07")


def _with(me: shown.Me, connection: shown.Connection) -> shown.Me:
    from msgspec.structs import replace  # noqa: PLC0415 - Small, and only here.

    return replace(me, connection=connection)
