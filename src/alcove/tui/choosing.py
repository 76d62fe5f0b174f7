"""Small windows: one of many, found by typing; and a text to read."""

from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final, NamedTuple

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from alcove.tui.lines import Lines, row
from alcove.tui.look import styled
from alcove.tui.shell import Box, Dialog, Rows

SHOWN_MAX: Final = 200


class Choice(NamedTuple):
    """One of many."""

    id: str
    words: str
    kind: str = ""
    """Where it belongs."""
    key: str = ""
    """What does the same."""


def _row(one: Choice, words: Sequence[str]) -> Lines:
    """Return a choice, with what was typed underlined in it."""
    said, plain = Content(one.words), one.words.casefold()
    for word in words:
        at = plain.find(word)
        if at >= 0 and len(plain) == len(one.words):
            said = said.stylize("underline", at, at + len(word))
    left = styled(" ", said.stylize_before("bold"), (f"  {one.kind}" if one.kind else "", "$soft"))
    return row(left, styled((one.key, "$accent bold"), " "))


def _rank(one: Choice, words: Sequence[str]) -> int:
    """Return how well a choice fits: those go first that begin with what was typed."""
    plain = one.words.casefold()
    if not words or plain.startswith(words[0]):
        return 0
    return 1 if f" {words[0]}" in plain else 2


class Chooser(Dialog[str | None]):
    """One of many, found by typing a part of it."""

    KEYS = (("↑ ↓", "pick"), ("enter", "take"), ("^u", "empty it"), ("esc", "leave it"))

    BINDINGS: ClassVar = [("escape", "drop", "Leave it"), ("down", "down", ""), ("up", "up", "")]

    def __init__(
        self,
        title: str,
        choices: Sequence[Choice],
        *,
        more: Callable[[str], Awaitable[Sequence[Choice]]] | None = None,
    ) -> None:
        super().__init__()
        self._title, self._choices, self._more = title, choices, more

    def compose(self) -> ComposeResult:
        """Show a field, and what it finds."""
        keys = (("↑ ↓", "pick"), ("enter", "take"), ("esc", "leave it"))
        with Box(self._title, classes="dialog chooser", keys=keys):
            with Horizontal(classes="typed"):
                yield Static(styled(("> ", "$accent bold")), classes="prompt")
                yield Input(compact=True)
            yield Rows(classes="rows found -picks")

    def on_mount(self) -> None:
        """Show all."""
        self._show("")

    def _show(self, typed: str) -> None:
        words = typed.casefold().split()
        options = self.query_one(OptionList)
        options.clear_options()
        found = [
            one for one in self._choices if all(word in one.words.casefold() for word in words)
        ]
        found.sort(key=lambda one: _rank(one, words))
        options.add_options([Option(_row(one, words), id=one.id) for one in found[:SHOWN_MAX]])
        options.highlighted = 0 if options.option_count else None

    def on_input_changed(self, event: Input.Changed) -> None:
        """Show what is found."""
        self._show(event.value)
        if self._more is not None:
            self._find(event.value)

    @work(exclusive=True, group="find")
    async def _find(self, typed: str) -> None:
        """Ask elsewhere for what fits: there may be more than was offered."""
        assert self._more is not None, "there is somebody to ask"
        found = await self._more(typed)
        known = {one.id for one in self._choices}
        self._choices = [*self._choices, *(one for one in found if one.id not in known)]
        self._show(self.query_one(Input).value)

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


class ShowText(Dialog[None]):
    """Something to read."""

    KEYS = (("↑ ↓", "scroll"), ("esc", "close"))

    BINDINGS: ClassVar = [("escape,enter,q", "drop", "Close")]

    def __init__(self, title: str, text: Content | Lines) -> None:
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
