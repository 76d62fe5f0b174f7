"""Messages with files: shown at once, sent when the files are there."""

from alcove.client import attaching, outbox
from alcove.client.attaching import Attached
from alcove.client.files import transfers
from alcove.client.timeline import line
from alcove.wire.codec import encode
from alcove.wire.content import File, SealedBlob, Text
from tests.client.rooms.talk import room_of, said
from tests.client.world import Peer, World

WHOLE = SealedBlob(bytes([7]) * 16, bytes([8]) * 32, bytes([9]) * 32, 5)
BLANK = SealedBlob(bytes(16), bytes(32), bytes(32), 5)
NOTES = Attached("/somewhere/notes.txt", File("notes.txt", "text/plain", BLANK))


def two(world: World) -> tuple[Peer, Peer, bytes]:
    ada, bob = world.register("ada"), world.register("bob")
    return ada, bob, room_of(world, ada, bob)


def upload(peer: Peer, room: bytes) -> int:
    """Return the number of the one upload that there is."""
    ((number,),) = peer.db.all("SELECT number FROM transfer WHERE room = ?", room)
    found: int = number
    return found


def test_a_message_waits_for_its_file_and_no_other_message_waits_for_it() -> None:
    world = World()
    ada, bob, room = two(world)
    number = ada.do(attaching.say, room, Text("my notes"), [NOTES])
    ada.do(outbox.say, room, Text("soon"))
    world.run()
    assert said(ada, room) == ["soon", "my notes"]
    assert said(bob, room) == ["soon"]
    ada.restart()
    assert ada.connect() is None
    ada.db.begin()
    ada.db.run(
        "UPDATE transfer SET state = 'done', file = ? WHERE number = ?",
        encode(File("notes.txt", "text/plain", WHOLE)), upload(ada, room),
    )  # fmt: skip
    ada.db.commit()
    ada.do(lambda tx: tx.stir(room))
    world.run()
    assert said(bob, room) == said(ada, room) == ["soon", "my notes"]
    for peer in (ada, bob):
        (found,) = peer.db.all("SELECT number FROM line WHERE files > 0")
        shown = line(peer.db, found[0])
        assert shown is not None
        assert isinstance(shown.said, Text)
        assert [one.sealed for one in shown.said.files] == [WHOLE]
    assert line(ada.db, number) is not None


def test_when_a_file_cannot_be_sent_the_message_says_so() -> None:
    world = World()
    ada, bob, room = two(world)
    number = ada.do(attaching.say, room, Text("my notes"), [NOTES])
    ada.do(transfers.failed, upload(ada, room), "The file is gone; choose it again.")
    world.run()
    assert said(bob, room) == []
    shown = line(ada.db, number)
    assert shown is not None
    assert (shown.state, shown.why) == ("failed", "The file is gone; choose it again.")
