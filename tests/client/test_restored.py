"""Disks that were set back, servers that were restored, and logs that are told in two ways."""

import random
from typing import Any

import pytest

from alcove.client import restored, signals
from alcove.client.engine import Engine
from alcove.client.events import Warned
from alcove.client.rooms import acting
from alcove.client.rooms.state import group_of
from alcove.client.store.database import open_memory
from alcove.client.timeline import lines
from alcove.client.tx import Tx
from alcove.server.batch import Reader, Writer
from alcove.server.door import Door
from alcove.server.hub import Hub
from alcove.server.store.opening import begin_incarnation
from alcove.server.store.sqlite import SqliteConnection
from alcove.server.tx import World as ServerWorld
from alcove.wire.content import Delete, Said, Target, Text
from alcove.wire.entries import Append, PutSnapshot, Snapshot
from alcove.wire.errors import Code, Refusal
from alcove.wire.rooms import GetRooms
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    content_of,
    names,
    notes,
    room_of,
    said,
    say,
    state,
)
from tests.client.rooms.test_lost import renew
from tests.client.world import Peer, World

MINUTE_MS = 60_000


# ---- Disks ----


def set_back(peer: Peer, image: bytes) -> None:
    """Put an old copy of a device's disk back."""
    peer.restart()
    peer.db = open_memory()
    peer.db.raw.deserialize(image)
    peer.random = random.Random(f"{peer.name} again").randbytes
    peer.engine = Engine(peer.db, peer.random)


def warnings(peer: Peer) -> list[str]:
    return [one.code for one in peer.heard(Warned)]


def hidden(tx: Tx, counter: int) -> None:
    """Hide from a device that its numbers were used."""
    tx.run("UPDATE me SET counter = ?1, sent = ?1", counter)


@pytest.mark.parametrize("history", ["open", "closed", "none"])
def test_a_disk_that_was_set_back_comes_in_anew_and_goes_on(history: str) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history=history)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = ada.db.raw.serialize()
    say(world, ada, room, "two")
    say(world, bob, room, "three")
    set_back(ada, image)
    ada.do(acting.say, room, Text("four"))
    assert ada.connect() is None
    world.run()
    world.pass_time(MINUTE_MS)
    assert "restored" in warnings(ada)
    assert said(bob, room) == ["one", "two", "three", "four"]
    if history != "none":  # There, what was opened once is nowhere any more.
        assert said(ada, room) == ["one", "two", "three", "four"]
    assert "found" in notes(ada, room)
    say(world, bob, room, "five")
    assert said(ada, room)[-1] == "five"
    agree(world, room, ada, bob)
    assert ada.db.one("SELECT COUNT(*) FROM request") == (0,)


def test_what_has_a_number_and_has_not_left_does_not_hide_that_a_disk_was_set_back() -> None:
    """The server's highest number is one that was given again: to what waits for the line."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history="none")
    say(world, bob, room, "one")
    world.pass_time(MINUTE_MS)
    image = ada.db.raw.serialize()
    say(world, ada, room, "two")
    set_back(ada, image)
    ada.do(signals.set_visibility, online=True)
    ada.do(acting.say, room, Text("three"))
    assert ada.connect() is None
    world.run()
    world.pass_time(MINUTE_MS)
    assert warnings(ada) == ["restored"]
    assert said(bob, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)


def test_what_was_numbered_without_a_line_is_no_sign_of_a_disk_that_was_set_back() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.hang_up()
    for text in ("one", "two"):
        ada.do(acting.say, room, Text(text))
        ada.restart()
    for _ in range(2):
        assert ada.connect() is None
        world.run()
        ada.hang_up()
    assert warnings(ada) == []
    assert said(bob, room) == ["one", "two"]


def test_what_waited_when_a_disk_was_copied_is_said_once() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    ada.hang_up()
    ada.do(acting.say, room, Text("one"))
    image = ada.db.raw.serialize()
    assert ada.connect() is None
    world.run()
    say(world, ada, room, "two")
    set_back(ada, image)
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    assert said(ada, room) == said(bob, room) == ["one", "two"]
    agree(world, room, ada, bob)


def test_a_number_that_was_used_says_that_the_disk_was_set_back() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    ada.do(acting.say, room, Text("one"))
    (number,) = ada.db.one("SELECT MAX(id) FROM request") or (0,)
    ada.engine.requests()
    refusal: Any = Refusal(number, Code.REUSED, "Used.")
    ada.engine.receive(refusal, world.now)
    world.pass_time(MINUTE_MS)
    assert warnings(ada) == ["restored"]
    assert said(ada, room) == said(bob, room) == ["one"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("number", [1, 2**52 + 7, 2**53 - 1])
def test_a_refused_number_that_this_device_has_not_used_changes_nothing(number: int) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    before = ada.db.one("SELECT counter FROM me")
    refusal: Any = Refusal(number, Code.REUSED, "Used.")
    ada.engine.receive(refusal, world.now)
    assert ada.db.one("SELECT counter FROM me") == before
    assert warnings(ada) == []
    say(world, ada, room, "one")
    assert said(bob, room) == ["one"]


def test_who_was_set_back_while_coming_in_comes_in_all_the_same() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    ada.hang_up()
    bob.hang_up()
    laptop = world.add_peer("ada")
    laptop.phrase = ada.phrase
    laptop.answers = refuse(Append, Code.REUSED)
    world.try_to_enter(laptop)
    assert laptop.connect() is None
    world.run()
    world.pass_time(2 * MINUTE_MS)
    assert "restored" in warnings(laptop)
    assert state(laptop, room) == "active"
    assert said(laptop, room) == ["one"]


@pytest.mark.parametrize("history", ["open", "none"])
def test_a_group_that_was_being_joined_when_a_disk_was_copied_is_not_used_again(
    history: str,
) -> None:
    """Everything may have been sealed with it since: the device comes in by a commit of its own."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.hears = lambda one: None if isinstance(one, Snapshot) else one
    room = room_of(world, ada, bob, history=history)
    assert state(bob, room) == "joining"
    image = bob.db.raw.serialize()
    bob.hears = lambda one: one
    bob.hang_up()
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "one")
    group = bob.do(group_of, room)
    assert group is not None
    set_back(bob, image)
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert warnings(bob) == ["restored"]
    anew = bob.do(group_of, room)
    assert anew is not None
    assert anew.leaf.raw != group.leaf.raw
    assert said(ada, room) == ["one"]
    assert said(bob, room) == (["one"] if history == "open" else [])
    say(world, bob, room, "two")
    assert said(ada, room) == ["one", "two"]
    agree(world, room, ada, bob)


def test_a_question_whose_number_counts_may_be_refused_as_used() -> None:
    world = World()
    ada = world.register("ada")
    snapshot = PutSnapshot(room=bytes(16), name=bytes(32), body=b"")
    number = ada.do(lambda tx: tx.ask(snapshot, "owner"))
    refusal: Any = Refusal(number, Code.REUSED, "Used.")
    ada.engine.receive(refusal, world.now)
    assert warnings(ada) == ["restored"]


@pytest.mark.parametrize("counter", [2**33, 2**51, 2**53 - 1])
def test_a_server_does_not_use_up_the_numbers_of_a_device(counter: int) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    if counter == 2**51:
        ada.do(hidden, counter - 1)
    before = ada.db.one("SELECT counter FROM me")
    ada.do(restored.counter_told, counter)
    assert warnings(ada) == ["bad-counter"]
    assert ada.db.one("SELECT counter FROM me") == before
    say(world, ada, room, "one")
    assert said(bob, room) == ["one"]


def test_a_message_that_the_disk_does_not_know_says_that_it_was_set_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = ada.db.raw.serialize()
    say(world, ada, room, "two")
    set_back(ada, image)
    with monkeypatch.context() as patch:  # A server that hides the counter.
        patch.setattr(restored, "was_set_back", hidden)
        assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    assert "restored" in warnings(ada)
    assert said(ada, room) == ["one", "two"]
    agree(world, room, ada, bob)


def test_what_was_deleted_since_a_disk_was_copied_is_shown_as_deleted() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    image = ada.db.raw.serialize()
    say(world, ada, room, "one")
    ada.do(acting.say, room, Delete(Target(ada.me.account, content_of(ada, room, "one"))))
    world.run()
    set_back(ada, image)
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    shown = [[one.kind for one in lines(peer.db, room) if one.content_id] for peer in (ada, bob)]
    assert shown == [["gone"], ["gone"]]
    assert "said-before-restore" not in notes(ada, room)
    agree(world, room, ada, bob)


def test_a_commit_that_is_not_its_own_is_an_alarm_and_after_the_second_a_device_stops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    monkeypatch.setattr(restored, "was_set_back", hidden)
    for code in ("somebody-has-your-device", "revoke-this-device"):
        world.pass_time(10 * MINUTE_MS)
        image = ada.db.raw.serialize()
        ada.do(renew, room)
        world.run()
        warnings(ada)
        set_back(ada, image)
        assert ada.connect() is None
        world.pass_time(MINUTE_MS)
        assert code in warnings(ada)
    ada.do(acting.say, room, Text("two"))
    world.pass_time(10 * MINUTE_MS)
    assert said(bob, room) == ["one"]


# ---- Servers ----


def restore(world: World, image: bytes) -> None:
    """Put an old copy of the server back, as `alcove restore` does."""
    for peer in world.peers:
        peer.hang_up()
    server = world.server
    server.connection.close()
    connection = SqliteConnection(":memory:", cache_kib=1024, is_there=lambda: True)
    connection._db.deserialize(image)
    connection.begin()
    connection.run("DELETE FROM package WHERE number > 0")
    incarnation = begin_incarnation(connection, world.now)
    connection.commit()
    server.connection = connection
    server.world = ServerWorld(server.settings, server.world.keys, server.random, incarnation)
    server.door = Door(server.settings, server.world.keys, incarnation, "alcove test")
    server.hub = Hub(server.settings, server.world.presence)
    server.writer = Writer(connection, server.world)
    server.reader = Reader(connection, server.world)


def back_up(world: World) -> bytes:
    image: bytes = world.server.connection._db.serialize()
    return image


def come_back(world: World, *peers: Peer) -> None:
    for peer in peers:
        assert peer.connect() is None
        world.run()
    world.pass_time(2 * MINUTE_MS)


@pytest.mark.parametrize("history", ["open", "closed", "none"])
def test_what_a_restored_server_has_lost_is_said_again(history: str) -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, history=history)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    say(world, ada, room, "two")
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "three")
    say(world, cyn, room, "four")
    restore(world, image)
    come_back(world, bob, ada, cyn)
    assert "server-restored" in warnings(ada)
    assert "server-restored" in notes(ada, room)
    assert sorted(said(ada, room)) == ["four", "one", "three", "two"]
    assert said(ada, room) == said(bob, room)
    assert names(world, bob, room) == names(world, cyn, room) == ["ada", "bob", "cyn"]
    say(world, cyn, room, "five")
    assert said(ada, room)[-1] == said(bob, room)[-1] == "five"
    assert "five" in said(cyn, room)
    agree(world, room, ada, bob, cyn)


def test_who_is_ahead_of_a_log_that_went_on_without_it_comes_in_anew() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, ada, room, "one")
    say(world, cyn, room, "two")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    cyn.hang_up()
    say(world, ada, room, "three")
    ada.do(renew, room)
    world.run()
    say(world, bob, room, "four")
    restore(world, image)
    assert cyn.connect() is None
    world.run()
    cyn.do(renew, room)
    say(world, cyn, room, "five")
    come_back(world, ada, bob)
    assert said(cyn, room)[:3] == ["one", "two", "five"]
    assert sorted(said(cyn, room)) == ["five", "four", "one", "three", "two"]
    assert said(ada, room) == said(bob, room) == said(cyn, room)
    agree(world, room, ada, bob, cyn)


def test_who_has_to_come_back_finds_its_place_in_a_restored_log_first() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history="none")
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    disk, image = ada.db.raw.serialize(), back_up(world)
    say(world, bob, room, "two")
    set_back(ada, disk)
    ada.answers = refuse(Append, Code.TOO_SOON, retry_after_ms=MINUTE_MS)
    ada.do(restored.was_set_back, 0)
    assert ada.connect() is None
    world.run()
    restore(world, image)
    ada.answers = refuse(GetRooms, Code.BUSY, retry_after_ms=1_000)
    come_back(world, ada, bob)
    assert "fork" not in warnings(ada)
    say(world, ada, room, "three")
    assert said(bob, room)[-1] == "three"
    agree(world, room, ada, bob)


def test_a_room_that_a_restored_server_never_had_is_made_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    image = back_up(world)
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    say(world, bob, room, "two")
    restore(world, image)
    come_back(world, bob, ada)
    assert sorted(said(ada, room)) == ["one", "two"]
    assert said(ada, room) == said(bob, room)
    agree(world, room, ada, bob)


def test_who_was_removed_before_a_restore_stays_out() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, ada, room, "with cyn")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, bob, room, "without cyn")
    restore(world, image)
    come_back(world, bob, cyn)
    assert said(cyn, room) == ["with cyn"]
    assert said(bob, room) == ["with cyn", "without cyn"]  # It waits for who may remove.
    come_back(world, ada)
    assert names(world, ada, room) == names(world, bob, room) == ["ada", "bob"]
    assert said(ada, room) == said(bob, room) == ["with cyn", "without cyn"]
    assert said(cyn, room) == ["with cyn"]
    assert state(cyn, room) == "gone"
    agree(world, room, ada, bob)


# ---- Logs that are told in two ways ----


def claim(tx: Tx, room: bytes) -> None:
    """Believe that the log is another one."""
    tx.run("UPDATE room SET chain = ? WHERE room = ?", bytes(32), room)
    acting.say(tx, room, Text("what do you see?"))


def test_who_has_read_another_log_is_named_and_nothing_is_said_before_a_look() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    say(world, bob, room, "two")
    world.pass_time(MINUTE_MS)
    warnings(ada)
    bob.do(claim, room)
    world.run()
    assert warnings(ada) == ["another-log"]
    assert "another-log" in notes(ada, room)
    ada.do(acting.say, room, Text("three"))
    world.pass_time(MINUTE_MS)
    assert "three" not in said(bob, room)
    assert restored.is_doubted(ada.db, room)
    ada.do(restored.overlook, room)
    assert not restored.is_doubted(ada.db, room)
    world.run()
    assert said(bob, room)[-1] == "three"
    bob.do(restored.overlook, room)
    bob.do(claim, room)
    world.run()
    ada.do(acting.say, room, Text("four"))
    world.run()
    assert said(bob, room)[-1] == "four"  # The same claim does not silence anybody twice.


def test_a_claim_about_a_log_that_is_void_is_no_claim() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    warnings(ada)
    void = Said(Text("what do you see?"), 1, bytes(32), 99, world.now)
    ada.do(restored.claims_another_log, room, 1, bob.me.account, void)
    assert warnings(ada) == []


@pytest.mark.parametrize("is_own", [False, True])
def test_a_fork_at_a_later_place_is_told_again_after_a_look(is_own: bool) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    says = ada.me.account if is_own else b""
    warnings(ada)
    for place, is_told in ((3, True), (9, False), (9, True), (9, False), (4, False)):
        ada.do(restored.doubt, room, place, says, "fork")
        assert warnings(ada) == ["fork"] * is_told
        if place == 9 and not is_told:
            ada.do(restored.overlook, room)


def test_a_device_of_ones_own_that_has_read_another_log_is_told_apart() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    say(world, ada, room, "one")
    say(world, laptop, room, "two")
    warnings(ada)
    laptop.do(claim, room)
    world.run()
    assert warnings(ada) == ["own-log-differs"]


def test_a_group_that_was_left_when_a_disk_was_copied_is_forgotten() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    bob.db.run("UPDATE room SET state = 'gone' WHERE room = ?", room)
    image = bob.db.raw.serialize()
    set_back(bob, image)
    (counter,) = bob.db.one("SELECT counter FROM me") or (0,)
    bob.do(restored.was_set_back, counter + 1)
    assert bob.do(group_of, room) is None
    assert state(bob, room) == "gone"
