"""What has come of frames that are not whole yet: for all connections together not too much.

Whoever may send a large frame may also never finish it.  Small parts are not counted: there is at
most one for each connection.
"""

from typing import Final, Protocol

from alcove.server.door import Door

FREE_BYTES_MAX: Final = 64 * 1024
"""So much of a frame that is not whole yet is not counted."""


class Line(Protocol):
    """A connection that may be ended."""

    def cut(self) -> None:
        """End it, and throw away what has come."""
        ...


class Incoming:
    """The connections of which a large part of a frame is held."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._sizes: dict[Line, int] = {}
        self.held_bytes = 0
        """What is held of all of them together."""
        self.cut_off = 0
        """How many connections were cut off since the start."""

    def hold(self, line: Line, size: int) -> None:
        """Count that so much of a frame has come; the largest are cut off when it is too much."""
        self.release(line)
        self._sizes[line] = size
        self.held_bytes += size
        most = self._door.settings.incoming_total_bytes_max
        if self.held_bytes <= most:
            return
        for one in sorted(self._sizes, key=lambda one: self._sizes[one], reverse=True):
            if self.held_bytes <= most - most // 4:  # It is seldom that all are looked at.
                break
            self.release(one)
            one.cut()
            self.cut_off += 1

    def release(self, line: Line) -> None:
        """Count a frame no longer: it is whole, or will never be."""
        self.held_bytes -= self._sizes.pop(line, 0)
