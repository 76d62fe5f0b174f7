"""What goes wrong for a device in stories: a server that lies, and members who write garbage.

peer.answers = refuse(Append, Code.BUSY)       the server has a bad day
Killer(peer, 3, was_heard=False)               the program is killed by its third request
feed(peer, room, NewEntry(…))                  the server invents an entry
mal = Vandal(world, peer); mal.post(room, …)   a member writes what no app would
"""

from collections.abc import Callable
from typing import Any

from alcove.client.keys.sealing import Place, seal_kept
from alcove.client.rooms.committing import Made, commit
from alcove.client.rooms.messages import key_of
from alcove.client.rooms.planning import Plan, plan
from alcove.client.rooms.state import Room, get_room, group_of
from alcove.client.tx import Tx
from alcove.mls import Group
from alcove.server.batch import Job
from alcove.wire.base import Request
from alcove.wire.codec import decode_answers, encode
from alcove.wire.content import Content, Said, encode_said
from alcove.wire.entries import (
    Append,
    MessageHeader,
    NewEntries,
    NewEntry,
    PutSnapshot,
    Stored,
    Welcome,
)
from alcove.wire.errors import SENTENCES, Code, Refusal
from alcove.wire.ids import NOTHING_BEFORE
from tests.client.world import Peer

Answering = Callable[[Request], Any]


# ---- A server that lies ----


def refuse(kind: type[Request], code: Code, times: int = 1, **more: Any) -> Answering:
    """Refuse the next requests of a kind; the server never sees them."""
    left = [times]

    def answer(request: Request) -> Refusal | None:
        if not isinstance(request, kind) or not left[0]:
            return None
        left[0] -= 1
        return Refusal(request.id, code, SENTENCES[code], **more)

    return answer


def breaking(peer: Peer, kind: type[Request]) -> Answering:
    """Let the line break at the next request of a kind, before the server has it."""
    has_broken: list[bool] = []

    def answer(request: Request) -> None:
        if isinstance(request, kind) and not has_broken:
            has_broken.append(True)
            peer.hang_up()

    return answer


class Killer:
    """Kills a program by the n-th request that it sends, before or after the server has it."""

    def __init__(self, peer: Peer, number: int, *, was_heard: bool) -> None:
        self.peer, self.left, self.was_heard = peer, number, was_heard
        peer.answers = self

    def __call__(self, request: Request) -> None:
        """Count a request."""
        self.left -= 1
        if self.left == 0:
            if self.was_heard:
                assert self.peer.session is not None
                self.peer.world.server.take(self.peer.session, request, self.peer.world.now)
            self.peer.restart()


def feed(peer: Peer, room: bytes, *entries: NewEntry, **stored: Any) -> None:
    """Let a server push entries that nobody has appended, at the place that comes next."""
    first = peer.do(get_room, room).seq + 1
    pushed = tuple(
        Stored(seq, peer.world.now, one.header, stored.get("body", one.body))
        for seq, one in enumerate(entries, start=first)
    )
    peer.engine.receive(NewEntries(room=room, entries=pushed), peer.world.now)
    peer.events += peer.engine.events()


# ---- Members who write garbage ----


class Vandal:
    """A member whose program is not ours: it sends what it likes, under its own name."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.world = peer, peer.world
        assert peer.session is not None
        assert peer.session.caller is not None
        self._caller = peer.session.caller
        peer.hears = lambda _: None  # Its own engine learns nothing more.

    def ask(self, request: Request) -> Any:
        """Return what the server answers."""
        server, now = self.world.server, self.world.now
        first, *more = server.writer.run([Job(self._caller, request)], now)
        server.deliver(None, first, more, now, reads=False)
        return decode_answers(b"\x91" + first.reply)[0]

    def post(self, room: bytes, *entries: NewEntry, welcomes: tuple[Welcome, ...] = ()) -> Any:
        """Append entries, and let the others see them."""
        number = self.peer.do(_number)
        request = Append(id=number, room=room, entries=entries, welcomes=welcomes)
        answer = self.ask(request)
        self.world.run()
        return answer

    def put_snapshot(self, room: bytes, name: bytes, body: bytes) -> Any:
        """Store a tree for a handshake."""
        number = self.peer.do(_number)
        return self.ask(PutSnapshot(id=number, room=room, name=name, body=body))

    def kept(self, room: bytes, said: Content | bytes, **fields: Any) -> NewEntry:
        """Return a sealed message; `fields` are the header's."""
        plain = said if isinstance(said, bytes) else plain_of(said)
        return self.peer.do(_kept, room, plain, fields)

    def commit(self, room: bytes, what: Plan | None = None) -> Made:
        """Return a commit as our program makes it, on what this member knows of the room."""
        return self.peer.do(_commit, room, what)

    @staticmethod
    def made_by(peer: Peer, room: bytes, **what: Any) -> Made:
        """Return a commit of a member that it never sends."""
        group = peer.do(group_of, room)
        assert group is not None
        return peer.do(_commit, room, plan(group.public, group.me, **what))

    def group(self, room: bytes) -> Group:
        """Return its group."""
        group = self.peer.do(group_of, room)
        assert group is not None
        return group

    def here(self, room: bytes) -> Room:
        """Return where it stands."""
        return self.peer.do(get_room, room)


def plain_of(content: Content) -> bytes:
    """Return what is sealed of a content whose writer has read nothing."""
    return encode_said(Said(content, 0, NOTHING_BEFORE, 0, 0))


def _number(tx: Tx) -> int:
    (number,) = tx.line("UPDATE me SET counter = counter + 1, sent = counter + 1 RETURNING counter")
    found: int = number
    return found


def _kept(tx: Tx, room: bytes, plain: bytes, fields: dict[str, Any]) -> NewEntry:
    here = get_room(tx, room)
    me = tx.me
    assert here.room_key is not None
    key = key_of(tx, room, fields.pop("sealed_by", here.room_key))
    assert key is not None
    header: dict[str, Any] = {"sender": me.device, "content": tx.random(16)}
    header |= {"form": "kept", "key": here.room_key} | fields
    place = Place(
        room, me.account, me.device, me.key.public, header["content"], header["key"],
        header.get("expires_at"),
    )  # fmt: skip
    body = seal_kept(key, place, me.key, plain, tx.random(32))
    return NewEntry(encode(MessageHeader(**header)), body)


def _commit(tx: Tx, room: bytes, what: Plan | None) -> Made:
    here, group = get_room(tx, room), group_of(tx, room)
    assert group is not None
    made = commit(tx, here, group, what or plan(group.public, group.me))
    tx.run("DELETE FROM pending")
    return made
