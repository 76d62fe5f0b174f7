"""Room keys that nothing else brings: siblings and members are asked, and answer who may ask."""

from typing import Any

import pytest

from alcove.client import asking
from alcove.client.keys.archive import archive_key, seal_answer
from alcove.client.keys.rooms import room_key
from alcove.client.keys.sealing import Address, seal_letter
from alcove.client.rooms import acting
from alcove.client.rooms.walk import MEND_CHAIN, MEND_MS
from alcove.client.tx import Tx
from alcove.wire.base import Done
from alcove.wire.codec import encode
from alcove.wire.rooms import Letter, SendLetter
from tests.client.rooms.talk import PAUSE_MS, gaps, room_of, said, say
from tests.client.world import Peer, World


def settle(world: World) -> None:
    world.run()
    world.pass_time(PAUSE_MS * 4)


def forget(peer: Peer, room: bytes) -> None:
    """Let a device lose all but the newest of its room keys, as if it had come without them."""

    def step(tx: Tx) -> None:
        (newest,) = tx.line("SELECT room_key FROM room WHERE room = ?", room)
        tx.run("DELETE FROM room_key WHERE room = ? AND name != ?", room, newest)
        tx.memory.keys.clear()

    peer.do(step)


def keys(peer: Peer, room: bytes) -> list[Any]:
    return peer.db.all("SELECT name FROM room_key WHERE room = ? ORDER BY name", room)


def closed_room(world: World) -> tuple[Peer, Peer, Peer, bytes]:
    """Two talk in a closed room, then a third comes: the chain of keys is broken there."""
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, history="closed")
    say(world, ada, room, "before cyn")
    world.pass_time(PAUSE_MS)
    ada.do(acting.invite, room, cyn.me.account)
    settle(world)
    say(world, bob, room, "with cyn")
    return ada, bob, cyn, room


def ask_for(peer: Peer, room: bytes, names: list[Any]) -> None:
    """Ask for keys of these names, as a device does that has messages under them."""

    def step(tx: Tx) -> None:
        for seq, (name,) in enumerate(names):
            tx.run(
                """
                INSERT INTO unopened (room, seq, key, at, header, body)
                VALUES (?, ?, ?, 0, x'', x'')
                """,
                room, 1000 + seq, name,
            )  # fmt: skip
        asking.ask(tx, room)
        tx.run("DELETE FROM unopened WHERE room = ? AND seq >= 1000", room)

    peer.do(step)


def test_a_new_device_gets_from_a_sibling_what_the_chain_has_not() -> None:
    world = World()
    ada, _, _, room = closed_room(world)
    ada.do(lambda tx: tx.run("UPDATE room_key SET is_archived = 1"))
    laptop = world.add_device(ada)
    settle(world)
    settle(world)
    assert said(laptop, room) == ["before cyn", "with cyn"]
    assert gaps(laptop, room) == []


def test_a_key_that_is_missing_long_after_one_has_come_is_asked_for_too() -> None:
    world = World()
    ada, bob, cyn = (world.register(name) for name in ("ada", "bob", "cyn"))
    room = room_of(world, ada, bob, history="closed")
    world.pass_time(10 * PAUSE_MS)
    bob.hang_up()
    say(world, ada, room, "who can read this?")
    ada.do(acting.invite, room, cyn.me.account)
    settle(world)

    def lose(tx: Tx) -> None:
        tx.run("DELETE FROM room_key WHERE room = ?", room)
        tx.memory.keys.clear()

    bob.do(lose)
    assert bob.connect() is None
    world.run()
    assert gaps(bob, room) == ["no-key"]
    world.pass_time(2 * PAUSE_MS)
    assert said(bob, room) == ["who can read this?"]


def test_who_came_later_is_told_no_key_of_before() -> None:
    world = World()
    ada, bob, cyn, room = closed_room(world)
    names = keys(ada, room)
    assert len(keys(cyn, room)) < len(names)
    before = keys(cyn, room)
    ask_for(cyn, room, names)
    settle(world)
    assert keys(cyn, room) == before
    assert said(cyn, room) == ["with cyn"]
    before = keys(bob, room)
    forget(bob, room)
    ask_for(bob, room, names)
    settle(world)
    assert keys(bob, room) == before


def test_in_an_open_room_everybody_is_told_every_key_but_only_once_a_minute() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    names = keys(ada, room)
    assert len(names) == 2
    forget(bob, room)
    ask_for(bob, room, names)
    ask_for(bob, room, names)
    world.run()
    assert keys(bob, room) == keys(ada, room)
    forget(bob, room)
    bob.do(lambda tx: tx.run("DELETE FROM question"))
    ask_for(bob, room, names)
    world.run()
    assert len(keys(bob, room)) == 1
    world.pass_time(asking.PAUSE_MS)
    ask_for(bob, room, names)
    world.run()
    assert keys(bob, room) == keys(ada, room)


def test_the_key_of_a_question_is_kept_as_long_as_something_waits() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    names = keys(ada, room)
    forget(bob, room)
    bob.do(
        lambda tx: tx.run(
            """
            INSERT INTO unopened (room, seq, key, at, header, body)
            VALUES (?, 500, ?, 0, x'', x'')
            """,
            room, bytes(32),
        )
    )  # fmt: skip
    ask_for(bob, room, names)
    world.run()
    assert keys(bob, room) == names
    assert len(bob.db.all("SELECT * FROM question")) == 1


def test_an_answer_is_heard_as_far_as_it_was_asked_for_and_names_handshakes() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    (first,), (second,) = keys(ada, room)
    newest = ada.db.one("SELECT room_key FROM room WHERE room = ?", room)
    older = first if (second,) == newest else second
    forget(ada, room)
    bob.answers = lambda _: Done()  # It answers nothing by itself.
    ask_for(ada, room, [(bytes(32),)])
    told = (bytes(32), bytes(32)), (older, bytes(32))
    bob.hang_up()
    bob.answers = lambda _: None
    assert bob.connect() is None
    send(bob, ada, room, answer(bob, ada, room, *told))
    world.run()
    assert keys(ada, room) == [newest]


def test_rows_are_looked_at_once_a_letter_has_brought_a_key_and_not_for_one_that_is_here() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    told = ada.db.all("SELECT name, secret FROM room_key WHERE room = ?", room)
    forget(bob, room)
    bob.db.run(
        """
        INSERT INTO unopened (room, seq, key, at, header, body) VALUES (?, 500, ?, 0, x'', x'')
        """,
        room, bytes(32),
    )  # fmt: skip
    ada.answers = lambda request: Done() if isinstance(request, SendLetter) else None
    ask_for(bob, room, [(name,) for name, _ in told])
    world.run()
    ada.answers = lambda _: None
    for is_new in (True, False):
        send(ada, bob, room, answer(ada, bob, room, *told))
        world.run()
        assert keys(bob, room) == keys(ada, room)
        is_looked_at = bob.db.one("SELECT 1 FROM alarm WHERE kind = ?", MEND_CHAIN) is not None
        assert is_looked_at is is_new
        world.pass_time(2 * MEND_MS)


def test_who_stands_alone_or_outside_asks_nobody() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada)
    ask_for(ada, room, [(bytes(32),)])
    ask_for(bob, room, [(bytes(32),)])
    assert ada.db.all("SELECT * FROM question") == bob.db.all("SELECT * FROM question") == []


@pytest.mark.parametrize(
    "plain",
    [b"", b"\xff", encode(asking.Reply(b"short")), encode(asking.Question((), b"no key"))],
    ids=["nothing", "no msgpack", "a false answer", "a question for nothing"],
)
def test_nonsense_in_letters_is_dropped(plain: bytes) -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    before = keys(ada, room)
    send(bob, ada, room, plain)
    world.run()
    ask_for(ada, room, [(bytes(32),)])
    send(bob, ada, room, plain)
    world.run()
    assert keys(ada, room) == before


def test_letters_of_strangers_and_under_unknown_keys_are_dropped() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    before = keys(ada, room)
    letters = [
        Letter(1, "sealed", room, bytes(16), 0, bytes(200)),
        Letter(2, "sealed", bytes(16), bob.me.device, 0, bytes(200)),
        Letter(3, "sealed", room, bob.me.device, 0, bytes(200)),
        Letter(4, "sealed", room, bob.me.device, 0, b"short"),
    ]
    for letter in letters:
        ada.do(asking.take, letter)
    assert keys(ada, room) == before


def answer(sender: Peer, asker: Peer, room: bytes, *told: Any) -> bytes:
    """Return an answer to the question that somebody has asked."""
    (seed,) = asker.db.one("SELECT seed FROM question") or (b"",)
    public, keys = archive_key(seed).public, encode(asking.Keys(told))
    sealed = seal_answer(public, room, asker.me.device, sender.me.key, keys)
    return encode(asking.Reply(sealed))


def send(sender: Peer, receiver: Peer, room: bytes, plain: bytes) -> None:
    """Send a sealed letter that says this."""

    def step(tx: Tx) -> None:
        (name,) = tx.line("SELECT room_key FROM room WHERE room = ?", room)
        (secret,) = tx.line("SELECT secret FROM room_key WHERE name = ?", name)
        address = Address(room, tx.me.key.public, receiver.me.device)
        body = seal_letter(room_key(secret), address, name, tx.me.key, plain, tx.random(32))
        tx.order(SendLetter(room=room, devices=(receiver.me.device,), body=body), "asking.sent")

    sender.do(step)
