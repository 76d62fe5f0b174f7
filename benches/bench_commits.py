"""What a commit with a path costs: to make it, to follow it, and the first one in a cold tree.

    python -m benches.bench_commits         prints a table

Sketch: in a warm tree a path has log2(n) nodes, each a derived key pair (25 us) and one HPKE seal
(75 us), and the rest is a handful of signatures and hashes: expect 0.2 ms plus 0.08 ms for each
level to make, and hardly more than at two members to follow, for one secret is opened and half of
the members derive a single key.  A tree made only by adds has no parent keys at all: the first path
seals one secret to every member, so expect 80 us for each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from alcove.mls import CommitOptions, Group, StagedCommit
from benches.groups import Built, build, warm
from benches.report import SUITE_1, Report, Setting, run_alone, signs, suffix, verifies
from benches.timing import Baseline, Series, growth_with_log_n, growth_with_n, rounds

PATH = CommitOptions(path=True)
MAKE_TARGET_MS = {2: 0.3, 50: 0.8, 200: 1.0, 1000: 1.5}
PROCESS_TARGET_MS = {2: 0.3, 50: 0.5, 200: 0.6, 1000: 1.2}
DEFAULT_SUITE_FACTOR = 2
COLD_US_PER_MEMBER = 80


BATCH = 8
"""Commits in one sample: like the signatures beside it, each finds the processor's caches warm."""


class Member:
    """Somebody who commits or follows, and is in the next epoch after."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.waiting: Iterator[bytes] = iter(())

    def commit(self) -> bytes:
        """Commit with a path, merge, and return the message."""
        made = self.group.commit(entropy=os.urandom, options=PATH)
        self.group = made.merge()
        return made.message

    def follow_next(self) -> None:
        """Take the next of the commits that wait."""
        staged = self.group.receive(next(self.waiting))
        assert isinstance(staged, StagedCommit)
        self.group = staged.merge()


class Commits:
    """Commits by one member, followed by two others: one half way, and the nearest."""

    def __init__(self, baseline: Baseline, groups: Sequence[Group]) -> None:
        self._groups = groups
        self.making = Series(baseline)
        self.following = Series(baseline)
        self.following_beside = Series(baseline)
        self.sent_bytes = 0

    def advance(self, times: int) -> None:
        """Commit some times, each time in the epoch that the commit before began."""
        committer, half_way, beside = (Member(group) for group in self._groups)
        messages = self.making.time(committer.commit, times)
        half_way.waiting, beside.waiting = iter(messages), iter(messages)
        self.following.time(half_way.follow_next, times)
        self.following_beside.time(beside.follow_next, times)
        self._groups = [committer.group, half_way.group, beside.group]
        assert len({group.epoch_authenticator for group in self._groups}) == 1
        self.sent_bytes = len(messages[-1])

    def repeat_first(self, times: int) -> None:
        """Make the first commit some times, and leave everyone before it."""
        committer, half_way, beside = self._groups
        messages = self.making.time(lambda: Member(committer).commit(), times)
        for series, group in ((self.following, half_way), (self.following_beside, beside)):
            waiting = iter(messages)
            series.time(lambda g=group, w=waiting: _follow_once(g, w), times)  # type: ignore[misc]
        self.sent_bytes = len(messages[-1])


def _follow_once(group: Group, waiting: Iterator[bytes]) -> None:
    member = Member(group)
    member.waiting = waiting
    member.follow_next()


def measure(setting: Setting, built: Built) -> tuple[Commits, Commits]:
    """Return series of commits in this group's cold tree, and in the same tree made warm."""
    size = len(built.members)
    seats = (0, size // 2, 1)
    cold = Commits(setting.baseline, [built.founder, *map(built.join, seats[1:])])
    for _ in rounds(3 if size > 500 else setting.rounds, cold.making, cold.following):
        cold.repeat_first(max(1, 20 // size))
    warmed = Commits(setting.baseline, warm(built, seats))
    for _ in rounds(setting.rounds, warmed.making, warmed.following):
        warmed.advance(BATCH)
    return cold, warmed


def run(report: Report, setting: Setting) -> None:
    """Measure commits in warm and in cold trees."""
    for suite_id, suite in setting.suites:
        made: dict[int, float] = {}
        followed: dict[int, float] = {}
        first: dict[int, float] = {}
        for size in setting.sizes:
            end = suffix(size, suite_id)
            cold, warmed = measure(setting, build(suite, size))
            make, follow, beside = (
                series.median()
                for series in (warmed.making, warmed.following, warmed.following_beside)
            )
            most_make, most_follow = _targets(size, suite_id)
            report.duration(f"commit_make_ms{end}", "ms", make, "sign", most_make)
            report.duration(f"commit_process_ms{end}", "ms", follow, "verify", most_follow)
            report.duration(f"commit_process_neighbour_ms{end}", "ms", beside, "verify")
            report.most(f"commit_bytes{end}", warmed.sent_bytes, "B")
            make_first, follow_first = cold.making.median(), cold.following.median()
            report.duration(f"commit_cold_ms{end}", "ms", make_first, "sign", _cold(size, suite_id))
            report.duration(f"commit_cold_process_ms{end}", "ms", follow_first, "verify")
            report.most(f"commit_cold_bytes{end}", cold.sent_bytes, "B")
            # Growth is fitted through ratios: the machine's own ups and downs are not in them.
            made[size], followed[size], first[size] = make.signs, follow.signs, make_first.signs
        if len(setting.sizes) > 1:
            end = suffix(None, suite_id)
            report.exponent(f"commit_make{end}", growth_with_log_n(made), "log n")
            report.exponent(f"commit_process{end}", growth_with_log_n(followed), "log n")
            report.exponent(f"cold{end}", growth_with_n(first), "n")


def _targets(size: int, suite_id: int) -> tuple[float | None, float | None]:
    """Return what making and following a warm commit may cost, in signatures of each kind."""
    if size not in MAKE_TARGET_MS:
        return None, None
    factor = 1 if suite_id == SUITE_1 else DEFAULT_SUITE_FACTOR
    return signs(factor * MAKE_TARGET_MS[size]), verifies(factor * PROCESS_TARGET_MS[size])


def _cold(size: int, suite_id: int) -> float | None:
    """What the first path of a cold tree may cost; nothing was promised for the default suite."""
    if suite_id != SUITE_1 or size not in MAKE_TARGET_MS:
        return None
    return signs(max(MAKE_TARGET_MS[size], COLD_US_PER_MEMBER * size / 1000))


if __name__ == "__main__":
    run_alone(run)
