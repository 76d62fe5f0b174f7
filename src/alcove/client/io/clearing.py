"""What of the server's notes about an account was put out of sight on this machine.

    HOME/profiles/NAME/cleared.json      up to which event, when, and how many that were

The server's own log stays as it is: only its host clears that, and leaves a record there too.
"""

from pathlib import Path
from typing import Final, Self

import msgspec
from msgspec import Struct

from alcove.client.store.disk import read_small, write_private

FILE_NAME: Final = "cleared.json"
FILE_BYTES_MAX: Final = 1_024
"""A larger file of what was put out of sight is none of ours."""


class Cleared(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was put out of sight; number 0 for nothing."""

    number: int = 0
    """The newest event of these."""
    at: int = 0
    """When it was done."""
    events: int = 0
    """How many were shown before."""

    @classmethod
    def of(cls, folder: Path) -> Self:
        """Return what was noted in a profile's folder; what nobody can read is as good as none."""
        content = read_small(folder / FILE_NAME, FILE_BYTES_MAX)
        try:
            return cls() if content is None else msgspec.json.decode(content, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return cls()

    def keep(self, folder: Path) -> None:
        """Note it."""
        write_private(folder / FILE_NAME, msgspec.json.encode(self))
