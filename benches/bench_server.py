"""How fast `alcove serve` is: every figure that the design names, beside the machine's bare limits.

    python -m benches.bench_server               everything but the largest table; some minutes
    python -m benches.bench_server --quick       short runs, about a minute
    python -m benches.bench_server --full        growth up to ten million entries, too
    python -m benches.bench_server --only w1,w2  some of w1 w2 w3 w4 syncs blobs growth
                                                 handlers bare
    python -m benches.bench_server --json        one {"name", "value", "unit"} a line

The server is the one that is shipped, in its own process on the first core, with its own settings
but for the limits that a workload hits, which are named at the end.  The load generator is this
process, on the second core.  Every delivery is counted and compared: a run that loses a message,
gets one twice or in another order says so, and ends with 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

if not __package__:  # Run as a file: then Python looks for `benches` beside it, not above it.
    sys.path[0] = str(Path(__file__).parents[1])

from benches.server import bare, crowd, files, growth, handlers, idle, offline, pairs, syncs
from benches.server.figures import Figures
from benches.server.house import IS_PINNED, pin_load
from benches.server.link import BenchError
from benches.server.plan import Plan

WORKLOADS: Final[dict[str, Callable[[Plan], None]]] = {
    "bare": bare.run,
    "w1": pairs.run,
    "w2": crowd.run,
    "w3": offline.run,
    "w4": idle.run,
    "syncs": syncs.run,
    "blobs": files.run,
    "growth": growth.run,
    "handlers": handlers.run,
}
BESIDE: Final = {"w1": "bare", "w2": "bare", "w3": "bare", "blobs": "bare"}
"""What is measured too, because a workload's figures are compared with it."""
IN_MEMORY: Final = ("tmpfs", "ramfs")


def main() -> int:
    """Read the command line, run the workloads in turn, and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line, as they come")
    parser.add_argument("--quick", action="store_true", help="short runs, about a minute")
    parser.add_argument("--full", action="store_true", help="growth up to ten million entries")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(WORKLOADS)}")
    parser.add_argument("--folder", type=Path, help="where the data goes: the disk to measure")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}: choose of {','.join(WORKLOADS)}")
    figures = Figures(options.json)
    folder = Path(tempfile.mkdtemp(prefix="alcove-bench-", dir=options.folder))
    plan = Plan(figures, folder, is_quick=options.quick, is_full=options.full)
    try:
        _look_at_machine(figures, folder)
        _run(plan, names)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures.finish()
    return 1 if figures.problems else 0


def _run(plan: Plan, names: list[str]) -> None:
    wanted = {*names, *(BESIDE[name] for name in names if name in BESIDE)}
    for name, workload in WORKLOADS.items():
        if name in wanted:
            if not plan.figures.as_json and sys.stderr.isatty():
                print(f"{name} ...", file=sys.stderr)
            try:
                workload(plan)
            except (BenchError, OSError, TimeoutError) as error:
                plan.figures.problem(f"{name}: {type(error).__name__}: {error}")


def _look_at_machine(figures: Figures, folder: Path) -> None:
    """Take a core, and say what makes figures of this machine worth less."""
    pin_load()
    if not IS_PINNED:
        figures.note("server and load generator share their cores: figures are too low.")
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return
    lines = (line.split() for line in mounts.read_text().splitlines())
    above = [(place, kind) for _, place, kind, *_ in lines if folder.is_relative_to(place)]
    if above and max(above, key=lambda one: len(one[0]))[1] in IN_MEMORY:
        figures.note("the data lies in memory, not on a disk: no commit had to wait (--folder).")


if __name__ == "__main__":
    sys.exit(main())
