"""What people write, as it is drawn: a small part of Markdown, links, and names that are called."""

import re
import unicodedata
from typing import Final

from textual.content import Content

MARKS_MAX: Final = 8
"""So many marks on one letter; the flag of a part of a country has seven."""
_CARRIED: Final = frozenset(("Mn", "Me", "Cf"))
_FENCE: Final = "```"
_LANGUAGE: Final = re.compile(r"[a-z]*\n")
"""What may stand behind the first fence."""
_PARTS: Final = re.compile(
    r"(?P<code>`[^`\n]+`)"
    r"|(?P<bold>\*\*[^*\n]+\*\*)"
    r"|(?P<italic>(?<![\w*])[*_][^*_\n]+[*_](?![\w*]))"
    r"|(?P<struck>~~[^~\n]+~~)"
    r"|(?P<link>https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]])"
    r"|(?P<name>(?<![\w.@-])@[A-Za-z0-9](?:[A-Za-z0-9._-]{1,28}[A-Za-z0-9]))"
)
_STYLES: Final = {"bold": "bold", "italic": "italic", "struck": "strike", "link": "$link underline"}


def drawn(text: str, me: str) -> Content:
    """Return a text with its marks drawn; nothing in it is ever taken for markup of ours."""
    text = calm(text)
    # Cut and not matched: a pattern that looks for the end of each beginning takes minutes for a
    # long text with many of them, and anybody may send one.
    pieces = text.split(_FENCE)
    if len(pieces) % 2 == 0:  # The last fence has no other: it is only three signs.
        pieces[-2:] = [_FENCE.join(pieces[-2:])]
    parts: list[Content | str | tuple[str, str]] = []
    for place, piece in enumerate(pieces):
        if place % 2:
            language = _LANGUAGE.match(piece)
            code = piece[language.end() :] if language else piece
            parts.append((code.strip("\n"), "on $pick"))
        else:
            parts += _line(piece, me)
    return Content.assemble(*parts)


def calm(text: str) -> str:
    """Return a text in which no letter carries more marks than any language has.

    A cell takes any number of accents and joiners; thousands in one stop some terminals.
    """
    if text.isascii():
        return text
    kept, marks = [], 0
    for sign in text:
        marks = marks + 1 if unicodedata.category(sign) in _CARRIED else 0
        if marks <= MARKS_MAX:
            kept.append(sign)
    return "".join(kept)


def _line(text: str, me: str) -> list[Content | str | tuple[str, str]]:
    parts: list[Content | str | tuple[str, str]] = []
    at = 0
    for found in _PARTS.finditer(text):
        parts.append(text[at : found.start()])
        kind, words = found.lastgroup or "", found[0]
        if kind == "name":
            is_me = words[1:].lower() in (me.lower(), "all")
            parts.append((f" {words} ", "$onchip on $chip bold") if is_me else (words, "$accent"))
        elif kind == "code":
            parts.append((words[1:-1], "on $pick"))
        else:
            cut = {"bold": 2, "struck": 2, "italic": 1, "link": 0}[kind]
            parts.append((words[cut : len(words) - cut], _STYLES[kind]))
        at = found.end()
    parts.append(text[at:])
    return parts
