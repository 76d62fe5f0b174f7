"""Small windows: one of many, found by typing; and a text to read."""

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.tui.shell import Box, Field

SHOWN_MAX: Final = 200


class Choice(NamedTuple):
    """One of many."""

    id: str
    words: str


class Chooser(ModalScreen[str | None]):
    """One of many, found by typing a part of it."""

    BINDINGS: ClassVar = [("escape", "drop", "Leave it"), ("down", "down", ""), ("up", "up", "")]

    def __init__(self, title: str, choices: Sequence[Choice]) -> None:
        super().__init__()
        self._title, self._choices = title, choices

    def compose(self) -> ComposeResult:
        """Show a field, and what it finds."""
        with Box(self._title, classes="dialog", keys=(("enter", "take"), ("esc", "leave it"))):
            yield Field("Find")
            yield OptionList(classes="rows found")

    def on_mount(self) -> None:
        """Show all."""
        self._show("")

    def _show(self, typed: str) -> None:
        words = typed.casefold().split()
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([
            Option(Content(f" {one.words}"), id=one.id) for one in self._choices
            if all(word in one.words.casefold() for word in words)
        ][:SHOWN_MAX])  # fmt: skip
        options.highlighted = 0 if options.option_count else None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what is found."""
        self._show(event.value)

    def on_input_submitted(self) -> None:
        """Take what is picked."""
        options = self.query_one(OptionList)
        if options.highlighted is not None:
            self.dismiss(options.get_option_at_index(options.highlighted).id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Take what is clicked."""
        self.dismiss(event.option.id)

    def action_down(self) -> None:
        """Move in the list while typing."""
        self.query_one(OptionList).action_cursor_down()

    def action_up(self) -> None:
        """Move in the list while typing."""
        self.query_one(OptionList).action_cursor_up()

    def action_drop(self) -> None:
        """Leave it."""
        self.dismiss(None)


class ShowText(ModalScreen[None]):
    """Something to read."""

    BINDINGS: ClassVar = [("escape,enter,q", "drop", "Close")]

    def __init__(self, title: str, text: Content) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """Show it."""
        with (
            Box(self._title, classes="dialog", keys=(("esc", "close"),)),
            VerticalScroll(classes="text"),
        ):
            yield Static(self._text)

    def action_drop(self) -> None:
        """Close it."""
        self.dismiss(None)
