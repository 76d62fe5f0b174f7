"""Log lines: what they say of us, and that they say nothing of what came from outside."""

import asyncio
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from alcove.server.io import logs
from alcove.server.io.logs import begin_logging, end_logging, places, watch_loop
from alcove.server.settings import Settings

SECRET = "swordfish"
OURS = logging.getLogger("alcove.server.test")
THEIRS = logging.getLogger("aiohttp.server")


@pytest.fixture(autouse=True)
def hooks() -> Iterator[None]:
    """Put everything back that logging changes."""
    root, ours = logging.getLogger(), logging.getLogger("alcove")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    hooks = threading.excepthook, sys.unraisablehook
    root.handlers = []
    yield
    end_logging()
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    threading.excepthook, sys.unraisablehook = hooks
    logging.raiseExceptions = True


def begin(folder: Path, *, verbose: bool = False, **values: Any) -> tuple[Path, io.StringIO]:
    """Begin logging, and return the file and the console."""
    console = io.StringIO()
    settings = msgspec.structs.replace(Settings(), data=str(folder), **values)
    return begin_logging(settings, console, verbose=verbose) / "alcove.log", console


def raised(text: str) -> Exception:
    try:
        raise ValueError(text)
    except ValueError as error:
        return error


def test_a_line_says_when_how_bad_and_what(tmp_path: Path) -> None:
    file, console = begin(tmp_path)
    OURS.info("dropped %s: %d", "things", 3)
    OURS.debug("not now")
    (line,) = file.read_text().splitlines()
    assert line[10] == "T"
    assert line[23] == "Z"
    assert line[24:] == " info    dropped things: 3"
    assert console.getvalue() == ""
    assert file.stat().st_mode & 0o077 in (0, 0o044)


def test_the_console_shows_warnings_and_with_verbose_all(tmp_path: Path) -> None:
    _, console = begin(tmp_path)
    OURS.info("quiet")
    OURS.warning("loud")
    assert console.getvalue()[8:] == "  warning: loud\n"
    _, console = begin(tmp_path, verbose=True)
    OURS.info("quiet")
    assert console.getvalue()[8:] == "  quiet\n"
    _, console = begin(tmp_path, debug=True)
    OURS.debug("all")
    assert console.getvalue()[8:] == "  debug: all\n"


def test_garbage_of_strangers_writes_a_few_lines_a_minute_and_hides_nothing_else(
    tmp_path: Path,
) -> None:
    file, _ = begin(tmp_path)

    def write(error: Exception, seconds: float) -> None:
        record = THEIRS.makeRecord(
            THEIRS.name, logging.ERROR, "", 0, SECRET, (), (type(error), error, None)
        )
        record.created = seconds
        THEIRS.handle(record)

    for number in range(100):
        write(ValueError(), 1000 + number / 10)
    write(KeyError(), 1020)
    lines = [line.split(" had ")[-1] for line in file.read_text().splitlines()]
    said = "something to say: {} at"
    assert lines == [said.format("ValueError")] * 5 + [said.format("KeyError")]
    write(ValueError(), 1060)
    told, last = file.read_text().splitlines()[6:]
    assert told.endswith("left out 95 lines of aiohttp.server like those before")
    assert last.endswith(said.format("ValueError"))
    THEIRS.error("no exception")
    assert len(file.read_text().splitlines()) == 9
    end_logging()
    assert THEIRS.filters == []


def test_lines_for_programs_are_json(tmp_path: Path) -> None:
    file, console = begin(tmp_path, log_format="json")
    OURS.info("two\nlines")
    line = json.loads(file.read_text())
    assert json.loads(console.getvalue()) == line
    assert (line["level"], line["logger"], line["text"]) == (
        "info", "alcove.server.test", "two lines",
    )  # fmt: skip


def test_nothing_of_a_librarys_words_is_taken_over(tmp_path: Path) -> None:
    file, console = begin(tmp_path, debug=True)
    THEIRS.error("Error handling %s", SECRET)
    THEIRS.error("Error handling %s", SECRET, exc_info=raised(SECRET))
    THEIRS.error(SECRET, exc_info=(None, None, None))
    logging.getLogger("other").warning(SECRET)
    written = file.read_text()
    assert SECRET not in written + console.getvalue()
    assert "aiohttp.server had something to say: ValueError at io/test_logs.py:" in written


def test_of_an_exception_only_its_kind_and_place_are_told(tmp_path: Path) -> None:
    file, _ = begin(tmp_path)
    OURS.error("it failed", exc_info=raised(SECRET))
    written = file.read_text()
    assert "it failed: ValueError at io/test_logs.py:" in written
    assert SECRET not in written


def test_a_place_names_the_innermost_frames_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FRAMES_MAX", 2)

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        deep(3)
    assert places(caught.value.__traceback__).count("test_logs.py") == 2
    assert places(None) == ""


@pytest.mark.parametrize("keep", [0, 2])
def test_files_are_closed_at_their_size_and_the_oldest_go(tmp_path: Path, keep: int) -> None:
    file, _ = begin(tmp_path, log_file_bytes_max=300, log_files_keep=keep)
    for number in range(50):
        OURS.info("line %d of many that fill the file", number)
    names = sorted(path.name for path in file.parent.iterdir())
    assert names == ["alcove.log", "alcove.log.1", "alcove.log.2"][: keep + 1]
    assert all(path.stat().st_size <= 300 for path in file.parent.iterdir())
    assert "line 49 of" in file.read_text()


def test_without_a_console_only_the_file_is_written(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(Settings(), data=str(tmp_path))
    folder = begin_logging(settings, None, verbose=True)
    OURS.warning("alone")
    assert "warning alone" in (folder / "alcove.log").read_text()


def test_what_fails_with_nobody_to_tell_it_to_is_logged_without_its_words(tmp_path: Path) -> None:
    file, _ = begin(tmp_path)

    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    async def in_the_loop() -> None:
        loop = asyncio.get_running_loop()
        watch_loop(loop)
        loop.call_soon(fail)
        loop.call_exception_handler({"message": SECRET})
        await asyncio.sleep(0)

    asyncio.run(in_the_loop())
    sys.unraisablehook(SimpleNamespace(exc_value=raised(SECRET)))
    sys.unraisablehook(SimpleNamespace(exc_value=None))
    threading.excepthook(SimpleNamespace(exc_value=None))  # type: ignore[arg-type]
    written = file.read_text()
    assert SECRET not in written
    said = [line.partition(" at ")[0].partition("  ")[2].strip() for line in written.splitlines()]
    assert said == [
        "unexpected ValueError in a thread",
        "unexpected in the loop",
        "unexpected ValueError in the loop",
        "unexpected ValueError in cleaning up",
    ]
