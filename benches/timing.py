"""Timing that can be compared: every figure beside signatures measured at the same moment.

    sign, verify ─► the act, some times ─► sign, verify        one sample
                     │
                     └─ its median, and that over the mean of the signatures around it

Machines differ, and a shared one differs from itself from one second to the next.  A ratio to one
Ed25519 signature of the same moment differs far less, so the targets are ratios.  Times are CPU
time of this process: nothing here waits, and what else runs on the machine is not counted.  What
it does to our caches is, and costs Python more than a signature; so what counts are the samples
from quiet moments, those in which a signature was as fast as it ever is.
"""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

T = TypeVar("T")

MESSAGE: Final = bytes(range(200))
"""What is signed, verified, sealed and opened: 200 bytes."""
BASELINE_ACTS: Final = 20
FITTED_FROM: Final = 50
"""Members from which on a group says something about growth with n."""


DISTURBED: Final = 1.05
"""A moment in which a signature takes this much longer than in the best one is not quiet."""
QUIET_ENOUGH: Final = 3
SEARCH_SECONDS: Final = 3.0
"""How long to go on looking for quiet moments, when as many samples as wanted have been taken."""


@dataclass(frozen=True)
class Timed:
    """The medians of a series.  Times are in seconds, for one act."""

    seconds: float
    sign: float
    verify: float
    signs: float
    """The act's time, counted in signatures made at the same moment."""
    verifies: float
    """The same, counted in signatures verified."""


class Baseline:
    """One Ed25519 key, to sign and to verify with."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
        self._public = self._key.public_key()
        self._signature = self._key.sign(MESSAGE)
        self.best = min(self._sign() for _ in range(50))
        """What a signature has cost in the best moment so far."""

    def _sign(self) -> float:
        sign = self._key.sign
        return _each(lambda: sign(MESSAGE), BASELINE_ACTS)[1]

    def sample(self) -> tuple[float, float]:
        """Return how long one signature takes to make and to verify, at this moment."""
        verify, signature = self._public.verify, self._signature
        made = self._sign()
        self.best = min(self.best, made)
        verified = _each(lambda: verify(signature, MESSAGE), BASELINE_ACTS)[1]
        return made, verified


class Series:
    """The same act again and again, in batches between two samples of the baseline."""

    def __init__(self, baseline: Baseline) -> None:
        self._baseline = baseline
        self._samples: list[tuple[float, Timed]] = []
        """Each with the slower of the two signatures around it."""

    def time(self, act: Callable[[], T], times: int = 1) -> list[T]:
        """Run `act` some times and return what it returned.  The batch counts as its median.

        The collector of cyclic garbage waits meanwhile, as in `timeit`.
        """
        before = self._baseline.sample()
        gc.disable()
        try:
            results, seconds = _each(act, times)
        finally:
            gc.enable()
        after = self._baseline.sample()
        sign, verify = ((one + two) / 2 for one, two in zip(before, after, strict=True))
        timed = Timed(seconds, sign, verify, seconds / sign, seconds / verify)
        self._samples.append((max(before[0], after[0]), timed))
        return results

    def quiet(self) -> list[Timed]:
        """Return the samples that were taken in quiet moments."""
        most = DISTURBED * self._baseline.best
        return [timed for slowest, timed in self._samples if slowest <= most]

    def median(self) -> Timed:
        """Return the median of each column: over the quiet samples, or the quietest third."""
        used = self.quiet()
        if len(used) < QUIET_ENOUGH:
            by_noise = sorted(self._samples, key=lambda sample: sample[0])
            some = max(QUIET_ENOUGH, len(by_noise) // 3)
            used = [timed for _, timed in by_noise[:some]]
        return Timed(
            statistics.median(sample.seconds for sample in used),
            statistics.median(sample.sign for sample in used),
            statistics.median(sample.verify for sample in used),
            statistics.median(sample.signs for sample in used),
            statistics.median(sample.verifies for sample in used),
        )


def rounds(wanted: int, *series: Series) -> Iterator[int]:
    """Count rounds: as many as wanted, and more for a while if they were not quiet."""
    yield from range(wanted)
    enough = time.monotonic() + SEARCH_SECONDS
    while time.monotonic() < enough and any(len(each.quiet()) < wanted for each in series):
        yield wanted


def _each(act: Callable[[], T], times: int) -> tuple[list[T], float]:
    """Run an act some times; return the results, and the median of how long each took.

    Each is timed by itself, so that one that was interrupted, and found its caches cold after, is
    one bad value among many, and not a part of every mean.
    """
    clock = time.process_time
    results, took = [], []
    for _ in range(times):
        start = clock()
        result = act()
        took.append(clock() - start)
        results.append(result)
    return results, statistics.median(took) - _clock_cost()


@lru_cache(maxsize=1)
def _clock_cost() -> float:
    """Return how long it seems to take to do nothing: on some machines a microsecond."""
    clock = time.process_time
    return statistics.median(-clock() + clock() for _ in range(10_000))


def exponent(points: Iterable[tuple[float, float]]) -> float:
    """Return the e of y ~ x^e that fits best: the slope of a line through the logarithms."""
    logs = [(math.log(x), math.log(y)) for x, y in points]
    slope, _ = statistics.linear_regression([x for x, _ in logs], [y for _, y in logs])
    return slope


def growth_with_n(figures: Mapping[int, float]) -> float:
    """Return the e of "grows as n^e", for figures by number of members.

    Small groups are left out where there are enough large ones: the part of the cost that does not
    grow at all would make the exponent look better than it is.
    """
    large = {size: value for size, value in figures.items() if size >= FITTED_FROM}
    return exponent((large if len(large) > 1 else figures).items())


def growth_with_log_n(figures: Mapping[int, float]) -> float:
    """Return the e of "grows as (log n)^e".  All sizes count: logarithms lie close enough."""
    return exponent((math.log2(size), value) for size, value in figures.items())
