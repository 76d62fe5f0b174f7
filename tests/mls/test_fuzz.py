"""A short run of the fuzzers, and the fuzzers' own promises.

`make soak` gives the same targets a million inputs.
"""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import pytest

from alcove.mls.codec import Reader, opaque
from fuzz.decoders import Target
from fuzz.mutate import Seed, Span, mutated, replaced, traced
from fuzz.run import Broken, Run, all_targets, go, run_batch

SEED = 1


@lru_cache(maxsize=1)
def targets() -> dict[str, Target]:
    return {target.name: target for target in all_targets(SEED)}


NAMES = (
    "authenticated", "bad-commit", "bad-content", "bad-external-commit", "bad-info",
    "bad-proposal", "bad-secrets", "bad-state", "begin", "blockade", "bundle", "commit", "context",
    "credential", "extensions", "follow", "group-info", "group-secrets", "join", "key-package",
    "leaf", "message", "path", "primitives", "proposal", "psk-id", "receive", "saved-epoch",
    "saved-messages", "sealed", "snapshot", "tree", "welcome",
)  # fmt: skip
STRUCTURES = ("context", "group-info", "key-package", "leaf", "message", "proposal", "tree")


def test_every_target_is_listed() -> None:
    assert sorted(targets()) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_damaged_input_is_refused_or_understood(name: str) -> None:
    run = Run(SEED)
    run.of(name).batches = 1
    run_batch(targets()[name], run)
    assert run.inputs == targets()[name].batch


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_beginning_of_a_message_is_a_message(name: str) -> None:
    run = Run(SEED)
    run_batch(targets()[name], run)
    assert run.of(name).accepted == 0


def test_a_real_input_is_accepted_by_every_decoder() -> None:
    dice = random.Random(SEED)
    for name in ("message", *STRUCTURES, "commit", "saved-epoch", "saved-messages", "snapshot"):
        target = targets()[name]
        assert all(target.feed(dice, seed.data) for seed in target.seeds), name


def _read_list(reader: Reader) -> None:
    reader.vector(lambda item: item.opaque())


def test_changing_a_field_corrects_every_length_around_it() -> None:
    data = opaque(opaque(b"a") + opaque(b"b" * 60))
    seed = traced(data, _read_list)
    assert seed.spans[1:] == (Span(1, 2, 3), Span(3, 4, 64))
    assert replaced(seed, 2, 3, b"cc") == opaque(opaque(b"cc") + opaque(b"b" * 60))


def test_a_length_may_come_to_need_more_bytes() -> None:
    data = opaque(opaque(b"a"))
    seed = traced(data, _read_list)
    assert replaced(seed, 2, 3, b"c" * 100) == opaque(opaque(b"c" * 100))


def test_a_seed_always_gives_the_same_inputs() -> None:
    seeds = [Seed(bytes(range(200)))]
    first = [mutated(random.Random(3), seeds) for _ in range(50)]
    assert first == [mutated(random.Random(3), seeds) for _ in range(50)]


def test_a_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    target = targets()["psk-id"]
    whole = go([target], Run(SEED), 1000)
    go([target], Run(SEED), 400).save(tmp_path / "run.json")
    resumed = go([target], Run.load(tmp_path / "run.json", 0), 1000)
    figures = [(run.of("psk-id").inputs, run.of("psk-id").accepted) for run in (whole, resumed)]
    assert figures[0] == figures[1]


def test_a_target_that_breaks_is_reported_with_its_input() -> None:
    def feed(_dice: random.Random, _data: bytes) -> bool:
        raise KeyError

    target = Target("broken", 1, [Seed(b"abc")], feed)
    with pytest.raises(Broken, match="python -m fuzz broken --seed 1, batch 0, input 1: KeyError"):
        run_batch(target, Run(SEED))
