"""What waits for those who read slowly: for each of them a little, for all together not too much.

    nothing waits    the usual case: nothing is counted
    more than half   whoever has more than a fair share waiting gets nudges in place of pushes
    more than all    the slowest are cut off, until there is space again

What each may have waiting is `Door.outgoing_max`: sessions look at it, and this sets it.
"""

from typing import Protocol

from alcove.server.door import Door
from alcove.server.session import Session


class Transport(Protocol):
    """What a connection's bytes wait in."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes wait."""
        ...

    def abort(self) -> None:
        """Throw away what waits, and close."""
        ...


class Backlog:
    """The connections for which something waits, and how much that is together."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._sizes: dict[Session, int] = {}
        self._transports: dict[Session, Transport] = {}
        self.waiting_bytes = 0
        """What waits for all of them together."""
        self.cut_off = 0
        """How many connections were cut off since the start."""

    def look(self, session: Session, transport: Transport) -> None:
        """Count what waits on a connection now."""
        size = session.backlog_bytes = transport.get_write_buffer_size()
        self._forget(session)
        if size:
            self._sizes[session] = size
            self._transports[session] = transport
            self.waiting_bytes += size
        self._weigh()

    def drop(self, session: Session) -> None:
        """Count a connection that has ended no longer."""
        if session in self._sizes:
            self._forget(session)
            self._weigh()

    def _forget(self, session: Session) -> None:
        self.waiting_bytes -= self._sizes.pop(session, 0)
        self._transports.pop(session, None)

    def _weigh(self) -> None:
        """Say what each may have waiting from now on."""
        settings = self._door.settings
        most, share = settings.outgoing_total_bytes_max, settings.outgoing_bytes_max
        if self.waiting_bytes > most:
            self._cut_off(most - most // 4)
        if self.waiting_bytes > most // 2:
            share = min(share, most // 2 // len(self._sizes))
        self._door.outgoing_max = share

    def _cut_off(self, most: int) -> None:
        """Cut the slowest off until no more than this waits.

        It goes well below the limit, so that this, which looks at all of them, is seldom done.
        """
        for session, transport in self._transports.items():
            self._sizes[session] = transport.get_write_buffer_size()
        self.waiting_bytes = sum(self._sizes.values())
        for session in sorted(self._sizes, key=lambda one: self._sizes[one], reverse=True):
            if self.waiting_bytes <= most:
                break
            self._transports[session].abort()
            self._forget(session)
            self.cut_off += 1
