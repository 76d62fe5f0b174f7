"""Join links: kept by hash, bounded by time and count, withdrawn by who may."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from alcove.server.handlers import links
from alcove.wire.base import Done
from alcove.wire.directory import PutAlias
from alcove.wire.entries import Append, Appended
from alcove.wire.rooms import DropLink, OpenedLink, OpenLink, PutLink
from tests.server.handlers.kit import code, events, open_house, room_of, within
from tests.server.house import House, Person, Talk, member

LINK, OTHER = bytes(32), bytes([1] * 32)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def put(house: House, person: Person, talk: Talk, link: bytes = LINK, **limits: int) -> object:
    request = PutLink(id=house.next_id(), room=talk.room, link=link, **limits)
    return house.ask(person.phone, request)


def drop(house: House, person: Person, talk: Talk, link: bytes = LINK) -> object:
    return house.ask(person.phone, DropLink(id=house.next_id(), room=talk.room, link=link))


def open_link(house: House, person: Person, link: bytes = LINK) -> object:
    return house.ask(person.phone, OpenLink(link=link))


def join(house: House, person: Person, talk: Talk, link: bytes | None = LINK) -> object:
    """Ask to add an external commit, which takes its place when it is accepted."""
    trying = Talk(talk.room, talk.handshake)
    me = (member(person.phone),)
    commit = house.handshake(person.phone, trying, joins="link", link=link, adds=me)
    reply = house.append(person.phone, trying, commit)
    if isinstance(reply, Appended):
        talk.handshake = trying.handshake
        house.now += 60_000
    return reply


def test_who_knows_the_secret_learns_where_the_link_leads(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob)
    assert put(house, bob, talk) == Done(id=house.number)
    found = OpenedLink(room=talk.room, kind="group", made_by=bob.account, head=2)
    assert open_link(house, eve) == found
    assert code(open_link(house, eve, OTHER)) == "link_ended"
    assert events(house, bob.account) == ["room_link_created"]


def test_who_knows_the_secret_may_join_as_often_as_the_link_says(house: House) -> None:
    ada, eve, guest = (house.add_person(name) for name in ("ada", "eve", "guest"))
    talk = room_of(house, ada)
    put(house, ada, talk, uses=1)
    assert isinstance(join(house, eve, talk), Appended)
    assert isinstance(house.say(eve.phone, talk), Appended)
    assert code(join(house, guest, talk)) == "link_ended"
    assert code(open_link(house, guest)) == "link_ended"
    assert events(house, guest.account) == ["link_refused"]


def test_a_link_that_was_refused_for_another_reason_counts_no_use(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    put(house, ada, talk, uses=1)
    late = Talk(talk.room, NOWHERE)
    assert code(join(house, eve, late)) == "conflict"
    assert isinstance(join(house, eve, talk), Appended)


NOWHERE = bytes([9] * 32)


def test_a_link_ends_at_its_time_and_only_there(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    put(house, ada, talk, expires_at=house.now + 1000)
    house.now += 1000
    assert isinstance(open_link(house, eve), OpenedLink)
    house.now += 1
    assert code(open_link(house, eve)) == "link_ended"
    assert code(join(house, eve, talk)) == "link_ended"


def test_a_link_opens_no_other_room_and_no_link_opens_none(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk, other = room_of(house, ada), room_of(house, ada)
    put(house, ada, other)
    assert code(join(house, eve, talk)) == "not_allowed"
    assert code(join(house, eve, talk, None)) == "not_allowed"
    assert code(join(house, eve, talk, OTHER)) == "link_ended"


def test_only_members_make_links_and_not_to_a_direct_room(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada)
    assert code(put(house, eve, talk)) == "not_a_member"
    assert code(put(house, eve, Talk(NOWHERE[:16], b""))) == "unknown"
    assert code(put(house, ada, room_of(house, ada, bob, kind="direct"))) == "not_allowed"


def test_who_made_a_link_may_give_it_new_limits_and_nobody_else(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob)
    put(house, ada, talk, uses=1)
    join(house, eve, talk)
    assert code(put(house, bob, talk)) == "exists"
    assert put(house, ada, talk, uses=2) == Done(id=house.number)
    assert isinstance(open_link(house, bob), OpenedLink)
    assert code(put(house, ada, room_of(house, ada))) == "exists"


def test_a_room_has_so_many_links_and_those_that_ended_make_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.world, "settings", replace(house.settings, room_links_max=1))
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    put(house, ada, talk, expires_at=house.now)
    assert code(put(house, ada, talk, OTHER)) == "limit"
    house.now += 1
    assert put(house, ada, talk, OTHER) == Done(id=house.number)
    assert house.tx().all("SELECT hash FROM link") == [(OTHER,)]


def test_a_link_is_withdrawn_by_its_maker_or_an_admin(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob, eve)
    put(house, bob, talk)
    assert code(drop(house, eve, talk)) == "not_allowed"
    assert drop(house, ada, talk) == Done(id=house.number)
    put(house, bob, talk)
    assert drop(house, bob, talk) == Done(id=house.number)
    assert code(drop(house, bob, talk)) == "unknown"
    assert events(house, bob.account) == [
        "room_link_created",
        "room_link_created",
        "room_link_withdrawn",
    ]


def test_a_stranger_can_neither_withdraw_nor_guess_links(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    put(house, ada, talk)
    assert code(drop(house, eve, talk)) == "not_a_member"
    assert code(drop(house, eve, talk, OTHER)) == "not_a_member"
    assert code(drop(house, ada, Talk(NOWHERE[:16], b""))) == "unknown"
    assert isinstance(open_link(house, eve), OpenedLink)


def publish(house: House, person: Person, talk: Talk, link: bytes = LINK) -> None:
    request = PutAlias(id=house.next_id(), room=talk.room, alias="tea", key=b"key", link=link)
    assert house.ask(person.phone, request) == Done(id=house.number)


def endings(house: House, person: Person) -> list[tuple[bytes | None, str, str]]:
    """Return what an account was told of public links that ended: by whom, from where, what."""
    return house.tx().all(
        """
        SELECT device, address, detail FROM event
        WHERE account = ? AND kind = 'public_link_ended' ORDER BY number
        """,
        person.account,
    )


TOLD = (None, "", '{"alias":"tea"}')


def test_the_owners_are_told_when_nobody_can_join_by_a_groups_public_link(house: House) -> None:
    ada, bob, eve, ida = (house.add_person(name) for name in ("ada", "bob", "eve", "ida"))
    talk = room_of(house, ada, bob)
    put(house, bob, talk)
    put(house, bob, talk, OTHER)
    publish(house, ada, talk)
    drop(house, bob, talk, OTHER)
    assert endings(house, ada) == []
    drop(house, bob, talk)
    assert endings(house, ada) == [TOLD]
    put(house, bob, talk, uses=1)
    assert isinstance(join(house, eve, talk), Appended)
    assert endings(house, ada) == [TOLD] * 2
    put(house, bob, talk, uses=3)
    assert isinstance(join(house, ida, talk), Appended)
    assert endings(house, ada) == [TOLD] * 2
    put(house, bob, talk, uses=2)
    assert endings(house, ada) == [TOLD] * 3
    assert endings(house, bob) == []


def test_a_last_use_that_is_refused_after_all_ends_nothing(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    put(house, ada, talk, uses=1)
    publish(house, ada, talk)
    house.now -= 60_000
    me = (member(eve.phone),)
    commit = house.handshake(eve.phone, talk, joins="link", link=LINK, adds=me)
    joining = Append(id=house.next_id(), room=talk.room, entries=(commit,))
    other = PutLink(id=house.next_id(), room=talk.room, link=OTHER)
    refused, done = house.run((eve.phone, joining), (ada.phone, other))
    assert (code(refused), done) == ("too_soon", Done(id=house.number))
    assert endings(house, ada) == []
    assert isinstance(open_link(house, eve), OpenedLink)


def test_the_owners_are_told_when_a_removal_or_time_ends_a_public_link(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    put(house, ada, talk)
    publish(house, ada, talk)
    gone = house.handshake(ada.phone, talk, removes=(member(bob.phone),), closes=True)
    assert isinstance(house.append(ada.phone, talk, gone), Appended)
    assert endings(house, ada) == [TOLD]
    put(house, ada, talk, expires_at=house.now)
    house.now += 1
    put(house, ada, talk, OTHER)
    assert endings(house, ada) == [TOLD] * 2


def test_all_links_of_a_room_can_be_dropped_at_once(house: House) -> None:
    ada = house.add_person("ada")
    talk, other = room_of(house, ada), room_of(house, ada)
    put(house, ada, talk)
    put(house, ada, other, OTHER)
    within(house, ada.phone, lambda tx: links.drop_links(tx, tx.known_room(talk.room)))
    assert code(open_link(house, ada)) == "link_ended"
    assert isinstance(open_link(house, ada, OTHER), OpenedLink)
