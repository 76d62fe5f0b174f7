"""Who was removed, and who lost a role, before a server was restored: that is done again."""

import pytest

from alcove.client.rooms import acting, undoing
from alcove.client.rooms.members import role_of
from alcove.client.rooms.state import get_room, public_of
from alcove.client.tx import Tx
from alcove.wire.content import Text
from alcove.wire.signed import device_id
from tests.client.rooms.talk import PAUSE_MS, agree, names, notes, room_of, said, say, state
from tests.client.rooms.test_lost import renew
from tests.client.test_devices import revoke
from tests.client.test_restored import back_up, come_back, restore
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def four(world: World) -> tuple[Peer, Peer, Peer, Peer, bytes]:
    """Return Ada, who owns a room, the admin Bob, the members Cyn and Dan, and the room."""
    ada, bob, cyn, dan = (world.register(name) for name in ("ada", "bob", "cyn", "dan"))
    room = room_of(world, ada, bob, cyn, dan)
    ada.do(acting.set_role, room, bob.me.account, "admin")
    world.run()
    world.pass_time(MINUTE_MS)
    return ada, bob, cyn, dan, room


def undone(peer: Peer, room: bytes) -> list[str]:
    """Return what a device has in mind that has to be done again."""
    sql = "SELECT kind FROM undone WHERE room = ? ORDER BY kind, about"
    return [kind for (kind,) in peer.db.all(sql, room)]


def devices(peer: Peer, room: bytes) -> list[bytes]:
    """Return the devices in a room."""
    public = peer.do(public_of, room)
    assert public is not None
    return [device_id(leaf.signature_key) for _, leaf in public.tree.leaves()]


def go_on_otherwise(world: World, peer: Peer, room: bytes) -> None:
    """Let the restored log go on with a commit that nobody else has seen."""
    assert peer.connect() is None
    world.run()
    peer.do(renew, room)
    world.run()
    world.pass_time(MINUTE_MS)


def test_who_was_removed_is_removed_again_before_anything_is_said() -> None:
    world = World()
    ada, bob, cyn, dan, room = four(world)
    image = back_up(world)
    cyn.hang_up()
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    restore(world, image)
    go_on_otherwise(world, cyn, room)
    assert dan.connect() is None
    world.pass_time(MINUTE_MS)
    assert undone(dan, room) == ["account"]
    dan.do(acting.say, room, Text("not for cyn"))
    world.pass_time(MINUTE_MS)
    assert "not for cyn" not in said(cyn, room)  # Dan may remove nobody, and waits.
    assert notes(dan, room).count(undoing.WAITS) == 1
    come_back(world, bob, ada)
    world.pass_time(MINUTE_MS)
    assert state(cyn, room) == "gone"
    for peer in (ada, bob, dan):
        assert names(world, peer, room) == ["ada", "bob", "dan"]
        assert undone(peer, room) == []
    assert said(bob, room) == ["not for cyn"]
    assert said(cyn, room) == []
    agree(world, room, ada, bob, dan)


def test_who_lost_a_role_loses_it_again() -> None:
    world = World()
    ada, bob, cyn, dan, room = four(world)
    image = back_up(world)
    bob.hang_up()
    ada.do(acting.set_role, room, bob.me.account, "member")
    world.run()
    world.pass_time(PAUSE_MS)
    restore(world, image)
    go_on_otherwise(world, bob, room)
    come_back(world, cyn)
    assert undone(cyn, room) == ["role"]
    come_back(world, ada, dan)
    world.pass_time(MINUTE_MS)
    assert bob.do(role_of, room, bob.me.account, 2**40) == "member"
    assert [undone(peer, room) for peer in (ada, bob, cyn, dan)] == [[], [], [], []]
    say(world, cyn, room, "on we go")
    assert said(bob, room) == ["on we go"]
    agree(world, room, ada, bob, cyn, dan)


def test_the_only_owner_that_a_restored_room_has_stays_one_and_nobody_waits_for_ever() -> None:
    world = World()
    ada, bob, cyn, dan, room = four(world)
    image = back_up(world)
    dan.hang_up()
    ada.do(acting.set_role, room, cyn.me.account, "owner")
    world.pass_time(MINUTE_MS)
    ada.do(acting.set_role, room, ada.me.account, "member")
    world.pass_time(MINUTE_MS)
    restore(world, image)
    go_on_otherwise(world, dan, room)
    come_back(world, ada, bob, cyn)
    say(world, ada, room, "on we go")
    say(world, cyn, room, "we do")
    assert said(dan, room) == ["on we go", "we do"]
    assert [undone(peer, room) for peer in (ada, bob, cyn, dan)] == [[], [], [], []]
    agree(world, room, ada, bob, cyn, dan)


def test_who_lost_a_role_waits_for_nobody_who_may_not_take_it() -> None:
    world = World()
    ada, bob, cyn, _, room = four(world)
    image = back_up(world)
    bob.hang_up()
    ada.do(acting.set_role, room, bob.me.account, "member")
    world.pass_time(MINUTE_MS)
    restore(world, image)
    go_on_otherwise(world, bob, room)
    come_back(world, cyn)
    cyn.do(acting.say, room, Text("later"))
    world.pass_time(MINUTE_MS)
    assert notes(cyn, room).count(undoing.WAITS) == 1
    come_back(world, ada)
    world.pass_time(MINUTE_MS)
    assert said(bob, room) == ["later"]


def test_who_was_removed_stays_out_although_another_device_of_theirs_came_meanwhile() -> None:
    world = World()
    ada, bob, cyn, dan, room = four(world)
    image = back_up(world)
    ada.do(acting.remove, room, cyn.me.account)
    world.run()
    world.pass_time(PAUSE_MS)
    say(world, bob, room, "without cyn")
    restore(world, image)
    assert cyn.connect() is None  # First of all, by the leaf that stands again.
    world.run()
    world.pass_time(MINUTE_MS)
    second = world.add_device(cyn)
    world.pass_time(2 * MINUTE_MS)
    assert state(second, room) == "active"
    come_back(world, bob, ada, dan)
    world.pass_time(MINUTE_MS)
    say(world, ada, room, "among us")
    assert names(world, ada, room) == ["ada", "bob", "dan"]
    for peer in (cyn, second):
        assert state(peer, room) == "gone"
        assert "among us" not in said(peer, room)
    assert said(bob, room) == said(dan, room) == ["without cyn", "among us"]
    agree(world, room, ada, bob, dan)


def test_a_device_that_its_account_has_revoked_goes_again() -> None:
    world = World()
    ada, bob, cyn, dan, room = four(world)
    second = world.add_device(cyn)
    world.pass_time(MINUTE_MS)
    image = back_up(world)
    revoke(cyn, second.me.device)
    world.run()
    world.pass_time(MINUTE_MS)
    restore(world, image)
    go_on_otherwise(world, second, room)
    come_back(world, bob)
    assert undone(bob, room) == []
    come_back(world, dan, ada, cyn)
    world.pass_time(MINUTE_MS)
    assert second.me.device not in devices(ada, room)
    say(world, bob, room, "here we are")
    assert said(dan, room) == ["here we are"]


def test_a_device_that_its_account_has_on_its_list_may_stay() -> None:
    world = World()
    ada, bob, cyn, _, room = four(world)
    world.add_device(cyn)
    world.pass_time(MINUTE_MS)
    bob.do(
        lambda tx: tx.run(
            "INSERT INTO undone (room, kind, about, detail, seq) VALUES (?, 'device', ?, ?, ?)",
            room,
            cyn.me.device,
            cyn.me.account,
            get_room(tx, room).seq,
        )
    )
    assert not bob.do(waits, room)
    assert bob.db.all("SELECT * FROM wish") == []
    assert undone(bob, room) == []
    assert names(world, ada, room) == ["ada", "bob", "cyn", "dan"]


def test_who_was_added_again_after_the_removal_came_back_keeps_nobody_silent() -> None:
    world = World()
    ada, bob, cyn, dan, room = four(world)
    eve = world.register("eve")
    image = back_up(world)
    cyn.do(acting.leave, room)
    ada.do(acting.invite, room, eve.me.account)
    world.run()
    world.pass_time(MINUTE_MS)
    assert names(world, eve, room) == ["ada", "bob", "dan", "eve"]
    restore(world, image)
    come_back(world, ada)  # She gives back what has removed Cyn.
    come_back(world, cyn)
    ada.do(acting.invite, room, cyn.me.account)
    come_back(world, eve)
    say(world, eve, room, "here I am")
    assert undone(eve, room) == []
    come_back(world, bob, dan)
    for peer in (ada, bob, cyn, dan, eve):
        assert names(world, peer, room) == ["ada", "bob", "cyn", "dan", "eve"]
        assert said(peer, room)[-1] == "here I am"
    agree(world, room, ada, bob, cyn, dan, eve)


@pytest.mark.parametrize("is_behind", [True, False])
def test_a_role_that_was_taken_and_given_in_the_log_itself_keeps_nobody_silent(
    *, is_behind: bool
) -> None:
    world = World()
    ada, bob, _, dan, room = four(world)
    before = dan.do(get_room, room).seq
    for role in ("member", "admin"):
        ada.do(acting.set_role, room, bob.me.account, role)
        world.run()
        world.pass_time(PAUSE_MS)
    seq = before if is_behind else dan.do(get_room, room).seq
    dan.do(
        lambda tx: tx.run(
            "INSERT INTO undone (room, kind, about, detail, seq) VALUES (?, 'role', ?, ?, ?)",
            room,
            bob.me.account,
            b"member",
            seq,
        )
    )
    assert dan.do(waits, room) is not is_behind


def waits(tx: Tx, room: bytes) -> bool:
    """Return whether a device waits for something to be done again."""
    public = public_of(tx, room)
    assert public is not None
    return undoing.waits(tx, room, public)
