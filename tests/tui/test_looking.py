"""Whose keys have changed, who has read, and what was noted: seen everywhere where it matters."""

from textual.widgets import OptionList

from alcove.desk import chats, door, messages, people, rooms, security
from alcove.desk.news import AskingChanged
from alcove.server.admin import tell
from alcove.server.admin_messages import Tell
from tests.client.io.live import PASSWORD
from tests.desk.desks import Face
from tests.tui.seats import LOOK_S, Seat, seated


async def harbour(seat: Seat, *names: str) -> tuple[str, list[Face]]:
    """Make a group of people whom one meets nowhere else."""
    faces = [await seat.square.newcomer(name) for name in names]
    room = await seat.app.ask(rooms.CreateGroup(name="Harbour", members=names))
    for face in faces:
        await face.sees(AskingChanged)
        await face.ask(people.Accept(room=room))
    count = len(names) + 1
    for face in faces:
        await face.until(chats.GetChats(), lambda found: [one.state for one in found] == ["active"])
        await face.until(rooms.GetRoom(room=room), lambda found: len(found.members) == count)
        await face.ask(chats.OpenRoom(room=room))
    return room, faces


@seated()
async def test_changed_keys_of_somebody_from_a_group_are_shown_until_one_has_looked(
    seat: Seat,
) -> None:
    await seat.arrive("ada")
    _, (bob, carol) = await harbour(seat, "bob", "carol")
    await seat.press("1", "5")
    await seat.sees("all is well", "1 group ")
    owner = carol.desk._desk.client.owner
    await carol.desk._there(owner.renew_keys(PASSWORD, PASSWORD + "!"))
    await seat.sees("▲ 1 to look at", "4 Security ▲1")
    await seat.press("4")
    await seat.sees("People 2", "carol", "▲ changed: look")
    pinned = seat.app.screen.query_one("#pinned", OptionList)
    pinned.focus()
    await seat.press("home", "v")
    await seat.sees("Safety number with carol", "a they match", "g I have looked")
    await seat.press("g")
    await seat.until(lambda: not seat.app.to_look_at)
    await seat.press("5")
    await seat.sees("all is well")
    assert bob.name == "bob"


@seated()
async def test_who_has_read_is_counted_and_named(seat: Seat) -> None:
    await seat.arrive("ada")
    room, (bob, carol) = await harbour(seat, "bob", "carol")
    await seat.open("Harbour")
    await seat.type("who is there?")
    await seat.press("enter")
    for face in (bob, carol):
        await face.until(
            chats.GetLines(room=room), lambda lines: any(one.kind == "text" for one in lines)
        )
    await bob.ask(chats.Read(room=room))
    await seat.sees("✓✓ read 1/2")
    await carol.ask(chats.Read(room=room))
    await seat.sees("✓✓ read 2/2")
    await seat.press("up", "e")
    await seat.until(lambda: seat.app.screen.focused.id == "compose")  # type: ignore[union-attr]
    await seat.type(" now")
    await seat.press("enter")
    await seat.sees("edited")
    await seat.press("up", "i")
    await seat.sees("About this message", "Read by", "@bob", "@carol", "who is there?")


@seated()
async def test_a_view_is_cleared_here_and_the_server_keeps_what_it_has(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.press("4")
    await seat.sees("Account created")
    seat.app.screen.query_one("#events").focus()
    await seat.press("d")
    await seat.sees("Clear what is shown here?", "keeps its log")
    await seat.press("y")
    await seat.sees("What happened 0", "Cleared by you on this machine")
    other = await seat.square.face("other")
    await other.ask(
        door.SignIn(
            server=seat.square.address, name="ada", password=PASSWORD, passphrase="heron"
        )
    )  # fmt: skip
    kinds = {one.kind for one in await other.ask(security.GetEvents())}
    assert {"account_created", "device_added"} <= kinds
    assert await other.ask(security.GetCleared()) is None
    await seat.press("5", "4")
    events = seat.app.screen.query_one("#events", OptionList)
    await seat.until(lambda: events.option_count > 1)
    events.focus()
    await seat.press("end")
    await seat.sees("Cleared by you on this machine")
    mine = {one.kind for one in await seat.app.ask(security.GetEvents())}
    assert "device_added" in mine
    assert "account_created" not in mine


@seated()
async def test_ones_own_requests_are_listed_and_names_are_completed(seat: Seat) -> None:
    bob = await seat.square.newcomer("bob")
    await seat.arrive("ada")
    await seat.press("1", "a")
    await seat.sees("Nobody waits for an answer")
    await seat.press("slash")
    await seat.type("bo")
    await seat.sees("tab takes @bob")
    await seat.press("tab", "enter")
    await seat.sees("has not accepted")
    await seat.type("hello")
    await seat.press("enter")
    await bob.sees(AskingChanged)
    await seat.press("escape", "escape", "a")
    await seat.sees("Sent by you 1", "⋯ waiting since")
    (asking,) = await bob.ask(people.GetAsking())
    await bob.ask(people.Accept(room=asking.room))
    await bob.until(chats.GetChats(), lambda found: bool(found and found[0].last))
    await bob.ask(messages.Send(room=asking.room, text="hello too"))
    await seat.press("escape")
    await seat.sees("hello too")


@seated(size=(110, 32))
async def test_a_group_is_found_links_end_and_a_member_is_written_to(seat: Seat) -> None:
    await seat.arrive("ada")
    bob = await seat.square.newcomer("bob")
    room = await bob.ask(rooms.CreateGroup(name="Reading", topic="a book a month"))
    await bob.until(rooms.GetRoom(room=room), lambda found: found.chat.state == "active")
    await bob.ask(rooms.Publish(room=room, alias="reading", about="a book a month"))
    while not any(one.is_open for one in await bob.ask(rooms.FindGroups())):
        await seat.pilot.pause(LOOK_S)
    await seat.press("2", "slash")
    await seat.sees("Join a group", "reading", "a book a month")
    await seat.press("enter")
    await seat.sees("# Reading", "encrypted")
    await bob.until(rooms.GetRoom(room=room), lambda found: len(found.members) == 2)
    await seat.press("alt+2")
    await seat.sees("Made", "by @bob")
    members = seat.app.screen.query_one("#members", OptionList)
    members.focus()
    await seat.press("home", "c")
    await seat.until(lambda: seat.app.screen.focused.id == "compose")  # type: ignore[union-attr]
    await seat.type("hello")
    await seat.press("enter")
    await bob.until(chats.GetChats(), lambda found: any(one.last == "hello" for one in found))

    await seat.press("alt+2", "ctrl+n")
    await seat.asked("Harbour", "", "", "")
    await seat.sees("# Harbour")
    await seat.press("alt+2", "l")
    await seat.sees("Whoever has it can join")
    link = seat.app.clipboard
    await seat.press("escape")
    await seat.sees("Links that let people in")
    await seat.press("L")
    await seat.sees("End a link")
    await seat.press("enter")
    await seat.until(lambda: "Links that let people in" not in seat.screen)
    eve = await seat.square.newcomer("eve")
    harbour_room = next(one.room for one in seat.app.chats.values() if one.title == "Harbour")
    assert not await seat.app.ask(rooms.GetLinks(room=harbour_room))
    assert link
    assert await eve.ask(chats.GetChats()) == ()


@seated()
async def test_what_the_host_tells_everyone_is_shown_as_the_hosts(seat: Seat) -> None:
    await seat.arrive("ada")
    told = Tell(text="The server moves on Saturday.")
    await seat.square.live.running.works.do(lambda tx: tell(tx, told))
    await seat.told("The server moves on Saturday.")
    assert "The host says" in [one.title for one in seat.app._notifications]
