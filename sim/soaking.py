"""Ten thousand worlds, gathered over many calls: it goes on where it stopped.

    go(progress, wanted, ...)   live through worlds until so many in a row were well

What counts is worlds of one and the same product: when a line of client, server or MLS changes, the
count begins again.  The seeds go on, so that no world is lived through twice for nothing; a seed
that failed is tried first of all, again and again, until it is well.
"""

import hashlib
import multiprocessing
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from sim.faults import LEFT_OUT
from sim.swarm import Result, added, live

PRODUCT: Final = Path(__file__).parent.parent / "src" / "alcove"
PACKAGES: Final = ("client", "mls", "server")
"""Where a change makes another product."""
NOT_RUN: Final = "io"
"""Folders of this name no world runs through."""
WORKERS: Final = 2
LOT: Final = 8
"""So many worlds for each process, then the count is written down."""
ALL_STRUCK_FROM: Final = 200
"""In so many worlds each fault must have struck."""


@dataclass
class Progress:
    """How far it has come."""

    digest: str = ""
    """Of the product that these worlds were lived through with."""
    worlds: int = 0
    """How many were well, of this product."""
    next: int = 0
    """The first seed that was never tried."""
    failed: list[int] = field(default_factory=list)
    """Seeds that were not well."""
    counts: dict[str, int] = field(default_factory=dict)
    """How often each fault struck, of this product."""
    seconds: float = 0
    """How long it took, of this product."""
    slowest: float = 0
    """The most CPU seconds that one world took."""

    @property
    def a_minute(self) -> float:
        """How many worlds were lived through in a minute, all processes together."""
        return self.worlds / self.seconds * 60 if self.seconds else 0

    def told(self) -> str:
        """Return how far it has come, in a line."""
        return (
            f"{self.worlds:,} worlds in a row, {self.a_minute:.0f} a minute,"
            f" {self.slowest:.1f} s of CPU at most"
        )

    @property
    def never(self) -> list[str]:
        """Which faults have never struck, once they should have."""
        if self.worlds < ALL_STRUCK_FROM:
            return []
        return [name for name, count in self.counts.items() if not count and name not in LEFT_OUT]


def digest() -> str:
    """Return what names the product as it is."""
    found = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((PRODUCT / package).rglob("*")):
            inside = file.relative_to(PRODUCT)
            if file.suffix in {".py", ".sql"} and NOT_RUN not in inside.parts:
                found.update(hashlib.sha256(inside.as_posix().encode()).digest())
                found.update(hashlib.sha256(file.read_bytes()).digest())
    return found.hexdigest()


def go(
    progress: Progress,
    wanted: int,
    *,
    in_time: Callable[[], bool],
    save: Callable[[], None],
    named: str | None = None,
    without: Sequence[str] = tuple(LEFT_OUT),
) -> Iterator[Result]:
    """Live through worlds until so many were well; yield those that were not, and stop at them.

    `named` is the digest of the product, worked out here if it is not given.
    """
    named = named or digest()
    if progress.digest != named:
        progress.digest, progress.worlds = named, 0
        progress.counts, progress.seconds, progress.slowest = {}, 0, 0
        save()
    # Each process imports the product by itself: it is the one on the disk, as the digest is.
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        while progress.worlds < wanted and in_time():
            began = time.monotonic()
            failed = []
            for result in pool.imap(partial(_live, without=without), _lot(progress, wanted)):
                _count(progress, result)
                if result.failure:
                    failed.append(result)
            progress.seconds += time.monotonic() - began
            save()
            yield from failed
            if failed:
                return


def _lot(progress: Progress, wanted: int) -> list[int]:
    """Return the seeds that are tried next."""
    size = min(WORKERS * LOT, wanted - progress.worlds)
    seeds = progress.failed[:size]
    return seeds + list(range(progress.next, progress.next + size - len(seeds)))


def _live(seed: int, without: Sequence[str]) -> Result:
    result = live(seed, without=without)
    return result if result.failure else result._replace(story="")


def _count(progress: Progress, result: Result) -> None:
    progress.next = max(progress.next, result.seed + 1)
    progress.slowest = max(progress.slowest, result.seconds)
    progress.counts = added(progress.counts, result.counts)
    if result.seed in progress.failed:
        progress.failed.remove(result.seed)
    if result.failure:
        progress.failed.append(result.seed)
    else:
        progress.worlds += 1
