"""Files between people: sent with a message, fetched, checked, and never opened."""

from pathlib import Path

import pytest

from alcove.client.errors import UsageError
from alcove.client.io.carrying import attached, is_unusual, warning_of
from alcove.client.io.messages import Message
from alcove.client.io.news import FileChanged, News
from tests.client.io.live import PATIENCE_S, Town, met

CONTENT = bytes(range(256)) * 4000


@met()
async def test_a_file_comes_as_it_was_sent_under_its_own_name(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    report = town.folder / "report.txt"
    report.write_bytes(CONTENT)
    room = await ada.direct("bob")
    through: list[tuple[int, int]] = []
    news: list[News] = []
    ada.listen(news.append)
    sent = await room.send_file(
        report, text="look", progress=lambda done, size: through.append((done, size))
    )
    heard = await town.hears(bob, "look")
    assert through[-1] == (len(CONTENT), len(CONTENT))
    assert sum(isinstance(one, FileChanged) for one in news) > len(through)
    assert [one.state for one in sent.transfers] == ["done"]
    saved = await heard.save_file(town.folder)
    assert (saved.name, saved.read_bytes()) == ("report (2).txt", CONTENT)
    assert (heard.files[0].media, heard.files[0].sealed.size) == ("text/plain", len(CONTENT))
    assert await ada.files.downloads() == {heard.files[0].sealed.blob: 1}
    stored = await ada.files.stored()
    assert len(CONTENT) <= stored.used_bytes <= stored.quota_bytes
    assert await bob.files.downloads() == {}
    assert [(one.place, one.is_upload) for one in heard.transfers] == [(0, False)]
    place = await heard.save_file(town.folder / "copy.txt")
    assert place == town.folder / "copy.txt"
    with pytest.raises(UsageError, match="no such file"):
        await heard.save_file(town.folder, 1)
    assert bob.files.all() == []
    assert [one.file.name for one in heard.room.files()] == ["report.txt"]


@met()
async def test_a_file_that_waits_for_a_line_goes_when_there_is_one(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    room = await ada.direct("bob")
    await (await room.send("first")).sent(PATIENCE_S)
    ada.line.link.stop()
    ada.line._move()
    note = town.folder / "note.txt"
    note.write_bytes(b"written in a tunnel")
    sent = await room.send_file(note)
    (transfer,) = ada.files.all()
    assert (transfer.name, transfer.state, sent.state) == ("note.txt", "open", "waiting")
    assert (transfer.message_number, ada.waiting) == (sent.number, 1)
    await transfer.pause()
    assert [one.state for one in ada.files.all()] == ["paused"]
    await transfer.carry_on()
    await ada.close(patience_s=0)
    again = type(ada)(town.folder / "ada", passphrase="heron")
    await town.opened(again)

    def came() -> list[Message]:
        return [one for room in bob.rooms() for one in room.history(9) if one.files]

    await bob.until(lambda: bool(came()), PATIENCE_S)
    (heard,) = came()
    assert heard.text == ""
    assert (await heard.save_file(town.folder / "there.txt")).read_bytes() == b"written in a tunnel"


@met()
async def test_a_message_that_waits_for_its_file_is_deleted_before_anybody_has_it(
    town: Town,
) -> None:
    ada = await town.newcomer("ada")
    room = await ada.create_group("Team")
    await (await room.send("first")).sent(PATIENCE_S)
    note = town.folder / "note.txt"
    note.write_bytes(CONTENT)
    ada.line.link.stop()
    ada.line._move()
    sent = await room.send_file(note)
    await sent.delete()
    (first,) = [one for one in room.history(9) if one.kind == "text"]
    assert (first.text, ada.files.of(sent)) == ("first", [])
    await first.delete()
    assert ada.db.one("SELECT COUNT(*) FROM line WHERE kind = 'delete'") == (1,)


@met()
async def test_a_transfer_rests_goes_on_and_is_given_up(town: Town) -> None:
    ada = await town.newcomer("ada")
    room = await ada.create_group("Team")
    await (await room.send("first")).sent(PATIENCE_S)
    note = town.folder / "note.txt"
    note.write_bytes(CONTENT)
    sent = await room.send_file(note)
    (transfer,) = sent.transfers
    await transfer.pause()
    (transfer,) = sent.transfers
    assert (transfer.state, transfer.size, transfer.is_upload) == ("paused", len(CONTENT), True)
    await transfer.carry_on()
    await sent.sent(PATIENCE_S)
    (transfer,) = sent.transfers
    assert (transfer.state, transfer.done) == ("done", len(CONTENT))


@met()
async def test_what_cannot_be_sent_is_said_so_before_anything_is_shown(town: Town) -> None:
    ada = await town.newcomer("ada")
    room = await ada.create_group("Team")
    for path in (town.folder / "nothing.txt", town.folder):
        with pytest.raises(UsageError, match=r"cannot be read|is no file"):
            await room.send_file(path)
    with pytest.raises(UsageError, match="up to 20 files"):
        await room.send_file()
    assert room.history() == []


def test_names_and_types_are_looked_at_before_sending(tmp_path: Path) -> None:
    script = tmp_path / "holiday.png"
    script.write_bytes(b"#!/bin/sh\nrm -r /\n")
    assert is_unusual(tmp_path / "a.xyz")
    assert not is_unusual(script)
    assert "a script" in (warning_of(script) or "")
    file = attached(script).file
    assert (file.name, file.media, file.thumbnail) == ("holiday.png", "image/png", b"")
