"""The first place: the list of chats, the room that is open, and who is in it."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.client import ClientError
from alcove.desk import chats, files, people, shown
from alcove.desk.news import (
    AskingChanged,
    ChatsChanged,
    ConnectionChanged,
    LinesChanged,
    News,
    PeopleChanged,
    RoomChanged,
    TransfersChanged,
)
from alcove.tui import look
from alcove.tui.details import FILES_SHOWN, LEVELS, details
from alcove.tui.lines import Lines, row, stacked
from alcove.tui.look import keyed, spread, styled
from alcove.tui.place import Place
from alcove.tui.room import RoomView
from alcove.tui.shell import Rows, app_of, main_of

WIDE: Final = 110
"""From so many columns on there are three panes."""
ROWS_MAX: Final = 500
"""So many rows the list draws; the rest is found by its name."""
KINDS: Final = {
    "file": f"{look.FILE} ", "image": f"{look.IMAGE} ", "voice": f"{look.SOUND} ",
}  # fmt: skip
"""What stands before a message that has no text."""


def _names(chat: shown.Chat) -> str:
    """Return by what a chat is found: its title, and what the other one wants to be called."""
    called = "" if chat.person is None else chat.person.called
    return f"{chat.title} {called}".casefold()


class Chats(Place):
    """The list, the room, the details."""

    BINDINGS: ClassVar = [
        Binding("a", "asks", show=False),
        Binding("slash", "find", show=False),
        Binding("ctrl+f", "find_here", show=False, priority=True),
        Binding("ctrl+n", "new", show=False, priority=True),
        Binding("ctrl+g", "details", show=False, priority=True),
        Binding("alt+u", "next_unread", show=False, priority=True),
        Binding("d", "put_away", show=False),
        Binding("m", "mute", show=False),
        Binding("p", "pin", show=False),
        Binding("u", "unread", show=False),
        Binding("escape", "all", show=False),
        Binding("down", "to_list", show=False),
    ]

    def compose(self) -> ComposeResult:
        """Make the three panes."""
        from textual.containers import Horizontal  # noqa: PLC0415

        with Horizontal():
            with Vertical(id="list"):
                yield Input(placeholder="/ find a chat or person", id="find")
                yield Static(id="found")
                yield Static(id="asks")
                yield Rows(id="chats", classes="rows")
            yield RoomView(id="room")
            yield VerticalScroll(Static(id="people"), id="details")

    def on_mount(self) -> None:
        """Draw the list."""
        self.room_id: str | None = None
        self._wanted: str | None = None
        self._files: tuple[shown.Line, ...] = ()
        """What was sent last in the room that is open."""
        self._drawn: list[tuple[shown.Chat, bool, bool]] = []
        """The rows of the list as they are drawn: each with whether it is open, and how wide."""
        self._draw()

    @property
    def room(self) -> RoomView:
        """The room that is open."""
        return self.query_one(RoomView)

    # ---- The list ----

    def rows(self) -> list[shown.Chat]:
        """Return the rows that are shown, in their order."""
        words = self.query_one("#find", Input).value.casefold().replace("@", " ").split()
        found = [
            one for one in app_of(self).chats.values()
            if (words or not one.is_archived)
            and one.state != "gone" and all(word in _names(one) for word in words)
        ]  # fmt: skip
        found.sort(key=lambda one: (not one.is_pinned, -(one.last_at or 0), one.title))
        return found[:ROWS_MAX]

    def _draw(self) -> None:
        rows, options = self.rows(), self.query_one("#chats", OptionList)
        is_wide = self.app.size.width >= WIDE
        drawn = [(one, one.room == self.room_id, is_wide) for one in rows]
        before, self._drawn = self._drawn, drawn
        if [one.room for one, _, _ in before] == [one.room for one in rows]:
            for place, (one, other) in enumerate(zip(drawn, before, strict=True)):
                if one != other:
                    prompt = self._row(one[0], is_wide=is_wide)
                    options.replace_option_prompt_at_index(place, prompt)
        else:
            self._fill(rows, is_wide=is_wide)
        self._draw_found(len(rows))
        asks = self.query_one("#asks", Static)
        count = app_of(self).asking
        asks.set_class(count > 0, "-some")
        if count:
            words = "1 person wants to chat" if count == 1 else f"{count} people want to chat"
            if not is_wide:
                words = "1 request" if count == 1 else f"{count} requests"
            asks.update(
                row(
                    styled((" → ", "$accent bold"), (words, "bold")),
                    styled(keyed("a", "look"), " "),
                )
            )

    def _draw_found(self, count: int) -> None:
        """Say what enter does with what was typed, where that is not plain to see."""
        typed = self.query_one("#find", Input).value.strip()
        name, said = typed.removeprefix("@"), self.query_one("#found", Static)
        if not typed or (count and not typed.startswith("@")):
            said.update("")
        elif not name:
            said.update(styled((" Type a user name, then ", "$soft"), keyed("enter", "")))
        else:
            nothing = "" if count else "No such chat here.\n "
            write = styled(keyed("enter", ""), (f"writes to @{name}", "$soft"))
            said.update(styled((f" {nothing}", "$soft"), write))
        said.set_class(bool(typed) and (not count or typed.startswith("@")), "-some")

    def _fill(self, rows: list[shown.Chat], *, is_wide: bool) -> None:
        """Draw all rows; the one that was picked stays so."""
        options = self.query_one("#chats", OptionList)
        picked = options.highlighted
        was = (
            None
            if picked is None or picked >= options.option_count
            else options.get_option_at_index(picked).id
        )
        options.clear_options()
        options.add_options([Option(self._row(one, is_wide=is_wide), id=one.room) for one in rows])
        places = {one.room: place for place, one in enumerate(rows)}
        if was in places:
            options.highlighted = places[was]

    def on_resize(self) -> None:
        """Draw the list anew: there may be more room in it, or less."""
        self._draw_soon()

    def _row(self, chat: shown.Chat, *, is_wide: bool) -> Lines:
        """Return a row of two lines, with a blank one below where there is room."""

        def draw(width: int) -> Content:
            first, second = self._two(chat, width)
            if chat.room == self.room_id:
                first, second = first.stylize_before("on $pick"), second.stylize_before("on $pick")
            blank = styled((" " * width, "on $panel"))
            return stacked(first, second, blank) if is_wide else stacked(first, second)

        return Lines(draw)

    def _two(self, chat: shown.Chat, width: int) -> tuple[Content, Content]:
        """Return both lines of a row."""
        if chat.person is not None:
            sign, ink = look.dot(chat.person)
        else:
            sign, ink = (
                (look.COMMONS if chat.kind == "commons" else look.GROUP),
                look.colour(chat.title),
            )
        edge = (look.EDGE, "$accent") if chat.room == self.room_id else " "
        title = chat.title if chat.person is None else look.called(chat.person)
        mark = " ⊓" if chat.is_pinned else ""
        first = spread(
            styled(edge, (sign, ink), " ", (title, "bold"), (mark, "$soft")),
            styled((look.short(chat.last_at, app_of(self).now()), "$soft"), " "),
            width,
        )
        count = chat.unread if chat.level != "none" else 0
        right = (
            styled(look.chip(("@" if chat.calls else "") + str(count)), " ")
            if count
            else styled((" • " if chat.is_marked or chat.unread else "", "$accent"))
        )
        second = spread(styled(edge, "  ", self._below(chat)), right, width)
        return first, second

    def _below(self, chat: shown.Chat) -> Content:
        """Return the second line of a row: the most urgent thing that can be said of it."""
        if chat.person is not None and chat.person.trust == "changed":
            return styled(("▲ changed: look", "$bad"))
        if chat.typing:
            who = "" if chat.person is not None else f"{chat.typing[0]} is "
            return styled((f"{who}typing…", "$good"))
        if chat.draft:
            return styled((f"{look.DRAFT} Draft: {' '.join(chat.draft.split())}", "$soft"))
        if not chat.last_at:
            return styled(("nothing yet", "$hint"))
        state = f"{look.STATES[chat.last_state]}  " if chat.last_state else ""
        by = (
            ""
            if chat.last_state or chat.person is not None or not chat.last_by
            else f"{chat.last_by}: "
        )
        sign = KINDS.get(chat.last_kind, "")
        return styled((f"{state}{by}{sign}{chat.last}", "$ink" if chat.unread else "$soft"))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what is found."""
        if event.input.id == "find":
            event.stop()
            self._draw()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Open what was found first, or begin with somebody of this name."""
        event.stop()
        rows, name = self.rows(), event.value.strip()
        if name and (name.startswith("@") or not rows):
            await self.begin_with(name)
        elif rows:
            await self.open(rows[0].room)

    async def begin_with(self, name: str) -> None:
        """Open the room with somebody, also the first time."""
        room = await app_of(self).tried(people.Direct(name=name))
        if room is not None:
            self.query_one("#find", Input).value = ""
            await app_of(self).look_at_chats()
            await self.open(room)

    async def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Open what is picked."""
        event.stop()
        if event.option.id is not None:
            await self.open(event.option.id)

    # ---- A room ----

    async def open(self, room: str, *, line: int | None = None) -> None:
        """Open a room, at its end or at a line."""
        self.room_id = room
        self.screen.add_class("-inside")
        try:
            await self.room.open(room, line)
        except ClientError as error:
            app_of(self).tell(str(error))
            self._wanted = room  # It may be on its way.
            return
        self._wanted = None
        self.query_one("#find", Input).value = ""
        self._draw()
        self._files = ()
        self._draw_details()
        self._look_at_files()
        main_of(self).call_after_refresh(main_of(self).show_keys)

    def back(self) -> None:
        """Go to the list."""
        self.screen.remove_class("-inside")
        self._go_to_list()

    def _draw_details(self) -> None:
        room = self.room.room
        said = styled("") if room is None else details(room, self._files, app_of(self).now())
        self.query_one("#people", Static).update(said)

    # ---- Hearing ----

    def told(self, news: News) -> None:
        """Draw anew what is other."""
        match news:
            case ChatsChanged() | AskingChanged():
                self._draw_soon()
            case PeopleChanged():
                self._look_again()
            case RoomChanged(room=room) if room == self.room_id:
                self._look_at_room()
            case ConnectionChanged():
                self._look_again()
                self.room.told(news)
            case LinesChanged():
                self.room.told(news)
            case TransfersChanged(transfers=moved):
                self.room.talk.carry(moved, app_of(self).now())
        if isinstance(news, ChatsChanged):
            self.room.told(news)
            if self._wanted in [one.room for one in news.chats if one.state == "active"]:
                self._open_wanted()

    @work(exclusive=True, group="open")
    async def _open_wanted(self) -> None:
        if self._wanted is not None:
            await self.open(self._wanted)

    def _draw_soon(self) -> None:
        self.call_later(self._draw)

    @work(exclusive=True, group="look")
    async def _look_again(self) -> None:
        """Ask for all rows: who is there is said in each."""
        await app_of(self).look_at_chats()
        self._draw()
        if self.room_id is not None:
            self._look_at_room()

    @work(exclusive=True, group="files")
    async def _look_at_files(self) -> None:
        """Look which files were sent last in the room, where there is a pane for them."""
        if self.room_id is not None and self.query_one("#details").display:
            call = files.GetFiles(room=self.room_id, limit=FILES_SHOWN)
            self._files = await app_of(self).ask(call)
            self._draw_details()

    @work(exclusive=True, group="room")
    async def _look_at_room(self) -> None:
        await self.room.look_again()
        self._draw_details()

    def tick(self) -> None:
        """Count down what disappears, and the next try of the line."""
        self.room.tick()

    # ---- Keys ----

    def entered(self) -> None:
        """Give the focus to where one writes, or to the list."""
        if self.room.room is not None:
            self.room.focus_text()
        else:
            self._go_to_list()

    def keys(self) -> Sequence[tuple[str, str]]:
        """Return what can be done with what has the focus."""
        focus = self.screen.focused
        if focus is not None and focus.id == "chats":
            return (
                ("enter", "open"),
                ("/", "find"),
                ("^n", "new chat"),
                ("a", "requests"),
                ("alt u", "next unread"),
                ("m", "mute"),
                ("p", "pin"),
                ("u", "unread"),
                ("d", "put away"),
            )
        if focus is not None and focus.id == "find":
            return (("enter", "open"), ("↓", "list"), ("^u", "empty it"), ("esc", "back"))
        return self.room.keys()

    def action_find(self) -> None:
        """Find a chat or a person."""
        self.screen.remove_class("-inside")
        self.query_one("#find", Input).focus()

    def action_to_list(self) -> None:
        """Go from what was typed to what was found."""
        if self.query_one("#find").has_focus:
            self._go_to_list()

    def _go_to_list(self) -> None:
        """Let keys act on a row: the one of the room that is open, or the first."""
        rows = self.query_one("#chats", OptionList)
        if rows.highlighted is None and rows.option_count:
            open_now = [
                place for place, (one, _, _) in enumerate(self._drawn) if one.room == self.room_id
            ]
            rows.highlighted = open_now[0] if open_now else 0
        self.take_focus("#chats")

    def action_all(self) -> None:
        """Look for nothing any more: the whole list is there."""
        self.query_one("#find", Input).value = ""
        self.back()

    def action_find_here(self) -> None:
        """Find what was said."""
        self.room.search()

    def action_new(self) -> None:
        """Begin a chat: type who it is with."""
        self.screen.remove_class("-inside")
        found = self.query_one("#find", Input)
        found.value = "@"
        found.focus()

    def action_details(self) -> None:
        """Show the people of the room, or put them away."""
        details = self.query_one("#details")
        details.toggle_class("-away" if self.app.size.width >= WIDE else "-asked")
        self._look_at_files()

    @work
    async def action_asks(self) -> None:
        """Look who wants to chat."""
        from alcove.tui.asking import Asking  # noqa: PLC0415

        room = await self.app.push_screen_wait(Asking())
        self._draw()
        if room:
            await self.open(room)

    async def action_next_unread(self) -> None:
        """Open the next room in which something is new."""
        for one in self.rows():
            if one.unread and one.room != self.room_id:
                await self.open(one.room)
                return

    def _picked(self) -> shown.Chat | None:
        options = self.query_one("#chats", OptionList)
        if self.screen.focused is not options or options.highlighted is None:
            return None
        room = options.get_option_at_index(options.highlighted).id
        return app_of(self).chats.get(room or "")

    async def _choose(self, **choice: object) -> None:
        one = self._picked()
        if one is not None:
            await app_of(self).tried(chats.Choose(room=one.room, **choice))  # type: ignore[arg-type]

    async def action_mute(self) -> None:
        """Go from everything to mentions, to nothing, and back."""
        one = self._picked()
        if one is not None:
            after = {"all": "mentions", "mentions": "none", "none": "all"}[one.level]
            await self._choose(level=after)
            said = f"{one.title}: you are notified of {LEVELS[after]}."
            app_of(self).tell(said, is_bad=False)

    async def action_pin(self) -> None:
        """Keep a chat on top, or no longer."""
        one = self._picked()
        if one is not None:
            await self._choose(is_pinned=not one.is_pinned)

    async def action_unread(self) -> None:
        """Show a chat as unread."""
        one = self._picked()
        if one is not None:
            await app_of(self).tried(chats.MarkUnread(room=one.room))

    async def action_put_away(self) -> None:
        """Put a chat out of sight; it is found by its name."""
        one = self._picked()
        if one is not None:
            await self._choose(is_archived=not one.is_archived)
