"""A device on a real server: it comes in, stays in, comes back, and lets nothing be lost."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from alcove.client import link as links
from alcove.client.engine import Engine
from alcove.client.errors import OfflineError, RefusedError, UsageError
from alcove.client.events import Offline, Online, Pushed
from alcove.client.io import device as devices
from alcove.client.io import listening
from alcove.client.io.device import Device
from alcove.client.io.place import Place
from alcove.client.link_events import WRONG_KEY, TurnedAway
from alcove.client.store.database import open_memory
from alcove.client.tx import Tx
from alcove.wire.accounts import GetSalt, PutProfile, Salt
from alcove.wire.base import Done
from alcove.wire.directory import Find, SetVisibility
from alcove.wire.errors import Code
from alcove.wire.greeting import Goodbye
from alcove.wire.rooms import GetRooms, Rooms
from tests.client.io.home import (
    Diary,
    at_home,
    become,
    new_device,
    news,
    quick,
    register,
    run,
    say_goodbye,
    tell,
)
from tests.server.io.live import Live, serving
from tests.server.people import Someone

pytestmark = pytest.mark.usefixtures(quick.__name__)


# ---- Coming in ----


def test_an_account_is_made_on_one_line_and_signs_in_on_it(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live)
        greeting = await device.greeted()
        assert greeting.server == live.world.keys.public
        assert isinstance(await device.ask(GetSalt(name="ada")), Salt)
        with pytest.raises(OfflineError):
            await device.ask(GetRooms())
        with pytest.raises(UsageError, match="no account"):
            await device.sign_in()
        someone = await register(live, device)
        signed_in = await device.sign_in()
        assert signed_in.account == someone.account
        assert device.is_online
        assert isinstance(await device.ask(GetRooms()), Rooms)
        await device.close()
        assert not device.is_online

    run(tmp_path, story)


def test_a_device_with_an_account_signs_in_when_it_connects(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live)
        await register(live, device)
        await device.close()
        device.connect()
        device.connect()
        assert (await device.online()).name == "ada"
        assert (await device.sign_in()).name == "ada"
        await device.close()

    run(tmp_path, story)


def test_signing_in_opens_the_line_where_there_is_none(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live)
        await register(live, device)
        await device.close()
        assert (await device.sign_in()).name == "ada"
        await device.close()

    run(tmp_path, story)


def test_an_address_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(UsageError):
        Device(Engine(open_memory(), bytes), Place("chat"))


# ---- Asking ----


def test_what_the_server_refuses_is_an_error_with_its_code(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            with pytest.raises(RefusedError) as caught:
                await device.ask(Find(name="x" * 31))
            assert caught.value.code == Code.MALFORMED
            assert isinstance(await device.ask(SetVisibility(online=True)), Done)

    run(tmp_path, story)


def test_a_step_that_asks_something_is_answered_or_refused(tmp_path: Path) -> None:
    def step(tx: Tx, body: bytes) -> int:
        return tx.order(PutProfile(body=body), "owner")

    async def story(live: Live) -> None:
        async with at_home(live) as device:
            assert isinstance(await device.order(step, b"me"), Done)
            with pytest.raises(UsageError):  # It would stand in the way for ever.
                await device.order(step, bytes(20_000))
            assert isinstance(await device.order(step, b"you"), Done)
        with pytest.raises(OfflineError):
            await device.order(step, b"me")

    run(tmp_path, story)


def test_changes_that_the_owner_asks_for_have_numbers_of_the_devices_counter(
    tmp_path: Path,
) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            for _ in range(3):
                await device.ask(PutProfile(body=b"me"))
                await device.ask(GetRooms())
            device.link.hang_up("Again.")
            device._move()
            assert (await device.online()).counter == 3

    run(tmp_path, story)


def test_who_waits_for_an_answer_hears_that_the_line_broke(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            asked = asyncio.create_task(device.ask(GetRooms()))
            given_up = asyncio.create_task(device.ask(GetRooms()))
            await asyncio.sleep(0)
            given_up.cancel()
            device.link.hang_up("The cable was pulled.")
            device._move()
            with pytest.raises(OfflineError, match="cable"):
                await asked
            with pytest.raises(asyncio.CancelledError):
                await given_up
            with pytest.raises(OfflineError, match="cable"):
                await device.ask(GetRooms())
            await device.online()
            assert isinstance(await device.ask(GetRooms()), Rooms)

    run(tmp_path, story)


def test_without_a_server_everything_says_what_is_wrong(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            device = new_device(live)
            device.place = Place(f"http://127.0.0.1:{reserved.getsockname()[1]}")
            with pytest.raises(OfflineError) as caught:
                await device.greeted()
            assert caught.value.code == "nobody_there"
            become(device, Someone(live, "ada"), bytes(32))  # type: ignore[arg-type]
            with pytest.raises(OfflineError) as caught:
                await device.sign_in(patience_s=0.1)
            assert caught.value.code == "nobody_there"
            await device.close()

    run(tmp_path, story)


def test_before_anything_was_tried_there_is_no_line() -> None:
    async def story() -> None:
        device = Device(Engine(open_memory(), bytes), Place("https://chat.example.org"))
        with pytest.raises(OfflineError, match="no connection"):
            await device.online()
        await device.close()

    asyncio.run(story())


def test_a_line_that_ends_before_anybody_signed_in_is_told_too(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live)
        await device.greeted()
        device.link.hang_up("")
        device._move()
        assert device.why.startswith("There is no connection")
        await device.close()

    run(tmp_path, story)


# ---- Coming back ----


def test_a_device_comes_back_when_its_server_does(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live)
        diary = Diary(device)
        await register(live, device)
        await device.sign_in()
        await diary.until(Online())
        say_goodbye(live)
        await diary.until(Offline(), Online())
        assert isinstance(await device.ask(GetRooms()), Rooms)
        await device.close()
        await diary.until(Offline())

    run(tmp_path, story)


def test_a_server_that_was_away_is_found_again(tmp_path: Path) -> None:
    async def whole() -> None:
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            async with serving(tmp_path, registration="open") as live:
                device = new_device(live)
                diary = Diary(device)
                await register(live, device)
                await device.sign_in()
                device.place = Place(f"http://127.0.0.1:{reserved.getsockname()[1]}")
                say_goodbye(live)
                await diary.until(Online(), Offline())
            while device.trouble is None or device.trouble.code != "nobody_there":
                await device._changed.wait()
        async with serving(tmp_path, registration="open") as again:
            device.place = Place(again.address)
            await diary.until(Online())
            assert not device.why
            await device.close()

    asyncio.run(whole())


def test_a_change_that_got_no_answer_is_carried_out_when_the_line_is_back(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            asked = asyncio.create_task(device.ask(PutProfile(body=b"me")))
            await asyncio.sleep(0)
            device._let_go()
            device.link.closed(device._clock())
            device._move()
            with pytest.raises(OfflineError):
                await asked
            await device.online()
            await device.ask(SetVisibility(online=True))  # Answered after what came before it.
            assert device.do(lambda tx: tx.all("SELECT id FROM request")) == []
            assert (device.link.is_quiet, device.failures) == (True, 0)

    run(tmp_path, story)


def test_a_server_with_another_key_is_not_spoken_to(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        device = new_device(live, server=bytes(32))
        diary = Diary(device)
        with pytest.raises(RefusedError) as caught:
            await device.ask(GetSalt(name="ada"))
        assert caught.value.code == WRONG_KEY
        assert [type(event) for event in diary.said] == [TurnedAway]
        await device.close()

    run(tmp_path, story)


def test_versions_that_do_not_meet_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "OLDEST_VERSION", 5)
    monkeypatch.setattr(links, "VERSION", 6)

    async def story(live: Live) -> None:
        device = new_device(live)
        with pytest.raises(RefusedError, match="1 to 1"):
            await device.greeted()
        await device.close()

    run(tmp_path, story)


def test_a_device_that_runs_twice_stops_once(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            twin = new_device(live)
            twin.engine = device.engine
            diary = Diary(device)
            twin.connect()
            while not device.turned_away:
                await device._changed.wait()
            assert device.turned_away.code == Code.CHANGED
            assert TurnedAway in [type(event) for event in diary.said]
            with pytest.raises(RefusedError, match="another program"):
                await device.online()
            await twin.close()

    run(tmp_path, story)


def test_garbage_costs_one_connection(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            diary = Diary(device)
            device.link.receive(b"garbage", device._clock())
            device._move()
            await diary.until(Offline(), Online())

    run(tmp_path, story)


def test_a_goodbye_that_says_when_is_obeyed(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            tell(device, Goodbye(code=Code.STOPPING, why="A new disk.", retry_after_ms=3_600_000))
            assert not device.is_online
            at = device.link.deadline()
            assert at is not None
            assert at - device._clock() > 3_000_000
            assert device.trouble is not None
            assert str(device.trouble) == "A new disk."
            device.connect()
            await device.online()

    run(tmp_path, story)


def test_a_line_on_which_bytes_move_is_not_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            alive: list[int] = []
            monkeypatch.setattr(device.link, "alive", alive.append)
            assert device._line is not None
            device._line._has_moved = True
            device._turn()
            assert len(alive) == 1

    run(tmp_path, story)


# ---- Listening ----


def test_all_that_came_together_is_one_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            together: list[int] = []
            take = device.engine.receive_all

            def counted(messages: Any, now: int) -> None:
                together.append(len(messages))
                take(messages, now)

            monkeypatch.setattr(device.engine, "receive_all", counted)
            tell(device, *(news() for _ in range(devices.TOGETHER_MAX + 3)))
            assert together == [devices.TOGETHER_MAX, 3]

    run(tmp_path, story)


def test_events_come_to_an_iterator_until_it_is_closed(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:
            events = device.events()
            tell(device, news("one"), news("two"))
            assert await anext(events) == Pushed(news("one"))
            waits = asyncio.create_task(collect(events))
            tell(device, news("three"))
            await asyncio.sleep(0)
            events.close()
            events.close()
            tell(device, news("four"))
            assert await waits == [Pushed(news("two")), Pushed(news("three"))]

    async def collect(events: listening.Listening) -> list[Any]:
        return [event async for event in events]

    run(tmp_path, story)


def test_who_listens_too_slowly_is_told_after_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "EVENTS_MAX", 2)

    async def story(live: Live) -> None:
        async with at_home(live) as device:
            events = device.events()
            tell(device, news("one"), news("two"), news("three"))
            assert [await anext(events), await anext(events)] == [
                Pushed(news("one")),
                Pushed(news("two")),
            ]
            with pytest.raises(UsageError, match="too long"):
                await anext(events)

    run(tmp_path, story)


def test_a_listener_may_act_and_a_broken_one_harms_nobody(tmp_path: Path) -> None:
    async def story(live: Live) -> None:
        async with at_home(live) as device:

            def acts(event: Any) -> None:
                if event == Pushed(news("one")):
                    device.do(lambda tx: tx.tell(Pushed(news("two"))))

            def breaks(_: Any) -> None:
                raise KeyError

            device.listen(breaks)
            device.listen(acts)
            diary = Diary(device)
            tell(device, news("one"))
            assert diary.said == [Pushed(news("one")), Pushed(news("two"))]
            assert device.failures == 2

    run(tmp_path, story)
