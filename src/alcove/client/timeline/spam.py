"""A guess whether a stranger's request is spam, made on this device alone.

It never decides anything: a face may fold away what is suspicious, and says why.  Nothing of it
leaves the device, and what it has learned is nothing: it looks at the first message, and at what
other strangers said lately.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from alcove.wire.content import Content, Text, shown_text

SUSPICIOUS = 50
"""From this score on a request is folded away."""
SCORE_MAX = 100
"""The highest guess: surely spam."""
RECENT_MAX = 200
"""So many of the newest things that strangers said are compared."""
FLOOD_MS = 10 * 60 * 1000
"""Requests that come within so long of each other are a flood,"""
FLOOD_REQUESTS = 10
"""if there are as many as this."""
LINKS_FEW = 2
"""More links than this in a first message are many."""
SHOUTED_LETTERS = 20
"""From so many letters on, a text of capitals is shouting."""
SAME_CHARACTERS = 12
"""Shorter texts are alike by chance: "Hi, it's me"."""

_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_RUNS = re.compile(
    r"\.(?:apk|app|bat|cmd|com|dmg|exe|hta|htm|html|img|iso|jar|js|lnk|msi|pkg|ps1|scr|sh|svg|vbs)"
    r"\s*\Z",
    re.IGNORECASE,
)
_LETTERS = re.compile(r"[^\W\d_]+")


class Heard(NamedTuple):
    """Something that a stranger said."""

    account: bytes
    at: int
    said: Content


class Suspicion(NamedTuple):
    """How likely it is spam, and why."""

    score: int
    """0 to 100."""
    reasons: tuple[str, ...]
    """Codes: only-a-link, many-links, hidden-characters, same-words, flood, shouting, runs."""

    @property
    def is_spam(self) -> bool:
        """Whether it should be folded away."""
        return self.score >= SUSPICIOUS


def suspicion(first: Heard, recent: Sequence[Heard]) -> Suspicion:
    """Judge a stranger's first message, beside what strangers said lately (newest last)."""
    others = [heard for heard in recent[-RECENT_MAX:] if heard.account != first.account]
    weights = {**_of_text(first.said), **_of_crowd(first, others)}
    return Suspicion(min(SCORE_MAX, sum(weights.values())), tuple(weights))


def _of_text(said: Content) -> dict[str, int]:
    """Return what is suspicious about a message itself, with its weight."""
    if not isinstance(said, Text):
        return {}
    text = shown_text(said.text)
    links = _LINK.findall(text)
    letters = "".join(_LETTERS.findall(text))
    found: dict[str, int] = {}
    if links and not _LINK.sub("", text).strip():
        found["only-a-link"] = 40
    if len(links) > LINKS_FEW:
        found["many-links"] = 40
    if text != said.text.replace("\r\n", "\n"):
        found["hidden-characters"] = 30
    if len(letters) >= SHOUTED_LETTERS and letters.isupper():
        found["shouting"] = 20
    if any(_RUNS.search(file.name) for file in said.files):
        found["runs"] = 50
    return found


def _of_crowd(first: Heard, others: Sequence[Heard]) -> dict[str, int]:
    """Return what is suspicious because others do it too."""
    found: dict[str, int] = {}
    words = _skeleton(first.said)
    if len(words) >= SAME_CHARACTERS and any(_skeleton(other.said) == words for other in others):
        found["same-words"] = 60
    near = {other.account for other in others if abs(other.at - first.at) <= FLOOD_MS}
    if len(near) + 1 >= FLOOD_REQUESTS:
        found["flood"] = 50
    return found


def _skeleton(said: Content) -> str:
    """Return a text without what spammers vary: links, digits, case and space."""
    if not isinstance(said, Text):
        return ""
    return "".join(_LETTERS.findall(_LINK.sub("", shown_text(said.text)))).casefold()
