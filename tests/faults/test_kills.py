"""What was acknowledged survives `kill -9`: a few kills here, hundreds in `make soak`."""

import asyncio
import random
from pathlib import Path

from tests.faults.clients import Friend
from tests.faults.files import Files
from tests.faults.servers import EAGER, Server
from tests.faults.storms import survive

KILLS = 3
FILE_BYTES = 30_000_000
SEND_S = 0.05
"""A server is killed so long after somebody began to send it the rest of a file, at most."""


def test_every_acknowledged_entry_is_there_once_and_in_order_after_kills(
    tmp_path: Path, database_url: str
) -> None:
    counts = survive(tmp_path, database_url, "a few kills", KILLS)
    assert counts.kills == KILLS
    assert counts.acknowledged > 0
    assert counts.repeated > 0


async def upload_through_kills(server: Server, dice: random.Random) -> None:
    """Send a file to a server that is killed meanwhile, and go on where it says each time."""
    ada = Friend(dice, "ada")
    await ada.connect(server.url)
    files = await Files.of(ada, server.url)
    await ada.close()
    data = dice.randbytes(FILE_BYTES)
    place, there = await files.announce(len(data)), 0
    for _ in range(KILLS):
        sending = asyncio.ensure_future(files.send(place, there, data[there:]))
        await asyncio.sleep(dice.uniform(0, SEND_S))
        await asyncio.to_thread(server.kill)
        (answer,) = await asyncio.gather(sending, return_exceptions=True)
        await asyncio.to_thread(server.start)
        before, there = there, await files.offset(place)
        assert there == len(data) if answer == (204, "") else there >= before
    if there < len(data):
        assert await files.send(place, there, data[there:]) == (204, "")
    assert await files.fetch(place) == (200, data)


def test_an_upload_goes_on_after_kills_where_it_was(tmp_path: Path) -> None:
    with Server(tmp_path, **EAGER) as server:
        server.start()
        asyncio.run(upload_through_kills(server, random.Random(1)))
