"""Log lines: of our own code what it says, of everybody else's only what kind of thing happened.

Our lines are made of our own words, counts and names of settings.  Libraries put into theirs what
came from outside: addresses, pieces of requests, bodies.  So of a line of theirs, and of every
exception, no word is taken over: only its type, and where in the code it was.
"""

import asyncio
import json
import logging
import sys
import threading
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, Final, TextIO

from alcove.server.settings import Settings
from alcove.server.settings_together import log_level

OURS: Final = "alcove"
FOLDER: Final = "logs"
NAME: Final = "alcove.log"
FRAMES_MAX: Final = 12
"""How many places in the code a line names, the innermost ones."""
FLOODED: Final = "aiohttp.server"
"""Writes a line for each request that is garbage, so that anybody could fill the log."""
FLOOD_LINES_MAX: Final = 5
"""How many lines of one kind it may write in a minute; the rest is counted."""
MINUTE_S: Final = 60

_log = logging.getLogger("alcove.server")


def places(trace: TracebackType | None) -> str:
    """Return where in the code something happened, the innermost place last."""
    found = []
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename.replace("\\", "/")
        found.append(f"{'/'.join(name.split('/')[-2:])}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(found[-FRAMES_MAX:])


def told(record: logging.LogRecord) -> str:
    """Return what may be said of a record, on one line."""
    if record.name.partition(".")[0] == OURS:
        text = record.getMessage()
    else:
        text = f"{record.name} had something to say"
    if record.exc_info:
        kind, _, trace = record.exc_info
        text += f": {kind.__name__ if kind else 'no exception'} at {places(trace)}"
    return " ".join(text.split())


def _moment(record: logging.LogRecord) -> str:
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
    return f"{seconds}.{int(record.msecs):03}Z"


class TextLine(logging.Formatter):
    """A line for people who look into a file."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        return f"{_moment(record)} {record.levelname.lower():7} {told(record)}"


class JsonLine(logging.Formatter):
    """A line for programs that collect logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line = {
            "at": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": told(record),
        }
        return json.dumps(line, ensure_ascii=False)


class ConsoleLine(logging.Formatter):
    """A line for who has just started the server and looks at it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        label = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return f"{time.strftime('%H:%M:%S', time.localtime(record.created))}  {label}{told(record)}"


class _Rotating(RotatingFileHandler):
    def doRollover(self) -> None:  # noqa: N802 - The library's name.
        """Begin a new file; where no old one is to stay, the same one anew."""
        if self.backupCount == 0 and self.stream is not None:
            self.stream.seek(0)
            self.stream.truncate()
            return
        super().doRollover()


class _Sparse(logging.Filter):
    """Lets a few lines of each kind of exception through in a minute, and tells of the rest."""

    def __init__(self) -> None:
        super().__init__()
        self._since_s = 0.0
        self._counts: dict[str, int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a line may be written; what was left out is said when the next comes."""
        if not 0 <= record.created - self._since_s < MINUTE_S:
            counts, self._counts = self._counts, {}
            self._since_s = record.created
            left_out = sum(max(0, count - FLOOD_LINES_MAX) for count in counts.values())
            if left_out:
                _log.warning("left out %d lines of %s like those before", left_out, FLOODED)
        kind = record.exc_info[0] if record.exc_info else None
        # A fault of ours has its own few lines, whatever strangers send beside it.
        name = kind.__name__ if kind else ""
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name] <= FLOOD_LINES_MAX


def begin_logging(settings: Settings, console: TextIO | None, *, verbose: bool) -> Path:
    """Send log lines to the data folder and to a console, and return the folder.

    The console gets warnings and errors; with `verbose` or at level debug, everything.
    """
    folder = Path(settings.data) / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    level = log_level(settings).upper()
    is_json = settings.log_format == "json"
    file = _Rotating(
        folder / NAME,
        maxBytes=settings.log_file_bytes_max,
        backupCount=settings.log_files_keep,
        encoding="utf-8",
    )
    file.setFormatter(JsonLine() if is_json else TextLine())
    handlers: list[logging.Handler] = [file]
    if console is not None:
        stream = logging.StreamHandler(console)
        stream.setFormatter(JsonLine() if is_json else ConsoleLine())
        shows_all = verbose or is_json or level == "DEBUG"
        stream.setLevel(level if shows_all else logging.WARNING)
        handlers.append(stream)
    root = logging.getLogger()
    end_logging()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    logging.getLogger(FLOODED).addFilter(_Sparse())
    logging.raiseExceptions = False  # A full disk must not fill the console too.
    threading.excepthook = _thread_failed
    sys.unraisablehook = _unraisable
    return folder


def end_logging() -> None:
    """Close the handlers of before."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    flooded = logging.getLogger(FLOODED)
    for sparse in [one for one in flooded.filters if isinstance(one, _Sparse)]:
        flooded.removeFilter(sparse)


def watch_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Log what fails in the loop and has nobody to tell it to."""
    loop.set_exception_handler(_loop_failed)


def _loop_failed(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        _failed("the loop", error)
    else:
        _log.error("unexpected in the loop")


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        _failed("a thread", failed.exc_value)


def _unraisable(failed: "sys.UnraisableHookArgs") -> None:
    if failed.exc_value is not None:
        _failed("cleaning up", failed.exc_value)


def _failed(where: str, error: BaseException) -> None:
    _log.error(
        "unexpected %s in %s at %s", type(error).__name__, where, places(error.__traceback__)
    )
