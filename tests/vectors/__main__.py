"""Runs files of test vectors: `python -m tests.vectors FILE... [--kind KIND]`.

Prints one line `NAME passed/total` for each file.  The exit status is 0 when everything passed,
1 when something did not, and 2 when the arguments or a file cannot be used.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tests.vectors.runner import KINDS, Result, Unusable, guess_kind, kind_named, load, run


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong, without the usage around it."""
        raise Unusable(message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m tests.vectors",
        description="Run test vectors of the MLS working group.",
        epilog=f"Kinds: {', '.join(KINDS)}.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--kind", help="what the files hold; guessed from each name if not given")
    parser.add_argument(
        "--verbose", action="store_true", help="name each vector that fails, and what broke"
    )
    return parser


def _show(result: Result, *, verbose: bool) -> None:
    print(f"{result.name} {result.passed}/{result.total}", flush=True)
    if verbose:
        for broken in result.broken:
            print(f"    vector {broken.index}: {broken.reason}", flush=True)
    if result.skipped:
        print(
            f"{result.name}: {result.skipped} skipped, so not passed: their cipher suite "
            "is not known here",
            file=sys.stderr,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status."""
    try:
        options = _parser().parse_args(arguments)
        kind = None if options.kind is None else kind_named(options.kind)
        # Everything is read before anything is run: an unusable file is told at once.
        jobs = [(file.stem, kind or guess_kind(file), load(file)) for file in options.files]
    except Unusable as unusable:
        print(f"tests.vectors: {unusable}.", file=sys.stderr)
        return 2
    status = 0
    for name, of_kind, vectors in jobs:
        result = run(name, of_kind, vectors)
        _show(result, verbose=options.verbose)
        if result.broken:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
