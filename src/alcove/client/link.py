"""The client's side of its connection to the server, as a machine with five verbs.

                 Connect             opened            greeting            proof
    Idle ──────────────► Connecting ───────► Greeting ──────────► Greeted ──────► In
     ▲                       │                   │                   │            │
     │ waits 0.5 s to 60 s   ▼                   ▼                   ▼            ▼
     └─────────────────────────────────────── closed ◄─── Ending ◄─── Hangup

    receive(frame, now)   a frame came            events()     what to do and to hear, drained
    tick(now)             time passed             requests()   frames to send, drained
    deadline()            call tick no later

It is the mirror image of `alcove.server.session`.  When it is told `Connect` the owner opens a
connection and says `opened` or `closed`; when it is told `Hangup` it closes the connection and says
`closed`.  Its own commands are `connect`, `send`, `sign_in`, `hang_up` and `stop`.  Nothing that
waits here survives the line: the engine keeps what matters, and asks again when it hears `Entered`.
"""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import NamedTuple

import msgspec

from alcove.client.keys.suite import SUITE
from alcove.client.lanes import Lanes, frame_of
from alcove.client.link_events import (
    SILENT,
    WRONG_KEY,
    Connect,
    Down,
    Entered,
    Event,
    Greeted,
    Hangup,
    Heard,
    Said,
    TurnedAway,
    sentence,
)
from alcove.client.replies import KEPT, REPLIES, UNSIGNED
from alcove.mls import SigningKey
from alcove.mls.errors import CryptoError
from alcove.wire.base import Push, Reply, Request
from alcove.wire.codec import (
    HANDSHAKE_BYTES_MAX,
    MESSAGE_BYTES_MAX,
    decode_answers,
    decode_requests,
    encode,
)
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.greeting import (
    OLDEST_VERSION,
    VERSION,
    Goodbye,
    Greeting,
    Hello,
    SignedIn,
    SignIn,
)
from alcove.wire.ids import Millis
from alcove.wire.signed import proof_bytes, sign_in_bytes

FRAME_BYTES_MAX = 17 * 1024 * 1024
"""The largest frame that is taken: one message with the largest handshake that a host may allow,
and what is around it.  Smaller messages come in frames of a MiB."""
RETRY_MIN_MS = 500
"""How long the first new try waits.  Each one waits twice as long as the one before."""
RETRY_MAX_MS = 60_000
"""Tries wait no longer than this, unless the server says so."""
STABLE_MS = 60_000
"""After a connection that held so long, the waiting begins anew."""
RETRY_AFTER_MAX_MS = 60 * 60_000
"""No server can send anybody away for longer."""
DISABLED_MS = 10 * 60_000
"""A disabled account asks so seldom whether its host has thought again."""

OWN_FROM = 2**51
"""The numbers of what has none of the engine's begin here."""
OWN_END = 2**52
"""And end before this."""

FINAL = (WRONG_KEY, Code.VERSION, Code.REVOKED, Code.NOT_SIGNED, Code.CHANGED)
"""After these, another try would change nothing, or would fight with another program."""

_DOUBLINGS_MAX = 16


class State(Enum):
    """Where a link stands."""

    IDLE = auto()
    CONNECTING = auto()
    GREETING = auto()
    GREETED = auto()
    SIGNING = auto()
    """Between greeted and in: the signature is under way."""
    IN = auto()
    ENDING = auto()
    """The owner was told to hang up, and has not said `closed` yet."""


_STANDING = (State.GREETING, State.GREETED, State.SIGNING, State.IN)
_SPEAKING = (State.GREETED, State.SIGNING, State.IN)


class _Device(NamedTuple):
    """Who signs in."""

    id: bytes
    key: SigningKey


class Link:
    """The line of one device to its server."""

    def __init__(
        self, random: Callable[[int], bytes], client: str = "", server: bytes | None = None
    ) -> None:
        self._random, self._client = random, client
        self.server = server
        """The server's key, as it was pinned; None until the first greeting."""
        self.greeting: Greeting | None = None
        """What the server said on this connection, or on the last one."""
        self.state = State.IDLE
        self._device: _Device | None = None
        self._offers: tuple[Request, ...] = ()
        self._offered = 0
        self._is_wanted = False
        self._try_at = 0
        self._wait_ms = 0
        self._tries = 0
        self._opened_at: Millis | None = None
        self._was_in = False
        self._why = ""
        self._retry_after_ms: int | None = None
        self._number = OWN_FROM
        self._nonce = b""
        self._first: list[bytes] = []
        self._lanes = Lanes()
        self._later: list[Request] = []
        self._events: list[Event] = []

    # ---- The five verbs, and what the line did ----

    def opened(self, now: Millis) -> None:
        """Begin to speak: a connection stands."""
        assert self.state is State.CONNECTING, self.state
        self.state = State.GREETING
        self._opened_at = now
        hello = Hello(oldest=OLDEST_VERSION, newest=VERSION, client=self._client)
        self._say_first(hello, now)

    def receive(self, frame: bytes, now: Millis) -> None:
        """Take a frame from the server."""
        if self.state not in _STANDING:
            return
        self._lanes.heard(now)
        try:
            if len(frame) > FRAME_BYTES_MAX:
                raise Refused(Code.TOO_LARGE)
            messages = decode_answers(frame)
        except Refused:
            self.hang_up(sentence(Code.MALFORMED))
            return
        goodbye = None
        for message in messages:
            if isinstance(message, Goodbye):
                goodbye = message
            elif isinstance(message, Push):
                if self.state is State.IN:
                    self._events.append(Said(message))
            elif self.state in _STANDING:
                self._take(message, now)
        if goodbye is not None:
            self._turn_away(goodbye.code, goodbye.why, goodbye.retry_after_ms)

    def alive(self, now: Millis) -> None:
        """Note that bytes move on the line, though no whole frame has come."""
        self._lanes.heard(now)

    def closed(
        self, now: Millis, why: str = "", retry_after_ms: int | None = None, code: str = ""
    ) -> None:
        """Forget the connection, which has ended or did not come about, and plan the next try."""
        if self.state is State.IDLE:
            return
        if code in FINAL:
            self._is_wanted = False
            self._events.append(TurnedAway(code, why, is_final=True))
        if self._opened_at is not None and now - self._opened_at >= STABLE_MS:
            self._tries = 0
        if self._device is None:  # Who has nothing to ask need not hold the line.
            self._is_wanted = False
        if self._is_wanted:
            self._plan(now, self._retry_after_ms or retry_after_ms)
        at = self._try_at if self._is_wanted else None
        self._events.append(Down(self._was_in, self._why or why, at))
        self.state = State.IDLE
        self._opened_at, self._was_in = None, False
        self._why, self._retry_after_ms = "", None
        self._first.clear()
        self._later.clear()
        self._lanes.clear()

    def tick(self, now: Millis) -> None:
        """Do what is due: try again, or give up a line that is dead."""
        if self.state is State.IDLE:
            # A clock that was set back must not keep anybody away.
            self._try_at = min(self._try_at, now + self._wait_ms)
            if self._is_wanted and now >= self._try_at:
                self.state = State.CONNECTING
                self._events.append(Connect())
        elif self.state in _STANDING and self._lanes.is_dead(now):
            self.hang_up(sentence(SILENT))

    def deadline(self) -> Millis | None:
        """Return when `tick` must be called at the latest; None for whenever."""
        if self.state is State.IDLE:
            return self._try_at if self._is_wanted else None
        return self._lanes.dead_at() if self.state in _STANDING else None

    def requests(self, now: Millis) -> list[bytes]:
        """Return the frames that are to be sent now, in this order, and forget them."""
        frames, self._first = self._first, []
        if self.state in _SPEAKING:
            frames += self._lanes.frames(now)
        return frames

    def events(self) -> list[Event]:
        """Return what the owner has to do and to hear, and forget it."""
        events, self._events = self._events, []
        return events

    # ---- The owner's commands ----

    def connect(self, now: Millis) -> None:
        """Want a connection, now, whatever was decided before."""
        self._is_wanted = True
        self._try_at, self._wait_ms, self._tries = now, 0, 0
        self.tick(now)

    def sign_in(self, device: bytes, key: SigningKey, now: Millis) -> None:
        """Sign in as this device, on this connection and on all after it."""
        self._device = _Device(device, key)
        if self.state is State.GREETED:
            self._prove(now)

    def offer(self, requests: Sequence[Request]) -> None:
        """Connect once more, and say these before this device signs in, whatever is answered.

        For who was turned away by a server that may have forgotten what lets it in.  Where the line
        breaks before the server has said whether it does now, they are said again on the next.  The
        server is there: so it is soon the first time, and later each time that it does not help.
        """
        assert all(isinstance(one, UNSIGNED) for one in requests)
        self._offers, self._is_wanted = tuple(requests), True
        self._tries, self._offered = self._offered, self._offered + 1

    def send(self, request: Request) -> int:
        """Send a request as soon as it may go, and return its number.

        What has none gets one of the link's own, and `Heard` brings its answer.  Of the engine's
        nothing is kept for the next connection: at its sign-in the engine says what still matters.
        """
        number = request.id
        is_own = not number
        if is_own:
            # The server keeps such an answer by its number: that has to come from the counter.
            assert isinstance(request, UNSIGNED) or type(request) not in KEPT
            number = self._next_number()
            request = msgspec.structs.replace(request, id=number)
        if self.state is State.IN or (is_own and isinstance(request, UNSIGNED)):
            self._queue(request)
        elif is_own:
            self._later.append(request)
        return number

    def hang_up(self, why: str) -> None:
        """End this connection; another one follows, unless nobody wants it."""
        if self.state not in (State.IDLE, State.ENDING):
            self.state = State.ENDING
            self._why = why
            self._events.append(Hangup(why))

    def stop(self, why: str = "") -> None:
        """End the connection, and want no other one."""
        self._is_wanted = False
        self.hang_up(why)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits to be sent or answered."""
        return self._lanes.is_empty and not self._first

    # ---- Sending ----

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _queue(self, request: Request) -> None:
        """Let a request wait for its turn; what the server could not read is refused here.

        One message that cannot be read would take all others in its frame along, each time.
        """
        data = encode(request)
        small, large = MESSAGE_BYTES_MAX, HANDSHAKE_BYTES_MAX
        if self.greeting is not None:
            small, large = self.greeting.message_bytes_max, self.greeting.handshake_bytes_max
        try:
            decode_requests(frame_of([data]), small, large)
        except Refused as refused:
            self._hand_over(refused.reply(request.id))
        else:
            self._lanes.put(request.id, type(request), data)

    def _say_first(self, request: Request, now: Millis) -> None:
        """Say what belongs to the connection itself, before anything else."""
        number = self._next_number()
        data = encode(msgspec.structs.replace(request, id=number))
        self._first.append(frame_of([data]))
        self._lanes.note(number, type(request), len(data), now)

    # ---- Taking ----

    def _take(self, answer: Reply | Refusal, now: Millis) -> None:
        """Take one answer: only to what was asked, and only of the kind that belongs to it."""
        asked = self._lanes.take(answer.id)
        if asked is None:
            if isinstance(answer, Refusal) and not answer.id:  # It could not read a frame of ours.
                self.hang_up(sentence(Code.MALFORMED))
        elif not isinstance(answer, (REPLIES[asked], Refusal)):
            self.hang_up(sentence(Code.MALFORMED))
        elif asked not in (Hello, SignIn):
            self._hand_over(answer)
        elif isinstance(answer, Refusal):
            self._turn_away(answer.code, answer.why, answer.retry_after_ms)
        elif isinstance(answer, Greeting):
            self._greet(answer, now)
        else:
            assert isinstance(answer, SignedIn)
            self._enter(answer)

    def _hand_over(self, answer: Reply | Refusal) -> None:
        is_own = OWN_FROM <= answer.id < OWN_END
        self._events.append(Heard(answer.id, answer) if is_own else Said(answer))

    def _greet(self, greeting: Greeting, now: Millis) -> None:
        """Look whether this is the server, and sign in if the device is known."""
        if not OLDEST_VERSION <= greeting.version <= VERSION:
            self._turn_away(Code.VERSION)
        elif self.server not in (None, greeting.server):
            self._turn_away(WRONG_KEY)
        else:
            self.server, self.greeting = greeting.server, greeting
            self.state = State.GREETED
            self._events.append(Greeted(greeting))
            if self._device is not None:
                self._prove(now)

    def _prove(self, now: Millis) -> None:
        """Sign this connection's challenge."""
        device, server, greeting = self._parties()
        for request in self._offers:
            self._say_first(request, now)
        self.state = State.SIGNING
        self._nonce = self._random(32)
        statement = sign_in_bytes(server, greeting.challenge, device.id, greeting.version)
        signature = SUITE.crypto.sign(SUITE.signature, device.key, statement)
        self._say_first(SignIn(device=device.id, signature=signature, nonce=self._nonce), now)

    def _enter(self, reply: SignedIn) -> None:
        """Check the server's proof; without it nothing more is said."""
        device, server, greeting = self._parties()
        statement = proof_bytes(
            server, self._nonce, greeting.challenge, device.id, greeting.version
        )
        try:
            SUITE.crypto.verify(SUITE.signature, server, statement, reply.proof)
        except CryptoError:
            self._turn_away(WRONG_KEY)
            return
        self.state, self._was_in, self._offers, self._offered = State.IN, True, (), 0
        self._events.append(Entered(reply))
        later, self._later = self._later, []
        for request in later:
            self._queue(request)

    def _parties(self) -> tuple[_Device, bytes, Greeting]:
        """Return who signs in, and to whom."""
        assert self._device is not None
        assert self.server is not None
        assert self.greeting is not None
        return self._device, self.server, self.greeting

    # ---- Ending ----

    def _turn_away(self, code: str, theirs: str = "", retry_after_ms: int | None = None) -> None:
        """End a connection on which the server has said, or shown, that it leads nowhere."""
        if self.state not in _STANDING:
            return
        why = sentence(code, theirs)
        is_final = code in FINAL
        if is_final:
            self._offers = ()
        if is_final or code == Code.DISABLED:
            self._events.append(TurnedAway(code, why, is_final))
        self._retry_after_ms = max(retry_after_ms or 0, DISABLED_MS * (code == Code.DISABLED))
        self._is_wanted = self._is_wanted and not is_final
        self.hang_up(why)

    def _plan(self, now: Millis, retry_after_ms: int | None) -> None:
        """Choose when to try again: later each time, and not when everyone else does."""
        longest = min(RETRY_MIN_MS << self._tries, RETRY_MAX_MS)
        self._tries = min(self._tries + 1, _DOUBLINGS_MAX)
        dice = int.from_bytes(self._random(4), "big")
        wait_ms = longest // 2 + dice * (longest // 2) // 2**32
        if retry_after_ms:
            least = min(retry_after_ms, RETRY_AFTER_MAX_MS)
            wait_ms = max(wait_ms, least + dice * (least // 4) // 2**32)
        self._try_at, self._wait_ms = now + wait_ms, wait_ms
