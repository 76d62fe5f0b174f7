"""The commons: the host says which room it is, and everybody is handed its link."""

from pathlib import Path

import pytest

from alcove.server.handlers import TABLE
from alcove.wire.base import Done
from alcove.wire.entries import Appended
from alcove.wire.rooms import Commons, GetCommons, PutCommons, PutLink
from tests.server.handlers.kit import code, events, open_house, room_of
from tests.server.house import House, Person, Talk, member

LINK, KEY = bytes(32), bytes([7] * 32)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def put(house: House, person: Person, talk: Talk, key: bytes = KEY) -> object:
    request = PutCommons(id=house.next_id(), room=talk.room, key=key, link=LINK)
    return house.ask(person.phone, request)


def put_link(house: House, person: Person, talk: Talk) -> None:
    house.ask(person.phone, PutLink(id=house.next_id(), room=talk.room, link=LINK))


def test_everybody_is_handed_the_link_that_the_host_put(house: House) -> None:
    host, eve = house.add_person("host", is_host=True), house.add_person("eve")
    assert house.ask(eve.phone, GetCommons()) == Commons(room=None)
    talk = room_of(house, host, kind="commons")
    put_link(house, host, talk)
    assert put(house, host, talk) == Done(id=house.number)
    assert house.ask(eve.phone, GetCommons()) == Commons(room=talk.room, key=KEY, link=LINK)
    put(house, host, talk, KEY + KEY)
    assert house.ask(eve.phone, GetCommons()).key == KEY + KEY
    assert events(house, host.account)[-1] == "setting_changed"


def test_a_link_of_the_commons_that_works_no_more_is_not_handed_out_and_the_host_is_told(
    house: House,
) -> None:
    host, eve = house.add_person("host", is_host=True), house.add_person("eve")
    talk = room_of(house, host, eve, kind="commons")
    put_link(house, host, talk)
    put(house, host, talk)
    gone = house.handshake(host.phone, talk, removes=(member(eve.phone),), closes=True)
    assert isinstance(house.append(host.phone, talk, gone), Appended)
    assert house.ask(eve.phone, GetCommons()) == Commons(room=talk.room)
    assert events(house, host.account)[-1] == "public_link_ended"
    put_link(house, host, talk)
    assert house.ask(eve.phone, GetCommons()) == Commons(room=talk.room, key=KEY, link=LINK)


def test_only_the_host_names_the_commons() -> None:
    assert TABLE[PutCommons].access == "host"


def test_the_commons_is_a_room_of_its_kind_with_the_host_in_it(house: House) -> None:
    host, ada = house.add_person("host", is_host=True), house.add_person("ada", is_host=True)
    group, commons = room_of(house, host), room_of(house, host, kind="commons")
    put_link(house, host, group)
    assert code(put(house, host, Talk(house.random(16), LINK))) == "unknown"
    assert code(put(house, host, group)) == "not_allowed"
    assert code(put(house, ada, commons)) == "not_a_member"
    assert code(put(house, host, commons)) == "unknown"
    assert house.ask(ada.phone, GetCommons()) == Commons(room=None)
