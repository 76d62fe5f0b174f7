"""Running targets in batches, so that a run can stop anywhere and go on later."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fuzz import corpus, decoders, groups
from fuzz.decoders import Target


class Fed(Protocol):
    """Something to give inputs to: a `Target`, or what draws its inputs by itself."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def weight(self) -> int:
        """How large its share is."""
        ...

    @property
    def batch(self) -> int:
        """How many inputs it takes at once."""
        ...

    @property
    def feed(self) -> Callable[[random.Random, bytes], bool]:
        """Take one input: True when it was accepted, False when refused; raises when neither."""
        ...

    def draw(self, dice: random.Random) -> bytes:
        """Return the next input."""
        ...

    def prefixes(self) -> Iterator[bytes]:
        """Return what the first batch is made of: beginnings of real inputs, never accepted."""
        ...


class Broken(AssertionError):
    """A target did what none may do.  The message says how to see it again."""

    def __init__(self, what: str, data: bytes) -> None:
        self.data = data
        """The input that did it."""
        super().__init__(what)


@dataclass
class Figures:
    """What came of one target's inputs."""

    batches: int = 0
    """Done; the first is every prefix of every real input."""
    inputs: int = 0
    accepted: int = 0
    seconds: float = 0.0

    @property
    def refused(self) -> int:
        """How many inputs were refused, as they should be or because they make no sense."""
        return self.inputs - self.accepted


@dataclass
class Run:
    """A run so far: enough to go on with it."""

    seed: int
    figures: dict[str, Figures] = field(default_factory=dict)

    def of(self, name: str) -> Figures:
        """Return the figures of a target."""
        return self.figures.setdefault(name, Figures())

    @property
    def inputs(self) -> int:
        """How many inputs there were in all."""
        return sum(figures.inputs for figures in self.figures.values())

    def to_state(self) -> dict[str, object]:
        """Return the run as plain values."""
        return asdict(self)

    @classmethod
    def of_state(cls, state: Mapping[str, Any]) -> Run:
        """Return the run that `to_state` wrote down."""
        figures = {name: Figures(**values) for name, values in state["figures"].items()}
        return cls(state["seed"], figures)

    def save(self, file: Path) -> None:
        """Write the run into a file."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.to_state(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path, seed: int) -> Run:
        """Return the run that the file has, or a new one."""
        if not file.exists():
            return cls(seed)
        return cls.of_state(json.loads(file.read_text(encoding="utf-8")))

    def table(self) -> str:
        """Return the figures as a table."""
        lines = [f"{'target':20}{'inputs':>10}{'accepted':>10}{'refused':>10}{'seconds':>9}"]
        for name, row in sorted(self.figures.items()):
            lines.append(
                f"{name:20}{row.inputs:>10,}{row.accepted:>10,}{row.refused:>10,}{row.seconds:>9.1f}"
            )
        seconds = sum(row.seconds for row in self.figures.values())
        accepted = sum(row.accepted for row in self.figures.values())
        refused = self.inputs - accepted
        lines.append(f"{'all':20}{self.inputs:>10,}{accepted:>10,}{refused:>10,}{seconds:>9.1f}")
        return "\n".join(lines)


def all_targets(seed: int) -> list[Target]:
    """Return every target, on inputs that this seed makes."""
    made = corpus.make(seed)
    return [
        *decoders.structures(made),
        *decoders.stores(made),
        decoders.primitives(made),
        *groups.outside(made),
        *groups.inside(made),
        *groups.invitations(made),
    ]


def _inputs(target: Fed, seed: int, batch: int) -> Iterator[tuple[random.Random, bytes]]:
    dice = random.Random(f"{seed}/{target.name}/{batch}")  # noqa: S311 - it has to be repeatable.
    if batch == 0:
        for data in target.prefixes():
            yield dice, data
        return
    for _ in range(target.batch):
        data = target.draw(dice)
        yield dice, data


def run_batch(target: Fed, run: Run) -> None:
    """Give a target its next batch."""
    figures = run.of(target.name)
    begin = time.perf_counter()
    inputs = accepted = 0
    for dice, data in _inputs(target, run.seed, figures.batches):
        inputs += 1
        try:
            taken = target.feed(dice, data)
        except Exception as error:
            where = f"python -m fuzz {target.name} --seed {run.seed}, batch {figures.batches}"
            raise Broken(f"{where}, input {inputs}: {error!r}", data) from error
        if taken and figures.batches == 0:
            raise Broken(f"{target.name} took the beginning of a message", data)
        accepted += taken
    figures.batches += 1
    figures.inputs += inputs
    figures.accepted += accepted
    figures.seconds += time.perf_counter() - begin


def _done(target: Fed, run: Run) -> float:
    """Return how much of its share a target has had."""
    return run.of(target.name).batches * target.batch / target.weight


def go(
    targets: Sequence[Fed],
    run: Run,
    inputs: int,
    *,
    after_batch: Callable[[Run], bool] = lambda _run: True,
) -> Run:
    """Give inputs to the targets, by weight, until there were so many; or until told to stop."""
    while sum(run.of(target.name).inputs for target in targets) < inputs:
        # Whoever is furthest behind its share is next.
        target = min(targets, key=lambda target: _done(target, run))
        run_batch(target, run)
        if not after_batch(run):
            break
    return run
