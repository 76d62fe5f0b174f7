"""Slots: sealed read positions, overwritten, and nobody else's business in a large room."""

from pathlib import Path

import pytest

from alcove.server.effects import Slotted, ToAccount
from alcove.server.handlers import slots
from alcove.wire.base import Done
from alcove.wire.rooms import GetSlots, PutSlot, Slots
from tests.server.handlers.kit import code, open_house, room_of, told
from tests.server.house import House, Person, Talk


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def put(house: House, person: Person, talk: Talk, body: bytes) -> object:
    return house.ask(person.phone, PutSlot(id=house.next_id(), room=talk.room, body=body))


def seen(house: House, person: Person, talk: Talk) -> dict[bytes, bytes]:
    reply = house.ask(person.phone, GetSlots(room=talk.room))
    assert isinstance(reply, Slots), reply
    return {slot.account: slot.body for slot in reply.slots}


def test_a_slot_is_overwritten_and_gathered_for_the_room(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    put(house, ada, talk, b"at 3")
    house.told = []
    assert put(house, ada, talk, b"at 5") == Done(id=house.number)
    assert seen(house, bob, talk) == {ada.account: b"at 5"}
    assert house.take_told(Slotted) == [Slotted(talk.room, ada.account, b"at 5")]


def test_in_a_large_room_everybody_sees_and_hears_only_of_the_own_slot(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "SHOWN_ACCOUNTS_MAX", 2)
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob, eve)
    put(house, ada, talk, b"at 3")
    put(house, bob, talk, b"at 4")
    assert seen(house, ada, talk) == {ada.account: b"at 3"}
    assert seen(house, eve, talk) == {}
    effects = [effect for effect, _ in told(house)]
    assert [type(effect) for effect in effects] == [ToAccount, ToAccount]
    assert [effect.account for effect in effects if isinstance(effect, ToAccount)] == [
        ada.account,
        bob.account,
    ]


def test_only_members_put_and_read_slots(house: House) -> None:
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    assert code(put(house, eve, talk, b"here")) == "not_a_member"
    assert code(put(house, ada, Talk(house.random(16), b""), b"here")) == "unknown"
    assert code(house.ask(eve.phone, GetSlots(room=talk.room))) == "not_a_member"
    assert seen(house, ada, talk) == {}
