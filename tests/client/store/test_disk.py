"""Files are there as a whole or not at all, and what the system refuses is told in a sentence."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from alcove.client.errors import StoreError
from alcove.client.store import opening
from alcove.client.store.disk import (
    make_private_folder,
    read_small,
    remove_folder,
    sync_file,
    write_private,
)
from alcove.client.store.failures import DiskFullError


def refusing(number: int) -> Any:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")
    for number in (errno.ENOSPC, errno.EDQUOT):
        monkeypatch.setattr(os, "fsync", refusing(number))
        with pytest.raises(DiskFullError, match="make some space"):
            write_private(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_failing_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    write_private(path, b"old")
    monkeypatch.setattr(os, "fsync", refusing(errno.EIO))
    with pytest.raises(StoreError, match="Input/output error"):
        write_private(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_full_disk_makes_no_half_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alcove.db"
    with monkeypatch.context() as patch:
        patch.setattr(opening, "sync_file", refusing(errno.ENOSPC))
        with pytest.raises(DiskFullError):
            opening.create_file(path, bytes(32))
    assert not path.exists()
    opening.create_file(path, bytes(32)).close()


def test_what_cannot_be_moved_after_a_database_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alcove.db"
    opening.create_file(path, bytes(32)).close()
    monkeypatch.setattr(opening, "sync_folder", refusing(errno.EIO))
    with pytest.raises(StoreError, match="Input/output error"):
        opening.set_aside(path)


def test_an_error_without_a_number_is_told_by_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match=r"\(OSError\)"):
        write_private(tmp_path / "file", b"")


def test_a_small_file_is_read_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert read_small(path, 4) is None
    path.write_bytes(b"1234")
    sync_file(path)
    assert read_small(path, 4) == b"1234"
    with pytest.raises(StoreError, match="larger than 3 bytes"):
        read_small(path, 3)
    with pytest.raises(StoreError, match="Is a directory"):
        read_small(tmp_path, 3)


def test_a_folder_that_is_there_is_made_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    folder.chmod(0o755)
    make_private_folder(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    remove_folder(folder)
    with pytest.raises(StoreError, match="No such file"):
        remove_folder(folder)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be used"):
        make_private_folder(tmp_path / "file" / "folder")
