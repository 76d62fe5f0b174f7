"""A room as the server has it in memory, and the rule by which its log grows.

The rule is public and every receiver applies it too, at the entry's place in the log:

    handshake   names the newest handshake before it, or it is a conflict
    message     names a handshake: for a kept body one of the newest eight that renew the room
                key, for a live body one of the newest eight; and none that closes came after it

Nothing here knows what is sealed.  What a commit changes of who gets the entries stands in its
header, and every client checks that it equals the commit.
"""

from collections import OrderedDict
from typing import TYPE_CHECKING

import msgspec

from alcove.wire.entries import HandshakeHeader, History, MessageHeader, Role
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import Kind, MemberState

if TYPE_CHECKING:
    from alcove.server.tx import Tx

KEYS_MAX = 8
"""How many room keys, or epochs, a message may be behind."""
ROOMS_MAX = 20_000
"""How many rooms are kept in memory."""
MEMBERS_MAX = 500_000
"""How many members they have together: that many take some 200 MiB."""
HANDSHAKE, KEPT, LIVE, NOTICE = range(4)
"""The forms of entries, as the table keeps them."""
FORMS = {"kept": KEPT, "live": LIVE, "notice": NOTICE}


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """A handshake that messages may still name."""

    seq: int
    name: bytes
    renews: bool


class Paused(msgspec.Struct):
    """When something that needs pauses was done last, and lately by whom."""

    barrier_at: int = 0
    closing_at: int = 0
    healing_at: int = 0
    accounts: dict[bytes, int] = {}
    devices: dict[bytes, int] = {}


class Guest(msgspec.Struct):
    """An account in a room."""

    role: Role
    state: MemberState


class RoomState:
    """A room: its newest places, keys and members."""

    __slots__ = (
        "accounts",
        "chain",
        "closing_seq",
        "created_by",
        "epochs",
        "head",
        "history",
        "keep_ms",
        "keys",
        "kind",
        "leaving",
        "members",
        "number",
        "paused",
        "recent",
        "room",
    )

    def __init__(self, number: int, room: bytes, kind: Kind, created_by: bytes | None) -> None:
        self.number = number
        self.room = room
        self.kind = kind
        self.created_by = created_by
        self.head = 0
        self.chain = NOTHING_BEFORE
        self.closing_seq = 0
        self.history: History = "open"
        self.keep_ms = 0
        self.recent: list[Mark] = []
        self.keys: dict[bytes, int] = {}
        self.epochs: dict[bytes, int] = {}
        self.members: dict[bytes, bytes] = {}
        """Device to account, for all that are routed."""
        self.accounts: dict[bytes, Guest] = {}
        self.leaving: dict[bytes, None] = {}
        """Devices that said they leave: routed no longer, and anyone may commit their Remove."""
        self.paused = Paused(accounts={}, devices={})

    @property
    def handshake(self) -> bytes:
        """Return the name of the newest handshake."""
        return self.recent[-1].name if self.recent else NOTHING_BEFORE

    def is_active(self, device: bytes) -> bool:
        """Return whether a device may read and write here."""
        account = self.members.get(device)
        return (
            account is not None
            and self.accounts[account].state == "active"
            and device not in self.leaving
        )

    def mark(self, mark: Mark) -> None:
        """Remember a new handshake, and forget those that no message may name any more."""
        self.recent.append(mark)
        renewing = [one for one in self.recent if one.renews][-KEYS_MAX:]
        newest = self.recent[-KEYS_MAX:]
        self.recent = [one for one in self.recent if one in renewing or one in newest]
        self.keys = {one.name: one.seq for one in renewing}
        self.epochs = {one.name: one.seq for one in newest}

    def judge_message(self, header: MessageHeader) -> None:
        """Refuse a message whose key is closed or too old."""
        if (header.form == "notice") != (header.notice is not None):
            raise Refused(Code.BAD_HEADER)
        if header.form == "notice":
            return
        seq = (self.keys if header.form == "kept" else self.epochs).get(header.key or b"")
        if seq is None:
            raise Refused(Code.OLD_KEY)
        if seq < self.closing_seq:
            raise Refused(Code.CLOSED)

    def judge_handshake(self, header: HandshakeHeader) -> None:
        """Refuse a handshake that does not follow the newest one."""
        if header.before != self.handshake:
            raise Refused(Code.CONFLICT, head=self.handshake)


def load_room(tx: "Tx", room: bytes) -> RoomState | None:
    """Read a room from the database."""
    line = tx.one(
        """
        SELECT number, kind, created_by, history, keep_ms, closing_seq, recent, paused
        FROM room WHERE room = ?
        """,
        room,
    )
    if line is None:
        return None
    number, kind, created_by, history, keep_ms, closing_seq, recent, paused = line
    state = RoomState(number, room, kind, created_by)
    state.history, state.keep_ms, state.closing_seq = history, keep_ms, closing_seq
    for mark in msgspec.msgpack.decode(recent, type=list[Mark]):
        state.mark(mark)
    state.paused = msgspec.msgpack.decode(paused, type=Paused)
    last = tx.one("SELECT seq, chain FROM entry WHERE room = ? ORDER BY seq DESC LIMIT 1", number)
    if last is not None:
        state.head, state.chain = last
    for account, role, guest_state in tx.all(
        "SELECT account, role, state FROM room_account WHERE room = ? ORDER BY account", number
    ):
        state.accounts[account] = Guest(role, guest_state)
    for device, account, left_at in tx.all(
        "SELECT device, account, left_at FROM member WHERE room = ? ORDER BY device", number
    ):
        state.members[device] = account
        if left_at is not None:
            state.leaving[device] = None
    return state


class Rooms:
    """The rooms that were used last."""

    def __init__(self, rooms_max: int = ROOMS_MAX, members_max: int = MEMBERS_MAX) -> None:
        self._rooms: OrderedDict[bytes, RoomState] = OrderedDict()
        self._sizes: dict[bytes, int] = {}
        self._members = 0
        self._rooms_max, self._members_max = rooms_max, members_max

    def get(self, room: bytes) -> RoomState | None:
        """Return a room if it is in memory."""
        state = self._rooms.get(room)
        if state is not None:
            self._rooms.move_to_end(room)
        return state

    def put(self, state: RoomState) -> None:
        """Remember a room; those that were not used for the longest time go."""
        self._rooms[state.room] = state
        self.weigh(state)
        while len(self._rooms) > 1 and (
            len(self._rooms) > self._rooms_max or self._members > self._members_max
        ):
            self.drop(next(iter(self._rooms)))

    def weigh(self, state: RoomState) -> None:
        """Count the members of a room that is in memory."""
        if state.room in self._rooms:
            size = len(state.members) + len(state.accounts)
            self._members += size - self._sizes.get(state.room, 0)
            self._sizes[state.room] = size

    def drop(self, room: bytes) -> None:
        """Forget a room, so that it is read again."""
        self._rooms.pop(room, None)
        self._members -= self._sizes.pop(room, 0)

    def clear(self) -> None:
        """Forget all rooms, after a transaction that failed."""
        self._rooms.clear()
        self._sizes.clear()
        self._members = 0
