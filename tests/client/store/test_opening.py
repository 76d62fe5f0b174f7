"""The encrypted file: nobody else reads it, and what is wrong with it is told apart."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from alcove.client.errors import StoreError
from alcove.client.store import failures, opening
from alcove.client.store.database import Database
from alcove.client.store.failures import DamagedError, DiskFullError, NewerError, WrongKeyError
from alcove.client.store.opening import check, create_file, open_file, set_aside

KEY = bytes(range(32))
OTHER_KEY = bytes(32)
PAGE_BYTES = 4096
WORDS = "the heron stands in the reeds"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a folder" / "alcove.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    path.parent.mkdir()
    database = create_file(path, KEY)
    yield database
    database.close()


def say(database: Database, times: int = 1) -> None:
    """Store something that takes room."""
    database.begin()
    for number in range(times):
        database.run(
            "INSERT INTO outbox (room, content, plain, at) VALUES (?, ?, ?, 0)",
            b"room", number.to_bytes(16, "big"), WORDS.encode(),
        )  # fmt: skip
    database.commit()


def spoil(path: Path, page: int) -> None:
    """Change one bit in the middle of a page; the first page is 1."""
    content = bytearray(path.read_bytes())
    content[(page - 1) * PAGE_BYTES + PAGE_BYTES // 2] ^= 1
    path.write_bytes(content)


def test_what_was_stored_is_there_when_the_file_is_opened_again(
    path: Path, database: Database
) -> None:
    say(database)
    database.close()
    again = open_file(path, KEY)
    assert again.all("SELECT plain FROM outbox") == [(WORDS.encode(),)]
    assert check(again) == ()
    again.close()


def test_every_commit_is_on_the_disk_and_nothing_is_sorted_in_a_file(database: Database) -> None:
    asked = ("journal_mode", "synchronous", "foreign_keys", "temp_store", "cell_size_check")
    assert [database.one(f"PRAGMA {name}") for name in asked] == [("wal",), (2,), (1,), (2,), (1,)]


def test_the_file_can_search_for_parts_of_words(database: Database) -> None:
    database.run("CREATE VIRTUAL TABLE words USING fts5 (said, tokenize = 'trigram')")
    database.run("INSERT INTO words (said) VALUES (?)", WORDS)
    assert database.all("SELECT rowid FROM words WHERE words MATCH 'ron'") == [(1,)]


def test_no_word_and_no_name_of_a_table_is_in_any_byte_of_the_folder(
    path: Path, database: Database
) -> None:
    say(database, times=500)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["alcove.db", "alcove.db-shm", "alcove.db-wal"]
    everything = b"".join(file.read_bytes() for file in files)
    assert len(everything) > 20 * PAGE_BYTES
    for plain in (WORDS.encode(), b"heron", b"outbox", b"SQLite format", KEY, KEY.hex().encode()):
        assert plain not in everything


def test_only_the_user_can_open_the_files(path: Path, database: Database) -> None:
    say(database)
    assert [file.stat().st_mode & 0o777 for file in path.parent.iterdir()] == [0o600] * 3


def test_a_wrong_key_is_not_taken_for_damage(
    path: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    database.close()
    with pytest.raises(WrongKeyError, match="belongs to another profile"):
        open_file(path, OTHER_KEY)
    assert capfd.readouterr() == ("", "")


def test_a_damaged_first_page_is_not_taken_for_a_wrong_key(
    path: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    database.close()
    spoil(path, 1)
    with pytest.raises(DamagedError, match="nothing in it was deleted"):
        open_file(path, KEY)
    assert capfd.readouterr() == ("", "")
    assert path.exists()


def test_a_damaged_page_in_the_middle_is_found_and_no_bytes_of_it_are_believed(
    path: Path, database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    say(database, times=2_000)
    (root,) = database.one("SELECT rootpage FROM sqlite_schema WHERE name = 'outbox'") or (0,)
    database.close()
    spoil(path, root)
    damaged = open_file(path, KEY)
    with pytest.raises(DamagedError):
        list(damaged.each("SELECT plain FROM outbox"))
    findings = check(damaged)
    assert f"page {root}" in " ".join(findings)
    damaged.close()
    assert capfd.readouterr() == ("", "")


def test_an_empty_file_is_damage_and_not_a_new_database(path: Path, database: Database) -> None:
    database.close()
    path.write_bytes(b"")
    with pytest.raises(DamagedError):
        open_file(path, KEY)
    assert path.read_bytes() == b""


def test_a_file_that_was_cut_off_is_damage(path: Path, database: Database) -> None:
    say(database, times=2_000)
    database.close()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedError):
        open_file(path, KEY)


def test_a_full_disk_undoes_the_step_and_nothing_that_was_there_before(database: Database) -> None:
    say(database)
    (pages,) = database.one("PRAGMA page_count") or (0,)
    database.one(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFullError, match="make some space"):
        say(database, times=5_000)
    database.rollback()
    assert database.one("SELECT COUNT(*) FROM outbox") == (1,)
    database.one(f"PRAGMA max_page_count = {pages + 1_000}")
    say(database)
    assert database.one("SELECT COUNT(*) FROM outbox") == (2,)


def test_a_mistake_of_ours_is_not_blamed_on_the_disk(database: Database) -> None:
    with pytest.raises(database.raw.Error, match="no such table"):
        database.run("DELETE FROM nobody")
    with pytest.raises(database.raw.Error, match="no such table"):
        database.many("INSERT INTO nobody VALUES (?)", [(1,)])
    with pytest.raises(database.raw.Error, match="syntax error"):
        database.script("MAKE")
    for ask in (database.one, database.all, database.each):
        with pytest.raises(database.raw.Error, match="no such table"):
            list(ask("SELECT * FROM nobody") or ())


@pytest.mark.parametrize(
    ("free", "kind"), [(0, DiskFullError), (1 << 40, StoreError), (None, StoreError)]
)
def test_a_disk_that_fails_because_it_is_full_is_called_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, kind: type[StoreError]
) -> None:
    def usage(_: Path) -> SimpleNamespace:
        if free is None:
            raise OSError
        return SimpleNamespace(free=free)

    class DiskError(Exception):
        sqlite_errorcode = 10
        sqlite_errorname = "SQLITE_IOERR"

    monkeypatch.setattr("shutil.disk_usage", usage)
    with pytest.raises(StoreError) as raised:
        failures.blame(DiskError(), tmp_path / "alcove.db")
    assert type(raised.value) is kind
    with pytest.raises(StoreError, match="SQLITE_IOERR"):
        failures.blame(DiskError(), None)


@pytest.mark.usefixtures("database")
def test_a_page_that_is_none_is_damage_and_no_question_of_rights(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class DiskError(Exception):
        sqlite_errorcode = 8
        sqlite_errorname = "SQLITE_READONLY"

    with pytest.raises(DamagedError, match="is damaged"):
        failures.blame(DiskError(), path)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(StoreError, match="give its folder back"):
        failures.blame(DiskError(), path)


def test_a_database_that_another_program_keeps_is_named(path: Path, database: Database) -> None:
    other = open_file(path, KEY)
    other.one("PRAGMA busy_timeout = 0")
    database.begin()
    with pytest.raises(StoreError, match="Another program"):
        other.begin()
    other.close()


def test_a_missing_database_is_not_made_by_opening_it(path: Path) -> None:
    with pytest.raises(StoreError, match="There is no database"):
        open_file(path, KEY)
    assert not path.parent.exists()


def test_a_database_that_is_there_is_never_made_anew(path: Path, database: Database) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not overwritten"):
        create_file(path, KEY)
    assert path.read_bytes() == before
    assert database.one("SELECT COUNT(*) FROM me") == (0,)


@pytest.mark.parametrize("act", [create_file, open_file])
def test_a_path_that_cannot_be_used_is_told_in_a_sentence(tmp_path: Path, act: object) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"file/alcove.db cannot be used \(Not a directory\)"):
        act(tmp_path / "file" / "alcove.db", KEY)  # type: ignore[operator]


def test_a_folder_in_place_of_a_database_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Is a directory"):
        open_file(tmp_path, KEY)


def test_a_file_that_the_driver_cannot_open_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        opening._connect(tmp_path / "nothing.db", KEY)


def test_a_database_of_a_newer_program_is_left_alone(path: Path, database: Database) -> None:
    database.run("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(NewerError, match="version 99"):
        open_file(path, KEY)


def test_a_damaged_database_is_set_aside_with_all_that_belongs_to_it(
    path: Path, database: Database
) -> None:
    say(database)
    wal = path.with_name("alcove.db-wal").read_bytes()
    aside = set_aside(path)
    assert aside.path.name == "alcove.db.damaged-1"
    assert str(aside.path) in aside.said
    assert path.with_name("alcove.db.damaged-1-wal").read_bytes() == wal
    create_file(path, KEY).close()
    assert set_aside(path).path.name == "alcove.db.damaged-2"
    moved = open_file(aside.path, KEY)
    assert moved.one("SELECT COUNT(*) FROM outbox") == (1,)
    moved.close()


def test_what_is_not_there_cannot_be_set_aside(path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        set_aside(path)


def test_a_stray_log_is_neither_deleted_nor_taken_for_a_part_of_a_new_database(
    tmp_path: Path,
) -> None:
    stray = tmp_path / "alcove.db-wal"
    stray.write_bytes(b"something")
    with pytest.raises(StoreError, match="move it to that one, or away"):
        create_file(tmp_path / "alcove.db", KEY)
    assert stray.read_bytes() == b"something"


def test_making_and_moving_a_database_and_a_profile_may_be_killed_at_every_step(
    tmp_path: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "tests.client.store.killed", str(tmp_path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    made, moved, begun = map(int, ended.stdout.split())
    assert (made > 20, moved >= 3, begun > 20) == (True, True, True)
