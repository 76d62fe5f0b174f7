"""PostgreSQL: the same tables for servers that outgrow one file, through psycopg 3.

The handlers' SQL is what SQLite understands.  What differs is made equal here: `?` becomes `$1`,
types have other names, texts are compared byte by byte, and every number comes back as an int.  One
writer holds a lock of the database for as long as it is connected; a second server is refused.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any, Final, Literal

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.bool import BoolBinaryLoader
from psycopg.types.numeric import Int8BinaryDumper, NumericBinaryLoader

from alcove.server.store.database import (
    Column,
    CommitUnknown,
    ConstraintError,
    DatabaseRefused,
    Line,
    StorageError,
    Value,
)

OLDEST_VERSION: Final = 140000
"""PostgreSQL 14, as it numbers itself: the oldest one that its makers still look after."""
PREPARED_MAX: Final = 1000
"""How many statements stay prepared in one connection: more than the handlers have."""
PREPARE_AFTER: Final = 2
SHAPES_MAX: Final = 4096
"""How many statements are remembered in PostgreSQL's own form."""
FETCHED_LINES: Final = 16
"""How many lines of a large result are in memory at one time: one may have 8 MiB."""
BUSY_MS: Final = 10_000
"""How long to wait for somebody else's lock of a table."""
LOCK_WAIT_MS: Final = 3000
"""How long to wait for the lock of another server, which may be about to end."""
WRITER_LOCK: Final = 0x416C636F
"""What the lock is called, together with the schema: the first letters of our name."""

PATIENCE: Final = {
    "application_name": "alcove",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""A connection without a sign of life for half a minute is gone, unless the URL says else."""
SESSION: Final = (
    "SET synchronous_commit = on",
    "SET tcp_keepalives_idle = 10",
    "SET tcp_keepalives_interval = 5",
    "SET tcp_keepalives_count = 3",
    "SET client_min_messages = error",
)
_TYPES: Final[dict[str, Literal["INTEGER", "TEXT", "BLOB"]]] = {
    "bigint": "INTEGER",
    "text": "TEXT",
    "bytea": "BLOB",
}
_COPY_TYPES: Final = {"INTEGER": "int8", "TEXT": "text", "BLOB": "bytea"}
_INTO: Final = re.compile(r"\s*(\w+)\s*\((.*)\)\s*", re.DOTALL)


class _IntLoader(NumericBinaryLoader):
    """Sums of integers, of which PostgreSQL makes another type."""

    def load(self, data: Buffer) -> Any:
        """Return an int."""
        return int(super().load(data))


class _FlagLoader(BoolBinaryLoader):
    """What a comparison returns: 0 or 1, as in SQLite."""

    def load(self, data: Buffer) -> Any:
        """Return an int."""
        return int(super().load(data))


@lru_cache(maxsize=SHAPES_MAX)
def numbered(sql: str) -> str:
    """Return a statement with `$1`, `$2` and so on where it had `?`."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


def translated(statement: str) -> str:
    """Return a statement of a migration in PostgreSQL's words."""
    if re.match(r"(CREATE|ALTER) TABLE\b", statement):
        for pattern, ours in (
            (r"\bBLOB\b", "BYTEA"),
            (r"\bINTEGER\b", "BIGINT"),
            (r"\bTEXT\b", 'TEXT COLLATE "C"'),
            (r"\)\s*STRICT(,\s*WITHOUT ROWID)?\s*$", ")"),
        ):
            statement = re.sub(pattern, ours, statement)
    return statement


class PostgresConnection:
    """One connection.  When it is gone, the next use outside a transaction connects anew."""

    def __init__(self, address: str, *, is_writer: bool) -> None:
        self._address = address
        self._is_writer = is_writer
        self._is_closed = False
        self._is_in_transaction = False
        self._copy_types: dict[tuple[str, str], str] = {}
        self._db: psycopg.Connection | None = self._connect()
        self._incarnation = self._newest_incarnation()

    def all(self, sql: str, *values: Value) -> list[Line]:
        """Return every line of the result."""
        return self._execute(sql, values).fetchall()

    def each(self, sql: str, *values: Value) -> Iterator[Line]:
        """Yield the lines of a result that may be too large for the memory, in a transaction."""
        try:
            with self._open().cursor("each", binary=True) as cursor:
                cursor.itersize = FETCHED_LINES
                cursor.execute(numbered(sql), values)
                yield from cursor
        except psycopg.Error as error:
            raise self._judged(error) from error

    def one(self, sql: str, *values: Value) -> Line | None:
        """Return the first line of the result, or None."""
        return self._execute(sql, values).fetchone()

    def run(self, sql: str, *values: Value) -> int:
        """Change something and return how many lines were changed."""
        return self._execute(sql, values).rowcount

    def insert(self, into: str, lines: Sequence[Iterable[Value]]) -> None:
        """Add many lines at once; `into` is `table (column, ...)`."""
        if len(lines) == 1:
            values = tuple(lines[0])
            marks = ", ".join("?" * len(values))
            self.run(f"INSERT INTO {into} VALUES ({marks})", *values)  # noqa: S608 - Our words.
        elif lines:
            types = self._types_of(into)
            try:
                with (
                    self._open().cursor() as cursor,
                    cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy,
                ):
                    copy.set_types(types)
                    for line in lines:
                        copy.write_row(tuple(line))
            except psycopg.Error as error:
                raise self._judged(error) from error

    def define(self, statement: str) -> None:
        """Run one statement of a migration, which makes or changes tables."""
        self.run(translated(statement))
        self._copy_types.clear()

    def columns(self) -> list[Column]:
        """Return all columns of all tables: by table, then as they stand in it."""
        return [
            Column(table, name, _TYPES[type_], not_null == "NO")
            for table, name, type_, not_null in self.all(
                """
                SELECT c.table_name, c.column_name, c.data_type, c.is_nullable
                FROM information_schema.columns AS c
                JOIN information_schema.tables AS t
                ON t.table_schema = c.table_schema AND t.table_name = c.table_name
                WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE'
                ORDER BY c.table_name, c.ordinal_position
                """
            )
        ]

    def begin(self) -> None:
        """Begin a transaction that may write."""
        self._begin("BEGIN")

    def begin_reading(self) -> None:
        """Begin a transaction that sees the database as it is at its first statement."""
        self._begin("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        """Make everything since `begin` permanent, on the disk, before it returns."""
        try:
            done = self._execute("COMMIT", ()).statusmessage
        except StorageError as error:
            raise CommitUnknown(str(error)) from error
        self._is_in_transaction = False
        if done != "COMMIT":  # After an error it answers ROLLBACK, and calls that a success.
            raise StorageError("the transaction had failed before it was to be committed")

    def rollback(self) -> None:
        """Undo everything since `begin`, or end reading."""
        was_in_transaction, self._is_in_transaction = self._is_in_transaction, False
        if was_in_transaction and self._db is not None:
            self._execute("ROLLBACK", ())

    def close(self) -> None:
        """Close the connection."""
        self._is_closed = True
        if self._db is not None:
            with suppress(psycopg.Error):
                # Else the lock would be free a little later, when PostgreSQL sees that we are gone.
                self._db.execute("ROLLBACK")
                self._db.execute("SELECT pg_advisory_unlock_all()")
            self._db.close()
            self._db = None

    def _begin(self, sql: str) -> None:
        self._open()
        self._is_in_transaction = True
        self._execute(sql, ())

    def _open(self) -> psycopg.Connection:
        """Return the connection, made anew if it was lost and nothing depends on the old one."""
        if self._db is not None:
            return self._db
        if self._is_closed or self._is_in_transaction:
            raise StorageError("there is no connection to PostgreSQL")
        try:
            self._db = self._connect()
        except DatabaseRefused as refused:
            raise StorageError(str(refused)) from refused
        newest = self._newest_incarnation()
        if self._incarnation is None:
            self._incarnation = newest
        elif newest != self._incarnation:
            # What this server has in memory, and has told its clients, is of another log.
            self.close()
            raise StorageError("the database was restored meanwhile: start the server again")
        return self._db

    def _execute(self, sql: str, values: tuple[Value, ...]) -> psycopg.Cursor[Any]:
        try:
            return self._open().execute(numbered(sql), values, binary=True)
        except psycopg.Error as error:
            raise self._judged(error) from error

    def _judged(self, error: psycopg.Error) -> Exception:
        """Return what an error means to us.  The rest are our own mistakes and stay as they are."""
        if self._db is not None and self._db.closed:
            self._db = None
            return StorageError("the connection to PostgreSQL was lost")
        if isinstance(error, psycopg.IntegrityError | psycopg.DataError):
            return ConstraintError(error.diag.constraint_name or type(error).__name__)
        if isinstance(error, psycopg.OperationalError | psycopg.InternalError):
            return StorageError(error.diag.message_primary or type(error).__name__)
        return error

    def _connect(self) -> psycopg.Connection:
        """Return a new connection, which as a writer's has the lock."""
        try:
            db = psycopg.connect(
                self._address,
                autocommit=True,
                cursor_factory=psycopg.RawCursor,
                prepare_threshold=PREPARE_AFTER,
                context=_adapters(),
            )
        except psycopg.OperationalError as error:
            raise StorageError("PostgreSQL cannot be reached") from error
        db.prepared_max = PREPARED_MAX
        db.server_cursor_factory = psycopg.RawServerCursor
        try:
            for setting in SESSION:
                db.execute(setting)
            if self._is_writer:
                # A server that was cut off does not hold its lock and its transaction for ever.
                db.execute("SET idle_in_transaction_session_timeout = '60s'")
                _take_lock(db)
            else:
                db.execute("SET default_transaction_read_only = on")
        except psycopg.Error as error:
            db.close()
            raise StorageError("PostgreSQL ended the connection") from error
        except DatabaseRefused:
            db.close()
            raise
        return db

    def _newest_incarnation(self) -> int | None:
        (is_there,) = self.one("SELECT to_regclass('incarnation') IS NOT NULL") or (0,)
        line = self.one("SELECT MAX(number) FROM incarnation") if is_there else None
        return line[0] if line else None

    def _types_of(self, into: str) -> list[str]:
        match = _INTO.fullmatch(into)
        assert match is not None, into
        table, names = match[1], [name.strip() for name in match[2].split(",")]
        if not self._copy_types:
            self._copy_types = {
                (column.table, column.name): _COPY_TYPES[column.type] for column in self.columns()
            }
        return [self._copy_types[table, name] for name in names]


@cache
def _adapters() -> AdaptersMap:
    adapters = AdaptersMap(psycopg.adapters)
    # One width for all numbers: else a statement would be prepared anew for each mixture of them.
    adapters.register_dumper(int, Int8BinaryDumper)
    adapters.register_dumper(bool, Int8BinaryDumper)
    adapters.register_loader("numeric", _IntLoader)
    adapters.register_loader("bool", _FlagLoader)
    return adapters


def _take_lock(db: psycopg.Connection) -> None:
    """Take the lock that only one writer has; PostgreSQL lets go of it with the connection."""
    try:
        # A server that has just died may still be in there for a moment.
        db.execute(f"SET lock_timeout = {LOCK_WAIT_MS}")
        db.execute("SELECT pg_advisory_lock($1::int4, hashtext(current_schema()))", (WRITER_LOCK,))
    except psycopg.errors.LockNotAvailable:
        raise DatabaseRefused(
            "Another Alcove server is using this database: stop it, or give this one its own."
        ) from None
    db.execute(f"SET lock_timeout = {BUSY_MS}")


class PostgresDatabase:
    """A database of a PostgreSQL server, in the schema that its URL leads to."""

    kind = "PostgreSQL"
    is_local = False

    def __init__(self, url: str) -> None:
        try:
            chosen = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # Not a word of the error: it repeats the URL, in which the password stands.
            raise DatabaseRefused("database_url is not an address of PostgreSQL.") from None
        self._address = make_conninfo("", **{**PATIENCE, **chosen})
        self._check()

    def writer(self) -> PostgresConnection:
        """Return the one connection that may write."""
        return PostgresConnection(self._address, is_writer=True)

    def reader(self) -> PostgresConnection:
        """Return a connection for reading beside the writer."""
        return PostgresConnection(self._address, is_writer=False)

    def size_bytes(self) -> int:
        """Return how much space it takes."""
        connection = self.reader()
        try:
            (size,) = connection.all("SELECT pg_database_size(current_database())")[0]
        finally:
            connection.close()
        return int(size)

    def close(self) -> None:
        """Close what is still open: every connection closes itself."""

    def _check(self) -> None:
        """Refuse a server that is not there, or on which our SQL would mean something else."""
        try:
            connection = self.reader()
        except StorageError as error:
            reason = str(error.__cause__).strip().partition("\n")[0]
            raise DatabaseRefused(
                f"PostgreSQL cannot be used as database_url says: {reason}."
            ) from None
        try:
            ((number, encoding, schema),) = connection.all(
                """
                SELECT current_setting('server_version_num'), current_setting('server_encoding'),
                current_schema()
                """
            )
        finally:
            connection.close()
        if int(number) < OLDEST_VERSION:
            raise DatabaseRefused(
                f"PostgreSQL is of version {int(number) // 10_000}, and Alcove needs"
                f" {OLDEST_VERSION // 10_000} or newer."
            )
        if encoding != "UTF8":
            raise DatabaseRefused(
                f"The PostgreSQL database is in {encoding}: make one with ENCODING 'UTF8'."
            )
        if schema is None:
            raise DatabaseRefused(
                "The PostgreSQL database has no schema that the user of database_url may use."
            )
