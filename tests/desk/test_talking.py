"""What two people see who talk with each other."""

from collections.abc import Callable

import pytest

from alcove.client import signals
from alcove.desk import chats, desk, messages, people, profile
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
    (chat,) = await bob.until(chats.GetChats(), lambda found: bool(found and found[0].unread))
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


@sat()
async def test_who_writes_is_shown_until_it_comes_or_nothing_more_does(square: Square) -> None:
    ada, bob = await square.newcomer("ada"), await square.newcomer("bob")
    room = await ada.ask(people.Direct(name="bob"))
    await ada.ask(messages.Send(room=room, text="are you there?"))
    await bob.sees(AskingChanged)
    await bob.ask(people.Accept(room=room))
    await bob.until(chats.GetChats(), lambda found: bool(found and found[0].last))
    await ada.until(chats.GetChats(), lambda found: not found[0].waits_for)

    def writes(who: tuple[str, ...]) -> Callable[[ChatsChanged], bool]:
        return lambda news: news.chats[0].typing == who

    await bob.ask(chats.Type(room=room))
    await ada.sees(ChatsChanged, writes(("bob",)))
    await bob.ask(messages.Send(room=room, text="yes"))
    told = await ada.sees(ChatsChanged, lambda news: news.chats[0].last == "yes")
    assert told.chats[0].typing == ()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk, "TYPING_MS", 200)
        patch.setattr(signals, "TYPING_MS", 0)  # It may be said again at once.
        ada.news.clear()
        await bob.ask(chats.Type(room=room))
        await ada.sees(ChatsChanged, writes(("bob",)))
        await ada.sees(ChatsChanged, writes(()))
