"""Key packages: each handed out once, the last resort after them, and no store can be emptied."""

from pathlib import Path

import pytest

from alcove.server.effects import ToDevices
from alcove.wire.chats import Block
from alcove.wire.codec import decode_answer
from alcove.wire.devices import (
    Claim,
    Claimed,
    ClaimedPackage,
    PackagesLeft,
    PackagesLow,
    PutPackages,
)
from alcove.wire.errors import Code
from tests.server.house import House
from tests.server.people import Someone, code, kinds, lines


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def two(house: House) -> tuple[Someone, Someone]:
    return Someone(house, "ada").come(), Someone(house, "bob").come()


def put(house: House, person: Someone, *packages: bytes, **fields: object) -> object:
    request = PutPackages(id=house.next_id(), packages=packages, **fields)  # type: ignore[arg-type]
    return house.ask(person.phone.caller, request)


def claimed(house: House, by: Someone, person: Someone) -> list[tuple[bytes, bool]]:
    reply = house.ask(by.phone.caller, Claim(id=house.next_id(), account=person.account))
    assert isinstance(reply, Claimed), reply
    return [(one.package, one.last_resort) for one in reply.packages]


# ---- Storing ----


def test_packages_are_counted_and_added_behind_the_others(house: House) -> None:
    ada, bob = two(house)
    assert put(house, ada) == PackagesLeft(id=1, count=0)
    assert put(house, ada, b"one", b"two", last_resort=b"last") == PackagesLeft(id=2, count=2)
    assert put(house, ada, b"three") == PackagesLeft(id=3, count=3)
    assert [claimed(house, bob, ada) for _ in range(3)] == [
        [(b"one", False)],
        [(b"two", False)],
        [(b"three", False)],
    ]
    assert kinds(house, ada.account).count("packages_added") == 2


def test_packages_can_be_replaced(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one", b"two", last_resort=b"last")
    assert put(house, ada, b"new", replace=True) == PackagesLeft(id=2, count=1)
    assert [claimed(house, bob, ada) for _ in range(2)] == [[(b"new", False)], []]


def test_a_new_last_resort_takes_the_place_of_the_old_one(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, last_resort=b"old")
    assert claimed(house, bob, ada) == [(b"old", True)]
    assert lines(house, "SELECT used FROM package") == [1]
    put(house, ada, last_resort=b"new")
    assert lines(house, "SELECT used FROM package") == [0]
    assert claimed(house, bob, ada) == [(b"new", True)]


def test_a_device_keeps_so_many_packages(tmp_path: Path) -> None:
    house = House(tmp_path, account_packages_max=3)
    ada, _ = two(house)
    put(house, ada, b"1", b"2", last_resort=b"last")
    assert code(put(house, ada, b"3", b"4")) == Code.LIMIT
    assert put(house, ada, b"3") == PackagesLeft(id=3, count=3)
    assert put(house, ada, b"4", b"5", b"6", replace=True) == PackagesLeft(id=4, count=3)


# ---- Claiming ----


def test_a_claim_takes_one_package_of_each_device_and_brings_the_list(house: House) -> None:
    ada, bob = two(house)
    laptop, tablet = ada.gadget(), ada.gadget()
    house.now += 1
    ada.publish(ada.phone, laptop, tablet)
    put(house, ada, b"phone")
    house.ask(laptop.caller, PutPackages(id=1, last_resort=b"laptop"))
    reply = house.ask(bob.phone.caller, Claim(id=1, account=ada.account))
    assert reply.packages == (
        ClaimedPackage(ada.phone.id, b"phone", last_resort=False),
        ClaimedPackage(laptop.id, b"laptop", last_resort=True),
    )
    body = lines(
        house, "SELECT body FROM device_list WHERE account = ? ORDER BY version", ada.account
    )
    assert reply.list.body == body[-1]


def test_a_claim_may_be_for_some_devices_only(house: House) -> None:
    ada, bob = two(house)
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    put(house, ada, b"phone")
    house.ask(laptop.caller, PutPackages(id=1, packages=(b"laptop",)))
    request = Claim(id=1, account=ada.account, devices=(laptop.id, bob.phone.id))
    assert [one.package for one in house.ask(bob.phone.caller, request).packages] == [b"laptop"]
    assert lines(house, "SELECT body FROM package") == [b"phone"]


def test_the_same_claim_again_takes_nothing_more(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one", b"two")
    request = Claim(id=7, account=ada.account)
    assert house.ask(bob.phone.caller, request) == house.ask(bob.phone.caller, request)
    house.start()
    assert house.ask(bob.phone.caller, request).packages[0].package == b"one"
    assert lines(house, "SELECT body FROM package") == [b"two"]


def test_a_device_claims_for_its_siblings_but_not_for_itself(house: House) -> None:
    ada, _ = two(house)
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    put(house, ada, b"phone")
    house.ask(laptop.caller, PutPackages(id=1, packages=(b"laptop",)))
    assert claimed(house, ada, ada) == [(b"laptop", False)]
    assert "packages_claimed" not in kinds(house)


def test_both_sides_find_a_claim_in_their_audit_but_not_from_where_it_came(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one", last_resort=b"last")
    claimed(house, bob, ada)
    claimed(house, bob, ada)
    assert kinds(house, bob.account).count("packages_claimed") == 2
    told = lines(
        house,
        """
        SELECT kind, device, address FROM event
        WHERE account = ? AND kind IN ('packages_taken', 'last_resort_claimed') ORDER BY number
        """,
        ada.account,
    )
    assert told == [
        ("packages_taken", None, ""),
        ("last_resort_claimed", None, ""),
        ("packages_taken", None, ""),
    ]


def test_nothing_claimed_is_no_event(house: House) -> None:
    ada, bob = two(house)
    assert claimed(house, bob, ada) == []
    assert "packages_claimed" not in kinds(house)


def test_a_device_is_told_when_few_packages_are_left(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, *[b"%d" % number for number in range(21)], last_resort=b"last")
    told = []
    for _ in range(22):
        claimed(house, bob, ada)
        told += [(push.devices, decode_answer(push.message)) for push in house.take_told(ToDevices)]
    assert [devices for devices, _ in told] == [(ada.phone.id,)] * 21
    assert told[0][1] == PackagesLow(count=19, last_resort_used=False)
    assert told[-1][1] == PackagesLow(count=0, last_resort_used=True)


def test_who_is_blocked_or_asks_for_nobody_is_told_the_same(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one")
    house.ask(ada.phone.caller, Block(id=9, account=bob.account, blocked=True))
    refusals = [
        house.ask(bob.phone.caller, Claim(id=number, account=account))
        for number, account in ((1, ada.account), (1, bytes(16)))
    ]
    assert refusals[0] == refusals[1]
    assert code(refusals[0]) == Code.UNKNOWN
    assert lines(house, "SELECT body FROM package") == [b"one"]


def test_nobody_claims_for_a_disabled_account(house: House) -> None:
    ada, bob = two(house)
    house.connection.run("UPDATE account SET disabled_at = 1 WHERE name = 'ada'")
    assert code(house.ask(bob.phone.caller, Claim(id=1, account=ada.account))) == Code.UNKNOWN


def test_one_account_cannot_empty_anothers_store(house: House) -> None:
    ada, bob = two(house)
    eve = Someone(house, "eve").come()
    put(house, ada, *[b"%d" % number for number in range(100)])
    most = house.settings.rate_claim_one.burst
    for _ in range(most):
        claimed(house, bob, ada)
    refusal = house.ask(bob.phone.caller, Claim(id=house.next_id(), account=ada.account))
    assert code(refusal) == Code.TOO_MANY
    assert claimed(house, eve, ada) != []
    assert claimed(house, bob, eve) == []
    assert lines(house, "SELECT COUNT(*) FROM package") == [100 - most - 1]
    house.now += refusal.retry_after_ms
    assert claimed(house, bob, ada) != []
