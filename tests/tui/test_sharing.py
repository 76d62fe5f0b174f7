"""Files between two people: chosen, on their way, counted, and kept as long as was asked."""

from textual.widgets import OptionList

from alcove.desk import chats, files, messages
from tests.tui.seats import Seat, Wire, seated

MB = 1_000_000
LARGE = 24 * MB


@seated(size=(140, 40))
async def test_how_far_a_file_has_come_is_seen_and_it_rests_and_goes_on(seat: Seat) -> None:
    folder, wire = seat.square.folder, Wire(seat.square.live.port)
    (folder / "large.gz").write_bytes(b"\x1f\x8b" + bytes(LARGE))
    async with await wire.lay():
        await seat.arrive("ada", wire.address)
        bob, room = await seat.meet("bob")
        await seat.open("bob")
        wire.hold(4 * MB)
        await seat.attach(folder / "large.gz", "all of it", "day")
        await seat.sees("large.gz", " %", "⋯ waiting")

        await seat.press("alt+3")
        await seat.sees("On their way 1", "large.gz", " of 24 MB")
        moving = seat.app.screen.query_one("#moving", OptionList)
        moving.focus()
        await seat.press("p")
        await seat.sees("paused")
        assert [one.state for one in await seat.app.ask(files.GetTransfers())] == ["paused"]
        wire.flow()
        moving.focus()
        await seat.press("p")
        found = await bob.until(
            chats.GetLines(room=room), lambda lines: any(one.files for one in lines)
        )
        line = next(one for one in found if one.files)
        assert line.text == "all of it"
        assert line.files[0].ends_at is not None
        (folder / "bob's").mkdir()
        await bob.ask(files.Save(line=line.number, place=0, folder=str(folder / "bob's")))
        assert (folder / "bob's" / "large.gz").stat().st_size == LARGE + 2

        await seat.press("alt+1", "alt+3")
        await seat.sees("1 file, 24 MB", "◔ 23 h", "Fetched", "1 times", "Your files on the server")
        assert "On their way" not in seat.screen


@seated()
async def test_a_file_is_found_by_its_folder_and_shared_from_the_place_of_files(seat: Seat) -> None:
    folder = seat.square.folder / "papers"
    (folder / "old").mkdir(parents=True)
    (folder / "old" / "plan.txt").write_text("boats at noon\n")
    (folder / "old" / "plan.xyz").write_text("what is this\n")
    await seat.arrive("ada")
    bob, room = await seat.meet("bob")
    await seat.press("3", "ctrl+o")
    await seat.sees("Share a file with", "bob  personal")
    await seat.press("enter")
    await seat.sees("Which file")
    await seat.fill("path", f"{folder}/o")
    await seat.sees("old/")
    await seat.press("enter")
    await seat.sees("plan.txt", "plan.xyz")
    await seat.press("down", "enter")
    await seat.sees("plan.xyz is of no usual kind")
    await seat.press("y")
    await seat.asked("", "")
    found = await bob.until(
        chats.GetLines(room=room), lambda lines: any(one.files for one in lines)
    )
    assert [one.name for line in found for one in line.files] == ["plan.xyz"]

    (folder / "answer.txt").write_text("at one")
    await bob.ask(messages.SendFiles(room=room, paths=(str(folder / "answer.txt"),)))
    await seat.sees("2 files", "answer.txt")
    await seat.press("f")
    await seat.sees("2 files", "Personal")
    await seat.press("f")
    await seat.sees("0 files")
