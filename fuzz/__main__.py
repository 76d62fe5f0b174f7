"""The command line: `python -m fuzz [TARGET...] --inputs N --seed S --resume FILE`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fuzz.run import Broken, Run, all_targets, go


def main(arguments: list[str] | None = None) -> int:
    """Run the targets that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz alcove.mls.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, unless named")
    parser.add_argument("--inputs", type=int, default=20_000, help="how many in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", type=Path, metavar="FILE", help="go on from here, and save")
    parser.add_argument("--list", action="store_true", help="name the targets and stop")
    options = parser.parse_args(arguments)
    run = Run.load(options.resume, options.seed) if options.resume else Run(options.seed)
    targets = all_targets(run.seed)
    if options.list:
        print("\n".join(target.name for target in targets))
        return 0
    wanted = [target for target in targets if target.name in options.targets or not options.targets]
    unknown = set(options.targets) - {target.name for target in targets}
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")

    def after_batch(run: Run) -> bool:
        if options.resume:
            run.save(options.resume)
        return True

    try:
        go(wanted, run, options.inputs, after_batch=after_batch)
    except Broken as broken:
        print(broken, broken.data.hex(), sep="\n", file=sys.stderr)
        return 1
    print(run.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
