"""Bots: enrolled by a link of the host, headless, and answering everything once."""

import asyncio
import logging
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alcove.client.errors import RefusedError, UsageError
from alcove.client.io.bot import KEY_NAME, LINK_VARIABLE, Bot
from alcove.client.io.client import Client
from alcove.client.io.messages import Message
from alcove.client.io.news import RoomChanged
from alcove.client.io.people import Person
from alcove.server.tx import Tx as ServerTx
from tests.client.io.live import PATIENCE_S, Town, met

ROOT = Path(__file__).parents[3]


def echo(town: Town, link: str = "", **options: Any) -> Bot:
    """Return a bot that says what it hears."""
    bot = Bot("echo", town.folder / "echo", link=link, **options)

    @bot.on_message
    async def answer(message: Message) -> None:
        if message.text == "fail":
            raise ValueError(message.text)
        await message.reply(f"You said: {message.text}")

    return bot


async def answered(town: Town, client: Client, text: str) -> str:
    """Say something to the bot, and return what it answers."""
    await (await client.direct("@echo")).send(text)
    return (await town.hears(client, f"You said: {text}")).text


@met()
async def test_a_bot_is_enrolled_answers_and_is_marked(town: Town) -> None:
    ada = await town.newcomer("ada")
    bot = echo(town, await town.link("bot"))
    running = asyncio.create_task(bot.serve())
    await until_it_is_there(town)
    assert await answered(town, ada, "hello") == "You said: hello"
    assert bot.client.db.one("SELECT is_bot FROM me") == (1,)
    assert [one.is_bot for one in await ada.who_is_online() if str(one.person) == "echo"] == [True]
    bot.stop()
    await running
    mode = stat.S_IMODE((town.folder / "echo" / KEY_NAME).stat().st_mode)
    assert mode == 0o600


async def until_it_is_there(town: Town) -> None:
    """Wait until the bot has registered."""

    def is_there(tx: ServerTx) -> bool:
        return tx.one("SELECT 1 FROM account WHERE name = 'echo'") is not None

    async with asyncio.timeout(PATIENCE_S):
        while not await town.live.running.works.look(is_there):  # noqa: ASYNC110 - It says nothing.
            await asyncio.sleep(0.05)


@met()
async def test_what_came_while_a_bot_was_away_is_answered_once(town: Town) -> None:
    ada = await town.newcomer("ada")
    bot = echo(town, await town.link("bot"))
    running = asyncio.create_task(bot.serve())
    await until_it_is_there(town)
    await answered(town, ada, "one")
    bot.stop()
    await running
    room = ada.room("@echo")
    await (await room.send("two")).sent(PATIENCE_S)
    again = echo(town)
    running = asyncio.create_task(again.serve())
    await town.hears(ada, "You said: two")
    await answered(town, ada, "three")
    again.stop()
    await running
    mine = [message.text for message in room.history() if not message.is_mine and message.author]
    assert [text for text in mine if text.startswith("You")] == [
        "You said: one", "You said: two", "You said: three",
    ]  # fmt: skip


@met()
async def test_a_handler_that_fails_stops_nothing_and_leaks_nothing(
    town: Town,
) -> None:
    ada = await town.newcomer("ada")
    bot = echo(town, await town.link("bot"))
    heard: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = heard.append  # type: ignore[assignment,method-assign]
    logging.getLogger("alcove.client").addHandler(handler)
    changes: list[str] = []

    @bot.on(RoomChanged)
    async def note(news: RoomChanged) -> None:
        changes.append(news.room.title)

    running = asyncio.create_task(bot.serve())
    await until_it_is_there(town)
    await (await ada.direct("@echo")).send("fail")
    await answered(town, ada, "go on")
    bot.stop()
    await running
    logging.getLogger("alcove.client").removeHandler(handler)
    assert bot.failures == 1
    (record,) = heard
    assert "ValueError" in record.getMessage()
    assert "ada" in changes


@met(requests="everyone")
async def test_a_bot_accepts_whom_its_policy_names(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")

    def only_ada(person: Person) -> bool:
        return person.name == "ada"

    bot = echo(town, await town.link("bot"), accepts=only_ada)
    running = asyncio.create_task(bot.serve())
    await until_it_is_there(town)
    await (await (await bob.direct("@echo")).send("me too?")).sent(PATIENCE_S)
    await answered(town, ada, "hello")
    assert [str(room.partner) for room in bot.client.rooms()] == ["ada"]
    assert bot.client.requests() == []
    bot.stop()
    await running


@met()
async def test_a_link_works_once_and_without_one_a_bot_says_what_it_needs(
    town: Town,
) -> None:
    with pytest.raises(UsageError, match=LINK_VARIABLE):
        await echo(town).serve()
    link = await town.link("bot")
    bot = Bot("first", town.folder / "first", link=link)
    running = asyncio.create_task(bot.serve())
    bot.stop()
    await running
    with pytest.raises(RefusedError, match=r"used up|invite"):
        await Bot("second", town.folder / "second", link=link).serve()
    with pytest.raises(UsageError, match="does not run"):
        _ = bot.client


@met()
async def test_the_bot_of_the_guide_runs_and_ends_by_sigterm(town: Town) -> None:
    ada = await town.newcomer("ada")
    guide = (ROOT / "docs" / "howto" / "bot.md").read_text("utf-8")
    found = re.search(r"```python\n(# echo\.py\n.*?)```", guide, re.DOTALL)
    assert found is not None
    code = found[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    program = town.folder / "echo.py"
    program.write_text(code, encoding="utf-8")
    link = await town.link("bot")
    environment = {**os.environ, LINK_VARIABLE: link, "PYTHONPATH": str(ROOT / "src")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), cwd=town.folder, env=environment, stderr=subprocess.PIPE
    )
    try:
        await until_it_is_there(town)
        assert await answered(town, ada, "hello") == "You said: hello"
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert (process.returncode, said) == (0, b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
