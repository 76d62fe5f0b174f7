"""The door: coming in, for the first time and again."""

from textual import events
from textual.widgets import Button, Input

from alcove.desk import chats, messages, people, profile
from alcove.tui.shell import Tick
from tests.client.io.live import PASSWORD
from tests.tui.seats import Seat, seated


@seated(size=(140, 40))
async def test_a_newcomer_with_generated_words_is_known_to_others(seat: Seat) -> None:
    await seat.sees("Create account", "five words", "very strong")
    words = seat.app.screen.query_one("#password").value  # type: ignore[attr-defined]
    assert len(words.split("-")) == 5
    await seat.press("ctrl+n")
    await seat.until(
        lambda: seat.app.screen.query_one("#password").value != words  # type: ignore[attr-defined]
    )
    await seat.fill("server", seat.square.address)
    await seat.fill("name", "ada")
    await seat.fill("passphrase", "heron")
    seat.app.screen.query_one("#do", Button).press()
    await seat.sees("Write the five words down first")
    await seat.register("ada")
    bob = await seat.square.newcomer("bob")
    room = await bob.ask(people.Direct(name="ada"))
    await bob.ask(messages.Send(room=room, text="welcome"))
    await seat.until(lambda: seat.app.asking)


@seated(size=(80, 24))
async def test_ones_own_weak_password_shows_the_phrase(seat: Seat) -> None:
    await seat.sees("Create account")
    await seat.press("ctrl+e")
    await seat.fill("server", seat.square.address)
    await seat.fill("name", "ada")
    await seat.fill("password", "Harbour7!quay")
    await seat.sees("weak")
    await seat.fill("passphrase", "heron")
    await seat.sees("13 bits", "could guess it")  # It is said, and taken.
    seat.app.screen.query_one("#do", Button).press()
    await seat.sees("Your recovery phrase", "not strong enough")
    await seat.press("escape")
    await seat.sees("Quick actions", "Write your recovery phrase down")


@seated(size=(80, 24))
async def test_a_wrong_password_is_said_and_the_right_one_brings_another_device(
    seat: Seat,
) -> None:
    bob = await seat.square.newcomer("bob")
    await seat.sees("Create account")
    await seat.press("ctrl+s")
    await seat.fill("server", seat.square.address)
    await seat.fill("name", "bob")
    await seat.fill("password", "no " + PASSWORD)
    await seat.fill("passphrase", "heron")
    seat.app.screen.query_one("#do", Button).press()
    await seat.sees("password is wrong")
    await seat.fill("password", PASSWORD)
    seat.app.screen.query_one("#do", Button).press()
    await seat.sees("Quick actions", "@bob")
    assert await bob.ask(chats.GetChats()) is not None

    await seat.press("ctrl+l")
    await seat.sees("Welcome back", "bob")
    await seat.press("enter")
    await seat.asked("wrong")
    await seat.sees("Open bob", "This is not the passphrase")
    await seat.asked("heron")
    await seat.sees("Quick actions")


@seated(size=(110, 32))
async def test_an_invite_link_says_who_invites_and_lets_one_in_once(seat: Seat) -> None:
    bob = await seat.square.newcomer("bob")
    _, _, rest = (await bob.ask(profile.MakeInvite())).partition("/i/")
    link = f"{seat.square.address}/i/{rest}"
    await seat.sees("Create account")
    await seat.fill("server", link)
    await seat.press("tab")
    await seat.sees("@bob invites you to")
    await seat.fill("name", "ada")
    await seat.fill("passphrase", "heron")
    seat.app.screen.query_one("#written", Tick).value = True
    seat.app.screen.query_one("#do", Button).press()
    await seat.sees("Quick actions", "@ada")

    await seat.press("ctrl+l")
    await seat.sees("Welcome back")
    await seat.press("down", "enter", "ctrl+s")
    await seat.fill("server", link)
    await seat.press("tab")
    await seat.sees("This invite was used already")


@seated(size=(110, 32), registration="password", server_password="the server's password")
async def test_a_server_with_a_password_asks_for_it(seat: Seat) -> None:
    await seat.sees("Create account")
    await seat.fill("server", seat.square.address)
    await seat.press("tab")
    await seat.sees("asks for the server's password", "Password of the server")
    await seat.fill("name", "ada")
    await seat.fill("server_password", "a guess")
    await seat.fill("passphrase", "heron")
    seat.app.screen.query_one("#written", Tick).value = True
    seat.app.screen.query_one("#do", Button).press()
    await seat.until(lambda: "▲" in seat.screen and "password" in seat.screen.split("▲")[1])
    await seat.fill("server_password", "the server's password")
    seat.app.screen.query_one("#do", Button).press()
    await seat.sees("Quick actions", "@ada")


@seated()
async def test_what_a_program_types_in_one_go_lands_in_its_fields(seat: Seat) -> None:
    await seat.sees("Create account")
    await seat.press("ctrl+e")
    seat.app.screen.query_one("#name").focus()
    await seat.pilot.pause()
    for key in ("a", "d", "a", "tab", "x", "y", "shift+tab", "n"):
        seat.app.post_message(events.Key(key, key if len(key) == 1 else None))
    values = {name: seat.app.screen.query_one(f"#{name}", Input) for name in ("name", "password")}
    await seat.until(lambda: values["name"].value == "adan" and values["password"].value == "xy")
