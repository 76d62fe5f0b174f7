"""A whole server in memory, without sockets or threads: ask it, and see what it would tell whom.

house = House(tmp_path)
ada = house.add_person("ada")                 an account with a device, without the ceremony
reply = house.ask(ada.phone, Append(...))     a reply, or a Refusal
house.told                                    the effects of everything since the last look
"""

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from alcove.server.auth import make_server_keys
from alcove.server.batch import Job, Outcome, Reader, Writer
from alcove.server.caller import Caller
from alcove.server.effects import Effect
from alcove.server.handlers import TABLE
from alcove.server.settings import Settings
from alcove.server.store.database import Connection
from alcove.server.store.opening import found, open_sqlite
from alcove.server.tx import Tx, World
from alcove.wire.base import Request
from alcove.wire.codec import decode_answer, encode
from alcove.wire.entries import (
    Append,
    HandshakeHeader,
    Member,
    MessageHeader,
    NewEntry,
    Routing,
)
from alcove.wire.ids import NOTHING_BEFORE, entry_name
from alcove.wire.rooms import CreateRoom, Kind

START_MS = 1_800_000_000_000


@dataclass(eq=False)
class Person:
    """An account and its devices, as callers."""

    name: str
    account: bytes
    devices: list[Caller] = field(default_factory=list)

    @property
    def phone(self) -> Caller:
        return self.devices[0]


@dataclass(eq=False)
class Talk:
    """A room as its members know it: the newest handshake and room key."""

    room: bytes
    handshake: bytes


class House:
    """A server whose clock and dice the test holds."""

    def __init__(self, folder: Path, seed: int = 1, **settings: Any) -> None:
        self.dice = random.Random(seed)
        self.now = START_MS
        self.settings = msgspec.structs.replace(Settings(requests="off"), **settings)
        self.database = open_sqlite(str(folder / "alcove.sqlite"), self.now)
        connection = self.database.writer()
        self.secret, self.incarnation = found(connection, self.now, self.random(32))
        connection.close()
        self.told: list[Effect] = []
        self.number = 0
        self._connections: list[Connection] = []
        self.start()

    def random(self, size: int) -> bytes:
        return self.dice.randbytes(size)

    def start(self) -> None:
        """Begin as after a restart: nothing is in memory."""
        self.close()
        keys = make_server_keys(self.secret)
        self.world = World(self.settings, keys, self.random, self.incarnation)
        self.connection = self.database.writer()
        reader, self._looker = self.database.reader(), self.database.reader()
        self._connections = [self.connection, reader, self._looker]
        self.writer = Writer(self.connection, self.world)
        self.reader = Reader(reader, self.world)

    def close(self) -> None:
        """Close what is open."""
        for connection in self._connections:
            connection.close()

    def next_id(self) -> int:
        self.number += 1
        return self.number

    def run(self, *jobs: tuple[Caller, Request]) -> list[Any]:
        """Carry out requests as one batch, and return their replies."""
        outcomes = self.writer.run([Job(*job) for job in jobs], self.now)
        assert self.writer.unexpected == []
        return [self._reply(outcome) for outcome in outcomes][: len(jobs)]

    def ask(self, caller: Caller, request: Request) -> Any:
        """Carry out one request, by the writer or by a reader as the server would."""
        if TABLE[type(request)].writes:
            return self.run((caller, request))[0]
        outcome = self.reader.run(Job(caller, request), self.now)
        assert self.reader.unexpected == []
        return self._reply(outcome)

    def _reply(self, outcome: Outcome) -> Any:
        self.told += outcome.effects
        return decode_answer(outcome.reply) if outcome.reply else None

    def take_told(self, kind: type) -> list[Any]:
        """Return the effects of one kind since the last look, and forget all."""
        found, self.told = [one for one in self.told if isinstance(one, kind)], []
        return found

    def tx(self) -> Tx:
        """Return a transaction on a connection of its own, for looking into tables."""
        return Tx(self._looker, self.world, self.now)

    # ---- People without the ceremony ----

    def add_person(self, name: str, devices: int = 1, *, is_host: bool = False) -> Person:
        account = self.random(16)
        self.connection.run(
            """
            INSERT INTO account (account, name, folded, created_at, is_host, identity, list_version,
                list_hash, password_login, phrase_login)
            VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)
            """,
            account, name, name.lower(), self.now, int(is_host), self.random(32), bytes(32),
            bytes(32), bytes(32),
        )  # fmt: skip
        person = Person(name, account)
        for _ in range(devices):
            self.add_device(person, is_host=is_host)
        return person

    def add_device(self, person: Person, *, is_host: bool = False) -> Caller:
        device = self.random(16)
        self.connection.run(
            """
            INSERT INTO device (device, account, public_key, is_browser, added_at)
            VALUES (?, ?, ?, 0, ?)
            """,
            device, person.account, self.random(32), self.now,
        )  # fmt: skip
        caller = Caller("127.0.0.1", "socket", person.account, device, person.name, is_host)
        person.devices.append(caller)
        return caller

    # ---- Talking, with made-up bodies ----

    def message(self, caller: Caller, talk: Talk, **fields: Any) -> NewEntry:
        given: dict[str, Any] = {"form": "kept", "key": talk.handshake} | fields
        header = MessageHeader(caller.device, self.random(16), **given)
        return NewEntry(encode(header), self.random(64))

    def handshake(self, caller: Caller, talk: Talk, **fields: Any) -> NewEntry:
        """Return a handshake after the newest one, and take it for stored."""
        routing = {key: fields.pop(key) for key in list(fields) if key in Routing.__struct_fields__}
        given: dict[str, Any] = {
            "before": talk.handshake,
            "renews": True,
            "routing": Routing(**routing),
        } | fields
        entry = NewEntry(encode(HandshakeHeader(caller.device, **given)), self.random(64))
        talk.handshake = entry_name(talk.room, entry.header, entry.body)
        return entry

    def append(self, caller: Caller, talk: Talk, *entries: NewEntry, **fields: Any) -> Any:
        request = Append(id=self.next_id(), room=talk.room, entries=entries, **fields)
        return self.ask(caller, request)

    def say(self, caller: Caller, talk: Talk, **fields: Any) -> Any:
        return self.append(caller, talk, self.message(caller, talk, **fields))

    def create(
        self, caller: Caller, *others: Caller, kind: Kind = "group", **fields: Any
    ) -> tuple[Talk, Any]:
        """Make a room with these devices, and return it with the server's reply."""
        talk = Talk(self.random(16), NOTHING_BEFORE)
        entries = [self.handshake(caller, talk, adds=(member(caller),))]
        if others:
            adds = tuple(member(other) for other in others)
            entries.append(self.handshake(caller, talk, adds=adds))
        request = CreateRoom(
            id=self.next_id(), room=talk.room, kind=kind, entries=tuple(entries), **fields
        )
        return talk, self.ask(caller, request)


def member(caller: Caller) -> Member:
    return Member(caller.account, caller.device)
