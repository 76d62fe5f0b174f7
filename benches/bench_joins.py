"""What it costs to add everyone at once, and to join.

    python -m benches.bench_joins           prints a table

Sketch: who joins verifies the signature of every leaf, so a join is n verifications and a tenth
more for reading and hashing the tree.  Who adds verifies two signatures for each newcomer and seals
one secret to it: four to five verifications.  Both grow with n and nothing else.
"""

from __future__ import annotations

import os

from alcove.mls import Add, Suite, join_group
from benches.groups import POLICY, build, forget_public_keys, found, new_member, warm
from benches.report import SUITE_1, Report, Setting, run_alone, signs, suffix, verifies
from benches.timing import Series, Timed, growth_with_n, rounds

CREATE_TARGET_MS = {2: 0.4, 50: 11.0, 200: 45.0, 1000: 306.0}
JOIN_TARGET_MS = {2: 0.3, 50: 4.0, 200: 15.0, 1000: 70.0}
DEFAULT_CREATE_FACTOR = 5
DEFAULT_VERIFIES_PER_MEMBER = 1.3


def run(report: Report, setting: Setting) -> None:
    """Measure the commit that adds everyone, and the joins that follow."""
    for suite_id, suite in setting.suites:
        joined: dict[int, float] = {}
        for size in setting.sizes:
            create, join = measure(setting, suite, size)
            end = suffix(size, suite_id)
            most = _create_target(size, suite_id)
            report.duration(f"create_ms{end}", "ms", create, "sign", most)
            report.duration(f"join_ms{end}", "ms", join, "verify", _join_target(size, suite_id))
            into_warm = measure_warm(setting, suite, size)
            report.duration(f"join_warm_ms{end}", "ms", into_warm, "verify")
            joined[size] = join.verifies
        if len(setting.sizes) > 1:
            end = suffix(None, suite_id)
            report.exponent(f"join{end}", growth_with_n(joined), "n")


def measure(setting: Setting, suite: Suite, size: int) -> tuple[Timed, Timed]:
    """Return how long it takes to found a group and to join it.

    Neither has met the others' keys before, so each begins with an empty memory for them.
    """
    members = [new_member(suite, f"member {index}") for index in range(size)]
    packages = [member.message() for member in members[1:]]
    commit = found(suite, members[0], packages)
    assert commit.welcome is not None
    welcome, me = commit.welcome, members[size // 2]
    batch = max(1, 20 // size)

    def create() -> None:
        forget_public_keys()
        found(suite, members[0], packages)

    def join() -> None:
        forget_public_keys()
        join_group(welcome, me, POLICY)

    creating, joining = Series(setting.baseline), Series(setting.baseline)
    for _ in rounds(3 if size > 500 else setting.rounds, creating, joining):
        creating.time(create, batch)
        joining.time(join, batch)
    return creating.median(), joining.median()


def measure_warm(setting: Setting, suite: Suite, size: int) -> Timed:
    """Return how long it takes to join a group in which everyone has committed.

    Its parents have keys and hashes, which are read and checked, too.
    """
    (member,) = warm(build(suite, size), (0,))
    newcomer = new_member(suite, "newcomer")
    welcome = member.commit([Add(newcomer.package)], entropy=os.urandom).welcome
    assert welcome is not None
    joining = Series(setting.baseline)
    batch = max(1, 20 // size)

    def join() -> None:
        forget_public_keys()
        join_group(welcome, newcomer, POLICY)

    for _ in rounds(3 if size > 500 else setting.rounds, joining):
        joining.time(join, batch)
    return joining.median()


def _create_target(size: int, suite_id: int) -> float | None:
    if size not in CREATE_TARGET_MS:
        return None
    return signs(CREATE_TARGET_MS[size] * (1 if suite_id == SUITE_1 else DEFAULT_CREATE_FACTOR))


def _join_target(size: int, suite_id: int) -> float | None:
    if suite_id != SUITE_1:
        return DEFAULT_VERIFIES_PER_MEMBER * size
    return verifies(JOIN_TARGET_MS[size]) if size in JOIN_TARGET_MS else None


if __name__ == "__main__":
    run_alone(run)
