"""What people write, as it is drawn: a small part of Markdown, links, and names that are called."""

import re
from typing import Final

from textual.content import Content

_CODE: Final = re.compile(r"```[a-z]*\n?(.*?)```", re.S)
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
    parts: list[Content | str | tuple[str, str]] = []
    at = 0
    for block in _CODE.finditer(text):
        parts += _line(text[at : block.start()], me)
        parts.append((block[1].strip("\n"), "on $pick"))
        at = block.end()
    return Content.assemble(*parts, *_line(text[at:], me))


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
