"""What may be wrong with a local database, each in one sentence: what happened, and what to do."""

import os
import shutil
from pathlib import Path
from typing import Final

from alcove.client.errors import StoreError


class WrongKeyError(StoreError):
    """The key is another database's."""


class DamagedError(StoreError):
    """What was written is not what is read: the disk, or another program, has changed it."""


class DiskFullError(StoreError):
    """There is no space left."""


class NewerError(StoreError):
    """A newer program has used this database, and this one does not know its tables."""


DAMAGED: Final = (
    "The local database is damaged, and nothing in it was deleted: `alcove doctor --repair` offers"
    " to set it aside, and then signing in brings back what the archive on the server has."
)
WRONG_KEY: Final = (
    "The key does not open the local database, which belongs to another profile or came from"
    " another backup: put back the profile's folder as a whole."
)
_FULL: Final = "The disk is full, so nothing was changed: make some space and do it again."
_FAILED: Final = (
    "The disk under the local database failed ({name}), so nothing was changed: look at the disk,"
    " and copy the profile's folder before anything else."
)
_CLOSED: Final = (
    "The local database may not be read or written ({name}): give its folder back to your own user."
)
_BUSY: Final = (
    "Another program keeps the local database to itself: end it, such as a backup that is running,"
    " and do it again."
)

_READONLY, _IOERR, _CORRUPT, _DISK_FULL = 8, 10, 11, 13
"""Codes of SQLite that are looked at twice."""
FREE_BYTES_MIN: Final = 64 * 1024
"""A disk with less than this is full: SQLite writes several pages at a time."""

_SAID: Final[dict[int, tuple[type[StoreError], str]]] = {
    3: (StoreError, _CLOSED),  # SQLITE_PERM
    5: (StoreError, _BUSY),  # SQLITE_BUSY
    _READONLY: (StoreError, _CLOSED),
    _IOERR: (StoreError, _FAILED),
    _CORRUPT: (DamagedError, DAMAGED),
    _DISK_FULL: (DiskFullError, _FULL),
    14: (StoreError, _CLOSED),  # SQLITE_CANTOPEN
    26: (DamagedError, DAMAGED),  # SQLITE_NOTADB
}
"""By the primary result code of SQLite, which is the lowest byte of what an exception carries."""


def blame(error: Exception, path: Path | None) -> None:
    """Raise what the world did to the database at a path; return when the mistake is ours."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    kind, sentence = _SAID.get(_cause(code, path), (None, ""))
    if kind is not None:
        raise kind(sentence.format(name=getattr(error, "sqlite_errorname", ""))) from error


def _cause(code: int, path: Path | None) -> int:
    """Return what stands behind a code that stands for several things."""
    if code == _IOERR and path is not None and _is_full(path.parent):
        return _DISK_FULL  # The file beside it that SQLite shares in memory could not grow.
    if code == _READONLY and path is not None and os.access(path, os.W_OK):
        return _CORRUPT  # After a page that is none SQLCipher writes nothing more.
    return code


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FREE_BYTES_MIN
    except OSError:
        return False
