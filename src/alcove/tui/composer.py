"""Where one writes: several lines, names and emoji completed, files by their path."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.widgets import TextArea

from alcove.client import shown_text
from alcove.desk import shown
from alcove.tui.emoji import EMOJI

CHOICES_MAX: Final = 5
PATH_CHARACTERS_MAX: Final = 4096
PASTE_CHARACTERS_MAX: Final = 40_000
"""The length of a message: of a longer text that is pasted the beginning stands there."""


class Aim(NamedTuple):
    """What is written to, at the moment when enter is pressed."""

    room: str
    reply: shown.Line | None = None
    edited: shown.Line | None = None


class Composer(TextArea):
    """A text that is sent by enter."""

    BINDINGS: ClassVar = [
        Binding("enter", "send", "send", priority=True, show=False),
        Binding("ctrl+j", "new_line", "new line", priority=True, show=False),
        Binding("tab", "take", "take", priority=True, show=False),
        Binding("escape", "step_back", "back", priority=True, show=False),
        Binding("up", "up", show=False, priority=True),
    ]

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, text: str, aim: Aim) -> None:
            super().__init__()
            self.text, self.aim = text, aim

    class Dropped(Message):
        """Escape was pressed and there is nothing left to drop here."""

    class Upwards(Message):
        """The way up, out of an empty text."""

    class Choices(Message):
        """Other completions are possible for what stands before the cursor."""

        def __init__(self, choices: list[tuple[str, str]]) -> None:
            super().__init__()
            self.choices = choices

    class Pasted(Message):
        """A path of a file was pasted."""

        def __init__(self, path: str) -> None:
            super().__init__()
            self.path = path

    def __init__(self, aim: Callable[[], Aim]) -> None:
        super().__init__(
            id="compose",
            soft_wrap=True,
            show_line_numbers=False,
            compact=True,
            highlight_cursor_line=False,
            tab_behavior="focus",
        )
        self._aim = aim
        self.names: list[str] = []
        """Who can be called here."""
        self.choices: list[tuple[str, str]] = []
        """Completions: what is inserted, and what is shown."""
        self.picked = 0

    def write(self, text: str) -> None:
        """Let another text stand here, to be gone on with."""
        self.text = text
        self.move_cursor(self.document.end)

    # ---- Keys ----

    def action_send(self) -> None:
        """Send what stands here; with completions open, take one."""
        if self.choices:
            self.action_take()
        elif self.text.strip():
            text, self.text = self.text, ""  # What is typed behind it is the next one.
            self.post_message(self.Sent(text, self._aim()))

    def action_new_line(self) -> None:
        """Begin a line."""
        self.insert("\n")

    def action_take(self) -> None:
        """Take a completion, or go to the next part."""
        if not self.choices:
            self.screen.focus_next()
            return
        word = self._word()
        text = self.choices[self.picked][0]
        row, column = self.cursor_location
        self.replace(text, (row, column - len(word)), (row, column))

    def action_step_back(self) -> None:
        """Close the completions, or leave it to the room."""
        if self.choices:
            self._tell([])
        else:
            self.post_message(self.Dropped())

    def action_up(self) -> None:
        """Move among completions, in the text, or out of an empty one."""
        if self.choices:
            self._move(-1)
        elif self.text:
            self.action_cursor_up()
        else:
            self.post_message(self.Upwards())

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "down" and self.choices:
            event.stop()
            event.prevent_default()
            self._move(1)
            return
        await super()._on_key(event)

    def _move(self, step: int) -> None:
        self.picked = (self.picked + step) % len(self.choices)
        self.post_message(self.Choices(self.choices))

    async def _on_paste(self, event: events.Paste) -> None:
        path = event.text.strip().strip("'\"").removeprefix("file://")
        if _names_a_file(path):
            event.stop()
            event.prevent_default()
            self.post_message(self.Pasted(path))
            return
        # From a page on the web there may be more in it than was seen there, and more than any
        # message holds.
        text = shown_text(event.text[:PASTE_CHARACTERS_MAX])
        if text != event.text:
            event.stop()
            event.prevent_default()
            await super()._on_paste(events.Paste(text))

    # ---- Completing ----

    def on_text_area_changed(self) -> None:
        """Look what could complete the word before the cursor."""
        self._tell(completions(self._word(), self.names))

    def _word(self) -> str:
        row, column = self.cursor_location
        return self.document.get_line(row)[:column].rpartition(" ")[2]

    def _tell(self, choices: list[tuple[str, str]]) -> None:
        if choices or self.choices:
            self.choices, self.picked = choices, 0
            self.post_message(self.Choices(choices))


def _names_a_file(text: str) -> bool:
    """Whether a text that was pasted is the path of a file, and not something to say."""
    if "\n" in text or text[:1] not in ("/", "~") or len(text) > PATH_CHARACTERS_MAX:
        return False
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):
        return False  # No machine has such a file.


def completions(word: str, names: list[str]) -> list[tuple[str, str]]:
    """Return what a word may become: a name behind `@`, an emoji behind `:`."""
    start, rest = word[:1], word[1:].lower()
    if start == "@":
        found = [name for name in (*names, "all") if name.lower().startswith(rest)]
        return [(f"@{name} ", f"@{name}") for name in found if name.lower() != rest][:CHOICES_MAX]
    if start == ":" and len(rest) >= 2 and rest[-1] != ":":
        hits = [name for name in EMOJI if name.startswith(rest)]
        hits += [name for name in EMOJI if rest in name and name not in hits]
        return [(EMOJI[name], f"{EMOJI[name]}  :{name}:") for name in hits[:CHOICES_MAX]]
    return []


def with_emoji(text: str) -> str:
    """Return a text in which `:name:` has become its emoji."""
    parts = text.split(":")
    for place in range(1, len(parts) - 1):
        if parts[place] in EMOJI:
            parts[place] = f"\0{EMOJI[parts[place]]}\0"
    joined = ":".join(parts)
    return joined.replace(":\0", "").replace("\0:", "").replace("\0", "")
