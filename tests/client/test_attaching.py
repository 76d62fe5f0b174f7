"""Messages with files: shown at once, sent when the files are there."""

from typing import Any

from alcove.client import attaching, outbox
from alcove.client.attaching import Attached
from alcove.client.files import transfers
from alcove.client.rooms import acting, making
from alcove.client.timeline import line
from alcove.wire.base import Done
from alcove.wire.blobs import DropBlob
from alcove.wire.codec import encode
from alcove.wire.content import Delete, File, SealedBlob, Target, Text
from tests.client.rooms.talk import PAUSE_MS, room_of, said
from tests.client.world import Peer, World

WHOLE = SealedBlob(bytes([7]) * 16, bytes([8]) * 32, bytes([9]) * 32, 5)
HOUR_MS = 60 * 60 * 1000
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


def send_whole(world: World, peer: Peer, room: bytes, blob: bytes) -> bytes:
    """Send a message with a file that is on the server; return its content id."""
    number = peer.do(attaching.say, room, Text("my notes"), [NOTES])
    (found,) = peer.db.all("SELECT number FROM transfer WHERE state = 'open'")
    peer.do(transfers.looked_at, found[0], 5, bytes([9]) * 32)
    peer.do(transfers.announced, found[0], blob)
    peer.do(transfers.uploaded, found[0])
    world.run()
    (content,) = peer.do(lambda tx: tx.line("SELECT content FROM line WHERE number = ?", number))
    return bytes(content)


def dropped(peer: Peer) -> list[bytes]:
    """Note the files that somebody asks the server to delete."""
    asked: list[bytes] = []

    def note(request: Any) -> Any:
        if isinstance(request, DropBlob):
            asked.append(request.blob)
            return Done(id=request.id)
        return None

    peer.answers = note
    return asked


def test_what_is_taken_back_before_it_was_sent_takes_its_files_along() -> None:
    world = World()
    ada, bob, room = two(world)
    number = ada.do(attaching.say, room, Text("my notes"), [NOTES])
    world.run()
    shown = line(ada.db, number)
    assert shown is not None
    assert shown.content_id is not None
    assert ada.do(outbox.cancel, room, shown.content_id)
    world.run()
    assert (said(ada, room), said(bob, room)) == ([], [])
    assert [one.state for one in transfers.to_do(ada.db)] == ["cancelled"]


def test_an_admin_who_deletes_a_message_takes_its_file_off_the_server_too() -> None:
    world = World()
    bob, ada = world.register("bob"), world.register("ada")
    room = room_of(world, bob, ada)
    asked = dropped(ada)
    content = send_whole(world, ada, room, WHOLE.blob)
    (file,) = transfers.of_content(ada.db, room, content)
    fetched = bob.do(
        transfers.begin_download, room, ada.me.account, content, 0, "/notes.txt", file.file
    )
    bob.do(acting.say, room, Delete(Target(ada.me.account, content)))
    world.run()
    assert asked == [WHOLE.blob]
    assert transfers.of_content(ada.db, room, content) == []
    found = transfers.transfer(bob.db, fetched)
    assert found is not None
    assert found.state == "cancelled"


def test_a_file_that_was_forwarded_stays_when_its_message_goes() -> None:
    world = World()
    ada, _bob, room = two(world)
    other = ada.do(making.create, "group")
    world.run()
    asked = dropped(ada)
    content = send_whole(world, ada, room, WHOLE.blob)
    (file,) = transfers.of_content(ada.db, room, content)
    ada.do(acting.say, other, Text("see", files=(file.file,), is_forwarded=True))
    ada.do(acting.say, room, Delete(Target(ada.me.account, content)))
    world.pass_time(PAUSE_MS)
    assert (asked, transfers.of_content(ada.db, room, content)) == ([], [])


def test_the_files_of_what_expires_go_with_it_and_what_waits_for_one_is_not_sent() -> None:
    world = World()
    ada, bob = world.register("ada"), world.register("bob")
    room = room_of(world, ada, bob)
    ada.do(acting.change_settings, room, expires_ms=HOUR_MS)
    world.pass_time(PAUSE_MS)
    asked = dropped(ada)
    send_whole(world, ada, room, WHOLE.blob)
    ada.do(attaching.say, room, Text("never there"), [NOTES])
    world.pass_time(PAUSE_MS)
    assert said(bob, room) == ["my notes"]
    world.pass_time(HOUR_MS)
    assert (said(ada, room), said(bob, room)) == ([], [])
    assert asked == [WHOLE.blob]
    assert [one.state for one in transfers.to_do(ada.db)] == ["cancelled"]
    assert ada.db.one("SELECT 1 FROM outbox") is None


def test_only_what_waits_for_its_files_is_taken_back_without_a_word() -> None:
    world = World()
    ada, _bob, room = two(world)
    ada.hang_up()
    waits = ada.do(attaching.say, room, Text("my notes"), [NOTES])
    plain = ada.do(outbox.say, room, Text("soon"))
    taken = {}
    for number in (waits, plain):
        shown = line(ada.db, number)
        assert shown is not None
        assert shown.content_id is not None
        taken[number] = ada.do(attaching.take_back, room, shown.content_id)
    assert taken == {waits: True, plain: False}
    assert said(ada, room) == ["soon"]
