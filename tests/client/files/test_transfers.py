"""Files on their way, as lines of a table: keys, waiting messages, changes of mind."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from alcove.client.engine import Engine
from alcove.client.errors import UsageError
from alcove.client.events import TransferChanged
from alcove.client.files import transfers as steps
from alcove.client.files.transfers import Transfer
from alcove.client.store.database import open_memory
from alcove.wire.base import Done
from alcove.wire.blobs import DropBlob
from alcove.wire.content import FILES_MAX, File, SealedBlob
from tests.client.files.people import settle

ROOM, CONTENT, ACCOUNT = b"r" * 16, b"c" * 16, b"a" * 16
BLOB, HASH = b"b" * 16, b"h" * 32
FILE = File("cat.png", "image/png", SealedBlob(bytes(16), bytes(32), bytes(32), 1000))
THERE = File("cat.png", "image/png", SealedBlob(BLOB, b"k" * 32, HASH, 1000))


class Device:
    """One device's engine, at a time of our own."""

    def __init__(self) -> None:
        self.db = open_memory()
        settle(self.db, ACCOUNT, b"d" * 16)
        self.engine = Engine(self.db, random.Random(7).randbytes)
        self.now = 1000

    def do(self, step: Callable[..., Any], *values: Any) -> Any:
        return self.engine.do(step, self.now, *values)

    def upload(self, *, place: int = 0, expiry: str = "never", file: File = FILE) -> int:
        values = (ROOM, CONTENT, place, "/pictures/cat.png", file, expiry)
        return int(self.do(steps.begin_upload, *values))

    def download(self, file: File = THERE) -> int:
        values = (ROOM, ACCOUNT, CONTENT, 0, "/saved/cat.png", file)
        return int(self.do(steps.begin_download, *values))

    def finish(self, number: int, blob: bytes = BLOB) -> None:
        self.do(steps.looked_at, number, 1000, HASH)
        self.do(steps.announced, number, blob)
        self.do(steps.uploaded, number)

    def at(self, number: int) -> Transfer:
        found = steps.transfer(self.db, number)
        assert found is not None
        return found

    @property
    def drops(self) -> list[bytes]:
        """The blobs that the server is told to delete."""
        lines = self.db.all("SELECT body FROM request ORDER BY id")
        return [msgspec.msgpack.decode(body, type=DropBlob).blob for (body,) in lines]


def test_a_message_waits_until_the_last_of_its_files_is_through() -> None:
    ada = Device()
    first, second = ada.upload(place=1), ada.upload(place=0, expiry="day")
    ada.finish(first, b"1" * 16)
    assert not steps.uploads(ada.db, ROOM, CONTENT).is_done
    ada.finish(second, b"2" * 16)
    is_done, why, files = steps.uploads(ada.db, ROOM, CONTENT)
    assert (is_done, why) == (True, "")
    assert [file.sealed.blob for file in files] == [b"2" * 16, b"1" * 16]
    assert [file.expires_at for file in files] == [1000 + steps.DAY_MS, None]
    assert files[0].sealed.key != files[1].sealed.key
    assert files[0].sealed.sha256 == HASH
    assert steps.uploads(ada.db, ROOM, b"x" * 16) == (True, "", ())


def test_the_owner_hears_of_each_change() -> None:
    ada = Device()
    number = ada.upload()
    ada.do(steps.progressed, number, 500, "wait")
    assert ada.engine.events() == [TransferChanged(number)] * 2
    assert (ada.at(number).done, ada.at(number).why) == (500, "wait")
    ada.do(steps.pause, number)
    ada.engine.events()
    ada.do(steps.progressed, number, 900)
    assert ada.engine.events() == []
    assert ada.at(number).done == 500


def test_key_and_hash_are_written_down_together_and_stay_together() -> None:
    ada = Device()
    number = ada.upload()
    assert ada.at(number).file.sealed.key == bytes(32)
    first = ada.do(steps.looked_at, number, 1000, HASH)
    assert first.file.sealed.key != bytes(32)
    ada.do(steps.announced, number, BLOB)
    again = ada.do(steps.looked_at, number, 1000, HASH)
    assert (again.file, again.blob) == (first.file, BLOB)
    assert ada.drops == []


def test_a_file_that_is_another_gets_another_key_and_the_old_blob_is_dropped() -> None:
    ada = Device()
    number = ada.upload()
    keys = [ada.do(steps.looked_at, number, 1000, HASH).file.sealed.key]
    ada.do(steps.announced, number, BLOB)
    other = ada.do(steps.looked_at, number, 1001, HASH)
    keys.append(other.file.sealed.key)
    assert (other.blob, other.file.sealed.size) == (None, 1001)
    assert ada.drops == [BLOB]
    keys.append(ada.do(steps.looked_at, number, 1001, b"1" * 32).file.sealed.key)
    keys.append(ada.do(steps.looked_at, number, 1001, b"2" * 32).file.sealed.key)
    assert len({*keys}) == 4
    assert ada.do(steps.looked_at, number, 1001, b"3" * 32) is None
    assert steps.uploads(ada.db, ROOM, CONTENT).why == ada.at(number).why
    assert "keeps changing" in ada.at(number).why
    ada.do(steps.carry_on, number)
    assert ada.do(steps.looked_at, number, 1001, b"4" * 32) is not None


def test_what_was_paused_or_failed_goes_on_when_asked() -> None:
    ada = Device()
    number = ada.upload()
    ada.do(steps.pause, number)
    assert ada.do(steps.looked_at, number, 1000, HASH) is None
    assert steps.to_do(ada.db) == []
    ada.do(steps.carry_on, number)
    ada.do(steps.failed, number, "No.")
    assert (ada.at(number).state, ada.at(number).why) == ("failed", "No.")
    ada.do(steps.carry_on, number)
    assert (ada.at(number).state, ada.at(number).why) == ("open", "")
    ada.do(steps.carry_on, number)
    assert [found.number for found in steps.to_do(ada.db)] == [number]


def test_a_cancelled_file_is_deleted_everywhere_and_the_message_goes_without_it() -> None:
    ada = Device()
    first, second = ada.upload(place=0), ada.upload(place=1)
    ada.finish(first)
    ada.do(steps.looked_at, second, 1000, HASH)
    ada.do(steps.announced, second, b"2" * 16)
    ada.do(steps.cancel, second)
    assert ada.drops == [b"2" * 16]
    assert steps.uploads(ada.db, ROOM, CONTENT).is_done
    assert [found.state for found in steps.to_do(ada.db)] == ["cancelled"]
    ada.do(steps.forget, second)
    assert steps.transfer(ada.db, second) is None
    ada.do(steps.cancel, second)
    assert ada.drops == [b"2" * 16]


def test_a_blob_that_was_announced_for_nobody_is_dropped() -> None:
    ada = Device()
    number = ada.upload()
    ada.do(steps.cancel, number)
    assert ada.do(steps.announced, number, BLOB) is False
    assert ada.drops == [BLOB]


def test_what_comes_after_the_end_changes_nothing() -> None:
    ada = Device()
    number = ada.upload()
    ada.do(steps.uploaded, number)  # It has no blob yet.
    assert ada.at(number).state == "open"
    ada.finish(number)
    ada.do(steps.failed, number, "late")
    ada.do(steps.pause, number)
    ada.do(steps.uploaded, number)
    assert (ada.at(number).state, ada.at(number).why) == ("done", "")
    for step in (steps.uploaded, steps.cancel):
        ada.do(step, 99)
    ada.do(steps.failed, 99, "no")
    ada.do(steps.saved, 99, "/nowhere")
    assert ada.do(steps.looked_at, 99, 1, HASH) is None


def test_an_upload_that_the_server_lost_begins_again_with_the_same_key() -> None:
    ada = Device()
    number = ada.upload()
    before = ada.do(steps.looked_at, number, 1000, HASH)
    ada.do(steps.announced, number, BLOB)
    ada.do(steps.given_up, number)
    assert ada.at(number) == before


def test_a_download_ends_where_it_was_saved() -> None:
    ada = Device()
    number = ada.download()
    assert ada.at(number).blob == BLOB
    ada.do(steps.saved, number, "/saved/cat (2).png")
    found = ada.at(number)
    assert (found.state, found.path, found.done) == ("done", "/saved/cat (2).png", 1000)
    ada.do(steps.saved, number, "/elsewhere")
    assert ada.at(number).path == "/saved/cat (2).png"


def test_with_a_message_go_its_transfers() -> None:
    ada = Device()
    sent, coming, there = ada.upload(), ada.download(), ada.download()
    ada.finish(sent)
    ada.do(steps.saved, there, "/saved/cat.png")
    ada.do(steps.drop_content, ROOM, b"o" * 16, CONTENT)  # Somebody else's, of the same id.
    assert len(steps.of_content(ada.db, ROOM, CONTENT)) == 3
    ada.do(steps.drop_content, ROOM, ACCOUNT, CONTENT)
    assert [found.number for found in steps.to_do(ada.db)] == [coming]
    assert steps.of_content(ada.db, ROOM, CONTENT) == []
    assert ada.drops == [BLOB]


def test_a_file_of_ones_own_can_be_deleted_from_the_server() -> None:
    ada = Device()
    ada.do(steps.delete_blob, BLOB)
    assert ada.drops == [BLOB]
    ada.do(steps.dropped, DropBlob(blob=BLOB), Done(), b"")
    assert ada.drops == [BLOB]


def test_what_cannot_be_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ada = Device()
    huge = msgspec.structs.replace(FILE, sealed=msgspec.structs.replace(FILE.sealed, size=2**41))
    old = msgspec.structs.replace(THERE, expires_at=1000)
    cases: tuple[tuple[str, Callable[[], int]], ...] = (
        ("up to 20 files", lambda: ada.upload(place=FILES_MAX)),
        ("too large", lambda: ada.upload(file=huge)),
        ("a size that no file has", lambda: ada.download(huge)),
        ("has expired", lambda: ada.download(old)),
    )
    for says, begin in cases:
        with pytest.raises(UsageError, match=says):
            begin()
    monkeypatch.setattr(steps, "OPEN_MAX", 1)
    ada.upload()
    with pytest.raises(UsageError, match="on their way already"):
        ada.download()
