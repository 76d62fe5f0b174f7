"""How inputs are damaged: blindly, and with the lengths around the damage put right again."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alcove.mls.codec import Reader, varint
from alcove.mls.errors import PeerError

INTERESTING = bytes((0, 1, 2, 3, 4, 5, 0x3F, 0x40, 0x7F, 0x80, 0xBF, 0xC0, 0xFF))


class Span(NamedTuple):
    """A vector inside an input: where its length, its content and its end are."""

    prefix: int
    start: int
    end: int


class Seed(NamedTuple):
    """A real input, and where its vectors are."""

    data: bytes
    spans: tuple[Span, ...] = ()


class _TracingReader(Reader):
    """A reader that remembers every vector it came by."""

    __slots__ = ("spans",)

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.spans: list[Span] = []

    def varint(self) -> int:
        prefix = self.at
        length = super().varint()
        self.spans.append(Span(prefix, self.at, self.at + length))
        return length

    def opaque(self) -> bytes:
        return self.take(self.varint())


def traced(data: bytes, read: Callable[[Reader], Any]) -> Seed:
    """Return an input with its vectors, found by reading it."""
    reader = _TracingReader(data)
    try:
        read(reader)
    except PeerError:
        return Seed(data)
    return Seed(data, tuple(reader.spans))


Blind = Callable[[random.Random, bytes], bytes]


def replaced(seed: Seed, start: int, end: int, new: bytes) -> bytes:
    """Return the input with a part replaced and every length around that part corrected."""
    data = seed.data[:start] + new + seed.data[end:]
    grown = len(new) - (end - start)
    around = [span for span in seed.spans if span.start <= start and end <= span.end]
    for span in sorted(around, key=lambda span: -span.start):
        length = varint(span.end - span.start + grown)
        data = data[: span.prefix] + length + data[span.start :]
        grown += len(length) - (span.start - span.prefix)
    return data


def _flip(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << dice.randrange(8),)) + data[at + 1 :]


def _set(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes((dice.choice(INTERESTING),)) + data[at + 1 :]


def _number(dice: random.Random, data: bytes) -> bytes:
    """Put a number of two, four or eight bytes somewhere."""
    width = dice.choice((2, 4, 8))
    at = dice.randrange(len(data))
    value = dice.choice((0, 1, 2, 255, 256, 0xF000, (1 << 8 * width) - 1, dice.getrandbits(16)))
    return data[:at] + (value % (1 << 8 * width)).to_bytes(width, "big") + data[at + width :]


def _cut(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randrange(len(data))]


def _drop(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + data[at + dice.randrange(1, 40) :]


def _double(dice: random.Random, data: bytes) -> bytes:
    at = dice.randrange(len(data))
    part = data[at : at + dice.randrange(1, 200)]
    return data[:at] + part * dice.randrange(2, 4) + data[at + len(part) :]


def _append(dice: random.Random, data: bytes) -> bytes:
    return data + dice.randbytes(dice.randrange(1, 9))


def _length(dice: random.Random, data: bytes) -> bytes:
    """Write a length, perhaps in a longer form than it needs, over whatever stands there."""
    at = dice.randrange(len(data))
    width, value = dice.choice((1, 2, 4)), dice.choice((0, 1, 63, 64, 300, 16383, 16384, 2**30 - 1))
    value %= 1 << (8 * width - 2)
    head = (width.bit_length() - 1) << (8 * width - 2)
    return data[:at] + (value | head).to_bytes(width, "big") + data[at + 1 :]


BLIND: tuple[Blind, ...] = (
    _flip,
    _flip,
    _set,
    _number,
    _cut,
    _drop,
    _double,
    _append,
    _length,
)


def _informed(dice: random.Random, seed: Seed, others: Sequence[Seed]) -> bytes:
    """Change the content of one vector, so that everything around it still reads."""
    span = dice.choice(seed.spans)
    content = seed.data[span.start : span.end]
    start, end = span.start, span.end
    match dice.randrange(6):
        case 0:
            new = b""
        case 1:
            new = dice.randbytes(dice.choice((1, 31, 32, 33, 65)))
        case 2:
            new = content + content
        case 3:
            other = dice.choice(others)
            if not other.spans:
                return seed.data
            taken = dice.choice(other.spans)
            new = other.data[taken.start : taken.end]
        case 4:
            start = dice.randint(span.start, span.end)
            end = min(span.end, start + dice.randrange(5))
            new = dice.randbytes(dice.randrange(5))
        case _:
            new = dice.choice(BLIND)(dice, content) if content else b"\x00"
    return replaced(seed, start, end, new)


def mutated(dice: random.Random, seeds: Sequence[Seed]) -> bytes:
    """Return one of the seeds, damaged once or a few times; rarely something with no meaning."""
    kind = dice.randrange(100)
    if kind == 0:
        return dice.randbytes(dice.randrange(300))
    seed = dice.choice(seeds)
    if kind < 55 and seed.spans:
        return _informed(dice, seed, seeds)
    data = seed.data
    if kind < 60:
        other = dice.choice(seeds).data
        return data[: dice.randint(0, len(data))] + other[dice.randint(0, len(other)) :]
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        if data:
            data = dice.choice(BLIND)(dice, data)
    return data
