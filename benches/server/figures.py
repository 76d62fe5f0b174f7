"""What was found: figures with their targets, beside what the same machine does without us."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Target:
    """What a figure should be."""

    value: float
    is_most: bool = False
    """Whether smaller is better."""

    def is_met(self, value: float) -> bool:
        return value <= self.value if self.is_most else value >= self.value


def least(value: float) -> Target:
    """Return the target of a figure that should be large."""
    return Target(value)


def most(value: float) -> Target:
    """Return the target of a figure that should be small."""
    return Target(value, is_most=True)


SYNCS_MAX: Final = 1.02
"""One, and for each some thousand messages those of a checkpoint."""
TARGETS: Final = {
    "w1_32_rate": least(20_000),
    "w1_1_rate": least(12_000),
    "w1_1_p50_ms": most(8),
    "w1_1_p99_ms": most(30),
    "w2_deliveries": least(60_000),
    "w2_last_p50_ms": most(3),
    "w3_accept": least(20_000),
    "w3_drain": least(50_000),
    "w3_lost": most(0),
    "w4_plain_mib_per_1000": most(20),
    "w4_tls_mib_per_1000": most(50),
    "w4_idle_cpu": most(1),
    "connect_rate": least(1_500),
    "syncs_per_message": most(SYNCS_MAX),
    "blob_up_mbps": least(400),
    "blob_down_mbps": least(400),
    "blob_memory_mib": most(64),
}

PAIR_OVER_COMMIT_MS: Final = 0.4
"""What one message alone may take longer than a bare commit."""

BESIDE: Final = {
    "w1_32_rate": ("bare_forward_rate", "bare_store_rate"),
    "w1_32_single_rate": ("bare_forward_single_rate", "bare_store_rate"),
    "w1_32_tls_rate": ("bare_forward_rate", "bare_store_rate"),
    "w1_1_rate": ("bare_forward_1_rate", "bare_store_rate"),
    "w1_pair_p50_ms": ("bare_commit_ms",),
    "w2_deliveries": ("bare_relay_deliveries",),
    "w2_1_deliveries": ("bare_relay_1_deliveries",),
    "w3_accept": ("bare_store_rate",),
    "blob_up_mbps": ("bare_file_mbps",),
    "blob_down_mbps": ("bare_file_mbps",),
}
"""The bare limits of the same run that a figure is compared with."""


@dataclass(frozen=True)
class Figure:
    """One figure."""

    name: str
    value: float
    unit: str


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


@dataclass
class Figures:
    """The figures of one run, in the order in which they were found."""

    as_json: bool = False
    found: dict[str, Figure] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What was lost, came twice or came in another order: nothing, in a good run."""
    notes: list[str] = field(default_factory=list)
    """What was not measured and why, and other things to know about this run."""
    raised: dict[str, str] = field(default_factory=dict)
    """Limits of the server that were raised because a workload hits them."""

    def add(self, name: str, value: float, unit: str) -> None:
        """Add a figure."""
        self.found[name] = Figure(name, value, unit)
        if self.as_json:
            self._print(name, value, unit)

    def _print(self, name: str, value: float, unit: str) -> None:
        print(json.dumps({"name": name, "value": _rounded(value), "unit": unit}), flush=True)

    def problem(self, text: str) -> None:
        """Say loudly that something went wrong: this run counts for nothing."""
        self.problems.append(text)
        print(f"WRONG: {text}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """Remember something to say below the table."""
        if text not in self.notes:
            self.notes.append(text)

    def finish(self) -> None:
        """Add what is known only when all has been measured, and print the table."""
        self._aim()
        if self.as_json:
            for name, bare, ratio in self._ratios():
                self._print(f"{name}_over_{bare}", ratio, "x")
        else:
            self._print_table()
        for note in self.notes:
            print(f"Note: {note}", file=sys.stderr if self.as_json else sys.stdout)
        if self.raised and not self.as_json:
            limits = ", ".join(f"{name} = {value}" for name, value in sorted(self.raised.items()))
            print(f"Limits that were raised where a workload hits them: {limits}")
        if self.problems:
            print(f"WRONG: {len(self.problems)} problems, see above.", file=sys.stderr)

    def target(self, name: str) -> Target | None:
        """Return what a figure should be."""
        commit = self.found.get("bare_commit_ms")
        if name == "w1_pair_p50_ms" and commit is not None:
            return most(commit.value + PAIR_OVER_COMMIT_MS)
        return TARGETS.get(name)

    def _aim(self) -> None:
        if "w1_pair_p50_ms" in self.found and "bare_commit_ms" in self.found:
            over = self.found["w1_pair_p50_ms"].value - self.found["bare_commit_ms"].value
            self.add("w1_pair_over_commit_ms", over, "ms")

    def _ratios(self) -> Iterator[tuple[str, str, float]]:
        for name, figure in self.found.items():
            for bare in BESIDE.get(name, ()):
                if bare in self.found:
                    yield name, bare, figure.value / self.found[bare].value

    def _print_table(self) -> None:
        beside: dict[str, list[str]] = {}
        for name, bare, ratio in self._ratios():
            beside.setdefault(name, []).append(f"{ratio:.2f} x {bare}")
        rows = [("figure", "value", "unit", "target", "met", "beside the bare limits")]
        for name, figure in self.found.items():
            target = self.target(name)
            met = "" if target is None else "yes" if target.is_met(figure.value) else "NO"
            aim = "" if target is None else f"{'<=' if target.is_most else '>='} "
            aim += "" if target is None else _short(target.value)
            value = _short(figure.value)
            rows.append((name, value, figure.unit, aim, met, ", ".join(beside.get(name, ()))))
        print_aligned(rows, right=(1, 3))


def print_aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print rows of one length as columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            f"{cell:{'>' if at in right else '<'}{width}}"
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which so many percent of sorted values lie."""
    return values[min(len(values) - 1, int(len(values) * percent / 100))]
