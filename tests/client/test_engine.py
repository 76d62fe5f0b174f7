"""The engine: one transaction a call, and a program that may be killed between any two."""

from collections.abc import Callable
from typing import Any

import pytest

from alcove.client import packages
from alcove.client.engine import Engine
from alcove.client.errors import StoreError, UsageError
from alcove.client.events import Answered, Offline, Online, Pushed
from alcove.client.rooms import acting, making
from alcove.client.rooms.state import group_of, keep_group
from alcove.client.rooms.wish import bring_siblings
from alcove.client.store.database import open_memory
from alcove.client.tx import Tx
from alcove.wire.base import Done
from alcove.wire.content import Text
from alcove.wire.devices import Devices, GetDevices
from alcove.wire.directory import SetVisibility
from alcove.wire.entries import Append
from alcove.wire.errors import Code
from alcove.wire.greeting import Announcement, SignedIn
from tests.client.rooms.mischief import Killer, refuse
from tests.client.rooms.talk import PAUSE_MS, agree, names, room_of, said
from tests.client.world import Peer, World

MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS


def test_an_engine_without_an_account_waits_for_nothing() -> None:
    engine = Engine(open_memory(), bytes)
    assert engine.deadline() is None


def test_the_next_time_is_known_whatever_becomes_of_the_alarms() -> None:
    engine = Engine(open_memory(), bytes)

    def wake(tx: Tx, kind: str, at: int) -> None:
        tx.wake(kind, b"", at)

    def fail(tx: Tx) -> None:
        tx.wake("expire", b"", 1)
        raise UsageError("no")

    engine.do(wake, 0, "expire", 500)
    assert engine.deadline() == 500
    engine.do(wake, 0, "receipts.passed", 400)
    assert engine.deadline() == 400
    engine.do(wake, 0, "receipts.passed", 900)  # The earlier one stays.
    assert engine.deadline() == 400
    with pytest.raises(UsageError):
        engine.do(fail, 0)
    assert engine.deadline() == 400
    engine.tick(400)
    assert engine.deadline() == 500
    engine.do(lambda tx: tx.run("UPDATE alarm SET at = at + 1"), 400)
    assert engine.deadline() == 501
    engine.tick(501)
    assert engine.deadline() is None
    engine.do(wake, 501, "expire", 600)
    assert engine.deadline() == 600
    engine.tick(0)
    assert (engine.requests(), engine.events()) == ([], [])


def test_a_step_that_fails_has_not_happened() -> None:
    world = World()
    ada = world.register("ada")
    ada.engine.requests()
    ada.heard()

    def half(tx: Tx) -> None:
        tx.ask(GetDevices(), "owner")
        tx.order(SetVisibility(online=False), "owner")
        tx.tell(Online())
        tx.wake("log.read_on", b"x", 1)
        tx.change_me("is_host", 1)
        raise UsageError("No.")

    before = ada.db.one("SELECT counter, is_host FROM me")
    with pytest.raises(UsageError):
        ada.do(half)
    assert (ada.engine.requests(), ada.heard()) == ([], [])
    assert ada.db.one("SELECT counter, is_host FROM me") == before
    assert ada.db.all("SELECT 1 FROM alarm WHERE kind = 'log.read_on'") == []
    assert ada.db.all("SELECT 1 FROM request") == []
    assert ada.connect() is None
    assert not any(isinstance(one, SetVisibility) for one in ada.engine.requests())


def test_what_the_owner_asks_is_answered_and_what_nobody_takes_is_told() -> None:
    world = World()
    ada = world.register("ada")
    ada.heard()
    ticket = ada.engine.ask(GetDevices(), world.now)
    world.run()
    (answered,) = ada.heard(Answered)
    assert answered.ticket == ticket
    assert isinstance(answered.answer, Devices)
    announced = Announcement(text="Back at noon.", at=world.now)
    ada.engine.receive(announced, world.now)
    assert ada.heard(Pushed) == [Pushed(announced)]
    ada.engine.receive(Done(id=ticket), world.now)  # Said twice, and heard once.
    assert ada.heard() == []


def test_a_question_ends_with_the_line_and_a_change_outlives_it() -> None:
    world = World()
    ada = world.register("ada")
    ada.heard()
    question = ada.engine.ask(GetDevices(), world.now)
    change = ada.engine.ask(SetVisibility(online=False), world.now)
    ada.hang_up()
    (answered,) = ada.heard(Answered)
    assert (answered.ticket, answered.answer.code) == (question, Code.STOPPING)
    assert ada.engine.requests() == []
    ada.restart()
    assert ada.connect() is None
    world.run()
    (answered,) = ada.heard(Answered)
    assert (answered.ticket, type(answered.answer)) == (change, Done)


def test_the_owner_hears_when_the_line_is_up_and_down() -> None:
    world = World()
    ada = world.register("ada")
    ada.heard()
    ada.hang_up()
    assert [type(one) for one in ada.heard() if isinstance(one, Online | Offline)] == [Offline]
    assert ada.connect() is None
    assert [type(one) for one in ada.heard() if isinstance(one, Online | Offline)] == [Online]


def test_what_is_refused_in_passing_waits_for_the_line_too() -> None:
    world = World()
    ada = world.register("ada")
    room = room_of(world, ada)
    ada.answers = refuse(Append, Code.BUSY, retry_after_ms=MINUTE_MS)
    ada.do(acting.say, room, Text("hello"))
    world.run()
    ada.hang_up()
    ada.restart()
    assert ada.connect() is None  # Too early: the server has named a time.
    world.run()
    assert ada.db.all("SELECT seq FROM outbox") == [(None,)]
    world.pass_time(2 * MINUTE_MS)
    assert ada.db.all("SELECT seq FROM outbox") == []
    agree(world, room, ada)


def test_no_server_makes_a_device_wait_for_longer_than_a_day() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.answers = refuse(Append, Code.TOO_SOON, retry_after_ms=2**52)
    ada.do(acting.change_settings, room, may_invite="admins")
    world.run()
    world.pass_time(DAY_MS + MINUTE_MS)
    assert ada.db.all("SELECT kind FROM wish") == []
    agree(world, room, ada, bob)


def test_a_clock_that_was_set_right_while_the_program_did_not_run_holds_nothing_up() -> None:
    world = World()
    ada = world.register("ada")
    room = room_of(world, ada)
    world.now += DAY_MS
    ada.answers = refuse(Append, Code.BUSY, retry_after_ms=MINUTE_MS)
    ada.do(acting.say, room, Text("hello"))
    world.run()
    ada.hang_up()
    ada.restart()
    world.now -= DAY_MS
    assert ada.connect() is None
    world.pass_time(2 * MINUTE_MS)
    assert ada.db.all("SELECT seq FROM outbox") == []
    agree(world, room, ada)


def test_what_was_done_by_a_clock_that_was_far_ahead_was_done_now_at_the_latest() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    last = "SELECT MAX(made_at) FROM package"
    world.now += 400 * DAY_MS
    for step in (packages.replace_all, healed_now):
        ada.do(step)
    ada.do(acting.say, room, Text("ahead"))
    world.run()
    world.now -= 400 * DAY_MS
    asked = len(ada.db.all("SELECT 1 FROM package"))
    for peer in (ada, bob):
        peer.engine.tick(world.now)
    world.pass_time(MINUTE_MS)
    assert max(*ada.db.all("SELECT healed_at, renewed_at, refused_at FROM room")[0]) <= world.now
    assert ada.db.all(last)[0][0] <= world.now
    assert ada.db.one("SELECT restored_at <= ? FROM me", world.now) == (1,)
    assert len(ada.db.all("SELECT 1 FROM package")) > asked  # Those count from now on.
    before = ada.db.all("SELECT name FROM handshake")
    world.pass_time(3 * DAY_MS)
    ada.do(acting.say, room, Text("later"))
    world.run()
    assert len(ada.db.all("SELECT name FROM handshake")) > len(before)  # It heals after a day.


def healed_now(tx: Tx) -> None:
    tx.run("UPDATE room SET healed_at = ?1, renewed_at = ?1, refused_at = ?1", tx.now)
    tx.run("UPDATE notice SET ready_at = ?", tx.now)
    tx.run("UPDATE me SET restored_at = ?", tx.now)


def test_whoever_runs_an_engine_is_told_that_the_clock_was_set_back() -> None:
    world = World()
    ada = world.register("ada")
    assert not ada.engine.is_ahead_of(world.now)
    assert ada.engine.is_ahead_of(world.now - MINUTE_MS)
    ada.engine.tick(world.now - MINUTE_MS)
    assert not ada.engine.is_ahead_of(world.now - MINUTE_MS)


# ---- Killed between any two steps ----


def scenario(ada: Peer, bob: Peer, cyn: Peer, tell: Callable[[], None]) -> bytes:
    """Make a room, talk, invite, talk, remove, talk; `tell` lets everybody listen."""
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.do(acting.say, room, Text("one"))
    tell()
    ada.do(acting.invite, room, cyn.me.account)
    tell()
    ada.do(acting.say, room, Text("two"))
    bob.do(acting.say, room, Text("three"))
    tell()
    ada.do(acting.remove, room, cyn.me.account)
    tell()
    ada.do(acting.say, room, Text("four"))
    tell()
    return room


STEPS = 16
"""So many requests or a few more does the scenario make her device send."""


@pytest.mark.parametrize("was_heard", [False, True])
@pytest.mark.parametrize("number", range(1, STEPS))
def test_killed_by_any_request_a_program_goes_on_where_it_was(number: int, was_heard: bool) -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    killer = Killer(ada, number, was_heard=was_heard)

    def tell() -> None:
        for _ in range(2):
            world.run()
            if not ada.is_online:
                assert ada.connect() is None
            world.pass_time(PAUSE_MS)

    room = scenario(ada, bob, cyn, tell)
    assert killer.left <= 0, "she sends less than that: count anew"
    assert sorted(said(ada, room)) == sorted(["one", "two", "three", "four"])
    assert said(ada, room) == said(bob, room)
    assert said(cyn, room) == [text for text in said(ada, room) if text != "four"]
    assert names(world, ada, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


def test_killed_in_the_middle_of_a_transaction_a_program_finds_all_or_nothing() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)

    class Killed(BaseException):
        pass

    def interrupted(tx: Tx, content: Any) -> None:
        acting.say(tx, room, content)
        raise Killed

    with pytest.raises(Killed):
        ada.do(interrupted, Text("half"))
    ada.restart()
    assert ada.connect() is None
    world.run()
    ada.do(acting.say, room, Text("whole"))
    world.run()
    assert said(ada, room) == said(bob, room) == ["whole"]
    agree(world, room, ada, bob)


def test_what_came_together_is_taken_in_one_step() -> None:
    world = World()
    ada = world.register("ada")
    ada.heard()
    pushes = [Announcement(text=text, at=world.now) for text in ("one", "two")]
    ada.engine.receive_all(pushes, world.now)
    assert [one.push for one in ada.heard(Pushed)] == pushes


def test_a_group_that_another_program_has_changed_is_not_written_over() -> None:
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    world.run()

    def write(tx: Tx) -> None:
        group = group_of(tx, room)
        assert group is not None
        tx.db.run("UPDATE room SET version = version + 1")
        keep_group(tx, room, group)

    with pytest.raises(StoreError, match="Another program"):
        ada.do(write)
    assert ada.do(group_of, b"?" * 16) is None


def test_who_is_leaving_brings_nobody_along() -> None:
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    world.run()
    laptop = world.add_device(ada)
    world.pass_time(PAUSE_MS)
    laptop.hang_up()
    ada.hang_up()
    ada.do(acting.leave, room)
    ada.db.run("UPDATE stay SET until = 1 WHERE device = ?", laptop.me.device)
    for is_leaving in (True, False):
        ada.do(bring_siblings, room)
        wished = ada.db.one("SELECT COUNT(*) FROM wish WHERE kind = 'add_device'")
        assert wished == (int(not is_leaving),)
        ada.db.run("DELETE FROM wish WHERE kind = 'leave'")


def test_what_the_server_says_before_it_is_known_whose_device_this_is_is_passed_over() -> None:
    world = World()
    ada = world.register("ada")
    ada.heard()
    nobody = SignedIn(
        id=1, account=bytes(16), name="ada", host=False, bot=False, proof=bytes(64),
        counter=0, incarnation=1, list_version=1, list_hash=bytes(32), packages=0, inbox=0,
    )  # fmt: skip

    def enter(tx: Tx, entered: SignedIn | None) -> None:
        tx.memory.entered = entered

    for entered, count in ((nobody, 0), (None, 1)):
        ada.do(enter, entered)
        ada.engine.receive(Announcement(text="soon", at=1), world.now)
        assert len(ada.heard(Pushed)) == count


def test_a_request_that_could_not_be_read_again_is_not_kept() -> None:
    world = World()
    ada = world.register("ada")
    with pytest.raises(UsageError):
        ada.do(lambda tx: tx.order(Append(room=b"short", entries=()), "owner"))
    assert ada.db.all("SELECT * FROM request") == []
