"""What the server asks of a database: one dialect, positional arguments, plain rows."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, Protocol

Value = int | str | bytes | bytearray | float | None
Line = tuple[Any, ...]


class StorageError(Exception):
    """The database could not do it: the disk is full or slow, or the database is gone."""


class ConstraintError(Exception):
    """A line would have broken a promise of its table.  The text names that promise, no value."""


class DatabaseRefused(Exception):
    """This database must not be used as it stands.  The text is one sentence for the host."""


class Column(NamedTuple):
    """One column of the tables that are really there."""

    table: str
    name: str
    type: Literal["INTEGER", "TEXT", "BLOB"]
    """As our own dialect calls it."""
    not_null: bool


class CommitUnknown(StorageError):
    """The database went away while it committed: nobody knows whether it did."""


class Connection(Protocol):
    """One connection, used by one thread at a time.  All SQL marks its arguments with `?`."""

    def all(self, sql: str, *values: Value) -> list[Line]:
        """Return every line of the result."""
        ...

    def each(self, sql: str, *values: Value) -> Iterator[Line]:
        """Yield the lines of a result that may be too large for the memory, in a transaction."""
        ...

    def one(self, sql: str, *values: Value) -> Line | None:
        """Return the first line of the result, or None."""
        ...

    def run(self, sql: str, *values: Value) -> int:
        """Change something and return how many lines were changed."""
        ...

    def insert(self, into: str, lines: Sequence[Iterable[Value]]) -> None:
        """Add many lines at once; `into` is `table (column, ...)`."""
        ...

    def define(self, statement: str) -> None:
        """Run one statement of a migration, which makes or changes tables."""
        ...

    def columns(self) -> list[Column]:
        """Return all columns of all tables: by table, then as they stand in it."""
        ...

    def begin(self) -> None:
        """Begin a transaction that may write."""
        ...

    def begin_reading(self) -> None:
        """Begin a transaction that sees the database as it is at its first statement."""
        ...

    def commit(self) -> None:
        """Make everything since `begin` permanent, on the disk, before it returns."""
        ...

    def rollback(self) -> None:
        """Undo everything since `begin`, or end reading."""
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Database(Protocol):
    """A database that is there, with its tables up to date."""

    kind: str
    is_local: bool
    """Whether a statement is computing in this process, and only a commit waits."""

    def writer(self) -> Connection:
        """Return the one connection that may write."""
        ...

    def reader(self) -> Connection:
        """Return a connection for reading beside the writer."""
        ...

    def size_bytes(self) -> int:
        """Return how much space it takes."""
        ...

    def close(self) -> None:
        """Close what is still open."""
        ...
