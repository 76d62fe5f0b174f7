"""A log that has lost its end: what a device knows of it goes back, and comes back, as one."""

from typing import Any

import pytest
from msgspec import structs

from alcove.client.rooms import acting, rewinding
from alcove.wire.base import Request
from alcove.wire.entries import Entries, Offered, OfferHandshakes
from tests.client.rooms.talk import agree, names, room_of, said, say, state, states
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


def test_who_has_to_come_back_into_a_room_that_was_gone_does_so_once_it_is_compared() -> None:
    world, ada, bob, room = restored_room()
    bob.db.run("UPDATE room SET state = 'gone' WHERE room = ?", room)
    bob.db.run("INSERT INTO trouble (room, must_return) VALUES (?, 1)", room)
    come_back(world, bob, ada)
    say(world, bob, room, "three")
    assert said(ada, room) == ["one", "two", "three"]
    agree(world, room, ada, bob)
