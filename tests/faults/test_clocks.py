"""A clock that jumps by a year, and back: nothing is lost, and nobody is locked out."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from alcove.server.auth import totp_code
from alcove.server.handlers.signing_in import caller_of_token
from alcove.server.io import works
from alcove.server.store.opening import open_sqlite
from alcove.wire.accounts import OpenBox, OpenedBox, SetTotp
from alcove.wire.base import Done
from alcove.wire.entries import Append, Appended, Entries, Passed, Read
from alcove.wire.greeting import NewToken
from alcove.wire.ids import Position
from tests.faults.clients import Friend
from tests.faults.files import Files
from tests.faults.inside import NOW, inside
from tests.faults.test_disks import Pair, with_pair
from tests.server.handlers.kit import code, room_of
from tests.server.house import House, Person, member
from tests.server.people import Someone
from tests.server.test_session import NOW as SESSION_NOW
from tests.server.test_session import make_door, make_session

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
YEAR_MS = 365 * DAY_MS
STEP_MS = 30_000
SECRET = b"authenticator secret"
JUMPS = (YEAR_MS, -YEAR_MS, -YEAR_MS, YEAR_MS)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_room_is_used_as_before_whatever_the_clock_does(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    request = Append(id=house.next_id(), room=talk.room, entries=(house.message(ada.phone, talk),))
    said = house.ask(ada.phone, request)
    head = said.first
    for jump in JUMPS:
        house.now += jump
        replies = [
            house.say(bob.phone, talk),
            house.append(bob.phone, talk, house.handshake(bob.phone, talk)),
        ]
        assert [reply.first for reply in replies] == [head + 1, head + 2]
        assert [reply.at for reply in replies] == [house.now] * 2
        head += 2
        passed = Passed(rooms=((talk.room, Position(house.incarnation, head)),))
        assert house.ask(ada.phone, passed) == Done()
        page = house.ask(ada.phone, Read(room=talk.room, since=Position(house.incarnation, 0)))
        assert isinstance(page, Entries)
        assert [one.seq for one in page.entries] == list(range(1, head + 1))
        assert house.ask(ada.phone, request) == said


def test_a_commit_need_not_wait_for_a_clock_that_was_set_back(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob)
    add = house.handshake(ada.phone, talk, adds=(member(eve.phone),))
    assert isinstance(house.append(ada.phone, talk, add), Appended)
    house.now -= YEAR_MS
    remove = house.handshake(ada.phone, talk, removes=(member(eve.phone),), closes=True)
    assert isinstance(house.append(ada.phone, talk, remove), Appended)


def test_a_connection_that_says_nothing_is_ended_though_the_clock_was_set_back() -> None:
    session = make_session(make_door(hello_timeout_s=10))
    session.tick(SESSION_NOW - YEAR_MS)
    session.tick(SESSION_NOW - YEAR_MS + 10_000)
    assert session.goodbye == "hello_first"


def test_a_token_that_was_made_while_the_clock_was_ahead_ends_with_that(house: House) -> None:
    ada = Someone(house, "ada").come()
    house.now += YEAR_MS
    token = house.ask(ada.phone.caller, NewToken(id=1)).token
    house.now -= 1000
    assert caller_of_token(house.tx(), token, "", house.now) is not None
    house.now -= YEAR_MS
    assert caller_of_token(house.tx(), token, "", house.now) is None


def opens(person: Someone) -> Any:
    request = OpenBox(
        name=person.name,
        lock="password",
        login=person.password.login,
        code=totp_code(SECRET, person.house.now),
    )
    return person.house.ask(person.nobody, request)


def test_codes_work_again_after_a_clock_that_was_ahead_was_set_right(house: House) -> None:
    ada = Someone(house, "ada").come()
    login = ada.password.login
    request = SetTotp(
        id=1, login=login, lock="password", secret=SECRET, code=totp_code(SECRET, house.now)
    )
    assert house.ask(ada.phone.caller, request) == Done(id=1)
    house.now += YEAR_MS
    assert isinstance(opens(ada), OpenedBox)
    house.now -= YEAR_MS - 2 * STEP_MS
    assert isinstance(opens(ada), OpenedBox)


def asks(house: House, person: Person, other: Person) -> Any:
    return house.create(person.phone, other.phone, kind="direct", partner=other.account)[1]


def test_requests_of_a_day_when_the_clock_was_ahead_do_not_count_for_a_year(
    tmp_path: Path,
) -> None:
    house = House(tmp_path, requests="everyone", asks_per_day=1)
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    house.now += YEAR_MS
    assert code(asks(house, ada, bob)) is None
    house.now -= YEAR_MS
    house.now += 2 * DAY_MS
    assert code(asks(house, ada, eve)) is None


# ---- The whole server ----


async def live_through_jumps(pair: Pair, folder: Path, clock: SimpleNamespace) -> None:
    database = open_sqlite(str(folder / "alcove.sqlite"), NOW)
    async with inside(folder, database) as server:
        await pair.meet(server.url)
        await pair.say(2)
        late = Friend(pair.ada.dice, "late")
        for jump in JUMPS:
            clock.ms += jump
            await pair.say(3)
            await pair.check()
            files = await Files.of(pair.ada, server.url)
            place = await files.announce(1000)
            assert await files.send(place, 0, bytes(1000)) == (204, "")
            assert await files.fetch(place) == (200, bytes(1000))
            await late.connect(server.url)
            await late.close()


def test_a_server_goes_on_whatever_the_clock_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(ms=NOW)
    fake = SimpleNamespace(time_ns=lambda: clock.ms * 1_000_000)
    monkeypatch.setattr(works, "time", fake)
    asyncio.run(with_pair(6, live_through_jumps, tmp_path, clock))
