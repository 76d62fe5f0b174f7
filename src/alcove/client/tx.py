"""What one step of the engine may touch: the open transaction, the dice, what it asks and tells.

Every function that changes something is given a `Tx` and nothing else of the world, as the server's
handlers are.  What is asked and told leaves after the transaction has committed, and not at all
when it did not: store before you speak.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from alcove.client.errors import UsageError
from alcove.client.events import Event
from alcove.client.keys.suite import SUITE
from alcove.client.lanes import frame_of
from alcove.client.replies import COUNTED
from alcove.client.store.database import Database, Line, Value
from alcove.mls import Group, SigningKey
from alcove.wire.base import Request
from alcove.wire.codec import decode_requests, encode
from alcove.wire.errors import Refused
from alcove.wire.greeting import SignedIn
from alcove.wire.ids import Millis

READS_FROM = 2**52
"""Numbers of requests that only ask begin here: they need not be told apart after a restart."""

BATCH_ENTRIES = 63
"""Messages in one request: with the commit behind them as many as most servers take."""


UNKNOWN: Millis = -1
"""In place of a time that has to be looked up."""
STATEMENTS_KEPT = 2_000
"""More than there are."""
_WRITTEN = re.compile(
    r"\b(?:(?:INTO|UPDATE|DELETE FROM)\s+(room|alarm|stay|rank|posting|handshake)"
    r"|DELETE FROM\s+(entry))\b"
)
"""Statements that change what is remembered of a table.  An entry that is there stays as it is."""


class Me(NamedTuple):
    """Who this device is."""

    account: bytes
    name: str
    device: bytes
    server: bytes
    """The server's public key, as it was pinned."""
    key: SigningKey
    """This device's."""
    identity: bytes
    """The account's public identity key."""
    certificate: bytes
    """A `SignedCertificate` in msgpack: the newest one of this device."""
    archive_key: bytes
    """The public key to which the archive is sealed."""
    state: str
    """new, in, revoked or restored."""


class Asked(NamedTuple):
    """A request that waits for its answer."""

    request: Request
    answered_by: str
    """A name in `engine.ANSWERS`."""
    note: bytes


class Memory:
    """What an engine remembers between two steps, and could do without."""

    due: Millis | None = UNKNOWN
    """When the first alarm rings; None for never."""
    search_edge: int | None = None
    """The number of the newest line that the index of the search knows; None: not looked."""
    search_tail = 0
    """How many lines come after that one, at most."""

    def __init__(self) -> None:
        self.me: Me | None = None
        self.groups: dict[bytes, tuple[int, Group]] = {}
        """Groups by room, with the version under which each is stored."""
        self.asked: dict[int, Asked] = {}
        """Requests that only ask, by number, in the order in which they were made."""
        self.number = READS_FROM
        self.is_signed_in = False
        self.offers = 0
        """How often its lists were offered since the server turned this device away."""
        self.entered: SignedIn | None = None
        """What the server said to a device that does not know yet whose it is."""
        self.now: Millis = 0
        """The time at the last step, to notice when the clock is set back."""
        self.clock: Millis = 0
        """The time as it stands on the disk, at most a few seconds behind."""
        self.reading: dict[bytes, int] = {}
        """Rooms whose log is being read, with the number of the request."""
        self.placed: dict[bytes, int] = {}
        """Up to where logs must be read, because something of our own stands there."""
        self.sought: dict[bytes, int] = {}
        """How often the place that a Welcome leads to was looked for in vain, by room."""
        self.tries: dict[tuple[str, bytes], int] = {}
        """How often something was tried in vain, by what it is and the room."""
        self.alone: dict[bytes, tuple[bytes, dict[int, str]]] = {}
        """Rooms whose wishes are tried one by one after a handshake, with those that have failed:
        see `rooms.changes`."""
        self.closed_slots: dict[bytes, None] = {}
        """Rooms with slots under keys that are not here yet."""
        self.has_letters = False
        """Whether there is word of a letter that came after the inbox was asked for."""
        self.listed: dict[bytes, None] = {}
        """Rooms that the server's list has named, while its pages come."""
        self.keys: dict[tuple[bytes, bytes], Any] = {}
        """Room keys that were used lately, by room and name."""
        self.signals: dict[bytes, tuple[int, bytes]] = {}
        """Keys of signals by room, with the epoch of each."""
        self.typed: dict[bytes, Millis] = {}
        """When the owner was last said to be typing, by room."""
        self.walks: dict[bytes, Any] = {}
        """Handshakes of the past that are being followed, by room, while their pages come."""
        self.surveys: dict[bytes, Any] = {}
        """How far a room that this device comes into was surveyed, while its pages come."""
        self.presence: dict[bytes, str] = {}
        """How others are there, as the server says."""
        self.between: dict[bytes, Any] = {}
        """What holds between two handshakes of a room's log: see `rooms.members`."""
        self.compared: dict[bytes, None] = {}
        """Accounts whose newest list was asked for since the line came up."""
        self.batch_entries = BATCH_ENTRIES
        """How many messages one request carries: fewer once the server has found them too many."""

    def forget(self, asked: frozenset[int]) -> None:
        """Forget what a step that has failed may have left here, and its questions: none was sent.

        `asked` are the numbers of the questions before it.
        """
        self.asked = {number: one for number, one in self.asked.items() if number in asked}
        self.reading = {room: number for room, number in self.reading.items() if number in asked}
        self.me = None
        self.groups.clear()
        self.keys.clear()
        self.between.clear()
        self.due = UNKNOWN
        self.signals.clear()
        self.compared.clear()
        self.alone.clear()
        self.search_edge = None


def checked(request: Request) -> bytes:
    """Return a request in msgpack, if it has the form that the protocol asks for.

    What cannot be read again must not be stored: it would stand in the way for ever.
    """
    body = encode(request)
    try:
        decode_requests(frame_of([body]), len(body))  # How large it may be, the server says.
    except Refused as refused:
        raise UsageError(refused.why) from None
    return body


@lru_cache(maxsize=STATEMENTS_KEPT)
def _written(sql: str) -> str:
    """Return which of these tables a statement writes; empty for none of them."""
    found = _WRITTEN.search(sql)
    return "" if found is None else found[1] or found[2]


class Tx:
    """One step."""

    def __init__(
        self, db: Database, memory: Memory, random: Callable[[int], bytes], now: Millis
    ) -> None:
        self.db, self.memory, self.random, self.now = db, memory, random, now
        self.sent: list[Request] = []
        """What leaves after the commit, in this order."""
        self.told: list[Event] = []
        """What the owner hears after the commit."""
        self.stirred: dict[bytes, None] = {}
        """Rooms to be looked after at the end of the step, in order."""
        self.unindexed: dict[int, tuple[str, str]] = {}
        """What the search shall find from the end of the step on: text and room, by the line."""
        self.rooms: dict[bytes, Any] = {}
        """Rooms as this step has read them: see `rooms.state`."""
        self.one, self.all = db.one, db.all

    # ---- Writing ----

    def run(self, sql: str, *values: Value) -> int:
        """Change something and return how many lines were changed.

        What is remembered of a table is forgotten here, so that nobody has to think of it.
        """
        table = _written(sql)
        if table == "room":
            self.rooms.clear()
        elif table == "alarm":
            self.memory.due = UNKNOWN
        elif table:
            self.memory.between.clear()
        return self.db.run(sql, *values)

    def many(self, sql: str, lines: Iterable[Iterable[Value]]) -> None:
        """Run one change for each of these lines; nothing is remembered of what is changed so."""
        assert not _written(sql)
        self.db.many(sql, lines)

    # ---- Who we are ----

    @property
    def me(self) -> Me:
        """Who this device is.  Only after it was decided."""
        if self.memory.me is None:
            line = self.one(
                """
                SELECT account, name, device, server, signing_key, identity, certificate,
                    archive_key, state
                FROM me
                """
            )
            assert line is not None, "there is no account yet"
            account, name, device, server, private, *rest = line
            key = SUITE.signing_key(private)
            self.memory.me = Me(account, name, device, server, key, *rest)
        return self.memory.me

    def change_me(self, column: str, value: Value) -> None:
        """Set one thing about this device."""
        assert column.isidentifier()
        self.run(f"UPDATE me SET {column} = ?", value)  # noqa: S608  # A name of ours.
        self.memory.me = None

    # ---- Asking and telling ----

    def ask(self, request: Request, answered_by: str, note: bytes = b"") -> int:
        """Ask something once.  When the line breaks the question is forgotten: ask again then."""
        if type(request) in COUNTED:
            number = self._count()
        else:
            number = self.memory.number = self.memory.number + 1
        numbered = msgspec.structs.replace(request, id=number)
        self.memory.asked[numbered.id] = Asked(numbered, answered_by, note)
        if self.memory.is_signed_in:
            self.sent.append(numbered)
        return numbered.id

    def order(self, request: Request, answered_by: str, note: bytes = b"") -> int:
        """Ask for a change, again and again, until there is an answer.  Returns its number."""
        numbered = msgspec.structs.replace(request, id=self._count())
        self.run(
            "INSERT INTO request (id, body, answered_by, note) VALUES (?, ?, ?, ?)",
            numbered.id, checked(numbered), answered_by, note,
        )  # fmt: skip
        if self.memory.is_signed_in:
            self.sent.append(numbered)
        return numbered.id

    def _count(self) -> int:
        """Return the next number of a request that counts."""
        number, sent = self.line("SELECT counter + 1, sent FROM me")
        sent = number if self.memory.is_signed_in else sent
        self.run("UPDATE me SET counter = ?, sent = ? WHERE one = 1", number, sent)
        return int(number)

    def tell(self, event: Event) -> None:
        """Let the owner hear something once it is stored."""
        self.told.append(event)

    # ---- Times and rooms ----

    def wake(self, kind: str, about: bytes, at: Millis) -> None:
        """Have something done at a time; an earlier one for the same stays."""
        self.db.run(
            """
            INSERT INTO alarm (kind, about, at) VALUES (?, ?, ?)
            ON CONFLICT (kind, about) DO UPDATE SET at = excluded.at WHERE at > excluded.at
            """,
            kind, about, at,
        )  # fmt: skip
        due = self.memory.due
        if due != UNKNOWN:
            self.memory.due = at if due is None else min(due, at)

    def stir(self, room: bytes) -> None:
        """Have a room looked after at the end of this step: what it waits for may be there now."""
        self.stirred[room] = None

    def line(self, sql: str, *values: Value) -> Line:
        """Return the one line that must be there."""
        line = self.one(sql, *values)
        assert line is not None
        return line
