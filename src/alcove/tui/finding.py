"""Finding what was said: in the room that is open, or in all; only this device is asked."""

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Input, OptionList
from textual.widgets.option_list import Option

from alcove.desk import chats, shown
from alcove.tui import look
from alcove.tui.lines import Lines, stacked
from alcove.tui.look import spread, styled
from alcove.tui.shell import Box, Dialog, Field, Rows, app_of


def _found(head: Content, when: Content, text: str) -> Lines:
    """Return a message that was found: who said it when, and how it begins."""
    return Lines(
        lambda width: stacked(
            spread(head, when, width), styled(" ", text).truncate(width, ellipsis=True)
        )
    )


class Finding(Dialog[tuple[str, int] | None]):
    """A field, and the messages that hold its words, the newest first."""

    KEYS = (
        ("↑ ↓", "pick"),
        ("enter", "go there"),
        ("tab", "here, everywhere"),
        ("esc", "leave it"),
    )

    BINDINGS: ClassVar = [
        ("escape", "drop", "Leave it"), ("down", "move(1)", ""), ("up", "move(-1)", ""),
        Binding("tab", "where", "everywhere", priority=True),
    ]  # fmt: skip

    def __init__(self, chat: shown.Chat | None) -> None:
        super().__init__()
        self._chat, self._is_here = chat, chat is not None
        self._lines: tuple[shown.Line, ...] = ()

    def compose(self) -> ComposeResult:
        """Show the field and what it finds."""
        keys = (("enter", "go there"), ("tab", "where"), ("esc", "leave it"))
        with Box("Find", classes="dialog wide", keys=keys):
            yield Field("Words", note=self._where())
            yield Rows(classes="rows found -picks")

    def _where(self) -> str:
        return (
            f"in {self._chat.title}" if self._chat is not None and self._is_here else "everywhere"
        )

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look with each letter."""
        self._look(event.value)

    @work(exclusive=True, group="look")
    async def _look(self, words: str) -> None:
        app, options = app_of(self), self.query_one(OptionList)
        room = self._chat.room if self._chat is not None and self._is_here else None
        self._lines = await app.ask(chats.Search(words=words, room=room)) if words.strip() else ()
        options.clear_options()
        for line in self._lines:
            by = "" if line.author is None else look.called(line.author)
            there = app.chats.get(line.room)
            where = "" if there is None or room else f" in {there.title}"
            head = styled(" ", (by, "bold"), (where, "$soft"))
            when = styled((look.short(line.at, app.now()), "$soft"), " ")
            options.add_option(Option(_found(head, when, " ".join(line.text.split()))))
        options.highlighted = 0 if self._lines else None
        self.query_one(Field).border_subtitle = (
            self._where() if self._lines or not words.strip() else f"nothing {self._where()}"
        )

    def on_input_submitted(self) -> None:
        """Go to what is picked."""
        self._take(self.query_one(OptionList).highlighted)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Go to what is clicked."""
        self._take(event.option_index)

    def _take(self, place: int | None) -> None:
        if place is not None and place < len(self._lines):
            line = self._lines[place]
            self.dismiss((line.room, line.number))

    def action_where(self) -> None:
        """Look everywhere, or only here."""
        self._is_here = not self._is_here and self._chat is not None
        self._look(self.query_one(Field).value)

    def action_move(self, step: int) -> None:
        """Move in the list while typing."""
        options = self.query_one(OptionList)
        (options.action_cursor_down if step > 0 else options.action_cursor_up)()

    def action_drop(self) -> None:
        """Leave it."""
        self.dismiss(None)
