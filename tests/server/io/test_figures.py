"""The figures of a running server: asked for beside the requests, never in their way."""

import pytest

from alcove.server.handlers import blobs
from alcove.server.io.figures import SIZES_S
from alcove.server.store.database import StorageError
from tests.server.io.live import Line, Live, served


async def announce(live: Live, line: Line, size: int) -> None:
    await live.running.works.do(lambda tx: blobs.announce(tx, line.account, size, "never", tx.now))


@served()
async def test_sizes_are_asked_for_now_and_then(live: Live) -> None:
    figures, ada = live.running.figures, await live.newcomer("ada")
    await announce(live, ada, 1000)
    await figures.measure()
    status = figures.status()
    assert (status.file_bytes, status.room_bytes > 0, (status.free_bytes or 0) > 0) == (
        1000, True, True,
    )  # fmt: skip
    await announce(live, ada, 500)
    for _ in range(SIZES_S - 1):
        figures.tick()
    await figures.measure()
    assert figures.status().file_bytes == 1000
    figures.tick()
    await figures.measure()
    assert figures.status().file_bytes == 1500


@served()
async def test_sizes_stand_while_the_database_does_not_answer(
    live: Live,
) -> None:
    figures, ada = live.running.figures, await live.newcomer("ada")
    await announce(live, ada, 1000)
    await figures.measure()

    def fail() -> int:
        raise StorageError

    for _ in range(SIZES_S):
        figures.tick()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures._database, "size_bytes", fail)
        await figures.measure()
    assert figures.status().file_bytes == 1000
