"""What is PostgreSQL's own: another dialect, a server that may be elsewhere, and a lock."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from alcove.server.store import postgres
from alcove.server.store.database import (
    Connection,
    ConstraintError,
    DatabaseRefused,
    StorageError,
)
from alcove.server.store.opening import begin_incarnation, database_at, found
from alcove.server.store.postgres import PostgresDatabase, numbered, translated
from tests.postgres import break_connections, fresh_database
from tests.store.conftest import NOW, Place, place_of


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with place_of("PostgreSQL", tmp_path) as there:
        yield there


def ask(place: Place, statement: str) -> None:
    with psycopg.connect(place.url, autocommit=True) as connection:
        connection.execute(statement.encode())


# ---- The dialect ----


def test_questions_are_numbered() -> None:
    assert numbered("SELECT ? + ? FROM a") == "SELECT $1 + $2 FROM a"
    assert numbered("SELECT 1") == "SELECT 1"


def test_tables_are_made_in_postgresqls_words() -> None:
    table = "CREATE TABLE blob (\n blob BLOB, a INTEGER, b TEXT,\n PRIMARY KEY (a)\n)"
    theirs = 'CREATE TABLE blob (\n blob BYTEA, a BIGINT, b TEXT COLLATE "C",\n PRIMARY KEY (a)\n)'
    for end in (" STRICT", "\nSTRICT, WITHOUT ROWID", ""):
        assert translated(table + end) == theirs
    assert translated("ALTER TABLE a ADD COLUMN b TEXT") == (
        'ALTER TABLE a ADD COLUMN b TEXT COLLATE "C"'
    )
    assert translated("INSERT INTO a VALUES ('TEXT')") == "INSERT INTO a VALUES ('TEXT')"


def test_a_text_that_postgresql_cannot_hold_is_refused(writer: Connection) -> None:
    with pytest.raises(ConstraintError):
        writer.run("INSERT INTO setting (name, value, changed_at) VALUES (?, '', 1)", "a\0b")
    assert writer.all("SELECT name FROM setting") == []


# ---- One server ----


def test_a_second_server_on_one_database_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_WAIT_MS", 1)
    first = place.ready().writer()
    with pytest.raises(DatabaseRefused, match="Another Alcove server is using this database"):
        place.database().writer()
    first.close()
    place.database().writer().close()


# ---- Connections that end ----


def test_a_lost_connection_loses_its_transaction_and_says_so(
    place: Place, writer: Connection
) -> None:
    writer.begin()
    writer.run("INSERT INTO setting (name, value, changed_at) VALUES ('a', '', 1)")
    break_connections(place.url)
    for _ in range(2):
        with pytest.raises(StorageError):
            writer.run("INSERT INTO setting (name, value, changed_at) VALUES ('b', '', 1)")
    writer.rollback()
    assert writer.all("SELECT name FROM setting") == []


def test_a_commit_that_was_not_confirmed_is_an_error(place: Place, writer: Connection) -> None:
    writer.begin()
    writer.run("INSERT INTO setting (name, value, changed_at) VALUES ('a', '', 1)")
    break_connections(place.url)
    with pytest.raises(StorageError, match="lost"):
        writer.commit()


def test_a_commit_after_an_error_is_an_error(writer: Connection) -> None:
    writer.begin()
    writer.run("INSERT INTO setting (name, value, changed_at) VALUES ('a', '', 1)")
    with pytest.raises(psycopg.errors.UndefinedTable):
        writer.all("SELECT 1 FROM nowhere")
    with pytest.raises(StorageError):
        writer.all("SELECT 1")
    with pytest.raises(StorageError, match="failed before"):
        writer.commit()
    assert writer.all("SELECT name FROM setting") == []


def test_adding_many_lines_to_a_lost_connection_is_an_error(
    place: Place, writer: Connection
) -> None:
    line = ("a", "", 1)
    writer.insert("setting (name, value, changed_at)", [line, ("b", "", 1)])
    break_connections(place.url)
    with pytest.raises(StorageError):
        writer.insert("setting (name, value, changed_at)", [line, line])


def test_a_reader_connects_again_by_itself(place: Place, reader: Connection) -> None:
    for _ in range(2):
        assert reader.one("SELECT 1") == (1,)
        break_connections(place.url)
        with pytest.raises(StorageError):
            reader.one("SELECT 1")
    assert reader.one("SELECT 1") == (1,)


def test_a_server_that_was_replaced_meanwhile_does_not_go_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "LOCK_WAIT_MS", 1)
    first = place.ready().writer()
    break_connections(place.url)
    second = place.database().writer()
    with pytest.raises(StorageError, match="lost"):
        first.begin()
    first.rollback()
    with pytest.raises(StorageError, match="Another Alcove server is using this database"):
        first.begin()
    second.close()
    first.rollback()
    first.begin()
    first.rollback()
    first.close()


def test_a_server_whose_database_was_restored_meanwhile_does_not_go_on(place: Place) -> None:
    writer = place.ready().writer()
    found(writer, NOW, bytes(32))
    writer.close()
    for is_founded in (True, False):
        writer = place.database().writer()
        break_connections(place.url)
        with pytest.raises(StorageError, match="lost"):
            writer.begin()
        writer.rollback()
        if is_founded:
            writer.begin()
            begin_incarnation(writer, NOW)
            writer.commit()
            break_connections(place.url)
            with pytest.raises(StorageError, match="lost"):
                writer.begin()
            writer.rollback()
            for message in ("restored meanwhile", "no connection"):
                with pytest.raises(StorageError, match=message):
                    writer.begin()
                writer.rollback()
        writer.close()


def test_a_server_that_was_founded_after_it_connected_goes_on(place: Place) -> None:
    database = place.ready()
    reader, writer = database.reader(), database.writer()
    found(writer, NOW, bytes(32))
    break_connections(place.url)
    with pytest.raises(StorageError):
        reader.one("SELECT 1")
    assert reader.one("SELECT 1") == (1,)
    reader.close()
    writer.close()


def test_a_connection_that_ends_while_it_is_made_is_an_error(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = place.ready()
    monkeypatch.setattr(postgres, "SESSION", ("SELECT pg_terminate_backend(pg_backend_pid())",))
    with pytest.raises(StorageError, match="ended the connection"):
        database.reader()


# ---- Servers that will not do ----


def test_a_server_that_is_not_there_is_named_and_no_password_is(tmp_path: Path) -> None:
    url = f"postgresql://alcove:geheim@/alcove?host={tmp_path}"
    with pytest.raises(DatabaseRefused) as raised:
        database_at(url, "")
    assert "cannot be used as database_url says" in str(raised.value)
    assert "geheim" not in str(raised.value)


def test_an_address_that_is_none_is_not_repeated() -> None:
    with pytest.raises(DatabaseRefused) as raised:
        PostgresDatabase("postgresql://alcove:geheim@[::1/alcove")
    assert str(raised.value) == "database_url is not an address of PostgreSQL."


def test_an_old_server_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "OLDEST_VERSION", 990000)
    with pytest.raises(DatabaseRefused, match="and Alcove needs 99 or newer"):
        place.database()


@pytest.mark.usefixtures("place")  # It skips where there is no PostgreSQL.
def test_a_database_of_another_encoding_is_refused() -> None:
    with (
        fresh_database("ENCODING 'LATIN1' LOCALE 'C'") as url,
        pytest.raises(DatabaseRefused, match="is in LATIN1: make one with ENCODING"),
    ):
        PostgresDatabase(url)


def test_a_user_without_a_schema_is_refused(place: Place) -> None:
    ask(place, "DROP SCHEMA public")
    with pytest.raises(DatabaseRefused, match="has no schema that the user"):
        place.database()


def test_two_schemas_of_one_database_are_two_places(place: Place) -> None:
    ask(place, "CREATE SCHEMA other")
    elsewhere = make_conninfo(place.url, options="-c search_path=other")
    one, two = place.ready(), PostgresDatabase(elsewhere)
    writers = [one.writer(), two.writer()]
    assert writers[0].columns() != []
    assert writers[1].columns() == []
    for writer in writers:
        writer.close()
