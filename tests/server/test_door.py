"""The door: how often a device, its account and its address may ask, each with its own setting."""

from typing import Any

import msgspec
import pytest

from alcove.server.caller import Caller
from alcove.server.door import Door
from alcove.server.handlers import TABLE
from alcove.server.settings import SETTINGS, Rate
from alcove.wire.accounts import ChangeBox, Register, Reset
from alcove.wire.directory import Find, FindRooms, GetOnline, SetPresence, Signal
from alcove.wire.entries import OfferHandshakes, PutSnapshot
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import Hello
from alcove.wire.rooms import CreateRoom, PutCommons
from tests.server.test_session import NOW, make_door

MINUTE_MS = 60_000
KINDS = sorted({"blob", *(handler.rate for handler in TABLE.values())})


def device(number: int, account: int, address: str) -> Caller:
    return Caller(address, "socket", b"a" * 15 + bytes([account]), b"d" * 15 + bytes([number]))


def refusal(door: Door, caller: Caller, kind: str, now: int) -> Refused | None:
    try:
        door.count(kind, caller, now)
    except Refused as refused:
        return refused
    return None


def times(door: Door, caller: Caller, kind: str = "read", now: int = NOW) -> int:
    """Return how often somebody may ask before it is too often."""
    number = 0
    while (refused := refusal(door, caller, kind, now)) is None:
        number += 1
    assert refused.code == Code.TOO_MANY
    assert refused.retry_after_ms is not None
    assert refused.retry_after_ms > 0
    return number


def strict(account_factor: int, address_factor: int, **more: Any) -> Door:
    """Return a door that lets a device ask twice in a minute."""
    return make_door(
        rate_read=Rate(2, 60, 2),
        rate_account_factor=account_factor,
        rate_address_factor=address_factor,
        **more,
    )


def test_each_device_has_its_own_count() -> None:
    door = strict(100, 100)
    assert [times(door, device(number, 1, "192.0.2.1")) for number in (1, 2, 1)] == [2, 2, 0]
    assert times(door, device(1, 1, "192.0.2.1"), now=NOW + MINUTE_MS) == 2


def test_all_devices_of_an_account_share_a_count_wherever_they_are() -> None:
    door = strict(2, 100)
    devices = [device(number, 1, f"192.0.2.{number}") for number in range(1, 5)]
    assert [times(door, one) for one in devices] == [2, 2, 0, 0]
    assert times(door, device(9, 9, "192.0.2.1")) == 2, "another account is not concerned"


def test_all_accounts_at_one_address_share_a_count() -> None:
    door = strict(1, 3)
    people = [device(number, number, "192.0.2.1") for number in range(1, 6)]
    assert [times(door, one) for one in people] == [2, 2, 2, 0, 0]
    assert times(door, device(9, 9, "192.0.2.2")) == 2, "another address is not concerned"


def test_an_account_with_the_id_of_a_device_gets_round_no_limit_and_uses_up_nobodys() -> None:
    door = strict(2, 100)
    own = Caller("192.0.2.3", "socket", b"m" * 16, b"m" * 16)
    assert times(door, own) == 2
    other = device(1, 1, "192.0.2.1")
    assert times(door, other) == 2
    same = Caller("192.0.2.2", "socket", other.device, b"n" * 16)
    assert times(door, same) == 2
    assert times(door, other) == 0


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        (("2001:db8::1", "2001:db8::2"), True),
        (("2001:db8:0:1::1", "2001:db8:0:2::1"), False),
        (("192.0.2.1", "::ffff:192.0.2.1"), True),
    ],
)
def test_what_one_subscriber_has_is_one_address(addresses: tuple[str, str], is_one: bool) -> None:
    door = strict(1, 1)
    first, second = (device(number, number, at) for number, at in enumerate(addresses))
    assert [times(door, first), times(door, second)] == [2, 0 if is_one else 2]


def test_an_account_has_its_whole_rate_again_after_its_time() -> None:
    door = strict(2, 100)
    for number in (1, 2):
        times(door, device(number, 1, "192.0.2.1"))
    door.count("read", device(3, 1, "192.0.2.1"), NOW + MINUTE_MS // 4)
    with pytest.raises(Refused) as refused:
        door.count("read", device(4, 1, "192.0.2.1"), NOW + MINUTE_MS // 4)
    assert refused.value.retry_after_ms == MINUTE_MS // 4


def test_who_has_not_signed_in_is_counted_by_address_with_a_devices_rate() -> None:
    door = strict(100, 100)
    assert [times(door, Caller(at)) for at in ("192.0.2.1", "192.0.2.1", "192.0.2.2")] == [2, 0, 2]
    assert times(door, device(1, 1, "192.0.2.1")) == 2, "nobody can use up what members have"


def test_every_refusal_by_a_limit_is_counted() -> None:
    door = strict(1, 1)
    for number in (1, 2):
        times(door, device(number, number, "192.0.2.1"))
    assert door.refused == 2


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_request_has_a_rate_of_its_own_that_can_be_set(kind: str) -> None:
    door = make_door(**{f"rate_{kind}": Rate(1, 60, 3)})
    assert times(door, device(1, 1, "192.0.2.1"), kind) == 3
    other = next(one for one in KINDS if one != kind)
    assert times(door, device(1, 1, "192.0.2.1"), other) > 3


RATES = {
    "handshake": (CreateRoom, PutSnapshot, OfferHandshakes),
    "signal": (Signal,),
    "search": (Find, FindRooms, GetOnline),
    "presence": (SetPresence,),
    "register": (Register, Reset),
}
"""Kinds of requests, by the setting that bounds them."""


@pytest.mark.parametrize("rate", RATES)
def test_requests_are_counted_by_the_setting_that_names_them(rate: str) -> None:
    assert {kind for kind, handler in TABLE.items() if handler.rate == rate} == set(RATES[rate])


def test_every_rate_that_can_be_set_bounds_something() -> None:
    named = {f"rate_{kind}" for kind in KINDS}
    elsewhere = {"rate_connect", "rate_page", "rate_claim_one", "rate_account_factor",
                 "rate_address_factor"}  # fmt: skip
    assert {one.name for one in SETTINGS if one.section == "rates"} == named | elsewhere


def refused_kind(door: Door, caller: Caller, kind: type) -> Code | None:
    try:
        door.check(caller, kind)
    except Refused as refused:
        return refused.code
    return None


def test_only_who_may_make_a_request_is_let_through() -> None:
    door, member = make_door(), device(1, 1, "192.0.2.1")
    by_token = msgspec.structs.replace(member, door="http")
    host = msgspec.structs.replace(member, is_host=True)
    assert refused_kind(door, member, Hello) == Code.MALFORMED
    assert refused_kind(door, Caller("192.0.2.1"), GetOnline) == Code.SIGN_IN_FIRST
    assert refused_kind(door, by_token, ChangeBox) == Code.SOCKET_ONLY
    assert refused_kind(door, member, PutCommons) == Code.HOST_ONLY
    assert refused_kind(door, host, PutCommons) is None
    door.is_stopping = True
    assert refused_kind(door, host, PutCommons) == Code.STOPPING
