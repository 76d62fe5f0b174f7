"""How faces on this machine show things: light or dark, and when nothing rings.

They are kept beside the profiles, in a file that holds nothing about anybody.
"""

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import msgspec
from msgspec import Struct

from alcove.client import UsageError, home_folder
from alcove.client.store.disk import make_private_folder, read_small, write_private
from alcove.desk.calls import Call, answers

if TYPE_CHECKING:
    from alcove.desk.desk import Desk

FILE_NAME: Final = "preferences.json"
FILE_BYTES_MAX: Final = 4_096
"""A larger file is none of ours."""
_SPAN: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d) ?- ?([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)


class Quiet(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A span of each day, in minutes since midnight; it may go past midnight."""

    since: int
    until: int

    def __str__(self) -> str:
        return "-".join(f"{one // 60:02}:{one % 60:02}" for one in (self.since, self.until))

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies within."""
        if self.since <= self.until:
            return self.since <= minute < self.until
        return minute >= self.since or minute < self.until


class Preferences(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of them."""

    theme: Literal["dark", "light"] = "dark"
    quiet: Quiet | None = None
    """When nothing rings; None for never."""


class GetPreferences(Call[Preferences], frozen=True, kw_only=True):
    """What was chosen on this machine."""


@answers(GetPreferences)
async def preferences(desk: "Desk", _: GetPreferences) -> Preferences:
    """Return it; a file that nobody can read is as good as none."""
    content = read_small(_place(desk), FILE_BYTES_MAX)
    if content is None:
        return Preferences()
    try:
        return msgspec.json.decode(content, type=Preferences)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Preferences()


class Prefer(Call[Preferences], frozen=True, kw_only=True):
    """Choose; None leaves a choice as it is."""

    theme: Literal["dark", "light"] | None = None
    quiet: str | None = None
    """Such as 22:00-07:00; empty for never."""


@answers(Prefer)
async def prefer(desk: "Desk", call: Prefer) -> Preferences:
    """Keep it, and return all of it."""
    chosen = await preferences(desk, GetPreferences())
    if call.theme is not None:
        chosen = msgspec.structs.replace(chosen, theme=call.theme)
    if call.quiet is not None:
        chosen = msgspec.structs.replace(chosen, quiet=_span(call.quiet))
    place = _place(desk)
    make_private_folder(place.parent)
    write_private(place, msgspec.json.encode(chosen))
    return chosen


def _place(desk: "Desk") -> Path:
    return (desk.home or home_folder(os.environ, sys.platform)) / FILE_NAME


def _span(text: str) -> Quiet | None:
    if not text.strip():
        return None
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise UsageError("Quiet hours are written as two times of the day, such as 22:00-07:00.")
    numbers = [int(one) for one in found.groups()]
    return Quiet(since=numbers[0] * 60 + numbers[1], until=numbers[2] * 60 + numbers[3])
