"""Starting again when the code changes."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

import alcove
from alcove.server.io import reload
from alcove.server.io.reload import changed_code, checkout, is_broken, snapshot


def touch(path: Path, text: str, at: int) -> None:
    path.write_text(text, encoding="utf-8")
    os.utime(path, ns=(at, at))


def test_only_a_checkout_is_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkout() == Path(alcove.__file__).parent
    monkeypatch.setattr(alcove, "__file__", str(tmp_path / "src" / "alcove" / "__init__.py"))
    assert checkout() is None
    (tmp_path / "pyproject.toml").touch()
    assert checkout() == tmp_path / "src" / "alcove"
    monkeypatch.setattr(alcove, "__file__", str(tmp_path / "lib" / "alcove" / "__init__.py"))
    assert checkout() is None


def test_code_is_looked_at_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.py", "b.sql", "c.txt", "d.pyc"):
        (tmp_path / name).touch()
    assert [path.name for path in snapshot(tmp_path)] == ["a.py", "b.sql"]
    gone = [tmp_path / "a.py", tmp_path / "gone.py"]
    monkeypatch.setattr(Path, "rglob", lambda *_: gone)
    assert [path.name for path in snapshot(tmp_path)] == ["a.py"]


def test_a_file_that_does_not_compile_is_broken(tmp_path: Path) -> None:
    file, other = tmp_path / "a.py", tmp_path / "b.sql"
    other.write_text("SELECT (")
    assert not is_broken(other)
    assert not is_broken(file)
    file.write_text("x = 1\n")
    assert not is_broken(file)
    file.write_text("x = (\n")
    assert is_broken(file)
    file.write_bytes(b"x = 1\0\n")
    assert is_broken(file)


def test_a_change_is_waited_for_until_it_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reload, "POLL_S", 0)
    file = tmp_path / "a.py"
    touch(file, "x = 1\n", 1)
    looks = 0

    def look(folder: Path) -> dict[Path, int]:
        nonlocal looks
        looks += 1
        if looks == 3:
            touch(file, "x = (\n", 2)
        if looks == 6:
            touch(file, "x = 2\n", 3)
        return snapshot(folder)

    monkeypatch.setattr(reload, "snapshot", look)
    with caplog.at_level(logging.WARNING, "alcove"):
        asyncio.run(changed_code(tmp_path, snapshot(tmp_path)))
    assert looks == 6
    assert caplog.messages == ["a.py does not compile: waiting until it does"]
