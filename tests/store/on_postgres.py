"""Runs tests that were written for SQLite on PostgreSQL: `pytest -p tests.store.on_postgres PATHS`.

Every `House` of those tests gets a PostgreSQL database of its own.  Tests that look into SQLite's
file by its own means cannot pass; everything else must.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from alcove.server.store.opening import bring_up_to_date
from alcove.server.store.postgres import PostgresConnection, PostgresDatabase
from tests import postgres
from tests.server import house


class TidyDatabase(PostgresDatabase):
    """A database whose tests open connections as if they cost nothing, and close none."""

    def __init__(self, url: str) -> None:
        self._opened: list[PostgresConnection] = []
        self._writer: PostgresConnection | None = None
        super().__init__(url)

    def writer(self) -> PostgresConnection:
        """Return the one writer: a house that starts again does not end the one before."""
        if self._writer is not None:
            self._writer.close()
        self._writer = super().writer()
        return self._writer

    def reader(self) -> PostgresConnection:
        """Return a reader, and remember to close it."""
        connection = super().reader()
        self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Close everything."""
        for connection in (*self._opened, *([self._writer] if self._writer else [])):
            connection.close()


@contextmanager
def houses_on_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let houses that are built meanwhile stand on PostgreSQL."""
    with ExitStack() as stack:

        def open_elsewhere(_: str, now: int) -> TidyDatabase:
            database = TidyDatabase(stack.enter_context(postgres.fresh_database()))
            stack.callback(database.close)
            bring_up_to_date(database, now)
            return database

        monkeypatch.setattr(house, "open_sqlite", open_elsewhere)
        yield


@pytest.fixture(autouse=True)
def _on_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with houses_on_postgres(monkeypatch):
        yield
