"""The archive and the profile: stored sealed, bounded, found again, and for whom they concern."""

from pathlib import Path

import pytest

from alcove.server.effects import ToAccount
from alcove.server.handlers import archive
from alcove.server.handlers.deletion import sweep_leftovers
from alcove.wire.accounts import (
    AccountChanged,
    Archive,
    ArchiveRow,
    GetArchive,
    GetProfile,
    Profile,
    PutArchive,
    PutProfile,
)
from alcove.wire.base import Done
from alcove.wire.chats import Block
from alcove.wire.codec import decode_answer
from alcove.wire.errors import Code
from tests.server.house import House
from tests.server.people import Someone, code, lines, writing

ROOMS = [bytes([number]) * 16 for number in range(3)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def ada(house: House) -> Someone:
    return Someone(house, "ada").come()


def row(number: int, *, room: int = 0, size: int = 10, body: bytes = b"x") -> ArchiveRow:
    return ArchiveRow(ROOMS[room], number.to_bytes(32, "big"), body * size)


def put(person: Someone, *rows: ArchiveRow) -> object:
    house = person.house
    return house.ask(person.phone.caller, PutArchive(id=house.next_id(), rows=rows))


def pages(person: Someone, room: bytes | None = None) -> list[Archive]:
    found, since = [], 0
    while True:
        request = GetArchive(since=since, room=room)
        page = person.house.ask(person.phone.caller, request)
        found.append(page)
        if page.next is None:
            return found
        since = page.next


# ---- The archive ----


def test_rows_are_read_in_the_order_in_which_they_came(ada: Someone) -> None:
    assert pages(ada) == [Archive(rows=(), next=None)]
    first, second = [row(number) for number in range(5)], [row(7, room=1), row(6)]
    assert put(ada, *first) == Done(id=1)
    assert put(ada, *second) == Done(id=2)
    assert pages(ada) == [Archive(rows=(*first, *second), next=None)]
    assert pages(ada, ROOMS[1]) == [Archive(rows=(second[0],), next=None)]
    assert pages(ada, ROOMS[2]) == [Archive(rows=(), next=None)]


def test_a_row_of_the_same_name_is_replaced_and_counts_as_new(ada: Someone) -> None:
    put(ada, row(1), row(2), row(3))
    put(ada, row(1, body=b"y"))
    assert pages(ada)[0].rows == (row(2), row(3), row(1, body=b"y"))
    put(ada, row(2, body=b"a"), row(2, body=b"b"))
    assert pages(ada)[0].rows == (row(3), row(1, body=b"y"), row(2, body=b"b"))


def test_the_archive_comes_in_pages_of_bounded_length(tmp_path: Path) -> None:
    house = House(tmp_path, page_entries_max=10)
    ada = Someone(house, "ada").come()
    rows = [row(number) for number in range(30)]
    put(ada, *rows)
    assert [len(page.rows) for page in pages(ada)] == [10, 10, 10]
    assert [one for page in pages(ada) for one in page.rows] == rows


def test_the_archive_comes_in_pages_of_bounded_size(tmp_path: Path) -> None:
    house = House(tmp_path, page_bytes_max=4096)
    ada = Someone(house, "ada").come()
    rows = [row(number, size=size) for number, size in enumerate([2000, 2000, 2000, 9000, 1])]
    put(ada, *rows)
    assert [len(page.rows) for page in pages(ada)] == [2, 1, 1, 1]
    assert [one for page in pages(ada) for one in page.rows] == rows


def test_an_archive_holds_so_many_rows(tmp_path: Path) -> None:
    house = House(tmp_path, account_archive_rows_max=3)
    ada = Someone(house, "ada").come()
    assert put(ada, row(1), row(2)) == Done(id=1)
    assert code(put(ada, row(3), row(4))) == Code.LIMIT
    assert put(ada, row(1, body=b"y")) == Done(id=3)
    assert put(ada, row(3)) == Done(id=4)
    assert code(put(ada, row(4))) == Code.LIMIT
    assert len(pages(ada)[0].rows) == 3


def test_an_archive_is_its_owners_alone(house: House, ada: Someone) -> None:
    bob = Someone(house, "bob").come()
    put(ada, row(1))
    assert pages(bob) == [Archive(rows=(), next=None)]


# ---- The profile ----


def profile(by: Someone, of: bytes) -> object:
    reply = by.house.ask(by.phone.caller, GetProfile(account=of))
    return reply.body if isinstance(reply, Profile) else code(reply)


def test_a_profile_is_told_to_who_shares_a_room_and_to_nobody_else(
    house: House, ada: Someone
) -> None:
    bob, eve = Someone(house, "bob").come(), Someone(house, "eve").come()
    house.create(ada.phone.caller, bob.phone.caller)
    house.told = []
    assert house.ask(ada.phone.caller, PutProfile(id=50, body=b"sealed")) == Done(id=50)
    (push,) = house.take_told(ToAccount)
    assert (push.account, push.but) == (ada.account, ada.phone.id)
    assert decode_answer(push.message) == AccountChanged(kind="profile")
    assert profile(ada, ada.account) == b"sealed"
    assert profile(bob, ada.account) == b"sealed"
    assert profile(ada, bob.account) is None
    assert profile(eve, ada.account) == profile(eve, bytes(16)) == Code.UNKNOWN
    house.ask(ada.phone.caller, PutProfile(id=51, body=None))
    assert profile(bob, ada.account) is None


def test_who_is_blocked_does_not_learn_it_from_a_profile(house: House, ada: Someone) -> None:
    bob = Someone(house, "bob").come()
    house.create(ada.phone.caller, bob.phone.caller)
    house.ask(ada.phone.caller, PutProfile(id=8, body=b"sealed"))
    house.ask(ada.phone.caller, Block(id=9, account=bob.account, blocked=True))
    assert profile(bob, ada.account) == b"sealed"
    assert profile(ada, bob.account) is None


def test_who_asks_and_who_is_asked_see_each_others_profiles(tmp_path: Path) -> None:
    house = House(tmp_path, requests="everyone")
    ada, bob = Someone(house, "ada").come(), Someone(house, "bob").come()
    house.create(ada.phone.caller, bob.phone.caller, kind="direct", partner=bob.account)
    assert profile(ada, bob.account) is None
    assert profile(bob, ada.account) is None


def test_a_gone_account_has_no_profile(house: House, ada: Someone) -> None:
    house.connection.run("DELETE FROM account")
    assert profile(ada, ada.account) is None


def test_many_rows_are_stored_by_few_statements(house: House, ada: Someone) -> None:
    rows = [row(number) for number in range(255)]
    ran: list[str] = []
    house.connection._db.set_trace_callback(ran.append)
    assert put(ada, *rows) == Done(id=1)
    assert len([one for one in ran if "INTO archive" in one]) == 8
    assert [one for page in pages(ada) for one in page.rows] == rows


def test_an_archive_that_nobody_can_open_any_more_is_gone_at_once_and_goes_bit_by_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LINES", 1)
    house = House(tmp_path, account_archive_rows_max=4)
    ada = Someone(house, "ada").come()
    put(ada, *(row(number) for number in range(3)))
    with writing(house) as tx:
        archive.drop_archive(tx, ada.account)
    assert lines(house, "SELECT COUNT(*) FROM archive") == [2]
    assert pages(ada)[0].rows == ()
    new = [row(number, body=b"new") for number in range(2, 6)]
    assert put(ada, *new) == Done(id=house.number)
    assert list(pages(ada)[0].rows) == new
    with writing(house) as tx:
        assert sweep_leftovers(tx) == 1
    assert list(pages(ada)[0].rows) == new
    assert lines(house, "SELECT COUNT(*) FROM leftover") == [0]
