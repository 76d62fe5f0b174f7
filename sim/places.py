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


def stays(log: list[Place], device: bytes, account: bytes, history: str) -> list[tuple[int, int]]:
    """Return from where to where a log is meant for a device, where so much of it is kept."""
    if history == "open":
        return [(0, NO_PLACE)]
    there: dict[bytes, int] = {}
    times: list[tuple[int, int]] = []
    since = 0
    for place in log:
        if isinstance(place.header, MessageHeader):
            has_left = place.header.notice == "leave" and history == "none"
            if has_left and there.pop(place.header.sender, 0):  # It is sent nothing more.
                times.append((since, place.seq))
            continue
        was_there = bool(there)
        routing = place.header.routing
        for one in (*routing.removes, *routing.adds):
            if one.account == account and (history == "closed" or one.device == device):
                there.pop(one.device, None)
                if one in routing.adds:
                    there[one.device] = place.seq
        came_anew = history == "none" and place.seq in there.values()
        if was_there and (came_anew or not there):
            times.append((since, place.seq))
        if there and (came_anew or not was_there):
            since = place.seq
    return [*times, (since, NO_PLACE)] if there else times
