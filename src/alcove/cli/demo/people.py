"""The people of the story, as the story meets them: a process each, and a pipe to it."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any, Final

import msgspec

from alcove.cli.demo.house import KEPT_VARIABLES
from alcove.cli.demo.telling import Untrue

PATIENCE_S: Final = 60
"""A person who has not answered by then is stuck."""
LINE_BYTES_MAX: Final = 4 * 1024 * 1024
LOGS: Final = "logs"
PASSPHRASE: Final = "the heron sleeps standing on one leg"  # noqa: S105 - Of the story alone.


class RefusalError(Exception):
    """A person could not do what the story wanted; the text says why, as their client told it."""

    def __init__(self, why: str, code: str) -> None:
        self.code = code
        super().__init__(why)


class Answer(msgspec.Struct):
    """What a person says to an order."""

    done: Any = None
    failed: str = ""
    code: str = ""


class Person:
    """Somebody at one device."""

    def __init__(self, name: str, folder: Path, password: str) -> None:
        self.name, self.password = name, password
        self.folder = folder
        """Where this device keeps everything."""
        self.log = folder.parent / LOGS / f"{folder.name}.log"
        """What the program has printed that was not an answer: errors, if there were any."""
        self.secrets: list[bytes] = []
        """Private keys and words that nobody else may ever see."""
        self._process: Process | None = None

    async def wake(self) -> None:
        """Start the process."""
        self.log.parent.mkdir(exist_ok=True)
        kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "alcove.cli.demo.person"),
                cwd=self.folder.parent,
                env=kept,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                limit=LINE_BYTES_MAX,
            )

    @property
    def number(self) -> int:
        """The process's number."""
        assert self._process is not None
        return self._process.pid

    async def do(self, verb: str, **fields: Any) -> Any:
        """Let this person do something, and return what came of it."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = msgspec.json.encode({"do": verb, "fields": fields})
        self._process.stdin.write(order + b"\n")
        async with asyncio.timeout(PATIENCE_S):
            line = await self._process.stdout.readline()
        if not line:
            raise Untrue(f"{self.name}'s program has ended.")
        answer = msgspec.json.decode(line, type=Answer)
        if answer.failed:
            raise RefusalError(f"{self.name}: {answer.failed}", answer.code)
        return answer.done

    async def register(self, link: str) -> None:
        """Make an account by a link."""
        phrase = await self.do(
            "register", link=link, name=self.name.lower(), password=self.password,
            passphrase=PASSPHRASE, folder=str(self.folder),
        )  # fmt: skip
        self.secrets.append(phrase.encode())

    async def sign_in(self, server: str) -> None:
        """Become one more device of an account."""
        await self.do(
            "sign_in", server=server, name=self.name.lower(), password=self.password,
            passphrase=PASSPHRASE, folder=str(self.folder),
        )  # fmt: skip

    async def come_back(self) -> None:
        """Start again, with what is on the disk."""
        await self.wake()
        await self.do("open", passphrase=PASSPHRASE, folder=str(self.folder))

    async def tell_secrets(self) -> None:
        """Remember every private key that this device has now."""
        told = [bytes.fromhex(key) for key in await self.do("secrets")]
        self.secrets = list(dict.fromkeys([*self.secrets, *told]))

    async def kill(self) -> None:
        """End the process at once: it can say and close nothing."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
