"""Tables are brought up to date step by step, each wholly or not at all."""

import sqlite3
from collections.abc import Iterator

import pytest

from alcove.client.store.database import Database, open_memory
from alcove.client.store.failures import NewerError
from alcove.client.store.migrations import Step, known, migrate, read_change, version

CHANGE = """
    -- A made-up change: a comment with a ; in it.
    ALTER TABLE alarm ADD COLUMN reason TEXT NOT NULL DEFAULT '';
    CREATE TRIGGER look AFTER DELETE ON alarm BEGIN
        UPDATE me SET counter = counter + 1;
        UPDATE me SET seals = seals + 1;
    END -- without a semicolon and without a line's end"""
SECOND = read_change("0002_reasons.sql", CHANGE)


@pytest.fixture
def database() -> Iterator[Database]:
    database = open_memory()
    yield database
    database.close()


def columns(database: Database) -> list[str]:
    return [line[1] for line in database.all("PRAGMA table_info(alarm)")]


def test_a_new_database_has_the_newest_tables(database: Database) -> None:
    assert version(database) == len(known())
    assert migrate(database) == ()


def test_a_change_is_taken_once_and_keeps_what_was_there(database: Database) -> None:
    database.run("INSERT INTO alarm (kind, about, at) VALUES ('a', x'', 1)")
    steps = (*known(), SECOND)
    assert migrate(database, steps) == (2,)
    assert migrate(database, steps) == ()
    assert version(database) == 2
    assert database.one("SELECT kind, reason FROM alarm") == ("a", "")
    assert database.one("SELECT name FROM sqlite_schema WHERE type = 'trigger'") == ("look",)


def test_a_change_that_fails_leaves_no_trace(database: Database) -> None:
    before = columns(database)
    broken = Step(2, CHANGE + "\n; DROP TABLE nothing")
    with pytest.raises(sqlite3.OperationalError, match="nothing"):
        migrate(database, (*known(), broken))
    assert (version(database), columns(database)) == (1, before)
    assert not database.raw.in_transaction


def test_of_two_changes_the_first_stays_when_the_second_fails(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError):
        migrate(database, (*known(), SECOND, Step(3, "DROP TABLE nothing")))
    assert (version(database), columns(database)[-1]) == (2, "reason")


def test_a_change_may_not_leave_lines_that_point_nowhere(database: Database) -> None:
    pointing = """
        CREATE TABLE child (about TEXT REFERENCES parent (name));
        CREATE TABLE parent (name TEXT PRIMARY KEY);
        INSERT INTO child VALUES ('nobody');
    """
    with pytest.raises(AssertionError, match="point nowhere"):
        migrate(database, (*known(), Step(2, pointing)))
    assert version(database) == 1


def test_a_change_may_not_end_its_transaction(database: Database) -> None:
    with pytest.raises(AssertionError, match="may not end"):
        migrate(database, (*known(), Step(2, "COMMIT")))
    assert version(database) == 1


def test_a_database_of_a_newer_program_is_refused_in_one_sentence(database: Database) -> None:
    migrate(database, (*known(), SECOND))
    with pytest.raises(NewerError, match="version 2") as error:
        migrate(database)
    assert str(error.value).count(".") == 1
    assert version(database) == 2


def test_changes_are_called_by_number_and_name_without_a_gap(database: Database) -> None:
    with pytest.raises(AssertionError, match="is not called like"):
        read_change("2.sql", "")
    with pytest.raises(AssertionError):
        migrate(database, (*known(), Step(3, "")))


def test_a_folder_of_changes_is_read_in_order() -> None:
    assert [step.version for step in known()] == list(range(1, len(known()) + 1))
