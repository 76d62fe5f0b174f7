"""`alcove serve` and `alcove status`: what they say, and what they are called with."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alcove.cli import asking, main, status
from alcove.cli import serve as commands
from alcove.cli.serve import Collected, Spoken
from alcove.server.admin_messages import Answer
from alcove.server.io import serve
from alcove.server.io.machine import CannotStart
from alcove.server.io.serve import Start

LINK = "https://chat.example.org/i/abc#secret"


class Runs:
    """Stands in for a server: says that it was started, and ends as a test wants."""

    def __init__(self) -> None:
        self.starts: list[Start] = []
        self.ends: list[Any] = []

    def __call__(self, start: Start) -> bool:
        self.starts.append(start)
        end = self.ends.pop(0) if self.ends else False
        if isinstance(end, Exception):
            raise end
        return bool(end)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Runs:
    for name in [name for name in os.environ if name.startswith("ALCOVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    found = Runs()
    monkeypatch.setattr(serve, "run", found)
    return found


def call(*words: str, **variables: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, list(words), env=variables)


def test_options_become_settings(runs: Runs) -> None:
    words = "--host 10.0.0.1 --port 1 --status-port 2 --public-url http://a --data d --behind-proxy"
    assert call("serve", *words.split(), "--self-signed", "--debug", "-v").exit_code == 0
    (start,) = runs.starts
    made = start.settings
    assert (made.host, made.port, made.status_port, made.public_url, made.data) == (
        "10.0.0.1", 1, 2, "http://a", "d",
    )  # fmt: skip
    assert (made.behind_proxy, made.self_signed, made.debug) == (True, True, True)
    assert (start.verbose, start.shows_link, start.sources) == (True, False, ("the command line",))
    assert isinstance(start.voice, Spoken)


def test_what_is_not_given_comes_from_elsewhere(runs: Runs) -> None:
    assert call("server", ALCOVE_BEHIND_PROXY="yes", SERVER_PORT="9").exit_code == 0
    (start,) = runs.starts
    assert (start.settings.behind_proxy, start.settings.port) == (True, 9)
    assert "SERVER_PORT (the environment) is an old name of port" in start.notices[0]


def test_the_owner_link_is_for_terminals_and_for_who_asks_for_it(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("serve", "--print-owner-link")
    monkeypatch.setattr(commands, "is_terminal", lambda: True)
    call("serve")
    assert [start.shows_link for start in runs.starts] == [True, True]


def test_what_keeps_a_server_from_starting_is_one_sentence(runs: Runs) -> None:
    runs.ends = [CannotStart("It cannot.")]
    done = call("serve")
    assert (done.exit_code, done.stderr) == (1, "Error: It cannot.\n")


def test_a_server_whose_code_has_changed_is_the_same_command_again(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs.ends = [True]
    replaced: list[Any] = []
    monkeypatch.setattr(os, "execv", lambda *words: replaced.append(words))
    monkeypatch.setattr(sys, "argv", ["alcove", "serve", "--debug"])
    call("serve", "--debug")
    words = [sys.executable, "-m", "alcove", "serve", "--debug"]
    assert replaced == [(sys.executable, words)]


def test_up_says_what_to_do_next_and_starts_the_server(runs: Runs) -> None:
    done = call("up", "--port", "7")
    assert "This starts the server" in done.stdout
    assert runs.starts[0].settings.port == 7


# ---- What is said ----


def test_people_are_told_the_owner_link_or_how_to_get_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alcove.cli.advice.program", lambda: "./alcove")
    Spoken().owner_link(None)
    assert capsys.readouterr().out == (
        "There is no host yet: `./alcove admin owner-link` shows how to become it.\n"
    )
    monkeypatch.setattr("alcove.cli.links.is_terminal", lambda: True)
    Spoken().owner_link(LINK)
    said = capsys.readouterr().out
    assert f"\n{LINK}\n" in said
    assert "▀" in said


def test_people_are_told_that_a_stop_is_under_way_and_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Spoken().stopping()
    Spoken().stopped()
    said = capsys.readouterr().out
    assert "Stopping: " in said
    assert said.endswith("Stopped.  All that was acknowledged is on the disk.\n")


def test_programs_are_told_the_same_as_lines_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    voice = Collected()
    voice.check("config", "here")
    voice.notice("look")
    voice.started([("Server address", "http://a"), ("Status", "http://b")])
    voice.owner_link(None)
    voice.owner_link(LINK)
    voice.stopping()
    voice.stopped()
    out, err = capsys.readouterr()
    assert out == f"{LINK}\n"
    lines = [json.loads(line) for line in err.splitlines()]
    assert [(line["level"], line["text"]) for line in lines[:3]] == [
        ("info", "config: here"),
        ("warning", "look"),
        ("info", "Server address: http://a; Status: http://b"),
    ]
    assert LINK not in err


def test_a_log_for_programs_begins_with_the_start(runs: Runs) -> None:
    call("serve", ALCOVE_LOG_FORMAT="json")
    assert isinstance(runs.starts[0].voice, Collected)


# ---- The command status ----


def test_status_says_that_nothing_answers(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "over_socket", lambda *_, **__: None)
    done = call("status", ALCOVE_STATUS_PORT="0", ALCOVE_SELF_SIGNED="yes")
    assert done.exit_code == 1
    assert done.stdout.startswith("No server runs here (data folder data)")
    assert "Another server" not in done.stdout
    done = call("status", "--json", ALCOVE_STATUS_PORT="0", ALCOVE_SELF_SIGNED="yes")
    assert json.loads(done.stdout) == {"running": False, "status": None, "accounts": []}
    assert runs.starts == []


def test_status_passes_on_what_keeps_a_server_from_saying_how_it_is(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status, "over_socket", lambda *_, **__: Answer(error="It is full."))
    done = call("status")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: The server runs, but cannot say how it is.  It is full.\n",
    )
    assert runs.starts == []
