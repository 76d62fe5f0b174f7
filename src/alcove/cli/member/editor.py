"""One line that somebody types at a terminal, as a machine: bytes in, what is on the screen out.

It knows the keys that people expect: arrows, Home, End, Ctrl-A E U K W, history, Tab for names.
What is pasted comes in whole; its line ends become spaces, so that nothing is sent by a paste.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from alcove.cli.wrapping import cells

HISTORY_MAX: Final = 200
"""So many lines are remembered, while the program runs."""
LINE_CHARACTERS_MAX: Final = 40_000
"""As many as a message takes."""

PASTE_ON, PASTE_OFF = "\x1b[?2004h", "\x1b[?2004l"
"""Asks the terminal to mark what is pasted."""
_PASTED: Final = re.compile("\x1b\\[200~(.*?)\x1b\\[201~", re.DOTALL)
_PASTE_BEGUN: Final = "\x1b[200~"
_KEY: Final = re.compile("\x1b(?:\\[[0-9;]*[A-Za-z~]|O[A-Za-z]|[^\\[O])")
_KEY_BEGUN: Final = re.compile("\x1b(?:\\[[0-9;]*|O)?\\Z")

_MOVES: Final = {
    "\x1b[D": "left", "\x1bOD": "left", "\x02": "left",
    "\x1b[C": "right", "\x1bOC": "right", "\x06": "right",
    "\x1b[H": "home", "\x1bOH": "home", "\x1b[1~": "home", "\x01": "home",
    "\x1b[F": "end", "\x1bOF": "end", "\x1b[4~": "end", "\x05": "end",
    "\x1b[A": "older", "\x1bOA": "older", "\x10": "older",
    "\x1b[B": "newer", "\x1bOB": "newer", "\x0e": "newer",
    "\x7f": "backspace", "\x08": "backspace", "\x1b[3~": "delete",
    "\x15": "to_start", "\x0b": "to_end", "\x17": "word", "\t": "finish_word", "\x0c": "redraw",
}  # fmt: skip

Complete = Callable[[str], Sequence[str]]
"""Returns how the beginning of a word may go on."""


class Typed(NamedTuple):
    """What came of some bytes."""

    lines: tuple[str, ...] = ()
    """Lines that were finished by Enter."""
    is_ended: bool = False
    """Ctrl-D on an empty line, or Ctrl-C."""


class Editor:
    """The line that is being typed, and those before it."""

    def __init__(self, complete: Complete = lambda _: ()) -> None:
        self.text, self.place = "", 0
        self.prompt = ""
        self._complete = complete
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._waiting = ""
        self._history: list[str] = []
        self._at = 0
        self._kept = ""

    def feed(self, data: bytes) -> Typed:
        """Take what came from the keyboard."""
        self._waiting += self._decoder.decode(data)
        lines: list[str] = []
        while self._waiting:
            key = self._next_key()
            if key is None:
                break
            if key in ("\r", "\n"):
                lines.append(self._finish())
            elif key == "\x03" or (key == "\x04" and not self.text):
                return Typed(tuple(lines), is_ended=True)
            else:
                self._press(key)
        return Typed(tuple(lines))

    def _next_key(self) -> str | None:
        """Take one key, or one paste, off what waits; None when it has not all come yet."""
        if self._waiting.startswith(_PASTE_BEGUN):
            pasted = _PASTED.match(self._waiting)
            if pasted is None:
                return None
            self._waiting = self._waiting[pasted.end() :]
            self._insert(" ".join(pasted[1].split()))
            return ""
        if self._waiting[0] == "\x1b":
            if _KEY_BEGUN.match(self._waiting):
                return None
            found = _KEY.match(self._waiting)
            key = found[0] if found else self._waiting[0]
        else:
            key = self._waiting[0]
        self._waiting = self._waiting[len(key) :]
        return key

    def _finish(self) -> str:
        line = self.text
        if line.strip() and self._history[-1:] != [line]:
            self._history = [*self._history, line][-HISTORY_MAX:]
        self.text, self.place, self._kept = "", 0, ""
        self._at = len(self._history)
        return line

    def _press(self, key: str) -> None:
        action = _MOVES.get(key, "")
        if action:
            getattr(self, f"_{action}")()
        elif key.isprintable():
            self._insert(key)

    def _insert(self, text: str) -> None:
        shown = "".join(one for one in text if one.isprintable())
        room = LINE_CHARACTERS_MAX - len(self.text)
        self.text = self.text[: self.place] + shown[:room] + self.text[self.place :]
        self.place += len(shown[:room])

    # ---- Keys ----

    def _left(self) -> None:
        self.place = max(0, self.place - 1)

    def _right(self) -> None:
        self.place = min(len(self.text), self.place + 1)

    def _home(self) -> None:
        self.place = 0

    def _end(self) -> None:
        self.place = len(self.text)

    def _redraw(self) -> None:
        """Nothing is other than before: what is shown is drawn again."""

    def _cut(self, start: int, end: int) -> None:
        self.text = self.text[:start] + self.text[end:]
        self.place = start

    def _backspace(self) -> None:
        if self.place:
            self._cut(self.place - 1, self.place)

    def _delete(self) -> None:
        self._cut(self.place, self.place + 1)

    def _to_start(self) -> None:
        self._cut(0, self.place)

    def _to_end(self) -> None:
        self._cut(self.place, len(self.text))

    def _word(self) -> None:
        before = self.text[: self.place].rstrip()
        self._cut(before.rfind(" ") + 1, self.place)

    def _older(self) -> None:
        if self._at == len(self._history):
            self._kept = self.text
        self._go(max(0, self._at - 1))

    def _newer(self) -> None:
        self._go(min(len(self._history), self._at + 1))

    def _go(self, at: int) -> None:
        self._at = at
        self.text = [*self._history, self._kept][at]
        self.place = len(self.text)

    def _finish_word(self) -> None:
        """Complete the word before the cursor as far as that is clear."""
        start = self.text[: self.place].rfind(" ") + 1
        word = self.text[start : self.place]
        found = sorted(self._complete(word)) if word else []
        if not found:
            return
        common = found[0] + (" " if len(found) == 1 else "")
        while not all(one.startswith(common.rstrip()) for one in found):
            common = common[:-1]
        if len(common) > len(word):
            self._cut(start, self.place)
            self._insert(common)


# ---- What is on the screen ----


class Drawn(NamedTuple):
    """Where the cursor is, seen from the first row of what was drawn."""

    row: int


def erase(drawn: Drawn) -> str:
    """Return what takes a drawn line off the screen."""
    up = f"\x1b[{drawn.row}A" if drawn.row else ""
    return f"{up}\r\x1b[J"


def draw(editor: Editor, width: int) -> tuple[str, Drawn]:
    """Return what draws the prompt and the line, and where the cursor is then."""
    width = max(width, 1)
    whole = cells(editor.prompt) + cells(editor.text)
    at = cells(editor.prompt) + cells(editor.text[: editor.place])
    drawn = editor.prompt + editor.text
    if whole and whole % width == 0:
        drawn += "\r\n"  # The terminal waits with the next row until something stands there.
    up, right = whole // width - at // width, at % width
    back = (f"\x1b[{up}A" if up else "") + "\r" + (f"\x1b[{right}C" if right else "")
    return (drawn if at == whole else drawn + back), Drawn(at // width)
