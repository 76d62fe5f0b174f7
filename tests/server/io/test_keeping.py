"""Housekeeping beside requests: everything gets its turn, and a failure waits for the next time."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import pytest

from alcove.server.handlers import blobs
from alcove.server.io import keeping
from alcove.server.io.keeping import Keeper
from alcove.server.io.places import blob_path
from alcove.server.io.works import Works
from alcove.server.keeping import CHORES, DAY_MS, HOUR_MS, MINUTE_MS, Chore, Turn
from alcove.server.store.database import StorageError
from alcove.server.tx import Tx
from alcove.wire.errors import Code, Refused
from tests.server.io.live import Live, served

NOW = 100 * DAY_MS + 12 * HOUR_MS


def keeper_of(live: Live) -> Keeper:
    running = live.running
    folder = Path(running.settings.data) / "blobs"
    return Keeper(running.works, folder, lambda: running.settings, NOW)


class Diary:
    """A chore that writes down when it was done, and does as much as a test wants."""

    def __init__(self, *turns: Turn | Exception) -> None:
        self.turns = list(turns)
        self.since: list[int] = []

    def __call__(self, _: Tx, since: int) -> Turn:
        self.since.append(since)
        turn = self.turns.pop(0) if self.turns else Turn(0, None)
        if isinstance(turn, Exception):
            raise turn
        return turn


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let a test have one chore alone."""

    def choose(diary: Diary, every_ms: int = HOUR_MS) -> None:
        monkeypatch.setattr(keeping, "CHORES", (Chore("things", diary, every_ms),))
        monkeypatch.setattr(keeping, "REST", 0)

    return choose


def story(folder: Path, function: Any) -> None:
    """Run a story with a server."""
    served()(function)(folder)


def test_a_chore_is_called_until_it_is_through_and_then_waits(
    tmp_path: Path, only: Any, caplog: pytest.LogCaptureFixture
) -> None:
    diary = Diary(Turn(2, 7), Turn(0, 9), Turn(1, None))
    only(diary)

    async def run(live: Live) -> None:
        keeper = keeper_of(live)
        await keeper.look(NOW)
        assert diary.since == []
        await keeper.look(NOW + MINUTE_MS)
        assert diary.since == [0, 7, 9]
        await keeper.look(NOW + HOUR_MS)
        assert len(diary.since) == 3
        await keeper.look(NOW + MINUTE_MS + HOUR_MS)
        assert diary.since == [0, 7, 9, 0]

    with caplog.at_level(logging.INFO, "alcove"):
        story(tmp_path, run)
    assert caplog.messages.count("dropped things: 3") == 1


def test_a_chore_without_end_lets_others_have_their_turn_and_goes_on_the_next_time(
    tmp_path: Path, only: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    diary = Diary(Turn(1, 5), Turn(1, 6), Turn(1, 7))
    only(diary)
    monkeypatch.setattr(keeping, "TURNS_MAX", 2)

    async def run(live: Live) -> None:
        keeper = keeper_of(live)
        await keeper.look(NOW + MINUTE_MS)
        assert diary.since == [0, 5]
        await keeper.look(NOW + MINUTE_MS)
        assert diary.since == [0, 5, 6, 7]

    story(tmp_path, run)


def test_a_chore_that_fails_waits_for_its_next_time(tmp_path: Path, only: Any) -> None:
    diary = Diary(Refused(Code.STORAGE))
    only(diary)

    async def run(live: Live) -> None:
        keeper = keeper_of(live)
        await keeper.look(NOW + MINUTE_MS)
        await keeper.look(NOW + MINUTE_MS + 1)
        assert diary.since == [0]
        await keeper.look(NOW + MINUTE_MS + HOUR_MS)
        assert diary.since == [0, 0]

    story(tmp_path, run)


def test_a_clock_that_was_set_back_keeps_nothing_waiting(tmp_path: Path, only: Any) -> None:
    diary = Diary()
    only(diary)

    async def run(live: Live) -> None:
        keeper = keeper_of(live)
        await keeper.look(NOW - DAY_MS)
        assert diary.since == [0]

    story(tmp_path, run)


def test_the_keeper_looks_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LOOK_S", 0)
    looked = asyncio.Event()

    async def run(live: Live) -> None:
        keeper = keeper_of(live)
        times: list[int] = []

        async def look(now: int) -> None:
            times.append(now)
            if len(times) == 3:
                looked.set()

        monkeypatch.setattr(keeper, "look", look)
        task = asyncio.create_task(keeper.run())
        await asyncio.wait_for(looked.wait(), 20)
        task.cancel()

    story(tmp_path, run)


def test_all_chores_are_done_on_a_running_server(tmp_path: Path) -> None:
    async def run(live: Live) -> None:
        keeper = keeper_of(live)
        await keeper.look(NOW + 2 * HOUR_MS)
        assert live.running.works.batches >= len(CHORES)

    story(tmp_path, run)


# ---- Counts ----


def counted(tx: Tx) -> list[Any]:
    return tx.all("SELECT detail FROM event WHERE kind = 'messages_counted' ORDER BY number")


def test_messages_are_counted_once_a_day(tmp_path: Path) -> None:
    async def run(live: Live) -> None:
        ada = await live.newcomer("ada")
        works, keeper = live.running.works, keeper_of(live)
        works.hub.stored = {ada.device: 3}
        await keeper.look(NOW)
        assert await works.look(counted) == []
        await keeper.look(NOW + DAY_MS)
        assert await works.look(counted) == [('{"count":3}',)]
        assert works.hub.stored == {}
        await keeper.look(NOW + 2 * DAY_MS)
        assert len(await works.look(counted)) == 1

    story(tmp_path, run)


def test_counts_of_very_many_devices_are_written_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "STORED_MAX", 0)

    async def run(live: Live) -> None:
        ada = await live.newcomer("ada")
        live.running.works.hub.stored = {ada.device: 1}
        await keeper_of(live).look(NOW)
        assert len(await live.running.works.look(counted)) == 1

    story(tmp_path, run)


def test_counts_are_written_a_few_devices_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "LINES", 2)

    async def run(live: Live) -> None:
        people = [await live.newcomer(name) for name in ("ada", "bob", "eve")]
        works = live.running.works
        works.hub.stored = {one.device: 3 for one in people}
        before = works.batches
        await keeper_of(live).write_counts()
        assert works.batches - before == 2
        assert await works.look(counted) == [('{"count":3}',)] * 3

    story(tmp_path, run)


def test_counts_that_could_not_be_written_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(live: Live) -> None:
        works = live.running.works
        works.hub.stored = {b"a": 1, b"b": 2}

        async def refuse(*_: object) -> None:
            works.hub.stored = {b"b": 3, b"c": 4}
            raise Refused(Code.STORAGE)

        monkeypatch.setattr(works, "do", refuse)
        await keeper_of(live).write_counts()
        assert works.hub.stored == {b"a": 1, b"b": 5, b"c": 4}

    story(tmp_path, run)


# ---- Files ----


async def announced(works: Works, account: bytes) -> bytes:
    return await works.do(lambda tx: blobs.announce(tx, account, 10, "never", tx.now))


def known(tx: Tx) -> list[bytes]:
    return [blob for (blob,) in tx.all("SELECT blob FROM blob")]


def test_an_upload_is_given_up_when_its_file_has_stood_still_for_long(tmp_path: Path) -> None:
    async def run(live: Live) -> None:
        ada = await live.newcomer("ada")
        works, folder = live.running.works, tmp_path / "blobs"
        still, moving, unbegun, fresh = [await announced(works, ada.account) for _ in range(4)]
        for blob in (still, moving):
            blob_path(folder, blob).parent.mkdir(parents=True)
            blob_path(folder, blob).write_bytes(b"x")
        long_ago = live.now - 25 * HOUR_MS
        os.utime(blob_path(folder, still), (long_ago / 1000, long_ago / 1000))

        def age(tx: Tx) -> None:
            for number, blob in enumerate((still, moving, unbegun)):
                tx.run("UPDATE blob SET created_at = ? WHERE blob = ?", long_ago + number, blob)

        await works.do(age)
        keeper = Keeper(works, folder, lambda: live.running.settings, live.now - 2 * HOUR_MS)
        await keeper.look(live.now)
        assert sorted(await works.look(known)) == sorted([moving, fresh])

    story(tmp_path, run)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "ORPHANS_EVERY_MS", 0)


async def left_behind(live: Live, folder: Path) -> tuple[bytes, list[str]]:
    """Put a known file, an unknown one and another one into a folder, and look through all.

    Returns the known one, and what is there afterwards.
    """
    ada = await live.newcomer("ada")
    mine = await announced(live.running.works, ada.account)
    shelf = folder / mine.hex()[:2]
    shelf.mkdir(parents=True)
    for name in (mine.hex(), mine[:1].hex() + "0" * 30, "notes", mine.hex().upper() + "FF"):
        (shelf / name).touch()
    now = live.now
    keeper = Keeper(live.running.works, folder, lambda: live.running.settings, now)
    for number in range(1, keeping.FOLDERS + 2):
        await keeper.look(now + number)
    return mine, sorted(path.name for path in shelf.iterdir())


@pytest.mark.usefixtures("quick")
def test_files_that_belong_to_nothing_are_dropped(tmp_path: Path) -> None:
    async def run(live: Live) -> None:
        mine, left = await left_behind(live, tmp_path / "blobs")
        assert left == sorted([mine.hex(), "notes", mine.hex().upper() + "FF"])

    story(tmp_path, run)


@pytest.mark.usefixtures("quick")
def test_after_a_restore_no_file_is_taken_for_an_orphan(tmp_path: Path) -> None:
    async def run(live: Live) -> None:
        def restore(tx: Tx) -> None:
            tx.run("INSERT INTO incarnation (number, began_at) VALUES (?, ?)", 2**40, tx.now)

        await live.running.works.do(restore)
        _, left = await left_behind(live, tmp_path / "blobs")
        assert len(left) == 4

    story(tmp_path, run)


@pytest.mark.usefixtures("quick")
def test_a_folder_that_others_may_use_too_is_left_alone(tmp_path: Path) -> None:
    async def run(live: Live) -> None:
        _, left = await left_behind(live, tmp_path / "elsewhere")
        assert len(left) == 4

    served(blob_folder=str(tmp_path / "elsewhere"))(run)(tmp_path)


@pytest.mark.usefixtures("quick")
def test_files_stay_while_the_database_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(live: Live) -> None:
        async def fail(*_: object) -> None:
            raise StorageError

        monkeypatch.setattr(live.running.works, "look", fail)
        (tmp_path / "blobs" / "00").mkdir(parents=True)
        (tmp_path / "blobs" / "00" / bytes(16).hex()).touch()
        await keeper_of(live).look(NOW + HOUR_MS)
        assert (tmp_path / "blobs" / "00" / bytes(16).hex()).exists()

    story(tmp_path, run)
