"""The data folder: one server at a time, for its owner's eyes, and missed when it is gone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alcove.server.auth import make_server_keys
from alcove.server.io import storage as storing
from alcove.server.io.blobs import FileBlobs
from alcove.server.io.bundle import BundleError, BundleWriter, members
from alcove.server.io.places import blob_path, connect, held, is_held, places_of
from alcove.server.io.storage import secret_from
from alcove.server.settings import Settings
from alcove.server.store.database import DatabaseRefused, StorageError
from tests.store.conftest import NOW, Place
from tests.store.kit import files_below, settings_at, storage_at

KEY = "correct horse battery staple and so on"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=str(tmp_path / "data"))


def test_everything_is_in_the_data_folder_unless_it_is_said_otherwise() -> None:
    places = places_of(Settings(data="d"))
    assert (places.database, places.blobs) == (Path("d/alcove.sqlite"), Path("d/blobs"))
    places = places_of(Settings(data="d", database_path="x/y", blob_folder="z"))
    assert (places.database, places.blobs) == (Path("x/y"), Path("z"))


def test_blobs_are_backed_up_from_where_they_are_stored(tmp_path: Path) -> None:
    blob = bytes(range(16))
    assert blob_path(tmp_path, blob) == FileBlobs(tmp_path)._path(blob)


def test_only_the_servers_user_may_read_what_it_makes(settings: Settings) -> None:
    with storage_at(settings) as storage:
        writer = storage.database.writer()
        writer.run("DELETE FROM setting")
        for name in files_below(storage.places.data):
            assert (storage.places.data / name).stat().st_mode & 0o777 == 0o600, name
        writer.close()
        for folder in (storage.places.data, storage.places.blobs, storage.places.backups):
            assert folder.stat().st_mode & 0o777 == 0o700


def test_a_second_server_is_refused_and_told_who_is_there(settings: Settings) -> None:
    with held(settings):
        with pytest.raises(DatabaseRefused) as raised, held(settings):
            pass
        assert f"(process {os.getpid()}) is using {settings.data}: stop it" in str(raised.value)
    with held(settings):
        pass


def test_one_database_in_two_data_folders_is_still_one_server(tmp_path: Path) -> None:
    one = Settings(data=str(tmp_path / "a"), database_path=str(tmp_path / "x" / "alcove.sqlite"))
    two = Settings(data=str(tmp_path / "b"), database_path=one.database_path)
    with held(one), pytest.raises(DatabaseRefused, match="Another Alcove server"), held(two):
        pass


def test_a_server_that_was_killed_holds_nothing(settings: Settings) -> None:
    program = (
        "import os, sys\n"
        "from alcove.server.io.places import held\n"
        "from alcove.server.settings import Settings\n"
        "with held(Settings(data=sys.argv[1])):\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, settings.data], check=False)
    assert killed.returncode == -9
    assert (Path(settings.data) / "alcove.lock").read_text() != ""
    with held(settings):
        assert (Path(settings.data) / "alcove.lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(data=str(tmp_path / "file" / "data"))
    message = r"file/data cannot be used: Not a directory\."
    with pytest.raises(DatabaseRefused, match=message), held(settings):
        pass


def test_whether_somebody_holds_the_folder_can_be_seen(settings: Settings) -> None:
    assert not is_held(settings)
    with held(settings):
        assert is_held(settings)
        assert is_held(settings)
    assert not is_held(settings)
    (lock := Path(settings.data) / "alcove.lock").unlink()
    lock.symlink_to(lock.name)
    assert is_held(settings)  # Nobody can tell.


def test_a_mistake_while_it_is_held_is_not_taken_for_one_of_the_folder(settings: Settings) -> None:
    with pytest.raises(FileNotFoundError), held(settings):
        (Path(settings.data) / "nowhere").read_text()


@pytest.mark.parametrize("does", ["delete", "replace"])
def test_a_database_that_was_taken_away_acknowledges_nothing(settings: Settings, does: str) -> None:
    with storage_at(settings) as storage:
        writer = storage.database.writer()
        writer.begin()
        writer.commit()
        path = storage.places.database
        aside = path.with_suffix(".aside")
        path.rename(aside)
        if does == "replace":
            path.write_bytes(aside.read_bytes())
        with pytest.raises(StorageError, match="taken away: put it back"):
            writer.begin()
        aside.replace(path)
        writer.begin()
        writer.commit()
        writer.close()


def test_a_database_that_nobody_has_opened_yet_is_made(settings: Settings) -> None:
    with held(settings) as places:
        database = connect(settings, places)
        assert database.size_bytes() == 4096
        assert places.database.exists()


# ---- Founding ----


def test_the_secret_is_drawn_once_and_kept(place: Place) -> None:
    settings = settings_at(place)
    with storage_at(settings) as storage:
        secret, incarnation = storage.secret, storage.incarnation
        assert len(secret) == 32
        assert str(secret) not in repr(storage)
    with storage_at(settings, NOW + 99_000) as storage:
        assert (storage.secret, storage.incarnation) == (secret, incarnation)


def test_a_chosen_secret_key_makes_the_same_server_everywhere(tmp_path: Path) -> None:
    keys = []
    for name in ("a", "b"):
        settings = Settings(data=str(tmp_path / name), secret_key=KEY)
        with storage_at(settings) as storage:
            keys.append(make_server_keys(storage.secret).public)
    assert keys[0] == keys[1]
    other = Settings(data=str(tmp_path / "a"), secret_key=KEY + "!")
    with pytest.raises(DatabaseRefused, match="secret_key is not the one"), storage_at(other):
        pass
    with storage_at(Settings(data=str(tmp_path / "a"))) as storage:
        assert storage.secret == secret_from(KEY) != secret_from(KEY + "!")


def test_a_database_that_fails_at_founding_is_one_sentence(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StorageError("disk I/O error")

    monkeypatch.setattr(storing, "found", fail)
    message = r"SQLite database failed: disk I/O error\."
    with pytest.raises(DatabaseRefused, match=message), storage_at(settings):
        pass


# ---- Bundles ----


def test_a_member_that_ends_too_early_is_noticed_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        BundleWriter(file, NOW).add("a", bytes(2000))
    path.write_bytes(path.read_bytes()[:1000])
    with path.open("rb") as file, pytest.raises(BundleError, match="ends too early"):
        next(members(file)).read(2000)


def test_a_member_that_nobody_reads_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with path.open("wb") as file:
        bundle = BundleWriter(file, NOW)
        bundle.add("a", bytes(3_000_000))
        bundle.add("b", b"b")
        bundle.end()
    with path.open("rb") as file:
        assert [(member.name, member.size) for member in members(file)] == [
            ("a", 3_000_000),
            ("b", 1),
        ]
