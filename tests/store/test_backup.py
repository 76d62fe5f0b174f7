"""Backups: one moment, one file, read back before it counts."""

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.server.io import backup as backups
from alcove.server.io.backup import (
    BackupError,
    automatic_backup,
    folder_bytes,
    make_backup,
    verify,
)
from alcove.server.io.bundle import BundleWriter
from alcove.server.io.storage import Storage
from alcove.server.store.database import StorageError
from tests.store.conftest import NOW, Place
from tests.store.kit import (
    BLOB,
    BLOB_CONTENT,
    SOFTWARE,
    empty_tables,
    encoded,
    fill,
    look,
    manifest_of,
    put_blob,
    settings_at,
    storage_at,
    write_backup,
    write_members,
)


@pytest.fixture
def storage(place: Place) -> Iterator[Storage]:
    with storage_at(settings_at(place)) as storage:
        fill(storage)
        yield storage


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "alcove.tar"


def make(storage: Storage, target: Path) -> backups.Manifest:
    places = storage.places
    return make_backup(storage.database, places.blobs, target, NOW, SOFTWARE, data=places.data)


def test_a_backup_counts_every_line_and_every_file(storage: Storage, target: Path) -> None:
    manifest = make(storage, target)
    lines = {name: len(lines) for name, lines in look(storage).items() if name != "migration"}
    assert {name: table.lines for name, table in manifest.tables.items()} == lines
    assert manifest.blobs is not None
    assert (manifest.blobs.count, manifest.blobs.bytes) == (1, len(BLOB_CONTENT))
    assert (manifest.made_at, manifest.made_by) == (NOW, SOFTWARE)
    assert manifest.database == storage.database.kind
    assert verify(target) == manifest


def test_only_its_owner_may_read_it_and_any_tar_looks_into_it(
    storage: Storage, target: Path
) -> None:
    make(storage, target)
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as tar:
        names = tar.getnames()
        assert names[-2:] == ["manifest.json", "manifest.sha256"]
        assert f"blobs/{BLOB.hex()}" in names
        assert "tables/entry/000001" in names
        file = tar.extractfile(f"blobs/{BLOB.hex()}")
        assert file is not None
        assert file.read() == BLOB_CONTENT


def test_it_is_of_one_moment_although_the_server_goes_on(
    storage: Storage, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = make(storage, target.with_suffix(".before"))
    writer = storage.database.writer()
    added = iter(range(1000))
    add = BundleWriter.add

    def add_while_others_write(bundle: BundleWriter, name: str, data: bytes) -> None:
        number = next(added)
        writer.run("INSERT INTO setting (name, value, changed_at) VALUES (?, '', 1)", f"{number}")
        writer.run("DELETE FROM entry")
        add(bundle, name, data)

    monkeypatch.setattr(BundleWriter, "add", add_while_others_write)
    after = make(storage, target)
    writer.close()
    assert next(added) > 3
    assert after.tables == before.tables


def test_the_certificate_that_devices_have_pinned_is_in_it(storage: Storage, target: Path) -> None:
    folder = storage.places.data / "tls"
    folder.mkdir()
    for name in ("key.pem", "certificate.pem", "other.pem"):
        (folder / name).write_text(name)
    assert sorted(make(storage, target).files) == ["tls/certificate.pem", "tls/key.pem"]
    assert sorted(verify(target).files) == ["tls/certificate.pem", "tls/key.pem"]


def test_large_tables_come_in_parts(
    storage: Storage, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "PART_BYTES", 500)
    manifest = make(storage, target)
    with tarfile.open(target) as tar:
        parts = [name for name in tar.getnames() if name.startswith("tables/entry/")]
    assert parts == [f"tables/entry/{number:06}" for number in (1, 2, 3)]
    assert verify(target) == manifest


def test_a_file_that_was_deleted_meanwhile_is_not_missed(storage: Storage, target: Path) -> None:
    shutil.rmtree(storage.places.blobs)
    storage.places.blobs.mkdir()
    manifest = make(storage, target)
    assert manifest.blobs == backups.NO_BLOBS


def test_a_file_that_became_shorter_is_an_error(storage: Storage, target: Path) -> None:
    put_blob(storage.places.blobs, BLOB, BLOB_CONTENT[:-1])
    with pytest.raises(BackupError, match="a file became shorter"):
        make(storage, target)
    assert list(target.parent.glob("*alcove.tar*")) == []


def test_without_a_folder_of_blobs_it_is_of_the_database_alone(
    storage: Storage, target: Path
) -> None:
    manifest = make_backup(storage.database, None, target, NOW, SOFTWARE)
    assert (manifest.blobs, manifest.files) == (None, {})
    assert verify(target) == manifest


def test_what_is_there_already_is_never_overwritten(storage: Storage, target: Path) -> None:
    target.write_text("mine")
    with pytest.raises(BackupError, match="is there already: choose another name"):
        make(storage, target)
    assert target.read_text() == "mine"


def test_a_folder_that_is_not_there_is_not_made(storage: Storage, target: Path) -> None:
    with pytest.raises(BackupError, match="is not there: make it"):
        make(storage, target.parent / "nowhere" / "alcove.tar")


def test_a_disk_without_room_is_noticed_first(
    storage: Storage, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "SPARE_BYTES", 2**60)
    with pytest.raises(BackupError, match="MiB free: make room"):
        make(storage, target)


def test_a_disk_that_fails_leaves_no_half_backup(
    storage: Storage, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(BundleWriter, "end", fail)
    with pytest.raises(BackupError, match=r"could not be written: No space left on device\."):
        make(storage, target)
    assert list(target.parent.glob("*alcove.tar*")) == []


def test_what_a_crash_left_behind_is_in_nobodys_way(storage: Storage, target: Path) -> None:
    target.with_name(".alcove.tar.part").write_text("half")
    make(storage, target)
    assert not target.with_name(".alcove.tar.part").exists()


def test_a_database_that_is_gone_cannot_be_backed_up(place: Place, target: Path) -> None:
    class Broken:
        kind = "broken"
        works = 0

        def size_bytes(self) -> int:
            if not self.works:
                raise StorageError("gone")
            return 0

        def reader(self) -> Any:
            if self.works == 1:
                raise StorageError("gone")
            return Connection()

    class Connection:
        def begin_reading(self) -> None:
            raise StorageError("gone")

        def close(self) -> None:
            pass

    broken: Any = Broken()
    for broken.works in range(3):
        with pytest.raises(BackupError, match=r"The database could not be .*: gone"):
            make_backup(broken, None, target, NOW, SOFTWARE)
    assert not target.exists()
    assert place.kind


def test_the_newest_automatic_backups_stay(storage: Storage, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    (tmp_path / "automatic-0.tar").write_text("elsewhere")
    made = [
        automatic_backup(storage.database, folder, 2, NOW + 1000 * number, SOFTWARE, "schema-1")
        for number in range(4)
    ]
    assert made[0].name == "automatic-20231114-221320-000-schema-1.tar"
    assert sorted(folder.iterdir()) == made[2:]
    (folder / "mine.tar").write_text("by hand")
    automatic_backup(storage.database, folder, 1, NOW + 9000, SOFTWARE, "schema-1")
    assert sorted(path.name for path in folder.iterdir()) == [
        "automatic-20231114-221329-000-schema-1.tar",
        "mine.tar",
    ]


def test_a_folder_is_as_large_as_its_files(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(bytes(5))
    (tmp_path / "d").write_bytes(bytes(6))
    (tmp_path / "e").symlink_to(tmp_path / "nowhere")
    assert folder_bytes(tmp_path) == 11


# ---- Damage ----


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A backup with a table, a blob and a small file."""
    parts = {"tables/a/000001": encoded([(1, "x")]), f"blobs/{BLOB.hex()}": b"sealed"}
    parts["files/tls/key.pem"] = b"key"
    sums = {"a": backups.TableSum(("b", "c"), 1, sha256(parts["tables/a/000001"]))}
    blobs = backups.BlobSum(1, 6, sha256(bytes.fromhex(sha256(b"sealed"))))
    manifest = manifest_of(sums, blobs=blobs, files={"tls/key.pem": sha256(b"key")})
    return write_members(tmp_path / "small.tar", parts, msgspec.json.encode(manifest))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_whole_backup_is_accepted(small: Path) -> None:
    assert verify(small).tables["a"].lines == 1


def test_every_flipped_byte_is_found(small: Path) -> None:
    whole = small.read_bytes()
    unnoticed = []
    for place in range(0, len(whole), 7):
        small.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            verify(small)
        except BackupError:
            continue
        unnoticed.append(place)
    assert unnoticed == []


def test_every_missing_end_is_found(small: Path) -> None:
    whole = small.read_bytes()
    for size in [*range(0, len(whole), 61), len(whole) - 1]:
        small.write_bytes(whole[:size])
        with pytest.raises(BackupError, match=r"small\.tar"):
            verify(small)
    small.write_bytes(whole + b"\0")
    with pytest.raises(BackupError, match="damaged at its end"):
        verify(small)


def test_a_backup_without_its_manifest_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "half.tar"
    with path.open("wb") as file:
        bundle = BundleWriter(file, NOW)
        bundle.add(f"blobs/{BLOB.hex()}", b"sealed")
        bundle.end()
    with pytest.raises(BackupError, match="is not complete"):
        verify(path)


def test_a_backup_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"could not be read: No such file or directory\."):
        verify(tmp_path / "nowhere.tar")


HOSTILE = [
    "../evil",
    "/etc/evil",
    "tables/../x/000001",
    "tables/entry/00001",
    "tables/entry/00000x",
    "tables/en-try/000001",
    "tables//000001",
    "blobs/../../evil",
    f"blobs/{BLOB.hex().upper()}".replace("0", "A"),
    f"blobs/{'0' * 30}..",
    "blobs/00",
    "files/tls/../alcove.sqlite",
    "files/alcove.toml",
    "tls/key.pem",
    "manifest.sha256",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_member_that_is_not_of_a_backup_is_refused(tmp_path: Path, name: str) -> None:
    path = write_members(tmp_path / "bad.tar", {name: b"x"}, msgspec.json.encode(manifest_of({})))
    with pytest.raises(BackupError, match="not of a backup"):
        verify(path)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, b"x", b"L"])
def test_links_folders_and_tricks_of_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo(f"blobs/{BLOB.hex()}")
    info.type, info.linkname = kind, "/etc/passwd"
    path = tmp_path / "bad.tar"
    path.write_bytes(info.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(BackupError, match="not a plain file"):
        verify(path)


def test_nothing_comes_after_the_end(tmp_path: Path) -> None:
    manifest = msgspec.json.encode(manifest_of({}))
    for early in ("manifest.json", "manifest.sha256"):
        members = {"manifest.json": manifest, early: sha256(manifest).encode()}
        path = write_members(tmp_path / f"{early}.tar", members, manifest)
        with pytest.raises(BackupError, match="after its end"):
            verify(path)


def test_a_part_that_is_too_large_is_not_read(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "PART_BYTES_MAX", 5)
    with pytest.raises(BackupError, match="larger than parts are"):
        verify(small)


@pytest.mark.parametrize(
    "part", [b"\0\0", b"\0\0\0\1\xc1", b"\0\0\0\5\x91\1", b"\0\0\0\1\1", b"\0\0\0\3\x91\xa1\xff"]
)
def test_lines_that_cannot_be_read_are_refused(tmp_path: Path, part: bytes) -> None:
    path = write_backup(tmp_path / "bad.tar", {"a": (["b"], part, 1)})
    with pytest.raises(BackupError, match=r"damaged: a line"):
        verify(path)


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (b"{}", "not a backup of this Alcove"),
        (b"\xff", "not a backup of this Alcove"),
        (msgspec.json.encode(manifest_of({}, format=2)), "in a form that this one does not know"),
        (msgspec.json.encode(manifest_of({}, files={"tls/key.pem": ""})), "sums do not fit"),
        (
            msgspec.json.encode(manifest_of({}, blobs=backups.BlobSum(0, 1, ""))),
            "sums do not fit",
        ),
        (
            msgspec.json.encode(manifest_of({"a": backups.TableSum((), 1, "")})),
            "sums do not fit",
        ),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    tmp_path: Path, manifest: bytes, why: str
) -> None:
    with pytest.raises(BackupError, match=why):
        verify(write_members(tmp_path / "bad.tar", {}, manifest))


def test_an_empty_server_has_a_backup_too(place: Place, target: Path) -> None:
    with storage_at(settings_at(place)) as storage:
        manifest = make(storage, target)
        assert sorted(manifest.tables) == sorted(empty_tables(storage))
