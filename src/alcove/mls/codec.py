"""The presentation language of RFC 9420 section 2.1: integers, vectors, optional values.

Writing is concatenation: `u16(1) + opaque(b"…")`.  Reading goes through one `Reader` that never
looks past its end, takes only the shortest length prefixes, and so accepts exactly one encoding of
every value.  That is what lets the rest of the package keep a structure as the bytes it came in:
encoding it again could not give anything else.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TypeVar

from alcove.mls.errors import DecodeError, UsageError

T = TypeVar("T")

MAX_MESSAGE_BYTES = 8 * 1024 * 1024
"""The default limit on anything from outside, checked before the first byte is parsed."""

MAX_ITEMS = 5 * 1024
"""How many items all vectors of one message may hold together: tiny ones would be slow to read."""

_MAX_VECTOR_BYTES = 1 << 30
_SHORT = tuple(bytes((length,)) for length in range(1 << 6))
_WIDTHS = {"H": 2, "I": 4}
_REMEMBERED = 64
"""The longest list of numbers, in bytes, that is remembered: strangers may not fill our memory."""
_MINIMUM_FOR_PREFIX = (0, 1 << 6, 1 << 14)


def u8(value: int) -> bytes:
    """Return `value` in one byte."""
    return value.to_bytes(1, "big")


def u16(value: int) -> bytes:
    """Return `value` in two bytes, big end first."""
    return value.to_bytes(2, "big")


def u32(value: int) -> bytes:
    """Return `value` in four bytes, big end first."""
    return value.to_bytes(4, "big")


def u64(value: int) -> bytes:
    """Return `value` in eight bytes, big end first."""
    return value.to_bytes(8, "big")


def varint(length: int) -> bytes:
    """Return the length prefix of a vector, in its shortest form."""
    if length < 1 << 6:
        return _SHORT[length]
    if length < 1 << 14:
        return (length | 0x4000).to_bytes(2, "big")
    if length < _MAX_VECTOR_BYTES:
        return (length | 0x8000_0000).to_bytes(4, "big")
    raise UsageError(f"a vector of {length} bytes is longer than MLS can carry")


def opaque(data: bytes) -> bytes:
    """Return `data` behind its length: `opaque data<V>`."""
    length = len(data)
    return (_SHORT[length] if length < 1 << 6 else varint(length)) + data


def vector(items: Iterable[bytes]) -> bytes:
    """Return encoded items, one after the other, behind their common length."""
    return opaque(b"".join(items))


def optional(item: bytes | None) -> bytes:
    """Return an encoded `optional<T>`."""
    return b"\x00" if item is None else b"\x01" + item


class Reader:
    """Reads one structure from bytes.  Every method raises `DecodeError` rather than guess."""

    __slots__ = ("at", "data", "end", "items_left")

    def __init__(self, data: bytes, items: int = MAX_ITEMS) -> None:
        self.data = data
        self.at = 0
        self.end = len(data)
        self.items_left = items

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        start = self.at
        stop = start + count
        if stop > self.end:
            raise DecodeError("codec-truncated")
        self.at = stop
        return self.data[start:stop]

    def u8(self) -> int:
        """Return the next byte."""
        at = self.at
        if at >= self.end:
            raise DecodeError("codec-truncated")
        self.at = at + 1
        return self.data[at]

    def u16(self) -> int:
        """Return the next two bytes as a number."""
        return int.from_bytes(self.take(2), "big")

    def u32(self) -> int:
        """Return the next four bytes as a number."""
        return int.from_bytes(self.take(4), "big")

    def u64(self) -> int:
        """Return the next eight bytes as a number."""
        return int.from_bytes(self.take(8), "big")

    def varint(self) -> int:
        """Return a vector's length.  Section 2.1.2: the minimum number of bits MUST be used."""
        first = self.u8()
        prefix = first >> 6
        if prefix == 0:
            return first
        if prefix == 3:
            raise DecodeError("codec-varint-reserved")
        extra = (1 << prefix) - 1
        value = (first & 0x3F) << (8 * extra) | int.from_bytes(self.take(extra), "big")
        if value < _MINIMUM_FOR_PREFIX[prefix]:
            raise DecodeError("codec-varint-minimal")
        return value

    def opaque(self) -> bytes:
        """Return the content of an `opaque<V>`."""
        start = self.at + 1
        if start <= self.end:
            length = self.data[start - 1]
            if length < 1 << 6:  # Most are short, and this runs for every field.
                stop = start + length
                if stop > self.end:
                    raise DecodeError("codec-truncated")
                self.at = stop
                return self.data[start:stop]
        return self.take(self.varint())

    def optional(self, read: Callable[[Reader], T]) -> T | None:
        """Return what `read` makes of an `optional<T>`, or None when it is absent."""
        present = self.u8()
        if present > 1:
            raise DecodeError("codec-optional")
        return read(self) if present else None

    def vector(self, read: Callable[[Reader], T]) -> tuple[T, ...]:
        """Return every item of a vector, and take them from what the reader may read in all."""
        length = self.varint()
        start = self.at
        stop = start + length
        if stop > self.end:
            raise DecodeError("codec-truncated")
        outer, self.end = self.end, stop
        items: list[T] = []
        while self.at < stop:
            if self.items_left == 0:
                raise DecodeError("codec-too-many")
            self.items_left -= 1
            items.append(read(self))
        self.end = outer
        return tuple(items)

    def numbers(self, width: str, most: int = MAX_ITEMS) -> tuple[int, ...]:
        """Return a vector of integers, `width` being "H" for two bytes each or "I" for four."""
        data = self.opaque()
        if len(data) > most * _WIDTHS[width]:
            raise DecodeError("codec-too-many")
        return _numbers(data, width) if len(data) <= _REMEMBERED else _unpacked(data, width)

    def since(self, start: int) -> bytes:
        """Return the bytes read since position `start`."""
        return self.data[start : self.at]

    def finish(self) -> None:
        """Insist that nothing is left."""
        if self.at != self.end:
            raise DecodeError("codec-trailing")


def _unpacked(data: bytes, width: str) -> tuple[int, ...]:
    """Read integers."""
    count, rest = divmod(len(data), _WIDTHS[width])
    if rest:
        raise DecodeError("codec-truncated")
    return struct.unpack(f">{count}{width}", data)


_numbers = lru_cache(maxsize=4096)(_unpacked)
"""The same, remembered: devices with one program list the same capabilities."""


def decode(
    data: bytes,
    read: Callable[[Reader], T],
    limit: int = MAX_MESSAGE_BYTES,
    items: int = MAX_ITEMS,
) -> T:
    """Read one whole structure from bytes of at most `limit`, with `items` in all its vectors."""
    if len(data) > limit:
        raise DecodeError("codec-too-large")
    reader = Reader(data, items)
    value = read(reader)
    reader.finish()
    return value


def decode_own(data: bytes, read: Callable[[Reader], T]) -> T:
    """Read one whole structure from bytes of our own making, however large."""
    return decode(data, read, limit=len(data), items=len(data))
