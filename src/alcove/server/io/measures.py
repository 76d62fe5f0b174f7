"""What is measured of the process itself: its commits, its memory and its processor time."""

import os
import time
from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Final

BOUNDS_S: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Up to how long each group of commits took."""
_MEMORY: Final = Path("/proc/self/statm")


class Commits:
    """How long batches took to be on the disk, and how much was in them.

    One thread adds, others read: what they see may be one batch behind.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.jobs = 0
        """How many requests and chores they held, all together."""
        self.largest = 0
        """How many the largest held."""
        self._counts = [0] * (len(BOUNDS_S) + 1)

    @property
    def count(self) -> int:
        """How many batches there were."""
        return sum(self._counts)

    def add(self, seconds: float, jobs: int) -> None:
        """Count one batch."""
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds += seconds
        self.jobs += jobs
        self.largest = max(self.largest, jobs)

    def groups(self) -> Iterator[tuple[str, int]]:
        """Return how many took so long or less, as Prometheus has it."""
        bounds = (*(str(bound) for bound in BOUNDS_S), "+Inf")
        return zip(bounds, accumulate(self._counts), strict=True)


def cpu_seconds() -> float:
    """Return how long processors have worked for this process."""
    return time.process_time()


def memory_bytes(file: Path = _MEMORY) -> int:
    """Return how much memory this process takes; 0 where the system does not tell it this way."""
    try:
        pages = int(file.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
