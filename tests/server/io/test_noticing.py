"""What the doors refuse is written down, and never so often that it does harm."""

import asyncio

import pytest

from alcove.server.caller import Caller
from alcove.server.io import noticing as kit
from alcove.server.io.noticing import Noticing
from alcove.wire.errors import Code, Refused
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
        noticing.notice("server_full", Caller(f"192.0.{number // 250}.{number % 250}"), NOW)
    assert len(await written(live, noticing)) == kit.EVENTS.burst


@served()
async def test_a_disk_that_is_full_hurts_nobody(live: Live) -> None:
    noticing = Noticing(live.running.works)

    async def fail(*_: object) -> None:
        raise Refused(Code.STORAGE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live.running.works, "do", fail)
        noticing.notice("server_full", Caller("192.0.2.1"), NOW)
        assert await written(live, noticing) == []
