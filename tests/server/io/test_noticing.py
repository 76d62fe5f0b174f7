"""What is refused is written down, and never so often that it does harm."""

import asyncio
from typing import Any

import pytest

from alcove.server.answers import BEHIND_MAX
from alcove.server.caller import Caller
from alcove.server.io import noticing as kit
from alcove.server.io.noticing import Noticing
from alcove.server.session import PINGS_MAX
from alcove.server.settings import Rate
from alcove.wire.accounts import PutProfile
from alcove.wire.errors import Code, Refused
from alcove.wire.events import GetEvents
from alcove.wire.greeting import Goodbye, NewToken
from alcove.wire.invites import NewInvite
from alcove.wire.rooms import GetRooms
from tests.server.io.live import Live, served

NOW = 1_800_000_000_000


async def written(live: Live, noticing: Noticing) -> list[tuple[object, ...]]:
    await asyncio.gather(*noticing._writing)
    return await live.running.works.look(
        lambda tx: tx.all("SELECT kind, account, address FROM event ORDER BY number")
    )


@served()
async def test_one_event_a_minute_for_each_account_or_address(live: Live) -> None:
    noticing = Noticing(live.running.works)
    one, two = Caller("192.0.2.1", "http"), Caller("192.0.2.1", "http", b"a" * 16, b"d" * 16)
    for at in (NOW, NOW + kit.PAUSE_MS - 1, NOW + kit.PAUSE_MS):
        noticing.refused(Code.TOO_MANY, one, at)
        noticing.refused(Code.LIMIT, one, at)
    for at in (NOW, NOW + 1):
        noticing.refused(Code.HOST_ONLY, two, at + kit.PAUSE_MS)
        noticing.refused(Code.MALFORMED, two, at + kit.PAUSE_MS)
    assert sorted(await written(live, noticing), key=str) == [
        ("host_only_refused", b"a" * 16, "192.0.2.1"),
        ("limit_hit", None, "192.0.2.1"),
        ("limit_hit", None, "192.0.2.1"),
    ]


@served()
async def test_many_addresses_together_do_not_flood_the_log(live: Live) -> None:
    noticing = Noticing(live.running.works)
    for number in range(1000):
        address = f"192.0.{number // 250}.{number % 250}"
        noticing.refused(Code.FULL, Caller(address), NOW)
    assert len(await written(live, noticing)) == kit.EVENTS.burst


@served()
async def test_a_disk_that_is_full_hurts_nobody(live: Live) -> None:
    noticing = Noticing(live.running.works)

    async def fail(*_: object) -> None:
        raise Refused(Code.STORAGE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live.running.works, "do", fail)
        noticing.refused(Code.FULL, Caller("192.0.2.1"), NOW)
        assert await written(live, noticing) == []


# ---- From where refusals come ----


async def noticed(live: Live, kind: str) -> list[tuple[bytes | None, str]]:
    """Return the account and the detail of each event of a kind."""
    await asyncio.gather(*live.running.noticing._writing)
    sql = "SELECT account, detail FROM event WHERE kind = ? ORDER BY number"
    lines: list[Any] = await live.running.works.look(lambda tx: tx.all(sql, kind))
    return lines


@served(rate_read=Rate(1, 60, 2))
async def test_what_the_door_refuses_on_a_socket_is_noticed_once_a_minute(live: Live) -> None:
    ada = await live.newcomer("ada")
    codes = [getattr(await ada.ask(GetRooms()), "code", None) for _ in range(9)]
    assert codes.count("too_many") > 1
    (event,) = await noticed(live, "limit_hit")
    assert event == (ada.account, '{"code":"too_many","request":"get_rooms"}')


@served(account_invites_max=0, invites_by="members")
async def test_what_the_writer_refuses_is_noticed_too(live: Live) -> None:
    ada = await live.newcomer("ada")
    assert [(await ada.ask(NewInvite())).code for _ in range(3)] == ["limit"] * 3
    (event,) = await noticed(live, "limit_hit")
    assert event == (ada.account, '{"code":"limit","request":"new_invite"}')


@served()
async def test_what_a_reader_refuses_is_noticed_too(live: Live) -> None:
    ada = await live.newcomer("ada")
    assert (await ada.ask(GetEvents(everyone=True))).code == "host_only"
    (event,) = await noticed(live, "host_only_refused")
    assert event == (ada.account, '{"code":"host_only","request":"get_events"}')


@served()
async def test_what_handlers_refuse_over_http_is_noticed_too(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = (await ada.ask(NewToken())).token
    headers = {"Authorization": f"Bearer {token}"}
    asked = {"everyone": True}
    url = f"{live.address}/v1/get_events"
    async with live.web.post(url, json=asked, headers=headers) as response:
        assert response.status == 403
    (event,) = await noticed(live, "host_only_refused")
    assert event == (ada.account, '{"code":"host_only","request":"get_events"}')


@served()
async def test_a_device_that_uses_a_number_twice_may_have_been_restored(live: Live) -> None:
    ada = await live.newcomer("ada")
    replies = [await ada.ask(PutProfile(id=1000, body=body)) for body in (b"one", b"two", b"three")]
    assert [getattr(one, "code", None) for one in replies] == [None, "reused", "reused"]
    (event,) = await noticed(live, "device_restored")
    assert event == (ada.account, '{"code":"reused","request":"put_profile"}')


@served()
async def test_a_device_that_is_only_far_behind_was_not_restored(live: Live) -> None:
    ada = await live.newcomer("ada")
    numbers = [5000, 5000 - BEHIND_MAX, 5000]
    replies = [await ada.ask(PutProfile(id=one, body=b"%d" % at)) for at, one in enumerate(numbers)]
    assert [getattr(one, "code", None) for one in replies] == [None, "too_old", "reused"]
    (event,) = await noticed(live, "device_restored")
    assert event == (ada.account, '{"code":"reused","request":"put_profile"}'), "the first of them"


@served(rate_connect=Rate(1, 60, 1))
async def test_connections_that_are_too_many_are_noticed(live: Live) -> None:
    await live.connect()
    async with live.web.get(f"{live.address}/v1/socket") as response:
        assert response.status == 503
    assert await noticed(live, "limit_hit") == [(None, '{"code":"too_many"}')]


@served()
async def test_pings_that_are_too_many_are_noticed(live: Live) -> None:
    ada = await live.newcomer("ada")
    for _ in range(PINGS_MAX + 1):
        await ada.socket.ping()
    assert (await ada.hear_of(Goodbye)).code == "too_many"
    assert await noticed(live, "limit_hit") == [(ada.account, '{"code":"too_many"}')]


@served(blob_bytes_max=1024)
async def test_files_that_are_too_large_are_noticed(live: Live) -> None:
    ada = await live.newcomer("ada")
    token = (await ada.ask(NewToken())).token
    headers = {
        "Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0", "Upload-Length": "2000",
    }  # fmt: skip
    async with live.web.post(f"{live.address}/v1/blobs", headers=headers) as response:
        assert response.status == 413
    assert await noticed(live, "limit_hit") == [(ada.account, '{"code":"too_large"}')]
