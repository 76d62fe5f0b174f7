"""Devices: what an account is told of its own."""

from pathlib import Path

import pytest

from alcove.server.handlers.devices import HANDLERS
from alcove.wire.devices import Device, GetDevices, PutPackages
from tests.server.house import House
from tests.server.people import Someone


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_an_account_sees_its_own_devices_oldest_first(house: House) -> None:
    ada = Someone(house, "ada").come()
    Someone(house, "bob").come()
    added_at = house.now
    challenge = bytes(32)
    house.ask(ada.phone.caller, ada.sign_in(ada.phone, challenge))
    house.ask(ada.phone.caller, PutPackages(id=1, packages=(b"a", b"b"), last_resort=b"c"))
    house.now += 1000
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    reply = house.ask(laptop.caller, GetDevices())
    assert reply.devices == (
        Device(ada.phone.id, added_at, added_at, "test 1", 2),
        Device(laptop.id, added_at + 1000, None, "", 0),
    )


def test_a_removed_device_is_not_shown(house: House) -> None:
    ada = Someone(house, "ada").come()
    ada.publish(ada.phone, ada.gadget())
    ada.publish(ada.phone)
    reply = house.ask(ada.phone.caller, GetDevices())
    assert [device.device for device in reply.devices] == [ada.phone.id]


def test_only_a_device_may_ask() -> None:
    assert HANDLERS[GetDevices].access == "device"
