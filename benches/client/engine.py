"""What a message costs the engine, beside the bare cryptography and one commit to the disk.

    seal and store    what `say` does before a message leaves: sealed, stored, on the screen
    open and store    what a push with one message does
    bare              one signature made (checked), one HKDF, one AEAD, and one commit of one line

Both sides write to an encrypted file with the settings of a client's, one after the other, so that
a disk that is slow at a moment is slow for both.  The server is in memory, and is not measured.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from alcove.client import packages
from alcove.client.engine import Engine
from alcove.client.keys.envelope import sign, verify
from alcove.client.keys.suite import SUITE
from alcove.client.rooms import acting, making
from alcove.client.store.database import Database
from alcove.client.store.opening import create_file
from alcove.mls import SigningKey
from alcove.server.values import Rate
from alcove.wire.content import Text
from alcove.wire.entries import NewEntries
from benches.client.town import TEXT
from benches.server.plan import Plan
from tests.client.world import Peer, World

MESSAGES: Final = 500
QUICK_MESSAGES: Final = 60
WARM: Final = 20
MEMBERS: Final = 1_000
QUICK_MEMBERS: Final = 50
AT_ONCE: Final = 100
"""So many people are added to the large group at a time."""
RATE: Final = Rate(1_000_000, 1, 1_000_000)
"""A second here is as long as we say: the server must not find us too fast."""
PAUSE_MS: Final = 30_000
"""After so long the server takes any commit again."""
KEY_BYTES: Final = 32
SIGNED_BYTES: Final = 300


def run(plan: Plan) -> None:
    """Measure all of it."""
    count = QUICK_MESSAGES if plan.is_quick else MESSAGES
    pair = _Pair(plan.folder / "engine")
    bare = _Bare(plan.folder / "engine")
    costs = [(pair.said(number), pair.heard_s, *bare.costs()) for number in range(WARM + count)]
    said, heard, sealing, opening = (
        statistics.median(column) * 1e6 for column in zip(*costs[WARM:], strict=True)
    )
    figures = plan.figures
    figures.add("seal_store_us", said, "us")
    figures.add("bare_seal_store_us", sealing, "us")
    figures.add("seal_store_over_bare", said / sealing, "x")
    figures.add("open_store_us", heard, "us")
    figures.add("bare_open_store_us", opening, "us")
    figures.add("open_store_over_bare", heard / opening, "x")
    _large(plan, count)


class _Pair:
    """Two people in a room, each with an engine on a disk."""

    def __init__(self, folder: Path, others: int = 1) -> None:
        folder.mkdir(parents=True)
        self.world = World(rate_append=RATE, rate_register=RATE, rate_sign_in=RATE, rate_read=RATE)
        packages.WANTED = packages.AT_ONCE = packages.LOW = 4
        self.ada = self.world.register("ada")
        people = [self._person(number, is_here=number == 0) for number in range(others)]
        self.heard_s = float("nan")
        accounts = [person.me.account for person in people]
        self.room = self.ada.do(making.create, "group", tuple(accounts[:1]))
        self._rest()
        for start in range(1, others, AT_ONCE):
            for account in accounts[start : start + AT_ONCE]:
                self.ada.do(acting.invite, self.room, account)
            self._rest()
        for peer, name in ((self.ada, "ada"), (people[0], "bob")):
            _move(peer, folder / f"{name}-{others}.db")
        _watch(people[0], self._heard)

    def _person(self, number: int, *, is_here: bool) -> Peer:
        peer = self.world.register(f"person{number}")
        if not is_here:
            peer.hang_up()
            self.world.peers.remove(peer)  # Nothing happens to them, and a thousand take long.
        return peer

    def _rest(self) -> None:
        self.world.run()
        self.world.pass_time(PAUSE_MS)

    def _heard(self, took_s: float) -> None:
        self.heard_s = took_s

    def said(self, number: int) -> float:
        """Say something, and return how long that took; then let the other one hear it."""
        text = Text(f"{TEXT} {number}")
        begin_s = time.perf_counter()
        self.ada.do(acting.say, self.room, text)
        took_s = time.perf_counter() - begin_s
        self.world.run()
        return took_s

    def members(self) -> int:
        """Return how many people are in the room."""
        line = self.ada.db.one(
            "SELECT COUNT(*) FROM stay WHERE room = ? AND until IS NULL", self.room
        )
        return 0 if line is None else int(line[0])


def _watch(peer: Peer, tell: Callable[[float], None]) -> None:
    """Have it told how long each push with a message takes."""
    receive = peer.engine.receive

    def timed(message: Any, now: int) -> None:
        begin_s = time.perf_counter()
        receive(message, now)
        if isinstance(message, NewEntries):
            tell(time.perf_counter() - begin_s)

    peer.engine.receive = timed  # type: ignore[method-assign]


def _move(peer: Peer, path: Path) -> None:
    """Give somebody an encrypted disk in place of the memory, with all that was there."""
    disk = create_file(path, os.urandom(KEY_BYTES))
    names = peer.db.all(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'search%'"
        " AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    disk.begin()
    for (name,) in names:
        lines = peer.db.all(f"SELECT * FROM {name}")  # noqa: S608 - Names of tables.
        disk.run(f"DELETE FROM {name}")  # noqa: S608
        if lines:
            marks = ", ".join("?" * len(lines[0]))
            disk.many(f"INSERT INTO {name} VALUES ({marks})", lines)  # noqa: S608
    disk.commit()
    session = peer.session
    peer.hang_up()
    peer.db, peer.engine = disk, Engine(disk, peer.random)
    assert session is not None
    assert peer.connect() is None
    peer.world.run()


class _Bare:
    """The least that sealing and opening can cost."""

    def __init__(self, folder: Path) -> None:
        self._db: Database = create_file(folder / "bare.db", os.urandom(KEY_BYTES))
        self._db.run("CREATE TABLE bare (number INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
        self._key: SigningKey = SUITE.signing_key(os.urandom(KEY_BYTES))
        self._secret = os.urandom(KEY_BYTES)

    def costs(self) -> tuple[float, float]:
        """Seal something and store it, open it and store it; return how long each took."""
        plain, salt = os.urandom(SIGNED_BYTES), os.urandom(KEY_BYTES)
        begin_s = time.perf_counter()
        signature = sign(self._key, plain)
        key, nonce = self._derived(salt)
        sealed = SUITE.aead_seal(key, nonce, plain + signature, salt)
        self._commit(sealed)
        middle_s = time.perf_counter()
        key, nonce = self._derived(salt)
        opened = SUITE.aead_open(key, nonce, sealed, salt)
        verify(self._key.public, opened[:SIGNED_BYTES], opened[SIGNED_BYTES:])
        self._commit(opened)
        return middle_s - begin_s, time.perf_counter() - middle_s

    def _derived(self, salt: bytes) -> tuple[bytes, bytes]:
        both = SUITE.expand_label(self._secret, b"bare", salt, 44)
        return both[:32], both[32:]

    def _commit(self, body: bytes) -> None:
        self._db.begin()
        self._db.run("INSERT INTO bare (body) VALUES (?)", body)
        self._db.commit()


def _large(plan: Plan, count: int) -> None:
    """Compare a group of a thousand with one of two."""
    others = (QUICK_MEMBERS if plan.is_quick else MEMBERS) - 1
    small, large = _Pair(plan.folder / "small"), _Pair(plan.folder / "large", others)
    if large.members() != others + 1:
        plan.figures.problem(f"the large group has {large.members()} members, not {others + 1}")
    costs = [(small.said(number), large.said(number)) for number in range(WARM + count)]
    one, other = (statistics.median(column) for column in zip(*costs[WARM:], strict=True))
    plan.figures.add("send_2_us", one * 1e6, "us")
    plan.figures.add(f"send_{others + 1}_us", other * 1e6, "us")
    plan.figures.add(f"send_{others + 1}_over_send_2", other / one, "x")
