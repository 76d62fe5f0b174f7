"""Exports: what others chose is shown as text, and their files stay inside the folder."""

import hashlib
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
