"""How fast the terminal app is: every figure that the design names, with its target.

    python -m benches.bench_terminal             everything; about two minutes
    python -m benches.bench_terminal --quick     short runs
    python -m benches.bench_terminal --json      one {"name", "value", "unit"} a line

Opening is measured with a real account of 200 rooms, in a real terminal of its own (a pty); keys
and memory with the shipped app in front of a desk that says made-up lines as fast as is asked.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

if not __package__:  # Run as a file: then Python looks for `benches` beside it, not above it.
    sys.path[0] = str(Path(__file__).parents[1])

from benches.client import big
from benches.client.town import PASSPHRASE
from benches.server.figures import Figures, Target, most

MESSAGES: Final = 12_000
"""In the account that is opened: some sixty in each of its rooms."""
OPENINGS: Final = 7
LINES: Final = 50_000
QUICK_LINES: Final = 5_000
SIZE: Final = (40, 140)
"""Rows and columns of the terminal."""
PATIENCE_S: Final = 600
TARGETS: Final = {
    "tui_start_s": most(0.8),
    "tui_key_p95_ms": most(50),
    "tui_memory_mib": most(120),
    "tui_memory_grown_mib": most(5),
}


@dataclass
class TerminalFigures(Figures):
    """The figures of one run."""

    def target(self, name: str) -> Target | None:
        """Return what a figure should be."""
        return TARGETS.get(name)


def started(home: Path, passphrase: Path, result: Path) -> dict[str, float]:
    """Run the app in a terminal until its rooms are shown, and return what it found."""
    ours, its = os.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
    around = os.environ | {"ALCOVE_PASSPHRASE_FILE": str(passphrase), "TERM": "xterm-256color"}
    around.pop("PYTHONDONTWRITEBYTECODE", None)  # What is installed has its bytecode.
    begun_s = time.monotonic()
    program = subprocess.Popen(
        [sys.executable, "-m", "benches.terminal.starting", home, str(begun_s), result],
        stdin=its, stdout=its, stderr=its, env=around, cwd=Path(__file__).parents[1],
        start_new_session=True,
    )  # fmt: skip
    os.close(its)
    reader = threading.Thread(target=_drain, args=(ours,))
    reader.start()
    code = program.wait(PATIENCE_S)
    reader.join()
    os.close(ours)
    if code or not result.exists():
        raise SystemExit(f"The app ended with {code} before it had shown a room.")
    found: dict[str, float] = json.loads(result.read_text(encoding="utf-8"))
    result.unlink()
    return found


def _drain(terminal: int) -> None:
    with contextlib.suppress(OSError):  # Linux says so when nobody holds the other end any more.
        while os.read(terminal, 65_536):
            pass


def opening(figures: Figures, folder: Path) -> None:
    """Measure from the start of the program until it can be used, and 200 rooms be read."""
    dice = random.Random(1)
    home = folder / "home"
    big.make(home, dice, big.make_words(dice), MESSAGES)
    passphrase = folder / "passphrase"
    passphrase.write_text(PASSPHRASE, encoding="utf-8")
    passphrase.chmod(0o600)
    found = [started(home, passphrase, folder / "result") for _ in range(OPENINGS + 1)][1:]
    assert {one["rooms"] for one in found} == {big.ROOMS}
    for name in ("tui_door_s", "tui_start_s", "tui_rooms_s", "tui_start_cpu_s"):
        figures.add(name, statistics.median(one[name] for one in found), "s")


def talking(figures: Figures, *, is_quick: bool) -> None:
    """Measure keys and memory while others talk."""
    lines, seconds = (QUICK_LINES, 3) if is_quick else (LINES, 15)
    run = subprocess.run(
        [sys.executable, "-m", "benches.terminal.busy", str(seconds), str(lines)],
        check=True, capture_output=True, cwd=Path(__file__).parents[1], timeout=PATIENCE_S,
    )  # fmt: skip
    for name, value in json.loads(run.stdout).items():
        figures.add(
            name, value, name.rpartition("_")[2].replace("mib", "MiB").replace("rate", "/s")
        )


def main() -> int:
    """Read the command line, measure, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line, as they come")
    parser.add_argument("--quick", action="store_true", help="short runs")
    options = parser.parse_args()
    figures = TerminalFigures(options.json)
    folder = Path(tempfile.mkdtemp(prefix="alcove-bench-"))
    try:
        opening(figures, folder)
        talking(figures, is_quick=options.quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    figures.finish()
    return 0


if __name__ == "__main__":
    sys.exit(main())
