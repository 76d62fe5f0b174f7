"""One person of the story, in a process of their own: `python -m alcove.cli.demo.person`.

    one line of JSON in    {"do": "say", "to": "@bob", "text": "…"}
    one line of JSON out   {"done": …} or {"failed": "…", "code": "…"}

It is the SDK and nothing else.  What is secret comes and goes through the pipe to the story, never
as an argument or in a log.  When the pipe ends, so does the person.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from alcove.client import Client, ClientError, Message, Room, UsageError, caught_up
from alcove.wire.entries import Read
from alcove.wire.ids import Position

PATIENCE_S: Final = 30.0
"""What has not come by then does not come: a busy machine takes its time."""
LOOK_S: Final = 0.02
"""Nothing tells that a key is in the archive: it is looked at this often."""
LINES_MAX: Final = 500
"""More than the story has."""

_SECRETS: Final = """
SELECT hex(signing_key) FROM me UNION ALL SELECT hex(secret) FROM room_key
"""


class Somebody:
    """A person at their device."""

    client: Client
    _folder: Path

    # ---- Coming ----

    async def register(
        self, link: str, name: str, password: str, passphrase: str, folder: str
    ) -> str:
        """Make an account by a link, and return the recovery phrase."""
        self._folder = Path(folder)
        self.client = await Client.register(
            link, name, password, where=self._folder, passphrase=passphrase
        )
        await self.client.online(PATIENCE_S)
        return self.client.recovery_phrase

    async def sign_in(
        self, server: str, name: str, password: str, passphrase: str, folder: str
    ) -> None:
        """Make this one more device of an account."""
        self._folder = Path(folder)
        self.client = await Client.sign_in(
            server, name, password, where=self._folder, passphrase=passphrase
        )
        await self.client.online(PATIENCE_S)

    async def open(self, passphrase: str, folder: str) -> None:
        """Come back, with what is on the disk."""
        self._folder = Path(folder)
        self.client = await Client(self._folder, passphrase=passphrase).open()
        await self.client.online(PATIENCE_S)

    async def close(self) -> None:
        """Go."""
        await self.client.close()

    # ---- People and rooms ----

    async def invite(self, uses: int) -> str:
        """Return a link for so many people."""
        return await self.client.owner.invite(uses=uses)

    async def asked(self) -> list[str]:
        """Wait until somebody asks to chat, and return who does."""
        await self.client.until(lambda: bool(self.client.requests()), PATIENCE_S)
        return [str(one.person) for one in self.client.requests()]

    async def accept(self) -> None:
        """Accept whoever asks."""
        for one in self.client.requests():
            await one.accept()

    async def direct(self, name: str) -> str:
        """Return the room with somebody."""
        return (await self.client.direct(name)).id

    async def group(self, name: str, topic: str, members: tuple[str, ...]) -> str:
        """Make a group."""
        return (await self.client.create_group(name, tuple(members), topic=topic)).id

    async def remove(self, room: str, name: str) -> None:
        """Remove somebody, and wait until it is so."""
        here = self.client.room(room)
        await here.remove(name)
        people = len(here.members())
        await self.client.until(lambda: len(here.members()) < people, PATIENCE_S)

    async def is_in(self, room: str, people: int, title: str = "") -> None:
        """Wait until a room of this name is there, with so many people."""

        def is_so() -> bool:
            found = [one for one in self.client.rooms() if one.id == room]
            return (
                bool(found)
                and found[0].state == "active"
                and len(found[0].members()) == people
                and (not title or found[0].title == title)
            )

        await self.client.until(is_so, PATIENCE_S)

    async def is_out(self, room: str) -> None:
        """Wait until this account is in a room no more."""
        here = self.client.room(room)
        await self.client.until(lambda: not here.is_here, PATIENCE_S)

    async def make_commons(self) -> str:
        """Make the room of everyone on the server."""
        return (await self.client.make_commons()).id

    async def join_commons(self) -> None:
        """Go there now, and not at a random moment soon; its link may have to be made first."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    await self.client.join_commons()
                except UsageError:
                    await asyncio.sleep(LOOK_S)
                else:
                    return

    async def safety_number(self, name: str) -> str:
        """Return the digits that two people compare."""
        return (await self.client.person(name)).safety_number

    # ---- Saying and reading ----

    async def say(self, room: str, text: str) -> None:
        """Say something, and wait until the server has it."""
        message = await self.client.room(room).send(text)
        await message.sent(PATIENCE_S)

    async def say_all(self, room: str, texts: list[str]) -> None:
        """Say many things, and wait for nobody."""
        for text in texts:
            await self.client.room(room).send(text)

    async def react(self, room: str, text: str, emoji: str) -> None:
        """Put an emoji under a message, and wait until the server has it."""
        await (await self._message(room, text)).react(emoji)
        await self.client.settled(PATIENCE_S)

    async def hears(self, room: str, text: str) -> str:
        """Wait until somebody else's message is there, and return whose it is."""
        return str((await self._message(room, text)).author)

    async def reactions(self, room: str, text: str) -> list[str]:
        """Wait until there is an emoji under a message, and return all of them."""
        message = await self._message(room, text)
        await self.client.until(lambda: bool(message.reactions), PATIENCE_S)
        return [f"{one.emoji} {person}" for one in message.reactions for person in one.people]

    async def send_file(self, room: str, path: str, text: str) -> None:
        """Send a file; it leaves while other things go on."""
        await self.client.room(room).send_file(path, text=text)

    async def save_file(self, room: str, text: str, folder: str) -> str:
        """Fetch the file of a message, and return where it lies."""
        message = await self._message(room, text)
        return str(await message.save_file(folder))

    async def settled(self) -> None:
        """Wait until the server has all that was said."""
        await self.client.settled(PATIENCE_S)

    async def caught_up(self) -> None:
        """Wait until everything is here, also what was said before this device came."""
        await caught_up(self.client, PATIENCE_S, whole=True)

    async def lines(self, room: str) -> list[tuple[str, str]]:
        """Return who has said what in a room."""
        here = self._room(room)
        if here is None:
            return []
        return [(str(one.author), one.text) for one in here.history(LINES_MAX) if _is_said(one)]

    async def placed(self, room: str) -> list[tuple[int, str, str]]:
        """Return the same with the place of each message in the room's log."""
        here = self.client.room(room).history(LINES_MAX)
        return [(one.line.seq or 0, str(one.author), one.text) for one in here if _is_said(one)]

    async def states(self, room: str) -> list[str]:
        """Return what has become of each of this account's own messages."""
        return [one.state for one in self.client.room(room).history(LINES_MAX) if one.is_mine]

    def _room(self, room: str) -> Room | None:
        return next((one for one in self.client.rooms(gone=True) if one.id == room), None)

    async def _message(self, room: str, text: str) -> Message:
        """Wait until a message with this text is in a room."""
        found: list[Message] = []

        def is_there() -> bool:
            here = self._room(room)
            lines = [] if here is None else here.history(LINES_MAX)
            found[:] = [one for one in lines if _is_said(one) and one.text.startswith(text)]
            return bool(found)

        await self.client.until(is_there, PATIENCE_S)
        return found[-1]

    # ---- What is looked at ----

    async def read_on(self, room: str) -> None:
        """Ask the server for the newest of a room, whether it is ours to read or not."""
        incarnation, seq = self._line("SELECT incarnation, seq FROM room WHERE room = ?", room)
        where = Position(incarnation, max(seq - 1, 0))
        await self.client.ask(Read(room=bytes.fromhex(room), since=where))

    async def keys_of(self, room: str) -> list[str]:
        """Return the names of the keys that this device has for a room."""
        rows = self.client.db.all(
            "SELECT hex(name) FROM room_key WHERE room = ?", bytes.fromhex(room)
        )
        return [name.lower() for (name,) in rows]

    async def log(self, room: str) -> tuple[int, str]:
        """Return how far this device has read a room's log, and the running hash up to there."""
        seq, chain = self._line("SELECT seq, hex(chain) FROM room WHERE room = ?", room)
        return seq, chain.lower()

    async def is_archived(self) -> None:
        """Wait until every room key is in the archive, from where a new device gets it."""
        async with asyncio.timeout(PATIENCE_S):
            while self.client.db.one(_UNARCHIVED) is not None:  # noqa: ASYNC110
                await asyncio.sleep(LOOK_S)
            await self.client.settled()

    async def secrets(self) -> list[str]:
        """Return every private key that this device keeps, in hex, those of files too."""
        keys = [key for (key,) in self.client.db.all(_SECRETS)]
        for room in self.client.rooms(gone=True):
            for message in room.history(LINES_MAX):
                keys += [file.sealed.key.hex() for file in message.files]
        return keys

    def _line(self, sql: str, room: str) -> Any:
        line = self.client.db.one(sql, bytes.fromhex(room))
        if line is None:
            raise UsageError("This room was never here.")
        return line


_UNARCHIVED: Final = "SELECT 1 FROM room_key WHERE is_archived = 0 LIMIT 1"


def _is_said(message: Message) -> bool:
    return message.kind not in ("note", "gap")


# ---- The pipe ----


class Order(msgspec.Struct):
    """What the story wants of a person."""

    do: str
    fields: dict[str, Any]


async def _obey(somebody: Somebody, line: bytes) -> dict[str, Any]:
    """Carry out one order, and return what is to be answered."""
    order = msgspec.json.decode(line, type=Order)
    verb: Callable[..., Any] = getattr(somebody, order.do)
    try:
        return {"done": await verb(**order.fields)}
    except ClientError as error:
        return {"failed": str(error), "code": getattr(error, "code", "")}
    except TimeoutError:
        return {"failed": "That has not come in time.", "code": "timeout"}


async def live() -> None:
    """Obey until nobody wants anything any more."""
    somebody = Somebody()
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        answer = await _obey(somebody, line)
        sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        asyncio.run(live())
