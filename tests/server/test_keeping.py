"""Housekeeping: what has had its time goes, and nothing that somebody still needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from alcove.server import keeping
from alcove.server.answers import REPLAYED
from alcove.server.batch import Chore as Job
from alcove.server.caller import Caller
from alcove.server.effects import BlobGone, ToAccount
from alcove.server.handlers import blobs
from alcove.server.handlers.invites import make_invite
from alcove.server.handlers.letters import deliver
from alcove.server.keeping import CHORES, DAY_MS, HOUR_MS, Turn
from alcove.server.store.database import Value
from alcove.server.tx import Tx
from alcove.wire.directory import PutAlias
from alcove.wire.entries import Entries, Passed, PutSnapshot, Read
from alcove.wire.greeting import NewToken
from alcove.wire.ids import Position, name_of
from alcove.wire.rooms import PutLink
from tests.server.house import House, Person, Talk, member

T = TypeVar("T")


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def do(house: House, function: Callable[[Tx], T]) -> T:
    """Carry a function out as the server does with its own."""
    (outcome, *rest) = house.writer.run([Job(function)], house.now)
    assert house.writer.unexpected == []
    for one in (outcome, *rest):
        house.told += one.effects
    result: T = outcome.result
    return result


def turn(house: House, chore: Callable[[Tx, int], Turn], since: int = 0) -> Turn:
    return do(house, lambda tx: chore(tx, since))


def through(house: House, chore: Callable[[Tx, int], Turn]) -> int:
    """Call a chore until it is through, and return how much it did."""
    since: int | None = 0
    done = 0
    while since is not None:
        count, since = turn(house, chore, since)
        done += count
    return done


def all_of(house: House, sql: str, *values: Value) -> list[Any]:
    return house.connection.all(sql, *values)


def log(house: House, person: Person, talk: Talk) -> Entries:
    request = Read(room=talk.room, since=Position(house.incarnation, 0), entries_max=4096)
    page = house.ask(person.phone, request)
    assert isinstance(page, Entries)
    return page


def bodies(house: House, person: Person, talk: Talk) -> list[int]:
    """Return the places in a log whose bodies are there."""
    return [one.seq for one in log(house, person, talk).entries if one.body is not None]


def passes(house: House, caller: Caller, talk: Talk, seq: int) -> None:
    position = Position(house.incarnation, seq)
    house.ask(caller, Passed(id=house.next_id(), rooms=((talk.room, position),)))


def pair(house: House, *, devices: int = 1) -> tuple[Person, Person, Talk]:
    """Return two people and their room, whose first two places are handshakes."""
    ada, bob = house.add_person("ada"), house.add_person("bob", devices)
    talk, _ = house.create(ada.phone, *bob.devices)
    return ada, bob, talk


# ---- Expired bodies ----


def test_a_body_goes_when_its_time_is_over_and_its_tombstone_keeps_the_chain(house: House) -> None:
    ada, bob, talk = pair(house)
    house.say(ada.phone, talk, expires_at=house.now + 1000)
    house.say(ada.phone, talk, expires_at=house.now + 1001)
    before = {one.seq: one for one in log(house, bob, talk).entries}
    house.now += 1000
    assert turn(house, keeping.drop_expired_bodies) == Turn(1, None)
    assert bodies(house, bob, talk) == [1, 2, 4]
    tomb = log(house, bob, talk).entries[2]
    assert tomb.body_hash is not None
    assert name_of(talk.room, tomb.header, tomb.body_hash) == name_of(
        talk.room, before[3].header, tomb.body_hash
    )
    assert turn(house, keeping.drop_expired_bodies) == Turn(0, None)


def test_many_expired_bodies_take_several_turns(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "BODIES", 2)
    ada, bob, talk = pair(house)
    for _ in range(5):
        house.say(ada.phone, talk, expires_at=house.now + 1000)
    house.now += 1000
    assert turn(house, keeping.drop_expired_bodies) == Turn(2, 0)
    assert through(house, keeping.drop_expired_bodies) == 3
    assert bodies(house, bob, talk) == [1, 2]


# ---- Live bodies ----


def test_a_live_body_goes_when_every_device_has_passed_it(house: House) -> None:
    ada, bob, talk = pair(house, devices=2)
    for form in ("live", "live", "kept", "live"):
        house.say(ada.phone, talk, form=form)
    for caller in (ada.phone, bob.phone):
        passes(house, caller, talk, 6)
    passes(house, bob.devices[1], talk, 3)
    assert turn(house, keeping.sweep_live_bodies) == Turn(1, None)
    assert bodies(house, bob, talk) == [1, 2, 4, 5, 6]
    passes(house, bob.devices[1], talk, 6)
    assert turn(house, keeping.sweep_live_bodies) == Turn(2, None)
    assert bodies(house, bob, talk) == [1, 2, 5]
    assert turn(house, keeping.sweep_live_bodies) == Turn(0, None)


def test_who_has_left_or_was_revoked_is_not_waited_for(house: House) -> None:
    ada, bob, talk = pair(house, devices=3)
    house.say(ada.phone, talk, form="live")
    for caller in (ada.phone, bob.phone):
        passes(house, caller, talk, 3)
    assert turn(house, keeping.sweep_live_bodies).done == 0
    house.connection.run("UPDATE device SET revoked_at = 1 WHERE device = ?", bob.devices[1].device)
    assert turn(house, keeping.sweep_live_bodies).done == 0
    house.append(
        bob.devices[2], talk, house.message(bob.devices[2], talk, form="notice", notice="leave")
    )
    assert turn(house, keeping.sweep_live_bodies).done == 1


def test_a_room_that_nobody_is_in_is_left_to_its_expiry(house: House) -> None:
    ada, _, talk = pair(house)
    house.say(ada.phone, talk, form="live")
    house.connection.run("DELETE FROM member")
    assert turn(house, keeping.sweep_live_bodies) == Turn(0, None)


def test_who_was_asked_and_has_not_answered_is_waited_for(house: House) -> None:
    ada, bob, talk = pair(house)
    house.connection.run("UPDATE room_account SET state = 'pending' WHERE account = ?", bob.account)
    house.say(ada.phone, talk, form="live")
    passes(house, ada.phone, talk, 3)
    assert turn(house, keeping.sweep_live_bodies).done == 0


def test_who_has_declined_is_not_waited_for(house: House) -> None:
    ada, bob, talk = pair(house)
    house.connection.run("UPDATE room_account SET state = 'pending' WHERE account = ?", bob.account)
    house.say(ada.phone, talk, form="live")
    passes(house, ada.phone, talk, 3)
    house.connection.run("UPDATE room_account SET declined_at = 1 WHERE account = ?", bob.account)
    assert turn(house, keeping.sweep_live_bodies).done == 1


def rooms_with_live_bodies(house: House, count: int) -> tuple[Person, list[Talk]]:
    """Return somebody's rooms, each with live bodies at 2, 4 and 5, all of which were passed."""
    ada = house.add_person("ada")
    talks = [house.create(ada.phone)[0] for _ in range(count)]
    for talk in talks:
        for form in ("live", "kept", "live", "live"):
            house.say(ada.phone, talk, form=form)
        passes(house, ada.phone, talk, 5)
    return ada, talks


def test_a_sweep_goes_on_where_it_stood_in_turns_of_few_bodies(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, talks = rooms_with_live_bodies(house, 2)
    monkeypatch.setattr(keeping, "BODIES", 2)
    assert turn(house, keeping.sweep_live_bodies) == Turn(2, 0)
    assert bodies(house, ada, talks[0]) == [1, 3, 5]
    assert turn(house, keeping.sweep_live_bodies, 0) == Turn(2, 1)
    assert [bodies(house, ada, talk) for talk in talks] == [[1, 3], [1, 3, 4, 5]]
    assert through(house, keeping.sweep_live_bodies) == 2
    assert [bodies(house, ada, talk) for talk in talks] == [[1, 3]] * 2


def test_a_sweep_reads_no_more_of_bodies_in_one_turn_than_one_too_many(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rooms_with_live_bodies(house, 1)
    monkeypatch.setattr(keeping, "BODY_BYTES", 65)  # A body has 64.
    assert turn(house, keeping.sweep_live_bodies) == Turn(2, 0)
    assert turn(house, keeping.sweep_live_bodies) == Turn(1, None)


@pytest.mark.parametrize(("name", "most"), [("ROOMS", 2), ("MEMBERS", 2)])
def test_a_sweep_looks_at_few_rooms_and_members_in_one_turn(
    house: House, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    rooms_with_live_bodies(house, 3)
    house.connection.run("UPDATE member SET passed = 1 WHERE room < 3")
    monkeypatch.setattr(keeping, name, most)
    assert turn(house, keeping.sweep_live_bodies) == Turn(0, 2)
    assert turn(house, keeping.sweep_live_bodies, 2) == Turn(3, None)


def test_a_sweep_finds_the_rooms_that_hold_live_bodies_without_looking_at_others(
    house: House,
) -> None:
    plan = all_of(
        house,
        """
        EXPLAIN QUERY PLAN
        SELECT room, seq FROM entry WHERE form = 2 AND body IS NOT NULL AND room > ?
        ORDER BY room, seq LIMIT 1
        """,
        0,
    )
    (step,) = [detail for *_, detail in plan]
    assert step == "SEARCH entry USING INDEX entry_live (room>?)"


# ---- Handshakes ----


def renew(house: House, caller: Caller, talk: Talk, count: int = 1) -> None:
    for _ in range(count):
        house.now += HOUR_MS
        house.append(caller, talk, house.handshake(caller, talk, renews=True))


def snap(house: House, caller: Caller, talk: Talk) -> None:
    house.ask(
        caller, PutSnapshot(id=house.next_id(), room=talk.room, name=talk.handshake, body=b"s")
    )


def room_with_history(house: House, expires_in_ms: int | None = None) -> Talk:
    """Return a room with snapshots at 19, 38 and 56, and one kept message at 20.

    All have read up to its end, 57.
    """
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = house.create(ada.phone, bob.phone)
    renew(house, ada.phone, talk, 17)
    snap(house, ada.phone, talk)
    expires_at = None if expires_in_ms is None else house.now + expires_in_ms
    house.say(ada.phone, talk, expires_at=expires_at)
    for _ in range(2):
        renew(house, ada.phone, talk, 18)
        snap(house, ada.phone, talk)
    renew(house, ada.phone, talk)
    for caller in (ada.phone, bob.phone):
        passes(house, caller, talk, 57)
    assert snapshots(house) == [19, 38, 56]
    return talk


def snapshots(house: House) -> list[int]:
    return [seq for (seq,) in all_of(house, "SELECT seq FROM snapshot ORDER BY seq")]


def handshakes(house: House) -> list[int]:
    """Return the places of the handshakes whose bodies are there."""
    lines = all_of(house, "SELECT seq FROM entry WHERE form = 0 AND body IS NOT NULL ORDER BY seq")
    return [seq for (seq,) in lines]


def test_old_handshakes_and_snapshots_go_when_no_kept_body_needs_them(house: House) -> None:
    room_with_history(house, 90 * HOUR_MS)
    assert turn(house, keeping.drop_old_handshakes) == Turn(18, None)
    assert (handshakes(house)[:2], snapshots(house)) == ([19, 21], [19, 38, 56])
    house.now += 90 * HOUR_MS
    assert turn(house, keeping.drop_expired_bodies).done == 1
    assert turn(house, keeping.drop_old_handshakes) == Turn(18, None)
    assert (handshakes(house), snapshots(house)) == ([*range(38, 58)], [38, 56])
    assert turn(house, keeping.drop_old_handshakes) == Turn(0, None)


def test_handshakes_stay_while_a_kept_body_among_them_needs_them(house: House) -> None:
    room_with_history(house)
    house.connection.run("UPDATE entry SET form = 1 WHERE seq = 10")
    assert turn(house, keeping.drop_old_handshakes) == Turn(0, None)
    assert handshakes(house)[0] == 1


def test_handshakes_stay_while_a_device_has_to_follow_them(house: House) -> None:
    room_with_history(house)
    house.connection.run("UPDATE member SET passed = 18")
    assert turn(house, keeping.drop_old_handshakes) == Turn(0, None)
    house.connection.run("UPDATE member SET passed = 19")
    assert turn(house, keeping.drop_old_handshakes) == Turn(18, None)


def test_handshakes_go_in_turns_of_few_bodies_and_rooms(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_with_history(house)
    monkeypatch.setattr(keeping, "BODIES", 5)
    assert turn(house, keeping.drop_old_handshakes) == Turn(5, 0)
    monkeypatch.setattr(keeping, "ROOMS", 1)
    assert turn(house, keeping.drop_old_handshakes) == Turn(5, 0)
    monkeypatch.setattr(keeping, "BODIES", 100)
    assert turn(house, keeping.drop_old_handshakes) == Turn(8, 1)
    assert turn(house, keeping.drop_old_handshakes, 1) == Turn(0, None)


def test_handshakes_go_in_turns_of_short_logs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    room_with_history(house)  # Its newest snapshot is at 56.
    monkeypatch.setattr(keeping, "PLACES", 57)
    assert turn(house, keeping.drop_old_handshakes) == Turn(18, None)
    monkeypatch.setattr(keeping, "PLACES", 56)
    assert turn(house, keeping.drop_old_handshakes) == Turn(0, 1)


# ---- Answers, letters, tokens, links, requests ----


def test_old_answers_are_forgotten_and_the_highest_number_stays(house: House) -> None:
    ada, bob, talk = pair(house)
    for person in (ada, bob, ada):
        house.say(person.phone, talk)
    last = house.number
    house.now += 30 * DAY_MS
    house.say(bob.phone, talk)
    house.now += 1
    assert turn(house, keeping.forget_answers) == Turn(0, None), "they may be the only ones to know"
    for _ in range(REPLAYED - 1):
        house.say(bob.phone, talk)
    assert turn(house, keeping.forget_answers) == Turn(4, None)
    assert len(all_of(house, "SELECT number FROM answer")) == REPLAYED
    house.start()
    assert house.writer.highest(ada.phone.device) == last
    assert turn(house, keeping.forget_answers) == Turn(0, None)


def test_letters_that_nobody_fetched_are_dropped(house: House) -> None:
    ada, bob, talk = pair(house)

    def write(tx: Tx) -> None:
        state = tx.known_room(talk.room)
        deliver(tx, state, ada.phone.device, "sealed", [bob.phone.device], b"letter", tx.now)

    do(house, write)
    house.now += DAY_MS
    do(house, write)
    house.now += 29 * DAY_MS + 1
    assert turn(house, keeping.drop_letters) == Turn(1, None)
    assert len(all_of(house, "SELECT letter FROM inbox")) == 1


def test_tokens_that_were_not_used_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "LINES", 1)
    ada = house.add_person("ada", 2)
    for caller in ada.devices:
        house.ask(caller, NewToken())
    house.now += house.settings.session_timeout_s * 1000
    assert turn(house, keeping.end_tokens) == Turn(0, None)
    house.now += 1
    assert turn(house, keeping.end_tokens) == Turn(1, 0)
    assert through(house, keeping.end_tokens) == 1
    assert all_of(house, "SELECT hash FROM token") == []


def test_links_that_have_ended_are_dropped(house: House) -> None:
    ada, _, talk = pair(house)
    do(house, lambda tx: make_invite(tx, "invite", None, uses=1, days=1, now=tx.now))
    do(house, lambda tx: make_invite(tx, "invite", None, uses=1, days=60, now=tx.now))
    number = all_of(house, "SELECT number FROM room WHERE room = ?", talk.room)[0][0]
    for hash_, expires_at, uses in (
        (b"a" * 32, house.now + 1, None),
        (b"b" * 32, None, 1),
        (b"c" * 32, None, None),
        (b"d" * 32, house.now + 60 * DAY_MS, 2),
    ):
        house.connection.run(
            """
            INSERT INTO link (hash, room, made_by, expires_at, uses, used) VALUES (?, ?, ?, ?, ?, 1)
            """,
            hash_, number, ada.account, expires_at, uses,
        )  # fmt: skip
    house.now += 31 * DAY_MS
    assert turn(house, keeping.drop_links) == Turn(2, None)
    house.now += 1
    assert turn(house, keeping.drop_links) == Turn(1, None)
    assert len(all_of(house, "SELECT invite FROM invite")) == 1
    assert [one for (one,) in all_of(house, "SELECT hash FROM link ORDER BY hash")] == [
        b"c" * 32,
        b"d" * 32,
    ]


def test_owners_are_told_of_a_public_link_whose_time_is_over_once(house: House) -> None:
    ada, _, talk = pair(house)
    request = PutLink(id=house.next_id(), room=talk.room, link=bytes(32), expires_at=house.now)
    house.ask(ada.phone, request)
    house.ask(
        ada.phone,
        PutAlias(id=house.next_id(), room=talk.room, alias="tea", key=b"key", link=bytes(32)),
    )
    for _ in range(3):
        turn(house, keeping.drop_links)
        house.now += 1
    told = all_of(house, "SELECT account FROM event WHERE kind = 'public_link_ended'")
    assert told == [(ada.account,)]


def test_a_public_link_whose_last_use_told_of_its_end_is_not_told_again(house: House) -> None:
    ada, _, talk = pair(house)
    link = PutLink(id=house.next_id(), room=talk.room, link=bytes(32), expires_at=house.now, uses=1)
    house.ask(ada.phone, link)
    house.ask(
        ada.phone,
        PutAlias(id=house.next_id(), room=talk.room, alias="tea", key=b"key", link=bytes(32)),
    )
    house.connection.run("UPDATE link SET used = 1")
    house.now += 1
    assert turn(house, keeping.drop_links) == Turn(1, None)
    assert all_of(house, "SELECT hash FROM link") == []
    assert all_of(house, "SELECT account FROM event WHERE kind = 'public_link_ended'") == []


def test_old_requests_to_chat_are_forgotten(house: House) -> None:
    house.connection.run(
        "INSERT INTO ask (asker, account, asked_at) VALUES (?, ?, ?)", b"a", b"b", house.now
    )
    assert turn(house, keeping.forget_asks) == Turn(0, None)
    house.now += DAY_MS + 1
    assert turn(house, keeping.forget_asks) == Turn(1, None)


# ---- Files ----


def test_files_whose_time_is_over_are_dropped_and_told(house: House) -> None:
    ada = house.add_person("ada")
    blob = do(house, lambda tx: blobs.announce(tx, ada.account, 10, "day", tx.now))
    do(house, lambda tx: blobs.finish(tx, ada.account, blob, tx.now))
    house.told = []
    assert turn(house, keeping.drop_blobs) == Turn(0, None)
    house.now += DAY_MS
    assert turn(house, keeping.drop_blobs) == Turn(1, None)
    assert house.take_told(BlobGone) == [BlobGone(blob)]
    (event,) = all_of(house, "SELECT kind FROM event WHERE kind = 'blob_expired'")
    assert event == ("blob_expired",)


# ---- Events ----


def happen(house: House, count: int) -> None:
    for _ in range(count):
        do(house, lambda tx: tx.audit("server_started", None))


def test_old_audit_events_go_and_one_says_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "EVENTS", 2)
    happen(house, 3)
    house.now += house.settings.audit_days * DAY_MS + 1
    happen(house, 1)
    assert turn(house, keeping.trim_events) == Turn(0, 2)
    assert turn(house, keeping.trim_events, 2) == Turn(2, 0)
    assert turn(house, keeping.trim_events) == Turn(0, 3)
    assert turn(house, keeping.trim_events, 3) == Turn(1, 0)
    assert turn(house, keeping.trim_events) == Turn(0, None)
    kinds = all_of(house, "SELECT number, kind FROM event ORDER BY number")
    assert kinds == [(4, "server_started"), (5, "log_cleared"), (6, "log_cleared")]


def test_messages_are_counted_for_each_account_in_one_event(house: House) -> None:
    ada, bob, _ = pair(house, devices=2)
    stored = {ada.phone.device: 3, bob.phone.device: 4, bob.devices[1].device: 5, b"gone": 6}
    house.told = []
    assert do(house, lambda tx: keeping.count_messages(tx, stored)) == 2
    lines = all_of(
        house, "SELECT account, detail FROM event WHERE kind = 'messages_counted' ORDER BY detail"
    )
    assert lines == [(ada.account, '{"count":3}'), (bob.account, '{"count":9}')]
    assert [one.account for one in house.take_told(ToAccount)] == sorted([ada.account, bob.account])


# ---- All of them ----


def test_every_chore_is_through_at_once_on_an_empty_server(house: House) -> None:
    assert len({chore.name for chore in CHORES}) == len(CHORES)
    for chore in CHORES:
        assert turn(house, chore.turn) == Turn(0, None), chore.name


def test_whoever_was_added_again_is_waited_for(house: House) -> None:
    ada, bob, talk = pair(house)
    eve = house.add_person("eve")
    house.now += HOUR_MS
    house.append(ada.phone, talk, house.handshake(ada.phone, talk, adds=(member(eve.phone),)))
    house.say(ada.phone, talk, form="live")
    for caller in (ada.phone, bob.phone):
        passes(house, caller, talk, 4)
    assert turn(house, keeping.sweep_live_bodies).done == 0
    passes(house, eve.phone, talk, 4)
    assert turn(house, keeping.sweep_live_bodies).done == 1
