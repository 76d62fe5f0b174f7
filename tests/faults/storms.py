"""A server that is killed again and again while people talk, and what must be true afterwards.

    talkers    append with numbers, and send again whatever has no answer, on every new connection
    watchers   follow the rooms, and write down what they are given
    killer     SIGKILL after so many answers, after so many requests, or while the server starts

Afterwards the log of each room is read from its beginning and everything is compared with it.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from alcove.server.audit_log import begin_walk
from alcove.server.audit_log import walk as walk_on
from alcove.server.auth import make_server_keys
from alcove.server.io.places import DATABASE_NAME
from alcove.server.settings import Settings
from alcove.server.store.database import Database
from alcove.server.store.opening import database_at
from alcove.server.tx import Tx, World
from alcove.wire.entries import Append, Appended, Entries, NewEntries, NewEntry, Read, Stored
from alcove.wire.ids import NOTHING_BEFORE, Position, entry_name, next_chain
from alcove.wire.rooms import GetRooms
from tests.faults.clients import Friend, Gone, Talk, found_room
from tests.faults.servers import EAGER, Server

ROOMS: Final = 2
TALKERS: Final = 2
"""In each room: the first of them also makes commits."""
WINDOW: Final = 8
BATCH_MAX: Final = 5
ANSWERS_MAX: Final = 400
"""How many answers there are at most between two kills."""
START_S: Final = 0.8
"""A server that is killed while it starts lives no longer than this."""
LATE_S: Final = 0.003
"""How much later than the moment that was chosen a kill may come."""
DEAD_IN: Final = 4
"""One talker in so many never comes back after the last kill: what it had under way is open."""


@dataclass(eq=False)
class Sent:
    """A request, and its answer as soon as there is one."""

    request: Append
    reply: Any = None

    def note(self, reply: Any) -> None:
        """Take an answer, which must be the one of before."""
        assert isinstance(reply, Appended), f"nothing here may be refused: {reply}"
        assert self.reply in (None, reply), f"two answers: {self.reply} and {reply}"
        self.reply = reply


@dataclass
class Counts:
    """What came of a storm."""

    kills: int = 0
    acknowledged: int = 0
    repeated: int = 0
    """Requests that were sent again because their answer had not come."""
    open: int = 0
    """Requests without an answer at the end."""
    open_stored: int = 0
    """How many of those are in the log all the same: once each."""
    entries: int = 0


@dataclass
class Storm:
    """A server, who uses it, and the moments that the killer waits for."""

    server: Server
    dice: random.Random
    counts: Counts = field(default_factory=Counts)
    is_over: bool = False

    def __post_init__(self) -> None:
        self.is_up = asyncio.Event()
        self.rooms: list[tuple[Talk, bytes]] = []
        self.friends: list[Friend] = []
        self.talkers: list[Talker] = []
        self.watchers: list[Watcher] = []
        self._moment: tuple[str, int, asyncio.Event] | None = None

    # ---- What happens ----

    async def prepare(self) -> None:
        """Start the server, and let everyone register and found the rooms."""
        await self._start()
        for number in range(ROOMS):
            friends = [
                Friend(random.Random(self.dice.random()), f"room{number}.{name}")
                for name in ("watcher", *(f"talker{one}" for one in range(TALKERS)))
            ]
            self.friends += friends
            for friend in friends:
                await friend.connect(self.server.url)
            talk = await found_room(friends[1], friends[0], *friends[2:])
            self.watchers.append(Watcher(self, friends[0], talk))
            for friend in friends[1:]:
                commits = friend is friends[1]
                self.talkers.append(Talker(self, friend, talk, talk.handshake, commits=commits))

    async def rage(self, kills: int) -> None:
        """Kill the server so many times, then let everyone come to an end who still can."""
        watchers = [asyncio.ensure_future(one.live()) for one in self.watchers]
        talking = asyncio.gather(self._kill(kills), *(one.live() for one in self.talkers))
        # Watchers have no end of their own: one that ends has found something wrong.
        try:
            everything: list[asyncio.Future[Any]] = [talking, *watchers]
            await asyncio.wait(everything, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in everything:
                one.cancel()
            ended = await asyncio.gather(*everything, return_exceptions=True)
        for result in ended:
            if isinstance(result, Exception):
                raise result

    async def _kill(self, kills: int) -> None:
        for number in range(kills):
            kind = self.dice.choices(("answer", "send", "start"), (6, 3, 1))[0]
            if kind == "start":
                await self._end_process()
                await asyncio.to_thread(self.server.begin)
                await asyncio.sleep(self.dice.uniform(0, START_S))
            else:
                most = self.dice.choice((1, 20, ANSWERS_MAX))
                self._moment = (kind, self.dice.randint(1, most), asyncio.Event())
                await self._moment[2].wait()
                if self.dice.random() < 1 / 2:
                    await asyncio.sleep(self.dice.uniform(0, LATE_S))
            if number == kills - 1:
                self.is_over = True
                self._let_some_die()
            await self._end_process()
            self.counts.kills += 1
            await self._start()

    def _let_some_die(self) -> None:
        for talker in self.talkers:
            talker.is_dead = self.dice.randrange(DEAD_IN) == 0

    async def _end_process(self) -> None:
        self.server.strike()
        self.is_up.clear()
        await asyncio.to_thread(self.server.kill)

    async def _start(self) -> None:
        await asyncio.to_thread(self.server.start)
        self.is_up.set()

    def happened(self, kind: str) -> None:
        """Count one answer or one request down to the next kill."""
        if self._moment is None or self._moment[0] != kind:
            return
        _, left, event = self._moment
        if left <= 1:
            self._moment = None
            event.set()
        else:
            self._moment = (kind, left - 1, event)

    # ---- What must be true ----

    async def check(self) -> None:
        """Compare everything with the logs as they are now."""
        for watcher in self.watchers:
            await watcher.friend.connect(self.server.url)
            log = await read_log(watcher.friend, watcher.talk.room)
            rooms = await watcher.friend.ask(GetRooms())
            (room,) = rooms.rooms
            check_chain(watcher.talk.room, log, room.head, room.chain)
            watcher.check(log)
            talkers = [one for one in self.talkers if one.talk is watcher.talk]
            self._check_log(log, talkers)
            self.counts.entries += len(log)

    def _check_log(self, log: Sequence[Stored], talkers: Sequence["Talker"]) -> None:
        places = {(one.header, one.body): one.seq for one in log}
        assert Counter((one.header, one.body) for one in log).most_common(1)[0][1] == 1
        ours = 0
        for talker in talkers:
            last = 0
            for sent in talker.sent:
                at = [places.get((one.header, one.body)) for one in sent.request.entries]
                if sent.reply is None:
                    self.counts.open += 1
                    self.counts.open_stored += at[0] is not None
                    assert talker.is_dead, "everyone else had all answers"
                    assert None not in at or set(at) == {None}, "half of a request was stored"
                else:
                    self.counts.acknowledged += 1
                    expected = list(range(sent.reply.first, sent.reply.first + len(at)))
                    assert at == expected, f"acknowledged at {expected}, found at {at}"
                    assert log[sent.reply.first - 1].at == sent.reply.at
                if at[0] is not None:
                    assert at[0] > last, "the requests of one device stand in their order"
                    last = at[0]
                    ours += len(at)
        assert ours == len(log) - 2, "the log holds what was sent, and its two founding entries"


async def _storm(server: Server, seed: str, kills: int) -> Counts:
    storm = Storm(server, random.Random(seed))
    try:
        await storm.prepare()
        await storm.rage(kills)
        await storm.check()
    finally:
        for friend in storm.friends:
            await friend.close()
    return storm.counts


def survive(folder: Path, database_url: str, seed: str, kills: int) -> Counts:
    """Go through a storm on an empty database; raises when something is not as it must be."""
    print(f"seed {seed!r}, {kills} kills", flush=True)
    with Server(folder, database_url, **EAGER) as server:
        counts = asyncio.run(_storm(server, seed, kills))
    check_database(database_at(database_url, str(server.data / DATABASE_NAME)))
    return counts


def check_database(database: Database) -> None:
    """Check what no client sees: the file itself, the audit log, and one line for each answer."""
    connection = database.reader()
    try:
        if database.kind == "SQLite":
            assert connection.all("PRAGMA integrity_check") == [("ok",)]
        tx = Tx(connection, World(Settings(), make_server_keys(bytes(32)), bytes, 0), 0)
        walk = begin_walk(tx)
        while not walk.is_over:
            walk = walk_on(tx, walk)
        assert walk.problem == ""
        assert walk.count > 0
    finally:
        connection.close()


def check_chain(room: bytes, log: Sequence[Stored], head: int, chain: bytes) -> None:
    """Compute the running hash of a log anew, and compare its end."""
    running = NOTHING_BEFORE
    for seq, entry in enumerate(log, start=1):
        assert entry.seq == seq, f"a gap at {seq}"
        assert entry.body is not None
        running = next_chain(running, seq, entry_name(room, entry.header, entry.body))
    assert (head, chain) == (len(log), running)


async def read_log(friend: Friend, room: bytes) -> list[Stored]:
    """Read a whole log, page by page."""
    assert friend.signed_in is not None
    log: list[Stored] = []
    while True:
        since = Position(friend.signed_in.incarnation, len(log))
        page = await friend.ask(Read(room=room, since=since))
        assert isinstance(page, Entries), page
        log += page.entries
        if not page.more:
            return log


# ---- Who uses the server ----


class Talker:
    """Somebody who appends, in batches and alone, and repeats what was not answered."""

    def __init__(
        self, storm: Storm, friend: Friend, talk: Talk, key: bytes, *, commits: bool
    ) -> None:
        self.storm = storm
        self.friend = friend
        self.talk = talk
        self.key = key
        self.commits = commits
        self.sent: list[Sent] = []
        self.is_dead = False

    async def live(self) -> None:
        """Talk until the storm is over and everything is answered."""
        while True:
            await self.storm.is_up.wait()
            if self.is_dead:
                await self.friend.close()
                return
            try:
                await self.friend.connect(self.storm.server.url)
                await self._talk()
            except Gone:
                await asyncio.sleep(0)
                continue
            return

    async def _talk(self) -> None:
        waiting = [sent for sent in self.sent if sent.reply is None]
        self.storm.counts.repeated += len(waiting)
        under_way = [(sent, self._send(sent)) for sent in waiting]
        while True:
            while len(under_way) < WINDOW and not self.storm.is_over:
                sent = self._next(under_way)
                under_way.append((sent, self._send(sent)))
            if not under_way:
                return
            sent, answer = under_way.pop(0)
            sent.note(await answer)
            self.storm.happened("answer")

    def _send(self, sent: Sent) -> asyncio.Future[Any]:
        (answer,) = self.friend.send(sent.request)
        self.storm.happened("send")
        return answer

    def _next(self, under_way: Sequence[tuple[Sent, Any]]) -> Sent:
        """Return something new to send, or now and then something that was answered already."""
        dice = self.friend.dice
        busy = {sent.request.id for sent, _ in under_way}
        if self.sent and dice.random() < 1 / 20:
            old = dice.choice(self.sent)
            if old.request.id not in busy:
                return old
        entries = tuple(self._entries(dice.choice((1, 1, 1, dice.randint(1, BATCH_MAX)))))
        sent = Sent(self.friend.append(self.talk, *entries))
        self.sent.append(sent)
        return sent

    def _entries(self, count: int) -> Iterator[NewEntry]:
        for _ in range(count):
            if self.commits and self.friend.dice.random() < 1 / 10:
                yield self.friend.handshake(self.talk)
            else:
                yield self.friend.message(self.key, self.friend.dice.randrange(1, 600))


class Watcher:
    """Somebody who follows a room, and trusts what was given once."""

    def __init__(self, storm: Storm, friend: Friend, talk: Talk) -> None:
        self.storm = storm
        self.friend = friend
        self.talk = talk
        self.seen: list[Stored] = []

    async def live(self) -> None:
        """Follow, on one connection after the other."""
        while True:
            await self.storm.is_up.wait()
            try:
                signed_in = await self.friend.connect(self.storm.server.url)
                while not self.friend.pushes.empty():
                    self.friend.pushes.get_nowait()
                await self._follow(signed_in.incarnation)
            except Gone:
                await asyncio.sleep(0)

    async def _follow(self, incarnation: int) -> None:
        while True:
            since = Position(incarnation, len(self.seen))
            page = await self.friend.ask(Read(room=self.talk.room, since=since, follow=True))
            assert isinstance(page, Entries), page
            self._take(page.entries)
            if page.more:
                continue
            while True:
                push = await self._push()
                if not isinstance(push, NewEntries) or push.entries[0].seq > len(self.seen) + 1:
                    break
                self._take(push.entries)

    async def _push(self) -> Any:
        """Return the next push; raise `Gone` when the connection ends before."""
        wanted = asyncio.create_task(self.friend.pushes.get())
        ended = asyncio.create_task(self.friend.ended())
        done, _ = await asyncio.wait([wanted, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in (wanted, ended):
            task.cancel()
        if wanted not in done:
            raise Gone
        return wanted.result()

    def _take(self, entries: Sequence[Stored]) -> None:
        for entry in entries:
            if entry.seq > len(self.seen):
                assert entry.seq == len(self.seen) + 1, "a gap in what was given"
                self.seen.append(entry)

    def check(self, log: Sequence[Stored]) -> None:
        """Compare what was given with what is there."""
        assert list(log[: len(self.seen)]) == self.seen, "what was given once has changed"
