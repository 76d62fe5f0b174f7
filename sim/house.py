"""The shipped server in one thread: sessions, hub, writer and reader around a database in memory.

What waits is gathered while the disk is busy, then carried out and committed as one batch, then
answered: as `alcove.server.io.works` does it.  The server's process may die on either side of a
commit, start again, and be restored from a backup.
"""

import sqlite3
from collections import deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from alcove.server.auth import SECRET_BYTES, make_server_keys
from alcove.server.batch import Chore, Job, Outcome, Reader, Writer
from alcove.server.door import Door
from alcove.server.handlers import TABLE
from alcove.server.hub import Hub
from alcove.server.keeping import CHORES
from alcove.server.session import Session
from alcove.server.settings import Settings
from alcove.server.store.migrations import migrate
from alcove.server.store.opening import CHANCE, begin_incarnation, found
from alcove.server.store.sqlite import SqliteConnection
from alcove.server.tx import Tx
from alcove.server.tx import World as Memory
from alcove.wire.base import Request
from alcove.wire.errors import Code, Refused
from sim.faults import Faults
from sim.lies import Lies
from sim.network import DEVICE, SERVER, Line
from sim.world import START_MS, World

TICK_MS: Final = 250
"""How often the server looks at what is due."""
CHORES_MS: Final = 20_000
"""How often it cleans up: each kind of chore, as far as it is due in that time."""
COMMIT_MS: Final = 2
SLOW_COMMIT_MS: Final = 700
DOWN_MS: Final = 2_000
"""How long a server that has died is away."""
JUMP_MS: Final = 3_600_000
TURNS_MAX: Final = 20
"""How many turns a chore has, as long as it finds something."""
READ_MS: Final = 20
"""How much longer a read may take when answers overtake each other."""


class House:
    """A server, and its machine."""

    def __init__(self, world: World, faults: Faults, **settings: Any) -> None:
        self.world, self.faults = world, faults
        given: dict[str, Any] = {"registration": "open", "requests": "off"}
        self.settings = msgspec.structs.replace(Settings(), **given | settings)
        self.connection = _open(None)
        self.secret, self.incarnation = found(
            self.connection, self.now, world.dice.randbytes(SECRET_BYTES)
        )
        self.offset_ms = 0
        """How wrong its clock is."""
        self.lies = Lies(world, faults)
        self.life = 0
        """Counts its processes: what one of them planned the next does not do."""
        self.is_up = False
        self.watch: Callable[[bytes, Request, bytes], None] = lambda _device, _request, _reply: None
        """Sees everything that is carried out: (device, request, reply)."""
        self.lost: dict[bytes, bytes] = {}
        """Headers of handshakes that were stored when an older copy was put in the log's place,
        and their rooms."""
        self.unexpected: list[BaseException] = []
        """Failures inside of the server that nobody foresaw."""
        self._seen: dict[tuple[bytes, int], None] = {}
        self.start()
        world.later(TICK_MS, self._tick)
        world.later(CHORES_MS, self._clean)

    @property
    def now(self) -> int:
        """The time as the server's clock shows it."""
        return self.world.now + getattr(self, "offset_ms", 0)

    # ---- The process ----

    def start(self) -> None:
        """Begin as after a restart: nothing is in memory."""
        keys = make_server_keys(self.secret)
        self.memory = Memory(self.settings, keys, self.world.dice.randbytes, self.incarnation)
        self.hub = Hub(self.settings, self.memory.presence)
        self.door = Door(self.settings, keys, self.incarnation, "alcove, simulated")
        self.writer = Writer(self.connection, self.memory)
        self.reader = Reader(self.connection, self.memory)
        self._lines: dict[Session, Line] = {}
        self._writes: deque[tuple[Session | None, Job | Chore]] = deque()
        self._is_writing = False
        self.life += 1
        self.is_up = True

    def die(self, why: str) -> None:
        """End without a word, and start again a little later."""
        if not self.is_up:
            return
        self.world.tell("server", why)
        self.is_up = False
        self.life += 1
        for line in list(self._lines.values()):
            line.abandon(SERVER)
        self._lines.clear()
        self.world.later(1 + self.world.wait_ms(DOWN_MS), self._come_back, self.life)

    def _come_back(self, life: int) -> None:
        if life == self.life:
            self.start()
            self.world.tell("server", "is there again")

    def backup(self) -> bytes:
        """Return a copy of all that is stored."""
        image: bytes = self.connection._db.serialize()
        return image

    def _handshakes(self) -> dict[bytes, bytes]:
        return dict(
            self.look(
                """
                SELECT e.header, r.room FROM entry e JOIN room r ON r.number = e.room
                WHERE e.form = 0 ORDER BY e.room, e.seq
                """
            )
        )

    def restore(self, image: bytes) -> None:
        """Come back as of a backup, as `alcove.server.io.restore` does it."""
        self.die("is restored from a backup")
        before = self._handshakes()
        self.connection.close()
        self.connection = _open(image)
        left = self._handshakes()
        self.lost |= {header: room for header, room in before.items() if header not in left}
        self.connection.begin()
        self.connection.run("DELETE FROM token")
        self.connection.run("DELETE FROM package WHERE number > 0")
        self.connection.run("DELETE FROM invite WHERE used < uses AND expires_at > ?", self.now)
        drawn = self.world.dice.randrange(CHANCE)
        self.incarnation = begin_incarnation(self.connection, self.now, drawn)
        self.connection.commit()
        self._seen.clear()

    # ---- Connections ----

    def connect(self, line: Line, address: str) -> bool:
        """Take a connection; False when nobody answers."""
        if not self.is_up:
            return False
        try:
            self.door.connect(address, self.now)
        except Refused:
            return False
        session = Session(self.door, address, self.world.dice.randbytes(32), self.now)
        life = self.life
        end = line.ends[SERVER]
        end.takes = lambda frame: self._take(life, session, frame)
        end.hears_end = lambda: self._gone(life, session)
        self._lines[session] = line
        return True

    def _take(self, life: int, session: Session, frame: bytes) -> None:
        if life != self.life or session.goodbye is not None:
            return
        session.receive(frame, self.now)
        for job in session.events():
            self._put(session, job)
        self._send(session)

    def _gone(self, life: int, session: Session) -> None:
        if life == self.life:
            self._lines.pop(session, None)
            self.hub.leave(session, self.now)
            self._flush()

    def _put(self, session: Session, job: Job) -> None:
        if TABLE[type(job.request)].writes:
            self._writes.append((session, job))
            self._write_soon()
        else:
            overtakes = self.faults.strikes("answers overtake each other")
            wait = self.world.wait_ms(READ_MS) if overtakes else 0
            self.world.later(wait, self._read, self.life, session, job)

    # ---- Carrying out ----

    def _write_soon(self) -> None:
        if self._is_writing:
            return
        self._is_writing = True
        slow = self.faults.strikes("server's disk is slow")
        wait = 1 + self.world.wait_ms(SLOW_COMMIT_MS if slow else COMMIT_MS)
        self.world.later(wait, self._write, self.life)

    def _write(self, life: int) -> None:
        """Carry out what waits, and commit it; answers leave a moment later."""
        if life != self.life:
            return
        items: list[tuple[Session | None, Job | Chore]] = []
        while self._writes and len(items) < self.settings.commit_batch_max:
            item = self._writes.popleft()
            if item[0] is None or (item[0].goodbye is None and not item[0].has_left):
                items.append(item)
        self._is_writing = False
        if not items:
            return
        if self.faults.strikes("server dies before it commits"):
            self.die("dies before it commits")
            return
        for _, job in items:
            self._count_again(job)
        outcomes = self.writer.run([job for _, job in items], self.now)
        self._note_unexpected(self.writer.unexpected)
        if self.faults.strikes("server dies before it answers"):
            self.die("dies before it answers")
            return
        self._deliver(items, outcomes, reads=False)
        if self._writes:
            self._write_soon()

    def _count_again(self, job: Job | Chore) -> None:
        if isinstance(job, Job) and job.request.id and job.caller.device:
            key = (job.caller.device, job.request.id)
            if key in self._seen:
                self.faults.count("requests came twice")
            self._seen[key] = None

    def _read(self, life: int, session: Session, job: Job) -> None:
        if life != self.life or session.goodbye is not None or session.has_left:
            return
        outcome = self.reader.run(job, self.now)
        self._note_unexpected(self.reader.unexpected)
        self._deliver([(session, job)], [outcome], reads=True)

    def _note_unexpected(self, unexpected: list[BaseException]) -> None:
        self.unexpected += unexpected
        unexpected.clear()

    def _deliver(
        self,
        items: list[tuple[Session | None, Job | Chore]] | list[tuple[Session, Job]],
        outcomes: list[Outcome],
        *,
        reads: bool,
    ) -> None:
        delivered: list[tuple[Session | None, bool, Outcome]] = []
        for (session, job), outcome in zip(items, outcomes, strict=False):
            delivered.append((session, reads, outcome))
            if isinstance(job, Job):
                self.watch(job.caller.device, job.request, outcome.reply)
        delivered += [(None, reads, outcome) for outcome in outcomes[len(items) :]]
        self.hub.deliver(delivered, self.now)
        self._note_unexpected(self.hub.unexpected)
        self._flush()

    def _flush(self) -> None:
        dirty, self.hub.dirty = self.hub.dirty, {}
        for session in dirty:
            self._send(session)

    def _send(self, session: Session) -> None:
        line = self._lines.get(session)
        if line is None:
            return
        while frame := session.requests():
            line.send(DEVICE, self.lies.tell(session.caller.device, frame))
        if session.goodbye is not None:
            line.close(SERVER)
            del self._lines[session]
            self.hub.leave(session, self.now)

    # ---- Time ----

    def _tick(self) -> None:
        self.world.later(TICK_MS, self._tick)
        if not self.is_up:
            return
        self.hub.tick(self.now)
        for session in list(self._lines):
            if session.deadline() is not None:
                session.tick(self.now)
                self.hub.dirty[session] = None
        self._flush()

    def _clean(self) -> None:
        self.world.later(CHORES_MS, self._clean)
        if not self.is_up:
            return
        for chore in CHORES:
            since: int | None = 0
            for _ in range(TURNS_MAX):
                if since is None:
                    break
                since = self._turn(chore.turn, since)

    def _turn(self, turn: Callable[[Tx, int], Any], since: int) -> int | None:
        outcomes = self.writer.run([Chore(lambda tx: turn(tx, since))], self.now)
        self._note_unexpected(self.writer.unexpected)
        self.hub.deliver([(None, False, outcome) for outcome in outcomes], self.now)
        self._flush()
        result = outcomes[0].result
        return None if isinstance(result, Refused) else result.next

    def jump(self, by_ms: int) -> None:
        """Set the clock wrong, or right again."""
        self.offset_ms = by_ms
        self.world.tell("server", f"clock is wrong by {by_ms / 1000:.0f} s")

    # ---- For the checks ----

    def look(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return what the database says."""
        return self.connection.all(sql, *values)

    def has_content(self, device: bytes, content: bytes) -> bool:
        """Return whether a device's content stands in a log."""
        return any(
            device in header
            for (header,) in self.look("SELECT header FROM entry WHERE instr(header, ?)", content)
        )

    def stop_all(self) -> None:
        """End all connections properly."""
        self.hub.end_all(Code.STOPPING)
        self._flush()


_templates: list[bytes] = []


def _open(image: bytes | None) -> SqliteConnection:
    """Return a database in memory: this one, or a new one with its tables."""
    if image is None and not _templates:
        connection = SqliteConnection(":memory:", cache_kib=2048, is_there=lambda: True)
        migrate(connection, START_MS)
        _templates.append(connection._db.serialize())
        connection.close()
    connection = SqliteConnection(":memory:", cache_kib=2048, is_there=lambda: True)
    database: sqlite3.Connection = connection._db
    database.deserialize(_templates[0] if image is None else image)
    return connection
