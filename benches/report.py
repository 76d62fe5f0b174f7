"""What the benchmarks share: the command line, the names of figures, and how they are printed."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from alcove.mls import DEFAULT_SUITE, Suite, standard_suites
from benches.timing import Baseline, Timed

SIGN_US: Final = 18.6
VERIFY_US: Final = 56.6
"""The machine that the targets in milliseconds were given for."""

EXPONENT_MAX: Final = 1.05
"""No faster than, but for what a fit through three or four noisy points may be off."""

SUITE_1: Final = 1
SIZES: Final = (2, 50, 200, 1000)
QUICK_SIZES: Final = (2, 50)

Over = Literal["sign", "verify"]


def signs(milliseconds: float) -> float:
    """Return a target's time as a number of signatures made, which holds on any machine."""
    return milliseconds * 1000 / SIGN_US


def verifies(milliseconds: float) -> float:
    """Return a target's time as a number of signatures verified."""
    return milliseconds * 1000 / VERIFY_US


def suffix(size: int | None, suite_id: int) -> str:
    """Return the end of a figure's name: its members, and its suite unless it is the first."""
    return ("" if size is None else f"_{size}") + ("_default" if suite_id == DEFAULT_SUITE else "")


@dataclass(frozen=True)
class Row:
    """One figure."""

    name: str
    value: float
    unit: str
    over: Over | None = None
    ratio: float | None = None
    target: float | None = None
    """In the figure's unit, for this machine at that moment."""
    met: bool | None = None

    def lines(self) -> Iterator[dict[str, str | float]]:
        """Yield what `--json` prints: the figure, its ratio, its target."""
        yield {"name": self.name, "value": _rounded(self.value), "unit": self.unit}
        if self.over is not None and self.ratio is not None and self.unit != "x":
            name = f"{self.name}_over_{self.over}"
            yield {"name": name, "value": _rounded(self.ratio), "unit": "x"}
        if self.target is not None:
            name = f"{self.name}_target"
            yield {"name": name, "value": _rounded(self.target), "unit": self.unit}

    def cells(self) -> tuple[str, str, str, str, str, str]:
        """Return the figure as a row of the table."""
        ratio = "" if self.ratio is None else f"{self.ratio:.2f} x {self.over}"
        target = "" if self.target is None else _short(self.target)
        met = "" if self.met is None else "yes" if self.met else "NO"
        return self.name, _short(self.value), self.unit, ratio, target, met


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


@dataclass
class Report:
    """The figures of one run, in the order in which they were found."""

    as_json: bool = False
    rows: list[Row] = field(default_factory=list)

    def _add(self, row: Row) -> None:
        self.rows.append(row)
        if self.as_json:
            for line in row.lines():
                print(json.dumps(line), flush=True)

    def duration(
        self, name: str, unit: str, timed: Timed, over: Over, target: float | None = None
    ) -> None:
        """Add a time.  `target` is the most it may be, counted in signatures made or verified."""
        per_second = {"us": 1e6, "ms": 1e3}[unit]
        ratio, one = (timed.signs, timed.sign) if over == "sign" else (timed.verifies, timed.verify)
        scaled = None if target is None else target * one * per_second
        met = None if target is None else ratio <= target
        self._add(Row(name, timed.seconds * per_second, unit, over, ratio, scaled, met))

    def ratio(self, name: str, timed: Timed, over: Over, target: float) -> None:
        """Add a time that is named by its ratio."""
        value = timed.signs if over == "sign" else timed.verifies
        self._add(Row(name, value, "x", over, value, target, value <= target))

    def most(self, name: str, value: float, unit: str, target: float | None = None) -> None:
        """Add a figure that should be small."""
        met = None if target is None else value <= target
        self._add(Row(name, value, unit, target=target, met=met))

    def least(self, name: str, value: float, unit: str, target: float) -> None:
        """Add a figure that should be large."""
        self._add(Row(name, value, unit, target=target, met=value >= target))

    def exponent(self, name: str, value: float, of: str) -> None:
        """Add how something grows: at most in proportion to `of`."""
        self.most(f"exponent_{name}", value, f"of {of}", EXPONENT_MAX)

    def print_table(self) -> None:
        """Print every figure, aligned."""
        head = ("figure", "value", "unit", "ratio", "target", "met")
        cells = [head, *(row.cells() for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            left, *rest = (
                f"{cell:{'<' if at in (0, 2) else '>'}{width}}"
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            print("  ".join((left, *rest)).rstrip())


@dataclass(frozen=True)
class Setting:
    """What to measure, and how thoroughly."""

    baseline: Baseline
    suites: Sequence[tuple[int, Suite]]
    sizes: Sequence[int]
    rounds: int
    quick: bool


Bench = Callable[[Report, Setting], None]


def run_all(benches: Sequence[Bench], description: str) -> None:
    """Read the command line, run the benchmarks in turn, and print what they found."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one object a line, as they come")
    parser.add_argument("--quick", action="store_true", help="small groups, few repetitions")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="N", help="members per group")
    parser.add_argument("--suites", nargs="+", choices=("1", "default"), default=["1", "default"])
    options = parser.parse_args()
    if min(options.sizes or SIZES) < 2:
        parser.error("a group to measure has two members or more")
    numbers = [SUITE_1 if name == "1" else DEFAULT_SUITE for name in options.suites]
    setting = Setting(
        Baseline(),
        [(number, standard_suites()[number]) for number in numbers],
        options.sizes or (QUICK_SIZES if options.quick else SIZES),
        3 if options.quick else 9,
        options.quick,
    )
    report = Report(options.json)
    for bench in benches:
        if not options.json and sys.stderr.isatty():
            print(f"{bench.__module__} ...", file=sys.stderr)
        bench(report, setting)
    if not options.json:
        report.print_table()


def run_alone(bench: Bench) -> None:
    """Run one benchmark as a program."""
    run_all([bench], f"{bench.__module__}: {bench.__doc__}")
