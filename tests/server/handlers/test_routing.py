"""Routing: what headers may change of who gets a room's entries, and what they may not."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.effects import Routed, ToDevices
from alcove.server.handlers import entries, routing
from alcove.server.handlers.rooms import HANDLERS
from alcove.wire.chats import Answer, AsksLeft
from alcove.wire.codec import decode_answers, encode
from alcove.wire.entries import Append, Appended, HandshakeHeader, Member, NewEntry, Routing
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import CreateRoom, PutLink, RoomChanged
from tests.server.house import House, Person, Talk, member


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def code(reply: Any) -> Code | None:
    return reply.code if isinstance(reply, Refusal) else None


class Room:
    """A room of an owner, an admin and two members."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.ada, self.ann = house.add_person("ada"), house.add_person("ann")
        self.bob, self.cyd = house.add_person("bob"), house.add_person("cyd")
        self.eve = house.add_person("eve")
        others = (self.ann.phone, self.bob.phone, self.cyd.phone)
        self.talk, created = house.create(self.ada.phone, *others)
        assert isinstance(created, Appended)
        self.commit(self.ada, roles=((self.ann.account, "admin"),), closes=True)
        house.told = []

    def try_commit(self, person: Person, **fields: Any) -> Any:
        """Commit, and stay at the handshake of before when it is refused."""
        self.house.now += 120_000
        before = self.talk.handshake
        entry = self.house.handshake(person.phone, self.talk, **fields)
        reply = self.house.append(person.phone, self.talk, entry)
        if isinstance(reply, Refusal):
            self.talk.handshake = before
        return reply

    def commit(self, person: Person, **fields: Any) -> Appended:
        reply = self.try_commit(person, **fields)
        assert isinstance(reply, Appended), reply
        return reply


@pytest.fixture
def room(house: House) -> Room:
    return Room(house)


def removing(*people: Person) -> dict[str, Any]:
    return {"removes": tuple(member(person.phone) for person in people), "closes": True}


def adding(*people: Person) -> dict[str, Any]:
    return {"adds": tuple(member(person.phone) for person in people)}


def test_only_admins_remove_others_and_nobody_but_owners_an_owner(room: Room) -> None:
    assert code(room.try_commit(room.bob, **removing(room.cyd))) == "not_allowed"
    assert code(room.try_commit(room.ann, **removing(room.ada))) == "not_allowed"
    room.commit(room.ann, **removing(room.cyd))
    room.commit(room.ada, **removing(room.ann))
    assert code(room.house.say(room.cyd.phone, room.talk)) == "not_a_member"


def test_who_is_removed_is_told_and_routed_no_longer(room: Room) -> None:
    room.commit(room.ada, **removing(room.cyd))
    assert Routed(room.talk.room, (room.cyd.phone.device,), is_member=False) in room.house.told
    (push,) = [one for one in room.house.told if isinstance(one, ToDevices)]
    assert push.devices == (room.cyd.phone.device,)
    assert decode_answers(b"\x91" + push.message) == [
        RoomChanged(room=room.talk.room, state="gone")
    ]


def test_anyone_removes_a_revoked_device_and_a_device_of_their_own(room: Room) -> None:
    tablet = room.house.add_device(room.bob)
    room.commit(room.bob, adds=(member(tablet),))
    room.commit(room.bob, removes=(member(tablet),), closes=True)
    room.house.connection.run(
        "UPDATE device SET revoked_at = 1 WHERE device = ?", room.cyd.phone.device
    )
    room.commit(room.bob, **removing(room.cyd))


def test_anyone_adds_a_lost_device_again_without_closing(room: Room) -> None:
    cyd = member(room.cyd.phone)
    room.commit(room.bob, removes=(cyd,), adds=(cyd,))
    assert isinstance(room.house.say(room.cyd.phone, room.talk), Appended)


def test_who_was_routed_by_a_commit_that_counts_for_nobody_is_added_again(room: Room) -> None:
    room.commit(room.bob, **adding(room.eve))
    room.commit(room.ada, **adding(room.eve))
    assert isinstance(room.house.say(room.eve.phone, room.talk), Appended)


def test_a_leaf_without_routing_may_be_removed(room: Room) -> None:
    room.commit(room.bob, **removing(room.eve))
    assert not [one for one in room.house.told if isinstance(one, Routed)]


def test_a_header_must_name_devices_as_they_are(room: Room) -> None:
    wrong = (member(room.cyd.phone).__class__(room.bob.account, room.cyd.phone.device),)
    assert code(room.try_commit(room.ada, removes=wrong, closes=True)) == "bad_header"
    assert code(room.try_commit(room.ada, **adding(room.eve, room.eve))) == "bad_header"
    stranger = (member(room.eve.phone).__class__(room.bob.account, room.eve.phone.device),)
    assert code(room.try_commit(room.ada, adds=stranger)) == "revoked"
    room.house.connection.run(
        "UPDATE device SET revoked_at = 1 WHERE device = ?", room.eve.phone.device
    )
    assert code(room.try_commit(room.ada, **adding(room.eve))) == "revoked"


def test_what_removes_or_changes_settings_closes_and_what_routes_renews(room: Room) -> None:
    remove = {"removes": (member(room.cyd.phone),)}
    assert code(room.try_commit(room.ada, **remove)) == "bad_header"
    assert code(room.try_commit(room.ada, keep_ms=5)) == "bad_header"
    assert code(room.try_commit(room.ada, **adding(room.eve), renews=False)) == "bad_header"
    assert code(room.try_commit(room.ada, closes=True, renews=False)) == "bad_header"


def test_only_owners_change_roles_and_settings(room: Room) -> None:
    for person in (room.ann, room.bob):
        for fields in (
            {"keep_ms": 5},
            {"history": "none"},
            {"roles": ((person.account, "owner"),)},
        ):
            assert code(room.try_commit(person, closes=True, **fields)) == "not_allowed"
    room.commit(room.ada, closes=True, keep_ms=60_000, history="closed")
    room.house.start()
    state = room.house.world.rooms.get(room.talk.room)
    assert state is None
    room.house.say(room.bob.phone, room.talk)
    state = room.house.world.rooms.get(room.talk.room)
    assert state is not None
    assert (state.keep_ms, state.history) == (60_000, "closed")
    (line,) = room.house.tx().all("SELECT expires_at - at FROM entry WHERE expires_at IS NOT NULL")
    assert line == (60_000,)


def test_a_role_is_for_who_is_there_or_comes(room: Room) -> None:
    fields = {"roles": ((room.eve.account, "admin"),), "closes": True}
    assert code(room.try_commit(room.ada, **fields)) == "bad_header"
    room.commit(room.ada, **fields, **adding(room.eve))
    room.commit(room.eve, **removing(room.cyd))
    gone = {"roles": ((room.bob.account, "admin"),), **removing(room.bob)}
    room.commit(room.ada, **gone)


def test_rooms_hold_only_so_many_devices(tmp_path: Path) -> None:
    room = Room(House(tmp_path, room_devices_max=4))
    assert code(room.try_commit(room.ada, **adding(room.eve))) == "limit"


def test_in_a_full_room_one_account_may_take_the_place_of_another(tmp_path: Path) -> None:
    room = Room(House(tmp_path, room_accounts_max=4))
    assert code(room.try_commit(room.ada, **adding(room.eve))) == "limit"
    room.commit(room.ada, **adding(room.eve), **removing(room.cyd))
    assert code(room.try_commit(room.ada, **adding(room.cyd))) == "limit"
    # A device of an account that stays makes no place.
    tablet = room.house.add_device(room.bob)
    room.commit(room.bob, adds=(member(tablet),))
    swap = {"adds": (member(room.cyd.phone),), "removes": (member(tablet),), "closes": True}
    assert code(room.try_commit(room.bob, **swap)) == "limit"


def test_the_commons_holds_fewer_devices_than_other_rooms(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing, "COMMONS_DEVICES_MAX", 2)
    host, ada, bob = (house.add_person(name, is_host=name == "host") for name in ("host", "a", "b"))
    talk, made = house.create(host.phone, ada.phone, kind="commons")
    assert isinstance(made, Appended), made
    house.now += 60_000
    assert (
        code(house.append(host.phone, talk, house.handshake(host.phone, talk, **adding(bob))))
        == "limit"
    )


def test_a_mailbox_is_for_one_account_and_a_direct_room_for_two(house: House) -> None:
    ada, bob, eve = (house.add_person(name, 2) for name in ("ada", "bob", "eve"))
    talk, made = house.create(ada.phone, ada.devices[1], kind="mailbox")
    assert isinstance(made, Appended)
    house.now += 60_000
    entry = house.handshake(ada.phone, talk, **adding(eve))
    assert code(house.append(ada.phone, talk, entry)) == "not_allowed"
    direct, made = house.create(ada.phone, bob.phone, kind="direct", partner=bob.account)
    assert isinstance(made, Appended), made
    house.now += 60_000
    entry = house.handshake(ada.phone, direct, **adding(eve))
    assert code(house.append(ada.phone, direct, entry)) == "not_allowed"


def test_there_is_one_direct_room_for_a_pair_and_one_mailbox_for_an_account(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = house.create(ada.phone, bob.phone, kind="direct", partner=bob.account)
    _, again = house.create(bob.phone, ada.phone, kind="direct", partner=ada.account)
    assert (code(again), again.head) == ("exists", talk.room)
    house.create(ada.phone, kind="mailbox")
    assert code(house.create(ada.phone, kind="mailbox")[1]) == "exists"
    assert code(house.create(ada.phone, kind="commons")[1]) == "host_only"
    unknown = house.create(ada.phone, kind="direct", partner=house.random(16))[1]
    assert code(unknown) == "unknown"
    alone = house.create(bob.phone, kind="direct", partner=house.add_person("cyd").account)[1]
    assert code(alone) == "bad_header"


def test_a_host_makes_the_commons(house: House) -> None:
    host = house.add_person("host", is_host=True)
    assert isinstance(house.create(host.phone, kind="commons")[1], Appended)


def test_a_room_begins_with_a_founding_handshake(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")

    def try_to_found(**fields: Any) -> Any:
        talk = Talk(house.random(16), NOTHING_BEFORE)
        given: dict[str, Any] = {"adds": (member(ada.phone),)} | fields
        entry = house.handshake(ada.phone, talk, **given)
        request = CreateRoom(id=house.next_id(), room=talk.room, kind="group", entries=(entry,))
        return house.ask(ada.phone, request)

    for wrong in (
        {"renews": False},
        {"closes": True},
        {"joins": "sibling"},
        {"before": bytes([1]) * 32},
        {"adds": (member(bob.phone),)},
        {"roles": ((ada.account, "owner"),)},
    ):
        assert code(try_to_found(**wrong)) == "bad_header"
    assert isinstance(try_to_found(history="none", keep_ms=5), Appended)


def test_an_account_is_in_only_so_many_rooms(tmp_path: Path) -> None:
    house = House(tmp_path, account_rooms_max=1)
    ada = house.add_person("ada")
    house.create(ada.phone)
    assert code(house.create(ada.phone)[1]) == "limit"


def test_nobody_is_added_to_a_room_too_many_but_declined_ones_do_not_count(tmp_path: Path) -> None:
    house = House(tmp_path, account_rooms_max=1, requests="strangers")
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk, created = house.create(ada.phone, bob.phone)
    assert created.pending == (bob.account,)
    assert code(house.create(eve.phone, bob.phone)[1]) == "limit"
    answer = Answer(id=house.next_id(), rooms=(talk.room,), accept=False)
    assert isinstance(house.ask(bob.phone, answer), AsksLeft)
    assert isinstance(house.create(eve.phone, bob.phone)[1], Appended)


def test_what_adds_many_costs_more_than_what_adds_few(house: House) -> None:
    cost, append_cost = HANDLERS[CreateRoom].cost, entries.HANDLERS[Append].cost
    assert cost is not None
    assert append_cost is not None
    ada = house.add_person("ada").phone
    for count, expected in ((1, 1), (1000, 19)):
        talk = Talk(house.random(16), bytes(32))
        adds = tuple(Member(house.random(16), house.random(16)) for _ in range(count))
        entry = house.handshake(ada, talk, adds=adds)
        assert cost(CreateRoom(room=talk.room, kind="group", entries=(entry,))) == expected
        assert append_cost(Append(room=talk.room, entries=(entry,))) == expected
        assert append_cost(Append(room=talk.room, entries=(entry, entry))) == 2 * expected


def joining(room: Room, person: Person, device: Any = None, **fields: Any) -> Any:
    """Try an external commit of a device."""
    caller = device or person.phone
    room.house.now += 120_000
    before = room.talk.handshake
    given: dict[str, Any] = {"adds": (member(caller),)} | fields
    entry = room.house.handshake(caller, room.talk, **given)
    reply = room.house.append(caller, room.talk, entry)
    if isinstance(reply, Refusal):
        room.talk.handshake = before
    return reply


def test_a_sibling_joins_by_itself(room: Room) -> None:
    tablet = room.house.add_device(room.bob)
    assert isinstance(joining(room, room.bob, tablet, joins="sibling"), Appended)
    assert isinstance(room.house.say(tablet, room.talk), Appended)
    assert code(joining(room, room.eve, joins="sibling")) == "not_a_member"


def test_a_device_resyncs_more_and_more_rarely(room: Room) -> None:
    again = {"joins": "resync", "removes": (member(room.bob.phone),)}
    assert isinstance(joining(room, room.bob, **again), Appended)
    assert isinstance(joining(room, room.bob, **again), Appended)
    assert isinstance(joining(room, room.bob, **again), Appended)
    reply = joining(room, room.bob, **again)
    assert (code(reply), reply.retry_after_ms) == ("too_soon", 120_000)
    room.house.now += 120_000
    assert isinstance(joining(room, room.bob, **again), Appended)
    assert code(joining(room, room.eve, joins="resync")) == "not_a_member"
    assert code(joining(room, room.bob, joins="resync")) == "not_a_member"


def test_a_link_lets_in_who_knows_its_secret(room: Room) -> None:
    link = bytes([7]) * 32
    put = PutLink(id=room.house.next_id(), room=room.talk.room, link=link, uses=1)
    room.house.ask(room.ada.phone, put)
    assert code(joining(room, room.eve, joins="link", link=bytes(32))) == "link_ended"
    assert isinstance(joining(room, room.eve, joins="link", link=link), Appended)
    more = room.house.add_person("more")
    assert code(joining(room, more, joins="link", link=link)) == "link_ended"


def test_removing_somebody_by_force_ends_all_links(room: Room) -> None:
    link = bytes([7]) * 32
    put = PutLink(id=room.house.next_id(), room=room.talk.room, link=link)
    room.house.ask(room.ada.phone, put)
    room.commit(room.ada, **removing(room.cyd))
    assert code(joining(room, room.eve, joins="link", link=link)) == "link_ended"


def test_who_joins_brings_only_itself(room: Room) -> None:
    both = (member(room.eve.phone), member(room.house.add_person("more").phone))
    assert code(joining(room, room.eve, joins="sibling", adds=both)) == "bad_header"
    tablet = room.house.add_device(room.bob)
    others = (member(room.cyd.phone),)
    assert code(joining(room, room.bob, tablet, joins="sibling", removes=others)) == "bad_header"
    mine = (member(tablet),)
    assert code(joining(room, room.bob, tablet, joins="sibling", removes=mine)) == "bad_header"


def test_an_external_commit_and_its_follow_up_may_be_one_batch(room: Room) -> None:
    tablet = room.house.add_device(room.bob)
    room.house.now += 120_000
    first = room.house.handshake(tablet, room.talk, joins="sibling", adds=(member(tablet),))
    second = room.house.handshake(tablet, room.talk)
    assert isinstance(room.house.append(tablet, room.talk, first, second), Appended)


def test_a_handshake_of_somebody_else_is_not_taken(room: Room) -> None:
    header = HandshakeHeader(room.bob.phone.device, room.talk.handshake, routing=Routing())
    entry = NewEntry(encode(header), b"commit")
    assert code(room.house.append(room.cyd.phone, room.talk, entry)) == "bad_header"
    outsider = HandshakeHeader(room.eve.phone.device, room.talk.handshake)
    entry = NewEntry(encode(outsider), b"commit")
    assert code(room.house.append(room.eve.phone, room.talk, entry)) == "not_a_member"
