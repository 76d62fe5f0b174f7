"""Files on this machine: read and sealed, opened and written, and put where nothing is lost.

Everything here blocks, and runs in threads.  A file is never opened for more than its bytes.
"""

import os
import shutil
import stat
from io import FileIO
from pathlib import Path

from alcove.client.errors import PeerError, UsageError
from alcove.client.files.kinds import numbered, people_size, safe_name
from alcove.client.files.stream import (
    HEADER,
    RUN_BYTES,
    SEALED_RUN_BYTES,
    Opener,
    Sealer,
    Tally,
    check_header,
)
from alcove.wire.content import SealedBlob

SAME_NAMES_MAX = 1_000
"""Files of one name in one folder, told apart by numbers."""
SPARE_BYTES = 64 * 1024 * 1024
"""What a download leaves free on the disk."""


class ChangedError(Exception):
    """The file is not what it was when it was looked at."""


# ---- What is sent ----


def look_at(path: str) -> tuple[int, Tally]:
    """Read a file once and return its size and what it holds, before anything of it is sent."""
    buffer = memoryview(bytearray(RUN_BYTES))
    tally, size = Tally(), 0
    with _reading(path) as file:
        while length := _fill(file, buffer):
            tally.add(buffer[:length])
            size += length
    return size, tally


def _reading(path: str) -> FileIO:
    """Open a plain file; refuse what never ends, or waits."""
    if not stat.S_ISREG(Path(path).stat().st_mode):
        raise UsageError(f"{Path(path).name} is not a file that can be sent; pack folders first.")
    return FileIO(path)


def _fill(file: FileIO, room: memoryview) -> int:
    """Read until there is no room or no file left: some file systems give less than was asked."""
    length = 0
    while count := file.readinto(room[length:]):
        length += count
    return length


class Source:
    """A file that is sealed run by run, from any run on.  Only what was looked at leaves."""

    def __init__(self, path: str, sealed: SealedBlob, first_look: Tally, run: int) -> None:
        self._path = path
        self._file: FileIO | None = None
        self._sealer = Sealer(sealed.key, sealed.size)
        self._tally = Tally(first_look)
        self._plain = memoryview(bytearray(RUN_BYTES))
        self._run = 0
        self._first = run

    def next(self) -> memoryview:
        """Return the next run, sealed; raises `ChangedError` where the file is another."""
        if self._file is None:
            self._file = _reading(self._path)
        while self._run < self._first:
            self._read(self._file)
        out = bytearray(SEALED_RUN_BYTES)
        run = self._run
        return memoryview(out)[: self._sealer.seal(run, self._read(self._file), out)]

    def _read(self, file: FileIO) -> memoryview:
        """Return the next run's part of the file, and hash it."""
        expected = self._sealer.shape.plain_at(self._run)[1]
        length = _fill(file, self._plain[:expected])
        plain = self._plain[:length]
        if length != expected or (expected and not self._tally.add(plain)):
            raise ChangedError
        self._run += 1
        return plain

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


# ---- What is fetched ----


def part_of(path: str, number: int) -> Path:
    """Return where a download lies while it is not complete: beside its place."""
    target = Path(path)
    return target.with_name(f".{safe_name(target.name)}.{number}.part")


class Sink:
    """A download that is opened run by run into a temporary file, going on where that ends."""

    def __init__(self, path: str, number: int, sealed: SealedBlob) -> None:
        self._sealed = sealed
        self._opener = Opener(sealed.key, sealed.size)
        self.shape = self._opener.shape
        self.part = part_of(path, number)
        self._tally = Tally()
        self._plain = bytearray(RUN_BYTES)
        self._file: FileIO | None = None
        self.run = 0
        """The next run that is wanted."""
        self.is_resumed = False

    def open(self) -> None:
        """Open the temporary file, hash what is here already, and drop what is no whole run."""
        _check_space(self.part, self._sealed.size)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = FileIO(os.open(self.part, flags, 0o600), "r+")
        view = memoryview(self._plain)
        while self.run < self.shape.runs:
            expected = self.shape.plain_at(self.run)[1]
            if expected == 0 or _fill(self._file, view[:expected]) != expected:
                break
            self._tally.add(view[:expected])
            self.run += 1
        self._file.seek(min(self.run * RUN_BYTES, self._sealed.size))
        self._file.truncate()
        self.is_resumed = self.run > 0

    def wanted_from(self) -> int:
        """Return the first byte of the sealed file that is not here yet."""
        return self.shape.sealed_at(self.run)[0] if self.run else 0

    def take(self, sealed: memoryview) -> None:
        """Open and write the next run.  In front of the first one stands the header."""
        assert self._file is not None
        if self.run == 0:
            check_header(bytes(sealed[: len(HEADER)]))
            sealed = sealed[len(HEADER) :]
        length = self._opener.open(self.run, sealed, self._plain)
        plain = memoryview(self._plain)[:length]
        self._tally.add(plain)
        while plain:
            plain = plain[self._file.write(plain) :]
        self.run += 1

    def finish(self) -> None:
        """Put everything on the disk, and refuse it if it is not the file that was meant."""
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        if self._tally.digest() != self._sealed.sha256:
            raise PeerError("file_hash")

    def close(self) -> None:
        """Close the temporary file; it stays."""
        if self._file is not None:
            self._file.close()


def _check_space(part: Path, size: int) -> None:
    """Refuse a download for which there is no space."""
    if not part.parent.is_dir():
        raise UsageError(f"The folder {part.parent} is not there; choose another one.")
    here = part.stat().st_size if part.exists() else 0
    if shutil.disk_usage(part.parent).free < size - here + SPARE_BYTES:
        raise UsageError(
            f"The disk has no space for this file of {people_size(size)}; make some and try again."
        )


def put(part: Path, path: str) -> str:
    """Give a complete download its name, or the next free one, and return where it lies."""
    folder, name = Path(path).parent, safe_name(Path(path).name)
    for number in range(1, SAME_NAMES_MAX + 1):
        target = folder / numbered(name, number)
        try:
            os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        part.replace(target)
        return str(target)
    raise UsageError(f"{folder} has {SAME_NAMES_MAX} files named {name}; choose another folder.")


def clear(path: str, number: int) -> None:
    """Delete what lies here of a download."""
    part_of(path, number).unlink(missing_ok=True)
