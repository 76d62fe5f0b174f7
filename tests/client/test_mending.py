"""What stood beside the logs of a server that was restored: rows, slots and profiles come back."""

from typing import Literal

import pytest

from alcove.client import account, mending, profiles, receipts, restored
from alcove.client.profiles import AccountProfile, person, room_profile
from alcove.client.receipts import read_place
from alcove.client.rooms import acting, handshakes
from alcove.client.rooms.messages import LOOK_AGAIN_MS
from alcove.wire.base import Request
from alcove.wire.codec import encode
from alcove.wire.entries import HandshakeHeader, NewEntry
from alcove.wire.errors import Code, Refusal
from alcove.wire.ids import entry_name
from alcove.wire.rooms import GetRows, PutRows, RoomRows, SendLetter
from tests.client.rooms.mischief import Vandal, refuse
from tests.client.rooms.talk import agree, gaps, room_of, said, say, state
from tests.client.test_devices import revoke
from tests.client.test_restored import back_up, come_back, restore, warnings
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def rows(world: World, peer: Peer, room: bytes, kind: Literal["profile", "chain"]) -> list[bytes]:
    """Return the names of a room's rows at the server, newest first."""
    answer = world.ask(peer, GetRows(room=room, kind=kind))
    assert isinstance(answer, RoomRows)
    return [one.name for one in answer.rows]


def test_rows_that_were_put_after_a_backup_are_put_back_though_the_log_is_whole() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    for who in ("admins", "everyone"):
        ada.do(acting.change_settings, room, may_pin=who)
        world.pass_time(MINUTE_MS)
    ada.do(profiles.set_profile, room, name="Chess")
    world.pass_time(MINUTE_MS)
    chain, (profile, *_) = rows(world, ada, room, "chain"), rows(world, ada, room, "profile")
    world.server.connection.run("DELETE FROM room_row")
    restore(world, back_up(world))
    come_back(world, ada, bob)
    assert len(chain) == 2
    assert all(name in rows(world, ada, room, "chain") for name in chain)
    assert rows(world, ada, room, "profile") == [profile]


@pytest.mark.parametrize("history", ["open", "closed", "none"])
def test_rows_of_commits_that_came_back_are_put_back(history: str) -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, history=history)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    for text in ("two", "three"):
        ada.do(acting.change_settings, room, may_pin="admins" if text == "two" else "everyone")
        world.pass_time(MINUTE_MS)
        say(world, bob, room, text)
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    ada.do(profiles.set_profile, room, name="Chess")
    world.pass_time(MINUTE_MS)
    chain = rows(world, ada, room, "chain")
    assert len(chain) == {"open": 3, "closed": 2, "none": 0}[history]
    (newest, *_) = rows(world, ada, room, "profile")
    restore(world, image)
    come_back(world, ada, bob, cyn)
    agree(world, room, ada, bob, cyn)
    assert rows(world, ada, room, "chain")[: len(chain)] == chain
    assert rows(world, ada, room, "profile")[0] == newest
    assert room_profile(cyn.db, room).name == "Chess"


def test_rows_are_put_back_by_who_reads_what_came_back_where_its_owner_has_gone() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    bob.hang_up()
    ada.do(acting.change_settings, room, may_pin="admins")
    world.run()
    (lost, *_) = rows(world, ada, room, "chain")
    restore(world, image)
    assert ada.connect() is None
    world.run()
    ada.hang_up()  # Before she has looked at what stood beside her commit.
    come_back(world, bob, cyn)
    assert rows(world, bob, room, "chain")[0] == lost
    bob.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    assert said(cyn, room) == ["one"]


def test_rows_that_were_put_back_are_walked_in_any_order() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    for number, text in enumerate(("one", "two", "three", "four")):
        say(world, ada, room, text)
        ada.do(acting.change_settings, room, keep_ms=10**9 + number)
        world.pass_time(MINUTE_MS)
    oldest = world.ask(ada, GetRows(room=room, kind="chain")).rows[-1]
    world.server.connection.run("DELETE FROM room_row WHERE name = ?", oldest.name)
    world.ask(ada, PutRows(room=room, rows=(oldest,)))
    assert rows(world, ada, room, "chain")[0] == oldest.name
    cyn = world.register("cyn")
    cyn.answers = lambda request: (
        Refusal(request.id, Code.BUSY, "") if isinstance(request, SendLetter) else None
    )  # Nobody is asked for keys.
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    world.pass_time(LOOK_AGAIN_MS // 2)
    assert (said(cyn, room), gaps(cyn, room)) == (["one", "two", "three", "four"], [])


def test_a_chain_that_lost_more_than_one_request_holds_comes_back_whole() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    for number in range(4):
        ada.do(acting.change_settings, room, keep_ms=10**9 + number)
        world.pass_time(MINUTE_MS)
    names = rows(world, ada, room, "chain")
    world.server.connection.run("DELETE FROM room_row WHERE kind = 'chain'")
    patch = pytest.MonkeyPatch()
    asked: list[Request] = []
    with patch.context() as patched:
        patched.setattr("alcove.client.mending.PUT_MAX", 2)
        bob.answers = lambda request: (
            asked.append(request) if isinstance(request, PutRows) else None
        )
        bob.do(lambda tx: tx.wake("mending.mend", room, tx.now))
        world.pass_time(MINUTE_MS)
    assert sorted(rows(world, ada, room, "chain")) == sorted(names)
    assert len(asked) == (len(names) + 1) // 2


def forgetful(world: World) -> tuple[Peer, Peer, bytes, list[bytes]]:
    """Return two people in a room whose chain the server has lost, and what was its names."""
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    for number in range(2):
        ada.do(acting.change_settings, room, keep_ms=10**9 + number)
        world.pass_time(MINUTE_MS)
    names = rows(world, ada, room, "chain")
    world.server.connection.run("DELETE FROM room_row WHERE kind = 'chain'")
    return ada, bob, room, names


def test_a_worthless_handshake_leaves_no_hole_in_a_chain_that_is_mended() -> None:
    world = World()
    ada, bob, room, before = forgetful(world)
    vandal = Vandal(bob)
    newest = ada.db.all("SELECT name FROM handshake ORDER BY seq DESC LIMIT 1")[0][0]
    said = HandshakeHeader(sender=bob.me.device, before=newest, renews=True)
    entry = NewEntry(encode(said), b"no body of a handshake")
    vandal.post(room, entry)
    name = entry_name(room, entry.header, entry.body)
    ada.do(handshakes.learn_key, room, name, bytes(32))  # As its maker tells.
    ada.do(acting.change_settings, room, keep_ms=10**8)
    world.pass_time(MINUTE_MS)
    names = {*before, *rows(world, ada, room, "chain")}
    world.server.connection.run("DELETE FROM room_row WHERE kind = 'chain'")
    ada.do(mending.mend, room)
    world.run()
    assert {*rows(world, ada, room, "chain")} >= names
    assert name not in rows(world, ada, room, "chain")


def test_who_cannot_look_at_a_chain_now_does_it_later() -> None:
    world = World()
    ada, bob, room, names = forgetful(world)
    ada.hang_up()
    ada.do(mending.mend, room)
    bob.do(restored.doubt, room, 3, b"", "fork")
    bob.do(mending.mend, room)  # Nothing is said in such a room.
    ada.answers = refuse(GetRows, Code.BUSY, 99)
    assert ada.connect() is None
    world.run()
    assert rows(world, bob, room, "chain") == []
    ada.answers = lambda _: None
    ada.do(mending.mend, room)
    world.run()
    assert rows(world, bob, room, "chain")[: len(names)] == names


@pytest.mark.parametrize("is_all", [True, False])
def test_what_was_forgotten_of_commits_is_not_guessed(*, is_all: bool) -> None:
    """Which policy held nobody knows any more, and so not who may have the key before."""
    world = World()
    ada, _bob, room, names = forgetful(world)
    ada.db.run(
        "UPDATE handshake SET header = NULL, body = NULL WHERE ? OR name != ?", is_all, names[0]
    )
    ada.do(mending.mend, room)
    world.run()
    assert rows(world, ada, room, "chain") == []


def test_what_was_read_and_how_people_show_themselves_is_told_a_restored_server_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.do(profiles.set_mine, AccountProfile("Old"))
    room = room_of(world, ada, bob)
    say(world, bob, room, "one")
    ada.do(receipts.read, room, 2**40)
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    ada.do(profiles.set_mine, AccountProfile("Ada"))
    world.pass_time(MINUTE_MS)
    bob.hang_up()
    bob.db.run("DELETE FROM person")
    bob.db.run("DELETE FROM read_mark")
    restore(world, image)
    come_back(world, ada)
    assert person(ada.db, ada.me.account) == AccountProfile("Ada")
    come_back(world, bob)
    assert person(bob.db, ada.me.account) == AccountProfile("Ada")
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    assert read_place(laptop.db, room) == read_place(ada.db, room) > 0
    assert person(laptop.db, ada.me.account) == AccountProfile("Ada")


def test_only_the_device_that_wrote_a_profile_puts_it_back() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(ada)
    room = room_of(world, bob, ada)
    world.pass_time(MINUTE_MS)
    assert state(laptop, room) == "active"
    ada.do(profiles.set_mine, AccountProfile("Old"))
    world.pass_time(MINUTE_MS)
    laptop.do(profiles.set_mine, AccountProfile("New"))
    world.pass_time(MINUTE_MS)
    restore(world, back_up(world))
    for peer in (laptop, bob, ada):
        come_back(world, peer)
    for peer in (ada, laptop, bob):
        assert person(peer.db, ada.me.account) == AccountProfile("New")
    assert ada.db.all("SELECT is_mine FROM person WHERE account = ?", ada.me.account) == [(0,)]


def test_a_box_that_a_restored_server_has_lost_is_made_anew_with_the_next_password() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop, tablet = world.add_device(ada), world.add_device(ada)
    room = room_of(world, ada, bob)
    image = back_up(world)
    revoke(ada, laptop.me.device)
    world.run()
    lost = ada.me.archive_key
    restore(world, image)
    come_back(world, ada, tablet, bob)
    assert "box-older" in warnings(ada)
    opener = world.opener(ada)
    opened = world.open(ada, opener)
    ada.do(account.change_locks, opened, opener, world.locks(ada), ada.phrase)
    world.run()
    say(world, bob, room, "hello")
    world.pass_time(MINUTE_MS)
    assert ada.me.archive_key == tablet.me.archive_key != lost
    assert "archive-of-before" not in warnings(tablet)
    for peer in (ada, tablet, bob):
        peer.hang_up()
    phone = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    assert said(phone, room) == ["hello"]
    ada.connect()
    world.run()
    assert "box-older" not in warnings(ada)
