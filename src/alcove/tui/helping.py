"""The help screen: all keys, what the signs mean, and where more stands."""

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from alcove.tui.lines import Lines, hanging, stacked
from alcove.tui.look import COMMONS, styled
from alcove.tui.shell import Box, Keys, TopBar, Window

KEYS: Final = (
    (
        "Everywhere",
        (
            ("1 to 5", "places; alt 1 to 5 while writing"),
            ("^p", "commands, chats, people"),
            ("F1", "this"),
            ("tab", "next part, or take what is offered"),
            ("esc", "one step back"),
            ("^s ^l ^q", "switch account, lock, quit"),
        ),
    ),
    (
        "Chats",
        (
            ("/", "find a chat or person"),
            ("^n", "new chat"),
            ("a", "who wants to chat"),
            ("alt u", "next unread"),
            ("m p u d", "mute, pin, unread, put away"),
            ("^f", "find what was said"),
            ("^g", "members"),
        ),
    ),
    (
        "Writing",
        (
            ("enter", "send"),
            ("^j", "new line"),
            ("^u", "empty the line"),
            ("↑", "pick the last message"),
            ("^o", "send a file, or paste its path"),
            ("@ and :", "names and emoji, tab takes"),
            ("^t", "jump to a day"),
        ),
    ),
    (
        "On a picked message",
        (
            ("r", "reply, or try again"),
            ("+", "react"),
            ("e", "edit"),
            ("d", "delete"),
            ("y", "copy"),
            ("p", "pin"),
            ("f", "forward"),
            ("s", "save its file"),
            ("space", "play its voice note, or stop"),
            ("g", "to what it answers"),
            ("i", "why, who has read it, edits"),
            ("1 to 9", "vote"),
        ),
    ),
    (
        "Groups, files, security",
        (
            ("+ e d", "add, edit or role, leave or remove"),
            ("l L j", "link, end one, join by link"),
            ("v", "compare safety numbers"),
            ("f o", "filter, sort"),
            ("^o", "share a file"),
            ("x", "no, cancel, dismiss"),
        ),
    ),
)
LEFT: Final = 4
"""So many boxes stand on the left."""
SIGNS: Final = (
    ("● ○ ·", "online, offline, nobody knows without a connection"),
    (f"# {COMMONS}", "group, the room of everyone"),
    ("◆ ◇ ▲", "safety number compared, not yet, changed: look"),
    ("⋯ ✓ ✓✓", "waiting, stored, delivered or read"),
    ("◔", "disappears by itself"),
    ("⇄ ↻ ✕", "connected, trying again, offline"),
)


HOW: Final = (
    "Letters act on what is picked; ^ (ctrl) keys work in text too. Every key is also in ^p, and"
    " every row takes the mouse. For screen readers and slow lines: alcove chat."
)
KEY_CELLS: Final = 8


def _table(rows: Sequence[tuple[str, str]]) -> Lines:
    """Return keys and what they do."""

    def draw(width: int) -> Content:
        return stacked(
            *(
                hanging(styled((f"{key:>{KEY_CELLS}}  ", "$accent bold")), styled(words), width)
                for key, words in rows
            )
        )

    return Lines(draw)


class Help(ModalScreen[None], Window[None]):
    """All of it, in boxes side by side, to scroll through."""

    BINDINGS: ClassVar = [("escape,f1,q,enter", "drop", "Close")]

    def compose(self) -> ComposeResult:
        """Show it."""
        boxes = [Box(head, Static(_table(rows)), classes="keys") for head, rows in KEYS]
        boxes.insert(LEFT - 1, Box("How it works", Static(styled((HOW, "$soft"))), classes="keys"))
        boxes.append(Box("Signs", Static(_table(SIGNS)), classes="keys"))
        yield TopBar()
        with VerticalScroll(id="helping"), Container(classes="sides auto"):
            yield Vertical(*boxes[:LEFT], classes="half first auto")
            yield Vertical(*boxes[LEFT:], classes="half auto")
        yield Keys(has_palette=False)

    def on_mount(self) -> None:
        """Leave the bar as it is on the screen below."""
        self.query_one("#helping").focus()
        below = self.app.screen_stack[-2].query(TopBar)
        if below:
            self.query_one(TopBar).place = below.first().place
        self.query_one(Keys).tell((("esc", "close"), ("↑ ↓", "scroll")))

    def action_drop(self) -> None:
        """Close it."""
        self.dismiss(None)
