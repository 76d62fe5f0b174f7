"""The audit log as a whole: what is exported, cleared and checked."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alcove.server import audit_log
from alcove.server.audit_log import Walk, announce_clearing, begin_walk, drop_events, old_events
from alcove.server.batch import Chore
from alcove.server.handlers.deletion import delete_for_good
from alcove.server.tx import Tx
from tests.server.house import House

T = TypeVar("T")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def do(house: House, function: Callable[[Tx], T]) -> T:
    outcome = house.writer.run([Chore(function)], house.now)[0]
    assert house.writer.unexpected == []
    result: T = outcome.result
    return result


def happen(house: House, *accounts: bytes | None) -> None:
    """Write an event about each of these."""
    for account in accounts:
        do(house, _event(account))


def _event(account: bytes | None) -> Callable[[Tx], None]:
    return lambda tx: tx.audit("signed_in", account, door="socket")


def checked(house: House) -> Walk:
    """Walk through the whole log, page by page."""
    walk = begin_walk(house.tx())
    while not walk.is_over:
        walk = audit_log.walk(house.tx(), walk)
    return walk


def numbers(house: House) -> list[Any]:
    return [
        number for (number,) in house.connection.all("SELECT number FROM event ORDER BY number")
    ]


def clear(house: House, until: int | None = None) -> None:
    number = do(house, lambda tx: announce_clearing(tx, until))
    do(house, lambda tx: drop_events(tx, number, 100))


# ---- Reading ----


def test_events_are_exported_in_pages_with_names_and_hexadecimal_digits(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_log, "PAGE", 2)
    ada = house.add_person("ada")
    happen(house, ada.account, None, b"gone")
    first, second = audit_log.page(house.tx(), 0)
    assert (first.number, first.account, first.name) == (1, ada.account.hex(), "ada")
    assert (second.account, second.name, second.device, second.address) == ("", "", "", "")
    assert first.detail == {"door": "socket"}
    assert len(bytes.fromhex(first.chain)) == 32
    (third,) = audit_log.page(house.tx(), second.number)
    assert (third.account, third.name) == (b"gone".hex(), "")
    assert audit_log.page(house.tx(), third.number) == ()


def test_the_newest_events_are_shown_oldest_first(house: House) -> None:
    happen(house, None, None, None)
    assert [one.number for one in audit_log.newest(house.tx(), 2)] == [2, 3]


def test_only_suspicious_events_are_shown_when_that_is_asked(house: House) -> None:
    happen(house, None)
    do(house, lambda tx: tx.audit("suspicious", None, is_suspicious=True, rule="many_claims"))
    for found in (
        audit_log.page(house.tx(), 0, suspicious=True),
        audit_log.newest(house.tx(), 9, suspicious=True),
    ):
        assert [(one.number, one.suspicious) for one in found] == [(2, True)]


# ---- Clearing ----


def test_clearing_leaves_an_event_that_says_where_the_chain_stood(house: House) -> None:
    happen(house, None, None, None)
    last = audit_log.newest(house.tx(), 1)[0]
    clear(house)
    happen(house, None)
    found = audit_log.page(house.tx(), 0)
    assert [one.kind for one in found] == ["log_cleared", "signed_in"]
    assert found[0].detail == {"until": 3, "chain": last.chain}
    assert checked(house) == Walk(5, bytes.fromhex(found[1].chain), 2, is_over=True)


def test_the_log_goes_on_from_a_cleared_one_after_a_restart(house: House) -> None:
    happen(house, None)
    clear(house)
    house.start()
    happen(house, None)
    assert numbers(house) == [2, 3]
    assert checked(house).problem == ""


def test_an_empty_log_is_not_cleared(house: House) -> None:
    assert do(house, announce_clearing) == 0
    assert numbers(house) == []


def test_events_are_dropped_from_the_front_a_few_at_a_time(house: House) -> None:
    happen(house, None, None, None)
    assert do(house, lambda tx: announce_clearing(tx, 2)) == 2
    assert do(house, lambda tx: drop_events(tx, 2, 1)) == 1
    assert numbers(house) == [2, 3, 4]
    assert do(house, lambda tx: drop_events(tx, 2, 9)) == 1
    assert do(house, lambda tx: drop_events(tx, 2, 9)) == 0
    assert checked(house).problem == ""


def test_what_stands_before_an_old_event_is_old_whatever_the_clock_said(house: House) -> None:
    happen(house, None)
    house.now += 100
    happen(house, None)
    house.now -= 90
    happen(house, None)
    house.now += 90
    happen(house, None)
    assert old_events(house.tx(), house.now, 100) == 3
    assert old_events(house.tx(), house.now, 2) == 1
    assert old_events(house.tx(), 0, 100) == 0


# ---- Checking ----


def test_a_log_that_nobody_touched_is_whole(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checked(house) == Walk(is_over=True)
    happen(house, None, b"a" * 16, None, None, None)
    monkeypatch.setattr(audit_log, "PAGE", 2)
    walk = checked(house)
    assert (walk.number, walk.count, walk.problem) == (5, 5, "")


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("UPDATE event SET address = 'elsewhere' WHERE number = 2", "Event 2 is not what was"),
        (
            "UPDATE event SET chain = (SELECT chain FROM event WHERE number = 1) WHERE number = 2",
            "Event 2 is not what was",
        ),
        ("DELETE FROM event WHERE number = 2", "Event 2 is missing."),
        ("DELETE FROM event WHERE number = 1", "Events before 2 are gone, and none says"),
        (
            """UPDATE event SET detail = '{"erased":1}' WHERE number = 2""",
            "1 events are blank, and",
        ),
    ],
)
def test_an_event_that_was_changed_or_taken_out_is_found(
    house: House, sql: str, problem: str
) -> None:
    happen(house, None, None, None)
    house.connection.run(sql)
    walk = checked(house)
    assert walk.is_over
    assert walk.problem.startswith(problem)


def test_a_front_that_was_cut_off_after_a_clearing_is_found(house: House) -> None:
    happen(house, None, None)
    clear(house, 1)
    happen(house, None)
    assert checked(house).problem == ""
    house.connection.run("DELETE FROM event WHERE number = 2")
    assert checked(house).problem.startswith("Events before 3 are gone")


def test_events_of_a_deleted_account_are_blank_and_no_reason_to_worry(house: House) -> None:
    ada = house.add_person("ada")
    happen(house, None, ada.account, ada.account)
    do(house, lambda tx: delete_for_good(tx, ada.account))
    walk = checked(house)
    assert (walk.erased, walk.announced, walk.count, walk.problem) == (2, 2, 4, "")
