"""Coming in by an account that this machine has, and going out again."""

import asyncio
import threading
from pathlib import Path

import pytest

from alcove.desk import chats, door, messages, profile, rooms
from alcove.desk.news import News
from alcove.desk.thread import DeskThread
from tests.client.io.live import PASSWORD
from tests.desk.desks import Square, sat
from tests.tui.seats import Wire

SOON_S = 0.2
PATIENCE_S = 20


def left(home: Path) -> list[str]:
    """Return what lies in the profiles of a home."""
    return sorted(str(one) for one in home.rglob("profiles/*/*"))


@sat()
async def test_what_is_known_here_is_shown_before_a_line_is_looked_for(square: Square) -> None:
    ada = await square.newcomer("ada")
    await ada.ask(door.Lock())
    await ada.ask(door.Prepare())
    (account,) = await ada.ask(door.GetAccounts())
    assert account.asks_passphrase

    await ada.ask(door.Open(profile=account.profile, passphrase="heron", connects=False))
    assert (await ada.ask(profile.GetMe())).connection.state != "online"
    assert await ada.ask(chats.GetChats()) == ()

    await ada.ask(door.Connect())
    await ada.ask(door.Connect())  # Once is enough.
    await ada.until(profile.GetMe(), lambda me: me.connection.state == "online")


@sat()
async def test_logging_out_clears_this_machine_though_the_server_answers_nothing(
    square: Square,
) -> None:
    wire = Wire(int(square.address.rpartition(":")[2]))
    async with await wire.lay():
        ada = await square.face("ada")
        call = door.Register(
            server=wire.address, name="ada", password=PASSWORD, passphrase="heron"
        )  # fmt: skip
        await ada.ask(call)
        await ada.until(profile.GetMe(), lambda me: me.connection.state == "online")
        notes = await ada.ask(rooms.GetNotes())
        wire.hold(0)
        await ada.ask(messages.Send(room=notes, text="and thanks"))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(door, "LINE_S", SOON_S)
            await ada.ask(door.LogOut())
        assert await ada.ask(door.GetAccounts()) == ()
        assert left(ada.home) == []
        wire.cut()
        wire.flow()


def test_who_quits_while_registering_at_a_server_that_answers_nothing_is_let_go(
    tmp_path: Path,
) -> None:
    mistakes: list[tuple[News, ...]] = []

    async def story() -> None:
        came, over = asyncio.Event(), asyncio.Event()

        async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.set()
            await over.wait()
            writer.close()

        async with await asyncio.start_server(never, "127.0.0.1", 0) as server:
            desk = DeskThread(mistakes.append, tmp_path)
            desk.start()
            address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            call = door.Register(server=address, name="ada", password=PASSWORD, passphrase="heron")
            registering = asyncio.create_task(desk.ask(call))
            await asyncio.wait_for(came.wait(), PATIENCE_S)
            await asyncio.wait_for(desk.close(), PATIENCE_S)
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(registering, PATIENCE_S)
            over.set()

    asyncio.run(story())
    assert mistakes == []
    assert not [one for one in threading.enumerate() if one.name == "alcove desk"]
