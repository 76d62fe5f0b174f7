"""A local database that is damaged is told, set aside, and brought back from the archive."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.people import Street, street_of

DAMAGE_AT = 8192


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with street_of(tmp_path) as found:
        yield found


def test_a_damaged_database_is_set_aside_and_its_rooms_come_back(street: Street) -> None:
    ada, bob = street.newcomer("ada"), street.newcomer("bob")
    ada.say("request", "@bob", "are you there?")
    bob.say("accept", "@ada")
    ada.say("send", "@bob", "the key is under the mat")
    whole = ada.say("doctor", "--repair")
    assert "is whole" in whole
    assert "Nothing is to be repaired." in whole

    (database,) = ada.home.glob("profiles/*/*.db")
    with database.open("r+b") as file:
        file.seek(DAMAGE_AT)
        file.write(b"\x5a" * DAMAGE_AT)
    status, sentence = ada.fail("rooms")
    assert (status, "alcove doctor --repair" in sentence) == (4, True)
    assert "is damaged" in ada.run("doctor", "--repair", text="n\n").stdout
    assert database.exists()

    told = ada.run("doctor", "--repair", text="y\n").stdout
    assert "nothing in it was deleted" in told
    assert "alcove login --profile" in told
    assert database.with_name(f"{database.name}.damaged-1").exists()
    ada.say("login", "--profile", database.parent.name, "--name", "ada", *ada.password)
    assert "the key is under the mat" in ada.say("search", "mat")
