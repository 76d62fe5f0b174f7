"""Connections as TCP makes them: frames arrive in order, late, or not at all.

Nothing is lost in the middle of a connection.  When it breaks, each side's last frames may have
arrived or not, neither side knows which, and each hears of it at a time of its own.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from sim.faults import Faults
from sim.world import World

DEVICE, SERVER = 0, 1
"""The two ends."""
NEWS_MS: Final = 3_000
"""So long it may take until an end hears that its connection has broken."""
SLOW_MS: Final = 1_500
STALL_MS: Final = 15_000
"""The mean time for which nothing gets through."""
FASTEST_MS: Final = (1, 10, 100)
"""What a frame takes, where nothing is wrong: a network is drawn for each world."""


class _End:
    """What one end does with what comes."""

    def __init__(self) -> None:
        self.takes: Callable[[bytes], None] = lambda _: None
        self.hears_end: Callable[[], None] = lambda: None
        self.coming: deque[bytes] = deque()
        self.clear_at = 0
        """Nothing overtakes what was sent before."""
        self.left: int | None = None
        """How many of the frames on their way still arrive; None for all."""
        self.is_over = False


class Line:
    """One connection."""

    def __init__(self, network: "Network") -> None:
        self._network = network
        self._world = network.world
        self.ends = (_End(), _End())
        self.is_broken = False

    def send(self, to: int, frame: bytes) -> None:
        """Send a frame to one end."""
        if self.is_broken:
            return
        world, faults, end = self._world, self._network.faults, self.ends[to]
        wait = 1 + world.wait_ms(self._network.fastest_ms)
        if faults.strikes("frame is slow"):
            wait += world.wait_ms(SLOW_MS)
        if faults.strikes("line stalls"):
            until = world.now + world.wait_ms(STALL_MS)
            for one in self.ends:
                one.clear_at = max(one.clear_at, until)
        end.clear_at = max(end.clear_at, world.now + wait)
        end.coming.append(frame)
        world.at(end.clear_at, self._arrive, end)
        if faults.strikes("line breaks"):
            self.break_off()

    def _arrive(self, end: _End) -> None:
        if end.left is not None:
            if end.left == 0:
                return
            end.left -= 1
        frame = end.coming.popleft()
        if not end.is_over:
            end.takes(frame)

    def break_off(self) -> None:
        """Break in the middle: what is on its way arrives up to somewhere."""
        if self.is_broken:
            return
        self.is_broken = True
        world = self._world
        for end in self.ends:
            end.left = world.dice.randint(0, len(end.coming))
            if end.left < len(end.coming):
                self._network.faults.count("frames were lost")
            world.later(1 + world.wait_ms(NEWS_MS), self._hear, end)

    def close(self, by: int) -> None:
        """Close properly, by one end: what it has sent arrives, and then the other hears of it."""
        self.ends[by].is_over = True
        if self.is_broken:
            return
        self.is_broken = True
        other = self.ends[1 - by]
        other.clear_at = max(other.clear_at, self._world.now + 1)
        self._world.at(other.clear_at, self._hear, other)

    def abandon(self, by: int) -> None:
        """End because one end's machine has died: it takes nothing more."""
        self.ends[by].is_over = True
        self.break_off()

    def _hear(self, end: _End) -> None:
        if not end.is_over:
            end.is_over = True
            end.hears_end()


class Network:
    """What is between the devices and the server."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world, self.faults = world, faults
        self.fastest_ms = world.dice.choice(FASTEST_MS)

    def line(self) -> Line:
        """Return a new connection."""
        return Line(self)
