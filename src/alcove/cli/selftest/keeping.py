"""A database on this disk: made, written, closed, opened again and read back."""

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

from alcove.cli.selftest.failed import Failed
from alcove.server.store.database import Connection, Database
from alcove.server.store.opening import found, open_sqlite

COMMITS: Final = 20
"""How many commits are timed."""
SECRET: Final = bytes(range(32))


def check(tell: Callable[[str], None], folder: Path) -> None:
    """Use a database as a server would, and tell what went well."""
    path = str(folder / "selftest.sqlite")
    database = open_sqlite(path, _now())
    try:
        tell(f"{_founded(database)} tables are made.")
        tell(f"A commit takes {_commit_ms(database):.1f} ms until it is on the disk.")
    finally:
        database.close()
    database = open_sqlite(path, _now())
    try:
        _read_back(database)
    finally:
        database.close()
    tell("Closed and opened again, it has everything.")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _founded(database: Database) -> int:
    connection = database.writer()
    try:
        found(connection, _now(), SECRET)
        line = connection.one("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'")
        return int((line or (0,))[0])
    finally:
        connection.close()


def _commit_ms(database: Database) -> float:
    """Write one line after the other, and return how long it usually took."""
    connection = database.writer()
    try:
        return median(_write(connection, number) for number in range(COMMITS))
    finally:
        connection.close()


def _write(connection: Connection, number: int) -> float:
    began = time.perf_counter()
    connection.begin()
    values = (f"selftest {number}", str(number), _now())
    connection.run("INSERT INTO setting (name, value, changed_at) VALUES (?, ?, ?)", *values)
    connection.commit()
    return (time.perf_counter() - began) * 1000


def _read_back(database: Database) -> None:
    connection = database.writer()
    try:
        secret, _ = found(connection, _now(), bytes(32))
        lines = connection.all("SELECT name FROM setting")
        whole = connection.one("PRAGMA integrity_check")
    finally:
        connection.close()
    if (secret, len(lines), whole) != (SECRET, COMMITS, ("ok",)):
        raise Failed(
            "What was committed is not in the database any more: this disk cannot be used."
        )
