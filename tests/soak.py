"""The long tests: a million damaged inputs, long random walks, every check removed, all slow tests.

    python -m tests.soak                      all of it, some hours
    python -m tests.soak --seconds 600        as much as fits; the next call goes on from there
    python -m tests.soak fuzz walks           only these parts

What has been done stands in a small file, `.soak/state.json` unless `--state` names another.  When
every part is done the file says so, and the next call begins a new round with other seeds.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from fuzz.run import Broken, Run, all_targets, go

ROOT: Final = Path(__file__).parent.parent
STATE: Final = ROOT / ".soak" / "state.json"

FUZZ_INPUTS: Final = 1_000_000
WALKS: Final = 1_000
WALK_STEPS: Final = 100
WALKS_AT_ONCE: Final = 10
SAVE_SECONDS: Final = 5


@dataclass
class State:
    """How far a round of the long tests has come."""

    round: int = 1
    fuzz: dict[str, object] | None = None
    walks: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    """By part, so far."""
    done: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, file: Path) -> State:
        """Return the round that the file is in, or a new one."""
        if not file.exists():
            return cls()
        state = cls(**json.loads(file.read_text(encoding="utf-8")))
        return cls(state.round + 1) if len(state.done) == len(PARTS) else state

    def save(self, file: Path) -> None:
        """Write the state down."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


@dataclass
class Soak:
    """One call of the program."""

    state: State
    file: Path
    ends_at: float
    """By the monotonic clock; parts that come in pieces stop soon after."""

    @property
    def in_time(self) -> bool:
        """Whether there is time left."""
        return time.monotonic() < self.ends_at

    def run(self, name: str) -> bool:
        """Run one part; return whether it found nothing wrong."""
        if name in self.state.done:
            print(f"{name}: done in {self.state.seconds[name]:,.0f} seconds")
            return True
        if not self.in_time:
            print(f"{name}: not begun")
            return True
        begin = time.monotonic()
        print(f"{name}: ...", flush=True)
        result = PARTS[name](self)
        seconds = self.state.seconds.get(name, 0) + time.monotonic() - begin
        self.state.seconds[name] = round(seconds, 1)
        if result:
            self.state.done.append(name)
        self.state.save(self.file)
        if result is not False:
            print(f"{name}: {'done' if result else 'so far'}, {seconds:,.0f} seconds")
        return result is not False


def _fuzz(soak: Soak) -> bool | None:
    """Give every fuzz target its share of a million inputs."""
    run = Run.of_state(soak.state.fuzz) if soak.state.fuzz else Run(soak.state.round)
    saved = time.monotonic()

    def after_batch(run: Run) -> bool:
        nonlocal saved
        if time.monotonic() - saved > SAVE_SECONDS:
            saved = time.monotonic()
            soak.state.fuzz = run.to_state()
            soak.state.save(soak.file)
        return soak.in_time

    try:
        go(all_targets(run.seed), run, FUZZ_INPUTS, after_batch=after_batch)
    except Broken as broken:
        print(broken, broken.data.hex(), sep="\n")
        return False
    soak.state.fuzz = run.to_state()
    print(run.table())
    return True if run.inputs >= FUZZ_INPUTS else None


def _walks(soak: Soak) -> bool | None:
    """Take long walks, a few at a time, each lot from a seed of its own."""
    from tests.mls.test_walks import Walk  # noqa: PLC0415 - only this part needs it.

    while soak.state.walks < WALKS and soak.in_time:
        number = soak.state.round * WALKS + soak.state.walks
        chosen = settings(
            max_examples=WALKS_AT_ONCE,
            stateful_step_count=WALK_STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        walk = seed(number)(type("Walk", (Walk,), {}))
        run_state_machine_as_test(walk, settings=chosen)
        soak.state.walks += WALKS_AT_ONCE
        soak.state.save(soak.file)
    print(f"{soak.state.walks:,} walks of up to {WALK_STEPS} steps")
    return True if soak.state.walks >= WALKS else None


def _program(*arguments: str) -> bool:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, check=False)
    return done.returncode == 0


def _removal(_soak: Soak) -> bool:
    """Remove every check of every rule and see its test turn red."""
    return _program("-m", "tests.mls.rules.removal")


def _slow(_soak: Soak) -> bool:
    """Run the slow tests, but for those that are parts of their own."""
    others = ("tests/mls/test_walks.py", "tests/mls/rules/test_proof.py")
    skipped = [f"--deselect={path}" for path in others]
    return _program("-m", "pytest", "-q", "-m", "slow", *skipped, "tests")


PARTS: Final[dict[str, Callable[[Soak], bool | None]]] = {
    "fuzz": _fuzz,
    "walks": _walks,
    "removal": _removal,
    "slow": _slow,
}
"""Each returns True when it is done, None when its time was up, False when something is wrong."""


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description="The long tests.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after these")
    parser.add_argument("--state", type=Path, default=STATE, metavar="FILE")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}")
    state = State.load(options.state)
    soak = Soak(state, options.state, time.monotonic() + options.seconds)
    print(f"round {state.round}")
    results = [soak.run(name) for name in PARTS if name in options.parts or not options.parts]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
