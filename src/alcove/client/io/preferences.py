"""How programs on this machine show things: light or dark, when nothing rings, when they lock.

They stand in `HOME/preferences.json`, beside the profiles; it holds nothing about anybody.
"""

from pathlib import Path
from typing import Final, Literal

import msgspec
from msgspec import Struct

from alcove.client.store.disk import make_private_folder, read_small, write_private

FILE_NAME: Final = "preferences.json"
FILE_BYTES_MAX: Final = 4_096
"""A larger file is none of ours."""


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
    lock_minutes: int = 0
    """Lock when nobody used the program for so long; 0 for never."""


def read_preferences(home: Path) -> Preferences:
    """Return what was chosen on this machine; what nobody can read is as good as nothing."""
    content = read_small(home / FILE_NAME, FILE_BYTES_MAX)
    if content is None:
        return Preferences()
    try:
        return msgspec.json.decode(content, type=Preferences)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Preferences()


def keep_preferences(home: Path, chosen: Preferences) -> None:
    """Keep what was chosen."""
    make_private_folder(home)
    write_private(home / FILE_NAME, msgspec.json.encode(chosen))
