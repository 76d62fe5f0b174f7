"""The directory: who and what is found, and what people let others see of them."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from alcove.server.effects import Present, ToRoom
from alcove.server.handlers import TABLE, directory
from alcove.wire.base import Done
from alcove.wire.directory import (
    Find,
    FindRooms,
    GetOnline,
    People,
    Person,
    PublicRoom,
    PublicRooms,
    PutAlias,
    SetPresence,
    SetVisibility,
    Signal,
    Signalled,
)
from alcove.wire.rooms import PutLink
from tests.server import house as houses
from tests.server.handlers.kit import code, events, open_house, room_of, told
from tests.server.house import House, Talk

LINK, KEY = bytes(32), b"link key"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def found(house: House, name: str, *, beginning: bool = False) -> list[str]:
    person = house.add_person(f"asker-{house.next_id()}")
    people = house.ask(person.phone, Find(name=name, beginning=beginning)).people
    return [one.name for one in people]


# ---- People ----


def test_an_account_is_found_by_its_exact_name_without_case(house: House) -> None:
    ada = house.add_person("Ada")
    person = Person(ada.account, "Ada", False, "offline", None)
    assert house.ask(ada.phone, Find(name="aDA")) == People(people=(person,))
    assert found(house, "ad") == []
    assert found(house, "ad", beginning=True) == []
    assert found(house, "ada", beginning=True) == ["Ada"]


def test_who_allows_it_is_found_by_the_beginning_of_the_name(house: House) -> None:
    for name in ("anna", "Ann", "an_na", "ani"):
        person = house.add_person(name)
        if name != "ani":
            house.ask(person.phone, SetVisibility(id=1, findable="beginning"))
    assert found(house, "an", beginning=True) == ["an_na", "Ann", "anna"]
    assert found(house, "an_", beginning=True) == ["an_na"]
    for special in ("a%", "%", "!", "an!"):
        assert found(house, special, beginning=True) == []


def test_a_search_shows_so_many_and_says_that_there_are_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.world, "settings", replace(house.settings, found_max=2))
    people = [house.add_person(f"name-{number}") for number in range(3)]
    for person in people:
        house.ask(person.phone, SetVisibility(id=1, findable="beginning"))
    reply = house.ask(people[0].phone, Find(name="name", beginning=True))
    assert ([one.name for one in reply.people], reply.more) == (["name-0", "name-1"], True)
    reply = house.ask(people[0].phone, Find(name="name-1", beginning=True))
    assert ([one.name for one in reply.people], reply.more) == (["name-1"], False)


def test_a_disabled_account_is_not_found(house: House) -> None:
    house.add_person("ada")
    house.connection.run("UPDATE account SET disabled_at = 1, findable = 'beginning'")
    assert found(house, "ada") == found(house, "ad", beginning=True) == []


def test_when_somebody_was_there_is_shown_unless_it_is_hidden(house: House) -> None:
    ada = house.add_person("ada")
    house.connection.run("UPDATE account SET seen_at = 5")
    assert house.ask(ada.phone, Find(name="ada")).people[0].seen_at == 5
    house.ask(ada.phone, SetVisibility(id=1, seen=False))
    assert house.ask(ada.phone, Find(name="ada")).people[0].seen_at is None


def test_a_choice_that_is_not_made_stays_as_it_was(house: House) -> None:
    ada = house.add_person("ada")
    chosen = SetVisibility(id=1, online=False, seen=False, findable="beginning")
    assert house.ask(ada.phone, chosen) == Done(id=1)
    house.ask(ada.phone, SetVisibility(id=2))
    house.ask(ada.phone, SetVisibility(id=3, seen=True))
    sql = "SELECT shows_online, shows_seen, findable FROM account"
    assert house.tx().all(sql) == [(0, 1, "beginning")]


def test_the_hub_hears_of_presence_and_of_who_hides(house: House) -> None:
    ada = house.add_person("ada")
    house.told = []
    assert house.ask(ada.phone, SetPresence(presence="away")) == Done()
    for online in (False, True):
        house.ask(ada.phone, SetVisibility(id=house.next_id(), online=online))
    assert house.take_told(Present) == [
        Present(ada.account, ada.phone.device, "away"),
        Present(ada.account, b"", "hidden"),
        Present(ada.account, b"", "shown"),
    ]


def test_who_is_online_is_found_so_and_listed_unless_it_hides(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "ONLINE_PAGE", 1)
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    for person in (ada, bob, eve):
        device = person.phone.device
        is_shown = person is not bob
        house.world.presence.arrive(person.account, device, person.name, 0, is_shown=is_shown)
    assert house.ask(ada.phone, Find(name="eve")).people[0].presence == "online"
    assert house.ask(ada.phone, Find(name="bob")).people[0].presence == "offline"
    first, last = (Person(one.account, one.name, False, "online", None) for one in (ada, eve))
    assert house.ask(bob.phone, GetOnline(id=4)) == People(id=4, people=(first,), more=True)
    assert house.ask(bob.phone, GetOnline(after="ada")) == People(people=(last,))


# ---- Signals ----


def test_a_signal_goes_to_the_room_and_is_not_stored(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    before = house.writer.highest(ada.phone.device)
    assert house.ask(ada.phone, Signal(id=9, room=talk.room, body=b"typing")) == Done(id=9)
    ((effect, push),) = told(house)
    assert isinstance(effect, ToRoom)
    assert (effect.room, effect.but) == (talk.room, ada.phone.device)
    assert push == Signalled(room=talk.room, device=ada.phone.device, body=b"typing")
    assert house.writer.highest(ada.phone.device) == before
    assert not TABLE[SetPresence].is_remembered


def test_only_members_signal(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    assert code(house.ask(eve.phone, Signal(room=talk.room, body=b""))) == "not_a_member"
    assert code(house.ask(eve.phone, Signal(room=bytes(16), body=b""))) == "unknown"


# ---- Public groups ----


def put(
    house: House, person: houses.Person, talk: Talk, alias: str | None, **fields: object
) -> object:
    request = PutAlias(id=house.next_id(), room=talk.room, alias=alias, **fields)  # type: ignore[arg-type]
    return house.ask(person.phone, request)


def test_a_group_is_found_by_the_beginning_of_its_alias(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada, eve)
    other = room_of(house, ada, kind="channel")
    house.ask(ada.phone, PutLink(id=house.next_id(), room=talk.room, link=LINK))
    assert put(house, ada, talk, "tea", description="Tea.", key=KEY, link=LINK) == Done(
        id=house.number
    )
    put(house, ada, other, "tea-2")
    shown = PublicRoom(talk.room, "tea", "Tea.", 2, KEY, LINK)
    also = PublicRoom(other.room, "tea-2", "", 1, None, None)
    assert house.ask(eve.phone, FindRooms(alias="TE")) == PublicRooms(rooms=(shown, also))
    assert house.ask(eve.phone, FindRooms(alias="tea-")) == PublicRooms(rooms=(also,))
    assert house.ask(eve.phone, FindRooms(alias="%")) == PublicRooms(rooms=())
    assert events(house, ada.account)[-1] == "alias_published"


@pytest.mark.parametrize("limits", [{"expires_at": houses.START_MS}, {"uses": 1}])
def test_a_link_is_handed_out_as_long_as_it_works(house: House, limits: dict[str, int]) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    keys: list[tuple[bytes | None, bytes | None]] = []
    for given in ({}, limits, {"expires_at": house.now, "uses": 2}):
        house.ask(ada.phone, PutLink(id=house.next_id(), room=talk.room, link=LINK, **given))
        if not keys:
            put(house, ada, talk, "tea", key=KEY, link=LINK)
            house.connection.run("UPDATE link SET used = 1")
        (shown,) = house.ask(eve.phone, FindRooms(alias="tea")).rooms
        keys.append((shown.key, shown.link))
    assert keys == [(KEY, LINK), (None, None), (KEY, LINK)]


def test_an_alias_is_changed_and_withdrawn(house: House) -> None:
    ada = house.add_person("ada")
    talk = room_of(house, ada)
    for alias in ("tea", "tea", "coffee"):
        put(house, ada, talk, alias)
    assert [one.alias for one in house.ask(ada.phone, FindRooms(alias="")).rooms] == ["coffee"]
    assert put(house, ada, talk, None) == Done(id=house.number)
    assert put(house, ada, talk, None) == Done(id=house.number)
    assert house.ask(ada.phone, FindRooms(alias="")).rooms == ()
    assert events(house, ada.account) == ["alias_published"] * 3 + ["alias_withdrawn"]


def test_only_an_owner_publishes_and_only_a_group(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob)
    assert code(put(house, bob, talk, "tea")) == "not_allowed"
    assert code(put(house, eve, talk, "tea")) == "not_a_member"
    assert code(put(house, ada, Talk(bytes(16), b""), "tea")) == "unknown"
    assert code(put(house, ada, room_of(house, ada, bob, kind="direct"), "tea")) == "not_allowed"


def test_an_alias_is_one_group_s_and_its_link_leads_there(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, other = room_of(house, ada), room_of(house, bob)
    put(house, ada, talk, "tea")
    assert code(put(house, bob, other, "tea")) == "name_taken"
    assert code(put(house, bob, other, "milk", key=KEY)) == "malformed"
    assert code(put(house, bob, other, "milk", key=KEY, link=LINK)) == "unknown"
    assert [one.alias for one in house.ask(bob.phone, FindRooms(alias="")).rooms] == ["tea"]
