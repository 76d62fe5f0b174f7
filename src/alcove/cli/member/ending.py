"""How a member's command ends: one sentence and a number, whatever went wrong.

0 fine · 1 said no · 2 used wrongly · 3 no line to the server · 4 what is kept here cannot be used
· 5 a mistake of ours · 130 stopped by Ctrl-C
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final

import click

from alcove.cli.advice import Told

REFUSED: Final = 1
WRONG_USE: Final = 2
NO_LINE: Final = 3
STORE: Final = 4
OUR_MISTAKE: Final = 5
STOPPED: Final = 130

MISTAKE: Final = (
    "This is a mistake of this program, and nothing that you did ({kind}): do it again with"
    " --debug, and tell the project what is shown then."
)


REVOKED: Final = (
    "`alcove export` saves what is here, `alcove logout --local` erases it, and then `alcove login`"
    " makes this machine a device again."
)


class Failed(Told):
    """Something could not be done."""


@contextmanager
def plainly_ended(*, debug: bool) -> Iterator[None]:
    """Tell every error as one sentence; with `debug` also where it comes from."""
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        raise SystemExit(STOPPED) from None
    except Exception as error:
        if debug:
            click.echo(where(error), err=True)
        raise failed(error) from error


def failed(error: Exception) -> click.ClickException:
    """Return an error as it is told to people."""
    from alcove.client import (  # noqa: PLC0415 - Only when something has failed.
        ClientError,
        OfflineError,
        RefusedError,
        StoreError,
    )

    match error:
        case click.ClickException():
            return error
        case RefusedError(code="revoked") | OfflineError(code="revoked"):
            return Failed(f"{error}  {REVOKED}")
        case OfflineError():
            return Failed(str(error), NO_LINE)
        case StoreError():
            return Failed(str(error), STORE)
        case ClientError():
            return Failed(str(error))
        case OSError(filename=str(path), strerror=str(why)):
            return Failed(f"{path}: {why}.")
        case _:
            return Failed(MISTAKE.format(kind=type(error).__name__), OUR_MISTAKE)


def where(error: BaseException) -> str:
    """Return where an error comes from.  Not what it says: nobody knows what stands there."""
    lines = [f"{type(error).__name__}, from"]
    lines += [f"  {place}" for place in _places(error.__traceback__)]
    cause = error.__cause__ or error.__context__
    return "\n".join(lines) + (f"\nbecause of {where(cause)}" if cause else "")


def _places(trace: TracebackType | None) -> list[str]:
    return [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(trace)]
