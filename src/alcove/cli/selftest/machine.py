"""What a server finds on this machine: Python, the clock and the libraries."""

import platform
import sqlite3
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from alcove.cli.selftest.failed import Failed

LEAST_PYTHON: Final = (3, 11)
LEAST_SQLITE: Final = (3, 37, 0)
"""The first one that has tables whose columns keep to their types."""
MADE_S: Final = 1_767_225_600
"""No clock is right that shows a time before this: the year in which the program was written."""
NEEDED: Final = {
    "cryptography": "cryptography",
    "msgspec": "msgspec",
    "aiohttp": "aiohttp",
    "click": "click",
    "prometheus-client": "prometheus_client",
    "segno": "segno",
}
"""Libraries without which no server starts, and the modules by which they are imported."""
WANTED: Final = {
    "uvloop": ("uvloop", "the server is slower without it"),
    "psycopg": ("psycopg", "needed for PostgreSQL only"),
}
"""Libraries that a server can do without, and what that means."""


def check(tell: Callable[[str], None], _: Path) -> None:
    """Look at what is here, and tell it."""
    tell(python(sys.version_info[:2]))
    tell(clock(time.time()))
    tell(sqlite(sqlite3.sqlite_version_info))
    tell(f"Libraries: {', '.join(library(name, module) for name, module in NEEDED.items())}.")
    for name, (module, meaning) in WANTED.items():
        tell(f"{wanted(name, module, meaning)}.")


def python(found: tuple[int, ...]) -> str:
    """Say which Python runs this."""
    if found < LEAST_PYTHON:
        raise Failed(
            f"Python {_dotted(LEAST_PYTHON)} or newer is needed; this is {_dotted(found)}."
        )
    return f"Python {platform.python_version()} on {platform.system()} ({platform.machine()})."


def clock(now_s: float) -> str:
    """Say what time it is: sign-in codes and certificates depend on it."""
    shown = time.strftime("%Y-%m-%d %H:%M", time.gmtime(now_s))
    if now_s < MADE_S:
        raise Failed(f"The clock shows {shown}, which is long ago: set it.")
    return f"The clock shows {shown} UTC."


def sqlite(found: tuple[int, ...]) -> str:
    """Say which SQLite came with Python."""
    if found < LEAST_SQLITE:
        raise Failed(
            f"SQLite {_dotted(LEAST_SQLITE)} or newer is needed; this is {_dotted(found)}."
        )
    return f"SQLite {_dotted(found)}."


def library(name: str, module: str) -> str:
    """Import a library, and return its name and version."""
    try:
        import_module(module)
        return f"{name} {version(name)}"
    except (ImportError, PackageNotFoundError) as error:
        raise Failed(f"The library {name} cannot be loaded: install Alcove again.") from error


def wanted(name: str, module: str, meaning: str) -> str:
    """Say whether a library is here that a server can do without."""
    try:
        return library(name, module)
    except Failed:
        return f"{name} is not here: {meaning}"


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in numbers)
