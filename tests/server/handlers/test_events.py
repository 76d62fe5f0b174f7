"""Events: an account reads its own, the host everyone's, and nobody learns who declined him."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.audit import event_chain
from alcove.server.batch import Chore
from alcove.server.caller import Caller
from alcove.server.effects import ToAccount
from alcove.server.handlers import events
from alcove.wire.codec import decode_answer
from alcove.wire.events import Event, Events, GetEvents
from alcove.wire.ids import NOTHING_BEFORE
from tests.server.handlers.kit import code, open_house, within
from tests.server.house import House, Person


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def note(house: House, person: Person, kind: str, **fields: Any) -> None:
    within(house, person.phone, lambda tx: tx.audit(kind, person.account, **fields))


def read(house: House, person: Person, **fields: Any) -> Events:
    page = house.ask(person.phone, GetEvents(**fields))
    assert isinstance(page, Events), page
    return page


def kinds(page: Events) -> list[str]:
    return [event.kind for event in page.events]


def test_an_account_reads_its_own_events_newest_first(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    note(house, ada, "totp_enabled")
    note(house, bob, "totp_disabled")
    note(house, ada, "blob_uploaded", size=5)
    page = read(house, ada)
    assert kinds(page) == ["blob_uploaded", "totp_enabled"]
    event = page.events[0]
    assert event == Event(
        3, house.now, "blob_uploaded", ada.account, ada.phone.device, "127.0.0.1", {"size": 5},
        False, event.chain,
    )  # fmt: skip
    assert page.next is None


def test_the_host_reads_everyones_events_and_can_check_their_chain(house: House) -> None:
    host, ada = house.add_person("host", is_host=True), house.add_person("ada")
    note(house, ada, "totp_enabled")
    note(house, host, "request_unwanted", name="x")
    page = read(house, host, everyone=True)
    assert kinds(page) == ["request_unwanted", "totp_enabled"]
    chain = NOTHING_BEFORE
    for event in reversed(page.events):
        detail = '{"name":"x"}' if event.detail else "{}"
        chain = event_chain(
            chain, event.number, event.at, event.kind, event.account, event.device, event.address,
            detail, is_suspicious=event.suspicious,
        )  # fmt: skip
        assert chain == event.chain
    assert kinds(read(house, host)) == []


def test_nobody_is_shown_that_a_request_of_his_was_declined(house: House) -> None:
    ada = house.add_person("ada")
    note(house, ada, "request_unwanted")
    note(house, ada, "request_sent")
    assert kinds(read(house, ada)) == ["request_sent"]


def test_only_the_host_reads_everyones_events(house: House) -> None:
    ada = house.add_person("ada")
    assert code(house.ask(ada.phone, GetEvents(everyone=True))) == "host_only"


def test_the_suspicious_ones_can_be_read_alone(house: House) -> None:
    ada = house.add_person("ada", is_host=True)
    note(house, ada, "totp_enabled")
    note(house, ada, "code_failed", is_suspicious=True)
    for everyone in (False, True):
        page = read(house, ada, suspicious=True, everyone=everyone)
        assert [(one.kind, one.suspicious) for one in page.events] == [("code_failed", True)]


def test_events_come_in_pages(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_PAGE", 2)
    ada = house.add_person("ada", is_host=True)
    for _ in range(5):
        note(house, ada, "totp_enabled")
    for everyone in (False, True):
        pages, before = [], None
        while True:
            page = read(house, ada, before=before, everyone=everyone)
            pages.append([event.number for event in page.events])
            before = page.next
            if before is None:
                break
        assert pages == [[5, 4], [3, 2], [1]]


def test_what_the_server_did_by_itself_has_no_device(house: House) -> None:
    ada = house.add_person("ada")
    nobody = Caller("", "admin")
    within(house, nobody, lambda tx: tx.audit("blob_expired", ada.account))
    (event,) = read(house, ada).events
    assert (event.device, event.address) == (None, "")


def test_who_uses_the_servers_machine_is_shown_only_to_the_host(house: House) -> None:
    ada, host = house.add_person("ada"), house.add_person("host", is_host=True)
    root = Caller("unix:root", "admin")
    (outcome,) = house.writer.run(
        [Chore(lambda tx: tx.audit("account_disabled", ada.account), root)], house.now
    )[1:]
    (effect,) = outcome.effects
    assert isinstance(effect, ToAccount)
    assert decode_answer(effect.message).event.address == "unix:"
    assert [event.address for event in read(house, ada).events] == ["unix:"]
    assert [event.address for event in read(house, host, everyone=True).events] == ["unix:root"]
