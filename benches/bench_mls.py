"""How fast `alcove.mls` is: every figure that the design names, each beside one signature.

    python -m benches.bench_mls             one table, after some minutes
    python -m benches.bench_mls --quick     small groups, half a minute
    python -m benches.bench_mls --json      one {"name", "value", "unit"} a line
    python benches/bench_mls.py             the same

Each module named `bench_…` beside this one answers one question and runs alone, too.
"""

from __future__ import annotations

import sys
from pathlib import Path

if not __package__:  # Run as a file: then Python looks for `benches` beside it, not above it.
    sys.path[0] = str(Path(__file__).parents[1])

from benches import (
    bench_commits,
    bench_joins,
    bench_memory,
    bench_messages,
    bench_others,
    bench_rates,
    bench_refusals,
)
from benches.report import Report, Setting, run_all
from benches.timing import Series, rounds


def baseline(report: Report, setting: Setting) -> None:
    """Say what one signature costs here, alone."""
    series = Series(setting.baseline)
    for _ in rounds(setting.rounds, series):
        series.time(lambda: None)
    timed = series.median()
    report.most("sign_us", timed.sign * 1e6, "us")
    report.most("verify_us", timed.verify * 1e6, "us")


BENCHES = (
    baseline,
    bench_messages.run,
    bench_rates.run,
    bench_commits.run,
    bench_joins.run,
    bench_memory.run,
    bench_refusals.run,
    bench_others.run,
)


def main() -> None:
    """Run every benchmark."""
    run_all(BENCHES, "How fast alcove.mls is, each figure beside one Ed25519 signature.")


if __name__ == "__main__":
    main()
