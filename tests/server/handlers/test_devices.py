"""Devices: what an account is told of its own."""

from pathlib import Path

import pytest

from alcove.server.handlers import devices
from alcove.server.handlers.deletion import sweep_leftovers
from alcove.server.handlers.devices import HANDLERS
from alcove.server.keeping import write_sights
from alcove.wire.devices import Device, GetDevices, PutPackages
from tests.server.house import House
from tests.server.people import Someone, lines, writing


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
    with writing(house) as tx:
        write_sights(tx, 0)
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


def test_what_waits_for_removed_devices_goes_bit_by_bit(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "LINES", 3)
    ada = Someone(house, "ada").come()
    laptop, tablet = ada.gadget(), ada.gadget()
    ada.publish(ada.phone, laptop, tablet)
    for number, gadget in enumerate((ada.phone, laptop, tablet), start=1):
        house.ask(gadget.caller, PutPackages(id=number, packages=(b"a", b"b")))
    ada.publish(ada.phone)
    left = "SELECT COUNT(*) FROM package WHERE device <> ?"
    assert lines(house, left, ada.phone.id) == [1]
    with writing(house) as tx:
        assert sweep_leftovers(tx) == 1
    assert lines(house, left, ada.phone.id) == [0]
    assert lines(house, "SELECT COUNT(*) FROM package") == [2]
    assert lines(house, "SELECT COUNT(*) FROM leftover") == [0]
