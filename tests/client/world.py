"""A tiny world for tests of the client: the real server in memory, and engines that speak with it.

world = World()
ada = world.register("ada")              a device that is registered, signed in, and quiet
laptop = world.add_device(ada)           another device of hers, by her password
ada.do(outbox.say, room, content)        one step of the owner, at the world's time
world.run()                              requests, answers and pushes until nobody says anything
ada.heard(Warned)                        what she was told of one kind since the last look
world.ask(ada, GetDevices())             what the server answers her device, past the engine

ada.hang_up(), ada.connect()             the line breaks, and comes back
ada.restart()                            the program is killed: the disk stays
world.pass_time(60_000)                  time passes, and all that becomes due is done

Nothing is lost, late or twice here, and nothing is random but by seed: that is the simulator's.
"""

import hashlib
import random
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec

from alcove.client import devices, entering, packages, trust
from alcove.client.account import Locks, Opener, open_request
from alcove.client.engine import Engine
from alcove.client.events import Event
from alcove.client.keys.envelope import sign
from alcove.client.keys.lock import PHRASE_BYTES
from alcove.client.store.database import Database, open_memory
from alcove.client.tx import Me, Tx
from alcove.server.auth import make_server_keys
from alcove.server.batch import Chore, Job, Outcome, Reader, Writer
from alcove.server.door import Door
from alcove.server.handlers import TABLE
from alcove.server.handlers.invites import make_invite
from alcove.server.hub import Hub
from alcove.server.session import Session
from alcove.server.settings import Settings
from alcove.server.store.migrations import migrate
from alcove.server.store.opening import found
from alcove.server.store.sqlite import SqliteConnection
from alcove.server.tx import Tx as ServerTx
from alcove.server.tx import World as ServerWorld
from alcove.wire.accounts import GetSalt, Lock, OpenedReset, OpenReset, Salt
from alcove.wire.base import Done, Request
from alcove.wire.codec import decode_answers, encode_frame
from alcove.wire.errors import Refusal
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
from alcove.wire.signed import sign_in_bytes

P = ParamSpec("P")
T = TypeVar("T")

START_MS = 1_800_000_000_000
ROUNDS_MAX = 2_000
"""When people still talk after so many rounds, they would for ever."""
ADDRESS = "203.0.113.7"
PACKAGES = 4
"""Devices here keep so many key packages on the server: a hundred take a tenth of a second."""
PASSWORD = "violin harbour ten maple cloud"
OTHER_PASSWORD = "a new one"


packages.AT_ONCE = packages.LOW = packages.WANTED = PACKAGES


class Server:
    """The server: its tables in memory, its handlers, hub and sessions, and no sockets."""

    def __init__(self, random: Callable[[int], bytes], now: Millis, **settings: Any) -> None:
        self.settings = msgspec.structs.replace(
            Settings(requests="off", registration="open"), **settings
        )
        connection = SqliteConnection(":memory:", cache_kib=1024, is_there=lambda: True)
        migrate(connection, now)
        secret, incarnation = found(connection, now, random(32))
        self.connection, self.random = connection, random
        self.world = ServerWorld(self.settings, make_server_keys(secret), random, incarnation)
        self.door = Door(self.settings, self.world.keys, incarnation, "alcove test")
        self.hub = Hub(self.settings, self.world.presence)
        self.writer = Writer(connection, self.world)
        self.reader = Reader(connection, self.world)

    @property
    def key(self) -> bytes:
        """The server's public key."""
        return self.world.keys.public

    def open_session(self, now: Millis) -> Session:
        """Let somebody in."""
        return Session(self.door, ADDRESS, self.random(32), now)

    def take(self, session: Session, request: Request, now: Millis) -> None:
        """Carry out one request; what comes of it waits in the sessions."""
        session.receive(encode_frame([request]), now)
        for job in session.events():
            if TABLE[type(job.request)].writes:
                first, *more = self.writer.run([job], now)
                self.deliver(session, first, more, now, reads=False)
            else:
                self.deliver(session, self.reader.run(job, now), [], now, reads=True)

    def do(self, function: Callable[[ServerTx], T], now: Millis) -> T:
        """Do something as the host at the server's own console: f(server's tx)."""
        first, *more = self.writer.run([Chore(function)], now)
        self.deliver(None, first, more, now, reads=False)
        result: T = first.result
        return result

    def deliver(
        self,
        session: Session | None,
        first: Outcome,
        more: list[Outcome],
        now: Millis,
        *,
        reads: bool,
    ) -> None:
        none: list[tuple[Session | None, bool, Outcome]] = [(None, False, one) for one in more]
        self.hub.deliver([(session, reads, first), *none], now)
        assert self.writer.unexpected == []
        assert self.reader.unexpected == []
        assert self.hub.unexpected == []

    def said(self, session: Session) -> list[Any]:
        """Return what a session says, as its client decodes it."""
        messages: list[Any] = []
        while frame := session.requests():
            messages += decode_answers(frame)
        return messages


class Peer:
    """One device: its disk, its engine, and its line to the server."""

    def __init__(self, world: "World", name: str, number: int) -> None:
        self.world, self.name = world, name
        self.random = random.Random(f"{world.seed} {name} {number}").randbytes
        self.db: Database = open_memory()
        self.engine = Engine(self.db, self.random)
        self.session: Session | None = None
        self.refusal: Refusal | Goodbye | None = None
        """Why it was not let in, or was sent away."""
        self.events: list[Event] = []
        self.phrase = b""
        """The account's recovery phrase, as its owner has written it down."""
        self.answers: Callable[[Request], Any] = _in_earnest
        """Answers a request in the server's place, which never sees it; None lets it through."""
        self.hears: Callable[[Any], Any] = _as_it_is
        """What becomes of the server's words on their way here; None when they get lost."""

    @property
    def me(self) -> Me:
        """Who this device is."""
        return self.do(_me)

    @property
    def is_online(self) -> bool:
        """Whether its line is up and it is signed in."""
        return self.session is not None

    def do(self, step: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out one step of the owner now."""
        return self.engine.do(step, self.world.now, *args, **kwargs)

    def look(self, account: bytes) -> bool:
        """Go on with somebody's changed keys, having looked at those that are known now."""
        pin = trust.pin_of(self.db, account)
        return pin is not None and self.do(trust.seen, account, pin.identity)

    def heard(self, kind: type[Event] = Event) -> list[Any]:
        """Return the events of a kind since the last look at any; the others are forgotten."""
        events, self.events = [*self.events, *self.engine.events()], []
        return [event for event in events if isinstance(event, kind)]

    # ---- The line ----

    def connect(self) -> Refusal | None:
        """Open a line and sign in; the refusal is returned and kept, if there is one."""
        server, now, me = self.world.server, self.world.now, self.me
        session = server.open_session(now)
        greeting = self.world.exchange(session, _HELLO)
        assert isinstance(greeting, Greeting)
        statement = sign_in_bytes(me.server, greeting.challenge, me.device, greeting.version)
        signature = sign(me.key, statement)
        request = SignIn(device=me.device, signature=signature, nonce=self.random(32))
        reply = self.world.exchange(session, request)
        if isinstance(reply, Refusal):
            self.refusal = reply
            return self.connect() if self._offers(reply.code) else reply
        assert isinstance(reply, SignedIn)
        self.session, self.refusal = session, None
        self.engine.receive(reply, now)
        return None

    def _offers(self, code: str) -> bool:
        """Say what is to be said before signing in again, where the server sent it away."""
        offers = self.do(devices.turned_away, code)
        session = self.world.greeted()
        for request in offers:
            self.world.exchange(session, request)
        return bool(offers)

    def hang_up(self) -> None:
        """Break the line."""
        if self.session is not None:
            self.world.server.hub.leave(self.session, self.world.now)
            self.session = None
            self.engine.hung_up(self.world.now)

    def restart(self) -> None:
        """Kill the program and start it again, on the same disk and without a line."""
        if self.session is not None:
            self.world.server.hub.leave(self.session, self.world.now)
            self.session = None
        self.engine = Engine(self.db, self.random)

    def step(self) -> bool:
        """Do what is due, say what is to be said, hear what was said; whether there was any."""
        now, engine = self.world.now, self.engine
        deadline = engine.deadline()
        is_due = deadline is not None and deadline <= now
        if is_due:
            engine.tick(now)
        self.events += engine.events()
        requests = engine.requests()
        if self.session is None:
            return is_due
        lies = []
        for request in requests:
            lie = self.answers(request)
            if not self.is_online:
                return True  # It was killed by this request.
            if lie is None:
                self.world.server.take(self.session, request, now)
            else:
                lies.append(lie)
        heard = map(self.hears, self.world.server.said(self.session))
        messages = [*(one for one in heard if one is not None), *lies]
        for message in messages:
            if isinstance(message, Goodbye):
                self.refusal = message
                self.hang_up()
                if self._offers(message.code):
                    self.connect()
                break
            engine.receive(message, now)
        self.events += engine.events()
        return bool(is_due or requests or messages)


class World:
    """One server and all devices, under one clock."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:
        self.seed, self.now = seed, START_MS
        self.server = Server(random.Random(f"{seed} server").randbytes, self.now, **settings)
        self.peers: list[Peer] = []

    # ---- People ----

    def register(
        self, name: str, password: str = PASSWORD, *, is_strong: bool = True, **fields: Any
    ) -> Peer:
        """Return the first device of a new account, signed in; `fields` are `Coming`'s."""
        peer = self.add_peer(name)
        reply = self.try_to_register(peer, password=password, is_strong=is_strong, **fields)
        assert not isinstance(reply, Refusal), reply
        assert peer.connect() is None
        self.run()
        return peer

    def add_peer(self, name: str) -> Peer:
        """Return a new device that nobody knows yet."""
        peer = Peer(self, name, len(self.peers))
        self.peers.append(peer)
        return peer

    def try_to_register(self, peer: Peer, **fields: Any) -> Any:
        """Let a device ask for an account, and return the reply after it was taken."""
        coming = self.coming(peer, **fields)
        request = peer.do(entering.begin_registering, coming)
        reply = self.exchange(self.greeted(), request)
        peer.do(entering.registered, reply)
        return reply

    def coming(
        self, peer: Peer, password: str = PASSWORD, *, is_strong: bool = True, **fields: Any
    ) -> entering.Coming:
        """Return what somebody brings along; the phrase is drawn, and kept in `peer.phrase`."""
        peer.phrase = peer.random(PHRASE_BYTES)
        locks = self.locks(peer, password, is_strong=is_strong)
        given = {"name": peer.name, "server": self.server.key, "locks": locks}
        return entering.Coming(phrase=peer.phrase, **given | fields)

    def locks(self, peer: Peer, password: str = PASSWORD, *, is_strong: bool = True) -> Locks:
        """Return a password and the account's phrase, as Argon2id would stretch them."""
        password_key = self.stretched(peer.name, password)
        return Locks(password_key, self.stretched(peer.name, peer.phrase.hex()), is_strong)

    def opener(
        self, peer: Peer, words: str = PASSWORD, lock: Lock = "password", code: str | None = None
    ) -> Opener:
        """Return what an owner types to be believed once more."""
        return Opener(lock, self.stretched(peer.name, words), code)

    def open(self, peer: Peer, opener: Opener) -> Any:
        """Return the account's box as the server hands it out, or its refusal."""
        return self.exchange(self.greeted(), open_request(peer.name, opener))

    def add_device(self, peer: Peer, **fields: Any) -> Peer:
        """Return another device of the same account, signed in; `fields` are `opener`'s."""
        other = self.add_peer(peer.name)
        other.phrase = peer.phrase
        reply = self.try_to_enter(other, **fields)
        assert isinstance(reply, Done), reply
        assert other.connect() is None
        self.run()
        return other

    def try_to_enter(self, peer: Peer, **fields: Any) -> Any:
        """Let a device put itself on its account's list, and return the server's last answer."""
        opener = self.opener(peer, **fields)
        opened = self.open(peer, opener)
        if isinstance(opened, Refusal):
            return opened
        request = peer.do(entering.begin_entering, opened, opener.stretched, self.server.key)
        if request is None:
            return Done()
        reply = self.exchange(self.greeted(), request)
        peer.do(entering.entered, reply)
        return reply

    def come_back(self, peer: Peer, password: str = OTHER_PASSWORD) -> Peer:
        """Return the one device of an account that came back by a link of the host, signed in."""
        secret = self.secret("reset", peer.me.account)
        other = self.add_peer(peer.name)
        opened = self.exchange(self.greeted(), OpenReset(secret=secret, name=peer.name.upper()))
        assert isinstance(opened, OpenedReset), opened
        coming = self.coming(other, password)
        request = other.do(entering.begin_reset, coming, secret, opened)
        reply = self.exchange(self.greeted(), request)
        assert not isinstance(reply, Refusal), reply
        assert other.do(entering.registered, reply)
        assert other.connect() is None
        self.run()
        return other

    def stretched(self, name: str, words: str) -> bytes:
        """Return what Argon2id would make of a password or phrase, if tests had the time."""
        salt = self.exchange(self.greeted(), GetSalt(name=name))
        assert isinstance(salt, Salt)
        return hashlib.sha256(salt.salt + words.encode()).digest()

    def secret(self, kind: Any, account: bytes | None = None) -> str:
        """Return the secret of a new link of the host: bot, owner or reset."""
        now = self.now

        def make(tx: ServerTx) -> str:
            return make_invite(tx, kind, None, uses=1, days=7, now=now, account=account)[1]

        link = self.server.do(make, now)
        return link.partition("#")[2].partition(".")[0]

    # ---- Time ----

    def run(self) -> None:
        """Let everyone talk until nobody has anything to say; a round takes a millisecond."""
        for _ in range(ROUNDS_MAX):
            self.now += 1
            steps = [peer.step() for peer in self.peers]
            if not any(steps):
                return
        raise AssertionError("the world does not come to rest")

    def pass_time(self, duration_ms: int) -> None:
        """Let time pass, and do all that becomes due meanwhile."""
        end = self.now + duration_ms
        while True:
            self.run()
            deadlines = [peer.engine.deadline() for peer in self.peers]
            due = [at for at in (*deadlines, self.server.hub.deadline()) if at is not None]
            next_at = min(due, default=end)
            if next_at >= end:
                break
            self.now = max(self.now, next_at)
            self.server.hub.tick(self.now)
        self.now = max(self.now, end)
        self.server.hub.tick(self.now)
        self.run()

    # ---- Past the engine ----

    def greeted(self) -> Session:
        """Return a session of somebody who has said hello and nothing more."""
        session = self.server.open_session(self.now)
        assert isinstance(self.exchange(session, _HELLO), Greeting)
        return session

    def exchange(self, session: Session, request: Request) -> Any:
        """Say one thing on a session on which nothing else is said, and return the answer."""
        self.server.take(session, request, self.now)
        (reply,) = self.server.said(session)
        return reply

    def ask(self, peer: Peer, request: Request) -> Any:
        """Return what the server answers a device, without its engine."""
        caller = peer.session.caller if peer.session else None
        assert caller is not None, "it is not signed in"
        job = Job(caller, request)
        if not TABLE[type(request)].writes:
            outcome = self.server.reader.run(job, self.now)
            return decode_answers(b"\x91" + outcome.reply)[0]
        first, *more = self.server.writer.run([job], self.now)
        self.server.deliver(None, first, more, self.now, reads=False)
        return decode_answers(b"\x91" + first.reply)[0]


def _in_earnest(_: Request) -> None:
    """Let the server answer."""


def _as_it_is(message: T) -> T:
    return message


_HELLO = Hello(oldest=OLDEST_VERSION, newest=VERSION, client="test 1")


def _me(tx: Tx) -> Me:
    return tx.me
