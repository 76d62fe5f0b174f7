"""A server that was restored, says so, or keeps something back: what one knows comes first."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client import chats, restored
from alcove.client.rooms import acting, making, rewinding, withheld
from alcove.client.timeline import lines
from alcove.client.tx import Tx
from alcove.wire.content import Delete, Target, Text
from alcove.wire.entries import Append, Entries, GetSnapshot
from alcove.wire.errors import SENTENCES, Code, Refusal
from alcove.wire.rooms import GetInbox
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
from tests.client.test_devices import revoke
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def make_as(peer: Peer, room: bytes, *others: Peer) -> None:
    """Make a room under an id that another one has, as no app would."""
    drawn = peer.random

    def make(tx: Tx) -> None:
        ids = [room]
        tx.random = lambda count: ids.pop() if ids and count == len(room) else drawn(count)
        making.create(tx, "group", tuple(one.me.account for one in others))

    peer.do(make)
    peer.world.run()
    peer.world.pass_time(PAUSE_MS)


def test_what_was_taken_away_before_a_restore_stays_away() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, bob, room, "one")
    image = back_up(world)
    say(world, ada, room, "a secret")
    say(world, ada, room, "two")
    ada.do(acting.say, room, Delete(Target(ada.me.account, content_of(ada, room, "a secret"))))
    world.pass_time(MINUTE_MS)
    restore(world, image)
    come_back(world, ada, bob)
    for peer in (ada, bob):
        assert said(peer, room) == ["one", "two"]
        assert [one.state for one in lines(peer.db, room) if one.state == "waiting"] == []
        assert [one for one in lines(peer.db, room) if one.kind == "gone"] == []
    agree(world, room, ada, bob)


@pytest.mark.parametrize("is_listed", [True, False])
def test_who_was_on_its_way_into_a_room_at_a_restore_reads_all_of_the_new_log(
    *, is_listed: bool
) -> None:
    """What it knows of the old log's places is no word on what stands there now."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada)
    image = back_up(world)
    for text in ("one", "two"):
        say(world, ada, room, text)
    world.pass_time(MINUTE_MS)
    bob.answers = lambda one: (
        Refusal(one.id, Code.BUSY, SENTENCES[Code.BUSY], retry_after_ms=MINUTE_MS)
        if isinstance(one, Append | GetInbox)
        else None
    )
    ada.do(acting.invite, room, bob.me.account)
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "outside"
    restore(world, image)
    bob.answers = lambda _: None
    come_back(world, *((ada, bob) if is_listed else (bob, ada)))
    assert said(bob, room) == said(ada, room) == ["one", "two"]
    agree(world, room, ada, bob)


def test_a_log_that_a_server_begins_anew_hears_nothing_of_what_was_said() -> None:
    """A stranger founds a room under the same id, on a server that says that it was restored."""
    world = World()
    ada, bob, mal = (world.register(name) for name in ("ada", "bob", "mal"))
    image = back_up(world)
    room = room_of(world, ada, bob)
    say(world, bob, room, "only for ada")
    restore(world, image)
    assert mal.connect() is None
    make_as(mal, room, bob)
    sent: list[Append] = []

    def watch(request: Any) -> None:
        if isinstance(request, Append):
            sent.append(request)

    bob.answers = watch
    come_back(world, bob)
    world.pass_time(30 * MINUTE_MS)
    assert "fork" in notes(bob, room)
    assert restored.is_doubted(bob.db, room)
    bob.do(acting.say, room, Text("nor is this for mal"))
    world.pass_time(30 * MINUTE_MS)
    assert sent == []
    assert said(mal, room) == []
    assert said(bob, room) == ["only for ada", "nor is this for mal"]


def test_a_restore_that_a_server_claims_is_nobody_s_look() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    image = back_up(world)
    say(world, ada, room, "one")
    bob.do(restored.doubt, room, 3, b"", "fork")
    restore(world, image)
    come_back(world, ada, bob)
    assert restored.is_doubted(bob.db, room)
    bob.do(restored.overlook, room)
    world.pass_time(30 * MINUTE_MS)
    say(world, bob, room, "two")
    assert said(ada, room) == said(bob, room) == ["one", "two"]


def test_a_device_that_came_and_was_revoked_meanwhile_does_not_keep_a_room_from_going_on() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    assert state(laptop, room) == "active"
    ada.do(lambda tx: tx.run("UPDATE room SET commit_at = ? WHERE room = ?", 2**50, room))
    revoke(ada, laptop.me.device)
    world.run()
    say(world, bob, room, "two")
    restore(world, image)
    ada.do(lambda tx: tx.run("UPDATE room SET commit_at = 0 WHERE room = ?", room))
    come_back(world, bob, ada)
    assert said(ada, room) == said(bob, room) == ["one", "two"]
    assert names(world, bob, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


def test_what_was_accepted_before_a_restore_is_accepted_again() -> None:
    world = World(requests="everyone")
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    bob.do(chats.accept, room)
    world.run()
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "two")
    restore(world, image)
    come_back(world, ada, bob)
    assert said(ada, room) == said(bob, room) == ["one", "two"]
    agree(world, room, ada, bob)


def test_what_waits_for_a_room_s_place_outlasts_a_clock_that_is_set_back() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.hang_up()
    bob.do(acting.say, room, Text("one"))
    bob.do(acting.leave, room)
    bob.do(withheld.withhold)
    waiting = "SELECT COUNT(*) FROM request WHERE not_before = ?"
    assert bob.db.one(waiting, withheld.NEVER) != (0,)
    bob.engine.tick(world.now - 60 * MINUTE_MS)
    assert bob.db.one(waiting, withheld.NEVER) != (0,)


def test_what_is_said_again_claims_no_running_hash_that_is_not_known() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    plain: list[bytes] = []

    def step(tx: Tx) -> None:
        tx.run("UPDATE room SET chain = NULL WHERE room = ?", room)
        rewinding.say_again(tx, room, 2)
        plain.extend(one for (one,) in tx.all("SELECT plain FROM outbox"))
        tx.run("DELETE FROM outbox")

    ada.do(step)
    assert len(plain) == 1
    assert bytes(32) not in plain[0]


@pytest.mark.parametrize("is_own", [True, False])
def test_who_came_in_by_what_was_given_back_reads_what_was_said_since(*, is_own: bool) -> None:
    """What it came in by stands at another place now, and nothing else opens what comes after."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, history="none")
    image = back_up(world)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    if is_own:
        bob.do(lambda tx: tx.run("DELETE FROM package"))
    ada.do(acting.invite, room, bob.me.account)
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "active"
    restore(world, image)
    come_back(world, ada)
    say(world, ada, room, "two")
    come_back(world, bob)
    say(world, bob, room, "three")
    assert said(ada, room) == said(bob, room) == ["one", "two", "three"]
    assert not restored.is_doubted(bob.db, room)
    agree(world, room, ada, bob)


def test_a_welcome_into_a_room_that_the_server_has_lost_leads_in_once_it_is_there_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    bob.answers = refuse(GetSnapshot, Code.NOT_A_MEMBER)
    room = room_of(world, ada, bob, history="none")
    assert state(bob, room) == "gone"
    say(world, ada, room, "one")
    image = back_up(world)
    bob.hang_up()
    come_back(world, bob)
    assert state(bob, room) == "active"
    assert said(bob, room) == ["one"]
    restore(world, image)
    come_back(world, ada, bob)
    assert not restored.is_doubted(bob.db, room)
    agree(world, room, ada, bob)


# ---- A server that keeps something back for a while ----


def test_a_welcome_is_not_thrown_away_because_one_page_came_empty() -> None:
    """In a room that keeps nothing only the Welcome opens what was said next."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    left = [2]

    def hears(message: Any) -> Any:
        if isinstance(message, Entries) and left[0]:
            left[0] -= 1
            return structs.replace(message, entries=(), head=0, more=False)
        return message

    bob.hears = hears
    room = ada.do(making.create, "group", (bob.me.account,), history="none")
    world.run()
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    assert left == [0]
    assert said(bob, room) == ["one"]
    agree(world, room, ada, bob)


def test_a_device_that_was_revoked_after_its_package_came_is_not_added_for_ever() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    laptop = world.add_device(cyn)
    room = room_of(world, ada, bob)
    ada.do(lambda tx: tx.run("UPDATE room SET commit_at = ? WHERE room = ?", 2**50, room))
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    revoke(cyn, laptop.me.device)
    world.run()
    ada.do(lambda tx: tx.run("UPDATE room SET commit_at = 0 WHERE room = ?", room))
    ada.do(lambda tx: tx.stir(room))
    world.run()
    world.pass_time(MINUTE_MS)
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    assert ada.db.all("SELECT * FROM wish") == []
    say(world, cyn, room, "here")
    assert said(bob, room) == ["here"]
