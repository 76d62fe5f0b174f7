"""The self-test: on this machine everything works; and whatever is broken, it says so and fails."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from alcove.cli import main, selftest
from alcove.cli.demo import house
from alcove.cli.lazy import Lazy
from alcove.cli.selftest import keeping, known_answers, machine, serving, speed
from alcove.cli.selftest.failed import Failed
from alcove.mls import CryptoError
from alcove.mls.pyca import PROVIDER

PATIENCE_S = 120


def run(*words: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, ["selftest", *words])


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what leaves out all parts but some."""

    def leave(*parts: str) -> None:
        monkeypatch.setattr(selftest, "PARTS", {f"Part {one}": one for one in parts})

    return leave


# ---- The command ----


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "alcove", *words],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_everything_works_on_this_machine_and_nothing_is_left_of_it(tmp_path: Path) -> None:
    process = started(tmp_path, "test")
    said, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors, "✗" in said) == (0, "", False), said
    headings = [line for line in said.splitlines() if not line.startswith(" ")]
    assert headings[:-1] == list(selftest.PARTS)
    assert said.count("✓") > 15
    for words in (
        "Ed25519, as RFC 8032", "tables are made", "A sealed file goes up", "Asked to stop",
    ):  # fmt: skip
        assert words in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "at"), [(signal.SIGTERM, "This machine"), (signal.SIGINT, "It serves at")]
)
def test_who_stops_it_leaves_no_folder_and_no_server(
    tmp_path: Path, number: signal.Signals, at: str
) -> None:
    process = started(tmp_path, "selftest", "--folder", str(tmp_path))
    assert process.stdout is not None
    url = ""
    for line in iter(process.stdout.readline, ""):
        if at in line:
            url = line.partition("http://")[2].partition(",")[0]
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, errors) == (130, "\nStopped before the end.\n")
    assert list(tmp_path.iterdir()) == []
    if url:
        host, _, port = url.rpartition(":")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, int(port)))


def test_who_wants_to_see_more_is_told_how_fast_it_is(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("known_answers")
    monkeypatch.setattr(speed, "TRIED_S", 0.001)
    said = run("--verbose").stdout
    assert said.count(" seconds\n") == 2
    for promised in ("1,000", "10,000", "50", "100"):
        assert re.search(rf": [0-9,]+ .*a second \(promised: {promised}\)", said)
    assert "promised" not in run().stdout


def test_test_is_another_word_for_it() -> None:
    context = click.Context(main)
    assert isinstance(main, Lazy)
    assert main.get_command(context, "test") is main.get_command(context, "selftest")
    assert "test" not in main.list_commands(context)


def test_what_fails_is_said_and_the_other_parts_are_tried_all_the_same(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("machine", "known_answers", "keeping")
    monkeypatch.setattr(machine, "NEEDED", {"msgspec": "msgspec", "wings": "no_such_module"})

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keeping, "open_sqlite", fail)
    done = run()
    assert done.exit_code == 1
    crosses = [line.strip() for line in done.stdout.splitlines() if "✗" in line]
    assert crosses == [
        "✗ The library wings cannot be loaded: install Alcove again.",
        "✗ OSError: [Errno 28] No space left on device",
    ]
    assert "Ed25519" in done.stdout
    assert done.stderr.startswith("Error: 2 of 3 parts failed")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    done = run("--folder", str(tmp_path / "nowhere"))
    assert done.exit_code == 1
    assert f"Nothing can be written in {tmp_path / 'nowhere'} (No such file" in done.stderr


def test_an_answer_that_does_not_come_is_told(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise TimeoutError

    only("serving")
    monkeypatch.setattr(serving, "check", late)
    assert "✗ TimeoutError: an answer did not come in time" in run().stdout


def test_that_nobody_reads_along_any_more_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(serving, "check", gone)
    with pytest.raises(BrokenPipeError):
        selftest.passes("serving", Path())


# ---- The machine ----


@pytest.mark.parametrize(
    ("look", "found", "said"),
    [
        (machine.python, (3, 10), "Python 3.11 or newer is needed; this is 3.10."),
        (machine.sqlite, (3, 36, 9), "SQLite 3.37.0 or newer is needed; this is 3.36.9."),
        (machine.clock, 0.0, "The clock shows 1970-01-01 00:00, which is long ago: set it."),
    ],
)
def test_what_is_too_old_is_named(look: Callable[[Any], str], found: Any, said: str) -> None:
    with pytest.raises(Failed) as error:
        look(found)
    assert str(error.value) == said


def test_what_is_just_new_enough_is_well() -> None:
    assert machine.sqlite(machine.LEAST_SQLITE) == "SQLite 3.37.0."
    assert machine.python(machine.LEAST_PYTHON).startswith("Python ")
    assert machine.clock(machine.MADE_S) == "The clock shows 2026-01-01 00:00 UTC."


def test_a_library_that_is_only_wanted_may_be_missing() -> None:
    said = machine.wanted("wings", "no_such_module", "it flies lower without them")
    assert said == "wings is not here: it flies lower without them"


# ---- Cryptography ----


class Broken:
    """The primitives, of which one gives another result."""

    def __init__(self, name: str, result: Callable[..., Any]) -> None:
        self._name, self._result = name, result

    def __getattr__(self, name: str) -> Any:
        right = getattr(PROVIDER, name)
        if name != self._name:
            return right
        return lambda *given: self._result(right, *given)


def flipped(right: Callable[..., bytes], *given: Any) -> bytes:
    """Return what comes of it, with one bit changed."""
    result = right(*given)
    return bytes([result[0] ^ 1]) + result[1:]


def gullible(right: Callable[..., Any], *given: Any) -> Any:
    """Accept what must be refused."""
    try:
        return right(*given)
    except CryptoError:
        return b""


def another(right: Callable[..., Any], *given: Any) -> Any:
    """Return a key pair whose public half is another's."""
    key = right(*given)
    return key._replace(public=bytes([key.public[0] ^ 1]) + key.public[1:])


BROKEN = [
    ("digest", flipped, "SHA-384"),
    ("mac", flipped, "SHA-384"),
    ("aead_seal", flipped, "AES-256-GCM"),
    ("aead_open", flipped, "AES-256-GCM"),
    ("aead_open", gullible, "AES-256-GCM"),
    ("sign", flipped, "Ed25519"),
    ("verify", gullible, "Ed25519"),
    ("kem_derive", another, "HPKE with X25519"),
    ("hpke_receive_export", flipped, "HPKE with X25519"),
    ("hpke_open", flipped, "HPKE with X-Wing"),
]


@pytest.mark.parametrize(("name", "result", "said"), BROKEN)
def test_a_primitive_that_computes_something_else_is_noticed(
    name: str, result: Callable[..., Any], said: str
) -> None:
    told: list[str] = []
    with pytest.raises((Failed, CryptoError)) as error:
        known_answers.check_on(Broken(name, result), told.append)
    if isinstance(error.value, Failed):
        assert str(error.value).startswith(said)
    assert not any(one.startswith(said) for one in told)


def test_a_chacha_that_is_wrong_is_noticed_though_aes_is_right() -> None:
    def only_chacha(right: Callable[..., bytes], algorithm: str, *given: Any) -> bytes:
        return (
            flipped(right, algorithm, *given) if "chacha" in algorithm else right(algorithm, *given)
        )

    told: list[str] = []
    broken = Broken("aead_seal", only_chacha)
    with pytest.raises(Failed, match="ChaCha20"):
        known_answers.check_on(broken, told.append)
    assert any(one.startswith("AES") for one in told)


# ---- A database and a server ----


def test_a_disk_that_forgets_is_noticed(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("keeping")
    monkeypatch.setattr(keeping, "_write", lambda *_: 1.0)
    done = run()
    assert done.exit_code == 1
    assert "✗ What was committed is not in the database any more" in done.stdout


def test_a_server_that_does_not_start_is_noticed(
    only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only("serving")
    monkeypatch.setattr(house, "SETTINGS", {"ALCOVE_MAX_CLIENTS": "none"})
    done = run()
    assert done.exit_code == 1
    assert "✗ The server did not start: " in done.stdout


# ---- The program for members ----
