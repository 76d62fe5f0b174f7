"""Whoever goes away finds the account locked, and everything as it was."""

from alcove.desk import chats
from tests.tui.seats import Seat, seated

LONG_MS = 60 * 60 * 1000


@seated()
async def test_an_app_that_nobody_uses_locks_itself_with_what_was_begun_kept(seat: Seat) -> None:
    await seat.arrive("ada")
    _, room = await seat.meet("bob")
    await seat.press("5", "o")
    await seat.sees("Lock when idle for")
    await seat.type("5 min")
    await seat.press("enter")
    await seat.sees("Locks when idle", "after 5 min")
    await seat.open("bob")
    await seat.type("not yet")
    await seat.press("ctrl+p")
    await seat.sees("All commands, chats, people")
    seat.app.used_at -= LONG_MS
    await seat.sees("Welcome back", "ada")
    await seat.press("enter")
    await seat.asked("heron")
    await seat.sees("Quick actions")
    (chat,) = await seat.app.ask(chats.GetChats())
    assert (chat.room, chat.draft) == (room, "not yet")


@seated(lock_after_s=600)
async def test_the_host_may_ask_for_a_shorter_time(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.press("o")
    await seat.sees("Lock when idle for")
    await seat.type("an hour")
    await seat.press("enter")
    await seat.sees("after 10 min, the host asks")
    seat.app.used_at -= LONG_MS // 4
    await seat.sees("Welcome back", "ada")


@seated()
async def test_two_accounts_of_one_machine_are_switched(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.press("ctrl+s")
    await seat.sees("Welcome back", "another account")
    await seat.press("down", "enter", "ctrl+s")
    await seat.register("bob")
    await seat.sees("@bob")
    await seat.press("ctrl+s")
    await seat.sees("Welcome back", "ada", "bob")
    await seat.press("home")
    names = [one.name for one in seat.app.screen._accounts]  # type: ignore[attr-defined]
    await seat.press(*["down"] * names.index("ada"), "enter")
    await seat.asked("heron")
    await seat.sees("Quick actions", "@ada")
