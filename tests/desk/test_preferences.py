"""What is chosen on a machine stays chosen, and what cannot be read is as good as nothing."""

import asyncio
from pathlib import Path

import pytest

from alcove.client import Preferences, Quiet, StoreError, UsageError
from alcove.client.io.preferences import FILE_BYTES_MAX, FILE_NAME
from alcove.desk.desk import Desk
from alcove.desk.preferences import GetPreferences, Prefer


def ask(home: Path, call: GetPreferences | Prefer) -> Preferences:
    return asyncio.run(Desk(lambda _: None, home=home).ask(call))


def test_choices_stay_each_for_itself(tmp_path: Path) -> None:
    home = tmp_path / "home"
    assert ask(home, GetPreferences()) == Preferences()
    ask(home, Prefer(theme="light"))
    ask(home, Prefer(quiet="22:00-7:30"))
    ask(home, Prefer(lock_minutes=15))
    chosen = Preferences(
        theme="light", quiet=Quiet(since=22 * 60, until=7 * 60 + 30), lock_minutes=15
    )
    assert ask(home, GetPreferences()) == chosen
    assert str(chosen.quiet) == "22:00-07:30"
    assert ask(home, Prefer(quiet="")) == Preferences(theme="light", lock_minutes=15)
    assert oct((home / FILE_NAME).stat().st_mode)[-3:] == "600"


@pytest.mark.parametrize("text", ["24:00-07:00", "22-7", "22:00", "22:60-07:00", "x" * 9_999])
def test_what_is_no_span_of_a_day_is_refused_and_changes_nothing(tmp_path: Path, text: str) -> None:
    ask(tmp_path, Prefer(quiet="1:00 - 2:00"))
    with pytest.raises(UsageError, match="22:00-07:00"):
        ask(tmp_path, Prefer(quiet=text))
    assert str(ask(tmp_path, GetPreferences()).quiet) == "01:00-02:00"


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"theme": "pink"}', b'{"else": 1}'])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    assert ask(tmp_path, GetPreferences()) == Preferences()
    assert ask(tmp_path, Prefer(theme="light")) == Preferences(theme="light")


def test_a_file_that_is_none_of_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(b" " * (FILE_BYTES_MAX + 1))
    with pytest.raises(StoreError):
        ask(tmp_path, GetPreferences())


def test_quiet_hours_may_go_past_midnight() -> None:
    night, noon = Quiet(since=1_320, until=420), Quiet(since=720, until=780)
    assert [night.holds(minute) for minute in (1_319, 1_320, 0, 419, 420)] == [
        False, True, True, True, False,
    ]  # fmt: skip
    assert [noon.holds(minute) for minute in (719, 720, 779, 780)] == [False, True, True, False]
