"""What stands between the world and the terminal, and what is told when the app has a mistake."""

import logging
import re
import traceback
from typing import Final

from rich.segment import Segment, Segments
from textual.app import ScreenStackError
from textual.color import Color
from textual.css.query import NoMatches
from textual.filter import LineFilter
from textual.message import Message
from textual.worker import WorkerFailed

from alcove.client import ClientError

_log = logging.getLogger("alcove.tui")
MISSES: Final = (NoMatches, ScreenStackError)
"""What is raised where a part of the screen, or a screen, is looked for and is not there."""
CAUSES_MAX: Final = 40
"""So much of where a mistake came from is told."""
_STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, speaks to its clipboard, or turns what comes behind."""


def harmless(text: str) -> str:
    """Return a text of which no sign steers a terminal; a tab becomes one blank."""
    return _STEERING.sub("", text.replace("\t", " "))


class Harmless(LineFilter):
    """Lets nothing through to the terminal that steers it, whoever has forgotten to look.

    What comes from others was made fit to be shown before it came here; what is pasted was not.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the same cells without what is none."""
        if all(one.text.isprintable() for one in segments):
            return segments
        return [one if one.control else Segment(harmless(one.text), one.style) for one in segments]


def report(error: BaseException | None) -> Segments:
    """Return where the app made its mistake, for the terminal that is there again.

    Textual would show what every variable held, and with it what somebody has just typed.
    """
    said = ["Alcove has made a mistake and has ended; what you have written is kept.\n"]
    while error is not None and len(said) <= CAUSES_MAX:
        said += [*traceback.format_tb(error.__traceback__), f"{type(error).__name__}\n"]
        error = error.error if isinstance(error, WorkerFailed) else error.__cause__
    return Segments([Segment("".join(said))])


HARMLESS: Final = Harmless()


def note_miss(error: Exception) -> None:
    """Log where something was looked for that was not on the screen yet, or not any more.

    It may happen to who is faster than the screen, and ends nothing; stories of ours fail by it.
    """
    _log.warning("%s\n%s", type(error).__name__, "".join(traceback.format_tb(error.__traceback__)))


class Often:
    """Lets something through so many times in so long; what comes between is counted."""

    def __init__(self, most: int, span_ms: int) -> None:
        self._most, self._span_ms = most, span_ms
        self._at: list[int] = []
        self.missed = 0

    def is_too(self, now_ms: int) -> bool:
        """Whether this is once too often; if not, it counts."""
        self._at = [at for at in self._at if 0 <= now_ms - at < self._span_ms]
        if len(self._at) >= self._most:
            self.missed += 1
            return True
        self._at.append(now_ms)
        return False

    def forget(self) -> int:
        """Return how many came between, and count anew."""
        missed, self.missed = self.missed, 0
        return missed


class Steady:
    """Something that handles its next message also when this one could not be handled.

    Textual ends the loop of whatever raises: a disk that is full, or a key for a part of the screen
    that is not there yet, must not take all other keys away.
    """

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)  # type: ignore[misc]
        except ClientError as error:
            self.app.tell(str(error))  # type: ignore[attr-defined]
        except MISSES as error:
            note_miss(error)
