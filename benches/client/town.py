"""A real server in a process of its own, and people of the SDK who talk there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from alcove.client import Client, Room
from alcove.client.rooms import acting
from alcove.client.tx import Tx
from alcove.wire.content import Text
from benches.server.house import LOAD_CORE, House, on_core
from benches.server.plan import ANY_RATE, Plan

PASSWORD: Final = "violin harbour ten maple cloud"  # noqa: S105 - It protects nothing.
PASSPHRASE: Final = "heron"  # noqa: S105
PATIENCE_S: Final = 120.0
TEXT: Final = "This is what people say to each other, some eighty characters of it, number"
"""Of the length that texts have; a number follows."""
SETTINGS: Final = {
    "registration": "open",
    "requests": "off",
    "rate_append": ANY_RATE,
    "rate_read": ANY_RATE,
    "rate_register": ANY_RATE,
    "rate_connect": ANY_RATE,
}
"""One address does within seconds what many people do in a day: those limits are raised."""
LOOK_S: Final = 0.02
SAID_AT_ONCE: Final = 500
"""So many messages are put into the outbox in one transaction where only reading is measured."""


class Town:
    """A server, and where its people keep what they have."""

    def __init__(self, address: str, folder: Path, leaving: AsyncExitStack) -> None:
        self.address, self.folder, self._leaving = address, folder, leaving

    async def newcomer(self, name: str) -> Client:
        """Return the first device of a new account, online."""
        return await self.online(
            Client.register(
                self.address, name, PASSWORD, where=self.folder / name, passphrase=PASSPHRASE
            )
        )

    async def device(self, name: str, folder: str) -> Client:
        """Return another device of an account."""
        return await self.online(
            Client.sign_in(
                self.address, name, PASSWORD, where=self.folder / folder, passphrase=PASSPHRASE
            )
        )

    async def again(self, name: str) -> Client:
        """Return somebody who comes back, as soon as their disk is open."""
        client = await Client(self.folder / name, passphrase=PASSPHRASE).open()
        self._leaving.push_async_callback(client.close, 0)
        return client

    async def online(self, client: Client) -> Client:
        """Open a client, and wait for its line."""
        await client.open()
        self._leaving.push_async_callback(client.close, 0)
        await client.online(PATIENCE_S)
        return client

    async def met(self, one: Client, other: Client) -> tuple[Room, Room]:
        """Return the direct room of two people, as both see it, with one message in it."""
        room = await one.direct(other.name)
        await (await room.send("hello")).sent(PATIENCE_S)

        await other.until(lambda: shown(other, room) == 1, PATIENCE_S)
        return room, other.room(room.id)


@contextmanager
def serving(plan: Plan, name: str, *, is_apart: bool = True) -> Iterator[str]:
    """Give the address of a server, on a core of its own or on whichever the system gives it."""
    plan.figures.raised.update(SETTINGS)
    house = House(plan.folder / name / "server", SETTINGS, tls=False, wrapper=())
    try:
        address = house.start(is_apart=is_apart)
        with on_core(LOAD_CORE) if is_apart else nullcontext():
            yield f"http://{address.host}:{address.port}"
    finally:
        house.close()


@asynccontextmanager
async def living(address: str, folder: Path) -> AsyncIterator[Town]:
    """Give the people of a server, and let all of them go at the end."""
    async with AsyncExitStack() as leaving:
        yield Town(address, folder, leaving)


async def fill(client: Client, room: Room, count: int) -> None:
    """Say so many things as fast as it goes, and wait until the server has them all."""
    for start in range(0, count, SAID_AT_ONCE):
        texts = range(start, min(start + SAID_AT_ONCE, count))
        client.do(_say_all, room.room, [f"{TEXT} {number}" for number in texts])
        await client.settled(PATIENCE_S)


def _say_all(tx: Tx, room: bytes, texts: list[str]) -> None:
    for text in texts:
        acting.say(tx, room, Text(text))


async def archived(client: Client) -> None:
    """Wait until all room keys are in the archive, where the account's next device finds them."""
    async with asyncio.timeout(PATIENCE_S):
        while client.db.one(_UNARCHIVED) is not None:  # noqa: ASYNC110 - Nothing tells of it.
            await asyncio.sleep(LOOK_S)
    await client.settled(PATIENCE_S)


_UNARCHIVED: Final = "SELECT 1 FROM room_key WHERE is_archived = 0 LIMIT 1"


def shown(client: Client, room: Room) -> int:
    """Return how many messages of a room are there."""
    line = client.db.one("SELECT COUNT(*) FROM line WHERE room = ? AND kind = 'text'", room.room)
    return 0 if line is None else int(line[0])
