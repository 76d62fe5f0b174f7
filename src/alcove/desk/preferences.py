"""How faces on this machine show things: light or dark, and when nothing rings."""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from msgspec.structs import replace

from alcove import client as sdk
from alcove.client import Preferences, Quiet, UsageError, keep_preferences, read_preferences
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

_SPAN: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d) ?- ?([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


class GetPreferences(Call[Preferences], frozen=True, kw_only=True):
    """What was chosen on this machine."""


@answers(GetPreferences)
async def preferences(desk: "Desk", _: GetPreferences) -> Preferences:
    """Return it."""
    return read_preferences(_home(desk))


class Prefer(Call[Preferences], frozen=True, kw_only=True):
    """Choose; None leaves a choice as it is."""

    theme: Literal["dark", "light"] | None = None
    quiet: str | None = None
    """Such as 22:00-07:00; empty for never."""
    lock_minutes: int | None = None
    """Lock when nobody used the program for so long; 0 for never."""


@answers(Prefer)
async def prefer(desk: "Desk", call: Prefer) -> Preferences:
    """Keep it, and return all of it."""
    chosen = read_preferences(_home(desk))
    if call.theme is not None:
        chosen = replace(chosen, theme=call.theme)
    if call.quiet is not None:
        chosen = replace(chosen, quiet=_span(call.quiet))
    if call.lock_minutes is not None:
        chosen = replace(chosen, lock_minutes=max(0, call.lock_minutes))
    keep_preferences(_home(desk), chosen)
    return chosen


def _home(desk: "Desk") -> Path:
    return desk.home or sdk.home_folder(os.environ, sys.platform)


def _span(text: str) -> Quiet | None:
    if not text.strip():
        return None
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError("Quiet hours are written as two times of the day, such as 22:00-07:00.")
    numbers = [int(one) for one in found.groups()]
    return Quiet(since=numbers[0] * 60 + numbers[1], until=numbers[2] * 60 + numbers[3])
