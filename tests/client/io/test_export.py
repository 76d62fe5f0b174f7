"""Exports: what others chose is shown as text, and their files stay inside the folder."""

import hashlib
import stat
import sys
from pathlib import Path

import pytest

from alcove.client.errors import UsageError
from alcove.client.io import export as module
from alcove.client.io.export import export
from tests.client.io.live import Town, met

EVIL = "<script>alert(1)</script> & \"'\x1b[2J"


@met()
async def test_hostile_words_and_names_are_only_words(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    room = await ada.create_group("<b>../..</b>", ["@bob"])
    await room.send(EVIL)
    await ada.until(lambda: room.state == "active", 20)
    heard = await town.hears(bob, EVIL.replace("\x1b", ""))
    await heard.reply("an answer")
    await town.hears(ada, "an answer")
    folder = town.folder / "out"
    done = export(ada, folder, ada.rooms())
    assert (done.rooms, done.files, done.missing) == (1, 0, 0)
    pages = [*folder.rglob("*.html"), *folder.rglob("*.json")]
    assert {one.parent for one in pages} == {folder, folder / "rooms"}
    for page in folder.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert "<script" not in text
        assert "<b>.." not in text
        assert "\x1b" not in text
    with pytest.raises(UsageError, match="has something in it already"):
        export(ada, folder, ada.rooms())


@met()
async def test_what_is_fetched_for_an_export_never_lies_outside_of_its_folder(town: Town) -> None:
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    sent = town.folder / "plan.txt"
    sent.write_text("the plan", encoding="utf-8")
    room = await ada.direct("@bob")
    await room.send_file(sent, text="here")
    heard = await town.hears(bob, "here")
    folder = town.folder / "out"
    killed = module.fetching_folder(folder)
    (killed / "half").write_text("of an export that was killed", encoding="utf-8")
    place = module.fetching_folder(folder)
    assert [*place.iterdir()] == []
    if sys.platform != "win32":
        assert {stat.S_IMODE(one.stat().st_mode) for one in (folder, place)} == {0o700}
    path = await heard.save_file(place)
    done = export(bob, folder, bob.rooms(), find=lambda _message, _place: path)
    assert (done.files, done.missing) == (1, 0)
    (copy,) = (folder / "files").iterdir()
    assert copy.read_text(encoding="utf-8") == "the plan"
    assert sorted(one.name for one in folder.iterdir()) == [
        "export.json", "files", "index.html", "rooms",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="has something in it already"):
        module.fetching_folder(folder)


def test_a_file_that_was_changed_here_is_not_taken_for_the_one_that_was_sent(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    assert not module._is_whole(path, bytes(32))
    path.write_bytes(b"as sent")
    sent = hashlib.sha256(b"as sent").digest()
    assert module._is_whole(path, sent)
    path.write_bytes(b"changed")
    assert not module._is_whole(path, sent)
