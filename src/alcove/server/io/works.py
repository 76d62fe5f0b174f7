"""Who carries requests out, and who waits for the disk.

    SQLite       the loop carries a batch out, a thread commits it       ─┐  then the loop answers
    PostgreSQL   a thread carries a batch out and commits it; others read ─┴► and tells everyone

While one batch is being committed the next one gathers: the busier the server, the larger its
batches and the fewer its waits for the disk.

A statement on SQLite is microseconds of computing on pages in memory.  Doing that in another
thread was measured to be slower by half: each statement hands the interpreter to and fro.  What
takes long is the commit, and that waits in a thread of its own, without the interpreter.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from time import monotonic
from typing import TypeVar, cast

from alcove.server.batch import Chore, Job, Outcome, Reader, Refusing, Writer
from alcove.server.caller import NOBODY, Caller, Notice, unnoticed
from alcove.server.handlers import TABLE
from alcove.server.hub import Hub
from alcove.server.io.measures import Commits
from alcove.server.session import Session
from alcove.server.store.database import Database
from alcove.server.tx import Tx, World
from alcove.wire.errors import Code, Refused

READERS = 2
"""How many threads read from a database that is reached over a socket."""
BATCH_S = 0.02
"""How long the loop carries requests out before it commits them and looks at its sockets again."""
STOP_S = 30
"""How long a server that stops waits for its disk."""
DRAIN_S = 0.01
BACKLOG_S = 0.02
"""When to look again at a connection that has not taken what it was sent."""
READS_AT_ONCE = 2
"""How many pages the loop reads before it looks at its sockets again."""

T = TypeVar("T")

_log = logging.getLogger("alcove.server")

Sink = Session | asyncio.Future[Outcome] | None
Item = tuple[Sink, Job | Chore]
ReadItem = tuple[Sink, Job]


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _was_sent_away(sink: Sink) -> bool:
    """Return whether this is a connection that has ended meanwhile, or is about to."""
    return isinstance(sink, Session) and (sink.goodbye is not None or sink.has_left)


class Works:
    """The writer, the readers, and everyone who is connected."""

    def __init__(self, database: Database, world: World, hub: Hub) -> None:
        self.hub = hub
        self.random = world.random
        self.flush: Callable[[dict[Session, None]], None] = lambda _: None
        """Sends what sessions have to say; set by whoever holds the sockets."""
        self.notice: Notice = unnoticed
        """Told of what handlers refuse; set by whoever writes down what matters."""
        self.batches = 0
        self.requests = 0
        self.commits = Commits()
        self.failures = 0
        """How often something failed that nobody foresaw."""
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._is_local = database.is_local
        self._backlog_max = world.settings.outgoing_bytes_max
        self._database = database
        self._writes: deque[Item] = deque()
        self._reads: deque[ReadItem] = deque()
        self._batches: SimpleQueue[tuple[list[Item], list[Outcome]] | None] = SimpleQueue()
        """For the writing thread; None ends it."""
        self._read_wanted: SimpleQueue[None] = SimpleQueue()
        self._is_writing = False
        self._is_reading = False
        self._connection = database.writer()
        self._writer = Writer(self._connection, world)
        self._reading = database.reader()
        self._reader = Reader(self._reading, world)
        self._looking = threading.Lock()
        self._counting = asyncio.Lock()
        # Daemons: a start that fails half way must not be kept from ending by them.
        self._threads = [threading.Thread(target=self._write_in_thread, name="writer", daemon=True)]
        if not self._is_local:
            self._threads += [
                threading.Thread(target=self._read_in_thread, name=f"reader {number}", daemon=True)
                for number in range(READERS)
            ]
        for thread in self._threads:
            thread.start()

    def submit(self, session: Session) -> None:
        """Carry out what a session asks."""
        for job in session.events():
            self._put(session, job)

    async def ask(self, job: Job) -> bytes:
        """Carry out one job and return the encoded reply."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._put(future, job)
        return (await future).reply

    async def do(self, function: Callable[[Tx], T], caller: Caller = NOBODY) -> T:
        """Carry a function out in the next batch, all of it or nothing, and return what it does.

        Raises `Refused` when it refuses, and when the database cannot write.
        """
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._put(future, Chore(function, caller))
        result = (await future).result
        if isinstance(result, Refused):
            raise result
        return cast("T", result)

    async def look(self, function: Callable[[Tx], T]) -> T:
        """Return what a function that only reads finds."""
        if self._is_local:
            return self._reader.look(function, now_ms())

        def look() -> T:
            with self._looking:
                return self._reader.look(function, now_ms())

        return await asyncio.to_thread(look)

    async def count(self, function: Callable[[Tx], T]) -> T:
        """Return what a function that reads much finds: in a thread of its own, one at a time."""

        def look() -> T:
            connection = self._database.reader()
            try:
                return Reader(connection, self._world).look(function, now_ms())
            finally:
                connection.close()

        async with self._counting:
            return await asyncio.to_thread(look)

    @property
    def is_busy(self) -> bool:
        """Whether something that was submitted is not answered yet."""
        return self._is_writing or self._is_reading or bool(self._reads)

    async def stop(self) -> None:
        """Carry out what was submitted, then end the threads."""
        until = self._loop.time() + STOP_S
        while self.is_busy and self._loop.time() < until:  # noqa: ASYNC110 - Threads tell nobody.
            await asyncio.sleep(DRAIN_S)
        self._batches.put(None)
        for _ in self._threads[1:]:
            self._read_wanted.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._connection.close()
        self._reading.close()

    # ---- In the loop ----

    def _put(self, sink: Sink, job: Job | Chore) -> None:
        if isinstance(job, Chore) or TABLE[type(job.request)].writes:
            self._writes.append((sink, job))
            if not self._is_writing:
                self._is_writing = True
                self._loop.call_soon(self._write)
        else:
            self._reads.append((sink, job))
            if not self._is_local:
                self._read_wanted.put(None)
            elif not self._is_reading:
                self._is_reading = True
                self._loop.call_soon(self._read)

    def _write(self) -> None:
        """Begin the next batch with all that waits, as far as a batch goes."""
        most = self._world.settings.commit_batch_max
        items: list[Item] = []
        while self._writes and len(items) < most:
            item = self._writes.popleft()
            if not _was_sent_away(item[0]):
                items.append(item)
        if not items:
            self._is_writing = False
            return
        outcomes: list[Outcome] = []
        if self._is_local:
            late = monotonic() + BATCH_S
            outcomes = self._writer.carry_out(
                [job for _, job in items], now_ms(), lambda: monotonic() > late
            )
            left = items[self._writer.carried :]
            self._writes.extendleft(reversed(left))
            items = items[: self._writer.carried]
        self._batches.put((items, outcomes))

    def _written(self, items: list[Item], outcomes: list[Outcome]) -> None:
        """Say what came of a batch, now that it is on the disk."""
        try:
            self._report(self._writer.unexpected)
            self._notice_all(self._writer.refused)
            if self._writer.is_doubtful:
                items, outcomes = self._doubt(items, outcomes)
            self._deliver(items, outcomes, reads=False)
        finally:
            # What the sockets hold already belongs to the next batch: they are looked at first.
            self._loop.call_soon(self._write)

    def _doubt(
        self, items: list[Item], outcomes: list[Outcome]
    ) -> tuple[list[Item], list[Outcome]]:
        """End all connections, and return what is left to be answered: what came another way.

        On a connection nothing is answered: whoever asked comes back and asks again, with the same
        ids.
        """
        self.hub.end_all(Code.STORAGE)
        left: list[tuple[Item, Outcome]] = []
        for item, outcome in zip(items, outcomes, strict=True):
            if isinstance(item[0], Session):
                item[0].end(Code.STORAGE)
                self.hub.dirty[item[0]] = None
            else:
                left.append((item, outcome))
        return [item for item, _ in left], [outcome for _, outcome in left]

    def _read(self) -> None:
        """Carry out some of the reads that wait."""
        now = now_ms()
        done = 0
        for _ in range(len(self._reads)):
            if done == READS_AT_ONCE:
                break
            item = self._reads.popleft()
            sink = item[0]
            if _was_sent_away(sink):
                continue
            if self._is_slow(sink):
                self._reads.append(item)  # What it has not taken yet is enough; others go first.
                continue
            outcome = self._reader.run(item[1], now)
            self._notice_all(self._reader.refused)
            self._deliver([item], [outcome], reads=True)
            done += 1
        self._report(self._reader.unexpected)
        self._is_reading = bool(self._reads)
        if self._is_reading:
            self._loop.call_later(0.0 if done else BACKLOG_S, self._read)

    def _is_slow(self, sink: Sink) -> bool:
        """Return whether this is a connection that has not taken much of what it was sent."""
        return isinstance(sink, Session) and sink.backlog_bytes > self._backlog_max

    def _deliver(self, items: Sequence[Item], outcomes: Sequence[Outcome], *, reads: bool) -> None:
        self.batches += 1
        self.requests += len(items)
        delivered: list[tuple[Session | None, bool, Outcome]] = []
        for (sink, _), outcome in zip(items, outcomes, strict=False):
            if isinstance(sink, Session):
                delivered.append((sink, reads, outcome))
            else:
                delivered.append((None, reads, outcome))
                if sink is not None and not sink.done():
                    sink.set_result(outcome)
        delivered += [(None, reads, outcome) for outcome in outcomes[len(items) :]]
        hub = self.hub
        hub.deliver(delivered, now_ms())
        self._report(hub.unexpected)
        dirty, hub.dirty = hub.dirty, {}
        self.flush(dirty)

    def _report(self, unexpected: list[BaseException]) -> None:
        """Log failures that nobody foresaw: their kind and place, never their words."""
        self.failures += len(unexpected)
        for error in unexpected:
            frames = []
            trace = error.__traceback__
            while trace is not None:
                code = trace.tb_frame.f_code
                frames.append(f"{code.co_filename.rpartition('alcove/')[2]}:{trace.tb_lineno}")
                trace = trace.tb_next
            _log.error("unexpected %s at %s", type(error).__name__, " < ".join(reversed(frames)))
        unexpected.clear()

    def _notice_all(self, refused: list[Refusing]) -> None:
        """Let what was refused be noticed; what was carried out costs nothing here."""
        if refused:
            now = now_ms()
            for code, caller, kind in refused:
                self.notice(code, caller, now, kind)

    # ---- In the threads ----

    def _write_in_thread(self) -> None:
        """Wait for the disk."""
        while (batch := self._batches.get()) is not None:
            items, outcomes = batch
            jobs = [job for _, job in items]
            began = monotonic()
            if not self._is_local:
                outcomes = self._writer.run(jobs, now_ms())
            elif not self._writer.commit():
                outcomes = self._writer.refuse(jobs)
            self.commits.add(monotonic() - began, len(jobs))
            self._loop.call_soon_threadsafe(self._written, items, outcomes)

    def _read_in_thread(self) -> None:
        connection = self._database.reader()
        reader = Reader(connection, self._world)
        while True:
            self._read_wanted.get()
            try:
                item = self._reads.popleft()
            except IndexError:
                break
            if _was_sent_away(item[0]):
                continue
            if self._is_slow(item[0]):  # It waits outside of the queue: others go first.
                self._loop.call_soon_threadsafe(self._loop.call_later, BACKLOG_S, self._put, *item)
                continue
            outcome = reader.run(item[1], now_ms())
            self._loop.call_soon_threadsafe(
                self._read_elsewhere, item, outcome, reader.unexpected, reader.refused
            )
            reader.unexpected = []
        connection.close()

    def _read_elsewhere(
        self,
        item: ReadItem,
        outcome: Outcome,
        unexpected: list[BaseException],
        refused: list[Refusing],
    ) -> None:
        self._report(unexpected)
        self._notice_all(refused)
        self._deliver([item], [outcome], reads=True)
