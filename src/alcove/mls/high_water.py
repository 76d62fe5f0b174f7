"""The memory that all values of one group share: which sending keys have been spent.

Values are immutable, so an old one still holds the key that a newer one has sealed with.  Sealing
from it again would put two messages under one key.  This mark makes it an error instead, as long
as the process lives; across a restart it is the store's compare-and-set that does (docs/mls.md).
"""

from __future__ import annotations

from typing import Final

from alcove.mls.errors import UsageError

_EPOCHS_KEPT: Final = 64


class HighWater:
    """Spent generations by epoch.  The package's one mutable thing, and it only ever refuses."""

    __slots__ = ("_made", "_newest", "_next")

    def __init__(self) -> None:
        self._next: dict[bytes, list[int]] = {}
        self._made: dict[bytes, bytes] = {}
        self._newest = -1
        """The highest epoch sealed in.  Those far below it are forgotten, and sealed in no more."""

    def made(self, commit: bytes, welcome: bytes = b"") -> None:
        """Note a commit of our own by the transcript hash it leads to, and its Welcome's hash.

        Without a path nothing in a commit is drawn: made again it is the same, with the same key
        for its Welcome.  Another Welcome under that key is refused.
        """
        if self._made.setdefault(commit, welcome) != welcome:
            raise UsageError("this commit was made with another Welcome: use that, or add a path")
        if len(self._made) > _EPOCHS_KEPT:
            del self._made[next(iter(self._made))]

    def is_ours(self, commit: bytes) -> bool:
        """Say whether this process made the commit that leads to that transcript hash."""
        return commit in self._made

    def spend(self, tag: bytes, epoch: int, kind: int, generation: int) -> None:
        """Mark a generation as used, or raise when it was.

        An epoch is known by its confirmation tag: two commits that compete for one number make two.
        """
        if epoch > self._newest:
            self._newest = epoch
            self._next = {
                known: marks
                for known, marks in self._next.items()
                if marks[2] > epoch - _EPOCHS_KEPT
            }
        if epoch <= self._newest - _EPOCHS_KEPT:
            raise UsageError("this group value is far behind: seal from the newest one")
        marks = self._next.setdefault(tag, [0, 0, epoch])
        if generation < marks[kind]:
            raise UsageError("a newer value of this group has sealed already: use that one")
        marks[kind] = generation + 1
