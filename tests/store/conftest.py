"""Places for a database: an empty file, and an empty database of a real PostgreSQL."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from alcove.server.io import restore, upgrade
from alcove.server.store import migrations
from alcove.server.store.database import Connection, Database
from alcove.server.store.migrations import known, read_migration
from alcove.server.store.opening import bring_up_to_date, database_at
from tests import postgres

NOW = 1_700_000_000_000


@dataclass
class Place:
    """Where a database can be, and what can happen to it there."""

    kind: str
    url: str
    path: Path

    def database(self) -> Database:
        """Return what is there."""
        return database_at(self.url, str(self.path), self.path.exists)

    def ready(self) -> Database:
        """Return what is there, with its tables."""
        database = self.database()
        bring_up_to_date(database, NOW)
        return database

    def gone(self) -> AbstractContextManager[None]:
        """Let the database be out of reach for a while."""
        return postgres.gone(self.url) if self.url else self._file_gone()

    @contextmanager
    def _file_gone(self) -> Iterator[None]:
        elsewhere = self.path.with_suffix(".elsewhere")
        self.path.rename(elsewhere)
        try:
            yield
        finally:
            elsewhere.rename(self.path)


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    """Give an empty place, or skip the test where PostgreSQL cannot start."""
    path = folder / "alcove.sqlite"
    if kind == "SQLite":
        yield Place(kind, "", path)
        return
    try:
        postgres.server_url()
    except postgres.Unavailable as reason:
        pytest.skip(str(reason))
    with postgres.fresh_database() as url:
        yield Place(kind, url, path)


KINDS = ("SQLite", "PostgreSQL")


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with place_of(request.param, tmp_path) as there:
        yield there


@pytest.fixture
def database(place: Place) -> Database:
    return place.ready()


@pytest.fixture
def writer(database: Database) -> Iterator[Connection]:
    connection = database.writer()
    yield connection
    connection.close()


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    connection = database.reader()
    yield connection
    connection.close()


@pytest.fixture
def second_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let the program grow by one migration, from the moment on at which this is called."""
    step = read_migration(
        "0002_second.sql",
        """
        CREATE TABLE second (number INTEGER NOT NULL PRIMARY KEY, word TEXT NOT NULL) STRICT;
        INSERT INTO second (number, word) VALUES (1, 'new');
        """,
    )
    steps = (*known(), step)

    def grow() -> None:
        for module in (migrations, restore, upgrade):
            monkeypatch.setattr(module, "known", lambda: steps)

    return grow
