"""The host's own door: a socket that answers, and the same desk without a server."""

import asyncio
import os
import tarfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from aiohttp import ClientSession, UnixConnector, web

from alcove.server import audit_log
from alcove.server.admin import Ground, totals
from alcove.server.admin_messages import (
    AccountPage,
    Accounts,
    Answer,
    Backup,
    Checked,
    CheckLog,
    ClearLog,
    Disable,
    Done,
    EventPage,
    Events,
    InviteLink,
    Link,
    OwnerLink,
    PageLink,
    Policy,
    Report,
    Saved,
    Stats,
    Tell,
    Totals,
)
from alcove.server.io import admin
from alcove.server.io.admin import ROUTE, AdminDoor, Desk, answer, caller_of, desk_alone
from alcove.server.io.certificate import own_certificate, today
from alcove.server.io.places import places_of
from alcove.server.settings import Settings
from alcove.server.store.database import DatabaseRefused, StorageError
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import Announcement, Goodbye
from tests.server.house import House
from tests.server.io.live import Live, served

ME = caller_of(os.getuid())


def desk_of(live: Live) -> Desk:
    running = live.running
    return Desk(
        hands=running.works,
        ground=Ground(running.settings),
        database=running.works._database,
        places=places_of(running.settings),
        software="test",
        settings=lambda: running.settings,
        apply=running.apply,
        status=running.figures.status,
    )


@asynccontextmanager
async def door(live: Live) -> AsyncIterator[Callable[[Any], Any]]:
    """Open the door of a running server, and give a function that asks there."""
    path = str(Path(live.running.settings.data) / "admin.sock")
    runner = web.AppRunner(AdminDoor(desk_of(live)).app)
    await runner.setup()
    await web.UnixSite(runner, path).start()
    async with ClientSession(connector=UnixConnector(path)) as client:

        async def ask(body: bytes) -> Answer:
            async with client.post(f"http://localhost{ROUTE}", data=body) as response:
                return msgspec.json.decode(await response.read(), type=Answer)

        yield ask
    await runner.cleanup()


@served()
async def test_requests_of_the_host_are_answered_on_the_socket(live: Live) -> None:
    await live.newcomer("ada")
    async with door(live) as ask:
        made = await ask(msgspec.json.encode(Accounts()))
        page = msgspec.json.decode(made.ok, type=AccountPage)
        assert [one.name for one in page.accounts] == ["ada"]
        made = await ask(msgspec.json.encode(InviteLink()))
        assert msgspec.json.decode(made.ok, type=Link).kind == "invite"
        made = await ask(msgspec.json.encode(Events(1)))
        (event,) = msgspec.json.decode(made.ok, type=EventPage).events
        assert event.address == ME.address


@served()
async def test_what_cannot_be_done_is_answered_with_a_sentence(live: Live) -> None:
    async with door(live) as ask:
        made = await ask(msgspec.json.encode(Disable("nobody")))
        assert made.error.startswith("Nobody here has that name")
        for body in (b"{", b'{"type":"fly"}', b'{"type":"invite","uses":-1}'):
            assert (await ask(body)).error.startswith("The server does not know this command")


@served()
async def test_a_database_that_does_not_answer_is_said(live: Live) -> None:
    async with door(live) as ask:

        async def fail(*_: object) -> None:
            raise StorageError

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(live.running.works, "look", fail)
            made = await ask(msgspec.json.encode(Accounts()))
        assert made.error.startswith("The server cannot store anything at the moment")


@served()
async def test_who_is_disabled_is_thrown_out_at_once(live: Live) -> None:
    ada = await live.newcomer("ada")
    await answer(desk_of(live), Disable("ada"), ME)
    assert (await ada.hear_of(Goodbye)).code == Code.DISABLED
    while await ada.hear() is not None:  # Until the connection has ended.
        pass


@served()
async def test_what_the_host_tells_reaches_everyone_who_is_signed_in(live: Live) -> None:
    ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
    done = await answer(desk_of(live), Tell("Back at 20:10."), ME)
    assert isinstance(done, Done)
    for line in (ada, bob):
        assert (await line.hear_of(Announcement)).text == "Back at 20:10."


@served()
async def test_a_policy_counts_for_the_next_request(live: Live) -> None:
    found = await answer(desk_of(live), Policy("max_clients", "1"), ME)
    assert found.limits[0].value == "1"
    assert live.running.door.settings.max_clients == 1
    assert live.running.world.settings.max_clients == 1


@served()
async def test_figures_are_of_the_running_server_and_of_its_database(live: Live) -> None:
    ada = await live.newcomer("ada")  # Her connection lasts as long as its name.
    report = await answer(desk_of(live), Stats(), ME)
    assert isinstance(report, Report)
    assert report.status is not None
    assert (report.status.connected, report.totals.accounts) == (1, 1)
    assert not ada.socket.closed


@served()
async def test_the_hosts_figures_are_counted_while_others_are_served(live: Live) -> None:
    counted_in = []

    def count(tx: Tx) -> Totals:
        counted_in.append(threading.current_thread())
        return totals(tx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alcove.server.admin.totals", count)
        assert (await answer(desk_of(live), Stats(), ME)).totals.accounts == 0
    assert len(counted_in) == 1
    assert threading.current_thread() not in counted_in


@served()
async def test_a_backup_is_made_while_the_server_runs(live: Live) -> None:
    target = Path(live.running.settings.data) / "saved"
    saved = await answer(desk_of(live), Backup(str(target)), ME)
    assert isinstance(saved, Saved)
    assert (saved.file, saved.size_bytes) == (str(target), target.stat().st_size)
    with pytest.raises(Refused, match="is there already"):
        await answer(desk_of(live), Backup(str(target)), ME)
    page = await answer(desk_of(live), Events(1), ME)
    assert page.events[0].kind == "backup_created"


@served()
async def test_the_certificate_that_devices_have_pinned_is_in_the_backup(live: Live) -> None:
    folder = Path(live.running.settings.data)
    made = own_certificate(folder, ["127.0.0.1"], today())
    await answer(desk_of(live), Backup(str(folder / "saved")), ME)
    with tarfile.open(folder / "saved") as backup:
        held = [member.size for member in backup if "tls" in member.name]
    assert made.certificate.stat().st_size in held


@served()
async def test_the_log_is_cleared_and_checked_in_pages(live: Live) -> None:
    desk = desk_of(live)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_log, "PAGE", 2)
        patch.setattr(admin, "EVENTS", 2)
        for _ in range(5):
            await answer(desk, InviteLink(), ME)
        checked = await answer(desk, CheckLog(), ME)
        assert checked == Checked(whole=True, count=5, erased=0, problem="")
        done = await answer(desk, ClearLog(), ME)
        assert isinstance(done, Done)
        assert done.text.startswith("5 events are gone.")
        page = await answer(desk, Events(), ME)
    (left,) = page.events
    assert (left.kind, left.detail["until"], left.address) == ("log_cleared", 5, ME.address)
    assert (await answer(desk, CheckLog(), ME)).whole


@served()
async def test_where_the_system_does_not_tell_who_asks_it_is_the_servers_user(live: Live) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admin, "sys", SimpleNamespace(platform="darwin"))
        async with door(live) as ask:
            await ask(msgspec.json.encode(InviteLink()))
    page = await answer(desk_of(live), Events(1), ME)
    assert page.events[0].address == ME.address


def test_a_user_without_a_name_is_told_by_number() -> None:
    assert caller_of(0).address == "unix:root"
    assert caller_of(4_000_000_000).address == "unix:4000000000"
    assert caller_of(0).door == "admin"


# ---- Without a server ----


def test_the_same_requests_are_carried_out_on_the_store_itself(tmp_path: Path) -> None:
    house = House(tmp_path)
    house.add_person("ada")
    settings = msgspec.structs.replace(Settings(), data=str(tmp_path))
    with desk_alone(settings, "test") as desk:

        def ask(request: Any) -> Any:
            return asyncio.run(answer(desk, request, ME))

        assert ask(Disable("ada")).disabled_at is not None
        assert ask(Policy("max_clients", "9")).limits[0].value == "9"
        assert ask(Policy("max_clients")).limits[0].value == "9"
        report = ask(Stats())
        assert (report.status, report.totals.disabled) == (None, 1)
        with pytest.raises(Refused, match="comes from a running server"):
            ask(PageLink())
        with pytest.raises(Refused, match="Nobody is connected"):
            ask(Tell("hello"))
        with pytest.raises(Refused, match="only these may"):
            ask(Policy("port", "9"))
    with desk_alone(settings, "test") as desk:
        assert asyncio.run(answer(desk, Policy("max_clients"), ME)).limits[0].value == "9"


def test_a_mistake_of_ours_is_not_hidden(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(Settings(), data=str(tmp_path))
    with desk_alone(settings, "test") as desk, pytest.raises(ZeroDivisionError):
        asyncio.run(desk.hands.do(lambda _: 1 // 0, ME))


def test_two_cannot_have_the_store(tmp_path: Path) -> None:
    settings = msgspec.structs.replace(Settings(), data=str(tmp_path))
    second = desk_alone(settings, "test")
    with desk_alone(settings, "test"), pytest.raises(DatabaseRefused, match="Another Alcove"):
        second.__enter__()


def test_links_name_the_certificate_also_when_no_server_runs(tmp_path: Path) -> None:
    made = own_certificate(tmp_path, ["localhost"], today())
    assert made.sha256 is not None
    settings = msgspec.structs.replace(Settings(), data=str(tmp_path), self_signed=True)
    with desk_alone(settings, "test") as desk:
        link = asyncio.run(answer(desk, OwnerLink(), ME))
    assert link.link.endswith(f".t{made.sha256.hex()}")
