"""What a device does when a step of ours fails, and how it ends."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from alcove.client import engine as engine_module
from alcove.client import tables
from alcove.client.errors import OfflineError, StoreError
from alcove.client.events import Offline, Online, Pushed
from alcove.client.io import device as devices
from alcove.client.link import State
from alcove.client.tx import Tx
from alcove.wire.accounts import AccountChanged, PutProfile
from alcove.wire.base import Done
from alcove.wire.greeting import SignOut
from alcove.wire.rooms import GetRooms, Rooms
from tests.client.io.home import (
    Diary,
    at_home,
    new_device,
    news,
    quick,
    run,
    tell,
)
from tests.server.io.live import Live

pytestmark = pytest.mark.usefixtures(quick.__name__)


# ---- Mistakes of ours ----


def test_a_message_that_cannot_be_taken_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            poison(monkeypatch)
            diary = Diary(device)
            tell(device, AccountChanged(kind="box"), news("one"))
            await diary.until(Offline(), Online())
            tell(device, AccountChanged(kind="box"), news("two"))
            assert diary.said == [Pushed(news("two"))]
            assert (device.failures, device.is_online) == (2, True)

    run(tmp_path, story)


def test_when_nothing_can_be_taken_the_line_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            poison(monkeypatch)
            diary = Diary(device)
            for _ in range(devices.FAILURES_MAX):
                tell(device, AccountChanged(kind="box"))
            await diary.until(Offline(), Online())

    run(tmp_path, story)


def test_a_sign_in_that_cannot_be_stored_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            full = [True, True]

            def on_signed_in(_tx: Tx, _signed_in: Any) -> None:
                if full:
                    full.pop()
                    raise StoreError("The disk is full.")

            monkeypatch.setattr(tables, "ON_SIGNED_IN", on_signed_in)
            device.link.hang_up("Again.")
            device._move()
            await device.online()
            assert device.failures == 2

    run(tmp_path, story)


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_tx: Tx, _push: Any) -> None:
        raise RuntimeError

    pushes: dict[Any, Any] = tables.PUSHES
    monkeypatch.setitem(pushes, AccountChanged, fails)


def test_what_is_due_is_done_in_time_and_what_fails_is_not_done_at_once_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[bytes] = []

    def alarm(_tx: Tx, about: bytes) -> None:
        done.append(about)
        if about == b"fails":
            raise RuntimeError

    monkeypatch.setitem(engine_module.ALARMS, "test", alarm)

    async def story(live: Live) -> None:
        async with at_home(live) as device:
            now = device._clock()
            device.do(lambda tx: tx.wake("test", b"soon", now + 20))
            while not done:
                await device._changed.wait()
            device.do(lambda tx: tx.wake("test", b"fails", now))
            device._turn()
            device._turn()
            assert done == [b"soon", b"fails"]
            assert device._sleep_s() > 1
            device._tick_not_before_s = 0
            device._turn()
            assert done == [b"soon", b"fails", b"fails"]

    run(tmp_path, story)


def test_a_clock_that_is_set_right_puts_nothing_off(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        clock = [live.now + 10**8]
        async with at_home(live, clock=lambda: clock[0]) as device:
            device.do(lambda tx: tx.wake("log.read_on", b"no room", tx.now + 60_000))
            clock[0] = live.now
            device._turn()
            at = device.engine.deadline()
            assert at is not None
            assert at <= clock[0] + 60_000

    run(tmp_path, story)


def test_a_turn_that_fails_is_not_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "FAILED_TURN_S", 0.0)

    async def story(live: Live) -> None:
        async with at_home(live) as device:

            def broken() -> int | None:
                raise StoreError("The disk is gone.")

            monkeypatch.setattr(device.engine, "deadline", broken)
            assert device._due_at() == float("inf")
            tick = device.link.tick
            left = [1, 2]

            def failing(now: int) -> None:
                if left:
                    left.pop()
                    raise RuntimeError
                tick(now)

            monkeypatch.setattr(device.link, "tick", failing)
            device._woken.set()
            assert isinstance(await device.ask(GetRooms()), Rooms)
            while left:
                device._woken.set()
                await asyncio.sleep(0)
            assert device.failures == 2

    run(tmp_path, story)


# ---- Tokens and the end ----


def test_a_token_is_used_until_it_is_stale(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        clock = [live.now]
        async with at_home(live, clock=lambda: clock[0]) as device:
            first, same = await asyncio.gather(device.token(), device.token())
            assert first == same
            headers = {"Authorization": f"Bearer {first}"}
            response = await live.web.post(f"{live.address}/v1/get_rooms", json={}, headers=headers)
            assert response.status == 200
            assert await device.token(is_stale=True) != first
            second = await device.token()
            clock[0] += 45 * 60_000
            assert await device.token() != second
            clock[0] -= 10**8
            assert await device.token() != second

    run(tmp_path, story)


def test_what_was_asked_is_answered_before_the_line_is_closed(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            asked = asyncio.create_task(device.ask(PutProfile(body=b"me")))
            await asyncio.sleep(0)
            await device.close()
            assert isinstance(await asked, Done)

    run(tmp_path, story)


def test_who_closes_does_not_wait_for_a_server_that_is_silent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "FLUSH_S", 0.05)

    async def story(live: Live) -> None:
        async with at_home(live) as device:
            assert device._line is not None
            monkeypatch.setattr(device._line, "send", lambda _: None)
            asked = asyncio.create_task(device.ask(GetRooms()))
            await asyncio.sleep(0)
            await device.close()
            with pytest.raises(OfflineError):
                await asked

    run(tmp_path, story)


def test_who_closes_while_a_connection_is_opened_does_not_wait_for_it(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live)
        device.connect()
        await device.close()
        assert device.link.state is State.IDLE

    run(tmp_path, story)


def test_who_signs_out_is_answered_before_the_line_ends(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            diary = Diary(device)
            assert isinstance(await device.ask(SignOut()), Done)
            await diary.until(Offline(), Online())

    run(tmp_path, story)
