"""Running a server: it starts or says why not, stops without losing anything, and starts again."""

import asyncio
import hashlib
import http.client
import json
import shutil
import signal
import socket
import sqlite3
import ssl
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType

import alcove as alcove_
from alcove.server.pages import Status
from alcove.server.store.opening import open_sqlite
from alcove.wire.codec import decode_answers, encode_frame
from alcove.wire.errors import Code
from alcove.wire.greeting import Goodbye, Greeting, Hello
from tests.server.io.process import READY, Served, alcove

CACHES = shutil.ignore_patterns("__pycache__")


def get(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    """Ask a server for something over plain HTTP."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=20)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def connected(
    address: str, function: Callable[[ClientWebSocketResponse], Coroutine[Any, Any, None]]
) -> None:
    """Connect to the socket door, and do something there."""

    async def run() -> None:
        async with ClientSession() as client, client.ws_connect(f"{address}/v1/socket") as line:
            await line.send_bytes(encode_frame([Hello(oldest=1, newest=1)]))
            await function(line)

    asyncio.run(run())


async def hear(line: ClientWebSocketResponse) -> Any:
    message = await line.receive(20)
    assert message.type is WSMsgType.BINARY, message
    return decode_answers(message.data)[0]


# ---- Starting and stopping ----


def test_a_start_says_what_it_found_and_a_stop_leaves_everything_in_order(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        assert get(server.address, "/health")[0] == 200
        assert server.stop() == 0
        said = server.said()
    for name in ("config", "database", "schema", "keys", "encryption", "transport", "ready"):
        assert f"\n  ok  {name}" in f"\n{said}", name
    assert "0 accounts, 0 rooms" in said
    assert "MLS (RFC 9420), MLKEM768-X25519 + AES-256-GCM + SHA-384 + Ed25519" in said
    assert "Alcove server started" in said
    assert said.endswith("Stopped.  All that was acknowledged is on the disk.")
    log = server.log()
    assert "stopping" in log
    assert log.rstrip().endswith("stopped")
    open_to_others = [path for path in tmp_path.rglob("*") if path.stat().st_mode & 0o077]
    assert open_to_others == []
    assert not (tmp_path / "data" / "admin.sock").exists()


def test_the_owner_link_is_not_told_where_logs_may_keep_it(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        assert "alcove admin owner-link --data" in server.hear("There is no host yet: `")
        link = server.alcove("admin", "owner-link").strip()
        assert link.startswith(f"{server.address}/i/")
        server.stop()
        said = server.said()
    assert "#" not in said
    assert link.partition("#")[2].partition(".")[0] not in server.log() + said


def test_the_owner_link_is_shown_when_that_is_asked_for(tmp_path: Path) -> None:
    with Served(tmp_path, "--print-owner-link") as server:
        assert server.hear("/i/").startswith(f"{server.address}/i/")


def test_what_was_answered_survives_a_kill(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        link = json.loads(server.alcove("admin", "invite", "--json"))
        server.kill()
        assert (tmp_path / "data" / "admin.sock").exists()
        server.start()
        assert link["invite"] in server.alcove("admin", "invites")
        assert "The log is whole" in server.alcove("admin", "audit", "--check")
        server.stop()
    kinds = [
        json.loads(line)["kind"] for line in server.alcove("admin", "audit", "--json").splitlines()
    ]
    assert kinds == [
        "server_started", "invite_created", "server_started", "server_stopped", "log_exported",
    ]  # fmt: skip


def test_whoever_is_connected_is_told_that_the_server_stops(tmp_path: Path) -> None:
    with Served(tmp_path) as server:

        async def stay(line: ClientWebSocketResponse) -> None:
            assert isinstance(await hear(line), Greeting)
            server.signal(signal.SIGINT)
            goodbye = await hear(line)
            assert isinstance(goodbye, Goodbye)
            assert goodbye.code == Code.STOPPING
            assert (await line.receive(20)).type is WSMsgType.CLOSE

        connected(server.address, stay)
        assert server.process.wait(60) == 0


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Served(tmp_path, ALCOVE_DRAIN_TIMEOUT_S="3600") as server:
        host, _, port = urlsplit(server.address).netloc.partition(":")
        with socket.create_connection((host, int(port)), 20) as stubborn:
            # It never answers the goodbye.
            stubborn.sendall(
                b"GET /v1/socket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
            )
            assert b"101" in stubborn.recv(4096)
            server.signal()
            assert stubborn.recv(4096) != b""
            server.signal()
            assert server.process.wait(60) == 1


def test_up_starts_a_server_and_says_what_to_do_next(tmp_path: Path) -> None:
    done = alcove(tmp_path, "up", "--port", "many")
    assert "alcove chat" in done.stdout
    assert done.returncode == 1


# ---- What keeps it from starting ----


def refusal(folder: Path, *words: str, **variables: str) -> str:
    """Start a server that cannot start, and return what it says."""
    done = alcove(folder, "serve", "--port", "0", "--status-port", "0", *words, **variables)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_port_that_is_taken_is_named_with_the_cure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(tmp_path, "--port", port)
    assert f"Address already in use: another program has port {port} on 127.0.0.1;" in said
    assert "--port" in said


def test_two_servers_cannot_have_one_data_folder(tmp_path: Path) -> None:
    with Served(tmp_path) as server:
        said = refusal(tmp_path)
        assert f"Another Alcove server (process {server.process.pid}) is using" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--port", "many"), "port (the command line) must be a whole number from 0 to 65,535"),
        (("--host", "203.0.113.9"), "host 203.0.113.9 may be reached from outside, so the server"),
        (("--host", "169.254.7.7"), "The host 169.254.7.7 is not an address of this machine"),
        (("--config", "nowhere.toml"), "nowhere.toml was named as the file of settings"),
        (("--data", "file/data"), "cannot be used: "),
        (("--tls-cert", "file", "--tls-key", "file"), "file and file are not a certificate and"),
        (("--tls-cert", "no", "--tls-key", "no"), "no cannot be read: No such file or directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    (tmp_path / "file").write_text("something", encoding="utf-8")
    assert why in refusal(tmp_path, *words)


def test_a_name_that_nobody_knows_is_no_host(tmp_path: Path) -> None:
    said = refusal(tmp_path, "--host", "nowhere.invalid", "--self-signed")
    assert "The host nowhere.invalid is no address and no name that this machine knows" in said


def test_a_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    connection = open_sqlite(str(tmp_path / "data" / "alcove.sqlite"), 1).writer()
    connection.run("INSERT INTO migration (number, name, at, hash) VALUES (999, 'x', 1, ?)", b"")
    connection.close()
    said = refusal(tmp_path)
    assert "The database is of schema 999" in said
    assert "was last used by a newer Alcove" in said


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data" / "alcove.sqlite").write_bytes(b"something else" * 100)
    assert "file is not a database" in refusal(tmp_path)


def test_postgresql_that_does_not_answer_is_said_without_the_password(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"postgresql://me:swordfish@127.0.0.1:{probe.getsockname()[1]}/x"
        said = refusal(tmp_path, ALCOVE_DATABASE_URL=url)
    assert "PostgreSQL cannot be used as database_url says" in said
    assert "swordfish" not in said


# ---- TLS ----


def test_a_certificate_of_its_own_is_pinned_in_links_and_stays_the_same(tmp_path: Path) -> None:
    pins = []
    for _ in range(2):
        with Served(tmp_path, "--self-signed") as server:
            netloc = urlsplit(server.address)
            assert netloc.scheme == "https"
            assert netloc.hostname is not None
            pem = ssl.get_server_certificate((netloc.hostname, netloc.port or 0))
            pins.append(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest())
            assert server.alcove("admin", "invite").strip().endswith(f".t{pins[-1]}")
            server.stop()
        assert any(line.endswith(f"own certificate, SHA-256 {pins[-1]}") for line in server.lines)
    assert pins[0] == pins[1]
    link = alcove(tmp_path, "admin", "owner-link", ALCOVE_SELF_SIGNED="yes").stdout.strip()
    assert link.endswith(f".t{pins[0]}")


# ---- The status page ----


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_status_page_has_a_port_of_its_own_on_this_machine(tmp_path: Path) -> None:
    port = free_port()
    with Served(tmp_path, "--status-port", str(port)) as server:
        address = f"http://127.0.0.1:{port}"
        assert f"Status: {address}/status" in server.lines
        assert get(address, "/status")[0] == 200
        status = msgspec.json.decode(get(address, "/status.json")[1], type=Status)
        assert status.connected == 0
        assert get(address, "/v1/openapi.json")[0] == 404


def test_a_status_port_that_is_taken_is_left_out_with_a_notice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Served(tmp_path, "--status-port", str(port)) as server:
            (notice,) = [line for line in server.lines if line.startswith("  !!  ")]
            assert f"Another program has port {port}, so the status page is only at" in notice
            assert get(server.address, "/status")[0] == 200


# ---- What changes while it runs ----


def test_a_policy_counts_at_once_and_after_a_restart(tmp_path: Path) -> None:
    def registration(server: Served) -> str:
        return str(json.loads(get(server.address, "/status.json")[1])["registration"])

    with Served(tmp_path) as server:
        assert registration(server) == "open"
        server.alcove("admin", "policy", "registration", "closed")
        assert registration(server) == "closed"
        server.stop()
        server.start()
        assert registration(server) == "closed"
        assert any("changed by alcove admin policy: registration" in line for line in server.lines)
        server.alcove("admin", "policy", "registration", "default")
        assert registration(server) == "open"
        refused = alcove(tmp_path, "admin", "policy", "registration", "whatever")
        assert (refused.returncode, refused.stderr[:21]) == (1, "Error: registration (")


def test_a_policy_that_the_files_no_longer_allow_is_ignored_and_said(tmp_path: Path) -> None:
    with Served(tmp_path, ALCOVE_SERVER_PASSWORD="a long enough password") as server:
        server.alcove("admin", "policy", "registration", "open")
        server.alcove("admin", "policy", "registration", "password")
        server.stop()
    with Served(tmp_path) as server:
        (notice,) = [line for line in server.lines if line.startswith("  !!  ")]
        assert notice.endswith("which needs a server_password. It was ignored.")


# ---- For who works on it ----


def test_a_checkout_with_debug_starts_again_when_its_code_changes(tmp_path: Path) -> None:
    source = tmp_path / "src"
    shutil.copytree(Path(alcove_.__file__).parent, source / "alcove", ignore=CACHES)
    (tmp_path / "pyproject.toml").touch()
    # Not measured: a copy of the code is not the code.
    elsewhere = {"PYTHONPATH": str(source), "COVERAGE_PROCESS_CONFIG": ""}
    with Served(tmp_path, "--debug", **elsewhere) as server:
        first = server.process.pid
        with (source / "alcove" / "cli" / "shared.py").open("a") as file:
            file.write("# changed\n")
        server.hear(READY)
        assert any("the code has changed: starting again" in line for line in server.lines)
        assert server.process.pid == first
        assert server.process.poll() is None


# ---- What is logged ----

MARK = "swordfish"


def test_logs_hold_nothing_that_came_from_outside(tmp_path: Path) -> None:
    with Served(tmp_path, "--debug", "--verbose", ALCOVE_LOG_LEVEL="debug") as server:
        host, _, port = urlsplit(server.address).netloc.partition(":")
        for path in (
            f"/{MARK}",
            f"/i/{MARK}",
            f"/v1/{MARK}",
            "/v1/blobs/ab",
            "/v1/find",
            "/metrics",
        ):
            get(server.address, path, Authorization=f"Bearer {MARK}", Cookie=MARK)
        for raw in (
            f"GET /{MARK}\r\n\r\n",
            f"POST /v1/salt HTTP/1.1\r\nHost: {MARK}\r\nContent-Length: 9\r\n\r\n{MARK}",
            f"{MARK} / HTTP/9.9\r\n\r\n",
            f"GET / HTTP/1.1\r\n{MARK}: \x00\r\n\r\n",
        ):
            with socket.create_connection((host, int(port)), 20) as line:
                line.sendall(raw.encode())
                line.shutdown(socket.SHUT_WR)
                while line.recv(4096):
                    pass

        async def babble(line: ClientWebSocketResponse) -> None:
            assert isinstance(await hear(line), Greeting)
            await line.send_bytes(MARK.encode())
            await hear(line)
            await line.send_str(MARK)
            await hear(line)

        connected(server.address, babble)
        assert server.stop() == 0
        said = server.said()
    assert "serving at" in server.log()
    assert MARK not in said + server.log()
    assert "127.0.0.1:" not in server.log().replace(server.address, "")


def test_lines_for_programs_are_json_from_the_first_to_the_last(tmp_path: Path) -> None:
    done = alcove(
        tmp_path, "serve", "--host", "169.254.7.7", "--port", "0", ALCOVE_LOG_FORMAT="json"
    )
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert [line["text"].partition(":")[0] for line in lines][:1] == ["config"]
    assert {line["level"] for line in lines} <= {"info", "warning"}


# ---- The command status ----


def test_status_says_whether_a_server_runs(tmp_path: Path) -> None:
    # Somebody else's server may stand on the usual ports of this machine.
    nobody = {"ALCOVE_PORT": str(free_port()), "ALCOVE_STATUS_PORT": "0"}
    done = alcove(tmp_path, "status", **nobody)
    assert done.returncode == 1
    assert "No server runs here" in done.stdout
    with Served(tmp_path) as server:
        said = server.alcove("status")
        assert server.address in said
        assert "connected     0 of 5,000" in said
        assert "too little" not in said
        said = alcove(tmp_path, "status", ALCOVE_DISK_FREE_MIN_BYTES="90 TB").stdout
        assert "free, which is too little (disk_free_min_bytes): nothing new is stored" in said
        found = json.loads(server.alcove("status", "--json"))
        assert found["running"] is True
        server.stop()
    assert json.loads(alcove(tmp_path, "status", "--json", **nobody).stdout) == {
        "running": False,
        "status": None,
        "accounts": [],
    }


def test_status_knows_a_server_without_a_socket_by_its_key(tmp_path: Path) -> None:
    with Served(tmp_path, ALCOVE_BEHIND_PROXY="true") as server:
        (tmp_path / "data" / "admin.sock").unlink()
        port = server.address.rpartition(":")[2]
        ports = {"ALCOVE_PORT": port, "ALCOVE_STATUS_PORT": "0"}
        done = alcove(tmp_path, "status", **ports)
        assert done.returncode == 0
        assert "registration  invite" in done.stdout
        assert "connected" not in done.stdout
        done = alcove(tmp_path, "status", "--json", **ports)
        assert json.loads(done.stdout)["status"]["running"] is True


def test_status_does_not_take_another_server_on_its_ports_for_its_own(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "mine").mkdir()
    with Served(tmp_path / "mine"):
        pass
    (tmp_path / "theirs").mkdir()
    with Served(tmp_path / "theirs", "--status-port", str(port)):
        for folder in (tmp_path, tmp_path / "mine"):
            done = alcove(folder, "status", ALCOVE_STATUS_PORT=str(port))
            assert done.returncode == 1
            assert "No server runs here" in done.stdout
            assert "Another server answers on its ports here." in done.stdout
            done = alcove(folder, "status", "--json", ALCOVE_STATUS_PORT=str(port))
            assert json.loads(done.stdout) == {"running": False, "status": None, "accounts": []}


def test_status_does_not_take_the_original_for_a_copy_that_does_not_run(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    with Served(tmp_path) as server:
        (copy / "data").mkdir(parents=True)
        with closing(sqlite3.connect(tmp_path / "data" / "alcove.sqlite")) as database:
            database.execute("VACUUM INTO ?", (str(copy / "data" / "alcove.sqlite"),))
        ports = {"ALCOVE_PORT": server.address.rpartition(":")[2], "ALCOVE_STATUS_PORT": "0"}
        for lock in (False, True):
            if lock:
                (copy / "data" / "alcove.lock").touch()
            done = alcove(copy, "status", ALCOVE_BEHIND_PROXY="true", **ports)
            assert done.returncode == 1
            assert "Another server answers on its ports here." in done.stdout
