"""Blobs: space, expiry, and who may delete; their bytes are the tus door's."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alcove.server.effects import BlobGone, ToAccount
from alcove.server.handlers import blobs
from alcove.server.handlers.blobs import Found
from alcove.wire.base import Done
from alcove.wire.blobs import Blob, BlobEnded, Blobs, DropBlob, Expiry, GetBlobs
from alcove.wire.errors import Code
from tests.server.handlers.kit import DAY_MS, code, events, open_house, told, why_not, within
from tests.server.house import House, Person

HOUR_MS = DAY_MS // 24


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path, blob_bytes_max=100, account_quota_bytes=250)


def begin(house: House, person: Person, size: int = 100, expiry: Expiry = "never") -> bytes:
    return within(
        house,
        person.phone,
        lambda tx: blobs.announce(tx, person.account, size, expiry, house.now),
    )


def refused(house: House, person: Person, size: int) -> Code | None:
    return why_not(
        house,
        person.phone,
        lambda tx: blobs.announce(tx, person.account, size, "never", house.now),
    )


def finish(house: House, person: Person, blob: bytes) -> None:
    within(house, person.phone, lambda tx: blobs.finish(tx, person.account, blob, house.now))


def look_up(house: House, blob: bytes) -> Found:
    return blobs.look_up(house.tx(), blob, house.now)


def listed(house: House, person: Person, before: int | None = None) -> Blobs:
    page = house.ask(person.phone, GetBlobs(before=before))
    assert isinstance(page, Blobs), page
    return page


def test_an_upload_is_announced_finished_and_counted(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    blob = begin(house, ada, 90)
    assert look_up(house, blob) == Found(
        ada.account, 90, is_done=False, expires_at=None, created_at=house.now, expiry="never"
    )
    announced = house.now
    assert listed(house, ada) == Blobs(
        blobs=(Blob(blob, 90, 0, announced, None, 0),), used_bytes=90, quota_bytes=250, next=None
    )
    for _ in range(2):
        house.now += 1000
        finish(house, ada, blob)
    assert look_up(house, blob) == Found(
        ada.account, 90, is_done=True, expires_at=None, created_at=announced, expiry="never"
    )
    for _ in range(2):
        within(house, bob.phone, lambda tx: blobs.count_download(tx, bob.account, blob))
    assert listed(house, ada).blobs == (Blob(blob, 90, 90, announced, None, 2),)
    assert listed(house, bob) == Blobs(blobs=(), used_bytes=0, quota_bytes=250, next=None)
    assert events(house, ada.account) == ["blob_uploaded"]
    assert events(house, bob.account) == ["blob_downloaded"] * 2


def test_a_file_is_neither_empty_nor_too_large(house: House) -> None:
    ada = house.add_person("ada")
    assert refused(house, ada, 0) == "malformed"
    assert refused(house, ada, 101) == "too_large"
    assert refused(house, Person("nobody", bytes(16), ada.devices), 1) == "unknown"
    assert listed(house, ada).blobs == ()


def test_an_account_has_so_much_space_and_uploads_under_way_count(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    begin(house, ada)
    begin(house, ada)
    assert refused(house, ada, 51) == "quota"
    assert events(house, ada.account) == ["quota_hit"]
    begin(house, ada, 50)
    begin(house, bob)
    page = listed(house, ada)
    assert (page.used_bytes, page.quota_bytes) == (250, 250)


def test_the_host_gives_an_account_more_space_or_all_there_is(house: House) -> None:
    ada = house.add_person("ada")
    set_quota = "UPDATE account SET quota_bytes = ? WHERE account = ?"
    house.connection.run(set_quota, 100, ada.account)
    begin(house, ada)
    assert refused(house, ada, 1) == "quota"
    house.connection.run(set_quota, 0, ada.account)
    begin(house, ada)
    assert listed(house, ada).quota_bytes == 0


def test_the_server_has_so_much_space_for_all(tmp_path: Path) -> None:
    house = open_house(tmp_path, blob_bytes_max=100, server_quota_bytes=150)
    ada, bob = house.add_person("ada"), house.add_person("bob")
    begin(house, ada)
    assert refused(house, bob, 51) == "quota"
    assert events(house, bob.account) == ["quota_hit"]
    begin(house, bob, 50)


def test_an_account_has_so_many_blobs(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.world, "settings", replace(house.settings, account_blobs_max=1))
    ada = house.add_person("ada")
    begin(house, ada, 1)
    assert refused(house, ada, 1) == "limit"


def test_blobs_are_listed_newest_first_in_pages_without_a_gap(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs, "BLOBS_PAGE", 2)
    ada = house.add_person("ada")
    made = [begin(house, ada, 10) for _ in range(5)]
    pages: list[list[bytes]] = []
    before: Any = None
    while True:
        page = listed(house, ada, before)
        pages.append([one.blob for one in page.blobs])
        before = page.next
        if before is None:
            break
    assert pages == [[made[4], made[3]], [made[2], made[1]], [made[0]]]


def test_only_who_announced_a_blob_finishes_it(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    blob = begin(house, ada)
    for account, which in ((bob.account, blob), (ada.account, bytes(16))):
        act = (account, which, house.now)
        assert why_not(house, ada.phone, lambda tx, a=act: blobs.finish(tx, *a)) == "unknown"  # type: ignore[misc]
    assert not look_up(house, blob).is_done


def test_expiry_runs_from_the_last_byte_and_then_the_blob_is_gone(house: House) -> None:
    ada = house.add_person("ada")
    day, week = begin(house, ada, 1, "day"), begin(house, ada, 1, "week")
    house.now += 2 * DAY_MS
    assert not look_up(house, day).is_done
    for blob in (day, week):
        finish(house, ada, blob)
    assert (look_up(house, day).expiry, look_up(house, week).expiry) == ("day", "week")
    assert look_up(house, day).expires_at == house.now + DAY_MS
    assert look_up(house, week).expires_at == house.now + 7 * DAY_MS

    def expire() -> list[bytes]:
        return within(house, ada.phone, lambda tx: blobs.expired(tx, house.now, 9))

    house.now += DAY_MS - 1
    assert expire() == []
    house.now += 1
    assert why_not(house, ada.phone, lambda tx: blobs.look_up(tx, day, house.now)) == "unknown"
    assert [one.blob for one in listed(house, ada).blobs] == [week]
    house.told = []
    assert expire() == [day]
    assert house.told[0] == BlobGone(day)
    ((effect, push),) = told(house)
    assert isinstance(effect, ToAccount)
    assert (effect.account, push) == (ada.account, BlobEnded(blob=day))
    assert events(house, ada.account)[-1] == "blob_expired"
    assert why_not(house, ada.phone, lambda tx: blobs.look_up(tx, day, house.now)) == "unknown"


def test_an_upload_that_was_never_finished_can_be_given_up(house: House) -> None:
    ada = house.add_person("ada")
    begun, done = begin(house, ada, 1, "day"), begin(house, ada, 1)
    finish(house, ada, done)

    def waiting() -> list[bytes]:
        return blobs.unfinished(house.tx(), house.now, 9)

    house.now += house.settings.upload_hours * HOUR_MS - 1
    assert waiting() == []
    house.now += 1
    assert waiting() == [begun]
    house.told = []
    for blob in (begun, begun, done):
        within(house, ada.phone, lambda tx, b=blob: blobs.give_up(tx, b))  # type: ignore[misc]
    assert house.take_told(BlobGone) == [BlobGone(begun)]
    assert [one.blob for one in listed(house, ada).blobs] == [done]


def test_only_who_uploaded_a_blob_deletes_it(house: House) -> None:
    ada, bob = house.add_person("ada", devices=2), house.add_person("bob")
    blob = begin(house, ada)
    assert code(house.ask(bob.phone, DropBlob(id=1, blob=blob))) == "unknown"
    house.told = []
    assert house.ask(ada.phone, DropBlob(id=1, blob=blob)) == Done(id=1)
    assert BlobGone(blob) in house.told
    ((effect, push),) = told(house)
    assert isinstance(effect, ToAccount)
    assert (effect.account, effect.but) == (ada.account, ada.phone.device)
    assert push == BlobEnded(blob=blob)
    assert listed(house, ada).used_bytes == 0
    assert code(house.ask(ada.phone, DropBlob(id=2, blob=blob))) == "unknown"
    assert events(house, ada.account) == ["blob_deleted"]


def test_a_download_of_a_blob_that_is_gone_counts_for_nobody(house: House) -> None:
    ada = house.add_person("ada")
    within(house, ada.phone, lambda tx: blobs.count_download(tx, ada.account, bytes(16)))
    assert events(house, ada.account) == []


def test_a_blob_of_an_account_that_is_gone_is_not_there(house: House) -> None:
    ada = house.add_person("ada")
    blob = begin(house, ada)
    finish(house, ada, blob)
    house.connection.run("DELETE FROM account")
    assert why_not(house, ada.phone, lambda tx: blobs.look_up(tx, blob, house.now)) == "unknown"


def test_the_space_of_an_account_is_counted_without_its_lines(house: House) -> None:
    sql = "SELECT COUNT(*), SUM(size) FROM blob WHERE account = ?"
    (step,) = house.tx().all(f"EXPLAIN QUERY PLAN {sql}", b"")
    assert "COVERING INDEX blob_by_size" in step[3]
