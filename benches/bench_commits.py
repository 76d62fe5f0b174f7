"""What a commit with a path costs: to make it, to follow it, and the first one in a cold tree.

    python -m benches.bench_commits         prints a table

Sketch: in a warm tree a path has log2(n) nodes, each a derived key pair (25 us) and one HPKE seal
(75 us), and the rest is a handful of signatures and hashes: expect 0.2 ms plus 0.08 ms for each
level to make, and hardly more than at two members to follow, for one secret is opened and half of
the members derive a single key.  A tree made only by adds has no parent keys at all: the first path
seals one secret to every member, so expect 80 us for each.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field

from alcove.mls import CommitOptions, Group, StagedCommit
from benches.groups import build, warm
from benches.report import SUITE_1, Report, Setting, run_alone, signs, suffix, verifies
from benches.timing import Baseline, Series, Timed, growth

PATH = CommitOptions(path=True)
MAKE_TARGET_MS = {2: 0.3, 50: 0.8, 200: 1.0, 1000: 1.5}
PROCESS_TARGET_MS = {2: 0.3, 50: 0.5, 200: 0.6, 1000: 1.2}
DEFAULT_SUITE_FACTOR = 2
COLD_US_PER_MEMBER = 80


@dataclass
class Commits:
    """Commits by one member, followed by two others: one half way, and the nearest."""

    baseline: Baseline
    committer: Group
    half_way: Group
    neighbour: Group
    making: Series = field(init=False)
    processing: Series = field(init=False)
    beside: Series = field(init=False)
    sent_bytes: int = 0

    def __post_init__(self) -> None:
        self.making = Series(self.baseline)
        self.processing = Series(self.baseline)
        self.beside = Series(self.baseline)

    def again(self, *, keep: bool) -> None:
        """Commit once more.  Unless `keep`, everyone stays before the commit, which is dropped."""
        made = self.making.time(lambda: self.committer.commit(entropy=os.urandom, options=PATH))
        followed = self.processing.time(lambda: _follow(self.half_way, made.message))
        beside = self.beside.time(lambda: _follow(self.neighbour, made.message))
        after = made.merge()
        assert after.epoch_authenticator == followed.epoch_authenticator
        assert after.epoch_authenticator == beside.epoch_authenticator
        self.sent_bytes = len(made.message)
        if keep:
            self.committer, self.half_way, self.neighbour = after, followed, beside


def _follow(group: Group, message: bytes) -> Group:
    staged = group.receive(message)
    assert isinstance(staged, StagedCommit)
    return staged.merge()


def run(report: Report, setting: Setting) -> None:
    """Measure commits in warm and in cold trees."""
    for suite_id, suite in setting.suites:
        factor = 1 if suite_id == SUITE_1 else DEFAULT_SUITE_FACTOR
        made: dict[int, float] = {}
        processed: dict[int, float] = {}
        cold_made: dict[int, float] = {}
        for size in setting.sizes:
            built = build(suite, size)
            end = suffix(size, suite_id)
            cold = Commits(setting.baseline, built.founder, built.join(size // 2), built.join(1))
            for _ in range(3 if size > 100 else setting.rounds):
                cold.again(keep=False)
            warmed = Commits(setting.baseline, *warm(built, (0, size // 2, 1)))
            for _ in range(3 * setting.rounds):
                warmed.again(keep=True)
            make, process = warmed.making.median(), warmed.processing.median()
            target = MAKE_TARGET_MS.get(size)
            most = None if target is None else signs(target * factor)
            report.duration(f"commit_make_ms{end}", "ms", make, "sign", most)
            target = PROCESS_TARGET_MS.get(size)
            most = None if target is None else verifies(target * factor)
            report.duration(f"commit_process_ms{end}", "ms", process, "verify", most)
            beside = warmed.beside.median()
            report.duration(f"commit_process_neighbour_ms{end}", "ms", beside, "verify")
            report.most(f"commit_bytes{end}", warmed.sent_bytes, "B")
            first = cold.making.median()
            report.duration(f"commit_cold_ms{end}", "ms", first, "sign", _cold(size, suite_id))
            first_followed = cold.processing.median()
            report.duration(f"commit_cold_process_ms{end}", "ms", first_followed, "verify")
            report.most(f"commit_cold_bytes{end}", cold.sent_bytes, "B")
            made[size], processed[size], cold_made[size] = _signs(make, process, first)
        if len(setting.sizes) > 1:
            end = suffix(None, suite_id)
            report.most(f"exponent_commit_make{end}", growth(made, math.log2), "of log n", 1)
            report.most(
                f"exponent_commit_process{end}", growth(processed, math.log2), "of log n", 1
            )
            report.most(f"exponent_cold{end}", growth(cold_made), "of n", 1)


def _signs(*figures: Timed) -> tuple[float, ...]:
    """Fit growth through ratios: the machine's own ups and downs are not in them."""
    return tuple(figure.signs for figure in figures)


def _cold(size: int, suite_id: int) -> float | None:
    """What the first path of a cold tree may cost; nothing was promised for the default suite."""
    if suite_id != SUITE_1 or size not in MAKE_TARGET_MS:
        return None
    return signs(max(MAKE_TARGET_MS[size], COLD_US_PER_MEMBER * size / 1000))


if __name__ == "__main__":
    run_alone(run)
