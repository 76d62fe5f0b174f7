"""Settings that the host changes while the server runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from alcove.server import policy
from alcove.server.batch import Chore
from alcove.server.settings import Settings, SettingsError
from alcove.server.tx import Tx
from tests.server.house import House

T = TypeVar("T")

PASSWORD = "a long enough password"


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def do(house: House, function: Callable[[Tx], T]) -> T:
    outcome = house.writer.run([Chore(function)], house.now)[0]
    unexpected, house.writer.unexpected = house.writer.unexpected, []
    if unexpected:
        raise unexpected[0]
    result: T = outcome.result
    return result


def change(house: House, base: Settings, name: str, text: str | None) -> Settings:
    return do(house, lambda tx: policy.change(tx, base, name, text))


def settings(**values: Any) -> Settings:
    return msgspec.structs.replace(Settings(), **values)


def test_a_change_counts_is_kept_and_leaves_an_event(house: House) -> None:
    base = settings(port=1234, rate_append=Settings().rate_read)
    assert change(house, base, "registration", "closed").registration == "closed"
    found = change(house, base, "max_clients", "10")
    assert (found.registration, found.max_clients) == ("closed", 10)
    assert (found.port, found.rate_append) == (1234, base.rate_append)
    assert policy.changes(house.tx()) == {"max_clients": "10", "registration": "closed"}
    assert house.connection.all("SELECT kind, detail FROM event ORDER BY number") == [
        ("policy_changed", '{"name":"registration","value":"closed"}'),
        ("setting_changed", '{"name":"max_clients","value":"10"}'),
    ]


def test_a_change_can_be_changed_and_taken_back(house: House) -> None:
    base = settings(max_clients=7)
    for text in ("10", "20"):
        change(house, base, "max_clients", text)
    assert policy.changes(house.tx()) == {"max_clients": "20"}
    assert change(house, base, "max_clients", None).max_clients == 7
    assert policy.changes(house.tx()) == {}


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("port", "1", "port cannot change while the server runs (only these may: registration"),
        ("server_password", PASSWORD, "server_password cannot change while the server runs"),
        ("registraton", "open", "There is no setting registraton: did you mean registration?"),
        ("tea", "hot", "There is no setting tea: while the server runs, only these may: regis"),
        ("max_clients", "many", "max_clients (alcove admin policy) must be a whole number"),
        ("registration", "password", "registration (alcove admin policy) is password, which needs"),
        ("blob_bytes_max", "5 TB", "blob_bytes_max (alcove admin policy) must be at most account"),
    ],
)
def test_what_is_not_allowed_changes_nothing(house: House, name: str, text: str, why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        change(house, Settings(), name, text)
    assert str(refused.value).startswith(why)
    assert policy.changes(house.tx()) == {}


def test_a_change_is_judged_together_with_the_files_and_with_earlier_changes(house: House) -> None:
    base = settings(server_password=PASSWORD)
    assert change(house, base, "registration", "password").registration == "password"
    assert change(house, base, "account_quota_bytes", "0").account_quota_bytes == 0
    assert change(house, base, "blob_bytes_max", "5 TB").blob_bytes_max == 5 * 1000**4
    with pytest.raises(SettingsError):
        change(house, base, "account_quota_bytes", "1 GB")


def test_what_no_longer_fits_to_the_files_is_ignored_and_said() -> None:
    texts = {"registration": "password", "max_clients": "9", "requests": "whoever"}
    found, sentences = policy.still_fitting(Settings(), texts)
    assert (found.max_clients, found.registration, found.requests) == (9, "", "")
    assert len(sentences) == 2
    assert sentences[0].startswith("registration (alcove admin policy) is password, which needs")
    assert sentences[0].endswith(" It was ignored.")
    assert policy.still_fitting(settings(port=9), {}) == (settings(port=9), [])


def test_names_that_are_not_changeable_any_more_are_left_alone(house: House) -> None:
    house.connection.run("INSERT INTO setting (name, value, changed_at) VALUES ('port', '1', 0)")
    assert policy.changes(house.tx()) == {}


def test_a_secret_is_never_shown() -> None:
    known = settings(server_password=PASSWORD)
    assert policy.shown(known, "server_password") == "***"
    assert policy.shown(Settings(), "server_password") == ""
    assert policy.shown(known, "blob_bytes_max") == "50 MiB"
