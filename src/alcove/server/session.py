"""The server's side of one connection, as a machine with five verbs.

                   Hello              SignIn, carried out
    Waiting ────────────► Greeted ──────────────────► Signed in        Any ── close ──► Ended

    receive(frame, now)   a frame came            events()     jobs for the handlers, drained
    tick(now)             time passed             requests()   bytes to send, drained
    deadline()            call tick no later

The owner's own commands are `answer`, `push` and `end`.  A connection that reads too slowly is
not given pushes any more.  Once it has caught up it gets one nudge for each room that grew, and one
push that says whether anything else was left out: all that matters is in the database, and what
waits here is bounded.
"""

import msgspec

from alcove.server.batch import Job
from alcove.server.caller import Caller
from alcove.server.door import Door
from alcove.server.effects import Arrived
from alcove.wire.base import Request
from alcove.wire.codec import FRAME_MESSAGES_MAX, decode_requests, encode
from alcove.wire.entries import Nudge
from alcove.wire.errors import Code, Refused
from alcove.wire.greeting import Goodbye, Greeting, Hello, Missed, SignIn

PUSH_BYTES_MAX = 64 * 1024
"""What is larger is not pushed to everyone but nudged, and read by who wants it."""
PINGS_MAX = 30
"""Pings of one connection in ten seconds: more than any program needs."""
PINGS_MS = 10_000
"""The time over which pings are counted."""

FRAME_BYTES = 1024 * 1024
"""A frame is cut here, unless its first message is larger: nobody has to hold much at a time."""
REFUSALS_MAX = 1000
"""How many requests in a row are refused as too many before their connection is ended."""

_SMALL_LIST = 16
_NO_ROOM = b""
"""Stands among the nudges for other pushes that were left out, so that nothing more is looked at
for those who read fast."""


def frame_of(messages: list[bytes]) -> bytes:
    """Return the frame that holds these encoded messages: a msgpack list."""
    count = len(messages)
    start = bytes((0x90 | count,)) if count < _SMALL_LIST else b"\xdc" + count.to_bytes(2, "big")
    return start + b"".join(messages)


class Session:
    """One connection, from hello to goodbye."""

    __slots__ = (
        "_challenge",
        "_door",
        "_hello_by",
        "_jobs",
        "_messages",
        "_nudges",
        "_pings",
        "_pings_since",
        "_reads",
        "_refusals",
        "_strikes",
        "_writes",
        "backlog_bytes",
        "caller",
        "client",
        "follows",
        "goodbye",
        "has_left",
        "is_greeted",
        "known",
        "number",
        "received_bytes",
        "silent_looks",
        "waiting_bytes",
    )

    def __init__(self, door: Door, address: str, challenge: bytes, now: int) -> None:
        door.opened += 1
        self.number = door.opened
        """Which connection this is, in the order in which they were opened."""
        self._door = door
        self._challenge = challenge
        self._hello_by: int | None = now + door.settings.hello_timeout_s * 1000
        self._jobs: list[Job] = []
        self._messages: list[bytes] = []
        self._nudges: dict[bytes, int] = {}
        self._reads = 0
        self._writes = 0
        self._refusals = 0
        self._strikes = 0
        self._pings = 0
        self._pings_since = now
        self.backlog_bytes = 0
        """What the owner could not send yet; the owner keeps it."""
        self.silent_looks = 0
        """How often its owner has looked since it said something; the owner counts."""
        self.received_bytes = 0
        """What came in frames since the hub counted it."""
        self.waiting_bytes = 0
        """What came in frames since nothing waited for an answer: the owner takes no more than it
        can hold."""
        self.caller = Caller(address)
        self.client = ""
        self.follows: dict[bytes, int] = {}
        """The rooms of this device, and up to where this connection has their logs (-1: not)."""
        self.known: dict[bytes, int] = {}
        """How far the logs went of which this connection was last nudged."""
        self.goodbye: Code | None = None
        """Why this connection ends; the owner sends what waits and closes it."""
        self.is_greeted = False
        self.has_left = False
        """Whether the hub has forgotten this connection: nothing is gathered for it any more."""

    # ---- The five verbs ----

    def receive(self, frame: bytes, now: int) -> None:
        """Take a frame from the client."""
        settings = self._door.settings
        self.received_bytes += len(frame)
        small, most = settings.message_bytes_max, settings.handshake_bytes_max
        if not self.caller.device:  # Who is not known yet needs no more than registration takes.
            small = min(small, settings.unsigned_bytes_max)
            most = min(most, settings.unsigned_bytes_max)
        try:
            requests = decode_requests(frame, small, most)
        except Refused as refused:
            self._refuse(refused, now)
            self._strikes += 1
            if self._strikes >= settings.bad_frames_max or refused.code == Code.TOO_LARGE:
                self.end(refused.code)
            return
        for request in requests:
            try:
                self._take(request, now)
                self._refusals = 0
            except Refused as refused:
                self._refuse(refused, now, request)
                if refused.code in (Code.TOO_MANY, Code.BUSY):
                    self._refusals += 1
                    if self._refusals > REFUSALS_MAX:
                        self.end(Code.TOO_MANY)
        if self._jobs:
            self.waiting_bytes += len(frame)

    def ping(self, now: int) -> None:
        """Take a ping or its answer; who sends them without end is sent away."""
        if now - self._pings_since >= PINGS_MS:
            self._pings, self._pings_since = 0, now
        self._pings += 1
        if self._pings > PINGS_MAX:
            self.end(Code.TOO_MANY)
            self._door.notice(Code.TOO_MANY, self.caller, now, None)

    def tick(self, now: int) -> None:
        """End a connection that has not said hello or signed in in time."""
        if self._hello_by is None:
            return
        # A clock that was set back must not give anybody more time.
        self._hello_by = min(self._hello_by, now + self._door.settings.hello_timeout_s * 1000)
        if now >= self._hello_by:
            self.end(Code.HELLO_FIRST if not self.is_greeted else Code.SIGN_IN_FIRST)

    def deadline(self) -> int | None:
        """Return when `tick` should be called at the latest."""
        return self._hello_by

    def requests(self) -> bytes:
        """Drain what is to be sent, a frame at a time; empty when there is nothing more."""
        if self._nudges and self.backlog_bytes == 0:
            if self._nudges.pop(_NO_ROOM, None) is not None:
                self._messages.append(encode(Missed()))
            for room, head in self._nudges.items():
                self._messages.append(encode(Nudge(room=room, head=head)))
            self._nudges = {}
        if not self._messages:
            return b""
        count = size = 0
        for message in self._messages[:FRAME_MESSAGES_MAX]:
            size += len(message)
            if count and size > FRAME_BYTES:
                break
            count += 1
        messages = self._messages[:count]
        del self._messages[:count]
        return frame_of(messages)

    def events(self) -> list[Job]:
        """Drain the jobs that the handlers are to carry out."""
        jobs, self._jobs = self._jobs, []
        return jobs

    # ---- The owner's commands ----

    def answer(self, reply: bytes, *, reads: bool) -> None:
        """Say what came of a job."""
        if reads:
            self._reads -= 1
        else:
            self._writes -= 1
        if not (self._writes or self._reads):
            self.waiting_bytes = 0
        self._messages.append(reply)

    def push(self, message: bytes) -> None:
        """Say something unasked, unless this connection reads too slowly to be told."""
        if self.goodbye is not None or self.has_left:
            return
        if self.backlog_bytes <= self._door.outgoing_max:
            self._messages.append(message)
        else:
            self._nudges[_NO_ROOM] = 0

    def grow(self, room: bytes, first: int, last: int, message: bytes) -> None:
        """Pass on what was added to a room, or nudge when something is missing before it."""
        if (
            self.follows.get(room, -1) == first - 1
            and len(message) <= PUSH_BYTES_MAX
            and self.backlog_bytes <= self._door.outgoing_max
        ):
            self.follows[room] = last
            self._messages.append(message)
            return
        self.follows[room] = -1
        self.known[room] = last
        self._nudges[room] = last

    def follow(self, room: bytes, seq: int) -> None:
        """Note that a page has brought this connection to the end of a room's log."""
        head = self.known.pop(room, 0)
        if head > seq:  # Something came while the page was being read.
            self._nudges[room] = head
        else:
            self.follows[room] = seq

    def sign_in(self, arrived: Arrived) -> None:
        """Note whose connection this is from now on."""
        self._hello_by = None
        self.caller = Caller(
            self.caller.address, "socket", arrived.account, arrived.device, arrived.name,
            arrived.is_host, self.client, self.caller.version,
        )  # fmt: skip
        self.follows = dict.fromkeys(arrived.rooms, -1)

    def end(self, code: Code) -> None:
        """End this connection after what waits has been sent."""
        if self.goodbye is None:
            self.goodbye = code
            refused = Refused(code)
            self._messages.append(encode(Goodbye(code=code, why=refused.why)))

    # ---- One request ----

    def _take(self, request: Request, now: int) -> None:
        door = self._door
        if self.goodbye is not None:
            return
        if isinstance(request, Hello):
            self._greet(request, now)
            return
        if not self.is_greeted:
            self.end(Code.HELLO_FIRST)
            return
        handler = door.admit(self.caller, request, now)
        if isinstance(request, SignIn):
            if self.caller.device or not self._challenge:
                raise Refused(Code.MALFORMED, "A connection signs in once; connect again.")
            request = msgspec.structs.replace(request, challenge=self._challenge)
            self._challenge = b""  # It works once.
        if handler.writes:
            if self._writes >= door.settings.in_flight_max:
                raise Refused(Code.BUSY)
            self._writes += 1
        else:
            if self._reads >= door.settings.reads_max:
                raise Refused(Code.BUSY)
            self._reads += 1
        self._jobs.append(Job(self.caller, request))

    def _greet(self, hello: Hello, now: int) -> None:
        if self.is_greeted:
            raise Refused(Code.MALFORMED, "A connection says hello once.")
        greeting = self._door.greet(hello, self._challenge, now)
        self._messages.append(encode(greeting))
        if isinstance(greeting, Greeting):
            self.is_greeted = True
            self.client = hello.client
            self.caller = Caller(self.caller.address, client=hello.client, version=greeting.version)
        else:
            self.end(Code.VERSION)

    def _refuse(self, refused: Refused, now: int, request: Request | None = None) -> None:
        kind, number = (None, 0) if request is None else (type(request), request.id)
        self._messages.append(encode(refused.reply(number)))
        self._door.notice(refused.code, self.caller, now, kind)
