"""A database as the client uses it: plain SQL, positional arguments, one transaction at a time.

`sqlite3` and `sqlcipher3` have one interface, so the same few lines serve the encrypted file of an
account, and the memory that the simulator calls a disk.  What the world does to a disk is told as a
`StoreError`; a mistake of ours stays the driver's own error.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from alcove.client.store.failures import blame
from alcove.client.store.migrations import migrate

Value = int | str | bytes | float | None
Line = tuple[Any, ...]


class Database:
    """One open database.  Whoever changes something does it between `begin` and `commit`."""

    def __init__(self, raw: Any, path: Path | None = None) -> None:
        self.raw, self.path = raw, path
        raw.isolation_level = None  # We begin and commit ourselves.
        self._error: type[Exception] = raw.Error

    def one(self, sql: str, *values: Value) -> Line | None:
        """Return the first line of the result, or None."""
        try:
            line: Line | None = self.raw.execute(sql, values).fetchone()
        except self._error as error:
            blame(error, self.path)
            raise
        return line

    def all(self, sql: str, *values: Value) -> list[Line]:
        """Return every line of the result."""
        try:
            lines: list[Line] = self.raw.execute(sql, values).fetchall()
        except self._error as error:
            blame(error, self.path)
            raise
        return lines

    def each(self, sql: str, *values: Value) -> Iterator[Line]:
        """Yield the lines of a result that may be too large for the memory."""
        try:
            yield from self.raw.execute(sql, values)
        except self._error as error:
            blame(error, self.path)
            raise

    def run(self, sql: str, *values: Value) -> int:
        """Change something and return how many lines were changed."""
        try:
            changed: int = self.raw.execute(sql, values).rowcount
        except self._error as error:
            blame(error, self.path)
            raise
        return changed

    def many(self, sql: str, lines: Iterable[Iterable[Value]]) -> None:
        """Run one change for each of these lines."""
        try:
            self.raw.executemany(sql, lines)
        except self._error as error:
            blame(error, self.path)
            raise

    def script(self, sql: str) -> None:
        """Run several statements of ours; a transaction that is open is committed first."""
        try:
            self.raw.executescript(sql)
        except self._error as error:
            blame(error, self.path)
            raise

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self.run("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make everything since `begin` permanent, on the disk, before it returns."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo everything since `begin`."""
        if self.raw.in_transaction:
            self.run("ROLLBACK")

    def close(self) -> None:
        """Close the database."""
        self.raw.close()


def open_memory() -> Database:
    """Return a new database that is gone when it is closed: the simulator's disk."""
    database = Database(sqlite3.connect(":memory:", check_same_thread=False))
    migrate(database)
    return database
