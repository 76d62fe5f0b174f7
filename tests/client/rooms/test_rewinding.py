"""A log that has lost its end: what a device knows of it goes back, and comes back, as one."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client.rooms import acting, approach, log, rewinding
from alcove.wire.base import Request
from alcove.wire.content import Text
from alcove.wire.entries import Entries, Offered, OfferHandshakes, Read
from alcove.wire.errors import Code
from alcove.wire.rooms import GetRooms
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import agree, names, room_of, said, say, state, states, troubles
from tests.client.rooms.test_lost import renew
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def restored_room() -> tuple[World, Peer, Peer, bytes]:
    """Return two people in a room whose last commit their server has just lost."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    ada.do(renew, room)
    world.run()
    say(world, bob, room, "two")
    restore(world, image)
    return world, ada, bob, room


# ---- What does not come back ----


@pytest.mark.parametrize("has_bodies", [True, False])
def test_what_nobody_can_give_back_is_given_up_after_some_tries(*, has_bodies: bool) -> None:
    world, ada, bob, room = restored_room()
    offers: list[OfferHandshakes] = []

    def answers(request: Request) -> Any:
        if not isinstance(request, OfferHandshakes):
            return None
        offers.append(request)
        return Offered(id=request.id, taken=0, head=1)

    bob.answers = answers
    if not has_bodies:  # They are forgotten after a month.
        bob.db.run("UPDATE handshake SET header = NULL, body = NULL")
    come_back(world, bob)
    assert said(ada, room) == ["one", "two"]
    world.pass_time(30 * MINUTE_MS)
    assert len(offers) == rewinding.OFFERS_MAX * has_bodies
    assert state(bob, room) == "active"
    bob.answers = lambda _: None
    come_back(world, ada)
    say(world, ada, room, "three")
    assert said(ada, room) == said(bob, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)


def test_where_a_device_came_in_moves_with_what_it_came_in_by() -> None:
    """In a room that keeps nothing all that was sealed before that place is out of reach."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history="none")
    image = back_up(world)
    ada.hang_up()
    bob.do(renew, room)
    world.run()
    restore(world, image)
    come_back(world, ada)
    ada.do(renew, room)  # Now the log has gone on otherwise, and Bob comes in anew.
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    say(world, ada, room, "one")
    come_back(world, bob)
    restore(world, image)
    come_back(world, ada)
    say(world, ada, room, "two")
    come_back(world, bob)
    assert said(ada, room) == said(bob, room) == ["one", "two"]
    agree(world, room, ada, bob)


def test_what_came_back_in_part_is_void_once_more_with_the_rest() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    for peer in (ada, bob, cyn):
        say(world, peer, room, "one")
        world.pass_time(MINUTE_MS)
    image = back_up(world)
    cyn.hang_up()
    for _ in range(4):
        ada.do(renew, room)
        world.pass_time(MINUTE_MS)
    restore(world, image)
    come_back(world, cyn)
    say(world, cyn, room, "two", "three")  # What comes back stands further on than before.
    offers: list[OfferHandshakes] = []

    def answers(request: Request) -> Any:
        if not isinstance(request, OfferHandshakes):
            return None
        offers.append(request)
        if len(offers) == 1:
            assert bob.session is not None
            half = structs.replace(request, entries=request.entries[:2])
            world.server.take(bob.session, half, world.now)
        return Offered(id=request.id, taken=2, head=1)

    bob.answers = answers
    assert bob.connect() is None
    world.run()
    world.pass_time(2_000)
    assert bob.do(rewinding.has_void, room)
    followed = bob.db.all("SELECT name FROM handshake ORDER BY epoch")
    restore(world, image)
    bob.answers = lambda _: None
    come_back(world, bob, ada, cyn)
    assert bob.db.all("SELECT name FROM handshake ORDER BY seq")[: len(followed)] == followed
    say(world, bob, room, "four")
    assert said(ada, room) == said(bob, room) == said(cyn, room)
    agree(world, room, ada, bob, cyn)


def test_key_packages_that_were_claimed_before_a_restore_are_claimed_anew() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    ada.db.run("UPDATE room SET commit_at = ?", world.now + 5 * MINUTE_MS)
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    claimed = ada.db.all("SELECT detail FROM wish")
    assert claimed != [(b"",)]
    restore(world, image)
    assert ada.connect() is None
    world.run()
    assert ada.db.all("SELECT detail FROM wish") not in ([(b"",)], claimed)
    come_back(world, bob, cyn)
    world.pass_time(5 * MINUTE_MS)
    assert names(world, cyn, room) == ["ada", "bob", "cyn"]
    agree(world, room, ada, bob, cyn)


# ---- The running hash ----


@pytest.mark.parametrize("is_behind", [True, False])
def test_who_has_no_running_hash_takes_the_one_of_the_restored_log(*, is_behind: bool) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    bob.hang_up()
    if is_behind:
        say(world, ada, room, "two")
    bob.db.run("UPDATE room SET chain = NULL")
    bob.db.run("UPDATE entry SET chain = NULL")
    restore(world, back_up(world))
    come_back(world, bob)
    assert bob.db.one("SELECT chain IS NULL FROM room WHERE room = ?", room) == (0,)
    come_back(world, ada)
    say(world, bob, room, "three")
    assert said(ada, room) == said(bob, room) == ["one", "two", "three"][:: 1 if is_behind else 2]
    agree(world, room, ada, bob)


def test_who_has_no_running_hash_reads_whether_the_log_has_what_it_knows() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    ada.hang_up()
    bob.do(renew, room)
    world.run()
    bob.db.run("UPDATE room SET chain = NULL")
    bob.db.run("UPDATE entry SET chain = NULL")
    restore(world, image)
    come_back(world, ada)
    say(world, ada, room, "two", "three")  # The first stands where Bob's commit stood.
    come_back(world, bob)
    say(world, bob, room, "four")
    assert said(ada, room) == said(bob, room) == ["one", "two", "three", "four"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("page_entries", [1, 256])
def test_what_stands_at_its_old_place_again_by_chance_is_no_sign_of_the_same_log(
    monkeypatch: pytest.MonkeyPatch, page_entries: int
) -> None:
    monkeypatch.setattr(rewinding, "PAGE_ENTRIES", page_entries)
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    say(world, bob, room, "one")
    say(world, ada, room, "two")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    say(world, bob, room, "three")
    say(world, ada, room, "four")
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(MINUTE_MS)
    assert said(cyn, room) == ["one", "two", "three", "four"]
    restore(world, image)
    come_back(world, ada, bob, cyn)  # What has added Cyn stands where "three" stood before.
    for peer in (ada, bob, cyn):
        assert said(peer, room) == ["one", "two", "four", "three"]
    agree(world, room, ada, bob, cyn)


def test_a_header_that_says_nothing_is_not_what_stood_there() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    bob.hang_up()
    bob.db.run("UPDATE room SET chain = x''")
    bob.db.run("UPDATE entry SET chain = NULL")
    restore(world, back_up(world))
    bob.hears = lambda one: (
        structs.replace(one, entries=tuple(structs.replace(e, header=b"no") for e in one.entries))
        if isinstance(one, Entries)
        else one
    )
    assert bob.connect() is None
    world.run()
    assert said(bob, room) == ["one"]
    bob.hang_up()
    bob.hears = lambda one: one
    come_back(world, bob, ada)
    agree(world, room, ada, bob)


# ---- Who may post ----


def test_who_may_post_stands_where_its_commit_came_back() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    say(world, bob, room, "two", "three", "four")
    ada.do(acting.change_settings, room, may_post="admins")
    world.pass_time(MINUTE_MS)
    restore(world, image)
    come_back(world, ada, bob)
    for peer in (ada, bob):
        places = "SELECT MAX(since) FROM posting WHERE room = ?"
        last = "SELECT MAX(seq) FROM handshake WHERE room = ? AND closes"
        assert peer.db.one(places, room) == peer.db.one(last, room) != (None,)
    assert names(world, bob, room) == ["ada", "bob"]
    # What the server has lost comes too late now, and its writer is told.
    assert states(bob, room) == {
        "one": "stored",
        "two": "failed",
        "three": "failed",
        "four": "failed",
    }
    say(world, ada, room, "five")
    assert "five" in said(bob, room)


def test_who_begins_anew_remembers_no_settings_of_what_is_void() -> None:
    world, ada, bob, room = restored_room()
    bob.db.run("INSERT INTO posting VALUES (?, 99, 'owners', 'owners', 'owners')", room)
    bob.answers = lambda one: (
        Offered(id=one.id, taken=0, head=1) if isinstance(one, OfferHandshakes) else None
    )
    come_back(world, bob)
    world.pass_time(30 * MINUTE_MS)
    assert bob.db.all("SELECT * FROM posting WHERE room = ? AND since >= 99", room) == []
    say(world, bob, room, "three")
    assert "three" in said(ada, room) or not ada.is_online


def test_who_has_left_before_a_restore_leaves_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    bob.do(acting.leave, room)
    world.run()
    world.pass_time(MINUTE_MS)
    restore(world, image)
    come_back(world, bob, ada)
    world.pass_time(5 * MINUTE_MS)
    assert state(bob, room) == "gone"
    assert names(world, ada, room) == ["ada"]
    assert troubles(bob) == ["server-restored"]


def left_and_back() -> tuple[World, Peer, Peer, bytes]:
    """Return two people in a room which one of them has left once, and come back to."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    bob.do(acting.leave, room)
    world.run()
    world.pass_time(MINUTE_MS)
    ada.do(acting.invite, room, bob.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "active"
    return world, ada, bob, room


def test_who_has_left_long_ago_and_is_in_again_stays_in_after_a_restore() -> None:
    world, ada, bob, room = left_and_back()
    bob.do(log.shut_out, room)  # The server did not know that it is there, and now does again.
    restore(world, back_up(world))
    come_back(world, bob, ada)
    say(world, bob, room, "one")
    assert said(ada, room) == said(bob, room) == ["one"]
    agree(world, room, ada, bob)


def test_who_has_left_long_ago_compares_the_restored_log_before_anything_leads_in() -> None:
    world, _, bob, room = left_and_back()
    restore(world, back_up(world))
    bob.answers = refuse(GetRooms, Code.BUSY, times=99)
    assert bob.connect() is None
    world.run()
    assert bob.do(rewinding.has_to_compare, room)


def test_who_has_to_come_back_into_a_room_that_was_gone_does_so_once_it_is_compared() -> None:
    world, ada, bob, room = restored_room()
    bob.db.run("UPDATE room SET state = 'gone' WHERE room = ?", room)
    bob.db.run("INSERT INTO trouble (room, must_return) VALUES (?, 1)", room)
    come_back(world, bob, ada)
    say(world, bob, room, "three")
    assert said(ada, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)


# ---- A server that is slow to say what is there ----


def behind_a_restore() -> tuple[World, Peer, Peer, bytes]:
    """Return two people whose room keeps nothing; it has gone on since a restore, without Bob."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history="none")
    say(world, ada, room, "one")
    world.pass_time(MINUTE_MS)
    restore(world, back_up(world))
    come_back(world, ada)
    say(world, ada, room, "two")
    return world, ada, bob, room


def test_a_log_of_which_a_restored_server_gives_nothing_is_compared_when_it_does() -> None:
    world, ada, bob, room = behind_a_restore()

    def withhold(request: Request) -> Any:
        if not isinstance(request, Read) or request.since.seq > 3:
            return None
        since = request.since
        return Entries(room, since.incarnation, (), since.seq, more=False, id=request.id)

    bob.answers = withhold
    come_back(world, bob)
    assert (states(bob, room), said(bob, room)) == ({"one": "stored"}, ["one"])
    bob.answers = lambda _: None
    world.pass_time(MINUTE_MS)
    assert said(bob, room) == said(ada, room) == ["one", "two"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize(
    ("code", "more"), [(Code.TOO_MANY, {"retry_after_ms": 20_000}), (Code.INTERNAL, {})]
)
def test_a_comparison_that_a_busy_server_refuses_is_made_later(
    code: Code, more: dict[str, int]
) -> None:
    """After a restore everybody reads at once: many are told to wait."""
    world, ada, bob, room = behind_a_restore()
    bob.answers = refuse(Read, code, **more)
    bob.do(acting.say, room, Text("three"))
    come_back(world, bob)
    assert said(bob, room) == said(ada, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)


def test_a_comparison_that_ends_after_another_one_makes_nothing_void() -> None:
    world, ada, bob, room = behind_a_restore()
    late: list[Entries] = []

    def delay(said: Any) -> Any:
        if late or not isinstance(said, Entries):
            return said
        late.append(said)
        bob.do(approach.list_rooms)
        return None

    bob.hears = delay
    come_back(world, bob)
    say(world, ada, room, "three")
    bob.engine.receive(late[0], world.now)
    world.pass_time(MINUTE_MS)
    assert said(bob, room) == said(ada, room) == ["one", "two", "three"]
    assert set(states(bob, room).values()) == {"stored"}
    agree(world, room, ada, bob)
