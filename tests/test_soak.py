"""The long tests stop in time, go on where they stopped, and begin anew when they are done."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from fuzz.decoders import BATCH, Target
from fuzz.mutate import Seed
from fuzz.run import Figures, Run
from tests import soak
from tests.soak import PARTS, Soak, State, main


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace every part by one that only notes that it was called."""
    made: list[str] = []

    def part(name: str) -> None:
        def run(_soak: Soak) -> bool:
            made.append(name)
            return True

        monkeypatch.setitem(PARTS, name, run)

    for name in list(PARTS):
        part(name)
    return made


def test_every_part_runs_once(calls: list[str], tmp_path: Path) -> None:
    assert main(["--state", str(tmp_path / "state.json")]) == 0
    assert calls == list(PARTS)
    assert len(calls) == 9
    assert {"fuzz", "walks", "removal", "slow", "kills", "frames", "handlers", "http"} < set(calls)
    assert calls[-1] == "worlds"


def test_a_part_that_is_done_is_not_run_again(calls: list[str], tmp_path: Path) -> None:
    state = str(tmp_path / "state.json")
    main(["fuzz", "--state", state])
    main(["fuzz", "walks", "--state", state])
    assert calls == ["fuzz", "walks"]


def test_without_time_nothing_begins(calls: list[str], tmp_path: Path) -> None:
    assert main(["--seconds", "0", "--state", str(tmp_path / "state.json")]) == 0
    assert calls == []


def test_a_new_round_begins_when_all_is_done(calls: list[str], tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    main(["--state", str(state)])
    assert State.load(state) == State(round=2)
    assert len(calls) == len(PARTS)


def test_what_goes_wrong_ends_the_program_with_one(
    calls: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(PARTS, "fuzz", lambda _soak: False)
    assert main(["--state", str(tmp_path / "state.json")]) == 1
    assert calls == [name for name in PARTS if name != "fuzz"]


def test_fuzzing_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fed: list[bytes] = []

    def feed(_dice: random.Random, data: bytes) -> bool:
        fed.append(data)
        return False

    target = Target("one", 1, [Seed(b"abc")], feed)
    monkeypatch.setattr(soak, "all_targets", lambda _seed: [target])
    monkeypatch.setattr(soak, "FUZZ_INPUTS", 2 * BATCH)
    monkeypatch.setattr(soak, "SAVE_SECONDS", 0)
    before = Run(1, {"one": Figures(batches=1, inputs=BATCH)})
    state = tmp_path / "state.json"
    State(fuzz=before.to_state()).save(state)
    main(["fuzz", "--state", str(state)])
    assert len(fed) == BATCH


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        main(["nothing", "--state", str(tmp_path / "state.json")])
