"""Letters: delivered once, fetched in order, dropped when nobody waits for them."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alcove.server.caller import Caller
from alcove.server.effects import ToDevices
from alcove.server.handlers import letters, reads
from alcove.server.handlers.deletion import sweep_leftovers
from alcove.server.tx import Tx
from alcove.wire.base import Done
from alcove.wire.chats import Answer, Block
from alcove.wire.entries import Appended, Welcome
from alcove.wire.rooms import ClearInbox, GetInbox, Inbox, NewLetter, SendLetter
from tests.server.handlers.kit import DAY_MS, code, open_house, room_of, told, within
from tests.server.house import House, Talk, member


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path)


def send(house: House, caller: Caller, talk: Talk, *to: Caller, body: bytes = b"hello") -> Any:
    devices = tuple(one.device for one in to)
    request = SendLetter(id=house.next_id(), room=talk.room, devices=devices, body=body)
    return house.ask(caller, request)


def inbox(house: House, caller: Caller, since: int = 0) -> Inbox:
    page = house.ask(caller, GetInbox(since=since))
    assert isinstance(page, Inbox), page
    return page


def bodies(house: House, caller: Caller) -> list[bytes]:
    return [letter.body for letter in inbox(house, caller).letters]


def clear(house: House, caller: Caller, until: int) -> Any:
    return house.ask(caller, ClearInbox(id=house.next_id(), until=until))


def stored(house: House) -> list[tuple[Any, ...]]:
    return house.tx().all("SELECT number, body FROM letter ORDER BY number")


def test_a_letter_waits_for_each_of_its_devices_and_they_are_told(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob, eve)
    both = (bob.phone, eve.phone)
    assert send(house, ada.phone, talk, *both, bob.phone) == Done(id=house.number)
    ((effect, push),) = told(house)
    assert effect.devices == (bob.phone.device, eve.phone.device)  # type: ignore[union-attr]
    (letter,) = inbox(house, bob.phone).letters
    assert push == NewLetter(number=letter.number)
    assert (letter.kind, letter.room, letter.body) == ("sealed", talk.room, b"hello")
    assert (letter.sender, letter.at) == (ada.phone.device, house.now)
    assert inbox(house, eve.phone).letters == (letter,)
    assert len(stored(house)) == 1


def test_letters_are_read_in_pages_by_size_and_after_a_number(tmp_path: Path) -> None:
    house = open_house(tmp_path, page_bytes_max=4096)
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    for size in (4000, 96, 1, 5000):
        send(house, ada.phone, talk, bob.phone, body=bytes(size))
    sizes, since, more = [], 0, True
    while more:
        page = inbox(house, bob.phone, since)
        sizes.append([len(letter.body) for letter in page.letters])
        since, more = page.letters[-1].number, page.more
    assert sizes == [[4000, 96], [1], [5000]]
    assert inbox(house, bob.phone, since) == Inbox(letters=(), more=False)


def test_a_letter_that_all_have_stored_is_dropped(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob, eve)
    send(house, ada.phone, talk, bob.phone, eve.phone, body=b"one")
    send(house, ada.phone, talk, bob.phone, body=b"two")
    first, second = (letter.number for letter in inbox(house, bob.phone).letters)
    assert clear(house, bob.phone, first) == Done(id=house.number)
    assert bodies(house, bob.phone) == [b"two"]
    assert bodies(house, eve.phone) == [b"one"]
    clear(house, eve.phone, first)
    assert stored(house) == [(second, b"two")]


def test_numbers_count_up_though_all_letters_are_gone_and_the_clock_went_back(
    house: House,
) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    send(house, ada.phone, talk, bob.phone)
    number = inbox(house, bob.phone).letters[-1].number
    clear(house, bob.phone, number)
    assert stored(house) == [(number, b"")]
    house.now -= DAY_MS
    send(house, ada.phone, talk, bob.phone)
    assert inbox(house, bob.phone).letters[-1].number == number + 1
    send(house, ada.phone, talk, bob.phone)
    clear(house, bob.phone, number + 2)
    assert stored(house) == [(number, b""), (number + 2, b"")]


def test_a_letter_goes_only_to_devices_that_share_the_room(tmp_path: Path) -> None:
    house = open_house(tmp_path, message_bytes_max=4096)
    ada, eve = house.add_person("ada"), house.add_person("eve")
    talk = room_of(house, ada)
    assert code(send(house, ada.phone, talk, ada.phone, eve.phone)) == "not_a_member"
    assert code(send(house, eve.phone, talk, ada.phone)) == "not_a_member"
    assert code(send(house, ada.phone, Talk(bytes(16), b""), ada.phone)) == "unknown"
    assert code(send(house, ada.phone, talk, ada.phone, body=bytes(4097))) == "too_large"
    assert stored(house) == []


def test_who_blocked_the_sender_gets_no_letter_and_nobody_is_told_so(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk = room_of(house, ada, bob, eve)
    house.ask(bob.phone, Block(id=house.next_id(), account=ada.account, blocked=True))
    assert send(house, ada.phone, talk, bob.phone) == Done(id=house.number)
    assert stored(house) == []
    send(house, ada.phone, talk, bob.phone, eve.phone)
    assert (bodies(house, bob.phone), bodies(house, eve.phone)) == ([], [b"hello"])


def test_a_full_inbox_refuses_sealed_letters_and_still_takes_welcomes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(
        house.settings, inbox_own_max=1, inbox_sealed_max=2, inbox_welcome_max=1, inbox_hidden_max=0
    )
    monkeypatch.setattr(house.world, "settings", small)
    monkeypatch.setattr(reads, "NAMED_MAX", 1)
    ada, eve = (house.add_person(name) for name in ("ada", "eve"))
    bob = house.add_person("bob", devices=2)
    talk, _ = house.create(ada.phone, *bob.devices, eve.phone)
    for _ in range(2):
        send(house, ada.phone, talk, bob.phone)
    assert code(send(house, ada.phone, talk, eve.phone, bob.phone)) == "limit"
    assert bodies(house, eve.phone) == []
    assert send(house, bob.devices[1], talk, bob.phone) == Done(id=house.number)
    assert code(send(house, bob.devices[1], talk, bob.phone)) == "limit"
    welcome = Welcome((bob.phone.device,), b"welcome")
    fields: dict[str, Any] = {"welcomes": (welcome,)}
    assert isinstance(house.create(ada.phone, bob.phone, **fields)[1], Appended)
    house.now += 60_000
    assert code(house.create(ada.phone, bob.phone, **fields)[1]) == "limit"


def test_no_account_fills_the_inbox_of_another_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.world, "settings", replace(house.settings, inbox_sender_max=2))
    mal, eve, bob = (house.add_person(name, devices=2) for name in ("mal", "eve", "bob"))
    talk, _ = house.create(mal.phone, mal.devices[1], *eve.devices, *bob.devices)
    for device in mal.devices:
        send(house, device, talk, bob.phone)
    assert [code(send(house, device, talk, bob.phone)) for device in mal.devices] == ["limit"] * 2
    assert send(house, mal.phone, talk, bob.devices[1]) == Done(id=house.number)
    assert send(house, eve.phone, talk, bob.phone) == Done(id=house.number)
    for _ in range(3):
        assert send(house, bob.devices[1], talk, bob.phone) == Done(id=house.number)


def test_what_nobody_is_shown_yet_takes_no_place_from_what_is(tmp_path: Path) -> None:
    kinds = ("own", "sealed", "welcome", "hidden")
    small = {f"inbox_{kind}_max": 1 for kind in kinds}
    house = open_house(tmp_path, requests="strangers", **small)
    mal, eve = house.add_person("mal"), house.add_person("eve")
    bob = house.add_person("bob", devices=2)
    own, _ = house.create(bob.phone, bob.devices[1])
    welcomes = tuple(Welcome((bob.phone.device,), b"%d" % number) for number in range(16))
    talk, created = house.create(mal.phone, bob.phone, welcomes=welcomes)
    assert isinstance(created, Appended)
    for _ in range(3):
        house.now += 60_000
        again = {"removes": (member(bob.phone),), "adds": (member(bob.phone),)}
        commit = house.handshake(mal.phone, talk, **again)
        welcome = Welcome((bob.phone.device,), b"again")
        assert isinstance(house.append(mal.phone, talk, commit, welcomes=(welcome,)), Appended)
    assert send(house, bob.devices[1], own, bob.phone) == Done(id=house.number)
    fields: dict[str, Any] = {"welcomes": (Welcome((bob.phone.device,), b"more"),)}
    assert code(house.create(eve.phone, bob.phone, **fields)[1]) == "limit"


def test_only_the_newest_welcome_to_a_room_waits(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada)
    for body in (b"one", b"two"):
        again = () if body == b"one" else (member(bob.phone),)
        commit = house.handshake(ada.phone, talk, removes=again, adds=(member(bob.phone),))
        welcome = Welcome((bob.phone.device,), body)
        assert isinstance(house.append(ada.phone, talk, commit, welcomes=(welcome,)), Appended)
        house.now += 60_000
    assert bodies(house, bob.phone) == [b"two"]
    assert [body for _, body in stored(house)] == [b"", b"two"]


def test_a_hidden_welcome_of_a_request_that_was_taken_back_is_cleared(tmp_path: Path) -> None:
    house, ada, bob, talk = invited(tmp_path)
    house.now += 60_000
    gone = {"removes": tuple(member(one) for one in bob.devices), "closes": True}
    house.append(ada.phone, talk, house.handshake(ada.phone, talk, **gone))
    for device in bob.devices:
        clear(house, device, 2**50)
    assert house.tx().all("SELECT * FROM inbox") == []
    assert [body for _, body in stored(house)] == [b""]


def test_who_declined_gets_no_more_welcomes_and_the_asker_does_not_notice(tmp_path: Path) -> None:
    house, ada, bob, talk = invited(tmp_path)
    house.ask(bob.phone, Answer(id=house.next_id(), rooms=(talk.room,), accept=False))
    house.now += 60_000
    again = {"removes": (member(bob.phone),), "adds": (member(bob.phone),)}
    welcome = Welcome((bob.phone.device,), b"again")
    commit = house.handshake(ada.phone, talk, **again)
    assert isinstance(house.append(ada.phone, talk, commit, welcomes=(welcome,)), Appended)
    assert house.tx().all("SELECT * FROM inbox") == []


def test_letters_that_nobody_fetched_in_time_are_dropped_but_for_the_newest(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    for body in (b"one", b"two", b"three"):
        send(house, ada.phone, talk, bob.phone, body=body)
    house.now += house.settings.inbox_days * DAY_MS

    def expire(limit: int) -> int:
        return within(house, ada.phone, lambda tx: letters.expire_letters(tx, house.now, limit))

    assert expire(9) == 0
    house.now += 1
    assert (expire(1), expire(9), expire(9)) == (1, 1, 0)
    assert bodies(house, bob.phone) == [b"three"]


def test_a_letter_to_many_goes_copy_by_copy(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob", 3)
    talk = room_of(house, ada, bob)
    for other in bob.devices[1:]:
        house.append(ada.phone, talk, house.handshake(ada.phone, talk, adds=(member(other),)))
        house.now += 60_000
    devices = tuple(one.device for one in bob.devices)

    def write(tx: Tx) -> None:
        for body in (b"small", bytes(2 * letters.COPY_BYTES), b"newest"):
            state = tx.known_room(talk.room)
            letters.deliver(tx, state, ada.phone.device, "sealed", devices, body, house.now)

    def expire(limit: int) -> int:
        return within(house, ada.phone, lambda tx: letters.expire_letters(tx, house.now, limit))

    within(house, ada.phone, write)
    house.now += house.settings.inbox_days * DAY_MS + 1
    assert [expire(2), left(house)] == [2, (7, 3)]
    assert [expire(2), left(house)] == [2, (5, 2)]
    assert [expire(9), left(house)] == [4, (3, 1)]
    assert expire(9) == 0


def test_a_full_inbox_is_cleared_bit_by_bit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(letters, "LINES", 2)
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk = room_of(house, ada, bob)
    for number in range(6):
        send(house, ada.phone, talk, bob.phone, body=b"%d" % number)
    last = inbox(house, bob.phone).letters[4].number
    assert clear(house, bob.phone, last) == Done(id=house.number)
    assert bodies(house, bob.phone) == [b"2", b"3", b"4", b"5"]
    assert within(house, ada.phone, sweep_leftovers) == 3
    assert bodies(house, bob.phone) == [b"5"]
    assert within(house, ada.phone, sweep_leftovers) == 0


def left(house: House) -> tuple[int, int]:
    """Return how many copies of letters there are, and how many letters."""
    (copies,) = house.connection.one("SELECT COUNT(*) FROM inbox") or (0,)
    (count,) = house.connection.one("SELECT COUNT(*) FROM letter") or (0,)
    return copies, count


# ---- Welcomes to rooms that nobody has accepted yet ----


def invited(tmp_path: Path) -> tuple[House, Any, Any, Talk]:
    """Return a house where ada has asked bob, who has two devices, into a room with eve."""
    house = open_house(tmp_path, requests="strangers")
    ada, bob = house.add_person("ada"), house.add_person("bob", devices=2)
    devices = tuple(one.device for one in bob.devices)
    talk, created = house.create(ada.phone, *bob.devices, welcomes=(Welcome(devices, b"welcome"),))
    assert created.pending == (bob.account,)
    return house, ada, bob, talk


def test_a_welcome_is_hidden_until_its_account_accepts_the_room(tmp_path: Path) -> None:
    house, _, bob, talk = invited(tmp_path)
    assert [push for _, push in told(house) if isinstance(push, NewLetter)] == []
    assert bodies(house, bob.phone) == []
    clear(house, bob.phone, 2**50)
    before = house.tx().one("SELECT MAX(number) FROM letter")
    house.now += 1000
    house.ask(bob.phone, Answer(id=house.next_id(), rooms=(talk.room,), accept=True))
    assert [bodies(house, one) for one in bob.devices] == [[b"welcome"]] * 2
    (letter,) = inbox(house, bob.phone).letters
    assert before is not None
    assert letter.number > before[0]
    pushes = [(effect, push) for effect, push in told(house) if isinstance(push, NewLetter)]
    assert [push.number for _, push in pushes] == [letter.number]
    ((effect, _),) = pushes
    assert isinstance(effect, ToDevices)
    assert sorted(effect.devices) == sorted(one.device for one in bob.devices)
    assert stored(house) == [(letter.number, b"welcome")]


def test_a_welcome_to_a_declined_room_is_dropped(tmp_path: Path) -> None:
    house, _, bob, talk = invited(tmp_path)
    house.ask(bob.phone, Answer(id=house.next_id(), rooms=(talk.room,), accept=False))
    assert bodies(house, bob.phone) == []
    assert [body for _, body in stored(house)] == [b""]
    assert house.tx().all("SELECT * FROM inbox") == []


def test_a_welcome_for_who_is_asked_and_who_is_not_reaches_only_the_latter(
    tmp_path: Path,
) -> None:
    house, ada, bob, talk = invited(tmp_path)
    eve = house.add_person("eve")
    house.ask(bob.phone, Answer(id=house.next_id(), rooms=(talk.room,), accept=True))
    house.now += 60_000
    both = (member(bob.phone), member(eve.phone))
    commit = house.handshake(ada.phone, talk, removes=(both[0],), adds=both)
    welcome = Welcome((bob.phone.device, eve.phone.device), b"again")
    house.append(ada.phone, talk, commit, welcomes=(welcome,))
    assert bodies(house, bob.phone) == [b"again"]
    assert bodies(house, eve.phone) == []
    house.ask(eve.phone, Answer(id=house.next_id(), rooms=None, accept=True))
    assert bodies(house, eve.phone) == [b"again"]
    assert [body for _, body in stored(house)] == [b"welcome", b"again", b"again"]
