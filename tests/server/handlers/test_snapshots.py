"""Snapshots: which are stored, who may read them, and how long they stay."""

from pathlib import Path

import pytest

from alcove.server.handlers import snapshots
from alcove.wire.base import Done
from alcove.wire.entries import DropBodies, GetSnapshot, PutSnapshot, Snapshot
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import PutLink
from tests.server.handlers.kit import code, open_house, room_of
from tests.server.house import House, Person, Talk

LINK = bytes(32)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def put(house: House, person: Person, talk: Talk, body: bytes = b"tree") -> object:
    request = PutSnapshot(id=house.next_id(), room=talk.room, name=talk.handshake, body=body)
    return house.ask(person.phone, request)


def heal(house: House, person: Person, talk: Talk, times: int = 1) -> None:
    for _ in range(times):
        house.append(person.phone, talk, house.handshake(person.phone, talk, renews=False))
        house.now += 60_000


def kept(house: House) -> list[int]:
    return [seq for (seq,) in house.tx().all("SELECT seq FROM snapshot ORDER BY seq")]


def test_a_member_finds_the_newest_snapshot_at_or_before_a_place(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    early = talk.handshake
    assert put(house, ada, talk, b"early") == Done(id=house.number)
    heal(house, ada, talk)
    put(house, bob, talk, b"late")
    newest = Snapshot(seq=3, name=talk.handshake, body=b"late")
    assert house.ask(bob.phone, GetSnapshot(room=talk.room)) == newest
    assert house.ask(bob.phone, GetSnapshot(room=talk.room, until=3)) == newest
    before = house.ask(bob.phone, GetSnapshot(room=talk.room, until=2))
    assert before == Snapshot(seq=2, name=early, body=b"early")
    none = Snapshot(seq=0, name=NOTHING_BEFORE, body=None)
    assert house.ask(bob.phone, GetSnapshot(room=talk.room, until=1)) == none


def test_only_a_recent_handshake_gets_a_snapshot_and_only_one(house: House) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    assert code(put(house, ada, Talk(talk.room, LINK))) == "unknown"
    older = Talk(talk.room, talk.handshake)
    heal(house, ada, talk)
    put(house, ada, talk)
    assert code(put(house, ada, talk, b"other")) == "exists"
    assert code(put(house, ada, older)) == "exists"
    assert kept(house) == [2]


def test_only_members_store_snapshots_and_none_too_large(tmp_path: Path) -> None:
    house = open_house(tmp_path, handshake_bytes_max=64 * 1024)
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    assert code(put(house, eve, talk)) == "not_a_member"
    assert code(put(house, ada, Talk(house.random(16), LINK))) == "unknown"
    assert code(put(house, ada, talk, bytes(64 * 1024 + 1))) == "too_large"
    assert kept(house) == []


def test_who_may_join_reads_snapshots_too(house: House) -> None:
    ada, eve = house.add_person("ada", devices=2), house.add_person("eve")
    talk = room_of(house, ada)
    put(house, ada, talk)
    ask = GetSnapshot(room=talk.room)
    assert isinstance(house.ask(ada.devices[1], ask), Snapshot)
    assert code(house.ask(eve.phone, ask)) == "not_a_member"
    by_link = GetSnapshot(room=talk.room, link=LINK)
    assert code(house.ask(eve.phone, by_link)) == "not_a_member"
    expires_at = house.now + 1000
    house.ask(ada.phone, PutLink(id=90, room=talk.room, link=LINK, expires_at=expires_at))
    assert isinstance(house.ask(eve.phone, by_link), Snapshot)
    house.now = expires_at + 1
    assert code(house.ask(eve.phone, by_link)) == "not_a_member"


def test_older_snapshots_stay_while_a_kept_body_needs_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "SPACING_HANDSHAKES", 1)
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    renewed = Talk(talk.room, talk.handshake)
    put(house, ada, talk)
    said = house.say(ada.phone, renewed).first
    for _ in range(3):
        heal(house, ada, talk)
        put(house, ada, talk)
    assert kept(house) == [1, 3, 4, 5]
    drop = DropBodies(id=90, room=talk.room, seqs=(said,), incarnation=house.incarnation)
    assert house.ask(ada.phone, drop) == Done(id=90)
    heal(house, ada, talk)
    put(house, ada, talk)
    assert kept(house) == [5, 6]


def test_snapshots_that_stand_close_together_are_thinned(house: House) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    renewed = Talk(talk.room, talk.handshake)
    put(house, ada, talk)
    house.say(ada.phone, renewed)
    for _ in range(20):
        heal(house, ada, talk)
        put(house, ada, talk)
        house.say(ada.phone, renewed)
    handshakes = [1, *range(3, 43, 2)]
    assert kept(house) == [handshakes[place] for place in (0, 16, 19, 20)]


def test_one_member_cannot_push_the_snapshots_of_others_out(house: House) -> None:
    ada, mal = house.add_person("ada"), house.add_person("mal")
    talk = room_of(house, ada, mal)
    renewed = Talk(talk.room, talk.handshake)
    for body in (b"first", b"second", b"good"):
        put(house, ada, talk, body)
        house.say(ada.phone, renewed)
        heal(house, ada, talk)
    for _ in range(12):
        heal(house, mal, talk)
        put(house, mal, talk, b"bad")
    bodies = [body for (body,) in house.tx().all("SELECT body FROM snapshot ORDER BY seq")]
    assert bodies == [b"first", b"good", b"bad", b"bad"]
    heal(house, ada, talk)
    put(house, ada, talk, b"new")
    bodies = [body for (body,) in house.tx().all("SELECT body FROM snapshot ORDER BY seq")]
    assert bodies[-2:] == [b"bad", b"new"]


def test_without_kept_bodies_the_newest_two_stay_and_one_of_somebody_else(house: House) -> None:
    ada, mal = house.add_person("ada"), house.add_person("mal")
    talk = room_of(house, ada, mal)
    for person in (ada, ada, mal, mal, mal):
        heal(house, ada, talk)
        put(house, person, talk)
    assert kept(house) == [4, 6, 7]
    heal(house, ada, talk)
    put(house, ada, talk)
    assert kept(house) == [7, 8]
