"""Key packages: each handed out once, the last resort after them, and no store can be emptied."""

from pathlib import Path

import pytest

from alcove.server.effects import ToDevices
from alcove.server.handlers.packages import CLAIM_MS, drop_claimed
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
from tests.server.people import Someone, code, kinds, lines, told_to, writing


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
    assert lines(house, LEFT) == [b"phone"]


LEFT = "SELECT body FROM package WHERE claim IS NULL ORDER BY number"


def test_the_same_claim_within_an_hour_takes_nothing_more(house: House) -> None:
    ada, bob = two(house)
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    put(house, ada, b"one", b"two", b"three")
    house.ask(laptop.caller, PutPackages(id=1, last_resort=b"laptop"))
    request = Claim(id=7, account=ada.account)
    first = house.ask(bob.phone.caller, request)
    house.start()
    house.now += CLAIM_MS - 1
    assert house.ask(bob.phone.caller, request) == first
    assert lines(house, LEFT) == [b"laptop", b"two", b"three"]
    assert kinds(house, ada.account).count("packages_taken") == 1
    house.now += 1
    assert house.ask(bob.phone.caller, request).packages[0].package == b"two"
    assert lines(house, "SELECT COUNT(*) FROM package WHERE body = ?", b"one") == [0]


def test_a_claim_of_another_device_number_or_door_takes_another_package(house: House) -> None:
    ada, bob = two(house)
    laptop = bob.gadget()
    bob.publish(bob.phone, laptop)
    put(house, ada, *[b"%d" % number for number in range(9)])
    callers = (bob.phone.caller, laptop.caller, bob.phone.from_http())
    taken = [
        house.ask(caller, Claim(id=number, account=ada.account)).packages[0].package
        for caller in callers
        for number in (0, 0, 7)
    ]
    assert sorted(taken) == [b"%d" % number for number in range(9)]


def test_the_answer_of_a_claim_is_not_kept(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one")
    claimed(house, bob, ada)
    assert told_to(house, bob.phone.id) == []


def test_packages_that_were_handed_out_are_dropped_after_an_hour(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one", b"two", b"three", last_resort=b"last")
    claimed(house, bob, ada)
    house.now += 1
    claimed(house, bob, ada)
    assert put(house, ada) == PackagesLeft(id=house.number, count=1)
    house.now += CLAIM_MS - 1

    def drop() -> int:
        with writing(house) as tx:
            return drop_claimed(tx, house.now)

    assert (drop(), drop()) == (1, 0)
    house.now += 1
    assert (drop(), drop()) == (1, 0)
    assert lines(house, "SELECT body FROM package ORDER BY number") == [b"last", b"three"]


def test_packages_that_are_replaced_are_still_there_for_who_claims_once_more(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one", b"two")
    request = Claim(id=7, account=ada.account)
    first = house.ask(bob.phone.caller, request)
    put(house, ada, b"new", replace=True)
    assert house.ask(bob.phone.caller, request) == first
    assert lines(house, LEFT) == [b"new"]


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


def test_who_is_blocked_claims_like_others(house: House) -> None:
    ada, bob = two(house)
    put(house, ada, b"one", b"two")
    before = claimed(house, bob, ada)
    house.ask(ada.phone.caller, Block(id=9, account=bob.account, blocked=True))
    assert (before, claimed(house, bob, ada)) == ([(b"one", False)], [(b"two", False)])


def test_nobody_claims_for_who_is_not_there(house: House) -> None:
    _, bob = two(house)
    assert code(house.ask(bob.phone.caller, Claim(id=1, account=bytes(16)))) == Code.UNKNOWN


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
    assert len(lines(house, LEFT)) == 100 - most - 1
    house.now += refusal.retry_after_ms
    assert claimed(house, bob, ada) != []


def test_many_accounts_together_cannot_empty_a_store(house: House) -> None:
    ada, _ = two(house)
    put(house, ada, *[b"%d" % number for number in range(100)], last_resort=b"last")
    crowd = [Someone(house, f"bot{number}").come() for number in range(3)]
    most = house.settings.rate_claim_one.burst
    taken = [claimed(house, one, ada)[0] for one in crowd for _ in range(most)]
    assert [last for _, last in taken] == [False] * 60 + [True] * 30
    assert len(lines(house, LEFT)) == 41
    house.now += 60 * 60 * 1000
    assert [claimed(house, crowd[0], ada)[0][1] for _ in range(2)] == [False, True]


def test_a_device_without_a_last_resort_is_left_out_rather_than_emptied(house: House) -> None:
    ada, _ = two(house)
    put(house, ada, *[b"%d" % number for number in range(100)])
    crowd = [Someone(house, f"bot{number}").come() for number in range(3)]
    most = house.settings.rate_claim_one.burst
    counts = [len(claimed(house, one, ada)) for one in crowd for _ in range(most)]
    assert (sum(counts), len(lines(house, LEFT))) == (60, 40)


def test_claims_for_ones_own_devices_are_limited_too(house: House) -> None:
    ada, _ = two(house)
    for _ in range(house.settings.rate_claim_one.burst):
        claimed(house, ada, ada)
    refusal = house.ask(ada.phone.caller, Claim(id=house.next_id(), account=ada.account))
    assert code(refusal) == Code.TOO_MANY
