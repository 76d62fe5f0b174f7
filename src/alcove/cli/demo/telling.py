"""Telling the story: short lines, and a tick before what was checked before it was told."""

import textwrap
import time
from dataclasses import dataclass

import click

WIDTH = 84
CALM_S = 0.08
"""How long a line stands alone where somebody reads along."""


class Untrue(Exception):
    """What the story says has not happened.  The text is one sentence."""


def must(condition: object, sentence: str) -> None:
    """Stop the story unless a condition holds; `sentence` says what is so when it does not."""
    if not condition:
        raise Untrue(sentence)


@dataclass(frozen=True)
class Teller:
    """Prints lines, in colours and with pauses where somebody reads along."""

    colours: bool
    pause_s: float

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        self._line("")
        self._line(text, bold=True)

    def true(self, text: str) -> None:
        """Tell something that has just happened and was checked."""
        self._wrapped(text, click.style("✓ ", fg="green"))

    def note(self, text: str) -> None:
        """Tell something that explains."""
        self._wrapped(text, "  ")

    def show(self, text: str) -> None:
        """Show a line as it is, set in."""
        self._line(f"      {text}", dim=True)

    def said(self, name: str, text: str) -> None:
        """Show what somebody said."""
        self._line(f"      {name + ':':<7}{text}")

    def failed(self, text: str) -> None:
        """Tell that the story ends here, because something in it was not true."""
        self._wrapped(text, click.style("✗ ", fg="red"))

    def _wrapped(self, text: str, mark: str) -> None:
        for number, line in enumerate(textwrap.wrap(text, WIDTH - 4)):
            self._line(f"  {'  ' if number else mark}{line}")

    def _line(self, text: str, *, bold: bool = False, dim: bool = False) -> None:
        if bold or dim:
            text = click.style(text, bold=bold or None, dim=dim or None)
        click.echo(text, color=self.colours)
        if self.pause_s:
            time.sleep(self.pause_s)  # Whoever waits here waits for the reader.
