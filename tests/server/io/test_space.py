"""The disk is looked at every few seconds, and what a nearly full one refuses is refused."""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alcove.server.io import space as spaces
from alcove.server.io.space import Surveyor, least_free
from alcove.server.tx import Tx
from alcove.wire.entries import Append, Appended
from alcove.wire.errors import Code, Refusal, Refused
from tests.server.io.live import Live, served
from tests.server.io.test_blobs import Trickle, begin, files_of, running
from tests.server.io.test_sockets import make_room, message

MIB = 1024 * 1024


class Disk:
    """A disk on which as much is free as the test says."""

    def __init__(self, live: Live, patch: pytest.MonkeyPatch) -> None:
        self.free = 10_000 * MIB
        patch.setattr(spaces, "least_free", self.look)
        running = live.running
        self.surveyor = Surveyor(
            running.works, running.world.space, (Path(),), lambda: running.settings
        )

    def look(self, _: Sequence[Path]) -> int:
        return self.free

    async def hold(self, free: int, now: int = 0) -> None:
        """Let so much be free, and let that be seen."""
        self.free = free
        await self.surveyor.look(now)


def events(tx: Tx) -> list[Any]:
    return tx.all("SELECT kind, detail FROM event WHERE kind LIKE 'disk%' ORDER BY number")


def story(tmp_path: Path, tell: Any, **settings: Any) -> None:
    served(**settings)(tell)(tmp_path)


def test_a_disk_that_fills_up_is_told_to_the_host_and_to_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run(live: Live) -> None:
        disk, ada = Disk(live, monkeypatch), await live.newcomer("ada")
        room, key = await make_room(live, ada)
        caplog.set_level(logging.INFO, "alcove.server.space")
        await disk.hold(257 * MIB)
        assert isinstance(
            await ada.ask(Append(room=room, entries=(message(live, ada, key),))), Appended
        )
        await disk.hold(255 * MIB)
        refusal = await ada.ask(Append(room=room, entries=(message(live, ada, key),)))
        assert isinstance(refusal, Refusal)
        assert refusal.code == "storage"
        await disk.hold(1000 * MIB)
        assert isinstance(
            await ada.ask(Append(room=room, entries=(message(live, ada, key),))), Appended
        )
        assert await live.running.works.look(events) == [
            ("disk_short", '{"megabytes":267}'),
            ("disk_enough", '{"megabytes":1048}'),
        ]
        assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]

    story(tmp_path, run)


def test_that_the_disk_is_full_need_not_be_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(live: Live) -> None:
        disk = Disk(live, monkeypatch)

        async def refuse(*_: object) -> None:
            raise Refused(Code.STORAGE)

        monkeypatch.setattr(live.running.works, "do", refuse)
        await disk.hold(0)
        assert live.running.world.space.level == "last"

    story(tmp_path, run)


def test_what_an_account_sends_in_a_day_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(live: Live) -> None:
        disk = Disk(live, monkeypatch)
        ada, bob = await live.newcomer("ada"), await live.newcomer("bob")
        room, key = await make_room(live, ada, bob)
        await disk.hold(1000 * MIB, live.now)
        for _ in range(3):
            await ada.ask(Append(room=room, entries=(message(live, ada, key, 20_000),)))
        await disk.hold(1000 * MIB, live.now)
        refusal = await ada.ask(Append(room=room, entries=(message(live, ada, key),)))
        assert (refusal.code, "tomorrow" in refusal.why) == ("quota", True)
        assert isinstance(
            await bob.ask(Append(room=room, entries=(message(live, bob, key),))), Appended
        )

    story(tmp_path, run, account_day_bytes=50_000)


def test_an_upload_ends_when_there_is_no_space_any_more_and_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(live: Live) -> None:
        disk, ada = Disk(live, monkeypatch), await files_of(live, "ada")
        path = await ada.announce(1000)
        trickle = Trickle(bytes(300), bytes(700))
        upload = begin(ada, path, trickle)
        await running(ada)
        await disk.hold(100 * MIB)
        trickle.may_go_on.set()
        assert (await upload).status == 503
        assert (await ada.put(path, 0, bytes(1000))).status == 503
        await disk.hold(1000 * MIB)
        offset = int(
            (await ada.ask("HEAD", path, headers={"Tus-Resumable": "1.0.0"})).headers[
                "Upload-Offset"
            ]
        )
        assert (await ada.put(path, offset, bytes(1000 - offset))).status == 204

    story(tmp_path, run)


def test_the_disk_is_looked_at_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "LOOK_S", 0)

    async def run(live: Live) -> None:
        disk, looked = Disk(live, monkeypatch), asyncio.Event()
        times: list[int] = []

        async def look(now: int) -> None:
            times.append(now)
            if len(times) == 3:
                looked.set()

        monkeypatch.setattr(disk.surveyor, "look", look)
        task = asyncio.create_task(disk.surveyor.run())
        await asyncio.wait_for(looked.wait(), 20)
        task.cancel()

    story(tmp_path, run)


def test_a_folder_that_is_not_there_yet_has_the_space_of_the_one_above(tmp_path: Path) -> None:
    assert least_free((tmp_path / "data" / "blobs", tmp_path)) > 0
