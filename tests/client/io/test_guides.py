"""The guides for who writes programs: each block of code in them is run."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.client.io.live import PATIENCE_S, Town, met

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "docs" / "howto" / "sdk.md").read_text("utf-8")
BLOCKS = dict(re.findall(r"```python\n# (\w+)\.py\n(.*?)```", GUIDE, re.DOTALL))
SEEN = ("hello", "coming", "messages", "files", "news", "people", "script")


def run(name: str, **known: Any) -> dict[str, Any]:
    """Run a block of the guide, and return what it defines."""
    known["__name__"] = name
    exec(compile(BLOCKS[name], f"{name}.py", "exec"), known)  # noqa: S102 - Our own guide.
    return known


def test_every_block_of_the_guide_is_run_here() -> None:
    assert GUIDE.count("```python") == len(BLOCKS)
    assert tuple(BLOCKS) == SEEN


@met()
async def test_the_first_example_says_hello(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await ada.close()
    program = BLOCKS["hello"].replace("Client()", "Client(folder, passphrase='heron')")
    assert program != BLOCKS["hello"]
    program = program.replace("asyncio.run(main())", "running = main()")
    known: dict[str, Any] = {"folder": town.folder / "ada"}
    exec(compile(program, "hello.py", "exec"), known)  # noqa: S102
    await known["running"]
    await town.hears(bob, "hello")


@met()
async def test_the_examples_of_coming_work(town: Town) -> None:
    main: Callable[..., Any] = run("coming")["main"]
    await main(town.address, town.folder)


@met()
async def test_the_examples_of_talking_work(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    team = await ada.create_group("Team", ["bob"])
    listening = asyncio.create_task(run("news")["listen"](bob))
    await team.send("welcome")
    async with asyncio.timeout(PATIENCE_S):
        await listening
    await run("messages")["talk"](team)
    report = town.folder / "report.txt"
    report.write_text("all is well", encoding="utf-8")
    await run("files")["exchange"](team, report, town.folder)
    await town.hears(bob, "the report")
    assert (town.folder / "report (2).txt").read_text("utf-8") == "all is well"
    await run("people")["look"](ada)
    await ada.close()
    script = run("script")["backup_is_done"]
    await asyncio.to_thread(script, where=town.folder / "ada", passphrase="heron")
    await town.hears(bob, "the backup is done")


@pytest.mark.parametrize("page", ["bot.md", "sdk.md"])
def test_the_guides_name_only_what_is_offered(page: str) -> None:
    from alcove import client  # noqa: PLC0415

    text = (ROOT / "docs" / "howto" / page).read_text("utf-8")
    named = re.findall(r"`(\w+(?:Error|Changed|Received|Sent))`", text)
    assert [name for name in named if name not in client.__all__] == []
