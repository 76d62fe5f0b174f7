"""Rows: sealed bytes beside a room's log, replaced where they stand and read newest first."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from alcove.server.handlers import rows
from alcove.wire.base import Done
from alcove.wire.entries import Row
from alcove.wire.rooms import GetRows, PutRows, RoomRows
from tests.server.handlers.kit import code, open_house, room_of
from tests.server.house import House, Person, Talk


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def name(number: int) -> bytes:
    return number.to_bytes(32, "big")


def put(house: House, person: Person, talk: Talk, *new: Row) -> object:
    return house.ask(person.phone, PutRows(id=house.next_id(), room=talk.room, rows=new))


def bodies(house: House, person: Person, talk: Talk, kind: str) -> list[bytes]:
    page = house.ask(person.phone, GetRows(room=talk.room, kind=kind))  # type: ignore[arg-type]
    assert isinstance(page, RoomRows), page
    return [row.body for row in page.rows]


def test_rows_are_read_newest_first_and_each_kind_by_itself(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    chain = (Row("chain", name(1), b"one"), Row("chain", name(2), b"two"))
    assert put(house, ada, talk, *chain, Row("profile", name(2), b"tea")) == Done(id=house.number)
    assert bodies(house, bob, talk, "chain") == [b"two", b"one"]
    assert bodies(house, bob, talk, "profile") == [b"tea"]


def test_who_mends_a_row_replaces_it_where_it_stands(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    put(house, ada, talk, Row("chain", name(1), b"bad"), Row("chain", name(2), b"two"))
    put(house, bob, talk, Row("chain", name(1), b"good"))
    assert bodies(house, ada, talk, "chain") == [b"two", b"good"]


def test_rows_come_along_with_the_commit_that_makes_them_necessary(house: House) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    commit = house.handshake(ada.phone, talk)
    house.append(ada.phone, talk, commit, rows=(Row("profile", talk.handshake, b"tea"),))
    assert bodies(house, ada, talk, "profile") == [b"tea"]


def test_pages_end_by_count_and_by_size_and_tell_where_the_next_begins(tmp_path: Path) -> None:
    house = open_house(tmp_path, page_entries_max=2, page_bytes_max=4096)
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    sizes = [10, 10, 10, 4000, 4096]
    put(house, ada, talk, *(Row("chain", name(n), bytes(size)) for n, size in enumerate(sizes)))
    pages, before = [], None
    while True:
        request = GetRows(room=talk.room, kind="chain", before=before)
        page = house.ask(ada.phone, request)
        pages.append([len(row.body) for row in page.rows])
        before = page.next
        if before is None:
            break
    assert pages == [[4096], [4000, 10], [10, 10]]


def test_the_oldest_rows_of_a_kind_go_when_there_are_too_many(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    monkeypatch.setattr(house.world, "settings", replace(house.settings, room_chain_rows_max=2))
    for number in range(4):
        put(house, ada, talk, Row("chain", name(number), bytes([number])))
        put(house, ada, talk, Row("profile", name(number), bytes([number])))
    assert bodies(house, ada, talk, "chain") == [b"\x03", b"\x02"]
    assert len(bodies(house, ada, talk, "profile")) == 4


def test_only_members_put_and_read_rows(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    row = Row("chain", name(1), b"one")
    assert code(put(house, eve, talk, row)) == "not_a_member"
    assert code(put(house, ada, Talk(house.random(16), b""), row)) == "unknown"
    assert code(house.ask(eve.phone, GetRows(room=talk.room, kind="chain"))) == "not_a_member"
    assert bodies(house, ada, talk, "chain") == []


def test_a_link_of_the_chain_is_small(house: House) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    large = bytes(rows.CHAIN_ROW_BYTES_MAX + 1)
    good = Row("profile", name(1), large)
    assert code(put(house, ada, talk, good, Row("chain", name(1), large))) == "too_large"
    assert bodies(house, ada, talk, "profile") == []
    assert put(house, ada, talk, good) == Done(id=house.number)
