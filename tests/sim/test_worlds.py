"""A slice of the worlds that `make soak` lives through: the same ones in each test run."""

import multiprocessing
import os
from pathlib import Path

import pytest

from sim import soaking
from sim.faults import FAULTS, LEFT_OUT
from sim.soaking import Progress, digest, go
from sim.swarm import Result, live

FIRST_SEED = 1_000
WORLDS = int(os.environ.get("ALCOVE_TEST_WORLDS", "60"))


def test_all_is_well_in_worlds_where_nearly_everything_goes_wrong() -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + WORLDS):
        result = live(seed, without=tuple(LEFT_OUT))
        assert not result.failure, f"python -m sim {seed} --green\n{result.failure}"


def test_what_is_left_out_is_a_fault_and_has_a_reason() -> None:
    assert all(name in FAULTS and why for name, why in LEFT_OUT.items())


class Pool:
    """Lives through worlds of its own, in which some seeds are not well."""

    def __init__(self, red: tuple[int, ...] = ()) -> None:
        self.red = red
        self.seeds: list[int] = []

    def __call__(self, _number: int) -> "Pool":
        return self

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def imap(self, _live: object, seeds: list[int]) -> list[Result]:
        self.seeds += seeds
        return [
            Result(seed, "broken" if seed in self.red else "", "", 0.5, 1, {"device dies": 1})
            for seed in seeds
        ]


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    """Put a pool without processes in the place of the real one."""
    found = Pool()
    context = type("Context", (), {"Pool": found})
    monkeypatch.setattr(multiprocessing, "get_context", lambda _: context)
    return found


def soak(progress: Progress, wanted: int, named: str = "one") -> list[int]:
    failed = go(progress, wanted, in_time=lambda: True, save=lambda: None, named=named)
    return [result.seed for result in failed]


def test_the_count_goes_on_where_it_stopped(pool: Pool) -> None:
    progress = Progress()
    assert soak(progress, 20) == []
    assert soak(progress, 50) == []
    assert pool.seeds == list(range(50))
    assert progress.worlds == 50


def test_another_product_is_counted_from_the_start_and_in_other_worlds(pool: Pool) -> None:
    progress = Progress()
    soak(progress, 20)
    soak(progress, 5, named="another")
    assert (progress.worlds, progress.next) == (5, 25)
    assert pool.seeds[-1] == 24


def test_a_seed_that_failed_comes_first_until_it_is_well(pool: Pool) -> None:
    progress = Progress()
    pool.red = (3,)
    assert soak(progress, 20) == [3]
    assert progress.worlds == 15
    pool.seeds.clear()
    assert soak(progress, 20) == [3]
    pool.red = ()
    assert soak(progress, 100) == []
    assert pool.seeds[0] == 3
    assert progress.failed == []
    assert progress.worlds == 100


@pytest.mark.usefixtures("pool")
def test_a_fault_that_never_strikes_is_told() -> None:
    progress = Progress()
    soak(progress, 100)
    assert progress.never == []
    soak(progress, soaking.ALL_STRUCK_FROM)
    assert "device dies" not in progress.never
    assert "device sleeps" in progress.never
    assert not [name for name in progress.never if name in LEFT_OUT]


def test_a_changed_line_of_the_product_is_another_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(soaking, "PRODUCT", tmp_path)
    for name in ("client/a.py", "client/io/b.py", "tui/c.py", "mls/d.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1", encoding="utf-8")
    before = digest()
    for name in ("client/io/b.py", "tui/c.py"):
        (tmp_path / name).write_text("x = 2", encoding="utf-8")
    assert digest() == before
    (tmp_path / "mls/d.py").write_text("x = 2", encoding="utf-8")
    assert digest() != before
