"""A tar file of plain members, written and read from front to back in little memory.

Any `tar` can look into it.  What is read is only what is written here: plain files with short
names, one header each.  Links, folders, long names and whatever else tar can do are refused.
"""

import hashlib
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

BLOCK_BYTES: Final = 512
PIECE_BYTES: Final = 1024 * 1024
"""How much of a member is in memory at one time."""
NAME_BYTES_MAX: Final = 99
"""The name of a part of a backup."""
END: Final = bytes(2 * BLOCK_BYTES)


class BundleError(Exception):
    """It is not what we write.  The text ends a sentence that begins with the file's name."""


class BundleWriter:
    """Adds members to a file that is open for writing."""

    def __init__(self, file: BinaryIO, made_at: int) -> None:
        self._file = file
        self._seconds = made_at // 1000

    def add(self, name: str, data: bytes) -> None:
        """Add a member that is in memory."""
        self._begin(name, len(data))
        self._file.write(data)
        self._pad(len(data))

    def add_file(self, name: str, source: BinaryIO, size: int) -> bytes:
        """Add so many bytes of another file, and return their SHA-256."""
        self._begin(name, size)
        hashed = hashlib.sha256()
        left = size
        while left:
            piece = source.read(min(left, PIECE_BYTES))
            if not piece:
                raise BundleError("could not be written: a file became shorter meanwhile")
            hashed.update(piece)
            self._file.write(piece)
            left -= len(piece)
        self._pad(size)
        return hashed.digest()

    def end(self) -> None:
        """Write what stands at the end of every tar file."""
        self._file.write(END)

    def _begin(self, name: str, size: int) -> None:
        assert len(name) <= NAME_BYTES_MAX, name
        header = tarfile.TarInfo(name)
        header.size, header.mode, header.mtime = size, 0o600, self._seconds
        self._file.write(header.tobuf(tarfile.GNU_FORMAT, "ascii", "strict"))

    def _pad(self, size: int) -> None:
        self._file.write(bytes(-size % BLOCK_BYTES))


@dataclass
class Member:
    """One file in the bundle, to be read before the next one is asked for."""

    name: str
    size: int
    _file: BinaryIO
    _left: int

    def pieces(self) -> Iterator[bytes]:
        """Yield what was not read yet, piece by piece."""
        while self._left:
            piece = self._file.read(min(self._left, PIECE_BYTES))
            if not piece:
                raise BundleError("ends too early")
            self._left -= len(piece)
            yield piece

    def read(self, most: int) -> bytes:
        """Return the whole member, which may have at most so many bytes."""
        if self.size > most:
            raise BundleError("has a part that is larger than parts are")
        return b"".join(self.pieces())


def members(file: BinaryIO) -> Iterator[Member]:
    """Yield every member, one after another."""
    while True:
        block = file.read(BLOCK_BYTES)
        if block == END[:BLOCK_BYTES]:
            break
        try:
            header = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise BundleError("is damaged, or was not made by Alcove") from error
        if header.type != tarfile.REGTYPE or header.size < 0:
            raise BundleError("holds something that is not a plain file")
        if header.tobuf(tarfile.GNU_FORMAT, "ascii", "strict") != block:
            raise BundleError("is damaged, or was not made by Alcove")
        member = Member(header.name, header.size, file, header.size)
        yield member
        for _ in member.pieces():
            pass
        padding = -header.size % BLOCK_BYTES
        if file.read(padding) != bytes(padding):
            raise BundleError("is damaged between its parts")
    if file.read(BLOCK_BYTES + 1) != END[BLOCK_BYTES:]:
        raise BundleError("is damaged at its end")
