"""Entries: pages, cursors, bodies that are dropped, and what a restored server is given back."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alcove.server.effects import Following, Moved, ToDevices, ToRoom
from alcove.server.handlers import entries
from alcove.server.handlers.entries import DAY_MS
from alcove.server.store.opening import begin_incarnation
from alcove.wire.base import Done
from alcove.wire.codec import decode_answer
from alcove.wire.entries import (
    Appended,
    DropBodies,
    Entries,
    Offered,
    OfferHandshakes,
    Passed,
    Read,
    Stored,
)
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import Position, entry_name, name_of
from alcove.wire.rooms import PutLink, RoomChanged
from tests.server.house import START_MS, House, Person, Talk, member


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def code(reply: Any) -> Code | None:
    return reply.code if isinstance(reply, Refusal) else None


def pair(house: House) -> tuple[Person, Person, Talk]:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, created = house.create(ada.phone, bob.phone)
    assert isinstance(created, Appended)
    house.now += 60_000
    house.told = []
    return ada, bob, talk


def read(house: House, person: Person, talk: Talk, since: int = 0, **fields: Any) -> Any:
    request = Read(room=talk.room, since=Position(house.incarnation, since), **fields)
    return house.ask(person.phone, request)


def test_pages_end_where_they_are_full(tmp_path: Path) -> None:
    house = House(tmp_path, page_entries_max=4, page_bytes_max=400)
    ada, bob, talk = pair(house)
    for _ in range(5):
        house.say(ada.phone, talk)
    seqs: list[int] = []
    page = read(house, bob, talk)
    while page.more:
        assert 1 <= len(page.entries) <= 4
        assert page.head == 7
        seqs += [entry.seq for entry in page.entries]
        page = read(house, bob, talk, seqs[-1], entries_max=1000)
    assert seqs + [entry.seq for entry in page.entries] == [1, 2, 3, 4, 5, 6, 7]


def test_a_lane_can_be_read_alone(house: House) -> None:
    ada, bob, talk = pair(house)
    house.say(ada.phone, talk)
    assert [one.seq for one in read(house, bob, talk, lane="handshake").entries] == [1, 2]
    assert [one.seq for one in read(house, bob, talk, lane="message").entries] == [3]


def test_who_reads_to_the_end_may_follow(house: House) -> None:
    _, bob, talk = pair(house)
    read(house, bob, talk, follow=True)
    assert house.take_told(Following) == [Following(talk.room, bob.phone.device, 2)]
    read(house, bob, talk, follow=True, lane="message")
    read(house, bob, talk, follow=True, entries_max=1)
    read(house, bob, talk)
    assert house.take_told(Following) == []


def test_strangers_read_handshakes_with_a_link_and_siblings_without(house: House) -> None:
    ada, bob, talk = pair(house)
    eve, tablet = house.add_person("eve"), house.add_device(bob)
    link = bytes([7]) * 32
    house.ask(ada.phone, PutLink(id=house.next_id(), room=talk.room, link=link))
    assert code(read(house, eve, talk)) == "not_a_member"
    assert code(read(house, eve, talk, lane="handshake")) == "not_a_member"
    assert code(read(house, eve, talk, link=link)) == "not_a_member"
    assert len(read(house, eve, talk, lane="handshake", link=link).entries) == 2
    bob.devices.reverse()
    assert bob.phone is tablet
    assert code(read(house, bob, talk)) == "not_a_member"
    assert len(read(house, bob, talk, lane="handshake").entries) == 2


def test_a_place_of_before_a_restore_is_refused(house: House) -> None:
    ada, _, talk = pair(house)
    old = Position(house.incarnation - 1, 0)
    drop = DropBodies(room=talk.room, seqs=(1,), incarnation=house.incarnation - 1)
    for request in (Read(room=talk.room, since=old), Passed(rooms=((talk.room, old),)), drop):
        refusal = house.ask(ada.phone, request)
        assert (refusal.code, refusal.at) == ("restored", START_MS)


def test_cursors_only_go_forward_and_not_past_the_end(house: House) -> None:
    ada, bob, talk = pair(house)
    house.say(ada.phone, talk)

    def pass_(seq: int, room: bytes = talk.room, by: Person = bob) -> Any:
        return house.ask(by.phone, Passed(rooms=((room, Position(house.incarnation, seq)),)))

    for seq in (2, 3, 1, 900, 3):
        assert isinstance(pass_(seq), Done)
    assert house.take_told(Moved) == [Moved(talk.room, bob.phone.device, 3)]
    eve = house.add_person("eve")
    assert isinstance(pass_(1, by=eve), Done), "it was removed meanwhile"
    assert isinstance(pass_(1, room=house.random(16)), Done)
    assert house.take_told(Moved) == []


def test_a_live_body_lasts_thirty_days_at_most(house: House) -> None:
    ada, bob, talk = pair(house)
    month = house.settings.live_days * DAY_MS
    house.say(ada.phone, talk, form="live")
    house.say(ada.phone, talk, form="live", expires_at=house.now + 5)
    house.say(ada.phone, talk, form="live", expires_at=house.now + 2 * month)
    house.say(ada.phone, talk)
    house.say(ada.phone, talk, expires_at=house.now + 7)
    lines = house.tx().all("SELECT expires_at FROM entry WHERE seq > 2 ORDER BY seq")
    assert [line[0] and line[0] - house.now for line in lines] == [month, 5, month, None, 7]
    del bob


def test_a_dropped_body_leaves_a_tombstone_that_keeps_the_chain_whole(house: House) -> None:
    ada, bob, talk = pair(house)
    said = house.message(ada.phone, talk)
    house.append(ada.phone, talk, said)
    drop = DropBodies(id=house.next_id(), room=talk.room, seqs=(3,), incarnation=house.incarnation)
    assert isinstance(house.ask(ada.phone, drop), Done)
    assert len(house.take_told(ToRoom)) == 1
    (entry,) = read(house, bob, talk, 2).entries
    body_hash = hashlib.sha256(said.body).digest()
    assert entry == Stored(3, house.now, said.header, None, body_hash)
    assert name_of(talk.room, entry.header, body_hash)
    assert isinstance(
        house.ask(
            ada.phone,
            DropBodies(
                id=house.next_id(), room=talk.room, seqs=(3,), incarnation=house.incarnation
            ),
        ),
        Done,
    )
    assert house.take_told(ToRoom) == [], "it was gone already"


def test_who_may_drop_a_body(house: House) -> None:
    ada, bob, talk = pair(house)
    cyd, eve = house.add_person("cyd"), house.add_person("eve")
    entry = house.handshake(ada.phone, talk, adds=(member(cyd.phone),))
    house.append(ada.phone, talk, entry)
    for person in (ada, bob, cyd):
        house.say(person.phone, talk)

    def drop(person: Person, *seqs: int) -> Any:
        return house.ask(
            person.phone,
            DropBodies(
                id=house.next_id(), room=talk.room, seqs=seqs, incarnation=house.incarnation
            ),
        )

    assert code(drop(bob, 4)) == "not_allowed"
    assert code(drop(bob, 6)) == "not_allowed"
    assert code(drop(eve, 6)) == "not_a_member"
    assert code(drop(bob, 1)) == code(drop(bob, 99)) == "unknown"
    assert isinstance(drop(bob, 5), Done)
    assert isinstance(drop(ada, 6, 4), Done)
    house.now += 60_000
    tablet = house.add_device(bob)
    house.append(bob.phone, talk, house.handshake(bob.phone, talk, adds=(member(tablet),)))
    house.say(tablet, talk)
    house.now += 60_000
    gone = house.handshake(bob.phone, talk, removes=(member(tablet),), closes=True)
    assert isinstance(house.append(bob.phone, talk, gone), Appended)
    assert isinstance(drop(bob, 8), Done), "a device of one's own that is routed no longer"


class Restored:
    """A house whose log was restored to before its last handshakes, which Bob still has."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ada, self.bob, self.talk = pair(house)
        self.cyd = house.add_person("cyd")
        self.restored_at = self.talk.handshake
        self.lost = [
            house.handshake(self.bob.phone, self.talk),
            house.handshake(self.ada.phone, self.talk, adds=(member(self.cyd.phone),)),
            house.handshake(self.cyd.phone, self.talk),
        ]
        connection = house.database.writer()
        connection.begin()
        house.incarnation = begin_incarnation(connection, house.now)
        connection.commit()
        connection.close()
        house.start()

    def offer(self, person: Person, *entries: Any) -> Any:
        request = OfferHandshakes(
            id=self.house.next_id(), room=self.talk.room, entries=entries or tuple(self.lost)
        )
        return self.house.ask(person.phone, request)


def test_handshakes_that_a_restore_lost_are_taken_back_as_far_as_they_chain(house: House) -> None:
    restored = Restored(house)
    unrelated = house.handshake(restored.bob.phone, Talk(restored.talk.room, bytes([3]) * 32))
    reply = restored.offer(restored.bob, *restored.lost, unrelated)
    assert isinstance(reply, Offered), reply
    assert (reply.taken, reply.head) == (3, 5)
    assert isinstance(house.say(restored.cyd.phone, restored.talk), Appended)
    assert restored.offer(restored.bob).taken == 0, "it has them"
    found = house.connection.all(
        "SELECT device, detail FROM event WHERE kind = 'handshakes_offered' AND account = ?",
        restored.bob.account,
    )
    assert found == [(restored.bob.phone.device, '{"count":3}')], "nothing taken is no event"


def test_what_is_taken_back_at_once_is_bounded(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored = Restored(house)
    monkeypatch.setattr(entries, "OFFERED_MAX", 0)
    takes = []
    while (reply := restored.offer(restored.bob, *restored.lost)).taken:
        takes.append(reply.taken)
        del restored.lost[: reply.taken]
    assert len(takes) > 1
    assert sum(takes) == 3


def test_what_the_rules_refuse_is_not_taken_back_either(house: House) -> None:
    restored = Restored(house)
    before = Talk(restored.talk.room, restored.restored_at)
    bad = house.handshake(restored.bob.phone, before, removes=(member(restored.ada.phone),),
                          closes=True)  # fmt: skip
    assert restored.offer(restored.bob, bad).taken == 0
    strange = house.handshake(restored.cyd.phone, Talk(restored.talk.room, restored.restored_at))
    assert restored.offer(restored.bob, strange).taken == 0
    empty = house.handshake(
        restored.cyd.phone, Talk(restored.talk.room, restored.restored_at), joins="sibling"
    )
    assert restored.offer(restored.bob, empty).taken == 0
    message = house.message(restored.bob.phone, restored.talk)
    assert code(restored.offer(restored.bob, message)) == "bad_header"


@pytest.mark.parametrize(
    "settings",
    [
        {"room_accounts_max": 2},
        {"requests": "everyone", "asks_per_day": 0},
    ],
)
def test_what_comes_before_an_account_that_may_not_be_added_is_taken_back(
    house: House, settings: dict[str, Any]
) -> None:
    restored = Restored(house)
    house.world.settings = replace(house.world.settings, **settings)
    reply = restored.offer(restored.bob, *restored.lost)
    assert isinstance(reply, Offered), reply
    assert (reply.taken, reply.head) == (1, 3)
    taken = restored.lost[0]
    name = entry_name(restored.talk.room, taken.header, taken.body)
    assert isinstance(house.say(restored.ada.phone, Talk(restored.talk.room, name)), Appended)


def test_nothing_is_taken_back_where_nothing_was_restored_or_by_strangers(house: House) -> None:
    ada, bob, talk = pair(house)
    lost = house.handshake(bob.phone, talk)
    request = OfferHandshakes(id=house.next_id(), room=talk.room, entries=(lost,))
    assert code(house.ask(ada.phone, request)) == "not_allowed"
    eve = house.add_person("eve")
    assert code(house.ask(eve.phone, request)) == "not_a_member"


def test_a_sibling_that_joined_after_the_backup_is_taken_back(house: House) -> None:
    ada, bob, talk = pair(house)
    tablet = house.add_device(bob)
    lost = house.handshake(tablet, talk, joins="sibling", adds=(member(tablet),))
    connection = house.database.writer()
    connection.begin()
    house.incarnation = begin_incarnation(connection, house.now)
    connection.commit()
    connection.close()
    house.start()
    request = OfferHandshakes(id=house.next_id(), room=talk.room, entries=(lost,))
    house.told.clear()
    reply = house.ask(ada.phone, request)
    assert isinstance(reply, Offered)
    assert reply.taken == 1
    told = [
        device
        for one in house.take_told(ToDevices)
        for device in one.devices
        if decode_answer(one.message) == RoomChanged(room=talk.room, state="active")
    ]
    assert told == [tablet.device], "it may believe to be out"
    assert isinstance(house.say(tablet, talk), Appended)


def test_nobody_is_brought_into_a_room_by_who_says_that_he_had_joined(house: House) -> None:
    restored = Restored(house)
    house.world.settings = replace(house.world.settings, requests="all")
    made_up = house.handshake(
        restored.cyd.phone, Talk(restored.talk.room, restored.restored_at),
        joins="link", link=bytes(32), adds=(member(restored.cyd.phone),),
    )  # fmt: skip
    assert restored.offer(restored.bob, made_up).taken == 1
    found = house.connection.all(
        "SELECT state, asked_by FROM room_account WHERE account = ?", restored.cyd.account
    )
    assert found == [("pending", restored.bob.account)]
    asker = house.connection.all("SELECT asker FROM ask WHERE account = ?", restored.cyd.account)
    assert asker == [(restored.bob.account,)]


def test_leaving_and_being_lost_may_stand_in_a_batch(house: House) -> None:
    ada, bob, talk = pair(house)
    lost = house.message(bob.phone, talk, form="notice", key=None, notice="lost")
    leave = house.message(bob.phone, talk, form="notice", key=None, notice="leave")
    assert isinstance(house.append(bob.phone, talk, lost, leave), Appended)
    assert code(house.say(bob.phone, talk)) == "not_a_member"
    page = read(house, ada, talk, 2)
    assert isinstance(page, Entries)
    assert len(page.entries) == 2
