"""Places of a log, what must be shown of them, and times in which a device is there."""

from typing import Final, NamedTuple

from alcove.wire.entries import HandshakeHeader, MessageHeader

NO_PLACE: Final = 2**52
"""Places of lines from here on are not of the log."""


class Place(NamedTuple):
    """One entry of a log."""

    seq: int
    header: MessageHeader | HandshakeHeader
    body: bytes | None
    was_lost: bool
    """Whether a restored server did not have it, and was given it back."""


class Shown(NamedTuple):
    """What must be shown of something that was said."""

    text: str
    is_deleted: bool
    reactions: frozenset[tuple[bytes, str]]
    is_readable: bool
    """Whether it must be shown: the device was there then, or all is open to it."""
    is_doubtful: bool
    """Whether something was done to it of which this device may know or not."""
    votes: dict[bytes, str]
    """For what was asked: who has answered what."""


def is_readable(seq: int, keys: dict[int, int], times: list[tuple[int, int]]) -> bool:
    """Return whether a message lies in a device's time, and so does the key that sealed it."""
    return any(since < seq < until and since <= keys[seq] < until for since, until in times)


def without(times: list[tuple[int, int]], gaps: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return what is left of some times (since, until), both of them outside, without others."""
    for start, end in gaps:
        times = [
            piece
            for since, until in times
            for piece in ((since, min(until, start + 1)), (max(since, end), until))
            if piece[0] + 1 < piece[1]
        ]
    return times
