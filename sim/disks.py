"""A device's disk: what was committed is there after a crash, and an old copy may come back."""

import sqlite3
from collections.abc import Callable

from alcove.client.store.database import Database, open_memory


class Killed(BaseException):
    """The device's process has ended in the middle of something."""


class Disk(Database):
    """A database in memory whose owner may be killed on either side of a commit."""

    def __init__(self, image: bytes | None = None) -> None:
        raw = sqlite3.connect(":memory:")
        raw.deserialize(_template() if image is None else image)
        super().__init__(raw)
        self.before_commit: Callable[[], None] = lambda: None
        self.after_commit: Callable[[], None] = lambda: None
        self.commits = 0

    def commit(self) -> None:
        """Make it permanent, unless the process is killed just before; or be killed just after."""
        self.before_commit()
        super().commit()
        self.commits += 1
        self.after_commit()

    def image(self) -> bytes:
        """Return a copy of all that is on the disk."""
        image: bytes = self.raw.serialize()
        return image


_templates: list[bytes] = []


def _template() -> bytes:
    """Return the image of a new disk, made once."""
    if not _templates:
        database = open_memory()
        _templates.append(database.raw.serialize())
        database.close()
    return _templates[0]
