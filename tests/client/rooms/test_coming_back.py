"""Coming back into a room by a commit of one's own: what may come between, and what is not said."""

from typing import Any

import pytest

from alcove.client.events import Warned
from alcove.client.rooms import acting, lost, making
from alcove.client.rooms.state import group_of
from alcove.client.tx import Tx
from alcove.mls import Group
from alcove.wire.base import Done
from alcove.wire.codec import decode_header
from alcove.wire.content import Text
from alcove.wire.entries import Append, GetSnapshot, MessageHeader
from alcove.wire.errors import Code
from alcove.wire.rooms import CreateRoom
from tests.client.rooms.mischief import refuse
from tests.client.rooms.talk import PAUSE_MS, agree, names, notes, room_of, said, say, state
from tests.client.rooms.test_lost import is_lost, joins, lose, renew
from tests.client.test_restored import set_back
from tests.client.world import Peer, World

MINUTE_MS = 60_000


def trio(world: World, **fields: str) -> tuple[Peer, Peer, Peer, bytes]:
    """Return three people in a room in which each of them has said something."""
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, cyn, **fields)
    for peer in (ada, bob, cyn):
        say(world, peer, room, f"from {peer.name}")
        world.pass_time(MINUTE_MS)
    return ada, bob, cyn, room


def warnings(peer: Peer) -> list[str]:
    return [one.code for one in peer.heard(Warned)]


def notices(world: World, peer: Peer, room: bytes) -> int:
    """Return how often a device has said in a room that it is lost."""
    headers = [
        decode_header(header)
        for (header,) in world.server.connection.all(
            "SELECT e.header FROM entry e JOIN room r ON r.number = e.room WHERE r.room = ?", room
        )
    ]
    return sum(
        isinstance(one, MessageHeader) and one.notice == "lost" and one.sender == peer.me.device
        for one in headers
    )


# ---- A disk that was set back ----


def forgetful(world: World, peer: Peer, room: bytes) -> None:
    """Set a device's disk back to before it has said something; it is not connected then."""
    image = peer.db.raw.serialize()
    say(world, peer, room, "what was that?")
    peer.hang_up()
    set_back(peer, image)


def test_who_was_set_back_and_cannot_follow_comes_back_without_asking_others() -> None:
    world = World()
    ada, bob, cyn, room = trio(world)
    forgetful(world, bob, room)
    ada.hang_up()
    lose(world, cyn, room)
    assert bob.connect() is None
    world.pass_time(PAUSE_MS)
    assert joins(world, room) == 1
    assert ada.connect() is None
    world.pass_time(3 * MINUTE_MS)
    assert notices(world, bob, room) == 0
    assert "found" in notes(bob, room)
    assert said(bob, room)[-1] == "what was that?"
    agree(world, room, ada, bob)


def test_who_was_set_back_to_before_a_room_takes_its_own_commits_there_for_its_own() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    image = bob.db.raw.serialize()
    room = room_of(world, ada, bob)
    say(world, bob, room, "one")
    bob.do(renew, room)
    world.run()
    world.pass_time(MINUTE_MS)
    set_back(bob, image)
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert warnings(bob) == ["restored"]
    say(world, ada, room, "two")
    assert said(bob, room) == ["one", "two"]
    agree(world, room, ada, bob)


@pytest.mark.parametrize("kind", ["group", "direct"])
@pytest.mark.parametrize("was_sent", [False, True])
def test_who_was_set_back_to_while_it_made_a_room_comes_into_it(
    kind: Any, *, was_sent: bool
) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    ada.hang_up()
    room = ada.do(making.create, kind, (bob.me.account,))
    ada.do(acting.say, room, Text("one"))
    if was_sent:
        ada.answers = lambda request: Done() if isinstance(request, CreateRoom) else None
        assert ada.connect() is None
        world.run()
        assert state(ada, room) == "founded"
        ada.answers = lambda _: None
        ada.hang_up()
    image = ada.db.raw.serialize()
    assert ada.connect() is None
    world.pass_time(MINUTE_MS)
    say(world, bob, room, "two")
    set_back(ada, image)
    ada.do(acting.say, room, Text("three"))
    assert ada.connect() is None
    world.pass_time(3 * MINUTE_MS)
    say(world, bob, room, "four")
    assert said(ada, room) == said(bob, room) == ["one", "two", "three", "four"]
    assert ada.db.one("SELECT 1 FROM outbox") is None
    agree(world, room, ada, bob)


def test_a_commit_of_before_a_disk_was_set_back_is_no_alarm() -> None:
    world = World()
    ada, bob, _, room = trio(world)
    image = bob.db.raw.serialize()
    bob.do(renew, room)
    world.pass_time(MINUTE_MS)
    bob.hang_up()
    set_back(bob, image)
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert warnings(bob) == ["restored"]
    assert "found" in notes(bob, room)
    agree(world, room, ada, bob)


def test_a_line_that_breaks_on_the_way_back_is_no_second_way_back() -> None:
    world = World()
    ada, bob, _, room = trio(world)
    forgetful(world, bob, room)
    bob.answers = refuse(Append, Code.BUSY, retry_after_ms=PAUSE_MS)
    assert bob.connect() is None
    world.pass_time(PAUSE_MS // 2)
    bob.hang_up()
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert joins(world, room) == 1
    assert notes(bob, room).count("found") == 1
    agree(world, room, ada, bob)


def make_at(tx: Tx, room: bytes, *accounts: bytes) -> None:
    """Make a group that has the id of another room."""
    right, tx.random = tx.random, lambda _: room
    assert making.create(tx, "group", accounts) == room
    tx.random = right


def test_what_waits_for_a_room_of_ones_own_is_not_said_in_somebody_else_s() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    ada.hang_up()
    room = ada.do(making.create, "group", (bob.me.account,))
    ada.do(acting.say, room, Text("for bob alone"))
    cyn.do(make_at, room, ada.me.account, bob.me.account)
    world.pass_time(MINUTE_MS)
    assert ada.connect() is None
    world.pass_time(3 * MINUTE_MS)
    assert state(ada, room) == "active"
    assert names(world, ada, room) == ["ada", "bob", "cyn"]
    say(world, ada, room, "who are you?")
    assert said(bob, room) == said(cyn, room) == ["who are you?"]


@pytest.mark.parametrize(
    ("code", "retry_after_ms", "asks"),
    [
        (Code.CONFLICT, None, 0),
        (Code.TOO_SOON, None, 0),
        (Code.TOO_SOON, 45_000, 1),  # So long others are faster.
        (Code.NOT_ALLOWED, None, 0),
    ],
)
def test_who_may_not_come_back_yet_tries_again(
    code: Code, retry_after_ms: int | None, asks: int
) -> None:
    world = World()
    ada, bob, cyn, room = trio(world)
    forgetful(world, bob, room)
    bob.answers = refuse(Append, code, retry_after_ms=retry_after_ms)
    ada.hang_up()
    cyn.hang_up()
    warnings(bob)
    assert bob.connect() is None
    world.pass_time(2 * MINUTE_MS)
    assert "found" in notes(bob, room)
    assert notices(world, bob, room) == asks
    assert ("not-joined: not_allowed" in warnings(bob)) is (code == Code.NOT_ALLOWED)
    bob.do(acting.say, room, Text("here again"))
    for peer in (ada, cyn):
        assert peer.connect() is None
    world.pass_time(MINUTE_MS)
    assert said(ada, room)[-1] == said(cyn, room)[-1] == "here again"
    agree(world, room, ada, bob, cyn)


def test_who_is_told_that_it_is_out_does_not_come_back() -> None:
    world = World()
    ada, bob, cyn, room = trio(world)
    forgetful(world, bob, room)
    ada.do(acting.remove, room, bob.me.account)
    world.pass_time(MINUTE_MS)
    bob.answers = refuse(Append, Code.NOT_A_MEMBER)
    assert bob.connect() is None
    world.pass_time(MINUTE_MS)
    assert state(bob, room) == "gone"
    assert joins(world, room) == 0
    assert names(world, cyn, room) == ["ada", "cyn"]


# ---- Lost ----


def test_who_was_lost_and_then_removed_says_nothing_more() -> None:
    world = World()
    ada, bob, _, room = trio(world)
    lose(world, ada, room)
    world.pass_time(1)
    assert notices(world, bob, room) == 1
    ada.do(acting.remove, room, bob.me.account)
    world.pass_time(5 * MINUTE_MS)
    assert state(bob, room) == "gone"
    assert notices(world, bob, room) == 1
    assert joins(world, room) == 0


def test_who_was_lost_by_somebody_who_is_gone_removes_nobody() -> None:
    world = World()
    ada, bob, cyn, room = trio(world)
    laptop = world.add_device(ada)
    world.pass_time(MINUTE_MS)
    ada.hang_up()
    lose(world, bob, room)
    world.pass_time(3 * MINUTE_MS)
    assert "lost" in notes(laptop, room)
    assert names(world, laptop, room) == ["ada", "cyn"]
    assert ada.connect() is None
    world.pass_time(3 * MINUTE_MS)
    assert {"lost", "found"} <= set(notes(ada, room))
    assert ada.db.one("SELECT 1 FROM wish") is None
    assert names(world, ada, room) == ["ada", "cyn"]
    agree(world, room, ada, laptop, cyn)


def _group(tx: Tx, room: bytes) -> Group:
    group = group_of(tx, room)
    assert group is not None
    return group


def test_who_cannot_come_back_by_itself_waits_for_the_others() -> None:
    world = World()
    ada, bob, cyn, room = trio(world)

    class Nobody:
        public = Group.external_key(ada.do(_group, room)).public[:-32] + bytes(32)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Group, "external_key", lambda _: Nobody)
        lose(world, cyn, room)
    assert is_lost(ada, room)
    assert is_lost(bob, room)
    world.pass_time(5 * MINUTE_MS)
    assert joins(world, room) == 0
    assert names(world, ada, room) == ["ada", "bob"]  # And whoever did that is removed.
    agree(world, room, ada, bob)


def test_the_tree_is_stored_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost, "SNAPSHOTS", 2)
    world = World()
    ada, _, _, room = trio(world)
    for _ in range(2):
        ada.do(renew, room)
        world.pass_time(MINUTE_MS)
    snapshot = world.ask(ada, GetSnapshot(room=room))
    assert snapshot.body is not None
    assert ada.db.one("SELECT 1 FROM request") is None
