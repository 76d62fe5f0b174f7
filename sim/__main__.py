"""python -m sim SEED: run one world and tell what happened; --count or --minutes: run many.

It ends with 1 and the seed when something is not as it must be.  With --state the count goes on
from call to call, in two processes, as long as the product stays the same.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from sim import soaking
from sim.faults import FAULTS, LEFT_OUT, RESULTS
from sim.swarm import Result, added, live, swarm, what_failed

LINES = 60
"""How much of a story is told when a world of many fails."""


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m sim", description=__doc__)
    parser.add_argument("seed", nargs="?", type=int, default=None, help="one world, told in full")
    parser.add_argument("--first", type=int, default=0, help="the first seed of many")
    parser.add_argument("--count", type=int, help="so many worlds")
    parser.add_argument("--minutes", type=float, help="worlds for so long")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at a failure")
    parser.add_argument("--only", help="this fault alone, and often; 'none' for no fault")
    parser.add_argument("--each", type=int, help="so many worlds with each fault alone")
    parser.add_argument("--without", action="append", default=[], help="a fault to leave out")
    parser.add_argument("--green", action="store_true", help="leave out what is known to be red")
    parser.add_argument("--state", type=Path, help="a file, to go on where the last call stopped")
    args = parser.parse_args()
    if args.green:
        args.without += LEFT_OUT
    if args.state is not None:
        return _soak(args.state, args.count or 10_000, args.minutes, args.without)
    if args.each is not None:
        return _each(args.each)
    if args.count is None and args.minutes is None:
        return _one(live(args.seed or 0, only=args.only, without=args.without))
    first = args.first if args.seed is None else args.seed
    seconds = None if args.minutes is None else args.minutes * 60
    results = swarm(first, args.count, seconds, only=args.only, without=args.without)
    expected = [
        name for name in (*FAULTS, *RESULTS) if args.only is None and name not in args.without
    ]
    return _many(results, keep_going=args.keep_going, expected=expected)


def _one(result: Result) -> int:
    print(result.story)
    print(f"\nseed {result.seed}: {result.events} events, {result.seconds:.2f} s of CPU")
    if result.failure:
        print(result.failure)
        return 1
    print("All was well.")
    return 0


def _soak(file: Path, count: int, minutes: float | None, without: list[str]) -> int:
    """Go on until so many worlds in a row were well, or the time is up."""
    until = float("inf") if minutes is None else time.monotonic() + minutes * 60
    progress = soaking.Progress()
    if file.exists():
        progress = soaking.Progress(**json.loads(file.read_text(encoding="utf-8")))

    def save() -> None:
        file.write_text(json.dumps(asdict(progress), indent=1) + "\n", encoding="utf-8")
        print(progress.told(), flush=True)

    def in_time() -> bool:
        return time.monotonic() < until

    failed = list(soaking.go(progress, count, in_time=in_time, save=save, without=without))
    for result in failed:
        print(f"seed {result.seed}: {what_failed(result.failure)}")
    return 1 if failed or progress.never else 0


def _each(count: int) -> int:
    """Tell for each fault in how many worlds with nothing else something went wrong."""
    failed = 0
    for name in ("none", *FAULTS):
        bad = [result for result in swarm(0, count, None, only=name) if result.failure]
        failed += len(bad)
        print(f"{len(bad):3} of {count}  {name}", flush=True)
        for result in bad[:3]:
            print(f"           {result.seed:4}: {what_failed(result.failure)}")
    return 1 if failed else 0


def _many(results: Iterator[Result], *, keep_going: bool, expected: list[str]) -> int:
    began, worlds, cpu, failed = time.monotonic(), 0, 0.0, []
    slowest = 0.0
    totals: dict[str, int] = {}
    for result in results:
        worlds += 1
        cpu += result.seconds
        slowest = max(slowest, result.seconds)
        totals = added(totals, result.counts)
        if result.failure:
            failed.append(result.seed)
            print(f"seed {result.seed}: {what_failed(result.failure)}", flush=True)
            if not keep_going:
                print("\n".join(result.story.splitlines()[-LINES:]))
                print(result.failure)
                break
    took = time.monotonic() - began
    for name, number in totals.items():
        print(f"{number:9}  {name}")
    print(
        f"{worlds} worlds, {len(failed)} failed, {cpu / max(1, worlds):.2f} s of CPU each"
        f" ({slowest:.2f} at most), {worlds / took * 60:.0f} worlds a minute"
    )
    missing = [name for name in expected if not totals.get(name)]
    if worlds >= soaking.ALL_STRUCK_FROM and missing:
        print(f"never happened: {', '.join(missing)}")
        return 1
    if failed:
        print(f"python -m sim {failed[0]}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
