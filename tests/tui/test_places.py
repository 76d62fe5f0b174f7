"""The other places: what is done there is so on the server, as somebody else's desk tells."""

import json

from PIL import Image

from alcove.desk import chats, door, files, messages, people, profile, rooms, security
from alcove.desk.news import AskingChanged, Ended
from alcove.tui.asking import Asking
from alcove.tui.comparing import Comparing
from tests.client.io.live import PASSWORD
from tests.tui.seats import LOOK_S, Seat, seated


@seated()
async def test_a_request_is_declined_and_another_accepted(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, eve = await seat.square.newcomer("bob"), await seat.square.newcomer("eve")
    for face in (eve, bob):
        room = await face.ask(people.Direct(name="ada"))
        await face.ask(messages.Send(room=room, text=f"this is {face.name}"))
        await seat.until(lambda: seat.app.asking)
    await seat.until(lambda: seat.app.asking == 2)
    titles = {one.title for one in seat.app._notifications}
    assert titles <= {"eve wants to chat", "bob wants to chat"}
    assert titles
    await seat.press("1")
    await seat.sees("2 requests")
    await seat.press("a")
    await seat.sees("Chat requests 2", "eve", "wants to chat")
    await seat.press("x")
    await seat.sees("Chat requests 1")
    await seat.press("a")
    await seat.sees("this is bob", "encrypted")
    assert [one.title for one in seat.app.chats.values() if one.state == "active"] == ["bob"]
    assert not isinstance(seat.app.screen, Asking)
    await seat.type("welcome")
    await seat.press("enter")
    await bob.until(chats.GetChats(), lambda found: found[0].last == "welcome")


@seated()
async def test_a_group_is_made_filled_and_left(seat: Seat) -> None:
    await seat.arrive("ada")
    bob = await seat.square.newcomer("bob")
    await seat.press("2", "ctrl+n")
    await seat.asked("Harbour", "boats", "", "")
    await seat.sees("Harbour", "encrypted")
    await seat.press("escape", "2")
    await seat.sees("You are", "owner")
    await seat.press("plus")
    await seat.asked("bob")
    await bob.sees(AskingChanged)
    (asking,) = await bob.ask(people.GetAsking())
    assert (asking.person.name, asking.kind) == ("ada", "group")
    await bob.ask(people.Accept(room=asking.room))
    await bob.until(chats.GetChats(), lambda found: [one.state for one in found] == ["active"])
    await bob.until(
        rooms.GetRoom(room=asking.room),
        lambda room: (len(room.members), room.chat.title, room.topic) == (2, "Harbour", "boats"),
    )
    await seat.sees("Members 2", "bob")

    await seat.press("tab", "down", "e")
    await seat.sees("bob becomes")
    await seat.type("owner")
    await seat.press("enter")
    await bob.until(rooms.GetRoom(room=asking.room), lambda room: room.role == "owner")

    await seat.press("shift+tab", "l")
    await seat.sees("Whoever has it can join")
    link = seat.app.clipboard
    eve = await seat.square.newcomer("eve")
    await eve.ask(rooms.Join(link=link))
    await seat.press("escape")
    await seat.sees("Members 3", "eve")

    await seat.press("d")
    await seat.sees("Leave Harbour?")
    await seat.press("y")
    await bob.until(
        rooms.GetRoom(room=asking.room),
        lambda room: "ada" not in [one.person.name for one in room.members],
    )


@seated()
async def test_a_file_is_sent_by_its_path_and_one_that_comes_is_saved(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    folder = seat.square.folder
    (folder / "plan.txt").write_text("boats at noon\n" * 100)
    (folder / "saved").mkdir()
    await seat.open("bob")
    await seat.attach(folder / "plan.txt", "have a look")
    found = await bob.until(
        chats.GetLines(room=room), lambda lines: any(one.files for one in lines)
    )
    line = next(one for one in found if one.files)
    await bob.ask(files.Save(line=line.number, place=0, folder=str(folder / "saved")))
    assert (folder / "saved" / "plan.txt").read_text() == "boats at noon\n" * 100
    await seat.sees("plan.txt", "1.4 kB")

    (folder / "answer.txt").write_text("at one")
    await bob.ask(messages.SendFiles(room=room, paths=(str(folder / "answer.txt"),)))
    await seat.sees("answer.txt")
    await seat.press("escape", "3")
    await seat.sees("2 files", "answer.txt", "plan.txt")
    await seat.press("s")
    await seat.asked(str(folder / "saved"))
    await seat.told("its hash was checked")
    assert (folder / "saved" / "answer.txt").read_text() == "at one"
    await seat.press("down", "d")
    await seat.sees("plan.txt away for everyone?")
    await seat.press("y")
    await bob.until(
        chats.GetLines(room=room), lambda lines: any(one.kind == "gone" for one in lines)
    )
    await seat.sees("1 file,")


@seated()
async def test_safety_numbers_are_compared_and_what_the_server_noted_is_shown(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, _ = await seat.meet("bob")
    me = seat.app.me
    assert me is not None
    await seat.press("4")
    await seat.sees("this one", "bob", "unchecked", "Account created")
    await seat.press("tab", "down", "v")
    await seat.sees("Safety number with bob", "not compared yet")
    assert isinstance(seat.app.screen, Comparing)
    theirs = await bob.ask(people.GetSafety(account=me.person.account))
    await seat.press("tab")
    await seat.fill("theirs", theirs.digits)
    await seat.press("enter")
    await seat.sees("checked", "Your devices")
    await seat.until(
        lambda: [one.person.trust for one in seat.app.chats.values() if one.person] == ["checked"]
    )


@seated()
async def test_others_see_the_name_that_is_chosen_and_leaving_clears_the_machine(
    seat: Seat,
) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    me = seat.app.me
    assert me is not None
    await seat.press("e")
    face = seat.square.folder / "ada.png"
    Image.new("RGB", (64, 64), (224, 164, 88)).save(face)
    await seat.asked("Ada L.", "on the quay", str(face))
    await seat.sees("Ada L.", "“on the quay”", "▀▀▀")
    found = await bob.until(
        people.GetPerson(account=me.person.account), lambda one: bool(one.called)
    )
    assert (found.called, found.status) == ("Ada L.", "on the quay")
    known = bob.desk._desk.client.person_of(bytes.fromhex(me.person.account))

    async def picture() -> bytes:
        return known.picture  # In the thread of bob's desk.

    while not (await bob.desk._there(picture())).startswith(b"\xff\xd8"):
        await seat.pilot.pause(LOOK_S)
    await seat.press("h")
    await seat.sees("nobody sees it")
    assert not [one for one in await bob.ask(people.GetOnline()) if one.name == "ada"]

    await seat.press("d")
    await seat.sees("Log out?")
    await seat.press("y")
    await seat.sees("Create account")
    assert not list((seat.square.folder / "me").rglob("*.sqlite*"))
    assert not seat.app.chats
    assert (await bob.ask(profile.GetMe())).connection.state == "online"
    assert room


@seated(size=(110, 32))
async def test_a_device_is_revoked_and_events_are_written_down(seat: Seat) -> None:
    await seat.arrive("ada")
    lost = await seat.square.face("lost")
    await lost.ask(
        door.SignIn(
            server=seat.square.address, name="ada", password=PASSWORD, passphrase="heron"
        )
    )  # fmt: skip
    await seat.press("4")
    await seat.sees("Your devices 2", "this one")
    devices = await seat.app.ask(security.GetDevices())
    await seat.press(*(["down"] if devices[0].is_this else []), "enter")
    await seat.sees("could read")
    await seat.press("escape", "d")
    await seat.asked("not my password", "")
    await seat.until(lambda: seat.app._notifications)
    await seat.press("d")
    await seat.asked(PASSWORD, "")
    await seat.told("is revoked")
    await lost.sees(Ended)
    await seat.sees("Your devices 1")

    path = seat.square.folder / "events.json"
    await seat.press("s")
    await seat.asked(str(path))
    await seat.told("events are in")
    assert "device_revoked" in {one["kind"] for one in json.loads(path.read_text())}
    assert oct(path.stat().st_mode)[-3:] == "600"


@seated()
async def test_nothing_rings_in_quiet_hours_nor_from_what_is_muted(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    rung: list[str] = []
    seat.app.notice = rung.append  # type: ignore[method-assign, assignment]
    seat.app._rings = type(seat.app._rings)(9, 1)  # However soon one comes after the other.
    seat.app.app_focus = False
    await bob.ask(messages.Send(room=room, text="first"))
    await seat.until(lambda: "bob: first" in rung)
    await seat.press("5", "q")
    await seat.asked("half past nine")
    await seat.told("such as 22:00-07:00")
    await seat.press("q")
    await seat.asked("0:00-23:59")
    await seat.sees("00:00-23:59")
    seat.app.app_focus = False
    await bob.ask(messages.Send(room=room, text="second"))
    await seat.until(lambda: seat.app.chats[room].last == "second")
    await seat.press("q")
    await seat.asked(" ")
    await seat.sees("none")
    seat.app.app_focus = False
    await bob.ask(messages.Send(room=room, text="third"))
    await seat.until(lambda: "bob: third" in rung)
    assert "bob: second" not in rung


@seated()
async def test_a_group_with_somebody_unknown_asks_again_with_what_was_typed(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.press("2", "ctrl+n")
    await seat.asked("Harbour", "boats", "nosuch", "closed")
    await seat.sees("New group", "Harbour", "boats", "▲", "Nobody on this server")
    await seat.asked("", "", " ", "")
    await seat.sees("# Harbour", "encrypted")
    (chat,) = seat.app.chats.values()
    assert (await seat.app.ask(rooms.GetRoom(room=chat.room))).history == "closed"
