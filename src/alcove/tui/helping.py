"""The help screen: all keys, what the signs mean, and where more stands."""

from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from alcove.tui.look import COMMONS, keyed, styled
from alcove.tui.shell import Box

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
            ("^u", "next unread"),
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
            ("g", "to what it answers"),
            ("i", "why"),
            ("1 to 9", "vote"),
        ),
    ),
    (
        "Groups, files, security",
        (
            ("+ e d", "add, edit or role, leave or remove"),
            ("l j", "link, join by link"),
            ("v", "compare safety numbers"),
            ("f o", "filter, sort"),
            ("x", "no, cancel, dismiss"),
        ),
    ),
)
SIGNS: Final = (
    ("● ○ ·", "online, offline, nobody knows without a connection"),
    (f"# {COMMONS}", "group, the room of everyone"),
    ("◆ ◇ ▲", "safety number compared, not yet, changed: look"),
    ("⋯ ✓ ✓✓", "waiting, stored, delivered or read"),
    ("◔", "disappears by itself"),
    ("⇄ ↻ ✕", "connected, trying again, offline"),
)


class Help(ModalScreen[None]):
    """All of it, to scroll through."""

    BINDINGS: ClassVar = [("escape,f1,q,enter", "drop", "Close")]

    def compose(self) -> ComposeResult:
        """Show it."""
        parts = []
        for head, rows in KEYS:
            parts += [
                styled((head, "bold")),
                *(styled("  ", keyed(f"{key:<10}", words)) for key, words in rows),
                styled(""),
            ]
        parts += [
            styled(("Signs", "bold")),
            *(styled("  ", keyed(f"{sign:<10}", words)) for sign, words in SIGNS),
            styled(""),
        ]
        parts.append(
            styled(
                (
                    "For screen readers and slow lines: `alcove chat` writes line after line.",
                    "$soft",
                )
            )
        )
        with (
            Box("Keys and signs", classes="dialog wide", keys=(("esc", "close"),)),
            VerticalScroll(classes="text"),
        ):
            yield Static(styled(*(part for row in parts for part in (row, "\n"))).rstrip())

    def action_drop(self) -> None:
        """Close it."""
        self.dismiss(None)
