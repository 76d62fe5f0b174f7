"""Rows that are missing beside a log: whoever looks at them does so until there is an answer."""

from alcove.client import mending, profiles
from alcove.client.profiles import room_profile
from alcove.client.rooms import acting
from alcove.client.rooms.walk import MEND_CHAIN, MEND_PROFILE
from tests.client.rooms.talk import gaps, room_of, said, say, state
from tests.client.test_mending import rows
from tests.client.test_restored import set_back
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def without_rows(world: World, ada: Peer, bob: Peer) -> bytes:
    """Return a room of which a server has lost all that stood beside the log."""
    room = room_of(world, ada, bob)
    ada.do(profiles.set_profile, room, name="Chess")
    for number in range(2):
        say(world, ada, room, str(number))
        ada.do(acting.change_settings, room, keep_ms=10**9 + number)
        world.pass_time(MINUTE_MS)
    world.server.connection.run("DELETE FROM room_row")
    return room


def alarms(peer: Peer) -> list[str]:
    kinds = peer.db.all("SELECT kind FROM alarm WHERE kind IN (?, ?)", MEND_CHAIN, MEND_PROFILE)
    return [kind for (kind,) in kinds]


def test_a_line_that_breaks_before_the_answer_leaves_no_chain_without_its_rows() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = without_rows(world, ada, bob)
    ada.do(mending.mend, room)
    ada.do(profiles.mend, room)
    ada.hang_up()
    world.run()
    assert rows(world, bob, room, "chain") == []
    assert rows(world, bob, room, "profile") == []
    assert ada.connect() is None
    world.run()
    assert len(rows(world, bob, room, "chain")) == 3
    assert len(rows(world, bob, room, "profile")) == 1


def test_rows_that_were_looked_at_are_not_looked_at_again() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = without_rows(world, ada, bob)
    ada.do(mending.mend, room)
    ada.do(profiles.mend, room)
    assert alarms(ada)
    world.run()
    assert alarms(ada) == []
    assert len(rows(world, bob, room, "chain")) == 3


def test_what_who_came_in_without_the_key_before_could_not_seal_is_sealed_when_the_key_comes() -> (
    None
):
    """Nobody else follows: only the answer of a sibling, which came later, brings that key."""
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    image = ada.db.raw.serialize()
    room = room_of(world, ada, bob)
    ada.do(profiles.set_profile, room, name="Chess")
    say(world, ada, room, "one")
    world.pass_time(10 * MINUTE_MS)
    bob.hang_up()
    set_back(ada, image)
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    assert (state(ada, room), gaps(ada, room)) == ("active", ["no-key"])
    laptop = world.add_device(ada)
    world.pass_time(5 * MINUTE_MS)
    assert said(ada, room) == said(laptop, room) == ["one"]
    (_, _, resync, newest) = ada.db.all(
        "SELECT name FROM handshake WHERE room = ? AND renews ORDER BY seq", room
    )
    assert {(name,) for name in rows(world, ada, room, "chain")} == {resync, newest}
    assert room_profile(ada.db, room).name == room_profile(laptop.db, room).name == "Chess"
