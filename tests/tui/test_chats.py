"""Talking: each act changes something on the server, and somebody else's desk reads it back."""

from textual.widgets import OptionList, TextArea

from alcove.desk import chats, messages, shown
from alcove.tui.log import Log
from tests.desk.desks import Face
from tests.tui.seats import Seat, Wire, seated


async def line(face: Face, room: str, text: str) -> shown.Line:
    """Wait until somebody has a line with this text."""
    found = await face.until(
        chats.GetLines(room=room), lambda lines: any(one.text == text for one in lines)
    )
    return next(one for one in found if one.text == text)


@seated()
async def test_what_is_said_answered_edited_and_taken_away_is_so_for_the_other(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    await seat.open("bob")
    await seat.sees("are you there?")

    await seat.press("up", "r")
    await seat.sees("Reply to bob")
    await seat.type("here I am")
    await seat.press("enter")
    said = await line(bob, room, "here I am")
    assert said.reply is not None
    assert (said.reply.by, said.reply.text) == ("bob", "are you there?")
    await seat.sees("You", "here I am", "✓")

    await seat.press("up", "e")
    await seat.until(lambda: seat.app.screen.focused.id == "compose")  # type: ignore[union-attr]
    await seat.type(" now")
    await seat.press("enter")
    said = await line(bob, room, "here I am now")
    assert said.is_edited
    await seat.sees("here I am now")

    await seat.press("up", "plus")
    await seat.sees("React with")
    await seat.press("enter")
    await bob.until(chats.GetLines(room=room), lambda lines: any(one.reactions for one in lines))
    await bob.ask(messages.React(line=said.number, emoji="👍"))
    await seat.sees("2 with you")

    await seat.press("escape", "up", "d")
    await seat.sees("Take your message away")
    await seat.press("y")
    await bob.until(
        chats.GetLines(room=room), lambda lines: any(one.kind == "gone" for one in lines)
    )
    await seat.sees("This message was taken away.")

    await bob.ask(chats.Type(room=room))
    await seat.sees("is typing…")


@seated()
async def test_a_poll_is_asked_and_both_vote(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    await seat.open("bob")
    await seat.choose("a poll")
    await seat.asked("When?", "Monday", "Tuesday", "", "", "")
    found = await bob.until(chats.GetLines(room=room), lambda lines: lines[-1].kind == "poll")
    await bob.ask(messages.Vote(line=found[-1].number, options=(1,)))
    await seat.sees("( ) 2 Tuesday", "1 voted")
    await seat.press("escape", "up", "1")
    await seat.sees("(•) 1 Monday", "2 voted")
    found = await bob.until(
        chats.GetLines(room=room), lambda lines: bool(lines[-1].poll and lines[-1].poll.voters == 2)
    )
    assert found[-1].poll is not None
    assert [one.people for one in found[-1].poll.options] == [("ada",), ("bob",)]


@seated()
async def test_what_is_new_is_counted_until_it_is_read_and_can_be_marked(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    said = await bob.ask(messages.Send(room=room, text="lunch at noon?"))
    await seat.sees("1 Chats  2 ")
    await seat.open("bob")
    await seat.sees("2 new", "lunch at noon?")
    found = await bob.until(
        chats.GetLines(room=room),
        lambda lines: any(one.number == said.number and one.state == "read" for one in lines),
    )
    assert found
    assert seat.app.unread == 0

    await seat.press("escape", "escape")
    await seat.until(lambda: seat.app.screen.focused.id == "chats")  # type: ignore[union-attr]
    await seat.press("down", "u")
    await seat.until(lambda: seat.app.chats[room].is_marked)
    await seat.press("enter")
    await seat.until(lambda: not seat.app.chats[room].is_marked)


@seated()
async def test_a_draft_is_there_again_and_what_was_said_is_found(seat: Seat) -> None:
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    await seat.open("bob")
    await seat.type("first things first")
    await seat.press("enter")
    await line(bob, room, "first things first")
    await seat.type("not yet")
    await seat.until(lambda: seat.app.chats[room].draft == "not yet")
    await seat.press("ctrl+l")
    await seat.sees("Welcome back", "ada")
    await seat.press("enter")
    await seat.asked("heron")
    await seat.sees("Quick actions")
    await seat.press("1")
    await seat.sees("Draft: not yet")
    await seat.open("bob")
    await seat.sees("not yet", "first things first")

    await seat.press("ctrl+f")
    await seat.sees("in bob")
    await seat.type("there")
    await seat.sees("are you there?")
    await seat.press("enter")
    await seat.until(lambda: seat.app.screen.focused.id == "log")  # type: ignore[union-attr]
    await seat.sees("r reply")
    await seat.press("ctrl+t")
    await seat.asked("2001-01-01")
    log = seat.app.screen.query_one(Log)
    await seat.until(lambda: log.line and log.line.kind == "note")


@seated()
async def test_without_a_line_all_is_kept_and_goes_when_it_is_mended(seat: Seat) -> None:
    wire = Wire(seat.square.live.port)
    async with await wire.lay():
        await seat.arrive("ada", wire.address)
        bob, room = await seat.meet("bob")
        await seat.open("bob")
        wire.cut()
        await seat.sees("No connection", "what you write is kept")
        await seat.type("later")
        await seat.press("enter")
        await seat.sees("later", "⋯ waiting", "1 wait to be sent")
        wire.mend()
        assert (await line(bob, room, "later")).text == "later"
        await seat.sees("connected", "✓")


@seated()
async def test_the_keys_of_a_shell_empty_what_is_typed_and_another_leads_to_what_is_new(
    seat: Seat,
) -> None:
    await seat.arrive("ada")
    await seat.meet("bob")
    eve, room = await seat.meet("eve")
    await seat.open("bob")
    text = seat.app.screen.query_one("#compose", TextArea)
    await seat.type("not to be sent")
    await seat.press("ctrl+u")
    assert text.text == ""
    await eve.ask(messages.Send(room=room, text="look here"))
    await seat.sees("1 Chats  2 ")
    await seat.press("alt+u")
    await seat.sees("look here", "2 new")
    await seat.press("ctrl+k", "slash")
    await seat.type("nobody")
    await seat.sees("No such chat here.", "writes to @nobody")
    await seat.press("ctrl+u")
    await seat.sees("bob", "eve")
    await seat.press("ctrl+n")
    await seat.sees("Type a user name")


@seated()
async def test_a_filter_that_finds_nothing_is_left_by_escape(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.meet("bob")
    await seat.open("bob")
    for way in ("escape", "ctrl+k"):
        await seat.press("ctrl+k", "slash")
        await seat.type("nobody")
        rows = seat.app.screen.query_one("#chats", OptionList)
        await seat.until(lambda: not rows.option_count)  # noqa: B023 - It is asked at once.
        await seat.press(way)
        await seat.until(lambda: rows.option_count == 1 and rows.has_focus)  # noqa: B023


@seated(size=(46, 30))
async def test_in_a_narrow_terminal_the_list_comes_when_something_is_looked_for(seat: Seat) -> None:
    await seat.arrive("ada")
    await seat.meet("bob")
    await seat.open("bob")
    await seat.sees("encrypted", "are you there?")
    await seat.press("escape", "slash")
    await seat.type("b")
    await seat.sees("bob", "↓ list")
    assert "are you there?" in seat.screen  # As the list has it.
    assert "encrypted" not in seat.screen
    await seat.press("down", "enter")
    await seat.sees("encrypted", "are you there?")
