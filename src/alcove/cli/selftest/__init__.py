"""`alcove selftest`, also `alcove test`: does everything that a server needs work on this machine?

    machine          Python, the clock, the libraries
    known_answers    cryptography against published examples
    keeping          a database, made and read back
    serving          a server in a process of its own, and people who talk over it
    speed            how fast the cryptography is here, with --verbose

Each of them is loaded when it is its turn: that a library is missing is something to be told.
"""

import asyncio
import importlib
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

import click

from alcove.cli.selftest.failed import Failed

PARTS: Final = {
    "This machine": "machine",
    "Cryptography": "known_answers",
    "A database": "keeping",
    "A server, and people who talk over it": "serving",
}
"""The headings, and the modules whose `check(tell, folder)` they stand above."""
MORE: Final = {"How fast it is": "speed"}
"""The same, for who wants to see more."""
STOPPED: Final = 130
"""The exit status of a program that was ended by Ctrl-C, as shells have it."""


@click.command
@click.option("--folder", metavar="PATH", help="Try it on the disk of this folder.")
@click.option("--verbose", "-v", is_flag=True, help="Measure too, and say how long each part took.")
def selftest(*, folder: str | None, verbose: bool) -> None:
    """Check that a server works on this machine.

    The libraries, the cryptography against published examples, a database, and a server on a free
    port, over which people talk end-to-end encrypted and exchange a file.  All of it happens in a
    temporary folder; a server that runs here is not touched.  The exit status is 0 only if
    everything was well.  With --verbose it tells also how fast the cryptography is here.
    """
    began = time.perf_counter()
    parts = PARTS | (MORE if verbose else {})
    failed = 0
    with _ended_properly(), _place(folder) as place:
        for heading, module in parts.items():
            click.echo(heading)
            begins = time.perf_counter()
            failed += not passes(module, place)
            if verbose:
                click.echo(f"  {time.perf_counter() - begins:.1f} seconds")
    if failed:
        raise click.ClickException(
            f"{failed} of {len(parts)} parts failed: what is wrong stands beside the cross."
        )
    click.echo(f"Everything works, tried in {time.perf_counter() - began:.1f} seconds.")


def passes(module: str, folder: Path) -> bool:
    """Carry out one part, telling each thing as soon as it was found well."""
    try:
        part = importlib.import_module(f"{__name__}.{module}")
        part.check(_tell, folder)
    except (BrokenPipeError, click.exceptions.Exit):
        raise  # Nobody reads along any more, or it was stopped.
    except Exception as error:  # noqa: BLE001 - Whatever it is, it is what was looked for.
        why = str(error) or "an answer did not come in time"
        kind = "" if isinstance(error, Failed) else f"{type(error).__name__}: "
        click.echo(f"  {click.style('✗', fg='red')} {kind}{why}")
        return False
    return True


def _tell(text: str) -> None:
    click.echo(f"  {click.style('✓', fg='green')} {text}")


@contextmanager
def _place(folder: str | None) -> Iterator[Path]:
    """Give a folder of its own, which is gone afterwards."""
    try:
        place = Path(tempfile.mkdtemp(prefix="alcove-selftest-", dir=folder))
    except OSError as error:
        where = folder or tempfile.gettempdir()
        raise click.ClickException(
            f"Nothing can be written in {where} ({error.strerror}): name another one by --folder."
        ) from error
    try:
        yield place
    finally:
        shutil.rmtree(place)


@contextmanager
def _ended_properly() -> Iterator[None]:
    """Clean up also when somebody stops it: no process and no folder stays behind."""

    def stop(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError):
        click.echo("\nStopped before the end.", err=True)
        sys.exit(STOPPED)
    finally:
        signal.signal(signal.SIGTERM, before)
