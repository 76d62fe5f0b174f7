"""Random walks of ts-mls and ours: a short slice of each suite by default, all of it when asked.

`make soak` walks 200 steps with up to twenty members in every suite.  A seed names a walk.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.interop.driver import HERE, PeerProcess, alcove, tsmls
from tests.interop.walk import Walk

SUITES = [1, 2, 3, 4, 5, 6, 7, 83, 84]
LONG_SEEDS = [*((suite, 100 + suite) for suite in SUITES), (1, 301), (1, 302), (1, 303)]

pytestmark = pytest.mark.skipif(
    not (HERE / "node_modules").is_dir(), reason="ts-mls is not installed: run `make setup`"
)


@pytest.fixture(scope="module")
def processes() -> Iterator[list[PeerProcess]]:
    with alcove() as ours, tsmls() as theirs:
        yield [ours, theirs]


def test_ours_and_tsmls_agree_on_a_walk(processes: list[PeerProcess]) -> None:
    walk = Walk(processes, seed=1, suite=1, members_max=6)
    walk.run(35)
    assert sum(walk.done.values()) == 35


@pytest.mark.parametrize("suite", SUITES[1:])
def test_ours_and_tsmls_agree_on_a_short_walk_in_every_suite(
    processes: list[PeerProcess], suite: int
) -> None:
    walk = Walk(processes, seed=suite, suite=suite, members_max=4)
    walk.run(6)
    assert sum(walk.done.values()) == 6


@pytest.mark.slow
@pytest.mark.parametrize(("suite", "seed"), LONG_SEEDS)
def test_ours_and_tsmls_agree_on_a_long_walk(
    processes: list[PeerProcess], suite: int, seed: int
) -> None:
    walk = Walk(processes, seed=seed, suite=suite, members_max=20)
    walk.run(200)
    print(f"suite {suite}, seed {seed}: {walk.made} people, {dict(walk.done)}")
    assert set(walk.done) == set(walk.steps)
