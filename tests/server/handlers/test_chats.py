"""Requests to chat: who is asked, what an answer does, and what a block keeps away."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from alcove.server.effects import Arrived, Routed, ToAccount, ToMany
from alcove.server.handlers import chats
from alcove.server.handlers.devices import tell_sharing
from alcove.wire.base import Done
from alcove.wire.chats import (
    Answer,
    Answered,
    Ask,
    Asked,
    Asks,
    AsksLeft,
    Block,
    Blocks,
    GetAsks,
    GetBlocks,
)
from alcove.wire.devices import ListChanged
from alcove.wire.directory import PresenceChanged, Signal
from alcove.wire.entries import Appended
from alcove.wire.errors import Refusal
from alcove.wire.events import NewEvent
from alcove.wire.rooms import GetMembers, GetRooms, Kind, PutSlot, RoomChanged
from tests.server.handlers.kit import DAY_MS, code, events, open_house, told, within
from tests.server.house import House, Person, Talk, member
from tests.server.test_hub import Connected
from tests.server.test_session import greeted, said


@pytest.fixture
def house(tmp_path: Path) -> House:
    return open_house(tmp_path, requests="strangers")


def ask(house: House, asker: Person, *others: Person, kind: Kind = "group") -> tuple[Talk, Any]:
    """Return a room that somebody made with others, and what became of it."""
    fields = {"partner": others[0].account} if kind == "direct" else {}
    devices = [device for other in others for device in other.devices]
    made = house.create(asker.phone, *devices, kind=kind, **fields)
    house.now += 60_000
    return made


def answer(house: House, person: Person, *rooms: bytes, accept: bool = True) -> Any:
    request = Answer(id=house.next_id(), rooms=rooms or None, accept=accept)
    return house.ask(person.phone, request)


def block(house: House, person: Person, other: bytes, *, blocked: bool = True) -> Any:
    return house.ask(person.phone, Block(id=house.next_id(), account=other, blocked=blocked))


def asks(house: House, person: Person) -> list[tuple[bytes, str]]:
    reply = house.ask(person.phone, GetAsks())
    assert isinstance(reply, Asks)
    return [(one.room, one.name) for one in reply.asks]


def is_asked(created: Any) -> bool:
    assert isinstance(created, Appended), created
    return bool(created.pending)


# ---- Who is asked ----


def test_a_stranger_must_ask_and_is_shown_who_asks_and_nothing_else(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    asked_at = house.now
    talk, created = ask(house, ada, bob, kind="direct")
    assert created.pending == (bob.account,)
    waiting = Ask(talk.room, "direct", ada.account, "ada", asked_at)
    assert house.ask(bob.phone, GetAsks()) == Asks(asks=(waiting,))
    pushes = [(effect, push) for effect, push in told(house) if isinstance(push, Asked)]
    ((effect, push),) = pushes
    assert isinstance(effect, ToAccount)
    assert (effect.account, push) == (bob.account, Asked(ask=waiting))
    assert code(house.say(bob.phone, talk)) == "not_a_member"
    assert events(house, ada.account) == ["request_sent"]
    assert events(house, bob.account) == []


def test_who_shares_a_room_is_no_stranger_but_the_commons_is_not_enough(house: House) -> None:
    host, bob = house.add_person("host", is_host=True), house.add_person("bob")
    _, created = ask(house, host, bob, kind="commons")
    assert not is_asked(created)
    talk, created = ask(house, host, bob)
    assert is_asked(created)
    answer(house, bob, talk.room)
    assert not is_asked(ask(house, bob, host, kind="direct")[1])


def test_where_everyone_asks_only_an_accepted_direct_room_counts(tmp_path: Path) -> None:
    house = open_house(tmp_path, requests="everyone")
    ada, bob = house.add_person("ada"), house.add_person("bob")
    group, _ = ask(house, ada, bob)
    answer(house, bob, group.room)
    direct, created = ask(house, ada, bob, kind="direct")
    assert is_asked(created)
    answer(house, bob, direct.room)
    assert not is_asked(ask(house, bob, ada)[1])


def test_where_nobody_asks_only_who_is_blocked_waits(tmp_path: Path) -> None:
    house = open_house(tmp_path, requests="off")
    ada, bob = house.add_person("ada"), house.add_person("bob")
    assert not is_asked(ask(house, ada, bob)[1])
    block(house, bob, ada.account)
    assert is_asked(ask(house, ada, bob)[1])


def test_a_mailbox_asks_nobody(house: House) -> None:
    ada = house.add_person("ada", devices=2)
    assert not is_asked(ask(house, ada, kind="mailbox")[1])
    first = within(
        house,
        ada.phone,
        lambda tx: chats.asked_first(tx, ada.account, [bytes(16)], "mailbox", house.now),
    )
    assert first == frozenset()


# ---- How often ----


def test_one_request_waits_for_each_pair(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    ask(house, ada, bob)
    house.now += 2 * DAY_MS
    assert code(ask(house, ada, bob)[1]) == "too_soon"
    assert is_asked(ask(house, eve, bob)[1])
    assert is_asked(ask(house, ada, eve)[1])


def test_a_request_that_was_withdrawn_cannot_come_again_the_same_day(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = ask(house, ada, bob)
    gone = {"removes": (member(bob.phone),), "closes": True}
    house.append(ada.phone, talk, house.handshake(ada.phone, talk, **gone))
    assert asks(house, bob) == []
    assert code(ask(house, ada, bob)[1]) == "too_soon"
    house.now += DAY_MS
    assert is_asked(ask(house, ada, bob)[1])


def forget(house: House) -> int:
    nobody = house.add_person(f"nobody-{house.next_id()}").phone
    return within(house, nobody, lambda tx: chats.forget_asks(tx, house.now))


@pytest.mark.parametrize("kind", ["group", "direct"])
def test_who_was_declined_is_refused_for_a_month_in_the_same_words(
    house: House, kind: Kind
) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = ask(house, ada, bob, kind=kind)
    waiting = ask(house, ada, bob, kind=kind)[1]
    answer(house, bob, talk.room, accept=False)
    house.now += 29 * DAY_MS
    forget(house)
    declined = ask(house, ada, bob, kind=kind)[1]
    assert isinstance(declined, Refusal)
    assert (declined.code, declined.why, declined.head) == (
        waiting.code,
        waiting.why,
        waiting.head,
    )
    house.now += DAY_MS
    forget(house)
    members = house.ask(ada.phone, GetMembers(room=talk.room)).members
    assert [one.name for one in members] == ["ada"]
    assert is_asked(ask(house, ada, bob, kind=kind)[1])
    assert len(asks(house, bob)) == 1
    house.start()
    assert isinstance(house.say(ada.phone, talk), Appended)


def test_who_takes_a_declined_request_back_and_asks_again_notices_nothing(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = ask(house, ada, bob)
    answer(house, bob, talk.room, accept=False)
    gone = {"removes": (member(bob.phone),), "closes": True}
    house.append(ada.phone, talk, house.handshake(ada.phone, talk, **gone))
    assert code(ask(house, ada, bob)[1]) == "too_soon"
    house.now += DAY_MS
    house.told = []
    again, created = ask(house, ada, bob)
    assert created.pending == (bob.account,)
    assert [push for _, push in told(house) if isinstance(push, Asked)] == []
    assert asks(house, bob) == []
    assert house.ask(bob.phone, GetRooms()).rooms == ()
    house.now += 29 * DAY_MS
    house.append(ada.phone, again, house.handshake(ada.phone, again, **gone))
    assert is_asked(ask(house, ada, bob)[1])
    assert len(asks(house, bob)) == 1


def test_so_many_requests_a_day_whatever_became_of_them(tmp_path: Path) -> None:
    house = open_house(tmp_path, requests="strangers", asks_per_day=3)
    ada, *others = (house.add_person(name) for name in ("ada", "bob", "eve", "ida", "joe"))
    begin = house.now
    rooms = [ask(house, ada, other)[0].room for other in others[:3]]
    answer(house, others[0], rooms[0])
    answer(house, others[1], rooms[1], accept=False)
    refusal = ask(house, ada, others[3])[1]
    assert (refusal.code, refusal.retry_after_ms) == (
        "too_many",
        begin + DAY_MS - house.now + 60_000,
    )
    house.now = begin + DAY_MS
    assert is_asked(ask(house, ada, others[3])[1])


def test_one_commit_asks_no_more_accounts_than_a_day_allows(tmp_path: Path) -> None:
    house = open_house(tmp_path, requests="strangers", asks_per_day=3)
    ada, *others = (house.add_person(name) for name in ("ada", "bob", "eve", "ida", "joe"))
    refusal = ask(house, ada, *others)[1]
    assert (refusal.code, refusal.retry_after_ms) == ("too_many", None)
    begin = house.now
    assert is_asked(ask(house, ada, *others[:2])[1])
    refusal = ask(house, ada, *others[2:])[1]
    assert (refusal.code, refusal.retry_after_ms) == (
        "too_many",
        begin + DAY_MS - house.now + 60_000,
    )
    assert is_asked(ask(house, ada, others[2])[1])


def test_where_nobody_may_ask_it_does_not_help_to_wait(tmp_path: Path) -> None:
    house = open_house(tmp_path, requests="strangers", asks_per_day=0)
    ada, bob = house.add_person("ada"), house.add_person("bob")
    refusal = ask(house, ada, bob)[1]
    assert (refusal.code, refusal.retry_after_ms) == ("too_many", None)


def test_only_so_many_requests_wait_for_one_account(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.world, "settings", replace(house.settings, account_asks_max=1))
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    talk, _ = ask(house, ada, bob)
    assert code(ask(house, eve, bob)[1]) == "limit"
    answer(house, bob, talk.room, accept=False)
    assert is_asked(ask(house, eve, bob)[1])


def test_a_request_that_was_declined_while_the_clock_was_ahead_hinders_for_a_month_only(
    house: House,
) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    begin = house.now
    house.now += 365 * DAY_MS
    declined, _ = ask(house, ada, bob)
    answer(house, bob, declined.room, accept=False)
    waiting, _ = ask(house, ada, eve)
    house.append(
        ada.phone, waiting, house.handshake(ada.phone, waiting, removes=(member(eve.phone),),
                                            closes=True),
    )  # fmt: skip

    def forget() -> int:
        return within(house, ada.phone, lambda tx: chats.forget_asks(tx, house.now))

    house.now = begin
    assert forget() == 3
    assert code(ask(house, ada, bob)[1]) == code(ask(house, ada, eve)[1]) == "too_soon"
    assert forget() == 0
    house.now = begin + DAY_MS + 60_000
    assert forget() == 1
    assert is_asked(ask(house, ada, eve)[1])
    house.now = begin + house.settings.declined_days * DAY_MS + 1
    assert forget() == 3
    assert is_asked(ask(house, ada, bob)[1])


def test_requests_of_long_ago_are_forgotten(house: House) -> None:
    ada, *others = (house.add_person(name) for name in ("ada", "bob", "eve"))
    rooms = [ask(house, ada, other)[0].room for other in others]
    answer(house, others[0], rooms[0], accept=False)
    assert forget(house) == 0
    house.now += DAY_MS
    assert (forget(house), forget(house)) == (1, 0)
    house.now += 30 * DAY_MS
    assert (forget(house), forget(house)) == (2, 0)


# ---- Answers ----


def test_who_accepts_gets_the_room_and_the_asker_is_told(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob", devices=2)
    talk, _ = ask(house, ada, bob, kind="direct")
    house.told = []
    assert answer(house, bob, talk.room) == AsksLeft(id=house.number, left=0)
    devices = tuple(device.device for device in bob.devices)
    (routed,) = [effect for effect in house.told if isinstance(effect, Routed)]
    assert (routed.room, sorted(routed.devices), routed.is_member) == (
        talk.room,
        sorted(devices),
        True,
    )
    pushes = [push for _, push in told(house)]
    assert pushes == [
        RoomChanged(room=talk.room, state="active"),
        Answered(room=talk.room, account=bob.account),
    ]
    assert isinstance(house.say(bob.phone, talk), Appended)
    (room,) = house.ask(bob.devices[1], GetRooms()).rooms
    assert room.state == "active"
    assert asks(house, bob) == []
    assert events(house, bob.account) == ["request_accepted"]
    house.start()
    assert isinstance(house.say(bob.phone, talk), Appended)


def test_who_declines_is_gone_for_itself_and_waits_for_all_others(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob", devices=2)
    talk, _ = ask(house, ada, bob)
    before = house.ask(ada.phone, GetMembers(room=talk.room))
    house.told = []
    assert answer(house, bob, talk.room, accept=False) == AsksLeft(id=house.number, left=0)
    assert [(type(effect).__name__, push) for effect, push in told(house)] == [
        ("ToDevices", RoomChanged(room=talk.room, state="gone"))
    ]
    assert house.ask(bob.phone, GetRooms()).rooms == ()
    assert house.ask(ada.phone, GetMembers(room=talk.room)) == before
    assert isinstance(house.say(ada.phone, talk), Appended)
    assert code(house.say(bob.phone, talk)) == "not_a_member"
    house.start()
    assert house.ask(ada.phone, GetMembers(room=talk.room)) == before
    added = house.handshake(ada.phone, talk, adds=(member(bob.phone),))
    assert isinstance(house.append(ada.phone, talk, added), Appended)  # He is routed already.
    assert house.ask(ada.phone, GetMembers(room=talk.room)) == before
    assert house.ask(bob.phone, GetRooms()).rooms == ()
    assert events(house, bob.account) == ["request_declined"]
    (unwanted,) = house.tx().all("SELECT device, address FROM event WHERE kind = ?", UNWANTED)
    assert unwanted == (None, "")


UNWANTED = "request_unwanted"


def test_who_declined_a_direct_room_may_make_another_one(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = ask(house, ada, bob, kind="direct")
    assert code(ask(house, bob, ada, kind="direct")[1]) == "exists"
    answer(house, bob, talk.room, accept=False)
    assert ask(house, ada, bob, kind="direct")[1].head == talk.room
    other, created = ask(house, bob, ada, kind="direct")
    assert created.pending == (ada.account,)
    assert asks(house, ada) == [(other.room, "bob")]


def test_all_that_waits_is_answered_at_once_oldest_first(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    rooms = [ask(house, asker, bob)[0].room for asker in (eve, ada)]
    assert asks(house, bob) == [(rooms[0], "eve"), (rooms[1], "ada")]
    assert answer(house, bob, accept=False) == AsksLeft(id=house.number, left=0)
    assert asks(house, bob) == []
    assert answer(house, bob, accept=False) == AsksLeft(id=house.number, left=0)


def test_only_what_waits_for_oneself_can_be_answered(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = ask(house, ada, bob)
    assert code(answer(house, ada, talk.room)) == "unknown"
    assert code(answer(house, bob, talk.room, bytes(16), accept=False)) == "unknown"
    assert asks(house, bob) == [(talk.room, "ada")]
    assert answer(house, bob, talk.room, talk.room) == AsksLeft(id=house.number, left=0)
    assert code(answer(house, bob, talk.room, accept=False)) == "unknown"


def test_very_many_requests_are_answered_some_at_a_time(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chats, "ANSWERED_MAX", 2)
    ada, bob, eve, ida = (house.add_person(name) for name in ("ada", "bob", "eve", "ida"))
    rooms = [ask(house, other, ida)[0].room for other in (ada, bob, eve)]
    assert answer(house, ida, accept=False) == AsksLeft(id=house.number, left=1)
    assert asks(house, ida) == [(rooms[2], "eve")]
    assert answer(house, ida, accept=False) == AsksLeft(id=house.number, left=0)


def test_an_answer_to_many_requests_costs_more() -> None:
    cost = chats.HANDLERS[Answer].cost
    assert cost is not None
    for count, expected in ((0, 1), (7, 1), (8, 2), (64, 9)):
        assert cost(Answer(rooms=(bytes(16),) * count, accept=True)) == expected
    assert cost(Answer(rooms=None, accept=True)) == 9


# ---- Blocks ----


def test_a_block_declines_what_waits_and_hides_what_comes(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    ask(house, ada, bob)
    waiting, _ = ask(house, eve, bob)
    assert block(house, bob, ada.account) == Done(id=house.number)
    assert asks(house, bob) == [(waiting.room, "eve")]
    house.now += 31 * DAY_MS
    forget(house)
    house.told = []
    talk, created = ask(house, ada, bob)
    assert is_asked(created)
    assert [push for _, push in told(house) if isinstance(push, Asked)] == []
    assert asks(house, bob) == [(waiting.room, "eve")]
    assert code(answer(house, bob, talk.room)) == "unknown"
    answer(house, bob, accept=False)
    block(house, bob, ada.account, blocked=False)
    assert asks(house, bob) == [(talk.room, "ada")]
    assert events(house, bob.account) == [
        "request_declined",
        "account_blocked",
        "request_declined",
        "account_unblocked",
    ]


def test_blocks_are_listed_by_name_and_lifted_again(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "Bob", "eve"))
    for other in (eve, bob):
        block(house, ada, other.account)
    block(house, ada, bob.account)
    expected = ((bob.account, "Bob", house.now), (eve.account, "eve", house.now))
    assert house.ask(ada.phone, GetBlocks()) == Blocks(accounts=expected)
    block(house, ada, bob.account, blocked=False)
    assert block(house, ada, bob.account, blocked=False) == Done(id=house.number)
    assert [name for _, name, _ in house.ask(ada.phone, GetBlocks()).accounts] == ["eve"]
    assert house.ask(bob.phone, GetBlocks()) == Blocks(accounts=())


def test_of_a_direct_room_with_who_is_blocked_nothing_is_pushed_until_that_ends(
    house: House,
) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    direct, _ = ask(house, ada, bob, kind="direct")
    other, _ = ask(house, eve, bob, kind="direct")
    answer(house, bob)
    group, _ = ask(house, ada, bob)
    connected = Connected()
    session = greeted(connected.door)
    rooms = (direct.room, group.room, other.room)
    arrived = Arrived(bob.account, bob.phone.device, "bob", False, True, rooms)
    connected.tell(arrived, session=session)

    def pushed() -> list[tuple[str, bytes]]:
        effects, house.told = house.told, []
        connected.tell(*effects)
        connected.later()
        told = [one for one in said(session) if not isinstance(one, NewEvent | PresenceChanged)]
        return [(type(one).__name__, one.room) for one in told]

    def act() -> list[tuple[str, bytes]]:
        for person, talk in ((ada, direct), (ada, group), (eve, other)):
            assert isinstance(house.say(person.phone, talk), Appended)
        house.ask(ada.phone, Signal(room=direct.room, body=b"typing"))
        slot = PutSlot(id=house.next_id(), room=direct.room, body=b"slot")
        assert house.ask(ada.phone, slot) == Done(id=house.number)
        return pushed()

    house.told = []
    elsewhere = [("Nudge", group.room), ("Nudge", other.room)]
    here = direct.room
    assert sorted(act()) == sorted(
        [*elsewhere, ("Nudge", here), ("Signalled", here), ("SlotsChanged", here)]
    )
    block(house, bob, ada.account)
    assert pushed() == []
    assert sorted(act()) == sorted(elsewhere)
    block(house, bob, ada.account, blocked=False)
    assert pushed() == [("Nudge", here)]
    assert ("Signalled", here) in act()


def test_a_device_that_comes_to_a_direct_room_with_who_is_blocked_is_pushed_nothing_either(
    house: House,
) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    direct, _ = ask(house, ada, bob, kind="direct")
    answer(house, bob)
    block(house, bob, ada.account)
    laptops = [house.add_device(person) for person in (ada, bob)]
    house.told = []
    adds = tuple(member(laptop) for laptop in laptops)
    commit = house.handshake(ada.phone, direct, adds=adds)
    assert isinstance(house.append(ada.phone, direct, commit), Appended)
    assert house.take_told(Routed) == [Routed(direct.room, (laptops[0].device,), is_member=True)]


def test_nobody_blocks_himself_or_who_is_not_there_or_too_many(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.world, "settings", replace(house.settings, account_blocks_max=1))
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    assert code(block(house, ada, ada.account)) == "not_allowed"
    assert code(block(house, ada, bytes(16))) == "unknown"
    block(house, ada, bob.account)
    assert code(block(house, ada, eve.account)) == "limit"


def hear(house: House, person: Person) -> tuple[bytes, ...]:
    """Return the accounts that hear of a person, besides those that are active in the rooms."""
    changed = ListChanged(account=person.account, version=2)
    within(house, person.phone, lambda tx: tell_sharing(tx, person.account, changed))
    (effect,) = house.take_told(ToMany)
    return tuple(effect.accounts)


def test_devices_of_who_declined_hear_nothing_more_of_the_others(house: House) -> None:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, _ = ask(house, ada, bob)
    assert hear(house, ada) == (ada.account, bob.account)
    answer(house, bob, talk.room, accept=False)
    assert hear(house, ada) == (ada.account,)
    changed = ListChanged(account=bob.account, version=2)
    within(house, bob.phone, lambda tx: tell_sharing(tx, bob.account, changed))
    assert house.take_told(ToMany)[0].rooms == (talk.room,)


def test_events_about_requests_name_nobody(house: House) -> None:
    ada, bob, eve = (house.add_person(name) for name in ("ada", "bob", "eve"))
    answer(house, bob, ask(house, ada, bob)[0].room)
    answer(house, bob, ask(house, eve, bob)[0].room, accept=False)
    for blocked in (True, False):
        block(house, bob, eve.account, blocked=blocked)
    details = house.tx().all("SELECT DISTINCT detail FROM event WHERE kind <> 'room_created'")
    assert details == [("{}",)]
