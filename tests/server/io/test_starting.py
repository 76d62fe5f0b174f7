"""The parts of a start that need no process of their own."""

import asyncio
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import WSServerHandshakeError

from alcove.server.io import machine, serve
from alcove.server.io.logs import end_logging
from alcove.server.io.machine import CannotStart, Listener
from alcove.server.io.serve import Start, run
from alcove.server.io.sockets import Sockets
from alcove.server.io.storage import opened_storage
from alcove.server.io.upgrade import Upgraded
from alcove.server.settings import Settings
from alcove.server.store.database import StorageError
from alcove.wire.accounts import GetSalt, Salt
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import Goodbye
from tests.server.house import House
from tests.server.io.live import Live, served


class Diary:
    """Writes down what is told."""

    def __init__(self) -> None:
        self.checks: dict[str, str] = {}
        self.notices: list[str] = []
        self.lines: list[tuple[str, str]] = []
        self.links: list[str | None] = []
        self.ends: list[str] = []

    def check(self, name: str, text: str) -> None:
        self.checks[name] = text

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def started(self, lines: list[tuple[str, str]]) -> None:
        self.lines = lines
        os.kill(os.getpid(), signal.SIGTERM)

    def stopping(self) -> None:
        self.ends.append("stopping")

    def stopped(self) -> None:
        self.ends.append("stopped")

    def owner_link(self, link: str | None) -> None:
        self.links.append(link)


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Put back what a start changes of the whole process."""
    mask, interval = os.umask(0o022), sys.getswitchinterval()
    handlers = logging.getLogger().handlers[:]
    logging.getLogger().handlers = []
    yield
    end_logging()
    logging.getLogger().handlers = handlers
    logging.raiseExceptions = True
    os.umask(mask)
    sys.setswitchinterval(interval)


def settings(folder: Path, **values: Any) -> Settings:
    given = {"data": str(folder / "data"), "port": 0, "status_port": 0} | values
    return msgspec.structs.replace(Settings(), **given)


def started(chosen: Settings, *, shows_link: bool = False) -> Diary:
    """Start a server that stops at once, and return what it has told."""
    diary = Diary()
    assert run(Start(chosen, ("here",), ("A notice.",), diary, shows_link)) is False
    return diary


def refused(chosen: Settings) -> str:
    with pytest.raises(CannotStart) as error:
        started(chosen)
    return str(error.value)


def test_a_start_tells_what_it_finds_and_the_link_only_where_it_may(tmp_path: Path) -> None:
    chosen = settings(tmp_path)
    diary = started(chosen)
    assert diary.checks["config"] == "here"
    assert diary.checks["schema"].endswith(", made")
    assert diary.notices == ["A notice."]
    assert diary.links == [None]
    assert diary.ends == ["stopping", "stopped"]
    diary = started(chosen, shows_link=True)
    assert diary.checks["schema"].endswith(", up to date")
    (link,) = diary.links
    assert link is not None
    assert link.startswith(f"{dict(diary.lines)['Server address']}/i/")


def test_a_server_stops_also_when_nobody_listens_any_more(tmp_path: Path) -> None:
    class Gone(Diary):
        def stopping(self) -> None:
            raise BrokenPipeError

        def stopped(self) -> None:
            raise BrokenPipeError

    diary = Gone()
    threads = threading.active_count()
    assert run(Start(settings(tmp_path), (), (), diary, shows_link=False)) is False
    assert diary.checks["ready"]
    assert threading.active_count() == threads


@pytest.mark.parametrize("wait_s", [0, 5, 500])
def test_a_stop_waits_for_connections_as_long_as_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_s: int
) -> None:
    waits: list[float] = []

    async def stop(_: object, patience_s: float) -> None:
        waits.append(patience_s)

    monkeypatch.setattr(Sockets, "stop", stop)
    started(settings(tmp_path, drain_timeout_s=wait_s))
    (waited,) = waits
    assert wait_s * 0.9 - 1 < waited <= wait_s


def test_once_there_is_a_host_no_link_is_spoken_of(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    House(tmp_path / "data").add_person("ada", is_host=True)
    assert started(settings(tmp_path), shows_link=True).links == []


def test_a_proxy_in_front_is_told_and_its_address_is_asked_for(tmp_path: Path) -> None:
    diary = started(settings(tmp_path, behind_proxy=True))
    assert diary.checks["transport"] == "plain; the proxy in front does TLS"
    assert diary.notices[-1].startswith("public_url is empty, so links begin with http://127.0.0.1")
    url = "https://chat.example.org"
    diary = started(settings(tmp_path, behind_proxy=True, public_url=url))
    assert diary.notices == ["A notice."]
    assert diary.lines == [("Server address", url)]


def test_all_addresses_at_once_are_told_as_one_that_others_can_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "own_address", lambda: "192.0.2.7")
    plain = serve._reachable(settings(tmp_path, host=serve.EVERYWHERE[0]), 1234, Diary())
    assert plain.public_url == "http://192.0.2.7:1234"
    sealed = serve._reachable(settings(tmp_path, host="::", self_signed=True), 1234, Diary())
    assert sealed.public_url == "https://192.0.2.7:1234"


def test_a_private_network_without_tls_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listen = machine.listen_at
    monkeypatch.setattr(serve, "listen_at", lambda _, port: listen("127.0.0.1", port))
    diary = started(settings(tmp_path, host="10.0.0.1"))
    assert "can be read by others on that network" in diary.notices[1]
    assert diary.checks["transport"] == "plain; others may read along"


def test_a_given_certificate_is_named(tmp_path: Path) -> None:
    diary = started(settings(tmp_path, self_signed=True))
    folder = tmp_path / "data" / "tls"
    words = {"tls_cert": str(folder / "certificate.pem"), "tls_key": str(folder / "key.pem")}
    assert "own certificate" in diary.checks["transport"]
    diary = started(settings(tmp_path, **words))
    assert diary.checks["transport"] == f"TLS 1.3, certificate {words['tls_cert']}"


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tls").touch()
    assert "The certificate in " in refused(settings(tmp_path, self_signed=True))


def test_a_log_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "logs").touch()
    assert "The log file " in refused(settings(tmp_path))


def test_few_open_files_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "raise_file_limit", lambda _: 600)
    diary = started(settings(tmp_path))
    assert "600 files open, which is enough for about 88 connections" in diary.notices[-1]


def test_a_backup_before_new_tables_is_named(tmp_path: Path) -> None:
    with opened_storage(settings(tmp_path), 1, os.urandom, "test") as storage:
        assert storage.upgraded.steps
        done = Upgraded(("0002_next",), Path("backups/it"))
        changed = type(storage)(
            storage.places, storage.database, storage.secret, storage.incarnation, done
        )
        start = Start(settings(tmp_path), (), (), Diary(), shows_link=False)
        server = serve._Server(start, start.settings, changed, Listener((), 1), None, None)
        assert server._schema().endswith("before, a backup: backups/it")


# ---- What goes wrong, and does not stop it ----


def test_a_folder_that_holds_no_socket_costs_only_the_admin_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data" / "admin.sock").mkdir(parents=True)
    diary = started(settings(tmp_path))
    assert "alcove admin works only while the server does not run" in diary.notices[-1]
    (tmp_path / "data" / "admin.sock").rmdir()
    monkeypatch.setattr(serve, "SOCKET_PATH_MAX", 1)
    diary = started(settings(tmp_path))
    assert "is too long a path for a socket" in diary.notices[-1]


def test_a_server_starts_though_it_cannot_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(settings(tmp_path))

    async def refuse(*_: object) -> None:
        raise Refused(Code.STORAGE)

    monkeypatch.setattr("alcove.server.io.works.Works.do", refuse)
    diary = started(settings(tmp_path), shows_link=True)
    assert diary.notices[-1].startswith("The server cannot store anything at the moment")
    assert diary.links == [None]


def _failing(*_: object) -> None:
    raise StorageError("no space left")


def test_a_database_that_fails_at_the_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "opened_storage", _failing)
    assert refused(settings(tmp_path)) == "The database failed: no space left."


def test_what_should_never_end_is_begun_again_when_it_fails(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(serve, "AGAIN_S", 0)
    tries = 0

    async def fail() -> None:
        nonlocal tries
        tries += 1
        if tries == 3:
            raise asyncio.CancelledError
        raise ValueError("swordfish")

    with caplog.at_level(logging.ERROR, "alcove"), pytest.raises(asyncio.CancelledError):
        asyncio.run(serve._again("counting", fail))
    assert tries == 3
    assert caplog.messages[0].startswith("unexpected ValueError in counting at ")
    assert "swordfish" not in caplog.text


class Loop:
    """Stands in for a loop, and keeps what it is to do at a signal."""

    def __init__(self) -> None:
        self.handlers: dict[int, Any] = {}

    def add_signal_handler(self, number: int, handler: Any) -> None:
        if number == signal.SIGINT:
            raise NotImplementedError
        self.handlers[number] = handler


def test_the_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with opened_storage(settings(tmp_path), 1, os.urandom, "test") as storage:
        start = Start(settings(tmp_path), (), (), Diary(), shows_link=False)
        server = serve._Server(start, start.settings, storage, Listener((), 1), None, None)
        loop, stop = Loop(), asyncio.Event()
        server._heed_signals(loop, stop)  # type: ignore[arg-type]
        loop.handlers[signal.SIGTERM]()
        assert (stop.is_set(), ended) == (True, [])
        loop.handlers[signal.SIGTERM]()
        assert ended == [1]


def test_changed_code_starts_the_server_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def at_once(*_: object) -> None:
        return

    monkeypatch.setattr(serve, "changed_code", at_once)
    monkeypatch.setattr(Diary, "started", lambda *_: None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    start = Start(settings(tmp_path, debug=True), (), (), Diary(), shows_link=False)
    assert run(start) is True


def test_work_that_does_not_end_is_not_waited_for_longer_than_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = 0

    def is_busy(_: object) -> bool:
        nonlocal slow
        slow += 1
        return slow < 3

    monkeypatch.setattr("alcove.server.io.works.Works.is_busy", property(is_busy))
    started(settings(tmp_path))
    assert slow >= 3


@served()
async def test_what_was_begun_is_answered_before_the_goodbye(live: Live) -> None:
    ada = await live.newcomer("ada")
    running = live.running
    await ada.send(*[GetSalt(id=number, name="bob") for number in range(1, 6)])
    heard = [await ada.hear_of(Salt)]  # All of them have come in.
    running.door.is_stopping = True
    await ada.send(GetSalt(id=99, name="bob"))
    heard += [await ada.hear() for _ in range(5)]
    stopping = asyncio.create_task(running.sockets.stop(20))
    goodbye = await ada.hear_of(Goodbye)
    assert await ada.hear() is None
    await stopping
    assert len(running.sockets) == 0
    (refused,) = [one for one in heard if not isinstance(one, Salt)]
    assert [one.id for one in heard if one is not refused] == list(range(1, 6))
    assert (refused.id, refused.code, goodbye.code) == (99, Code.STOPPING, Code.STOPPING)


@served()
async def test_whoever_does_not_hang_up_is_cut_off(live: Live) -> None:
    await live.newcomer("ada")
    await live.running.sockets.stop(0)
    while len(live.running.sockets):  # noqa: ASYNC110 - A moment, until its task has noticed.
        await asyncio.sleep(0)


@served()
async def test_nobody_is_let_in_while_the_server_stops(live: Live) -> None:
    live.running.door.is_stopping = True
    with pytest.raises(WSServerHandshakeError) as refused:
        await live.connect()
    assert refused.value.status == 503
