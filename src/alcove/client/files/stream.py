"""How a file is sealed: ChaCha20-Poly1305 over chunks of 64 KiB, in the STREAM form.

plain   │ chunk 0 │ chunk 1 │ …  │ the file's end, zeros │      padded to Padmé's next size
sealed  │ header │ chunk 0 + tag │ chunk 1 + tag │ … │ last chunk + tag │

A chunk's nonce is its number and whether it is the last one; the header and the file's true size
are bound to each.  So chunks that are changed, left out, swapped, repeated or added do not open.
The sealed bytes follow from key and content alone: who goes on after a broken line seals the same
bytes again.  One key may never seal two contents, so nothing leaves before `Tally` has seen that
the file is still what it was when its key was made.

Whoever reads and writes files does it in *runs* of 16 chunks: docs/protocol/files.md has the bytes.
"""

import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from alcove.client.errors import PeerError
from alcove.wire.content import padded_size

Buffer = bytes | bytearray | memoryview

KEY_BYTES = 32
HASH_BYTES = 32
TAG_BYTES = 16
CHUNK_BYTES = 64 * 1024
SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
RUN_CHUNKS = 16
"""Chunks that are read, sealed and written together."""
RUN_BYTES = RUN_CHUNKS * CHUNK_BYTES
SEALED_RUN_BYTES = RUN_CHUNKS * SEALED_CHUNK_BYTES

HEADER = b"alcove file 1\x00\x00\x10"
"""What a sealed file begins with: its form, and 16, as 2 to the 16th is the size of a chunk."""

FILE_BYTES_MAX = 2**40
"""The largest file that can be sealed.  What a server takes is far less."""

_COUNTER_BYTES = 11
_GOES_ON, _ENDS = b"\x00", b"\x01"


class Shape(NamedTuple):
    """What follows from a file's size alone."""

    size: int
    """Of the plain file."""
    padded: int
    chunks: int
    """How many there are, the last one included."""
    sealed: int
    """How many bytes the server keeps."""

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return -(-self.chunks // RUN_CHUNKS)

    def plain_at(self, run: int) -> tuple[int, int]:
        """Return where a run's part of the plain file begins, and its length, which may be 0."""
        begin = min(run * RUN_BYTES, self.size)
        return begin, min(RUN_BYTES, self.size - begin)

    def sealed_at(self, run: int) -> tuple[int, int]:
        """Return where a run begins in the sealed file, and its length."""
        begin = len(HEADER) + run * SEALED_RUN_BYTES
        return begin, min(SEALED_RUN_BYTES, self.sealed - begin)

    def run_of(self, offset: int) -> int:
        """Return the run in which a byte of the sealed file lies; the header counts as run 0."""
        return min(max(offset - len(HEADER), 0) // SEALED_RUN_BYTES, self.runs - 1)


def shape(size: int) -> Shape:
    """Return what follows from a file's size."""
    whole = padded_size(size)
    chunks = -(-whole // CHUNK_BYTES)
    return Shape(size, whole, chunks, len(HEADER) + whole + chunks * TAG_BYTES)


def largest(sealed_max: int) -> int:
    """Return the size of the largest file that a server takes which keeps so many bytes of one."""
    low, high = 0, max(sealed_max, 0)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if shape(middle).sealed <= sealed_max else (low, middle - 1)
    return low


def nonce(number: int, *, is_last: bool) -> bytes:
    """Return the nonce of a chunk: eleven bytes of its number, and whether it is the last."""
    return number.to_bytes(_COUNTER_BYTES, "big") + (_ENDS if is_last else _GOES_ON)


def associated(size: int) -> bytes:
    """Return what is bound to every chunk: the header, and the size of the plain file."""
    return HEADER + size.to_bytes(8, "big")


class _Cipher:
    """One file's key, and where its chunks lie."""

    def __init__(self, key: bytes, size: int) -> None:
        assert len(key) == KEY_BYTES
        assert 0 <= size <= FILE_BYTES_MAX
        self.shape = shape(size)
        self._aead = ChaCha20Poly1305(key)
        self._associated = associated(size)

    def _chunks(self, run: int) -> range:
        first = run * RUN_CHUNKS
        return range(first, min(first + RUN_CHUNKS, self.shape.chunks))

    def _nonce(self, number: int) -> bytes:
        return nonce(number, is_last=number == self.shape.chunks - 1)

    def _padded_size(self, number: int) -> int:
        return min(CHUNK_BYTES, self.shape.padded - number * CHUNK_BYTES)


class Sealer(_Cipher):
    """Seals one file, run by run, beginning with any."""

    def seal(self, run: int, plain: Buffer, out: bytearray) -> int:
        """Seal a run into the front of `out` and return its length.

        `plain` is all of the file that lies in the run; zeros are added where the file has ended.
        """
        assert len(plain) == self.shape.plain_at(run)[1]
        given, room = memoryview(plain), memoryview(out)
        at = 0
        for place, number in enumerate(self._chunks(run)):
            size = self._padded_size(number)
            chunk = given[place * CHUNK_BYTES : (place + 1) * CHUNK_BYTES]
            whole = chunk if len(chunk) == size else bytes(chunk) + bytes(size - len(chunk))
            end = at + size + TAG_BYTES
            self._aead.encrypt_into(self._nonce(number), whole, self._associated, room[at:end])
            at = end
        return at


class Opener(_Cipher):
    """Opens one file, run by run, beginning with any; what it returns was sealed for there."""

    def open(self, run: int, sealed: Buffer, out: bytearray) -> int:
        """Open a run into the front of `out` and return how much of it belongs to the file.

        `out` has room for a whole run.  Refused: `file_short`, `file_long`, `file_chunk` (a chunk
        was changed, or belongs elsewhere) and `file_padding` (behind the file there is something).
        """
        given, room = memoryview(sealed), memoryview(out)
        expected = self.shape.sealed_at(run)[1]
        if len(given) != expected:
            raise PeerError("file_short" if len(given) < expected else "file_long")
        at = 0
        for place, number in enumerate(self._chunks(run)):
            size = self._padded_size(number)
            chunk = given[place * SEALED_CHUNK_BYTES : (place + 1) * SEALED_CHUNK_BYTES]
            try:
                self._aead.decrypt_into(
                    self._nonce(number), chunk, self._associated, room[at : at + size]
                )
            except InvalidTag:
                raise PeerError("file_chunk") from None
            at += size
        length = self.shape.plain_at(run)[1]
        if bytes(room[length:at]).strip(b"\x00"):
            raise PeerError("file_padding")
        return length


def check_header(header: bytes) -> None:
    """Refuse a sealed file that does not begin as one."""
    if header != HEADER:
        raise PeerError("file_header")


class Tally:
    """Hashes a file run by run; compared with a first look, it tells where the file has changed."""

    def __init__(self, first_look: "Tally | None" = None) -> None:
        self.marks = bytearray()
        """The hash of everything up to the end of each run."""
        self._known = None if first_look is None else first_look.marks
        self._hash = hashlib.sha256()

    def add(self, plain: Buffer) -> bool:
        """Add the next run, and tell whether everything so far is as it was at the first look."""
        self._hash.update(plain)
        begin = len(self.marks)
        self.marks += self._hash.digest()
        return self._known is None or self.marks[begin:] == self._known[begin : len(self.marks)]

    def digest(self) -> bytes:
        """Return SHA-256 of what was added."""
        return self._hash.digest()


# ---- Small files, such as a room's picture, in one piece ----


def seal_whole(key: bytes, plain: bytes) -> bytes:
    """Seal a file that fits into the memory."""
    sealer = Sealer(key, len(plain))
    out = bytearray(SEALED_RUN_BYTES)
    parts = [HEADER]
    for run in range(sealer.shape.runs):
        begin, length = sealer.shape.plain_at(run)
        parts.append(bytes(out[: sealer.seal(run, plain[begin : begin + length], out)]))
    return b"".join(parts)


def open_whole(key: bytes, size: int, hashed: bytes, sealed: bytes) -> bytes:
    """Open a file that fits into the memory, and compare its hash."""
    opener = Opener(key, size)
    check_header(sealed[: len(HEADER)])
    if len(sealed) > opener.shape.sealed:
        raise PeerError("file_long")
    out = bytearray(RUN_BYTES)
    parts = []
    for run in range(opener.shape.runs):
        begin, length = opener.shape.sealed_at(run)
        parts.append(bytes(out[: opener.open(run, sealed[begin : begin + length], out)]))
    plain = b"".join(parts)
    if hashlib.sha256(plain).digest() != hashed:
        raise PeerError("file_hash")
    return plain
