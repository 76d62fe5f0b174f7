"""How fast the client is: every figure that the design names, with its target.

    python -m benches.bench_client               everything; some minutes
    python -m benches.bench_client --quick       short runs, about a minute
    python -m benches.bench_client --only talk   some of talk reading engine commands big files idle
    python -m benches.bench_client --json        one {"name", "value", "unit"} a line

Clients are those of the SDK, with their databases encrypted on a disk.  The server is the one that
is shipped, in its own process on the first core; this process has the second core.  What `talk` and
`commands` start shares all cores, as on anybody's machine.
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

from alcove.client import ClientError
from benches import client_files
from benches.client import big, commands, engine, reading, talk
from benches.client.figures import ClientFigures
from benches.server.house import IS_PINNED
from benches.server.link import BenchError
from benches.server.plan import Plan


def files(plan: Plan) -> None:
    """Measure files: sealed on one core, and sent to a server."""
    size = client_files.QUICK_FILE_BYTES if plan.is_quick else client_files.FILE_BYTES
    found = client_files.seal_file(size) | client_files.upload(plan.folder / "files", size)
    for name, value in found.items():
        plan.figures.add(name, value, "MiB" if name.endswith("_mib") else "MB/s")


WORKLOADS: Final[dict[str, Callable[[Plan], None]]] = {
    "talk": talk.run,
    "reading": reading.run,
    "engine": engine.run,
    "commands": commands.run,
    "big": big.run,
    "files": files,
    "idle": talk.idle,
}


def main() -> int:
    """Read the command line, run the workloads in turn, and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line, as they come")
    parser.add_argument("--quick", action="store_true", help="short runs, about a minute")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(WORKLOADS)}")
    parser.add_argument("--folder", type=Path, help="where the data goes: the disk to measure")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else list(WORKLOADS)
    unknown = [name for name in names if name not in WORKLOADS]
    if unknown:
        parser.error(f"there is no workload {unknown[0]}: choose of {','.join(WORKLOADS)}")
    figures = ClientFigures(options.json)
    if not IS_PINNED:
        figures.note("server and clients share their cores: figures are worse than they need be.")
    folder = Path(tempfile.mkdtemp(prefix="alcove-bench-", dir=options.folder))
    plan = Plan(figures, folder, is_quick=options.quick)
    try:
        _run(plan, names)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures.finish()
    return 1 if figures.problems else 0


def _run(plan: Plan, names: list[str]) -> None:
    for name in names:
        if not plan.figures.as_json and sys.stderr.isatty():
            print(f"{name} ...", file=sys.stderr)
        try:
            WORKLOADS[name](plan)
        except (BenchError, ClientError, OSError, TimeoutError) as error:
            plan.figures.problem(f"{name}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main())
