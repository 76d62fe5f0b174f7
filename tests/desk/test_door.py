"""Coming in by an account that this machine has."""

from alcove.desk import chats, door, profile
from tests.desk.desks import Square, sat


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
