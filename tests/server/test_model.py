"""The handlers do what a much simpler model does, whatever is asked in whatever order.

`make soak` plays thousands of games.
"""

from pathlib import Path

import pytest

from alcove.wire.base import Done
from alcove.wire.entries import Passed
from alcove.wire.ids import Position
from alcove.wire.rooms import GetRooms
from tests import postgres
from tests.server.games import play
from tests.server.house import House
from tests.store.on_postgres import houses_on_postgres

GAMES = 25
STEPS = 40


def test_the_handlers_do_what_the_model_does() -> None:
    play(GAMES, STEPS)


@pytest.mark.slow
def test_on_postgresql_they_do_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        postgres.server_url()
    except postgres.Unavailable as reason:
        pytest.skip(str(reason))
    with houses_on_postgres(monkeypatch):
        play(GAMES, STEPS)


def test_a_cursor_beyond_the_end_of_a_log_counts_as_its_end(tmp_path: Path) -> None:
    house = House(tmp_path)
    ada = house.add_person("ada")
    talk, appended = house.create(ada.phone)
    beyond = Position(house.incarnation, appended.first + 100)
    assert house.ask(ada.phone, Passed(id=1_000, rooms=((talk.room, beyond),))) == Done(id=1_000)
    (room,) = house.ask(ada.phone, GetRooms()).rooms
    assert room.passed == room.head == 1
