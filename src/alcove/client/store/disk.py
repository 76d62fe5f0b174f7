"""Files and folders that are for this user alone, and there as a whole or not at all."""

import errno
import os
import shutil
from pathlib import Path
from typing import Final

from alcove.client.errors import StoreError
from alcove.client.store.failures import DiskFullError

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
_IS_WINDOWS: Final = os.name == "nt"
_NO_SPACE: Final = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def make_private_folder(path: Path) -> None:
    """Make a folder, and those above it, that only this user can look into; it may be there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        path.chmod(FOLDER_MODE)
    except OSError as error:
        raise refused(error, path) from error


def write_private(path: Path, content: bytes) -> None:
    """Put a file in place: afterwards, and after a power cut, it is the old one or the new one."""
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)  # Of a process that was killed here.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise refused(error, path) from error


def sync_file(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if _IS_WINDOWS:  # pragma: no cover - Windows keeps names in its journal, and cannot be told to.
        return
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_small(path: Path, most: int) -> bytes | None:
    """Return what is in a file, or None where there is none; one that is too large is refused."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(error, path) from error
    if len(content) > most:
        raise StoreError(f"{path} is larger than {most} bytes, so it is none of ours: look at it.")
    return content


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it."""
    try:
        shutil.rmtree(path)
    except OSError as error:
        raise refused(error, path) from error


def refused(error: OSError, path: Path) -> StoreError:
    """Return what the system would not do with a file, and what to do about it."""
    if error.errno in _NO_SPACE:
        return DiskFullError(
            f"The disk of {path.parent} is full, so nothing was changed: make some space and do it"
            " again."
        )
    why = error.strerror or type(error).__name__
    return StoreError(f"{path} cannot be used ({why}): give it back to your own user, or move it.")
