"""Deleting really drops the body: what was taken away leaves the server, and who sees to that."""

from typing import Any

import msgspec

from alcove.client import dropping
from alcove.client.rooms import acting, making
from alcove.client.timeline.effects import DROP, SIBLINGS_MS, Gone
from alcove.server.roomstate import HANDSHAKE
from alcove.wire.base import Done
from alcove.wire.blobs import DropBlob
from alcove.wire.content import Content, Delete, Edit, File, SealedBlob, Target, Text
from alcove.wire.entries import Append, DropBodies
from alcove.wire.errors import Code, Refusal
from tests.client.rooms.talk import PAUSE_MS, room_of, said, say
from tests.client.world import Peer, World


def speak(peer: Peer, room: bytes, content: Content) -> Target:
    """Say something, let everybody hear it, and return what names it."""
    number = peer.do(acting.say, room, content)
    peer.world.run()
    return target_of(peer, number)


def target_of(peer: Peer, number: int) -> Target:
    line = peer.db.one("SELECT account, content FROM line WHERE number = ?", number)
    assert line is not None
    return Target(*line)


def bodies(peer: Peer, room: bytes) -> list[bool]:
    """Return which messages of a room have their body on the server still, oldest first."""
    lines = peer.world.server.connection.all(
        """
        SELECT e.body IS NOT NULL FROM entry e JOIN room r ON r.number = e.room
        WHERE r.room = ? AND e.form != ? ORDER BY e.seq
        """,
        room, HANDSHAKE,
    )  # fmt: skip
    return [bool(has) for (has,) in lines]


def test_what_its_writer_deletes_leaves_the_server_with_all_its_edits() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    mine = speak(ada, room, Text("a mistake"))
    speak(ada, room, Edit(mine.content, "a smaller mistake"))
    say(world, bob, room, "kept")
    assert bodies(ada, room) == [True, True, True]
    speak(ada, room, Delete(mine))
    assert bodies(ada, room) == [False, False, True, True]
    assert said(bob, room) == ["kept"]
    cyn = world.register("cyn")
    ada.do(acting.invite, room, cyn.me.account)
    world.pass_time(PAUSE_MS)
    assert said(cyn, room) == ["kept"]


def test_an_edit_that_comes_after_the_removal_leaves_the_server_too() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(ada)
    room = room_of(world, ada, bob)
    mine = speak(ada, room, Text("a mistake"))
    laptop.hang_up()
    speak(ada, room, Delete(mine))
    assert bodies(ada, room) == [False, True]
    laptop.do(acting.say, room, Edit(mine.content, "a smaller mistake"))
    with_request = "UPDATE outbox SET request = 0"  # It is on its way, and cannot be taken back.
    laptop.db.run(with_request)
    assert laptop.connect() is None
    world.run()
    laptop.db.run("UPDATE outbox SET request = NULL")
    laptop.do(lambda tx: tx.stir(room))
    world.run()
    assert bodies(ada, room) == [False, True, False]
    for peer in (ada, laptop, bob):
        assert peer.db.all("SELECT body FROM line WHERE kind = 'edit'") == [(b"",)]


def test_an_edit_of_what_was_removed_is_never_sent() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    laptop = world.add_device(ada)
    room = room_of(world, ada, bob)
    mine = speak(ada, room, Text("a mistake"))
    laptop.hang_up()
    speak(ada, room, Delete(mine))
    laptop.do(acting.say, room, Edit(mine.content, "a smaller mistake"))
    laptop.answers = lambda request: Refusal(request.id, Code.CLOSED, "") if (
        isinstance(request, Append)
    ) else None  # fmt: skip
    assert laptop.connect() is None
    world.run()
    laptop.answers = lambda _request: None
    world.pass_time(PAUSE_MS)
    assert bodies(ada, room) == [False, True]
    assert laptop.db.one("SELECT 1 FROM outbox") is None
    assert laptop.db.one("SELECT 1 FROM line WHERE kind = 'edit'") is None


def test_what_an_admin_takes_away_leaves_the_server_and_what_nobody_may_take_stays() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    his, hers = speak(bob, room, Text("rude")), speak(ada, room, Text("polite"))
    speak(ada, room, Delete(his))
    assert bodies(ada, room) == [False, True, True]
    from alcove.client import outbox  # noqa: PLC0415

    bob.do(outbox.say, room, Delete(hers))  # Past what his own program lets him.
    world.pass_time(2 * SIBLINGS_MS)
    assert bodies(ada, room) == [False, True, True, True]


def test_another_device_of_the_account_sees_to_it_when_the_first_never_could() -> None:
    world = World()
    ada = world.register("ada")
    laptop = world.add_device(ada)
    room = ada.do(making.create, "group")
    world.pass_time(PAUSE_MS)
    mine = speak(ada, room, Text("a mistake"))

    def lost(request: Any) -> Any:
        if isinstance(request, DropBodies):
            ada.hang_up()
        return None

    ada.answers = lost
    speak(ada, room, Delete(mine))
    assert bodies(laptop, room) == [True, True]
    world.pass_time(2 * SIBLINGS_MS)
    assert bodies(laptop, room) == [False, True]


def test_a_server_that_was_restored_is_asked_again_where_the_entry_stands_now() -> None:
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    world.run()
    mine = speak(ada, room, Text("a mistake"))
    refused = [Refusal(0, Code.RESTORED, "")]

    def restored(request: Any) -> Any:
        if isinstance(request, DropBodies) and refused:
            return msgspec.structs.replace(refused.pop(), id=request.id)
        return None

    ada.answers = restored
    speak(ada, room, Delete(mine))
    assert bodies(ada, room) == [True, True]
    world.pass_time(2 * dropping.AGAIN_MS)
    assert bodies(ada, room) == [False, True]


def test_a_room_that_is_compared_anew_is_waited_for_and_one_that_was_left_is_not() -> None:
    world = World()
    ada = world.register("ada")
    room = ada.do(making.create, "group")
    world.run()
    mine = speak(ada, room, Text("a mistake"))
    about = msgspec.msgpack.encode(Gone(room, *target(mine), ()))

    def waits() -> bool:
        return ada.db.one("SELECT 1 FROM alarm WHERE kind = ?", DROP) is not None

    ada.do(dropping.drop, about)  # It was not taken away.
    assert (bodies(ada, room), waits()) == ([True], False)
    ada.db.run("UPDATE room SET incarnation = incarnation + 1")
    ada.do(dropping.drop, about)
    assert waits()
    ada.db.run("DELETE FROM alarm WHERE kind = ?", DROP)
    ada.db.run("UPDATE room SET state = 'gone'")
    ada.do(dropping.drop, about)
    assert not waits()


def target(one: Target) -> tuple[bytes, bytes]:
    return one.account, one.content


def sealed(letter: bytes) -> SealedBlob:
    return SealedBlob(letter * 16, bytes(32), bytes(32), 1)


def test_the_files_of_what_was_deleted_go_too_unless_they_were_forwarded() -> None:
    world = World()
    ada = world.register("ada")
    room, other = ada.do(making.create, "group"), ada.do(making.create, "group")
    world.run()
    picture = File("a.png", "image/png", sealed(b"a"), thumbnail_blob=sealed(b"b"))
    shared = File("c.txt", "text/plain", sealed(b"c"))
    mine = speak(ada, room, Text("see", files=(picture, shared)))
    speak(ada, other, Text("see", files=(shared,), is_forwarded=True))
    asked: list[bytes] = []

    def note(request: Any) -> Any:
        if isinstance(request, DropBlob):
            asked.append(request.blob)
            return Done(id=request.id)
        return None

    ada.answers = note
    speak(ada, room, Delete(mine))
    world.pass_time(PAUSE_MS)
    assert asked == [b"a" * 16, b"b" * 16]
