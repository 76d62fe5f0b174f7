"""The order of a room's log: what is stored, what is refused, and that nothing is stored twice."""

from pathlib import Path
from typing import Any

import pytest

from alcove.server.answers import BEHIND_MAX, PAUSE_MS, STEPS
from alcove.server.effects import Log, Routed
from alcove.wire.codec import decode_answers, encode
from alcove.wire.entries import (
    Append,
    Appended,
    Entries,
    MessageHeader,
    NewEntry,
    Read,
    Welcome,
)
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name, next_chain
from alcove.wire.rooms import CreateRoom, GetMembers, GetRooms
from tests.server.house import House, Person, Talk, member


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def code(reply: Any) -> Code | None:
    return reply.code if isinstance(reply, Refusal) else None


def pair(house: House) -> tuple[Person, Person, Talk]:
    ada, bob = house.add_person("ada"), house.add_person("bob")
    talk, created = house.create(ada.phone, bob.phone)
    assert isinstance(created, Appended)
    house.now += 60_000
    house.told = []
    return ada, bob, talk


def log(house: House, person: Person, talk: Talk, since: int = 0) -> Entries:
    request = Read(room=talk.room, since=Position(house.incarnation, since), entries_max=4096)
    page = house.ask(person.phone, request)
    assert isinstance(page, Entries), page
    return page


def test_entries_get_the_next_place_and_the_chain_can_be_checked(house: House) -> None:
    ada, bob, talk = pair(house)
    replies = [house.say(person.phone, talk) for person in (ada, bob, ada)]
    assert [reply.first for reply in replies] == [3, 4, 5]
    page = log(house, bob, talk)
    chain = NOTHING_BEFORE
    for entry in page.entries:
        assert entry.body is not None
        chain = next_chain(chain, entry.seq, entry_name(talk.room, entry.header, entry.body))
    assert (chain, page.head, page.more) == (replies[-1].chain, 5, False)


def test_a_stored_entry_is_told_to_the_room_once(house: House) -> None:
    ada, _, talk = pair(house)
    house.say(ada.phone, talk)
    (told,) = house.take_told(Log)
    assert (told.first, told.last, told.sender) == (3, 3, ada.phone.device)
    (push,) = decode_answers(b"\x91" + told.message)
    assert push.entries == log(house, ada, talk, 2).entries


def test_the_same_request_again_gets_the_same_answer_and_has_no_second_effect(
    house: House,
) -> None:
    ada, bob, talk = pair(house)
    request = Append(id=70, room=talk.room, entries=(house.message(ada.phone, talk),))
    first = house.ask(ada.phone, request)
    assert house.ask(ada.phone, request) == first
    assert house.run((ada.phone, request), (ada.phone, request)) == [first, first]
    house.start()
    assert house.ask(ada.phone, request) == first
    assert len(log(house, bob, talk).entries) == 3


def test_an_answer_is_found_after_many_others_and_after_a_restart(house: House) -> None:
    ada, _, talk = pair(house)
    requests = [
        Append(id=1000 - n, room=talk.room, entries=(house.message(ada.phone, talk),))
        for n in range(600)
    ]
    replies = [house.ask(ada.phone, request) for request in requests]
    assert [house.ask(ada.phone, request) for request in requests] == replies
    house.start()
    for request, reply in zip(requests, replies, strict=True):
        house.now += (
            PAUSE_MS * BEHIND_MAX // STEPS
        )  # Who makes the server look far back has to wait.
        assert house.ask(ada.phone, request) == reply


def test_another_request_with_a_used_number_is_refused(house: House) -> None:
    ada, _, talk = pair(house)
    one, other = house.message(ada.phone, talk), house.message(ada.phone, talk)
    house.ask(ada.phone, Append(id=70, room=talk.room, entries=(one,)))
    assert code(house.ask(ada.phone, Append(id=70, room=talk.room, entries=(other,)))) == "reused"
    assert code(house.ask(ada.phone, Append(id=69, room=talk.room, entries=(other,)))) is None


def test_a_refused_request_may_come_again_and_succeed(house: House) -> None:
    ada, bob, talk = pair(house)
    stale = Talk(talk.room, talk.handshake)
    mine = house.handshake(ada.phone, stale)
    house.append(bob.phone, talk, house.handshake(bob.phone, talk))
    house.now += 60_000
    reply = house.ask(ada.phone, Append(id=80, room=talk.room, entries=(mine,)))
    assert (code(reply), reply.head) == ("conflict", talk.handshake)
    again = house.ask(
        ada.phone, Append(id=80, room=talk.room, entries=(house.handshake(ada.phone, talk),))
    )
    assert isinstance(again, Appended)


def test_only_members_write_and_only_in_their_own_name(house: House) -> None:
    ada, bob, talk = pair(house)
    eve = house.add_person("eve")
    assert code(house.say(eve.phone, talk)) == "not_a_member"
    forged = house.message(ada.phone, talk)
    assert code(house.append(bob.phone, talk, forged)) == "bad_header"
    both = (house.message(bob.phone, talk), forged)
    assert code(house.append(bob.phone, talk, *both)) == "bad_header"
    nowhere = Talk(house.random(16), talk.handshake)
    assert code(house.say(ada.phone, nowhere)) == "unknown"
    assert code(house.append(ada.phone, talk, NewEntry(b"\xff", b""))) == "bad_header"
    assert log(house, ada, talk).head == 2


def test_a_batch_is_accepted_whole_or_not_at_all(house: House) -> None:
    ada, bob, talk = pair(house)
    good, bad = house.message(ada.phone, talk), house.message(ada.phone, talk, key=bytes(32))
    beside = Append(id=5, room=talk.room, entries=(house.message(bob.phone, talk),))
    replies = house.run(
        (bob.phone, beside),
        (ada.phone, Append(id=90, room=talk.room, entries=(good, bad))),
        (ada.phone, Append(id=91, room=talk.room, entries=(good,))),
    )
    assert [code(reply) for reply in replies] == [None, "old_key", None]
    assert [entry.seq for entry in log(house, ada, talk, 2).entries] == [3, 4]


def test_a_refused_batch_with_a_commit_leaves_the_room_as_it_was(house: House) -> None:
    ada, bob, talk = pair(house)
    carol = house.add_person("carol")
    before = Talk(talk.room, talk.handshake)
    commit = house.handshake(ada.phone, talk, adds=(member(carol.phone),))
    bad = house.message(ada.phone, talk, key=bytes(32))
    earlier = Append(id=5, room=talk.room, entries=(house.message(bob.phone, before),))
    replies = house.run(
        (bob.phone, earlier),
        (ada.phone, Append(id=90, room=talk.room, entries=(commit, bad))),
    )
    assert [code(reply) for reply in replies] == [None, "old_key"]
    assert log(house, ada, talk).head == 3
    assert code(house.say(carol.phone, before)) == "not_a_member"
    assert isinstance(house.say(ada.phone, before), Appended)


def test_a_kept_message_may_name_any_of_the_last_eight_room_keys(house: House) -> None:
    ada, _, talk = pair(house)
    names = [talk.handshake]
    for _ in range(8):
        house.now += 60_000
        house.append(ada.phone, talk, house.handshake(ada.phone, talk))
        names.append(talk.handshake)
    assert code(house.say(ada.phone, Talk(talk.room, names[0]))) == "old_key"
    assert code(house.say(ada.phone, Talk(talk.room, names[1]))) is None


def test_a_healing_commit_that_does_not_renew_is_an_epoch_but_no_room_key(house: House) -> None:
    ada, _, talk = pair(house)
    key = talk.handshake
    for _ in range(9):
        house.now += 60_000
        house.append(ada.phone, talk, house.handshake(ada.phone, talk, renews=False))
    assert code(house.say(ada.phone, talk)) == "old_key"
    assert code(house.say(ada.phone, Talk(talk.room, key))) is None
    assert code(house.say(ada.phone, Talk(talk.room, key), form="live")) == "old_key"
    assert code(house.say(ada.phone, talk, form="live")) is None


def test_a_message_sealed_before_a_closing_commit_is_refused_after_it(house: House) -> None:
    ada, bob, talk = pair(house)
    before = Talk(talk.room, talk.handshake)
    commit = house.handshake(ada.phone, talk, removes=(member(bob.phone),), closes=True)
    assert isinstance(house.append(ada.phone, talk, commit), Appended)
    assert code(house.say(ada.phone, before)) == "closed"
    assert code(house.say(ada.phone, talk)) is None
    house.start()
    assert code(house.say(ada.phone, before)) == "closed"
    assert code(house.say(bob.phone, talk)) == "not_a_member"


def test_a_notice_names_no_key_and_says_what_it_is(house: House) -> None:
    ada, _, talk = pair(house)
    assert code(house.say(ada.phone, talk, form="notice")) == "bad_header"
    assert code(house.say(ada.phone, talk, notice="lost")) == "bad_header"
    assert code(house.say(ada.phone, talk, form="notice", key=None, notice="lost")) is None
    again = house.say(ada.phone, talk, form="notice", key=None, notice="lost")
    assert (code(again), again.retry_after_ms) == ("too_soon", 60_000)


def test_who_leaves_gets_nothing_more_and_anyone_may_commit_the_remove(house: House) -> None:
    ada, bob, talk = pair(house)
    house.say(ada.phone, talk, form="notice", key=None, notice="leave")
    assert house.take_told(Routed) == [Routed(talk.room, (ada.phone.device,), is_member=False)]
    assert code(house.say(ada.phone, talk)) == "not_a_member"
    house.start()
    assert code(house.say(ada.phone, talk)) == "not_a_member"
    commit = house.handshake(bob.phone, talk, removes=(member(ada.phone),), closes=True)
    assert isinstance(house.append(bob.phone, talk, commit), Appended)


def test_commits_need_pauses(house: House) -> None:
    ada, bob, talk = pair(house)
    carol, dave = house.add_person("carol"), house.add_person("dave")
    add = house.handshake(ada.phone, talk, adds=(member(carol.phone),))
    assert isinstance(house.append(ada.phone, talk, add), Appended)
    key = talk.handshake

    def try_to_add(person: Person) -> Any:
        at = Talk(talk.room, key)
        return house.append(
            person.phone, at, house.handshake(person.phone, at, adds=(member(dave.phone),))
        )

    assert (code(try_to_add(bob)), try_to_add(bob).retry_after_ms) == ("too_soon", 2_000)
    assert try_to_add(ada).retry_after_ms == 10_000
    house.now += 2_000
    assert try_to_add(ada).retry_after_ms == 8_000
    assert isinstance(try_to_add(bob), Appended)


def test_healing_needs_pauses_of_its_own(house: House) -> None:
    ada, bob, talk = pair(house)
    first = house.handshake(ada.phone, talk, renews=False)
    assert isinstance(house.append(ada.phone, talk, first), Appended)
    key = talk.handshake

    def heal(person: Person) -> Any:
        at = Talk(talk.room, key)
        return house.append(person.phone, at, house.handshake(person.phone, at, renews=False))

    assert heal(bob).retry_after_ms == 2_000
    assert heal(ada).retry_after_ms == 60_000
    house.now -= 10 * 60_000
    assert isinstance(heal(ada), Appended), "a clock that was set back closes no room"


def test_who_has_healed_can_make_a_link_at_once_and_the_next_one_soon(house: House) -> None:
    """A link stands in what only the members read: to the server such a commit renews the key."""
    ada, _, talk = pair(house)
    healing = house.handshake(ada.phone, talk, renews=False)
    assert isinstance(house.append(ada.phone, talk, healing), Appended)
    house.now += 10_000  # The room was made a moment ago.
    assert isinstance(house.append(ada.phone, talk, house.handshake(ada.phone, talk)), Appended)
    at = Talk(talk.room, talk.handshake)
    again = house.append(ada.phone, at, house.handshake(ada.phone, at))
    assert again.retry_after_ms == 10_000


def test_closing_commits_need_the_longest_pause(house: House) -> None:
    ada, bob, talk = pair(house)
    carol = house.add_person("carol")
    close = house.handshake(ada.phone, talk, keep_ms=1000, closes=True)
    assert isinstance(house.append(ada.phone, talk, close), Appended)
    house.now += 5_000
    key = talk.handshake
    remove = house.handshake(bob.phone, talk, removes=(member(bob.phone),), closes=True)
    assert house.append(bob.phone, talk, remove).retry_after_ms == 5_000
    talk.handshake = key
    add = house.handshake(bob.phone, talk, adds=(member(carol.phone),))
    assert isinstance(house.append(bob.phone, talk, add), Appended)


def test_welcomes_come_with_the_commit_that_makes_them(house: House) -> None:
    ada, bob, talk = pair(house)
    carol = house.add_person("carol")
    commit = house.handshake(ada.phone, talk, adds=(member(carol.phone),))
    welcome = Welcome((carol.phone.device,), b"welcome")
    strange = Welcome((bob.phone.device,), b"welcome")
    key = talk.handshake
    refused = house.append(ada.phone, talk, commit, welcomes=(strange,))
    assert code(refused) == "bad_header"
    assert isinstance(house.append(ada.phone, talk, commit, welcomes=(welcome,)), Appended)
    assert talk.handshake == key
    lines = house.tx().all("SELECT device, letter.kind FROM inbox JOIN letter ON letter = number")
    assert lines == [(carol.phone.device, "welcome")]


def test_who_removes_itself_sends_no_welcomes(house: House) -> None:
    ada, _, talk = pair(house)
    eve = house.add_person("eve")
    routing = {"adds": (member(eve.phone),), "removes": (member(ada.phone),)}
    commit = house.handshake(ada.phone, talk, **routing, closes=True)
    welcome = Welcome((eve.phone.device,), b"sealed")
    reply = house.append(ada.phone, talk, commit, welcomes=(welcome,))
    assert reply.code == "not_a_member"


def test_a_room_is_listed_with_its_place_and_its_members(house: House) -> None:
    ada, bob, talk = pair(house)
    last = house.say(ada.phone, talk)
    (room,) = house.ask(bob.phone, GetRooms()).rooms
    assert (room.room, room.head, room.chain) == (talk.room, 3, last.chain)
    assert room.handshake == talk.handshake
    members = house.ask(bob.phone, GetMembers(room=talk.room)).members
    assert sorted((one.name, one.role, one.state) for one in members) == [
        ("ada", "owner", "active"),
        ("bob", "member", "active"),
    ]


def test_members_are_told_in_pages(house: House) -> None:
    people = [house.add_person(name, devices=2) for name in ("ada", "bob", "eve")]
    talk, _ = house.create(people[0].phone, *(one.phone for one in people[1:]))
    ada = people[0].phone
    accounts = sorted(person.account for person in people)
    for after, told, more in ((None, accounts[:2], True), (accounts[1], accounts[2:], False)):
        page = house.ask(ada, GetMembers(room=talk.room, after=after, limit=2))
        assert ([one.account for one in page.members], page.more) == (told, more)
    end = house.ask(ada, GetMembers(room=talk.room, after=accounts[2]))
    assert (end.members, end.more) == ((), False)
    whole = house.ask(ada, GetMembers(room=talk.room)).members
    assert {one.account: one.devices for one in whole} == {
        person.account: (person.phone.device,) for person in people
    }


def test_members_are_told_with_how_they_are_there_as_far_as_they_show_it(house: House) -> None:
    ada, bob, talk = pair(house)
    bot = house.add_person("bot")
    house.connection.run("UPDATE account SET is_bot = 1 WHERE account = ?", bot.account)
    house.connection.run("UPDATE account SET seen_at = 5")
    house.connection.run("UPDATE account SET shows_seen = 0 WHERE account = ?", bob.account)
    house.append(ada.phone, talk, house.handshake(ada.phone, talk, adds=(member(bot.phone),)))
    presence = house.world.presence
    presence.arrive(bot.account, bot.phone.device, "bot", house.now, is_shown=True, is_bot=True)
    presence.set(bot.account, bot.phone.device, "away", house.now)
    presence.arrive(bob.account, bob.phone.device, "bob", house.now, is_shown=False)
    members = house.ask(ada.phone, GetMembers(room=talk.room)).members
    assert sorted((one.name, one.bot, one.presence, one.seen_at) for one in members) == [
        ("ada", False, "offline", 5),
        ("bob", False, "offline", None),
        ("bot", True, "away", 5),
    ]


def test_sizes_are_limited(house: House) -> None:
    ada, _, talk = pair(house)
    header = MessageHeader(ada.phone.device, house.random(16), "kept", talk.handshake)
    big = NewEntry(encode(header), bytes(house.settings.message_bytes_max + 1))
    assert code(house.append(ada.phone, talk, big)) == "too_large"
    many = tuple(house.message(ada.phone, talk) for _ in range(65))
    assert code(house.append(ada.phone, talk, *many)) == "limit"
    commit = house.handshake(ada.phone, talk)
    huge = NewEntry(commit.header, bytes(house.settings.handshake_bytes_max + 1))
    assert code(house.append(ada.phone, talk, huge)) == "too_large"


def test_a_room_that_exists_is_not_made_again(house: House) -> None:
    ada, _, talk = pair(house)
    again = Talk(talk.room, NOTHING_BEFORE)
    entry = house.handshake(ada.phone, again, adds=(member(ada.phone),))
    request = CreateRoom(id=900, room=talk.room, kind="group", entries=(entry,))
    assert code(house.ask(ada.phone, request)) == "exists"
