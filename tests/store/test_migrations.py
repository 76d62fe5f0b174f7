"""Numbered steps: each is taken once, whole, and by the program that knows it."""

import pytest

from alcove.server.store.database import Connection, Database, DatabaseRefused
from alcove.server.store.migrations import (
    Migration,
    known,
    migrate,
    pending,
    read_migration,
    statements,
    version,
)
from tests.store.conftest import NOW, Place

SECOND = read_migration(
    "0002_second.sql",
    """
    -- A table; and a comment with a semicolon.
    CREATE TABLE second (
        number INTEGER NOT NULL PRIMARY KEY,  -- Of what; of nothing.
        word TEXT
    ) STRICT;
    CREATE INDEX second_by_word ON second (word) WHERE word IS NOT NULL;
    INSERT INTO second (number, word) VALUES (1, 'BLOB INTEGER TEXT');
    """,
)


@pytest.fixture
def empty(place: Place) -> Database:
    return place.database()


def tables(connection: Connection) -> list[str]:
    return sorted({column.table for column in connection.columns()})


def test_the_files_are_numbered_without_a_gap() -> None:
    assert [step.number for step in known()] == list(range(1, len(known()) + 1))
    assert known()[0].title == "0001_first"


def test_a_new_database_takes_every_step_once(empty: Database) -> None:
    writer = empty.writer()
    assert (version(writer), pending(writer)) == (0, known())
    assert migrate(writer, NOW) == known()
    assert migrate(writer, NOW) == ()
    assert (version(writer), pending(writer)) == (len(known()), ())
    lines = writer.all("SELECT number, name, at, hash FROM migration ORDER BY number")
    assert lines == [(step.number, step.name, NOW, step.hash) for step in known()]
    writer.close()


def test_an_old_database_takes_only_the_newer_steps(empty: Database) -> None:
    writer = empty.writer()
    migrate(writer, NOW, known()[:1])
    assert migrate(writer, NOW + 1, (known()[0], SECOND)) == (SECOND,)
    assert writer.one("SELECT number, word FROM second") == (1, "BLOB INTEGER TEXT")
    assert writer.all("SELECT number, at FROM migration ORDER BY number") == [
        (1, NOW),
        (2, NOW + 1),
    ]
    writer.close()


@pytest.mark.parametrize("bad", ["INSERT INTO nowhere VALUES (1)", "CREATE TABLE account (a TEXT)"])
def test_a_step_that_fails_leaves_nothing_behind(empty: Database, bad: str) -> None:
    writer = empty.writer()
    migrate(writer, NOW, known()[:1])
    before = writer.columns()
    broken = Migration(2, "broken", (*SECOND.statements, bad))
    with pytest.raises(Exception, match=r"nowhere|account|transaction"):
        migrate(writer, NOW, (known()[0], broken))
    assert (writer.columns(), version(writer)) == (before, 1)
    assert migrate(writer, NOW, (known()[0], SECOND)) == (SECOND,)
    writer.close()


def test_a_database_of_a_newer_program_is_refused(empty: Database) -> None:
    writer = empty.writer()
    migrate(writer, NOW, (known()[0], SECOND))
    with pytest.raises(DatabaseRefused, match="of schema 2 and this program knows only 1: it was"):
        pending(writer, known()[:1])
    writer.close()


def test_a_step_that_was_edited_afterwards_is_noticed(empty: Database) -> None:
    writer = empty.writer()
    migrate(writer, NOW, (known()[0], SECOND))
    edited = Migration(2, "second", (*SECOND.statements, "SELECT 1"))
    with pytest.raises(DatabaseRefused, match="made by another 0002_second than the one in this"):
        pending(writer, (known()[0], edited))
    writer.close()


def test_comments_and_layout_may_be_edited() -> None:
    assert (
        read_migration("0002_second.sql", "CREATE TABLE a (\n  b TEXT -- Old.\n);").hash
        == read_migration("0002_second.sql", "-- New.\nCREATE TABLE  a ( b TEXT );").hash
    )


def test_tables_of_somebody_else_are_left_alone(empty: Database) -> None:
    writer = empty.writer()
    writer.define("CREATE TABLE theirs (a TEXT)")
    with pytest.raises(DatabaseRefused, match="tables that are not Alcove's"):
        migrate(writer, NOW)
    assert tables(writer) == ["theirs"]
    writer.close()


def test_a_script_is_taken_apart_at_its_semicolons() -> None:
    assert statements("-- One;\nA b -- c;\n d;\n\n;E;\n") == ("A b\n d", "E")


def test_both_kinds_of_database_have_the_same_tables(place: Place, database: Database) -> None:
    writer = database.writer()
    found = [(column.table, column.name) for column in writer.columns()]
    writer.close()
    assert found == sorted(found, key=lambda pair: pair[0])
    assert ("entry", "chain") in found
    assert place.kind == database.kind
