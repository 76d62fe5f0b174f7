"""Opening: tables are made, a server is founded once, and what is wrong is one sentence."""

import builtins
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from alcove.server.store.database import Connection, DatabaseRefused, StorageError
from alcove.server.store.migrations import known
from alcove.server.store.opening import (
    begin_incarnation,
    bring_up_to_date,
    database_at,
    found,
    missing,
    open_sqlite,
)
from alcove.server.store.sqlite import SqliteDatabase
from tests.store.conftest import NOW, Place

SECRET = bytes(range(32))
OTHER = bytes(32)


def test_a_new_server_gets_a_secret_and_an_incarnation_and_keeps_them(writer: Connection) -> None:
    assert found(writer, NOW, SECRET) == (SECRET, NOW // 1000)
    assert found(writer, NOW + 5000, OTHER) == (SECRET, NOW // 1000)


def test_a_secret_that_the_host_chose_must_stay(writer: Connection) -> None:
    found(writer, NOW, SECRET, is_chosen=True)
    assert found(writer, NOW, SECRET, is_chosen=True)[0] == SECRET
    with pytest.raises(DatabaseRefused, match="secret_key is not the one"):
        found(writer, NOW, OTHER, is_chosen=True)
    assert found(writer, NOW, SECRET, is_chosen=True)[0] == SECRET


def test_every_incarnation_has_a_number_of_its_own(writer: Connection) -> None:
    found(writer, NOW, SECRET)
    numbers = [begin_incarnation(writer, now) for now in (NOW + 5000, NOW + 5000, NOW - 5000)]
    assert numbers == [NOW // 1000 + 5, NOW // 1000 + 6, NOW // 1000 + 7]
    assert found(writer, NOW, SECRET)[1] == numbers[-1]


def test_two_restores_of_one_backup_by_a_clock_that_is_wrong_have_numbers_of_their_own(
    writer: Connection,
) -> None:
    found(writer, NOW, SECRET)
    numbers = []
    for drawn in (5, 7):
        writer.begin()
        numbers.append(begin_incarnation(writer, NOW - 600_000, drawn))
        writer.rollback()
    assert numbers == [NOW // 1000 + 6, NOW // 1000 + 8]


def test_a_founding_that_fails_founds_nothing(
    writer: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise KeyError

    with monkeypatch.context() as patch:
        patch.setattr("alcove.server.store.opening.begin_incarnation", fail)
        with pytest.raises(KeyError):
            found(writer, NOW, SECRET)
    assert found(writer, NOW, OTHER)[0] == OTHER


def test_what_is_missing_can_be_asked_without_changing_anything(place: Place) -> None:
    database = place.database()
    assert [missing(database), missing(database)] == [known(), known()]
    assert bring_up_to_date(database, NOW) == known()
    assert missing(database) == ()


def test_sqlite_is_opened_in_one_step(tmp_path: Path) -> None:
    path = str(tmp_path / "alcove.sqlite")
    for _ in range(2):
        database = open_sqlite(path, NOW)
        assert missing(database) == ()


def test_an_address_leads_to_postgresql_and_none_to_the_file(place: Place) -> None:
    assert database_at(place.url, str(place.path)).kind == place.kind


@pytest.mark.parametrize("use", [missing, lambda database: bring_up_to_date(database, NOW)])
def test_a_file_that_is_no_database_is_refused(tmp_path: Path, use: Any) -> None:
    path = tmp_path / "alcove.sqlite"
    path.write_bytes(b"Dear diary, " * 100)
    with pytest.raises(DatabaseRefused, match="SQLite database failed: file is not a database"):
        use(SqliteDatabase(str(path)))
    assert path.read_bytes() == b"Dear diary, " * 100


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="unable to open database file"):
        open_sqlite(str(tmp_path / "nowhere" / "alcove.sqlite"), NOW)


def test_an_old_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 36, 9))
    with pytest.raises(DatabaseRefused, match=r"Alcove needs 3\.37\.0"):
        SqliteDatabase(str(tmp_path / "alcove.sqlite"))


def test_postgresql_without_its_driver_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "alcove.server.store.postgres":
            raise ImportError
        return imported(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DatabaseRefused, match=r"pip install '\.\[postgres\]'"):
        database_at("postgresql://alcove@localhost/alcove", "")


# ---- What only SQLite can get wrong ----


def test_a_commit_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    writer = open_sqlite(str(tmp_path / "alcove.sqlite"), NOW).writer()
    settings = ("synchronous", "journal_mode", "secure_delete", "trusted_schema")
    assert [writer.all(f"PRAGMA {name}")[0][0] for name in settings] == [2, "wal", 1, 0]
    writer.close()


def test_a_disk_that_is_full_is_an_error_and_then_all_is_well_again(tmp_path: Path) -> None:
    database = open_sqlite(str(tmp_path / "alcove.sqlite"), NOW)
    writer = database.writer()
    (pages,) = writer.all("PRAGMA page_count")[0]
    writer.all(f"PRAGMA max_page_count = {pages}")
    writer.begin()
    with pytest.raises(StorageError, match="full"):
        writer.insert("setting (name, value, changed_at)", [("a", "x" * 100_000, 1)])
    writer.rollback()
    writer.all(f"PRAGMA max_page_count = {pages * 100}")
    writer.begin()
    writer.insert("setting (name, value, changed_at)", [("a", "x" * 100_000, 1)])
    writer.commit()
    assert writer.one("SELECT COUNT(*) FROM setting") == (1,)
    writer.close()


def test_what_was_deleted_is_not_in_the_file_any_more(tmp_path: Path) -> None:
    path = tmp_path / "alcove.sqlite"
    writer = open_sqlite(str(path), NOW).writer()
    writer.run("INSERT INTO setting (name, value, changed_at) VALUES ('a', 'remember me', 1)")
    writer.all("PRAGMA wal_checkpoint(TRUNCATE)")
    assert b"remember me" in path.read_bytes()
    writer.run("DELETE FROM setting")
    writer.close()
    assert b"remember me" not in path.read_bytes()


def test_mistakes_of_ours_are_not_taken_for_those_of_the_disk(tmp_path: Path) -> None:
    writer = open_sqlite(str(tmp_path / "alcove.sqlite"), NOW).writer()
    with pytest.raises(sqlite3.ProgrammingError):
        writer.one("SELECT ?", 1, 2)
    writer.close()
