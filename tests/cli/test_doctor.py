"""`alcove doctor` finds each trouble of the list that people come with, and says the cure."""

import http.server
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alcove import __version__
from alcove.cli import main
from alcove.cli.member import checks
from alcove.client.io.config import parse_address
from alcove.client.io.profiles import Profiles

HERE = "127.0.0.1"


@contextmanager
def answering(body: bytes, date: str = "") -> Iterator[str]:
    """Listen on this machine, and answer everything with this; yields the address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(200)
            if date:
                self.send_header("Date", date)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: Any) -> None:
            del words

    with http.server.HTTPServer((HERE, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://{HERE}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        number: int = probe.getsockname()[1]
        return number


def found(address: str) -> list[checks.Finding]:
    return list(checks.server(parse_address(address)))


def status(**fields: str) -> bytes:
    return json.dumps({"version": __version__, "registration": "open"} | fields).encode()


# ---- The way to the server (rows 320 and 326) ----


def test_a_server_that_answers_is_fine() -> None:
    with answering(status()) as address:
        (one,) = found(address)
    assert (one.state, one.text) == (
        "ok",
        f"Alcove {__version__} answers at 127.0.0.1; registration: open.",
    )


def test_a_refused_connection_names_server_port_and_firewall(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "in_container", lambda: True)
    number = free_port()
    (one,) = found(f"http://{HERE}:{number}")
    assert (one.state, one.text) == (
        "wrong",
        "The connection was refused: nothing listens there.",
    )
    assert "Is the server running" in one.cure
    assert f"port {number}" in one.cure
    assert "localhost is the container itself" in one.cure


def test_silence_is_a_firewall(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(*_: Any) -> None:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", wait)
    (one,) = found(f"http://{HERE}:1")
    assert "firewall" in one.cure


def test_no_network_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(socket, "create_connection", fail)
    (one,) = found(f"http://{HERE}:1")
    assert one.text == "It cannot be reached (Network is unreachable)."


def test_a_name_that_nobody_knows_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    (one,) = found("https://chat.example.org")
    assert one.text == "Nobody knows where chat.example.org is."


@pytest.mark.parametrize("body", [b"hello", b"[]", b"{}"])
def test_something_else_that_listens_there_is_told(body: bytes) -> None:
    with answering(body) as address:
        (one,) = found(address)
    assert one.text == "Something listens there that does not answer as a server does."


def test_versions_and_clocks_that_are_apart_are_told() -> None:
    with answering(status(version="9.1.0"), "Sat, 01 Jan 2000 00:00:00 GMT") as address:
        told = {one.name: one for one in found(address)}
    assert "minutes apart" in told["clock"].text
    assert told["version"].text == f"The server is Alcove 9.1.0, and this program {__version__}."


# ---- The program (rows 322, 325 and 327) ----


def test_an_old_python_is_told() -> None:
    assert checks.python((3, 9, 1)).cure == "Install Python 3.11 or newer."
    assert checks.python().state == "ok"


def test_libraries_that_are_missing_or_old_are_told() -> None:
    def installed(name: str) -> str:
        if name == "msgspec":
            raise metadata.PackageNotFoundError(name)
        return "0.0.1" if name == "cryptography" else "999"

    told = [one.text for one in checks.libraries(installed)]
    assert "msgspec is missing." in told
    assert any(one.startswith("cryptography is 0.0.1, and ") for one in told)
    assert [one.state for one in checks.libraries()] == ["ok"]


def test_encryption_that_does_not_work_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert checks.encryption().state == "ok"
    from alcove import mls  # noqa: PLC0415

    class Broken:
        def aead_seal(self, *_: bytes) -> bytes:
            return b""

        def aead_open(self, *_: bytes) -> bytes:
            return b"something else"

    monkeypatch.setattr(mls, "standard_suites", lambda: {mls.DEFAULT_SUITE: Broken()})
    assert checks.encryption().text == "What was sealed does not open again."
    monkeypatch.setattr(mls, "standard_suites", dict)
    assert checks.encryption().text == "It does not work here (KeyError)."


@pytest.mark.parametrize(("code", "state"), [(0, "ok"), (1, "note")])
def test_docker_that_does_not_run_is_told(
    monkeypatch: pytest.MonkeyPatch, code: int, state: str
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/docker")
    done = SimpleNamespace(returncode=code, stdout="29.0\n")
    (one,) = checks.docker(lambda *_, **__: done)
    assert one.state == state

    def fail(*_: Any, **__: Any) -> None:
        raise OSError

    assert [one.state for one in checks.docker(fail)] == ["note"]
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert list(checks.docker()) == []


# ---- Ports and databases (rows 323 and 324) ----


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as other:
        other.bind((HERE, 0))
        other.listen()
        one = checks.port(other.getsockname()[1], is_ours=False)
    assert one.text == "Another program listens there."
    assert "--port" in one.cure
    assert checks.port(free_port(), is_ours=False).state == "ok"
    assert checks.port(1, is_ours=True).name == "server here"


def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    number = free_port()
    url = f"postgresql://user:secret@{HERE}:{number}/alcove"
    (one,) = checks.database(SimpleNamespace(database_url=url))
    assert one.text == (
        f"PostgreSQL does not answer at {HERE}, port {number} (ConnectionRefusedError)."
    )
    assert "secret" not in str(one)
    assert list(checks.database(SimpleNamespace(database_url=""))) == []


# ---- Accounts (rows 321 and 323) ----


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("ALCOVE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALCOVE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def call(*words: str) -> Result:
    return CliRunner(catch_exceptions=False).invoke(main, ["doctor", *words])


def test_a_machine_without_account_or_server_is_told(home: Path) -> None:
    done = call("--server", f"http://{HERE}:{free_port()}")
    assert done.exit_code == 1
    assert "· accounts: There is none on this machine yet." in done.stdout
    assert "The connection was refused" in done.stdout
    assert "troubleshooting.md" in done.stdout
    assert not home.exists()
    with answering(status()) as address:
        told = json.loads(call("--server", address, "--json").stdout)
    assert [one for one in told if one["state"] == "wrong"] == []


def test_a_profile_with_a_missing_part_is_told(home: Path) -> None:
    Profiles(home).create("work", f"http://{HERE}:1")
    done = call("--no-sign-in")
    assert "✗ account work: A part of it is missing: its key or its database." in done.stdout
    Profiles(home).profile("work").folder.chmod(0o755)
    assert "Others on this machine can look into" in call("--no-sign-in").stdout


def test_settings_that_are_wrong_are_told(home: Path) -> None:
    assert home.parent.is_dir()
    Path("alcove.toml").write_text('[client]\nlog_level = "loud"\n')
    assert "✗ settings: log_level (alcove.toml) must be one of" in call().stdout
    Path("alcove.toml").unlink()
    Path("config.ini").write_text("[Client]\nreceive_buffer=4096\n")
    assert "· settings: receive_buffer (config.ini) sets nothing any more" in call().stdout
