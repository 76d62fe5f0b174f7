"""Deleting an account: what is gone, what stays, and that the audit log is still one chain."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from alcove.server.audit import event_chain
from alcove.server.auth import totp_code
from alcove.server.effects import BlobGone, Ended, ToDevices, ToMany
from alcove.server.handlers import deletion
from alcove.server.handlers.deletion import ERASED, HANDLERS, sweep_leftovers
from alcove.wire.accounts import (
    ArchiveRow,
    DeleteAccount,
    OpenBox,
    PutArchive,
    PutProfile,
    SetTotp,
)
from alcove.wire.base import Done
from alcove.wire.chats import Block, GetAsks
from alcove.wire.codec import decode_answer
from alcove.wire.devices import Claim, ListChanged, PutPackages
from alcove.wire.entries import Appended, Entries, Read, Welcome
from alcove.wire.errors import Code
from alcove.wire.greeting import NewToken
from alcove.wire.ids import NOTHING_BEFORE, Position
from alcove.wire.invites import NewInvite
from alcove.wire.rooms import GetInbox, GetMembers, PutLink, PutSlot, RoomChanged, SendLetter
from tests.server.house import House, Talk, member
from tests.server.people import Someone, code, kinds, lines, told_to, where, writing

PAUSE_MS = 60_000


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def come(house: House, *names: str) -> list[Someone]:
    return [Someone(house, name).come() for name in names]


def deletes(person: Someone, **fields: Any) -> Any:
    given: dict[str, Any] = {"lock": "password", "login": person.password.login}
    request = DeleteAccount(id=person.house.next_id(), **given | fields)
    return person.house.ask(person.phone.caller, request)


def shared_room(house: House, *people: Someone, kind: Any = "group", **fields: Any) -> Talk:
    callers = [person.phone.caller for person in people]
    talk, reply = house.create(callers[0], *callers[1:], kind=kind, **fields)
    assert isinstance(reply, Appended), reply
    house.now += PAUSE_MS
    return talk


def lived_in(house: House, ada: Someone, bob: Someone) -> Talk:
    """Let an account leave something in every table that keeps something for accounts."""
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    asks: list[Any] = [
        PutPackages(packages=(b"package!",), last_resort=b"last!"),
        NewToken(),
        NewInvite(),
        PutProfile(body=b"profile!"),
        PutArchive(rows=(ArchiveRow(bytes(16), bytes(32), b"archived!"),)),
        Claim(account=bob.account),
    ]
    for number, request in enumerate(asks, start=1000):
        fields = {name: getattr(request, name) for name in request.__struct_fields__}
        reply = house.ask(ada.phone.caller, type(request)(**fields | {"id": number}))
        assert code(reply) is None
    house.connection.run("INSERT INTO ask VALUES (?, ?, 1, NULL)", ada.account, bob.account)
    house.connection.run("INSERT INTO ask VALUES (?, ?, 1, NULL)", bob.account, ada.account)
    house.connection.run("UPDATE account SET invited_by = ? WHERE name = 'bob'", ada.account)
    house.connection.run(
        "INSERT INTO blob (blob, account, size, created_at) VALUES (?, ?, 1, 1)",
        b"b" * 16,
        ada.account,
    )
    talk = shared_room(house, ada, bob)
    commit = house.handshake(bob.phone.caller, talk, adds=(member(laptop.caller),))
    welcome = Welcome((laptop.id,), b"hello")
    house.append(bob.phone.caller, talk, commit, welcomes=(welcome,))
    house.say(ada.phone.caller, talk)
    link = PutLink(id=2000, room=talk.room, link=b"l" * 32)
    for request in (link, PutSlot(id=2001, room=talk.room, body=b"slot!")):
        assert code(house.ask(ada.phone.caller, request)) is None
    for one, other in ((ada, bob), (bob, ada)):
        house.ask(one.phone.caller, Block(id=2002, account=other.account, blocked=True))
    return talk


STAYS = {
    ("entry", "header"),  # In a log, entries name their senders and commits whom they add.
    ("room", "paused"),  # Who made the newest commits, until others have made some.
}


def test_nothing_of_a_deleted_account_is_left_but_what_belongs_to_rooms(house: House) -> None:
    ada, bob = come(house, "lovelace", "bob")
    talk = lived_in(house, ada, bob)
    words = [
        b"lovelace",
        ada.account,
        ada.account.hex().encode(),
        *(gadget.id for gadget in ada.gadgets),
        *(gadget.id.hex().encode() for gadget in ada.gadgets),
        *(gadget.key.public for gadget in ada.gadgets),
        ada.identity.public,
        ada.phone.caller.address.encode(),
        *(b"package!", b"last!", b"profile!", b"archived!", b"hello", b"slot!", b"b" * 16),
    ]
    before = {table for table, _ in where(house, *words)}
    assert before >= {
        *("account", "device", "device_list", "token", "package", "invite", "room_account"),
        *("member", "answer", "archive", "block", "ask", "blob", "event", "inbox", "link"),
    }
    house.connection.run("UPDATE event SET address = '' WHERE account = ?", bob.account)
    assert deletes(ada) == Done(id=house.number)
    assert {one for one in where(house, *words) if one not in STAYS} == set()
    assert lines(house, "SELECT made_by FROM link") == [bytes(16)]
    page = house.ask(bob.phone.caller, Read(room=talk.room, since=Position(house.incarnation, 0)))
    assert isinstance(page, Entries)
    assert page.entries[-1].body is not None


def test_a_room_goes_on_without_who_is_gone(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    talk = shared_room(house, ada, bob)
    house.say(ada.phone.caller, talk)
    deletes(ada)
    members = house.ask(bob.phone.caller, GetMembers(room=talk.room)).members
    assert [one.name for one in members] == ["bob"]
    assert isinstance(house.say(bob.phone.caller, talk), Appended)
    assert code(house.say(ada.phone.caller, talk)) == Code.NOT_A_MEMBER
    house.start()
    assert isinstance(house.say(bob.phone.caller, talk), Appended)


def test_a_room_where_nobody_is_left_is_deleted_whole(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    alone = shared_room(house, ada)
    both = shared_room(house, ada, bob)
    house.say(ada.phone.caller, alone)
    link = PutLink(id=house.next_id(), room=alone.room, link=b"l" * 32)
    assert code(house.ask(ada.phone.caller, link)) is None
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    commit = house.handshake(ada.phone.caller, alone, adds=(member(laptop.caller),))
    house.append(ada.phone.caller, alone, commit, welcomes=(Welcome((laptop.id,), b"hello"),))
    deletes(ada)
    assert lines(house, "SELECT room FROM room") == [both.room]
    (number,) = lines(house, "SELECT number FROM room")
    for table in ("entry", "member", "room_account", "link", "room_row", "snapshot", "alias"):
        kept = lines(house, f"SELECT DISTINCT room FROM {table}")  # noqa: S608 - Our words.
        assert kept in ([number], []), table
    assert lines(house, "SELECT body FROM letter") == [b""]
    deletes(bob)
    assert lines(house, "SELECT COUNT(*) FROM room") == [0]
    assert lines(house, "SELECT COUNT(*) FROM entry") == [0]


def test_letters_about_a_deleted_room_go_and_others_stay(house: House) -> None:
    ada, bob, eve = come(house, "ada", "bob", "eve")
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    alone = shared_room(house, ada)
    commit = house.handshake(ada.phone.caller, alone, adds=(member(laptop.caller),))
    welcome = Welcome((laptop.id,), b"about the room")
    house.append(ada.phone.caller, alone, commit, welcomes=(welcome,))
    other = shared_room(house, bob, eve)
    request = SendLetter(
        id=house.next_id(), room=other.room, devices=(eve.phone.id,), body=b"other"
    )
    house.ask(bob.phone.caller, request)
    deletes(ada)
    assert lines(house, "SELECT body FROM letter") == [b"other"]
    assert [one.body for one in house.ask(eve.phone.caller, GetInbox()).letters] == [b"other"]


def test_the_commons_stays_when_the_last_one_goes(house: House) -> None:
    (ada,) = come(house, "ada")
    talk, _ = house.create(ada.phone.caller)
    house.connection.run("UPDATE room SET kind = 'commons'")
    deletes(ada)
    assert lines(house, "SELECT room, created_by FROM room") == [(talk.room, None)]


def test_requests_of_who_is_gone_are_withdrawn(tmp_path: Path) -> None:
    house = House(tmp_path, requests="everyone")
    ada, bob, eve = come(house, "ada", "bob", "eve")
    direct = shared_room(house, ada, bob, kind="direct", partner=bob.account)
    group = shared_room(house, ada)
    commit = house.handshake(ada.phone.caller, group, adds=(member(eve.phone.caller),))
    house.append(ada.phone.caller, group, commit)
    assert len(house.ask(bob.phone.caller, GetAsks()).asks) == 1
    house.told = []
    deletes(ada)
    gone = [
        (push.devices, decode_answer(push.message).room)
        for push in house.take_told(ToDevices)
        if isinstance(decode_answer(push.message), RoomChanged)
    ]
    assert sorted(gone) == sorted(
        [
            ((bob.phone.id,), direct.room),
            ((eve.phone.id,), group.room),
        ]
    )
    assert house.ask(bob.phone.caller, GetAsks()).asks == ()
    assert lines(house, "SELECT COUNT(*) FROM room") == [0]


def test_a_request_that_was_accepted_outlives_who_asked(tmp_path: Path) -> None:
    house = House(tmp_path)
    ada, bob = come(house, "ada", "bob")
    talk = shared_room(house, ada, bob)
    house.connection.run("UPDATE room_account SET asked_by = ?", ada.account)
    deletes(ada)
    assert lines(house, "SELECT account, asked_by FROM room_account") == [(bob.account, None)]
    assert isinstance(house.say(bob.phone.caller, talk), Appended)


def test_everyone_is_told_and_every_connection_ends(house: House) -> None:
    ada, bob, _ = come(house, "ada", "bob", "eve")
    laptop = ada.gadget()
    ada.publish(ada.phone, laptop)
    talk = shared_room(house, ada, bob)
    house.connection.run(
        "INSERT INTO blob (blob, account, size, created_at) VALUES (?, ?, 1, 1)",
        b"b" * 16,
        ada.account,
    )
    house.told = []
    deletes(ada)
    told = house.told
    assert [one for one in told if isinstance(one, Ended)] == [
        Ended(tuple(sorted([ada.phone.id, laptop.id])), "revoked")
    ]
    assert [one for one in told if isinstance(one, BlobGone)] == [BlobGone(b"b" * 16)]
    ended, push = told[:2]
    assert isinstance(ended, Ended), "so that its own devices are not told"
    assert isinstance(push, ToMany)
    assert push.rooms == (talk.room,)
    assert decode_answer(push.message) == ListChanged(account=ada.account, version=0)


def test_the_name_is_free_again(house: House) -> None:
    (ada,) = come(house, "ada")
    deletes(ada)
    request = OpenBox(name="ada", lock="password", login=ada.password.login)
    assert code(house.ask(ada.nobody, request)) == Code.WRONG_LOGIN
    Someone(house, "ADA").come()
    assert lines(house, "SELECT name FROM account") == ["ADA"]


def test_a_deletion_needs_the_login_key_and_the_code(house: House) -> None:
    (ada,) = come(house, "ada")
    assert code(deletes(ada, login=bytes(32))) == Code.WRONG_LOGIN
    house.now += 1000
    secret = bytes(20)
    house.ask(
        ada.phone.caller,
        SetTotp(
            id=house.next_id(),
            lock="password",
            login=ada.password.login,
            secret=secret,
            code=totp_code(secret, house.now),
        ),
    )
    house.now += 30_000
    assert code(deletes(ada)) == Code.CODE_NEEDED
    assert lines(house, "SELECT name FROM account") == ["ada"]
    assert code(deletes(ada, code=totp_code(secret, house.now))) is None
    assert lines(house, "SELECT name FROM account") == []
    assert HANDLERS[DeleteAccount].access == "socket"


def test_the_audit_log_is_one_chain_but_for_the_lines_that_were_blanked(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    lived_in(house, ada, bob)
    count = len(lines(house, "SELECT number FROM event WHERE account = ?", ada.account))
    deletes(ada)
    come(house, "eve")
    chain, blanked = NOTHING_BEFORE, 0
    for line in house.tx().all("SELECT * FROM event ORDER BY number"):
        number, at, kind, account, device, address, detail, suspicious, stored = line
        computed = event_chain(
            chain, number, at, kind, account, device, address, detail,
            is_suspicious=bool(suspicious),
        )  # fmt: skip
        if detail == ERASED:
            blanked += 1
            assert (account, device, address) == (None, None, "")
        else:
            assert computed == stored
        chain = stored
    (said,) = lines(house, "SELECT detail FROM event WHERE kind = 'account_deleted'")
    assert said == f'{{"erased_events":{blanked}}}'
    assert blanked >= count
    assert kinds(house)[-1] == "account_created"


def test_what_its_own_batch_holds_of_an_account_goes_with_it(house: House) -> None:
    ada, bob = come(house, "ada", "bob")
    devices = [person.phone.caller.device for person in (ada, bob)]
    secret = b"a secret of ada's"
    sets = SetTotp(
        id=1000, lock="password", login=ada.password.login, secret=secret,
        code=totp_code(secret, house.now),
    )  # fmt: skip
    house.ask(ada.phone.caller, sets)
    house.now += 60_000
    request = DeleteAccount(
        id=house.next_id(), lock="password", login=ada.password.login,
        code=totp_code(secret, house.now),
    )  # fmt: skip
    *stored, deleted = house.run(
        (ada.phone.caller, PutPackages(id=1001, packages=(b"package!",))),
        (bob.phone.caller, PutPackages(id=1001, packages=(b"package!",))),
        (ada.phone.caller, request),
    )
    assert [code(reply) for reply in (*stored, deleted)] == [None, None, None]
    for name, device in zip(("ada", "bob"), devices, strict=True):
        is_bob = name == "bob"
        sql = "SELECT kind FROM event WHERE kind = 'packages_added' AND device = ?"
        assert bool(house.tx().all(sql, device)) == is_bob
        replies = lines(house, "SELECT replies FROM answer")
        assert any(device in one for one in replies) == is_bob
    (said,) = lines(house, "SELECT detail FROM event WHERE kind = 'account_deleted'")
    blanked = lines(house, "SELECT number FROM event WHERE detail = ?", ERASED)
    assert said == f'{{"erased_events":{len(blanked)}}}'


# ---- What goes bit by bit ----


def sweep(house: House, most: int) -> int:
    with writing(house) as tx:
        return sweep_leftovers(tx, most)


def test_who_is_in_many_rooms_leaves_them_one_by_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "LINES", 2)
    ada, bob = come(house, "ada", "bob")
    talks = [shared_room(house, bob, ada) for _ in range(3)]
    deletes(ada)
    still = "SELECT COUNT(*) FROM room_account WHERE account = ?"
    assert lines(house, still, ada.account) == [2]
    members = [house.ask(bob.phone.caller, GetMembers(room=talk.room)) for talk in talks]
    assert [[one.name for one in page.members] for page in members] == [["bob"]] * 3
    add = house.handshake(bob.phone.caller, talks[2], adds=(member(ada.phone.caller),))
    assert code(house.append(bob.phone.caller, talks[2], add)) in (Code.BAD_HEADER, Code.REVOKED)
    house.start()
    while sweep(house, 2):
        pass
    assert lines(house, still, ada.account) == [0]
    assert lines(house, "SELECT COUNT(*) FROM device WHERE account = ?", ada.account) == [0]


def test_an_account_with_much_goes_bit_by_bit(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deletion, "LINES", 1)
    ada, bob = come(house, "ada", "bob")
    alone = shared_room(house, ada)
    for _ in range(5):
        house.say(ada.phone.caller, alone)
    for number in range(3):
        house.connection.run(
            "INSERT INTO blob (blob, account, size, created_at) VALUES (?, ?, 1, ?)",
            bytes([number]) * 16,
            ada.account,
            number,
        )
        rows = (ArchiveRow(bytes(16), bytes([number]) * 32, b"archived!"),)
        house.ask(ada.phone.caller, PutArchive(id=house.next_id(), rows=rows))
    assert deletes(ada) == Done(id=house.number)
    assert lines(house, "SELECT name FROM account") == ["bob"]
    assert lines(house, "SELECT COUNT(*) FROM blob") == [3]
    assert lines(house, "SELECT COUNT(*) FROM entry") == [6]
    again = Someone(house, "ada")
    again.account = ada.account
    assert code(house.ask(again.nobody, again.register())) == Code.EXISTS
    house.start()
    talk, created = house.create(bob.phone.caller)
    assert isinstance(created, Appended), "a new room does not get the number of an old one"
    turns = 0
    while sweep(house, 2) == 2:
        turns += 1
    assert turns > 6
    for table in ("blob", "archive", "leftover"):
        assert lines(house, f"SELECT COUNT(*) FROM {table}") == [0], table  # noqa: S608
    assert told_to(house, ada.phone.id) == []
    assert lines(house, "SELECT room FROM room") == [talk.room]
    assert lines(house, "SELECT COUNT(*) FROM entry") == [1]
    assert sweep(house, 2) == 0
    assert lines(house, "SELECT COUNT(*) FROM event WHERE account = ?", ada.account) == [0]
    erased = lines(house, "SELECT COUNT(*) FROM event WHERE detail = ?", ERASED)
    told = lines(house, "SELECT detail FROM event WHERE kind = 'account_deleted'")
    assert erased == [sum(msgspec.json.decode(one)["erased_events"] for one in told)]
