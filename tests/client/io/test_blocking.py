"""Scripts that do not await: one call after the other."""

import asyncio
from typing import Any

import pytest

from alcove.client.errors import UsageError
from alcove.client.io.blocking import Blocking, send
from alcove.client.io.client import Client
from tests.client.io.live import Town, met


@met()
async def test_a_script_sends_and_receives_without_awaiting(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await ada.close()
    folder = town.folder / "ada"

    def script() -> list[str]:
        with Client.blocking(folder, passphrase="heron") as me:
            sent = me.send("@bob", "the backup is done")
            assert sent.state == "stored"
            answer = me.receive(20)
            assert answer is not None
            assert me.receive(0) is None
            assert me.do(lambda client: client.name) == "ada"
            assert [str(one.person) for one in me.do(Client.who_is_online)] == ["ada", "bob"]
            return [message.text for message in me.history("@bob") if message.kind == "text"]

    running = asyncio.create_task(asyncio.to_thread(script))
    heard = await town.hears(bob, "the backup is done")
    await heard.reply("good")
    assert await running == ["the backup is done", "good"]


@met()
async def test_one_line_says_one_thing(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await ada.close()
    given: dict[str, Any] = {"where": town.folder / "ada", "passphrase": "heron"}
    await asyncio.to_thread(send, "@bob", "done", **given)
    await town.hears(bob, "done")


@met()
async def test_what_goes_wrong_is_told_and_everything_is_let_go(town: Town) -> None:
    ada = await town.newcomer("ada")
    await ada.close()
    folder = town.folder / "ada"

    def wrong() -> None:
        with Client.blocking(folder, passphrase="crane"):
            pass

    def script() -> None:
        with Client.blocking(folder, passphrase="heron") as me:
            me.send("@nobody", "hello?")

    with pytest.raises(UsageError, match="not the passphrase"):
        await asyncio.to_thread(wrong)
    with pytest.raises(UsageError, match="Nobody on this server"):
        await asyncio.to_thread(script)
    async with Client(folder, passphrase="heron") as again:
        assert again.name == "ada"
    with pytest.raises(UsageError, match="inside `with`"):
        _ = Blocking(lambda: again).client
