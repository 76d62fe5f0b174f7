"""Lines that are broken between words, where somebody reads them at a terminal."""

import re
import shutil
import unicodedata
from typing import IO, Final

import click

_WORD: Final = re.compile(r"(\s*)((?:`[^`]*`|[^\s`])+|`)")
"""A word with the blanks before it; a command in backquotes is one word, to be typed as it is."""


def cells(text: str) -> int:
    """Return how wide a text is on a terminal."""
    return sum(
        0
        if unicodedata.combining(one) or unicodedata.category(one) in ("Cf", "Me", "Mn")
        else 2
        if unicodedata.east_asian_width(one) in ("W", "F")
        else 1
        for one in text
    )


def wrapped(text: str, width: int) -> str:
    """Return a text whose lines are no wider than that, if no word is."""
    return "\n".join(_broken(line, width) for line in text.split("\n"))


def _broken(line: str, width: int) -> str:
    if cells(click.unstyle(line)) <= width:
        return line
    indent = " " * (len(line) - len(line.lstrip(" ")))
    rows: list[str] = []
    row, at = "", 0
    for blanks, word in _WORD.findall(line):
        wide = cells(click.unstyle(word))
        if at > len(indent) and at + len(blanks) + wide > width:
            rows.append(row)
            row, at, blanks = indent, len(indent), ""  # noqa: PLW2901 - None stand at its beginning.
        row += f"{blanks}{word}"
        at += len(blanks) + wide
    return "\n".join([*rows, row])


def for_stream(text: str, stream: IO[str]) -> str:
    """Return a text as it is written to a stream: broken between words where that is a terminal."""
    return wrapped(text, shutil.get_terminal_size().columns) if stream.isatty() else text
