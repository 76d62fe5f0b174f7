"""SQLite: the database that is there by default, one file beside the settings.

Write-ahead log with `synchronous=FULL`: a commit that has returned survives a power cut.  One
connection writes, others read beside it and see what was committed.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from alcove.server.store.database import (
    Column,
    ConstraintError,
    DatabaseRefused,
    Line,
    StorageError,
    Value,
)

BUSY_MS = 10_000
"""How long to wait for somebody else's lock, a backup's for example."""
CACHE_KIB = 32 * 1024
READER_CACHE_KIB = 8 * 1024
INSERT_LINES_MAX = 128
"""How many lines one INSERT carries: each statement costs a round through the interpreter."""
CHECKPOINT_PAGES = 4000
"""How long the write-ahead log gets before it is copied back: 16 MB."""
OLDEST_VERSION: Final = (3, 37, 0)
"""The first SQLite with strict tables."""
PRAGMAS: Final = (
    f"busy_timeout = {BUSY_MS}",
    "journal_mode = WAL",
    "synchronous = FULL",
    f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
    "temp_store = MEMORY",
    "secure_delete = ON",  # What is deleted is overwritten, not only forgotten.
    "trusted_schema = OFF",
)


class SqliteConnection:
    """One connection to the file.  Transactions are begun and ended by hand."""

    def __init__(
        self, path: str, *, cache_kib: int, read_only: bool = False, is_there: Callable[[], bool]
    ) -> None:
        self._is_there = is_there
        self._is_closed = False
        self._inserts: dict[tuple[str, int], str] = {}
        try:
            self._db = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=512
            )
        except sqlite3.OperationalError as error:
            raise StorageError(str(error)) from error
        try:
            for pragma in PRAGMAS:
                self.run(f"PRAGMA {pragma}")
            self.run(f"PRAGMA cache_size = -{cache_kib}")
            self.run(f"PRAGMA query_only = {int(read_only)}")
        except StorageError:
            self.close()
            raise

    def all(self, sql: str, *values: Value) -> list[Line]:
        """Return every line of the result."""
        try:
            return self._db.execute(sql, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    def each(self, sql: str, *values: Value) -> Iterator[Line]:
        """Yield the lines of a result that may be too large for the memory, in a transaction."""
        try:
            yield from self._db.execute(sql, values)
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    def one(self, sql: str, *values: Value) -> Line | None:
        """Return the first line of the result, or None."""
        try:
            line: Line | None = self._db.execute(sql, values).fetchone()
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error
        return line

    def run(self, sql: str, *values: Value) -> int:
        """Change something and return how many lines were changed."""
        try:
            return self._db.execute(sql, values).rowcount
        except sqlite3.DatabaseError as error:
            raise self._judged(error) from error

    def _judged(self, error: sqlite3.DatabaseError) -> Exception:
        """Return what an error means to us.  The rest are our own mistakes and stay as they are."""
        if isinstance(error, sqlite3.IntegrityError):
            return ConstraintError(str(error))
        if self._is_closed or type(error) in (sqlite3.OperationalError, sqlite3.DatabaseError):
            return StorageError(str(error))
        return error

    def insert(self, into: str, lines: Sequence[Iterable[Value]]) -> None:
        """Add many lines at once; `into` is `table (column, ...)`."""
        start = 0
        while start < len(lines):
            # Powers of two, so that there are few statements to prepare.
            count = min(INSERT_LINES_MAX, 1 << ((len(lines) - start).bit_length() - 1))
            sql = self._inserts.get((into, count)) or self._prepare(into, count)
            part = lines[start : start + count]
            # The module takes a bytearray as it is, and looks for an adapter for bytes each time.
            self.run(
                sql,
                *[bytearray(v) if type(v) is bytes else v for line in part for v in line],
            )
            start += count

    def _prepare(self, into: str, count: int) -> str:
        one = f"({', '.join('?' * (into.count(',') + 1))})"
        sql = f"INSERT INTO {into} VALUES {', '.join([one] * count)}"  # noqa: S608 - Our words.
        self._inserts[into, count] = sql
        return sql

    def begin(self) -> None:
        """Begin a transaction that may write."""
        if not self._is_there():
            raise StorageError("the database's file was taken away: put it back, or start again")
        self.run("BEGIN IMMEDIATE")

    def begin_reading(self) -> None:
        """Begin a transaction that sees the database as it is at its first statement."""
        self.run("BEGIN")

    def commit(self) -> None:
        """Make everything since `begin` permanent, on the disk, before it returns."""
        self.run("COMMIT")

    def rollback(self) -> None:
        """Undo everything since `begin`, or end reading."""
        if not self._is_closed and self._db.in_transaction:
            self.run("ROLLBACK")

    def close(self) -> None:
        """Close the connection."""
        self._is_closed = True
        self._db.close()

    def define(self, statement: str) -> None:
        """Run one statement of a migration, which makes or changes tables."""
        self.run(statement)

    def columns(self) -> list[Column]:
        """Return all columns of all tables: by table, then as they stand in it."""
        return [
            Column(table, name, type_, bool(not_null))
            for table, name, type_, not_null in self.all(
                """
                SELECT t.name, c.name, c.type, c."notnull"
                FROM sqlite_schema AS t JOIN pragma_table_info(t.name) AS c
                WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite%'
                ORDER BY t.name, c.cid
                """
            )
        ]


class SqliteDatabase:
    """A database in one file.

    `is_there` says whether the file is still the one that was opened: nothing else would notice
    when it was deleted, and what is then written is lost.
    """

    kind = "SQLite"
    is_local = True

    def __init__(self, path: str, is_there: Callable[[], bool] = lambda: True) -> None:
        if sqlite3.sqlite_version_info < OLDEST_VERSION:
            needed = ".".join(str(part) for part in OLDEST_VERSION)
            raise DatabaseRefused(
                f"This Python comes with SQLite {sqlite3.sqlite_version}, and Alcove needs {needed}"
                " or newer: use another Python, or PostgreSQL."
            )
        self.path = path
        self._is_there = is_there

    def writer(self) -> SqliteConnection:
        """Return the one connection that may write."""
        return SqliteConnection(self.path, cache_kib=CACHE_KIB, is_there=self._is_there)

    def reader(self) -> SqliteConnection:
        """Return a connection for reading beside the writer."""
        return SqliteConnection(
            self.path, cache_kib=READER_CACHE_KIB, read_only=True, is_there=self._is_there
        )

    def size_bytes(self) -> int:
        """Return how much space it takes."""
        connection = self.reader()
        try:
            (pages,) = connection.all("PRAGMA page_count")[0]
            (size,) = connection.all("PRAGMA page_size")[0]
        finally:
            connection.close()
        return int(pages) * int(size)

    def close(self) -> None:
        """Close what is still open: every connection closes itself."""
