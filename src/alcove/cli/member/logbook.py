"""The log of a member's programs: a file in the folder of all profiles, for this user alone.

It tells when the line came and went, and mistakes of ours by kind and place.  What people say,
names, passwords and keys are in none of its lines.  With --debug it is shown as well.
"""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

LOG_NAME: Final = "alcove.log"
LOG_BYTES_MAX: Final = 1_000_000
"""From this size on the file begins anew; the one before is kept."""
FORM: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class LogFile(logging.Handler):
    """A file that is opened for each line, and that ends no program when it cannot be written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(FORM))
        self._path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, and what belongs to it."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size > LOG_BYTES_MAX:
                self._path.replace(self._path.with_name(f"{LOG_NAME}.1"))
            number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with os.fdopen(number, "a", encoding="utf-8") as file:
                file.write(f"{self.format(record)}\n")


def keep_log(home: Path, level: str, *, debug: bool) -> None:
    """Write down what the client's parts log, from a level on; with `debug` show it too."""
    log = logging.getLogger("alcove")
    log.handlers[:] = [LogFile(home / LOG_NAME)]
    if debug:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(logging.Formatter(FORM))
        log.addHandler(shown)
    log.setLevel(level.upper())
    log.propagate = False
