"""Settings count: with another value something else happens, just beyond it and not before."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server import admin, keeping
from alcove.server.admin import Ground
from alcove.server.admin_messages import BotLink, Link, OwnerLink, ResetLink
from alcove.server.answers import REPLAYED
from alcove.server.batch import Chore
from alcove.server.caller import Caller
from alcove.server.keeping import DAY_MS, Turn
from alcove.wire.entries import Append, Appended
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import Greeting, Hello
from tests.server.house import House
from tests.server.io.live import Live, served
from tests.server.test_session import NOW, codes, greeted, make_door

ROOT_USER = Caller(address="unix:root", door="admin")


def carried_out(house: House, function: Any) -> Any:
    (outcome, *_) = house.writer.run([Chore(function, ROOT_USER)], house.now)
    assert house.writer.unexpected == []
    return outcome.result


# ---- Links ----


@pytest.mark.parametrize(
    ("setting", "request_"),
    [
        ("owner_days", OwnerLink()),
        ("reset_days", ResetLink("ada")),
        ("bot_days", BotLink("helper")),
    ],
)
@pytest.mark.parametrize("days", [1, 11])
def test_a_link_works_for_as_many_days_as_is_set(
    tmp_path: Path, setting: str, request_: Any, days: int
) -> None:
    house = House(tmp_path, **{setting: days})
    house.add_person("ada")
    act = admin.TABLE[type(request_)]
    link = carried_out(house, lambda tx: act.function(tx, Ground(house.settings), request_))
    assert isinstance(link, Link)
    assert link.expires_at == house.now + days * DAY_MS


# ---- Rooms ----


@pytest.mark.parametrize(("most", "fits"), [(3, True), (2, False)])
def test_a_room_holds_as_many_accounts_as_is_set(tmp_path: Path, most: int, *, fits: bool) -> None:
    house = House(tmp_path, room_accounts_max=most)
    ada, bob, cyd = (house.add_person(name, devices=2) for name in ("ada", "bob", "cyd"))
    _, created = house.create(ada.phone, *ada.devices[1:], *bob.devices)
    assert isinstance(created, Appended), "devices are not accounts"
    _, created = house.create(ada.phone, bob.phone, cyd.phone)
    assert isinstance(created, Appended) == fits
    assert fits or created.code == Code.LIMIT


def test_as_many_entries_are_appended_together_as_is_set(tmp_path: Path) -> None:
    house = House(tmp_path, batch_entries_max=3)
    ada = house.add_person("ada")
    talk, _ = house.create(ada.phone)
    replies = []
    for count in (3, 4):
        entries = tuple(house.message(ada.phone, talk) for _ in range(count))
        replies.append(
            house.ask(ada.phone, Append(id=house.next_id(), room=talk.room, entries=entries))
        )
    assert isinstance(replies[0], Appended)
    assert (type(replies[1]), replies[1].code) == (Refusal, Code.LIMIT)


def test_a_client_is_told_how_many_entries_those_are() -> None:
    greeting = make_door(batch_entries_max=3).greet(Hello(oldest=1, newest=1), bytes(32), NOW)
    assert isinstance(greeting, Greeting)
    assert greeting.batch_entries_max == 3


@pytest.mark.parametrize("days", [1, 60])
def test_answers_are_remembered_for_as_many_days_as_is_set(tmp_path: Path, days: int) -> None:
    house = House(tmp_path, answers_days=days)
    ada = house.add_person("ada")
    talk, _ = house.create(ada.phone)
    house.now += days * DAY_MS
    for _ in range(REPLAYED):
        house.say(ada.phone, talk)
    assert carried_out(house, lambda tx: keeping.forget_answers(tx, 0)) == Turn(0, None)
    house.now += 1
    assert carried_out(house, lambda tx: keeping.forget_answers(tx, 0)) == Turn(1, None)


# ---- Who has not signed in ----


def test_a_frame_of_who_has_not_signed_in_is_as_large_as_is_set() -> None:
    for size, code in ((1000, "malformed"), (70_000, "too_large")):
        session = greeted(make_door(unsigned_bytes_max=65_536))
        session.receive(bytes(size), NOW)
        assert codes(session)[0] == code
    session = greeted(make_door(unsigned_bytes_max=131_072))
    session.receive(bytes(70_000), NOW)
    assert codes(session)[0] == "malformed"


@served(unsigned_bytes_max=65_536, message_bytes_max=262_144)
async def test_a_body_of_who_has_not_signed_in_is_as_large_as_is_set(live: Live) -> None:
    statuses = []
    for size in (1000, 200_000):
        body = b'{"name": "ada"' + b" " * size + b"}"
        async with live.web.post(f"{live.address}/v1/salt", data=body) as response:
            statuses.append(response.status)
    assert statuses == [200, 413]
