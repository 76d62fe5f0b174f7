"""The simulator itself: the same seed is the same world, and sabotage can be done."""

from functools import partial

import pytest

from sim.faults import FAULTS, Faults
from sim.mutants import MUTANTS, Mutant
from sim.network import SERVER, Network
from sim.swarm import Life
from sim.world import START_MS, World


def story(seed: int) -> str:
    life = Life(seed)
    with life.sealings.watch():
        life.world.run(START_MS + 20_000)
    return life.world.story()


def test_the_same_seed_is_the_same_world() -> None:
    assert story(7) == story(7)
    assert story(7) != story(8)


def test_what_is_sent_arrives_in_order_or_up_to_where_the_line_broke() -> None:
    for seed in range(50):
        world = World(seed)
        faults = Faults(world, only="line breaks")
        line = Network(world, faults).line()
        came: list[bytes] = []
        ended: list[int] = []
        line.ends[SERVER].takes = came.append
        line.ends[SERVER].hears_end = partial(ended.append, 1)
        sent = [bytes([number]) for number in range(100)]
        for frame in sent:
            line.send(SERVER, frame)
        world.run(START_MS + 60_000)
        assert came == sent[: len(came)]
        assert bool(ended) == line.is_broken


def test_a_fault_that_is_alone_is_the_only_one() -> None:
    levels = Faults(World(1), only="device dies").levels
    assert [name for name in FAULTS if levels[name] != "off"] == ["device dies"]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_each_mutant_has_a_line_to_make_wrong(mutant: Mutant) -> None:
    compile(mutant.source(), mutant.file, "exec")
