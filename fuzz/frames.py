"""Targets that serve: frames and headers for the server, from strangers and from members gone bad.

    frames     a connection in any state, everything behind it but sockets and threads
    headers    the headers of entries, which every reader must read in one way

Each frame is answered or refused or ends its connection.  No handler fails in an unforeseen way,
nothing is under way afterwards, and a batch that is over has left nothing in memory.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from alcove.server.batch import Job
from alcove.server.door import Door
from alcove.server.handlers import TABLE
from alcove.server.hub import Hub
from alcove.server.session import Session
from alcove.server.settings import Rate, Settings
from alcove.wire import REQUESTS
from alcove.wire.base import Push, Request
from alcove.wire.codec import decode_answers, decode_header, encode, encode_frame
from alcove.wire.devices import PutList
from alcove.wire.entries import Append, HandshakeHeader, MessageHeader, NewEntry
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.greeting import Greeting, Hello, SignedIn
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import CreateRoom, Kind
from fuzz.grow import Things, bent, grow
from fuzz.mutate import BLIND
from tests.server.house import House, Talk, member
from tests.server.people import Someone

BATCH: Final = 500
SESSIONS: Final = ("silent", "greeted", "host", "ada", "ada", "bob", "eve")
"""Who is connected: two who have not signed in, and members and a stranger who have."""
OFTEN: Final = Rate(1_000_000, 1, 1_000_000)
RATES: Final[dict[str, Any]] = {
    name: OFTEN
    for name in Settings.__struct_fields__
    if name.startswith("rate_") and not name.endswith("_factor")
}
NAMES_MAX: Final = 10
"""How many names and invites are remembered."""
FORBIDDEN: Final = (Code.INTERNAL, Code.STORAGE)


def make_house(folder: Path) -> House:
    """Return a house without limits on how often."""
    house = House(folder, requests="strangers", **RATES)
    if house.database.is_local:
        house.connection.run("PRAGMA synchronous = OFF")  # Nobody cuts the power here.
    return house


class Estate:
    """A server without sockets: people, rooms, and connections in every state."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.house = make_house(folder)
        self.house.dice.seed(seed)
        self.door = Door(
            self.house.settings, self.house.world.keys, self.house.incarnation, "alcove test"
        )
        self.hub = Hub(self.house.settings, self.house.world.presence)
        self.people: dict[str, Someone] = {}
        self.sessions: list[Session] = []
        self.heard: list[Any] = []
        """What was said to the session that was given a frame last."""
        self.things = Things(incarnation=self.house.incarnation)
        self._populate()
        self.sessions = [self._connect(who) for who in SESSIONS]

    def _populate(self) -> None:
        house = self.house
        for name in ("host", "ada", "bob", "eve"):
            self.people[name] = Someone(house, name).come()
        house.connection.run("UPDATE account SET is_host = 1 WHERE name = 'host'")
        ada, bob, host = (self.people[name].phone.caller for name in ("ada", "bob", "host"))
        self.rooms = [
            house.create(ada, bob, kind="channel")[0],
            house.create(bob)[0],
            house.create(host, kind="commons")[0],
        ]
        people = list(self.people.values())
        handshakes = [talk.handshake for talk in self.rooms]
        links = [house.random(32) for _ in range(2)]
        accounts, devices = [one.account for one in people], [one.phone.id for one in people]
        things = self.things
        things.names = list(self.people)
        things.ids = {
            "room": [talk.room for talk in self.rooms],
            "rooms": [talk.room for talk in self.rooms],
            **dict.fromkeys(("account", "accounts", "partner"), accounts),
            **dict.fromkeys(("device", "devices", "sender"), devices),
            "roles": accounts,
            "blob": [],
        }
        things.hashes = {
            **dict.fromkeys(("before", "key", "name"), handshakes),
            "link": links,
            "login": [self.people["eve"].password.login],  # Else rooms would soon be deserted.
        }

    def _recipe(self, dice: random.Random, who: str) -> Request:
        """Return a request that would be carried out, or nearly: the first steps are right."""
        house, things = self.house, self.things
        person = self.people.get(who) or self.people["ada"]
        caller, talk = person.phone.caller, dice.choice(self.rooms)
        things.number += 1
        match dice.randrange(6):
            case 0:
                return Someone(house, f"new{things.number}").register()
            case 1:
                signed = person.next_list([*person.gadgets, person.gadget()])
                return PutList(id=things.number, list=signed)
            case 2:
                known = Talk(house.random(16), NOTHING_BEFORE)
                founding = house.handshake(caller, known, adds=(member(caller),))
                more = grow(NewEntry, dice, things)
                kind: Kind = dice.choice(("group", "direct", "mailbox", "commons"))
                return CreateRoom(
                    id=things.number,
                    room=known.room,
                    kind=kind,
                    entries=(founding, more)[: dice.choice((1, 2))],
                    partner=dice.choice(things.ids["account"]),
                )
            case 3:
                other = member(dice.choice(list(self.people.values())).phone.caller)
                change: dict[str, Any] = dice.choice(
                    ({"adds": (other,)}, {"removes": (other,)}, {})
                )
                asked = Talk(talk.room, dice.choice((talk.handshake, self._newest(talk))))
                entry = house.handshake(caller, asked, closes="removes" in change, **change)
                return Append(id=things.number, room=talk.room, entries=(entry,))
            case _:
                asked = Talk(talk.room, self._newest(talk))
                entries = [house.message(caller, asked, form=dice.choice(("kept", "live")))]
                if dice.random() < 1 / 10:
                    entries.append(grow(NewEntry, dice, things))
                return Append(id=things.number, room=talk.room, entries=tuple(entries))

    def _newest(self, talk: Talk) -> bytes:
        state = self.house.world.rooms.get(talk.room)
        return state.handshake if state is not None else talk.handshake

    def draw(self, dice: random.Random, place: int) -> bytes:
        """Return a frame of one of the connections."""
        if dice.random() < 1 / 100:
            return dice.randbytes(dice.randrange(300))
        self.things.me = self.sessions[place].caller.device or bytes(16)
        requests: list[Request] = [
            self._recipe(dice, SESSIONS[place])
            if dice.random() < 1 / 4
            else grow(dice.choice(REQUESTS), dice, self.things)
            for _ in range(dice.choice((1, 1, 1, 1, 2, 3, 8)))
        ]
        frame = encode_frame(requests)
        chance = dice.random()
        if chance < 1 / 4:
            frame = bent(dice, frame)
        elif chance < 3 / 8:
            for _ in range(dice.choice((1, 1, 2, 8))):
                frame = dice.choice(BLIND)(dice, frame) if frame else frame
        return frame

    def _connect(self, who: str) -> Session:
        """Return a new connection, as far as this kind of client takes it."""
        house = self.house
        challenge = house.random(32)
        session = Session(self.door, "192.0.2.1", challenge, house.now)
        if who != "silent":
            session.receive(encode_frame([Hello(oldest=1, newest=1)]), house.now)
            (greeting,) = decode_answers(session.requests())
            assert isinstance(greeting, Greeting)
        if who in self.people:
            person = self.people[who]
            self.give(session, encode_frame([person.sign_in(person.phone, challenge)]))
            # A fuzzed request may have ended this device; then there is a stranger more.
            assert isinstance(self.heard[0], SignedIn | Refusal)
        return session

    def give(self, session: Session, frame: bytes) -> list[Any]:
        """Give a connection a frame, carry out what it asks, and return what it is told."""
        house = self.house
        session.receive(frame, house.now)
        for job in session.events():
            reads = not TABLE[type(job.request)].writes
            outcomes = self._carry_out(job, reads=reads)
            self.hub.deliver(
                [
                    (session if place == 0 else None, reads, one)
                    for place, one in enumerate(outcomes)
                ],
                house.now,
            )
        self.hub.tick(house.now)
        dirty, self.hub.dirty = self.hub.dirty, {}
        self.heard = []
        for one in [session, *(other for other in dirty if other is not session)]:
            said = one.requests()
            answers = decode_answers(said) if said else []
            if one is session:
                self.heard = answers
            for answer in answers:
                self._learn(answer)
        return self.heard

    def _carry_out(self, job: Job, *, reads: bool) -> list[Any]:
        house = self.house
        runner: Any = house.reader if reads else house.writer
        outcomes = [runner.run(job, house.now)] if reads else runner.run([job], house.now)
        if runner.unexpected:
            raise runner.unexpected[0]
        return list(outcomes)

    def _learn(self, answer: Any) -> None:
        """Remember some of what comes up: later requests are about it."""
        invite = getattr(answer, "invite", None)
        if isinstance(invite, str) and len(self.things.names) < NAMES_MAX:
            self.things.names.append(invite)

    def replace_ended(self, place: int) -> None:
        """Put a new connection in the place of one that has ended."""
        if self.sessions[place].goodbye is not None:
            self.hub.leave(self.sessions[place], self.house.now)
            self.sessions[place] = self._connect(SESSIONS[place])

    def end(self) -> None:
        """End all connections, see that nothing is left of them, and close the database."""
        for session in self.sessions:
            assert session._reads == session._writes == 0, "a request was never answered"
            self.hub.leave(session, self.house.now)
        self.hub.tick(self.house.now + 10**9)
        self.hub.dirty.clear()
        left = (self.hub.devices, self.hub.accounts, self.hub._rooms, self.hub._moved)
        assert not any(left), "something is left of connections that have ended"
        self.house.connection.close()
        self.house.reader._connection.close()


class Frames:
    """The target: each batch has a server of its own, so that its inputs follow from its seed."""

    weight = 4
    batch = BATCH

    def __init__(self, seed: int, *, name: str = "frames") -> None:
        self.name = name
        self.estate: Estate | None = None
        self._seed = seed
        self._dice: random.Random | None = None
        self._place = 0
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def prefixes(self) -> Iterator[bytes]:
        """Return nothing: half a frame is what `draw` makes now and then."""
        return iter(())

    def draw(self, dice: random.Random) -> bytes:
        """Return the next frame of a batch, and choose who sends it."""
        if dice is not self._dice:
            self.end()
            self._dice = dice
            self._folder = tempfile.TemporaryDirectory(prefix="alcove-fuzz-")
            self.estate = Estate(Path(self._folder.name), self._seed)
        assert self.estate is not None
        self._place = dice.randrange(len(SESSIONS))
        return self.estate.draw(dice, self._place)

    def feed(self, dice: random.Random, frame: bytes) -> bool:
        """Give a frame to the connection that was chosen; True when something was carried out."""
        estate = self.estate
        assert estate is not None
        session = estate.sessions[self._place]
        answers = estate.give(session, frame)
        replies = [one for one in answers if not isinstance(one, Push)]
        assert answers or session.goodbye, "a frame was left without an answer"
        for reply in replies:
            if isinstance(reply, Refusal):
                assert reply.code not in FORBIDDEN, reply
        estate.house.now += dice.choice((0, 1, 100, 70_000))
        estate.replace_ended(self._place)
        return any(not isinstance(reply, Refusal) for reply in replies)

    def end(self) -> None:
        """End the batch that is under way."""
        if self.estate is not None:
            self.estate.end()
            self.estate = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


# ---- Headers ----


class Headers:
    """The target: what a header says can be written in one way only."""

    name = "headers"
    weight = 1
    batch = BATCH

    def prefixes(self) -> Iterator[bytes]:
        """Return every proper beginning of a header of each kind."""
        dice = random.Random(1)  # noqa: S311 - It has to be repeatable.
        for kind in (MessageHeader, HandshakeHeader):
            header = encode(grow(kind, dice, _things()))
            yield from (header[:end] for end in range(len(header)))

    def draw(self, dice: random.Random) -> bytes:
        """Return the next header."""
        kind: type = dice.choice((MessageHeader, HandshakeHeader))
        header = encode(grow(kind, dice, _things()))
        chance = dice.random()
        if chance < 1 / 3:
            tree = msgspec.msgpack.decode(bent(dice, b"\x91" + header))
            return encode(tree[0]) if tree else b""
        return dice.choice(BLIND)(dice, header) if chance < 2 / 3 else header

    def feed(self, _: random.Random, header: bytes) -> bool:
        """Take one header: True when it was read."""
        try:
            decoded = decode_header(header)
        except Refused as refused:
            if refused.code != Code.BAD_HEADER:
                raise
            return False
        assert encode(decoded) == header, "a header that can be written in two ways"
        return True


def _things() -> Things:
    return Things(ids={"sender": [bytes(16)]})
