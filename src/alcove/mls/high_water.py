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

    __slots__ = ("_forgotten", "_made", "_next")

    def __init__(self) -> None:
        self._next: dict[bytes, list[int]] = {}
        self._made: dict[bytes, bytes] = {}
        self._forgotten = -1
        """Epochs up to this number are no longer listed, so nothing may be sealed in them."""

    def made(self, tag: bytes, welcome: bytes = b"") -> None:
        """Note a commit of our own by its confirmation tag, and the hash of its Welcome.

        Without a path nothing in a commit is drawn: made again it is the same, with the same key
        for its Welcome.  Another Welcome under that key is refused.
        """
        if self._made.setdefault(tag, welcome) != welcome:
            raise UsageError("this commit was made with another Welcome: use that, or add a path")
        if len(self._made) > _EPOCHS_KEPT:
            del self._made[next(iter(self._made))]

    def is_ours(self, tag: bytes) -> bool:
        """Say whether this process made the commit with that tag."""
        return tag in self._made

    def spend(self, tag: bytes, epoch: int, kind: int, generation: int) -> None:
        """Mark a generation as used, or raise when it was.

        An epoch is known by its confirmation tag: two commits that compete for one number make two.
        """
        marks = self._next.get(tag)
        if marks is None:
            if epoch <= self._forgotten:
                raise UsageError("this group value is far behind: seal from the newest one")
            marks = self._next[tag] = [0, 0, epoch]
            if len(self._next) > _EPOCHS_KEPT:
                self._forget_oldest()
        if generation < marks[kind]:
            raise UsageError("a newer value of this group has sealed already: use that one")
        marks[kind] = generation + 1

    def _forget_oldest(self) -> None:
        oldest = next(iter(self._next))
        self._forgotten = max(self._forgotten, self._next.pop(oldest)[2])
