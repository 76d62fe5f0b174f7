"""Rooms as clients make them, and the messages that a workload sends to them.

To the server a commit is a header and bytes that it cannot read, and a message is too.  So nothing
is sealed here: bodies are random bytes of the size that sealed ones have.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from alcove.wire.chats import Answer
from alcove.wire.codec import encode
from alcove.wire.entries import (
    Append,
    Appended,
    Entries,
    HandshakeHeader,
    MessageHeader,
    NewEntry,
    Read,
    Routing,
    Stored,
)
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name
from alcove.wire.rooms import CreateRoom, Kind
from benches.server.link import Device, masked

BODY_BYTES: Final = 450
"""What a text of 300 bytes becomes when it is signed, padded and sealed."""
COMMIT_BYTES: Final = 2_000
"""What a commit in a small room has, its GroupInfo included."""
MESSAGES_MAX: Final = 256
"""How many requests one frame may hold."""

_NUMBER: Final = 8
_UINT64: Final = b"\xcf"


@dataclass(frozen=True)
class Room:
    """A room, and what its messages name."""

    room: bytes
    key: bytes
    """The name of the newest handshake, whose room key seals messages."""
    head: int
    """The place of the newest entry when the room was made."""


async def make_room(owner: Device, others: Sequence[Device], kind: Kind = "group") -> Room:
    """Make a room and route others there; who is asked first, accepts."""
    room = os.urandom(16)
    person = owner.person
    found = HandshakeHeader(
        person.device, NOTHING_BEFORE, renews=True, routing=Routing((person.member,))
    )
    first = NewEntry(encode(found), os.urandom(COMMIT_BYTES))
    before = entry_name(room, first.header, first.body)
    adds = tuple(one.person.member for one in others)
    add = HandshakeHeader(person.device, before, renews=True, routing=Routing(adds))
    second = NewEntry(encode(add), os.urandom(COMMIT_BYTES))
    partner = others[0].person.account if kind == "direct" else None
    request = CreateRoom(
        id=owner.next_id(), room=room, kind=kind, entries=(first, second), partner=partner
    )
    appended = await owner.do(request)
    assert isinstance(appended, Appended)
    for other in others:
        if other.person.account in appended.pending:
            await other.do(Answer(id=other.next_id(), rooms=(room,), accept=True))
    return Room(room, entry_name(room, second.header, second.body), appended.first + 1)


async def follow(device: Device, room: bytes, since: int = 0) -> int:
    """Read a room to its end, be pushed what comes after, and return the place of the end."""
    while True:
        position = Position(device.incarnation, since)
        page = await device.do(Read(id=device.next_id(), room=room, since=position, follow=True))
        assert isinstance(page, Entries)
        since = page.entries[-1].seq if page.entries else since
        if not page.more:
            return since


class Messages:
    """The messages of one device to one room, numbered from 0, ready to be sent.

    All but two numbers is the same in each: they are written into bytes that were encoded once.
    """

    def __init__(self, device: Device, room: Room) -> None:
        self.device = device
        self.room = room.room
        self.body = os.urandom(BODY_BYTES)
        self.stream = os.urandom(8)
        """What the content ids of these messages begin with."""
        self.sent_at = array("d")
        """When each of them was sent."""
        mark = os.urandom(_NUMBER)
        header = encode(
            MessageHeader(device.person.device, self.stream + mark, "kept", key=room.key)
        )
        self._header_bytes = len(header)
        self._content_at = header.index(self.stream)
        self._number_at = header.index(mark)
        request_id = 2**53 - 1
        whole = encode(
            Append(id=request_id, room=room.room, entries=(NewEntry(header, self.body),))
        )
        self._front, rest = whole.split(mark)
        self._middle, self._back = rest.split(request_id.to_bytes(_NUMBER, "big"))
        assert self._middle.endswith(_UINT64)

    def take(self, count: int, now: float) -> list[bytes]:
        """Return the parts of the next messages, which are sent at this moment."""
        front, middle, back = self._front, self._middle, self._back
        number = len(self.sent_at)
        self.sent_at.extend([now] * count)
        parts: list[bytes] = []
        for each in range(number, number + count):
            parts += (front, each.to_bytes(_NUMBER, "big"), middle, self._next_id(), back)
        return parts

    def _next_id(self) -> bytes:
        device = self.device
        device.counter = counter = device.counter + 1
        return counter.to_bytes(_NUMBER, "big")

    def number_of(self, entry: Stored) -> int | None:
        """Return the number of an entry, or None when it is not one of these as it was sent."""
        header, at = entry.header, self._number_at
        if (
            entry.body != self.body
            or len(header) != self._header_bytes
            or header[self._content_at : at] != self.stream
        ):
            return None
        return int.from_bytes(header[at : at + _NUMBER], "big")


def framed(count: int, parts: Sequence[bytes]) -> bytes:
    """Return a client's frame that holds so many messages."""
    assert 0 < count <= MESSAGES_MAX
    head = bytes((0x90 | count,)) if count < 16 else b"\xdc" + count.to_bytes(2, "big")
    return masked(b"".join((head, *parts)))
