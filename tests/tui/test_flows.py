"""What somebody does in the terminal app, from the first start on."""

from alcove.desk import chats, messages, people
from alcove.desk.news import AskingChanged
from tests.tui.seats import Seat, seated


@seated(size=(110, 32))
async def test_a_newcomer_registers_and_talks(seat: Seat) -> None:
    bob = await seat.square.newcomer("bob")
    await seat.register("ada")
    await seat.sees("@ada", "connected", "This session")
    await seat.press("1")
    await seat.press("ctrl+n")
    await seat.type("bob")
    await seat.press("enter")
    await seat.sees("bob", "encrypted", "not compared yet")
    await seat.type("are you there?")
    await seat.press("enter")
    await seat.sees("You", "are you there?", "✓ stored")

    await bob.sees(AskingChanged)
    (asking,) = await bob.ask(people.GetAsking())
    await bob.ask(people.Accept(room=asking.room))
    (chat,) = await bob.until(chats.GetChats(), lambda found: bool(found and found[0].last))
    await bob.ask(messages.Send(room=chat.room, text="yes, **here** I am"))
    await seat.sees("yes, here I am")
