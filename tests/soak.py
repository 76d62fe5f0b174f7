"""The long tests: damaged inputs, random walks and games, every check removed, servers killed.

    python -m tests.soak                      all of it, some hours
    python -m tests.soak --seconds 600        as much as fits; the next call goes on from there
    python -m tests.soak fuzz walks           only these parts

What has been done stands in a small file, `.soak/state.json` unless `--state` names another.  When
every part is done the file says so, and the next call begins a new round with other seeds.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from fuzz.run import Broken, Fed, Run, all_targets, go

ROOT: Final = Path(__file__).parent.parent
STATE: Final = ROOT / ".soak" / "state.json"

FUZZ_INPUTS: Final = 1_000_000
WALKS: Final = 1_000
WALK_STEPS: Final = 100
WALKS_AT_ONCE: Final = 10
KILLS: Final = 200
KILLS_AT_ONCE: Final = 10
FRAMES: Final = {"SQLite": 100_000, "PostgreSQL": 5_000}
HEADERS: Final = 25_000
GAMES: Final = {"SQLite": 2_000, "PostgreSQL": 100}
GAMES_AT_ONCE: Final = 20
GAME_STEPS: Final = 60
WORLDS: Final = 10_000
SEEDS_A_ROUND: Final = 1_000_000
HTTP_EXAMPLES: Final = 100
"""Drawn of each kind of request, besides every edge of every field, which each lot tries."""
HTTP_EXAMPLES_AT_ONCE: Final = 25
SAVE_SECONDS: Final = 5


@dataclass
class State:
    """How far a round of the long tests has come."""

    round: int = 1
    fuzz: dict[str, object] | None = None
    walks: int = 0
    kills: dict[str, int] = field(default_factory=dict)
    """By database, so far; and how much was acknowledged meanwhile, all of which was there."""
    frames: dict[str, object] | None = None
    handlers: dict[str, int] = field(default_factory=dict)
    """Games, by database."""
    http: int = 0
    """How many requests of each kind have been drawn for the HTTP door."""
    worlds: dict[str, object] | None = None
    """Of one product: see `sim.soaking`."""
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


def _feed(soak: Soak, name: str, targets: Sequence[Fed], run: Run, inputs: int) -> bool:
    """Give inputs to targets while there is time; return whether nothing was wrong."""
    saved = time.monotonic()

    def after_batch(run: Run) -> bool:
        nonlocal saved
        if time.monotonic() - saved > SAVE_SECONDS:
            saved = time.monotonic()
            setattr(soak.state, name, run.to_state())
            soak.state.save(soak.file)
        return soak.in_time

    try:
        go(targets, run, inputs, after_batch=after_batch)
    except Broken as broken:
        print(broken, broken.data.hex(), sep="\n")
        return False
    setattr(soak.state, name, run.to_state())
    return True


def _fuzz(soak: Soak) -> bool | None:
    """Give every fuzz target its share of a million inputs."""
    run = Run.of_state(soak.state.fuzz) if soak.state.fuzz else Run(soak.state.round)
    if not _feed(soak, "fuzz", all_targets(run.seed), run, FUZZ_INPUTS):
        return False
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


def _databases() -> list[str]:
    """Return the kinds of databases that there are on this machine."""
    from tests import postgres  # noqa: PLC0415 - Not every part needs it.

    try:
        postgres.server_url()
    except postgres.Unavailable as reason:
        print(reason)
        return ["SQLite"]
    return ["SQLite", "PostgreSQL"]


def _kills(soak: Soak) -> bool | None:
    """Kill a server under load, some times in a row on one database, then on a new one."""
    from tests import postgres  # noqa: PLC0415 - Only this part needs them.
    from tests.faults.storms import survive  # noqa: PLC0415

    done = soak.state.kills
    databases = _databases()
    for kind in databases:
        while done.get(kind, 0) < KILLS and soak.in_time:
            seed_text = f"{soak.state.round}/{kind}/{done.get(kind, 0)}"
            with ExitStack() as stack:
                folder = Path(stack.enter_context(TemporaryDirectory(prefix="alcove-kills-")))
                is_file = kind == "SQLite"
                url = "" if is_file else stack.enter_context(postgres.fresh_database())
                counts = survive(folder, url, seed_text, KILLS_AT_ONCE)
            for name, more in (
                (kind, KILLS_AT_ONCE),
                (f"{kind}, acknowledged", counts.acknowledged),
                (f"{kind}, sent again", counts.repeated),
            ):
                done[name] = done.get(name, 0) + more
            soak.state.save(soak.file)
    print(", ".join(f"{name}: {count:,}" for name, count in done.items()))
    return True if all(done.get(kind, 0) >= KILLS for kind in databases) else None


@contextmanager
def _houses_on(kind: str) -> Iterator[None]:
    """Let the houses of tests stand on a database of this kind."""
    from tests.store.on_postgres import houses_on_postgres  # noqa: PLC0415 - Only here.

    with ExitStack() as stack:
        if kind == "PostgreSQL":
            stack.enter_context(
                houses_on_postgres(stack.enter_context(pytest.MonkeyPatch.context()))
            )
        yield


def _frames(soak: Soak) -> bool | None:
    """Give the server a hundred thousand frames and headers, and some on the other database."""
    from fuzz.frames import Frames, Headers  # noqa: PLC0415 - Only this part needs them.

    run = Run.of_state(soak.state.frames) if soak.state.frames else Run(soak.state.round)
    databases = _databases()
    for kind in databases:
        frames = Frames(run.seed, name=f"frames {kind}")
        with _houses_on(kind):
            try:
                if soak.in_time and not _feed(soak, "frames", [frames], run, FRAMES[kind]):
                    return False
            finally:
                frames.end()
    if soak.in_time and not _feed(soak, "frames", [Headers()], run, HEADERS):
        return False
    print(run.table())
    return True if run.inputs >= HEADERS + sum(FRAMES[kind] for kind in databases) else None


def _handlers(soak: Soak) -> bool | None:
    """Play games on houses and on models of them, a few at a time, each lot from its own seed."""
    from tests.server.games import play  # noqa: PLC0415 - Only this part needs it.

    done = soak.state.handlers
    databases = _databases()
    for kind in databases:
        while done.get(kind, 0) < GAMES[kind] and soak.in_time:
            number = soak.state.round * max(GAMES.values()) + done.get(kind, 0)
            with _houses_on(kind):
                play(GAMES_AT_ONCE, GAME_STEPS, drawn_from=number)
            done[kind] = done.get(kind, 0) + GAMES_AT_ONCE
            soak.state.save(soak.file)
    print(", ".join(f"{kind}: {done.get(kind, 0):,} games" for kind in databases))
    return True if all(done.get(kind, 0) >= GAMES[kind] for kind in databases) else None


def _http(soak: Soak) -> bool | None:
    """Let schemathesis try every edge of every field of every request, and what it draws."""
    while soak.state.http < HTTP_EXAMPLES and soak.in_time:
        number = soak.state.round * HTTP_EXAMPLES + soak.state.http
        done = _program(
            *("-m", "pytest", "-q", "tests/server/test_http_schema.py"),
            f"--hypothesis-seed={number}",
            ALCOVE_TEST_HTTP_EXAMPLES=str(HTTP_EXAMPLES_AT_ONCE),
        )
        if not done:
            return False
        soak.state.http += HTTP_EXAMPLES_AT_ONCE
        soak.state.save(soak.file)
    print(f"{soak.state.http:,} drawn of each kind of request, all edges each time")
    return True if soak.state.http >= HTTP_EXAMPLES else None


def _worlds(soak: Soak) -> bool | None:
    """Live through simulated worlds, until ten thousand of one and the same product were well."""
    from sim.soaking import Progress, go  # noqa: PLC0415 - Only this part needs it.

    begun: Any = soak.state.worlds or {"next": (soak.state.round - 1) * SEEDS_A_ROUND}
    progress = Progress(**begun)

    def save() -> None:
        soak.state.worlds = asdict(progress)
        soak.state.save(soak.file)

    for result in go(progress, WORLDS, in_time=lambda: soak.in_time, save=save):
        print(f"python -m sim {result.seed} --green\n{result.failure}")
        return False
    print(progress.told(), *(f"never happened: {name}" for name in progress.never), sep="\n")
    if progress.never:
        return False
    return True if progress.worlds >= WORLDS else None


def _is_of_another_product(state: State) -> bool:
    """Return whether client, server or MLS have changed since worlds were lived through."""
    if state.worlds is None:
        return False
    from sim.soaking import digest  # noqa: PLC0415 - Only this part needs it.

    return state.worlds["digest"] != digest()


def _program(*arguments: str, **environment: str) -> bool:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, check=False, env={**os.environ, **environment}
    )
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
    "kills": _kills,
    "frames": _frames,
    "handlers": _handlers,
    "http": _http,
    "worlds": _worlds,
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
    if "worlds" in state.done and _is_of_another_product(state):
        state.done.remove("worlds")
    soak = Soak(state, options.state, time.monotonic() + options.seconds)
    print(f"round {state.round}")
    results = [soak.run(name) for name in PARTS if name in options.parts or not options.parts]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
