"""Many worlds, one after another: where they fail, what they cost, which faults they had."""

import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import current_thread, main_thread
from typing import NamedTuple

from alcove.client import packages
from sim.checks import Checks
from sim.faults import FAULTS, RESULTS, Faults
from sim.house import House
from sim.latecomers import Latecomer
from sim.mishaps import Mishaps
from sim.network import Network
from sim.people import People
from sim.sealings import Sealings
from sim.telling import told
from sim.watching import Watch
from sim.world import Mad, World

WORLD_CPU_SECONDS = 20
"""A world takes less than one; in one that takes so long, something never ends."""
MOMENT_MS = 1_000
MOMENTS_MAX = 3
BROKEN = "sim.checks.Broken: "
"""What stands before what the checks say."""


def make_few_packages() -> None:
    """Let devices make few key packages: they cost a world most, and few run out as many do."""
    packages.WANTED, packages.LOW, packages.AT_ONCE = 8, 3, 4


class Life:
    """One world, from its seed to its end."""

    def __init__(self, seed: int, *, only: str | None = None, without: Sequence[str] = ()) -> None:
        make_few_packages()
        self.world = World(seed)
        self.faults = Faults(self.world, only=only, without=without)
        self.world.tell("world", f"seed {seed}: {self.faults.told() or 'no faults'}")
        requests = self.world.dice.choice(("off", "off", "strangers"))
        self.house = House(self.world, self.faults, requests=requests)
        self.network = Network(self.world, self.faults)
        self.sealings = Sealings()
        self.people = People(self.world, self.faults, self.house, self.network, self.sealings)
        self.mishaps = Mishaps(self.world, self.faults, self.house, self.people)
        Watch(self.world, self.house, self.people)

    def run(self) -> None:
        """Let it happen, and check it.  Raises `AssertionError` where something is not right."""
        with self.sealings.watch():
            self.world.run(self.world.ends_at)
            self._hear_out()
            self.checks().all()
            Latecomer(self.people, self.checks).come()

    def _hear_out(self) -> None:
        """Let what was asked in the last moment be answered: that is not left over."""
        for _ in range(MOMENTS_MAX):
            if any(
                device.disk.one("SELECT 1 FROM request WHERE not_before = 0")
                for device in self.people.devices
            ):
                self.world.run(self.world.now + MOMENT_MS)

    def checks(self) -> Checks:
        """Return what looks at the world as it is now."""
        return Checks(self.world, self.house, self.people, self.sealings)


class Result(NamedTuple):
    """What came of one world."""

    seed: int
    failure: str
    """Empty when all was well."""
    story: str
    seconds: float
    events: int
    counts: dict[str, int]


def live(seed: int, *, only: str | None = None, without: Sequence[str] = ()) -> Result:
    """Run one world, and return what came of it."""
    began = time.process_time()
    life: Life | None = None
    failure = ""
    try:
        with _in_time():
            life = Life(seed, only=only, without=without)
            life.run()
    except Exception as error:  # noqa: BLE001 - Whatever it is: the seed shows it again.
        failure = _told(error)
    took = time.process_time() - began
    if life is None:
        return Result(seed, failure, "", took, 0, {})
    story = life.world.story()
    if failure:
        story += "\n" + told(life.checks())
    return Result(seed, failure, story, took, life.world.events, life.faults.counts)


@contextmanager
def _in_time() -> Iterator[None]:
    """End a world in which a machine never stops to do something; only where signals come."""
    if current_thread() is not main_thread():
        yield
        return

    def out_of_time(*_: object) -> None:
        raise Mad(f"more than {WORLD_CPU_SECONDS} s of CPU: what never ends?")

    before = signal.signal(signal.SIGVTALRM, out_of_time)
    signal.setitimer(signal.ITIMER_VIRTUAL, WORLD_CPU_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _told(error: Exception) -> str:
    """Return what went wrong and where, in few lines."""
    lines = traceback.format_exception(error)
    return "".join(lines[-6:]).strip()


def what_failed(failure: str) -> str:
    """Return the line that says what went wrong, or the last one."""
    lines = failure.splitlines()
    found = [line for line in lines if line.startswith(BROKEN)]
    return found[0].removeprefix(BROKEN) if found else lines[-1]


def swarm(
    first: int,
    count: int | None,
    seconds: float | None,
    *,
    only: str | None = None,
    without: Sequence[str] = (),
) -> Iterator[Result]:
    """Run worlds from a seed on: so many, or for so long."""
    until = None if seconds is None else time.monotonic() + seconds
    seed = first
    while (count is None or seed < first + count) and (until is None or time.monotonic() < until):
        yield live(seed, only=only, without=without)
        seed += 1


def added(totals: dict[str, int], counts: dict[str, int]) -> dict[str, int]:
    """Return both counts together."""
    names = {*totals, *counts, *FAULTS, *RESULTS}
    return {name: totals.get(name, 0) + counts.get(name, 0) for name in sorted(names)}
