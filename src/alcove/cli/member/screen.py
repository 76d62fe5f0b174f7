"""Where a chat is seen and typed: a terminal, a plain one, or a pipe.

Edited      a terminal: what comes in appears above the line that is being typed
Plain       --plain, TERM=dumb, Windows, pipes: nothing that was shown is ever moved or redrawn,
            so a screen reader reads each line once, and a script can write and read lines
"""

import asyncio
import os
import shutil
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import IO, Any, Final

import click

from alcove.cli.member.editor import PASTE_OFF, PASTE_ON, Complete, Drawn, Editor, draw, erase
from alcove.cli.wrapping import for_stream
from alcove.wire.content import shown_text

if sys.platform != "win32":
    import termios
    import tty

LINE_CHARACTERS_MAX: Final = 64 * 1024
"""A longer line of a pipe is cut into several; a message takes less, and says so."""
READ_BYTES: Final = 4096


class Screen(ABC):
    """What both have in common: lines go out by `show`, and come in by `lines`."""

    prompt = ""

    def __init__(self) -> None:
        self._typed: asyncio.Queue[str | None] = asyncio.Queue()

    async def lines(self) -> AsyncIterator[str]:
        """Yield each line that is typed, until the end."""
        while True:
            self.ask()
            line = await self._typed.get()
            if line is None:
                return
            yield line

    @abstractmethod
    def ask(self) -> None:
        """Show that something can be typed now."""

    def change_prompt(self, prompt: str) -> None:
        """Ask otherwise from now on."""
        self.prompt = prompt

    @abstractmethod
    def show(self, text: str) -> None:
        """Show a text of one or more lines, that was made fit to be shown."""

    @abstractmethod
    def open(self) -> None:
        """Begin to take what is typed."""

    @abstractmethod
    def close(self) -> None:
        """Leave the terminal as it was."""

    def stop(self) -> None:
        """End `lines`."""
        self._typed.put_nowait(None)


class Plain(Screen):
    """Lines in, lines out."""

    def __init__(self, source: IO[str] | None = None) -> None:
        super().__init__()
        self._source = source or sys.stdin
        self._is_seen = self._source.isatty()
        self._is_asking = False

    def open(self) -> None:
        """Read in a thread: a file, a pipe and a terminal are all waited for in the same way."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            with suppress(RuntimeError, ValueError):  # The loop, or the source, was closed.
                while line := self._source.readline(LINE_CHARACTERS_MAX):
                    loop.call_soon_threadsafe(self._typed.put_nowait, line.rstrip("\r\n"))
                loop.call_soon_threadsafe(self._typed.put_nowait, None)

        # Nothing waits for it at the end: it may stand in the middle of a line for ever.
        threading.Thread(target=read, name="alcove chat", daemon=True).start()

    def close(self) -> None:
        """Nothing was changed at the terminal."""

    def ask(self) -> None:
        """Show the prompt, where somebody sees it."""
        if self._is_seen:
            click.echo(self.prompt, nl=False)
            self._is_asking = True

    def show(self, text: str) -> None:
        """Show a text below everything else, and the prompt again."""
        was_asking, self._is_asking = self._is_asking, False
        click.echo(("\n" if was_asking else "") + for_stream(text, sys.stdout))
        if was_asking:
            self.ask()


class Edited(Screen):
    """A terminal with a line that can be edited."""

    def __init__(self, complete: Complete) -> None:
        super().__init__()
        self._editor = Editor(complete)
        self._drawn: Drawn | None = None
        self._before: list[Any] = []

    def open(self) -> None:
        """Take each key as it comes."""
        number = sys.stdin.fileno()
        self._before = termios.tcgetattr(number)
        tty.setcbreak(number, termios.TCSADRAIN)  # What was typed before is not thrown away.
        now = termios.tcgetattr(number)
        now[3] &= ~termios.ISIG  # Ctrl-C is a key here: what was said is sent before the end.
        termios.tcsetattr(number, termios.TCSADRAIN, now)
        _write(PASTE_ON)
        loop = asyncio.get_running_loop()
        loop.add_reader(number, self._take)
        loop.add_signal_handler(signal.SIGWINCH, self._resized)

    def close(self) -> None:
        """Leave the terminal as it was."""
        number = sys.stdin.fileno()
        loop = asyncio.get_running_loop()
        loop.remove_reader(number)
        loop.remove_signal_handler(signal.SIGWINCH)
        self._hide()
        _write(PASTE_OFF)
        termios.tcsetattr(number, termios.TCSADRAIN, self._before)

    def ask(self) -> None:
        """Draw the prompt, and what is typed already."""
        self._hide()
        self._show_line()

    def change_prompt(self, prompt: str) -> None:
        """Ask otherwise, and at once: what is typed already stays."""
        super().change_prompt(prompt)
        self.ask()

    def show(self, text: str) -> None:
        """Show a text above the line that is being typed."""
        is_asking = self._drawn is not None
        self._hide()
        _write(for_stream(text, sys.stdout) + "\n")
        if is_asking:
            self._show_line()

    def _take(self) -> None:
        try:
            data = os.read(sys.stdin.fileno(), READ_BYTES)
        except OSError:
            data = b""  # The terminal is gone.
        if not data:
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop()
            return
        typed = self._editor.feed(data)
        self._hide()
        for line in typed.lines:
            _write(f"{self._editor.prompt}{shown_text(line)}\n")
            self._typed.put_nowait(line)
        if typed.is_ended:
            self.stop()
        elif not typed.lines:
            self._show_line()

    def _resized(self) -> None:
        if self._drawn is not None:
            self.ask()

    def _hide(self) -> None:
        if self._drawn is not None:
            _write(erase(self._drawn))
            self._drawn = None

    def _show_line(self) -> None:
        self._editor.prompt = self.prompt
        text, self._drawn = draw(self._editor, shutil.get_terminal_size().columns)
        _write(text)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def screen_for(complete: Complete, *, plain: bool) -> Screen:
    """Return the screen that suits where this program runs."""
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if plain or not is_terminal or os.environ.get("TERM") == "dumb" or sys.platform == "win32":
        return Plain()
    return Edited(complete)
