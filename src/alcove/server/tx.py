"""The open transaction, and all else that a handler may reach.

Many requests share one transaction: their entries and answers are gathered and written together,
before the next statement that could look at them and at the latest before the commit.  When one
request fails after it has written, its part alone is undone: the others do not notice.

Undone with a refused request is what it changed in the database, the entries that it added, what
others would have been told, and the audit events of what it did; rooms that it touched are read
again.  What counts tries is not undone: pauses, buckets, challenges that were used, who was there,
and audit events that are attempts.  A guess must not be free because it was wrong.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from alcove.server.answers import Answers
from alcove.server.audit import Audit
from alcove.server.auth import ServerKeys
from alcove.server.caller import Caller
from alcove.server.effects import Effect, ToAccount, ToDevices
from alcove.server.limits import Buckets, Pauses
from alcove.server.presence import Presence
from alcove.server.roomstate import Rooms, RoomState, load_room
from alcove.server.settings import Settings
from alcove.server.space import Space
from alcove.server.store.database import Connection, Line, Value
from alcove.wire.base import Push
from alcove.wire.codec import encode
from alcove.wire.errors import Code, Refused

ENTRIES = "entry (room, seq, at, form, header, body, chain, expires_at)"


class World:
    """What outlives a transaction: settings, secrets, entropy, and what is remembered in memory."""

    def __init__(
        self, settings: Settings, keys: ServerKeys, random: Callable[[int], bytes], incarnation: int
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.random = random
        self.incarnation = incarnation
        self.certificate: bytes | None = None
        """SHA-256 of the server's certificate, if it made that itself: it travels in links."""
        self.rooms = Rooms()
        self.audit = Audit()
        self.answers = Answers()
        self.pauses = Pauses(100_000)
        self.buckets = Buckets(100_000)
        self.presence = Presence(settings.presence_pause_ms)
        self.space = Space()
        self.challenges: dict[bytes, int] = {}
        """Challenges for the HTTP door that nobody has signed yet, and until when they may be."""


class Tx:
    """A transaction on one connection, for one batch of requests or for reading."""

    def __init__(self, connection: Connection, world: World, now: int) -> None:
        self._connection = connection
        self._world = world
        self.now = now
        self.settings = world.settings
        self.keys = world.keys
        self.random = world.random
        self.incarnation = world.incarnation
        self.certificate = world.certificate
        self.pauses = world.pauses
        self.presence = world.presence
        self.space = world.space
        self.buckets = world.buckets
        self.challenges = world.challenges
        self.caller: Caller | None = None
        self.effects: list[Effect] = []
        self._entries: list[tuple[Value, ...]] = []
        self._entries_before = 0
        self._touched: dict[bytes, None] = {}
        self._events: list[tuple[bool, tuple[Any, ...]]] = []
        """The request's events, and whether they are attempts, until it is clear how it ends."""
        self._told: list[Effect] = []
        """What the audit has to tell of events that were written before the end of the batch."""
        self._is_marked = False

    # ---- The database ----

    def all(self, sql: str, *values: Value) -> list[Line]:
        """Return every line of the result."""
        if self._entries:
            self._settle()
        return self._connection.all(sql, *values)

    def one(self, sql: str, *values: Value) -> Line | None:
        """Return the first line of the result, or None."""
        if self._entries:
            self._settle()
        return self._connection.one(sql, *values)

    def run(self, sql: str, *values: Value) -> int:
        """Change something and return how many lines were changed."""
        self._mark()
        return self._connection.run(sql, *values)

    def change(self, sql: str, *values: Value) -> list[Line]:
        """Change something and return what the statement says of the lines that it changed."""
        self._mark()
        return self._connection.all(sql, *values)

    def insert(self, into: str, lines: list[tuple[Value, ...]]) -> None:
        """Add many lines; `into` is `table (column, ...)`."""
        if lines:
            self._mark()
            self._connection.insert(into, lines)

    # ---- Rooms ----

    def room(self, room: bytes) -> RoomState | None:
        """Return a room as it stands now, with what this batch has done to it."""
        state = self._world.rooms.get(room)
        if state is None:
            state = load_room(self, room)
            if state is not None:
                self._world.rooms.put(state)
        return state

    def known_room(self, room: bytes) -> RoomState:
        """Return a room, or refuse."""
        state = self.room(room)
        if state is None:
            raise Refused(Code.UNKNOWN)
        return state

    def remember_room(self, state: RoomState) -> None:
        """Keep a room that a request is about to make."""
        self._world.rooms.put(state)
        self._touched[state.room] = None

    def touch(self, state: RoomState) -> None:
        """Say that a request is about to change a room: should it fail, the room is read again."""
        self._world.rooms.weigh(state)
        self._touched[state.room] = None

    def forget_room(self, room: bytes) -> None:
        """Say that a room was changed by other means than its state in memory."""
        self._world.rooms.drop(room)
        self._touched[room] = None  # It may be read again before the request is refused.

    def add_entry(self, line: tuple[Value, ...]) -> None:
        """Add a line to `entry`, together with those of other requests."""
        self._entries.append(line)

    # ---- What devices were told ----

    def highest_request(self, device: bytes) -> int:
        """Return the highest request id that a device has used."""
        return self._world.answers.highest(self._connection, device)

    def erase_answers(self, device: bytes, lines: int) -> int:
        """Erase so many lines of answers of a device that asks no more; return how many it were."""
        self._mark()
        return self._world.answers.erase(self._connection, device, lines)

    # ---- What others are told ----

    def push(self, devices: tuple[bytes, ...], push: Push) -> None:
        """Tell some devices, after the commit and where they are connected."""
        self.effects.append(ToDevices(devices, encode(push)))

    def push_account(self, account: bytes, push: Push, *, but: bytes = b"") -> None:
        """Tell all devices of an account, after the commit and where they are connected."""
        self.effects.append(ToAccount(account, encode(push), but))

    def audit(
        self,
        kind: str,
        account: bytes | None,
        /,
        *,
        is_attempt: bool = False,
        is_quiet: bool = False,
        is_suspicious: bool = False,
        by: bytes | None = None,
        **detail: str | int,
    ) -> None:
        """Write down what the request does, unless it is refused in the end.

        An attempt is what it tried or why it fails: it is written down in any case.  Quietly means
        without who did it and from where, for an account that must not learn that of another one.
        `by` is the device that does it, where that is not the caller's.
        """
        caller = None if is_quiet else self.caller
        device = by or (caller.device if caller else b"")
        address = caller.address if caller else ""
        event = (self.now, kind, account, device, address, detail, is_suspicious)
        self._events.append((is_attempt, event))

    # ---- One request of many ----

    def begin_request(self, caller: Caller) -> None:
        """Begin one request of a batch."""
        self.caller = caller
        self.effects = []
        self._entries_before = len(self._entries)
        self._touched.clear()

    def end_request(self) -> list[Effect]:
        """End a request that was carried out, and return what it does to others."""
        self._gather_events(is_done=True)
        if self._is_marked:
            self._connection.run("RELEASE SAVEPOINT request")
            self._is_marked = False
        return self.effects

    def undo_request(self) -> None:
        """Undo what a request has done that was refused after all."""
        if self._is_marked:
            self._entries.clear()  # Those of before stood in the database when the mark was set.
            self._connection.run("ROLLBACK TO SAVEPOINT request")
            self._connection.run("RELEASE SAVEPOINT request")
            self._is_marked = False
        else:
            del self._entries[self._entries_before :]
        if self._touched:
            self._flush()
            for room in self._touched:
                self._world.rooms.drop(room)
        self._gather_events(is_done=False)
        self.effects = []

    def _gather_events(self, *, is_done: bool) -> None:
        for is_attempt, event in self._events:
            if is_done or is_attempt:
                self._world.audit.add(*event)
        self._events.clear()

    def _mark(self) -> None:
        """Before a request's first change: what others did is flushed, and can be returned to."""
        if not self._is_marked:
            mine = self._entries[self._entries_before :]
            del self._entries[self._entries_before :]
            self._flush()
            self._connection.run("SAVEPOINT request")
            self._is_marked = True
            self._entries = mine
            self._entries_before = 0
        if self._entries:
            self._flush()

    def _settle(self) -> None:
        """Before a statement that may look at entries: what is gathered is written."""
        if len(self._entries) > self._entries_before:
            self._mark()
        else:
            self._flush()

    def _flush(self) -> None:
        if self._entries:
            self._connection.insert(ENTRIES, self._entries)
            self._entries = []
            self._entries_before = 0

    # ---- The whole batch ----

    def settle(self) -> None:
        """Write the entries, events and answers of the requests before this one.

        For a request that must find all of them in the database.  It comes before the request's
        first change, because what others did must not be undone with it.
        """
        assert not self._is_marked, "others' part would be undone with this request's"
        self._flush()
        self._world.answers.write(self._connection, self.now)
        self._told += self._world.audit.write(self._connection)

    def finish(self) -> list[Effect]:
        """Write what is still gathered, and return what the audit has to tell."""
        self._flush()
        self._world.answers.write(self._connection, self.now)
        return [*self._told, *self._world.audit.write(self._connection)]


def digest(data: bytes) -> bytes:
    """Return SHA-256, the hash of everything that the protocol names by hash."""
    return hashlib.sha256(data).digest()


def refuse_unless(condition: object, code: Code, why: str | None = None) -> None:
    """Refuse a request unless something holds."""
    if not condition:
        raise Refused(code, why)
