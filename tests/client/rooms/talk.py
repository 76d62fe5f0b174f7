"""Rooms with people in them, for stories: who is there, what they see, and what went wrong."""

from typing import Any

from alcove.client.events import Mended, Warned
from alcove.client.rooms import acting, making
from alcove.client.rooms.members import members
from alcove.client.timeline import Line, lines
from alcove.wire.content import Text
from tests.client.world import Peer, World

PAUSE_MS = 15_000
"""After so long the server takes any commit again."""


def room_of(world: World, maker: Peer, *others: Peer, **fields: Any) -> bytes:
    """Return a group of these people, in which nothing has been said."""
    accounts = tuple(one.me.account for one in others)
    room = maker.do(making.create, "group", accounts, **fields)
    world.run()
    world.pass_time(PAUSE_MS)
    return room


def say(world: World, peer: Peer, room: bytes, *texts: str) -> None:
    """Say these one after another, and let everybody hear them."""
    for text in texts:
        peer.do(acting.say, room, Text(text))
        world.run()


def said(peer: Peer, room: bytes) -> list[str]:
    """Return the texts that somebody sees, in order."""
    return [
        line.said.text for line in lines(peer.db, room, limit=1000) if isinstance(line.said, Text)
    ]


def notes(peer: Peer, room: bytes) -> list[str]:
    """Return what somebody sees that happened, in order."""
    return [line.cause for line in lines(peer.db, room, limit=1000) if line.kind == "note"]


def gaps(peer: Peer, room: bytes) -> list[str]:
    """Return what somebody could not open."""
    return [line.cause for line in lines(peer.db, room, limit=1000) if line.kind == "gap"]


def state(peer: Peer, room: bytes) -> str:
    """Return where a device stands in a room."""
    line = peer.db.one("SELECT state FROM room WHERE room = ?", room)
    return "unknown" if line is None else line[0]


def names(world: World, peer: Peer, room: bytes) -> list[str]:
    """Return who is in a room, as somebody sees it, by name."""
    known = {one.me.account: one.name for one in world.peers}
    return sorted(known[account] for account, _ in members(peer.db, room))


def troubles(peer: Peer) -> list[str]:
    """Return the codes of what went wrong for somebody since the last look."""
    found = [*peer.heard(Warned), *peer.heard(Mended)]
    return [one.code if isinstance(one, Warned) else one.cause for one in found]


def agree(_world: World, room: bytes, *peers: Peer) -> None:
    """Everybody stands at the same place of the same log, in the same group."""
    views = {
        peer.name: peer.db.one(
            "SELECT seq, chain, handshake, room_key FROM room WHERE room = ?", room
        )
        for peer in peers
    }
    assert len(set(views.values())) == 1, views
    assert all(
        peer.db.one("SELECT COUNT(*) FROM outbox WHERE room = ?", room) == (0,) for peer in peers
    )


def states(peer: Peer, room: bytes) -> dict[str, str]:
    """Return what became of each text that somebody sees."""
    return {
        line.said.text: line.state
        for line in lines(peer.db, room, limit=1000)
        if isinstance(line.said, Text)
    }


def content_of(peer: Peer, room: bytes, text: str) -> bytes:
    """Return the content id of a text."""
    (found,) = [line.content_id for line in lines(peer.db, room) if line.text == text]
    assert found is not None
    return found


def line_of(peer: Peer, room: bytes, text: str) -> Line:
    """Return the line of a text."""
    (found,) = [line for line in lines(peer.db, room) if line.text == text]
    return found
