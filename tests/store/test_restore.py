"""Restoring: everything or nothing, from either database into either, and everyone can tell."""

import errno
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.server.audit import event_chain
from alcove.server.io import restore as restoring
from alcove.server.io.backup import BackupError, Manifest, make_backup, verify
from alcove.server.io.places import blob_path, places_of
from alcove.server.io.restore import restore
from alcove.server.io.storage import Storage
from alcove.server.settings import Settings
from alcove.server.store.database import DatabaseRefused, Line, StorageError
from alcove.server.store.opening import CHANCE
from alcove.wire.ids import NOTHING_BEFORE
from tests.store.conftest import KINDS, NOW, Place, place_of
from tests.store.kit import (
    BLOB,
    BLOB_CONTENT,
    SOFTWARE,
    empty_tables,
    encoded,
    files_below,
    fill,
    look,
    put_blob,
    settings_at,
    storage_at,
    write_backup,
)

LATER = NOW + 3_600_000


def back_up(storage: Storage, target: Path) -> Path:
    places = storage.places
    make_backup(storage.database, places.blobs, target, NOW, SOFTWARE, data=places.data)
    return target


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a full SQLite server."""
    with storage_at(Settings(data=str(tmp_path / "first"))) as storage:
        fill(storage)
        return back_up(storage, tmp_path / "alcove.tar")


def add_account(storage: Storage, name: str) -> None:
    connection = storage.database.writer()
    connection.run(
        """
        INSERT INTO account (account, name, folded, created_at, identity, list_version, list_hash,
            password_login, phrase_login) VALUES (?, ?, ?, 1, ?, 1, ?, ?, ?)
        """,
        *(name.encode(), name, name, b"", b"", b"", b""),
    )
    connection.close()


def accounts(storage: Storage) -> list[str]:
    connection = storage.database.reader()
    lines = connection.all("SELECT name FROM account ORDER BY name")
    connection.close()
    return [name for (name,) in lines]


@pytest.mark.parametrize("source", KINDS)
@pytest.mark.parametrize("target", KINDS)
def test_all_comes_back_from_either_database_into_either(
    tmp_path: Path, source: str, target: str
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with place_of(source, one) as here, place_of(target, two) as there:
        with storage_at(settings_at(here)) as storage:
            fill(storage)
            before, secret = look(storage), storage.secret
            backup = back_up(storage, tmp_path / "alcove.tar")
        restored = restore(backup, settings_at(there), LATER, SOFTWARE)
        with storage_at(settings_at(there), LATER + 1) as storage:
            after = look(storage)
            assert storage.secret == secret
            assert 0 <= storage.incarnation - LATER // 1000 < CHANCE
            assert restored.incarnation == storage.incarnation
            file = blob_path(storage.places.blobs, BLOB)
            assert file.read_bytes() == BLOB_CONTENT
            assert file.stat().st_mode & 0o777 == 0o600
    changed = [table for table in before if before[table] != after[table]]
    assert changed == ["blob", "event", "incarnation", "migration", "package", "token"]


def test_what_must_not_be_used_twice_is_thrown_away(place: Place, backup: Path) -> None:
    with storage_at(settings_at(place)) as storage:
        fill(storage)
        connection = storage.database.writer()
        connection.run("UPDATE package SET number = 0 WHERE number = ?", 1 << 40)
        connection.close()
        backup = back_up(storage, backup.with_suffix(".second"))
    restore(backup, settings_at(place), LATER, SOFTWARE, replaces=True)
    with storage_at(settings_at(place)) as storage:
        after = look(storage)
    assert after["token"] == []
    assert [line[1] for line in after["package"]] == [0]


def test_links_that_worked_are_withdrawn_and_those_that_had_ended_stay_known(
    place: Place, backup: Path
) -> None:
    ways = [
        ("owner", LATER + 1, 1, 0),
        ("bot", LATER + 1, 1, 0),
        ("reset", LATER + 1, 1, 0),
        ("invite", LATER + 1, 5, 4),
        ("used", LATER + 1, 1, 1),
        ("over", LATER, 1, 0),
    ]
    with storage_at(settings_at(place)) as storage:
        connection = storage.database.writer()
        connection.insert(
            "invite (invite, secret_hash, kind, made_at, expires_at, uses, used)",
            [(kind, kind.encode(), kind, NOW, *limits) for kind, *limits in ways],
        )
        connection.close()
        backup = back_up(storage, backup.with_suffix(".links"))
    restored = restore(backup, settings_at(place), LATER, SOFTWARE, replaces=True)
    with storage_at(settings_at(place)) as storage:
        left = sorted(str(line[0]) for line in look(storage)["invite"])
        detail = look(storage)["event"][-1]
    assert (restored.withdrawn, left) == (4, ["over", "used"])
    assert '"withdrawn_links":4' in str(detail)


def test_the_restore_is_an_event_that_the_chain_goes_on_with(place: Place, backup: Path) -> None:
    restored = restore(backup, settings_at(place), LATER, SOFTWARE)
    with storage_at(settings_at(place)) as storage:
        connection = storage.database.reader()
        columns = "number, at, kind, account, device, address, detail, suspicious, chain"
        *_, before, last = connection.all(f"SELECT {columns} FROM event ORDER BY number")  # noqa: S608
        connection.close()
    *said, is_suspicious, chain = last
    assert (last[0], last[2]) == (before[0] + 1, "server_restored")
    assert msgspec.json.decode(last[6]) == {
        "incarnation": restored.incarnation,
        "lost_blobs": 2,
        "made_at": NOW,
        "made_by": SOFTWARE,
        "withdrawn_links": 0,
    }
    expected: Any = event_chain(before[-1], *said, is_suspicious=bool(is_suspicious))
    assert chain == expected != NOTHING_BEFORE


def test_two_restores_of_one_backup_are_two_incarnations(place: Place, backup: Path) -> None:
    numbers = [
        restore(backup, settings_at(place), LATER + 1000 * number, SOFTWARE, replaces=True)
        for number in range(2)
    ]
    assert numbers[0].incarnation != numbers[1].incarnation


def test_lines_of_files_that_nobody_has_any_more_are_dropped(place: Place, backup: Path) -> None:
    restore(backup, settings_at(place), LATER, SOFTWARE)
    with storage_at(settings_at(place)) as storage:
        done = [line for line in look(storage)["blob"] if line[3] is not None]
    assert [line[0] for line in done] == [BLOB]


def test_a_file_that_is_still_there_keeps_its_line(place: Place, tmp_path: Path) -> None:
    settings = settings_at(place)
    with storage_at(settings) as storage:
        fill(storage)
        target = tmp_path / "alone.tar"
        make_backup(storage.database, None, target, NOW, SOFTWARE)
    restore(target, settings, LATER, SOFTWARE, replaces=True)
    with storage_at(settings) as storage:
        assert BLOB in [line[0] for line in look(storage)["blob"]]


def test_a_new_machine_gets_the_certificate_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    first = Settings(data=str(tmp_path / "first"))
    with storage_at(first) as storage:
        tls = storage.places.data / "tls"
        tls.mkdir()
        (tls / "key.pem").write_text("key")
        (tls / "certificate.pem").write_text("certificate")
        backup = back_up(storage, tmp_path / "alcove.tar")
    new = tmp_path / "new"
    restore(backup, Settings(data=str(new)), LATER, SOFTWARE)
    assert (new / "tls" / "key.pem").read_text() == "key"
    assert (new / "tls" / "key.pem").stat().st_mode & 0o777 == 0o600
    (tls / "key.pem").unlink()
    (tls / "certificate.pem").write_text("mine")
    restore(backup, first, LATER, SOFTWARE)
    assert files_below(tls) == ["certificate.pem"]
    assert (tls / "certificate.pem").read_text() == "mine"


# ---- What was there before ----


def test_a_server_with_accounts_is_replaced_only_when_that_is_said(
    place: Place, backup: Path
) -> None:
    settings = settings_at(place)
    with storage_at(settings) as storage:
        add_account(storage, "ada")
    with pytest.raises(BackupError, match="has accounts: say --replace"):
        restore(backup, settings, LATER, SOFTWARE)
    with storage_at(settings) as storage:
        assert accounts(storage) == ["ada"]
    restored = restore(backup, settings, LATER, SOFTWARE, replaces=True)
    with storage_at(settings) as storage:
        assert "ada" not in accounts(storage)
    assert restored.kept is not None
    kept = restored.kept
    assert kept.exists()
    if place.url:
        back = restore(kept, settings, LATER + 1, SOFTWARE, replaces=True)
        assert back.manifest.blobs is None
        with storage_at(settings) as storage:
            assert accounts(storage) == ["ada"]
    else:
        with storage_at(Settings(data=settings.data, database_path=str(kept))) as storage:
            assert accounts(storage) == ["ada"]


def test_a_server_without_accounts_is_replaced_at_once(place: Place, backup: Path) -> None:
    settings = settings_at(place)
    with storage_at(settings):
        pass
    assert restore(backup, settings, LATER, SOFTWARE).kept is None


def test_a_server_that_is_running_is_left_alone(place: Place, backup: Path) -> None:
    settings = settings_at(place)
    with storage_at(settings) as storage:
        with pytest.raises(DatabaseRefused, match="Another Alcove server"):
            restore(backup, settings, LATER, SOFTWARE, replaces=True)
        assert accounts(storage) == []


def test_a_damaged_database_is_kept_beside_the_restored_one(tmp_path: Path, backup: Path) -> None:
    settings = Settings(data=str(tmp_path / "data"))
    with storage_at(settings) as storage:
        path = storage.places.database
    path.write_bytes(b"Not a database. " * 1000)
    for _ in range(2):
        with pytest.raises(BackupError, match="has accounts: say --replace"):
            restore(backup, settings, LATER, SOFTWARE)
        path.with_name("alcove.sqlite-wal").write_bytes(b"Nor a log.")
    restored = restore(backup, settings, LATER, SOFTWARE, replaces=True)
    assert restored.kept is not None
    assert restored.kept.read_bytes().startswith(b"Not a database.")
    assert restored.kept.with_name(restored.kept.name + "-wal").read_bytes() == b"Nor a log."
    with storage_at(settings) as storage:
        assert len(accounts(storage)) == 3


def test_tables_of_somebody_else_are_left_alone(place: Place, backup: Path) -> None:
    connection = place.database().writer()
    connection.define("CREATE TABLE theirs (a TEXT)")
    connection.close()
    settings = settings_at(place)
    if not place.url:
        places_of(settings).data.mkdir()
        place.path.rename(places_of(settings).database)
    with pytest.raises(DatabaseRefused, match="tables that are not Alcove's"):
        restore(backup, settings, LATER, SOFTWARE, replaces=True)


# ---- Failures ----


@pytest.fixture
def full(place: Place) -> Settings:
    """A server with an account and a file, that a failing restore must not touch."""
    settings = settings_at(place)
    with storage_at(settings) as storage:
        add_account(storage, "ada")
        put_blob(storage.places.blobs, b"\7" * 16, b"old")
    return settings


def is_untouched(settings: Settings) -> bool:
    """Say whether a server is as it was, without anything that was left behind."""
    names = files_below(Path(settings.data))
    extra = [
        name
        for name in names
        if ("restoring" in name or "replaced" in name) and not name.startswith("backups/")
    ]
    blobs = [name for name in names if name.startswith("blobs/")]
    with storage_at(settings) as storage:
        return (accounts(storage), extra, len(blobs)) == (["ada"], [], 1)


def test_a_damaged_backup_changes_nothing(full: Settings, backup: Path) -> None:
    whole = backup.read_bytes()
    for place in (10, len(whole) // 2, len(whole) - 2000):
        backup.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(BackupError):
            restore(backup, full, LATER, SOFTWARE, replaces=True)
    assert is_untouched(full)


@pytest.mark.parametrize(
    ("step", "error", "message"),
    [
        ("_begin_anew", StorageError("gone"), r"could not be restored: gone\."),
        (
            "_stage_blob",
            OSError(errno.ENOSPC, "No space left", "x"),
            r"x could not be .*: No space left\.",
        ),
        ("_publish_blobs", KeyboardInterrupt(), "^$"),
    ],
)
def test_a_restore_that_fails_changes_nothing(
    full: Settings,
    backup: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    error: BaseException,
    message: str,
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(restoring._Restore, step, fail)
        with pytest.raises((BackupError, KeyboardInterrupt), match=message):
            restore(backup, full, LATER, SOFTWARE, replaces=True)
    assert is_untouched(full)


def test_a_disk_without_room_is_noticed_first(
    full: Settings, backup: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "SPARE_BYTES", 2**60)
        with pytest.raises(BackupError, match="make room first"):
            restore(backup, full, LATER, SOFTWARE, replaces=True)
    assert is_untouched(full)


def test_what_a_crash_left_behind_is_in_nobodys_way(tmp_path: Path, backup: Path) -> None:
    settings = Settings(data=str(tmp_path / "data"))
    places = places_of(settings)
    (places.blobs / ".restoring" / "00").mkdir(parents=True)
    (places.blobs / ".restoring" / "00" / "half").write_text("half")
    (places.data / "alcove.sqlite.restoring").write_text("half")
    (places.data / "alcove.sqlite.restoring-wal").write_text("half")
    restore(backup, settings, LATER, SOFTWARE)
    assert [
        name for name in files_below(places.data) if "half" in name or "restoring" in name
    ] == []


# ---- Backups that do not fit ----


@pytest.fixture
def empty(tmp_path: Path) -> dict[str, Any]:
    with storage_at(Settings(data=str(tmp_path / "empty"))) as storage:
        return empty_tables(storage)


def refuse(tables: dict[str, Any], settings: Settings, message: str, **fields: Any) -> None:
    path = write_backup(Path(settings.data).parent / "bad.tar", tables, **fields)
    with pytest.raises(BackupError, match=message):
        restore(path, settings, LATER, SOFTWARE)
    path.unlink()


@pytest.mark.parametrize(
    "line",
    [
        ("a", "b"),
        ("a", "b", 1, 2),
        ("a", "b", "1"),
        ("a", "b", True),
        ("a", "b", None),
        ("a", b"b", 1),
        (1, "b", 1),
        ("a", "b", 1.5),
        ("a", ["b"], 1),
        ("a", "b", 2**63),
    ],
)
def test_a_line_that_does_not_fit_is_refused(
    place: Place, empty: dict[str, Any], line: Line
) -> None:
    columns = ("name", "value", "changed_at")
    empty["setting"] = (columns, encoded([line]), 1)
    refuse(empty, settings_at(place), "has a line that does not fit into setting")


def test_two_lines_that_exclude_each_other_are_refused(place: Place, empty: dict[str, Any]) -> None:
    empty["setting"] = (("value", "name", "changed_at"), encoded([("a", "b", 1)] * 2), 2)
    refuse(empty, settings_at(place), "has a line that does not fit into setting")


def test_columns_may_stand_in_another_order(place: Place, empty: dict[str, Any]) -> None:
    empty["setting"] = (("changed_at", "value", "name"), encoded([(5, "v", "n")]), 1)
    settings = settings_at(place)
    path = write_backup(Path(settings.data).parent / "good.tar", empty)
    restore(path, settings, LATER, SOFTWARE)
    with storage_at(settings) as storage:
        assert look(storage)["setting"] == [("n", "v", 5)]


def test_tables_and_columns_must_be_those_of_the_schema(
    place: Place, empty: dict[str, Any]
) -> None:
    settings = settings_at(place)
    refuse({"theirs": (["a"], b"", 0)} | empty, settings, "has other columns in theirs")
    refuse(empty | {"setting": (["name"], b"", 0)}, settings, "has other columns in setting")


def test_a_newer_backup_needs_the_newer_program(empty: dict[str, Any], tmp_path: Path) -> None:
    path = write_backup(tmp_path / "now.tar", empty)
    schema = verify(path).schema
    settings = Settings(data=str(tmp_path / "data"))
    newer = (*schema, msgspec.structs.replace(schema[0], number=len(schema) + 1))
    refuse(empty, settings, "was made by a newer Alcove", schema=newer)
    other = (msgspec.structs.replace(schema[0], sha256="0"), *schema[1:])
    refuse(empty, settings, "has tables that this Alcove does not know", schema=other)


def test_a_backup_that_changes_meanwhile_is_refused(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(path: Path) -> Manifest:
        manifest = verify(path)
        table = msgspec.structs.replace(manifest.tables["entry"], lines=7)
        return msgspec.structs.replace(manifest, tables=manifest.tables | {"entry": table})

    def less(path: Path) -> Manifest:
        manifest = verify(path)
        tables = {name: table for name, table in manifest.tables.items() if name != "entry"}
        return msgspec.structs.replace(manifest, tables=tables)

    settings = Settings(data=str(tmp_path / "data"))
    for changed, message in ((other, "was changed while"), (less, "a table that it does not name")):
        monkeypatch.setattr(restoring, "verify", changed)
        with pytest.raises(BackupError, match=message):
            restore(backup, settings, LATER, SOFTWARE)


def test_an_older_backup_is_brought_up_to_date(
    place: Place, backup: Path, second_step: Any
) -> None:
    second_step()
    restored = restore(backup, settings_at(place), LATER, SOFTWARE)
    assert len(restored.manifest.schema) == 1
    with storage_at(settings_at(place)) as storage:
        assert look(storage)["second"] == [(1, "new")]
