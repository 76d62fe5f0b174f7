"""People talk: what is said reaches everybody once, in one order, whatever else happens."""

import pytest

from alcove.client import outbox
from alcove.client.errors import UsageError
from alcove.client.rooms import acting, handshakes, making
from alcove.client.rooms.members import role_of, stay_at
from alcove.client.rooms.messages import key_of
from alcove.client.rooms.state import get_room
from alcove.wire.content import Text
from tests.client.rooms.talk import (
    PAUSE_MS,
    agree,
    gaps,
    names,
    notes,
    room_of,
    said,
    say,
    state,
)
from tests.client.world import World


def test_the_first_message_travels_with_the_room() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "direct", (bob.me.account,))
    ada.do(acting.say, room, Text("hello"))
    assert said(ada, room) == ["hello"]
    world.run()
    assert said(bob, room) == ["hello"]
    assert names(world, bob, room) == ["ada", "bob"]
    agree(world, room, ada, bob)


def test_a_second_direct_room_is_the_first_one() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = ada.do(making.create, "direct", (bob.me.account,))
    world.run()
    assert ada.do(making.create, "direct", (bob.me.account,)) == room
    assert bob.do(making.create, "direct", (ada.me.account,)) == room


def test_two_who_write_to_each_other_at_once_meet_in_one_room() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    hers = ada.do(making.create, "direct", (bob.me.account,))
    his = bob.do(making.create, "direct", (ada.me.account,))
    ada.do(acting.say, hers, Text("hello bob"))
    bob.do(acting.say, his, Text("hello ada"))
    world.run()
    world.pass_time(PAUSE_MS)
    rooms = [peer.db.all("SELECT room FROM room WHERE state = 'active'") for peer in (ada, bob)]
    assert rooms[0] == rooms[1]
    ((room,),) = rooms[0]
    assert sorted(said(ada, room)) == sorted(said(bob, room)) == ["hello ada", "hello bob"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("history", ["open", "closed", "none"])
def test_everybody_sees_the_same_in_the_same_order(history: str) -> None:
    world = World()
    people = [world.register(name) for name in ("ada", "bob", "cyn")]
    room = room_of(world, *people, history=history)
    for number in range(3):
        for peer in people:
            peer.do(acting.say, room, Text(f"{peer.name} {number}"))
    world.run()
    world.pass_time(PAUSE_MS)
    first = said(people[0], room)
    assert len(first) == 9
    assert all(said(peer, room) == first for peer in people)
    agree(world, room, *people)


@pytest.mark.parametrize("history", ["open", "none"])
def test_what_is_written_offline_is_said_later_and_what_was_missed_is_read(history: str) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob, history=history)
    bob.hang_up()
    say(world, ada, room, "one", "two")
    world.pass_time(PAUSE_MS * 5)
    say(world, ada, room, "three")
    bob.do(acting.say, room, Text("four"))
    bob.restart()
    assert bob.connect() is None
    world.run()
    world.pass_time(PAUSE_MS)
    assert said(ada, room) == said(bob, room) == ["one", "two", "three", "four"]
    agree(world, room, ada, bob)


def test_who_is_added_reads_on_and_in_an_open_room_back() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    rooms = {
        history: room_of(world, ada, bob, history=history) for history in ("open", "closed", "none")
    }
    for room in rooms.values():
        say(world, bob, room, "before")
        world.pass_time(PAUSE_MS)
        ada.do(acting.invite, room, cyn.me.account)
        world.run()
        world.pass_time(PAUSE_MS)
        say(world, bob, room, "after")
        assert said(ada, room) == ["before", "after"]
    assert said(cyn, rooms["open"]) == ["before", "after"]
    assert said(cyn, rooms["closed"]) == ["after"]
    assert said(cyn, rooms["none"]) == ["after"]


def test_who_is_removed_reads_nothing_after_it() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, ada, room, "with cyn")
    world.pass_time(PAUSE_MS)
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, bob, room, "without cyn")
    assert said(cyn, room) == ["with cyn"]
    assert state(cyn, room) == "gone"
    assert names(world, ada, room) == names(world, bob, room) == ["ada", "bob"]
    with pytest.raises(UsageError, match="not in this room"):
        cyn.do(acting.say, room, Text("hello?"))
    agree(world, room, ada, bob)


def test_who_leaves_is_taken_out_by_the_others() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    bob.do(acting.leave, room)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, cyn, room, "bye")
    assert state(bob, room) == "gone"
    assert names(world, ada, room) == ["ada", "cyn"]
    assert "left" in notes(cyn, room)
    assert said(bob, room) == []
    agree(world, room, ada, cyn)


def test_a_new_device_reads_everything_with_nobody_else_online() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "one")
    say(world, bob, room, "two")
    world.pass_time(PAUSE_MS * 8)  # So that the keys are archived.
    ada.hang_up()
    bob.hang_up()
    laptop = world.add_device(ada)
    world.run()
    world.pass_time(PAUSE_MS * 2)
    assert said(laptop, room) == ["one", "two"]
    say(world, laptop, room, "three")
    for peer in (ada, bob):
        assert peer.connect() is None
    world.run()
    assert said(ada, room) == said(bob, room) == said(laptop, room) == ["one", "two", "three"]
    assert gaps(laptop, room) == []
    agree(world, room, ada, bob, laptop)


def test_commits_that_race_are_both_carried_out() -> None:
    world = World()
    ada, bob, cyn, dan = (world.register(name) for name in ("ada", "bob", "cyn", "dan"))
    room = room_of(world, ada, bob, cyn)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    world.run()
    world.pass_time(PAUSE_MS)
    bob.do(acting.remove, room, cyn.me.account)
    ada.do(acting.invite, room, dan.me.account)
    world.run()
    world.pass_time(PAUSE_MS * 2)
    assert names(world, dan, room) == ["ada", "bob", "dan"]
    agree(world, room, ada, bob, dan)


def test_where_only_admins_post_everybody_drops_what_others_say_all_the_same() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn)
    say(world, bob, room, "still allowed")
    world.pass_time(PAUSE_MS)
    ada.do(lambda tx: acting.change_settings(tx, room, may_post="admins"))
    world.run()
    world.pass_time(PAUSE_MS)
    with pytest.raises(UsageError, match="Only some may post"):
        bob.do(acting.say, room, Text("not allowed"))
    with pytest.MonkeyPatch.context() as patch:  # A program that does not ask.
        patch.setattr(outbox, "_may_say", lambda *_: True)
        bob.do(outbox.say, room, Text("said all the same"))
        world.run()
    say(world, ada, room, "news")
    for peer in (ada, cyn):
        assert said(peer, room) == ["still allowed", "news"]
        assert "may-not-post" in notes(peer, room)


def settle(world: World) -> None:
    """Let everything be done that is to be done."""
    world.run()
    world.pass_time(PAUSE_MS)


def test_who_leaves_as_an_admin_comes_back_as_a_member() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    settle(world)
    bob.do(acting.leave, room)
    settle(world)
    ada.do(acting.invite, room, bob.me.account)
    settle(world)
    say(world, bob, room, "again")
    assert said(ada, room) == ["again"]
    for peer in (ada, bob):
        assert peer.do(role_of, room, bob.me.account, 1000) == "member"


def test_a_room_that_one_device_makes_is_there_on_the_others() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(ada)
    world.run()
    world.pass_time(PAUSE_MS)
    room = room_of(world, ada, bob)
    say(world, bob, room, "hello")
    assert said(laptop, room) == ["hello"]
    agree(world, room, ada, laptop, bob)


def test_a_false_key_that_others_tell_is_forgotten_and_the_right_one_opens_what_waited() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    say(world, ada, room, "hello")
    name = bob.do(get_room, room).room_key
    assert name is not None
    line = bob.db.one("SELECT secret FROM room_key WHERE room = ? AND name = ?", room, name)
    assert line is not None
    bob.restart()
    bob.db.run("DELETE FROM room_key WHERE room = ?", room)
    assert bob.connect() is None
    say(world, ada, room, "what waits")
    assert said(bob, room) == ["hello"]
    bob.do(handshakes.learn_key, room, name, bytes(32))
    assert bob.do(key_of, room, name) is None
    bob.do(handshakes.learn_key, room, name, line[0])
    assert said(bob, room) == ["hello", "what waits"]


def test_who_stands_where_a_handshake_stands_is_who_it_has_let_in() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob)
    before = ada.do(get_room, room).seq
    ada.do(acting.invite, room, cyn.me.account)
    world.run()
    line = ada.db.one("SELECT MIN(seq) FROM handshake WHERE room = ? AND seq > ?", room, before)
    assert line is not None
    for seq, is_there in ((line[0], False), (line[0] + 1, True)):
        assert (ada.do(stay_at, room, cyn.me.device, seq) is not None) is is_there
