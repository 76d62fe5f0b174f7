"""Device lists: what may be published, by whom, what it ends and who hears of it."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.server.auth import verify
from alcove.server.effects import Ended, ToMany
from alcove.server.handlers import lists
from alcove.server.tx import digest
from alcove.wire.base import Done
from alcove.wire.codec import decode_answer
from alcove.wire.devices import (
    DeviceList,
    GetLists,
    ListChanged,
    Lists,
    PutList,
    PutPackages,
    SignedList,
)
from alcove.wire.entries import Welcome
from alcove.wire.errors import Code
from alcove.wire.greeting import NewToken
from alcove.wire.rooms import GetInbox
from alcove.wire.signed import list_bytes
from tests.server.house import House, member
from tests.server.people import Gadget, Someone, code, kinds, lines


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def come(house: House, *names: str) -> list[Someone]:
    return [Someone(house, name).come() for name in names]


# ---- Publishing ----


def test_a_signed_in_device_adds_another(house: House) -> None:
    (ada,) = come(house, "ada")
    laptop = ada.gadget(is_browser=True)
    assert ada.publish(ada.phone, laptop) == Done()
    assert lines(house, "SELECT device, is_browser FROM device ORDER BY is_browser") == [
        (ada.phone.id, 0),
        (laptop.id, 1),
    ]
    assert lines(house, "SELECT version FROM device_list ORDER BY version") == [1, 2]
    assert kinds(house, ada.account)[-2:] == ["list_published", "device_added"]


def test_a_new_device_that_cannot_sign_in_yet_publishes_the_list_that_adds_it(
    house: House,
) -> None:
    (ada,) = come(house, "ada")
    assert ada.publish(ada.phone, ada.gadget(), by=ada.nobody) == Done()
    assert lines(house, "SELECT COUNT(*) FROM device") == [2]


def test_the_same_list_again_is_harmless(house: House) -> None:
    (ada,) = come(house, "ada")
    signed = ada.next_list([ada.phone, ada.gadget()])
    assert house.ask(ada.nobody, PutList(list=signed)) == Done()
    before = kinds(house)
    house.told = []
    assert house.ask(ada.nobody, PutList(list=signed)) == Done()
    assert (kinds(house), house.told) == (before, [])


def test_a_removed_device_ends_at_once(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    for gadget in ada.gadgets:
        house.ask(gadget.caller, PutPackages(id=1, packages=(b"one",), last_resort=b"last"))
        house.ask(gadget.caller, NewToken(id=2))
    talk, _ = house.create(bob.phone.caller)
    house.now += 60_000
    devices = (ada.phone.id, laptop.id)
    adds = (member(ada.phone.caller), member(laptop.caller))
    commit = house.handshake(bob.phone.caller, talk, adds=adds)
    house.append(
        bob.phone.caller,
        talk,
        commit,
        welcomes=(Welcome((laptop.id,), b"alone"), Welcome(devices, b"both")),
    )
    house.told = []
    assert ada.publish(ada.phone) == Done()
    assert house.take_told(Ended) == [Ended((laptop.id,), "revoked")]
    assert lines(house, "SELECT revoked_at FROM device WHERE device = ?", laptop.id) == [house.now]
    for table in ("token", "package", "inbox"):
        kept = lines(house, f"SELECT DISTINCT device FROM {table}")  # noqa: S608 - Our words.
        assert kept == [ada.phone.id], table
    assert b"alone" not in lines(house, "SELECT body FROM letter")
    inbox = house.ask(ada.phone.caller, GetInbox())
    assert [letter.body for letter in inbox.letters] == [b"both"]
    assert kinds(house, ada.account)[-2:] == ["list_published", "device_revoked"]


def test_the_numbers_of_letters_go_on_when_a_removed_device_had_the_newest(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    talk, _ = house.create(bob.phone.caller)
    house.now += 60_000
    commit = house.handshake(bob.phone.caller, talk, adds=(member(laptop.caller),))
    house.append(bob.phone.caller, talk, commit, welcomes=(Welcome((laptop.id,), b"alone"),))
    before = lines(house, "SELECT number FROM letter")
    ada.publish(ada.phone)
    assert lines(house, "SELECT number, body FROM letter") == [(before[0], b"")]


def test_a_removed_device_comes_back_with_a_new_key_only(house: House) -> None:
    (ada,) = come(house, "ada")
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    ada.publish(ada.phone)
    assert code(ada.publish(ada.phone, laptop)) == Code.REVOKED
    assert ada.publish(ada.phone, ada.gadget()) == Done()


def test_both_identities_sign_a_rotation(house: House) -> None:
    (ada,) = come(house, "ada")
    old, ada.identity = ada.identity, ada.key()
    assert code(ada.publish(ada.phone)) == Code.NOT_SIGNED
    assert code(ada.publish(ada.phone, old=ada.key())) == Code.NOT_SIGNED
    assert ada.publish(ada.phone, old=old) == Done()
    assert lines(house, "SELECT identity FROM account") == [ada.identity.public]
    assert lines(house, "SELECT old_signature IS NULL FROM device_list ORDER BY version") == [1, 0]
    assert kinds(house, ada.account)[-2:] == ["list_published", "identity_changed"]
    reply = house.ask(ada.phone.caller, GetLists(accounts=(ada.account,)))
    assert reply.lists[0].old_signature is not None


def test_a_list_without_a_rotation_has_one_signature(house: House) -> None:
    (ada,) = come(house, "ada")
    assert code(ada.publish(ada.phone, old=ada.identity)) == Code.BAD_LIST


def test_everyone_who_shares_a_room_hears_of_a_new_list(house: House) -> None:
    ada, bob, eve = come(house, "ada", "bob", "eve")
    laptop, tablet = ada.gadget(), ada.gadget()
    ada.publish(ada.phone, laptop)
    talk, _ = house.create(bob.phone.caller, ada.phone.caller)
    house.create(bob.phone.caller, eve.phone.caller)
    house.told = []
    ada.publish(ada.phone, laptop, tablet)
    (told,) = house.take_told(ToMany)
    assert decode_answer(told.message) == ListChanged(account=ada.account, version=3)
    assert (told.rooms, told.accounts) == ((talk.room,), (ada.account,))
    assert told.but == ada.phone.id


# ---- Refusing ----


@pytest.mark.parametrize(
    ("wrong", "refused"),
    [
        ({"version": 1}, Code.STALE_LIST),
        ({"version": 3}, Code.STALE_LIST),
        ({"before": bytes(32)}, Code.STALE_LIST),
        ({"name": "ADA"}, Code.BAD_LIST),
        ({"server": bytes(32)}, Code.BAD_LIST),
        ({"certificates": ()}, Code.BAD_LIST),
        ({"identity": b"1" * 32}, Code.NOT_SIGNED),
        ({"certificate": {"identity": bytes(32)}}, Code.BAD_LIST),
        ({"certificate": {"account": bytes(16)}}, Code.BAD_LIST),
        ({"certificate": {"name": "ADA"}}, Code.BAD_LIST),
        ({"certificate": {"server": bytes(32)}}, Code.BAD_LIST),
        ({"certificate": {"version": 1}}, Code.BAD_LIST),
        ({"certificate": {"body": b"\xc1"}}, Code.BAD_LIST),
    ],
)
def test_a_list_that_does_not_fit_is_refused(
    house: House, wrong: dict[str, Any], refused: Code
) -> None:
    (ada,) = come(house, "ada")
    assert code(ada.publish(ada.phone, **wrong)) == refused
    assert lines(house, "SELECT list_version FROM account") == [1]
    is_evil = refused != Code.STALE_LIST
    assert ("list_refused" in kinds(house, ada.account)) is is_evil


def test_only_the_identity_key_can_sign_lists_and_certificates(house: House) -> None:
    (ada,) = come(house, "ada")
    assert code(ada.publish(ada.phone, signer=ada.key())) == Code.NOT_SIGNED
    wrong = {"signer": ada.key()}
    assert code(ada.publish(ada.phone, certificate=wrong)) == Code.NOT_SIGNED
    assert kinds(house, ada.account).count("list_refused") == 2


def test_a_device_is_on_a_list_once_and_on_one_list(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    assert code(ada.publish(ada.phone, ada.phone)) == Code.BAD_LIST
    assert code(ada.publish(ada.phone, bob.phone)) == Code.BAD_LIST


def test_an_account_has_so_many_devices(tmp_path: Path) -> None:
    house = House(tmp_path, account_devices_max=2)
    (ada,) = come(house, "ada")
    three = [ada.gadget() for _ in range(3)]
    assert code(ada.publish(*three)) == Code.LIMIT
    assert ada.publish(*three[:2]) == Done()
    assert "list_refused" not in kinds(house)


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x91" * 5000, msgspec.msgpack.encode({"a": 1})])
def test_what_is_no_list_is_refused(house: House, body: bytes) -> None:
    signed = SignedList(body, bytes(64))
    assert code(house.ask(Someone(house, "ada").nobody, PutList(list=signed))) == Code.BAD_LIST


def test_nobody_publishes_for_an_account_that_is_not_there(house: House) -> None:
    ada = Someone(house, "ada")
    assert code(ada.publish(ada.phone, by=ada.nobody)) == Code.UNKNOWN


def test_a_signed_in_device_publishes_for_its_own_account_only(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    assert code(ada.publish(ada.phone, by=bob.phone.caller)) == Code.NOT_ALLOWED


def test_a_token_cannot_change_a_list(house: House) -> None:
    (ada,) = come(house, "ada")
    assert code(ada.publish(ada.phone, by=ada.phone.from_http())) == Code.SOCKET_ONLY


def test_a_disabled_account_cannot_change_its_list(house: House) -> None:
    (ada,) = come(house, "ada")
    house.connection.run("UPDATE account SET disabled_at = 1")
    assert code(ada.publish(ada.phone, by=ada.nobody)) == Code.DISABLED


# ---- Reading ----


def versions(reply: Lists) -> list[tuple[str, int]]:
    decoded = [msgspec.msgpack.decode(one.body, type=DeviceList) for one in reply.lists]
    return [(one.name, one.version) for one in decoded]


def test_lists_are_told_to_who_shares_a_room_in_the_order_asked_for(house: House) -> None:
    ada, bob, eve = come(house, "ada", "bob", "eve")
    bob.publish(bob.phone, bob.gadget())
    house.create(ada.phone.caller, bob.phone.caller)
    wanted = (bob.account, eve.account, ada.account, bytes(16))
    reply = house.ask(ada.phone.caller, GetLists(accounts=wanted))
    assert versions(reply) == [("bob", 2), ("ada", 1)]
    assert reply.next is None
    assert house.ask(eve.phone.caller, GetLists(accounts=(ada.account,))).lists == ()
    assert house.ask(eve.phone.caller, GetLists(accounts=())).lists == ()


def test_who_asks_to_chat_and_who_is_asked_see_each_others_lists(tmp_path: Path) -> None:
    house = House(tmp_path, requests="everyone")
    ada, bob = come(house, "ada", "bob")
    _, reply = house.create(ada.phone.caller, bob.phone.caller, kind="direct", partner=bob.account)
    assert reply.pending == (bob.account,)
    both = (ada.account, bob.account)
    for person in (ada, bob):
        assert len(house.ask(person.phone.caller, GetLists(accounts=both)).lists) == 2


def test_lists_come_in_pages(tmp_path: Path) -> None:
    house = House(tmp_path, page_bytes_max=8192)
    people = come(house, *[f"person{number}" for number in range(20)])
    first, *others = people
    house.create(first.phone.caller, *[other.phone.caller for other in others])
    wanted = tuple(person.account for person in people)
    found, pages = [], 0
    while wanted:
        reply = house.ask(first.phone.caller, GetLists(accounts=wanted))
        found += versions(reply)
        pages += 1
        wanted = wanted[reply.next :] if reply.next is not None else ()
    assert found == [(person.name, 1) for person in people]
    assert 2 < pages < 10


def test_a_page_compares_only_so_many_rooms(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "ROOMS_COMPARED_MAX", 1)
    ada, bob, eve, ida = come(house, "ada", "bob", "eve", "ida")
    for other in (bob, ida):
        house.create(other.phone.caller, eve.phone.caller)
    house.create(ada.phone.caller, ida.phone.caller)
    wanted: tuple[bytes, ...] = (eve.account, bob.account, ada.account, ida.account)
    steps: list[tuple[int | None, list[tuple[str, int]]]] = []
    while wanted:
        reply = house.ask(ada.phone.caller, GetLists(accounts=wanted))
        steps.append((reply.next, versions(reply)))
        wanted = wanted[reply.next :] if reply.next is not None else ()
    assert steps == [(1, []), (2, [("ada", 1)]), (None, [("ida", 1)])]


def test_a_page_holds_at_least_one_list(tmp_path: Path) -> None:
    house = House(tmp_path, page_bytes_max=4096)
    (ada,) = come(house, "ada")
    ada.publish(*[ada.gadget() for _ in range(20)])
    reply = house.ask(ada.phone.caller, GetLists(accounts=(ada.account,)))
    assert versions(reply) == [("ada", 2)]


def history(house: House, asker: Someone, of: Someone, since: int) -> list[SignedList]:
    """Return all later lists of somebody, as a client reads them page by page."""
    found: list[SignedList] = []
    after: int | None = since
    while after is not None:
        request = GetLists(accounts=(of.account,), since=after)
        reply = house.ask(asker.phone.caller, request)
        found += reply.lists
        after = reply.next
    return found


def rotate(person: Someone, *gadgets: Gadget) -> None:
    old, person.identity = person.identity, person.key()
    assert person.publish(*gadgets, old=old) == Done()


def test_who_missed_versions_walks_the_chain_and_sees_that_the_old_key_signed_the_new_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "VERSIONS_PAGE", 2)
    ada, bob = come(house, "ada", "bob")
    house.create(ada.phone.caller, bob.phone.caller)
    pinned_hash, pinned_key = ada.newest, ada.identity.public
    ada.publish(ada.phone, ada.gadget())
    ada.publish(ada.phone)
    rotate(ada, ada.phone)
    ada.publish(ada.phone, ada.gadget())
    found = history(house, bob, ada, 1)
    rotations = []
    for signed in found:
        told = msgspec.msgpack.decode(signed.body, type=DeviceList)
        statement = list_bytes(signed.body)
        assert told.before == pinned_hash
        assert verify(told.identity, statement, signed.signature)
        if told.identity != pinned_key:
            assert verify(pinned_key, statement, signed.old_signature or b"")
            rotations.append(told.version)
        pinned_hash, pinned_key = digest(signed.body), told.identity
    assert (pinned_hash, pinned_key) == (ada.newest, ada.identity.public)
    assert (len(found), rotations) == (4, [4])


def test_later_lists_come_in_pages_of_at_least_one(tmp_path: Path) -> None:
    house = House(tmp_path, page_bytes_max=4096)
    (ada,) = come(house, "ada")
    ada.publish(*[ada.gadget() for _ in range(20)])
    ada.publish(ada.phone)
    ada.publish(ada.phone)
    pages, since = [], 0
    for _ in range(3):
        reply = house.ask(ada.phone.caller, GetLists(accounts=(ada.account,), since=since))
        pages.append((versions(reply), reply.next))
        since = reply.next or 0
    assert pages == [
        ([("ada", 1)], 1),
        ([("ada", 2)], 2),
        ([("ada", 3), ("ada", 4)], None),
    ]
    newest = house.ask(ada.phone.caller, GetLists(accounts=(ada.account,), since=4))
    assert newest == Lists(lists=())


def test_later_lists_are_told_to_whom_the_newest_are_and_of_one_account_at_a_time(
    house: House,
) -> None:
    ada, bob, eve = come(house, "ada", "bob", "eve")
    house.create(ada.phone.caller, bob.phone.caller)
    assert len(history(house, bob, ada, 0)) == 1
    assert history(house, eve, ada, 0) == []
    for accounts in ((), (ada.account, bob.account)):
        request = GetLists(accounts=accounts, since=0)
        assert code(house.ask(ada.phone.caller, request)) == Code.MALFORMED


def test_a_deleted_account_is_told_nothing(house: House) -> None:
    (ada,) = come(house, "ada")
    house.connection.run("DELETE FROM device_list")
    request = GetLists(accounts=(ada.account,))
    assert code(house.ask(ada.phone.caller, request)) == Code.UNKNOWN
