"""Opening a database: its tables are brought up to date, and a new one is founded.

A server that is founded gets a secret, from which all its keys follow, and its first incarnation.
"""

from collections.abc import Callable
from typing import Final

from alcove.server.auth import SECRET_BYTES
from alcove.server.store.database import Connection, Database, DatabaseRefused, StorageError
from alcove.server.store.migrations import Migration, migrate, pending
from alcove.server.store.sqlite import SqliteDatabase

SECRET: Final = "secret"  # noqa: S105 - The name of a line, not a secret.

CHANCE: Final = 2**20
"""A restore draws a number below this, for its incarnation."""


def database_at(url: str, path: str, is_there: Callable[[], bool] = lambda: True) -> Database:
    """Return the database at a PostgreSQL address, or, where that is empty, in a file."""
    if not url:
        return SqliteDatabase(path, is_there)
    try:
        # Only who has PostgreSQL has its driver.
        from alcove.server.store.postgres import PostgresDatabase  # noqa: PLC0415
    except ImportError as error:
        raise DatabaseRefused(
            "PostgreSQL needs a driver that is not installed: in the folder of Alcove's source, do"
            " pip install '.[postgres]'."
        ) from error
    return PostgresDatabase(url)


def open_sqlite(path: str, now: int) -> SqliteDatabase:
    """Return the database in this file, made if need be, with its tables up to date."""
    database = SqliteDatabase(path)
    bring_up_to_date(database, now)
    return database


def missing(database: Database) -> tuple[Migration, ...]:
    """Return the migrations that a database needs, and change nothing."""
    try:
        connection = database.reader()
        try:
            return pending(connection)
        finally:
            connection.close()
    except StorageError as error:
        raise DatabaseRefused(f"The {database.kind} database failed: {error}.") from error


def bring_up_to_date(database: Database, now: int) -> tuple[Migration, ...]:
    """Take the migrations that are missing, and return which those were."""
    try:
        connection = database.writer()
        try:
            return migrate(connection, now)
        finally:
            connection.close()
    except StorageError as error:
        raise DatabaseRefused(f"The {database.kind} database failed: {error}.") from error


def found(
    connection: Connection, now: int, secret: bytes, *, is_chosen: bool = False
) -> tuple[bytes, int]:
    """Return the server's secret and its incarnation, which a new database gets here.

    `secret` is what a new server gets: drawn, or chosen by the host, who must then go on to choose
    the same.
    """
    assert len(secret) == SECRET_BYTES, "the server's secret has 32 bytes"
    connection.begin()
    try:
        line = connection.one("SELECT value FROM server WHERE name = ?", SECRET)
        if line is None:
            connection.run("INSERT INTO server (name, value) VALUES (?, ?)", SECRET, secret)
            line = (secret,)
        (incarnation,) = connection.one("SELECT MAX(number) FROM incarnation") or (None,)
        if incarnation is None:
            incarnation = begin_incarnation(connection, now)
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    if is_chosen and line[0] != secret:
        raise DatabaseRefused(
            "secret_key is not the one that this server was made with, so no device would know it:"
            " set the old one again, or none."
        )
    return bytes(line[0]), int(incarnation)


def begin_incarnation(connection: Connection, now: int, drawn: int = 0) -> int:
    """Begin a new incarnation, inside the transaction that is open, and return its number.

    It is a time in seconds, and what was drawn below `CHANCE`: two restores of one backup must not
    have the same number, though neither knows of the other, and the clock may be wrong.
    """
    (last,) = connection.one("SELECT COALESCE(MAX(number), 0) FROM incarnation") or (0,)
    number = max(int(last) + 1, now // 1000) + drawn
    connection.run("INSERT INTO incarnation (number, began_at) VALUES (?, ?)", number, now)
    return number
