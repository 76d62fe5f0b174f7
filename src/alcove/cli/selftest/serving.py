"""A server in a process of its own, and people who talk over it with the client that ships."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from alcove.cli.demo.house import House
from alcove.cli.demo.telling import Untrue, must
from alcove.cli.selftest.failed import Failed
from alcove.client import Client

FILE: Final = bytes(range(256)) * 2000
"""What is sent as a file: half a megabyte."""
PATIENCE_S: Final = 30
"""A busy machine takes its time."""


def check(tell: Callable[[str], None], folder: Path) -> None:
    """Start a server, let people use it, stop it, and tell what went well."""
    try:
        asyncio.run(_check(tell, folder))
    except Untrue as error:
        raise Failed(str(error)) from error


async def _check(tell: Callable[[str], None], folder: Path) -> None:
    house = House(folder)
    address = f"http://127.0.0.1:{house.port}"
    try:
        await house.start(address)
        tell(f"It serves at {address}, and waits for people.")
        link = await house.line_with(f"{address}/i/")
        await _talk(tell, folder, link[link.index(address) :].split()[0])
        must(await house.stop() == 0, "The server did not end well when it was asked to stop.")
        tell("Asked to stop, it ended.")
    finally:
        await house.kill()


async def _talk(tell: Callable[[str], None], folder: Path, link: str) -> None:
    """Let two people come, talk both ways, and send a file."""
    words = secrets.token_hex(16)
    async with Client.register(link, "ada", words, where=folder / "ada", passphrase=words) as ada:
        invite = await ada.owner.invite()
        async with Client.register(
            invite, "bob", words, where=folder / "bob", passphrase=words
        ) as bob:
            tell("People come by links, and sign in.")
            room = await ada.direct("@bob")
            await room.send("hello bob")
            await bob.until(lambda: bool(bob.requests() or _has(bob, "hello bob")), PATIENCE_S)
            for request in bob.requests():
                await request.accept()
            await bob.until(lambda: _has(bob, "hello bob"), PATIENCE_S)
            await bob.room("@ada").send("hello ada")
            await ada.until(lambda: _has(ada, "hello ada"), PATIENCE_S)
            tell("They make an MLS group, and read what the other says, in both directions.")
            path = folder / "file.bin"
            path.write_bytes(FILE)
            await room.send_file(path, text="a file")
            await bob.until(lambda: _has(bob, "a file"), PATIENCE_S)
            (message,) = bob.room("@ada").search("a file")
            saved = await message.save_file(folder / "saved.bin")
            must(saved.read_bytes() == FILE, "A file came back as something else.")
            tell("A sealed file goes up and comes down.")


def _has(client: Client, text: str) -> bool:
    """Return whether somebody has read this."""
    return any(text in message.text for room in client.rooms() for message in room.history())
