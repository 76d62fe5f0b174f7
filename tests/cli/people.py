"""People at terminals: `alcove …` run in this process against a real server beside it.

def test_...(street: Street) -> None:
    ada = street.newcomer("ada")           registered, with a home of her own
    ada.say("send", "@bob", "hello")       a command that succeeds: what it prints
    ada.json("rooms")                      the same with --json, read
    ada.fail("send", "@eva", "x")          a command that ends otherwise: status and sentence
"""

import asyncio
import itertools
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alcove.cli import main
from alcove.client.io import vault
from alcove.server.handlers.invites import make_invite
from alcove.server.tx import Tx
from tests.client.io.live import PAUSES
from tests.server.io.live import serving

PASSWORD = "violin harbour ten maple cloud"
PASSPHRASE = "heron on one leg"
CHEAP_KIB = 8 * 1024
"""Argon2id with an eighth of the memory: tests stretch many passwords."""


class Terminal:
    """Somebody at a terminal of their own, or rather at a pipe."""

    def __init__(self, street: "Street", folder: Path) -> None:
        self.street, self.folder = street, folder
        self.home = folder / "home"
        folder.mkdir(parents=True)
        for name, text in (("passphrase", PASSPHRASE), ("password", PASSWORD)):
            path = folder / name
            path.write_text(f"{text}\n", encoding="utf-8")
            path.chmod(0o600)

    @property
    def variables(self) -> dict[str, str]:
        return {
            "ALCOVE_HOME": str(self.home),
            "ALCOVE_PASSPHRASE_FILE": str(self.folder / "passphrase"),
            "ALCOVE_SERVER": self.street.address,
        }

    def run(self, *words: str, text: str | None = None, **variables: str) -> Result:
        """Run a command, and return what came of it."""
        return CliRunner(catch_exceptions=False).invoke(
            main, list(words), input=text, env=self.variables | variables
        )

    def say(self, *words: str, text: str | None = None) -> str:
        """Run a command that succeeds, and return what it prints."""
        done = self.run(*words, text=text)
        assert done.exit_code == 0, done.output
        return done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.say(*words, "--json"))

    def fail(self, *words: str, text: str | None = None) -> tuple[int, str]:
        """Run a command that fails; return its status and its sentence."""
        done = self.run(*words, text=text)
        assert done.exit_code != 0, done.output
        assert "Traceback" not in done.output
        return done.exit_code, done.stderr.strip()

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        """Return words and variables of the same as a process of its own."""
        return [sys.executable, "-m", "alcove", *words], {**os.environ, **self.variables}

    @property
    def password(self) -> tuple[str, str]:
        return ("--password-file", str(self.folder / "password"))


class Street:
    """A server, and all who live there."""

    def __init__(
        self, folder: Path, address: str, owner_link: str, reset_link: Callable[[str], str]
    ) -> None:
        self.folder, self.address, self.owner_link = folder, address, owner_link
        self.reset_link = reset_link
        """Makes the link by which an account of a name comes back."""
        self._numbers = itertools.count()

    def terminal(self) -> Terminal:
        """Return a machine where nobody has been yet."""
        return Terminal(self, self.folder / f"terminal{next(self._numbers)}")

    def newcomer(self, name: str) -> Terminal:
        """Return a machine of somebody who has just registered."""
        found = self.terminal()
        found.say("register", "--name", name, *found.password)
        return found

    def host(self, name: str) -> Terminal:
        """Return a machine of the server's host: there is one, who comes by a link."""
        found = self.terminal()
        found.say("register", self.owner_link, "--name", name, *found.password)
        return found


@contextmanager
def street_of(folder: Path) -> Iterator[Street]:
    """Serve in a thread, with a loop of its own, as long as the block lasts."""
    came, end = threading.Event(), threading.Event()
    found: list[Any] = []

    async def serve() -> None:
        given: dict[str, Any] = {"registration": "open", "requests": "strangers"}
        async with serving(folder / "server", **given | PAUSES) as live:
            loop = asyncio.get_running_loop()

            async def make(kind: Any, name: str = "") -> str:
                def do(tx: Tx) -> str:
                    line = tx.one("SELECT account FROM account WHERE folded = ?", name)
                    account = None if line is None else line[0]
                    return make_invite(
                        tx, kind, None, uses=1, days=7, now=live.now, account=account
                    )[1]

                link: str = await live.running.works.do(do)
                return f"{live.address}/i/{link.partition('/i/')[2]}"

            def reset_link(name: str) -> str:
                return asyncio.run_coroutine_threadsafe(make("reset", name), loop).result(30)

            found.extend((live.address, await make("owner"), reset_link))
            came.set()
            await asyncio.to_thread(end.wait)

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            came.set()

    cheap = pytest.MonkeyPatch()
    cheap.setattr(vault, "ARGON2_MEMORY_KIB", CHEAP_KIB)
    cheap.setattr(vault, "ARGON2_PASSES", 1)
    (folder / "server").mkdir()
    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert came.wait(30)
        yield Street(folder, *found)
    finally:
        end.set()
        thread.join(30)
        cheap.undo()
