"""Advice names commands that work where it is read, and mistakes are told as all errors are."""

import os
import shutil
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from alcove.cli import advice, main
from alcove.cli.advice import advised, program


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in which a checkout's program stands, while we are there."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    (folder / "alcove").touch()
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    for name in ("ALCOVE_DATA", "ALCOVE_CONFIG", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return folder


def test_in_a_checkout_the_path_of_the_program_is_told(here: Path) -> None:
    assert program() == ".venv/bin/alcove"
    assert advised("`alcove serve` makes one.") == "`.venv/bin/alcove serve` makes one."
    assert advised("see `alcove --help`") == "see `.venv/bin/alcove --help`"
    assert here.is_absolute()


def test_elsewhere_the_whole_path_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/usr")
    assert program() == str(here / "alcove")


def test_in_the_root_the_path_keeps_its_first_slash(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir("/")
    assert program() == str(here / "alcove")


def test_a_folder_that_a_variable_named_is_said_too(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALCOVE_DATA", "my folder")
    assert advised("`alcove serve`") == "`.venv/bin/alcove serve --data 'my folder'`"
    monkeypatch.setenv("ALCOVE_CONFIG", "a.toml")
    assert advised("`alcove up`").endswith("alcove up --data 'my folder' --config a.toml`")
    del here


def test_who_is_lent_a_user_is_told_to_be_that_user_again(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUDO_USER", "mira")
    monkeypatch.setenv("USER", "alcove")
    monkeypatch.setattr(os, "geteuid", lambda: 8888)
    assert advised("`alcove status`") == "`sudo -u alcove .venv/bin/alcove status`"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert advised("`alcove status`") == "`.venv/bin/alcove status`"
    del here


def test_what_is_on_the_path_is_called_by_its_name(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: str(here / "alcove"))
    assert program() == "alcove"


def test_another_program_of_our_name_on_the_path_is_not_meant(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alcove").touch()
    monkeypatch.setattr(shutil, "which", lambda _: str(tmp_path / "alcove"))
    assert program() == ".venv/bin/alcove"
    (here / "alcove").unlink()
    assert program() == "alcove"


def test_without_a_program_python_is_asked(here: Path) -> None:
    (here / "alcove").unlink()
    assert program() == f"{here / 'python'} -m alcove"


def test_only_commands_in_backquotes_are_changed(here: Path) -> None:
    for text in ("alcove admin policy", "`alcove`", "`alcove.toml`", "`alcove dance`"):
        assert advised(text) == text
    del here


def test_what_was_said_of_the_data_folder_is_said_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "program", lambda: "alcove")
    monkeypatch.chdir(tmp_path)
    words = ["--data", "my folder", "--config", "a.toml"]
    Path("a.toml").touch()
    ports = {"ALCOVE_STATUS_PORT": "0", "ALCOVE_SELF_SIGNED": "yes"}
    done = CliRunner().invoke(main, ["status", *words], env=ports)
    command = "`alcove serve --data 'my folder' --config a.toml`"
    assert f"{command} starts it." in done.output
    done = CliRunner().invoke(main, ["admin", "accounts", *words])
    assert f"Error: There is no server in my folder: {command} makes one" in done.output


@pytest.mark.parametrize(
    ("words", "sentence", "command"),
    [
        (["--foo"], "There is no option --foo.", "alcove"),
        (["dance"], "There is no command dance.", "alcove"),
        (["admin", "dance"], "There is no command dance.", "alcove admin"),
        (
            ["admin", "invite", "--usse", "3"],
            "There is no option --usse; did you mean --uses?",
            "alcove admin invite",
        ),
        (
            ["admin", "invite", "--uses", "0"],
            "--uses must be a whole number from 1 to 10000.",
            "alcove admin invite",
        ),
        (["admin", "quota"], "NAME is missing.", "alcove admin quota"),
        (["status", "x"], "Got unexpected extra argument (x).", "alcove status"),
        (["serve", "--host"], "Option '--host' requires an argument.", "alcove"),
    ],
)
def test_a_mistake_is_one_line_with_what_helps(
    words: list[str], sentence: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(advice, "program", lambda: "alcove")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert done.stderr == f"Error: {sentence}  `{command} --help` tells what there is.\n"


@pytest.mark.parametrize("words", [[], ["admin"], ["--help"], ["admin", "--help"]])
def test_a_group_alone_shows_what_there_is(words: list[str]) -> None:
    assert "Commands:" in CliRunner().invoke(main, words).output


def test_an_option_without_a_name_of_ours_is_named_all_the_same() -> None:
    error = click.MissingParameter(param=click.Option(["-f", "--file"]))
    assert advice._mistake(error) == "--file is missing."
