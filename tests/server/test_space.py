"""What may still be stored when there is little space, and what passes even then."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.batch import Chore
from alcove.server.caller import Caller
from alcove.server.handlers import TABLE, blobs
from alcove.server.space import ADDING, DAY_MS, KEEPING_UP, Space
from alcove.server.tx import Tx
from alcove.wire.base import Done
from alcove.wire.entries import Appended, DropBodies, NewEntry
from alcove.wire.errors import Refused
from alcove.wire.rooms import PutRows, PutSlot
from tests.server.handlers.kit import code, open_house, room_of
from tests.server.house import House, Person, Talk

LEAST = 1000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path, handshake_pause_ms=0)


def level_of(*free: int) -> str:
    """Return the level after so much was free, one time after the other."""
    space = Space()
    for one in free:
        space.see_disk(one, LEAST)
    return space.level


@pytest.mark.parametrize(
    ("free", "level"),
    [
        ((1000,), "enough"),
        ((999,), "short"),
        ((250,), "short"),
        ((249,), "last"),
        ((0,), "last"),
        ((999, 1124), "short"),
        ((999, 1125), "enough"),
        ((0, 1124), "short"),
        ((0, 1125, 1000), "enough"),
    ],
)
def test_the_level_follows_the_free_space_and_does_not_go_to_and_fro(
    free: tuple[int, ...], level: str
) -> None:
    assert level_of(*free) == level


def test_only_a_change_of_level_is_news() -> None:
    space = Space()
    assert [space.see_disk(free, LEAST) for free in (5000, 900, 800, 100, 50, 5000, 5000)] == [
        False, True, False, True, False, True, False,
    ]  # fmt: skip


def test_a_least_of_nothing_refuses_nothing() -> None:
    space = Space()
    assert not space.see_disk(0, 0)
    assert space.level == "enough"


def test_every_kind_of_request_that_is_named_here_is_one_that_writes() -> None:
    for kind in (*ADDING, *KEEPING_UP):
        assert TABLE[kind].writes


def removes(house: House, caller: Caller, talk: Talk, seq: int) -> Any:
    request = DropBodies(
        id=house.next_id(), room=talk.room, incarnation=house.incarnation, seqs=(seq,)
    )
    return house.ask(caller, request)


def commits(house: House, caller: Caller, talk: Talk, *after: NewEntry) -> Any:
    before = talk.handshake
    reply = house.append(caller, talk, house.handshake(caller, talk), *after)
    if not isinstance(reply, Appended):
        talk.handshake = before
    return reply


def uploads(house: House, person: Person) -> Any:
    def announce(tx: Tx) -> bytes:
        return blobs.announce(tx, person.account, 10, "never", tx.now)

    (outcome, *_) = house.writer.run([Chore(announce)], house.now)
    return outcome.result.code if isinstance(outcome.result, Refused) else None


def rows(house: House, caller: Caller, talk: Talk) -> Any:
    return house.ask(caller, PutRows(id=house.next_id(), room=talk.room, rows=()))


def test_on_a_short_disk_commits_and_removals_pass_and_messages_wait(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    first = house.say(ada.phone, talk).first
    house.world.space.see_disk(999, LEAST)
    refused = house.say(ada.phone, talk)
    assert (refused.code, refused.retry_after_ms) == ("storage", 60_000)
    assert "disk is nearly full" in refused.why
    assert code(house.create(ada.phone)[1]) == "storage"
    assert uploads(house, ada) == "storage"
    assert isinstance(commits(house, ada.phone, talk, house.message(ada.phone, talk)), Appended)
    assert isinstance(rows(house, ada.phone, talk), Done)
    assert isinstance(removes(house, ada.phone, talk, first), Done)
    slot = PutSlot(id=house.next_id(), room=talk.room, body=b"at 3")
    assert isinstance(house.ask(ada.phone, slot), Done)
    house.world.space.see_disk(5000, LEAST)
    assert isinstance(house.say(ada.phone, talk), Appended)
    assert uploads(house, ada) is None


def test_on_the_last_of_the_disk_only_what_makes_space_passes(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    first = house.say(ada.phone, talk).first
    house.world.space.see_disk(249, LEAST)
    assert code(commits(house, ada.phone, talk)) == "storage"
    assert code(rows(house, ada.phone, talk)) == "storage"
    leave = house.message(bob.phone, talk, form="notice", notice="leave", key=None)
    assert code(house.append(bob.phone, talk, leave)) == "storage"
    assert isinstance(removes(house, ada.phone, talk, first), Done)


def test_who_leaves_a_room_may_say_so_on_a_short_disk(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    house.world.space.see_disk(999, LEAST)
    leave = house.message(bob.phone, talk, form="notice", notice="leave", key=None)
    assert isinstance(house.append(bob.phone, talk, leave), Appended)


def test_a_request_that_was_carried_out_before_has_its_answer_on_a_short_disk(
    house: House,
) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    entry = house.message(ada.phone, talk)
    reply = house.append(ada.phone, talk, entry)
    house.world.space.see_disk(0, LEAST)
    house.number -= 1
    assert house.append(ada.phone, talk, entry) == reply


def test_an_account_that_has_sent_too_much_today_goes_on_tomorrow(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    space = house.world.space
    space.see_accounts({ada.account: 101, bob.account: 100}, 100, 5 * DAY_MS + 3)
    refused = house.say(ada.phone, talk)
    assert (refused.code, refused.retry_after_ms) == ("quota", DAY_MS - 3)
    assert uploads(house, ada) == "quota"
    assert isinstance(house.say(bob.phone, talk), Appended)
    assert isinstance(commits(house, ada.phone, talk), Appended)
    space.see_accounts({}, 100, 6 * DAY_MS)
    assert isinstance(house.say(ada.phone, talk), Appended)


def test_who_has_used_up_the_day_says_nothing_beside_a_commit_or_a_notice(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    house.world.space.see_accounts({ada.account: 101}, 100, 5 * DAY_MS)
    message = house.message(ada.phone, talk)
    assert code(commits(house, ada.phone, talk, message)) == "quota"
    lost = house.message(ada.phone, talk, form="notice", notice="lost", key=None)
    assert code(house.append(ada.phone, talk, lost, message)) == "quota"
    assert isinstance(house.append(ada.phone, talk, lost), Appended)
    assert isinstance(commits(house, ada.phone, talk), Appended)


def test_who_has_used_up_twice_the_day_keeps_nothing_going(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    first = house.say(ada.phone, talk).first
    space = house.world.space
    space.see_accounts({ada.account: 200}, 100, 5 * DAY_MS)
    assert isinstance(commits(house, ada.phone, talk), Appended)
    assert isinstance(rows(house, ada.phone, talk), Done)
    space.see_accounts({ada.account: 201}, 100, 5 * DAY_MS)
    assert code(commits(house, ada.phone, talk)) == "quota"
    assert code(rows(house, ada.phone, talk)) == "quota"
    assert isinstance(rows(house, bob.phone, talk), Done)
    assert isinstance(removes(house, ada.phone, talk, first), Done)


def test_without_a_limit_for_a_day_nobody_has_sent_too_much(house: House) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    house.world.space.see_accounts({ada.account: 10**18}, 0, house.now)
    assert isinstance(house.say(ada.phone, talk), Appended)
