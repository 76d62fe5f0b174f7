"""What two people see who talk with each other."""

from alcove.desk import chats, messages, people, profile
from alcove.desk.news import AskingChanged, Called, ChatsChanged, LinesChanged
from tests.desk.desks import Square, sat


@sat()
async def test_two_people_meet_and_talk(square: Square) -> None:
    ada, bob = await square.newcomer("ada"), await square.newcomer("bob")
    me = await ada.ask(profile.GetMe())
    assert (me.person.name, me.server, me.connection.state) == ("ada", square.address, "online")

    room = await ada.ask(people.Direct(name="bob"))
    said = await ada.ask(messages.Send(room=room, text="are you there?"))
    assert (said.text, said.is_mine, said.state) == ("are you there?", True, "waiting")

    assert (await bob.sees(AskingChanged)).count == 1
    (asking,) = await bob.ask(people.GetAsking())
    assert (asking.person.name, asking.kind) == ("ada", "direct")
    await bob.ask(people.Accept(room=asking.room))
    (chat,) = await bob.until(chats.GetChats(), lambda found: bool(found and found[0].last))
    assert (chat.title, chat.last, chat.unread) == ("ada", "are you there?", 1)

    opened = await bob.ask(chats.OpenRoom(room=chat.room))
    assert [one.person.name for one in opened.members] == ["ada", "bob"]
    (line,) = [one for one in await bob.ask(chats.GetLines(room=chat.room)) if one.kind == "text"]
    assert (line.text, line.is_new, line.author and line.author.name) == (
        "are you there?", True, "ada",
    )  # fmt: skip
    await bob.ask(chats.Read(room=chat.room))
    assert (await bob.sees(ChatsChanged, lambda news: news.chats[0].unread == 0)).chats

    await ada.ask(chats.OpenRoom(room=room))
    await bob.ask(messages.Send(room=chat.room, text="yes @ada", reply_to=line.number))
    news = await ada.sees(
        LinesChanged, lambda news: any(one.text == "yes @ada" for one in news.lines)
    )
    (answer,) = [one for one in news.lines if one.text == "yes @ada"]
    assert answer.reply is not None
    assert (answer.reply.by, answer.reply.text, answer.calls_me) == ("ada", "are you there?", True)
    assert (await ada.sees(Called)).title == "bob"
