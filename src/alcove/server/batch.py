"""A batch of requests in one transaction: judged in order, committed once, answered after.

The commit waits for the disk, so the more requests share one the better.  Each of them succeeds or
is refused by itself.  Only when the database fails are all of them refused: nothing has changed.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from msgspec import Struct

from alcove.server.answers import BY_TOKEN, Answers
from alcove.server.caller import NOBODY, Caller
from alcove.server.effects import Effect, Ended
from alcove.server.handlers import TABLE
from alcove.server.handlers.access import Handler
from alcove.server.handlers.signing_in import check_token
from alcove.server.store.database import CommitUnknown, Connection, StorageError
from alcove.server.tx import Tx, World
from alcove.wire.base import Request
from alcove.wire.codec import decode_answer, encode
from alcove.wire.entries import Append
from alcove.wire.errors import Code, Refused

FINGERPRINT_BYTES = 8

T = TypeVar("T")

Refusing = tuple[Code, Caller, type | None]
"""Why something was refused, whose it was, and its kind if it was a request."""


def _never() -> bool:
    return False


class Job(Struct, frozen=True, gc=False):
    """A request and who made it."""

    caller: Caller
    request: Request


class Chore(Struct, frozen=True):
    """Something that the server does by itself or for its host, under the rules for requests."""

    function: Callable[[Tx], Any]
    caller: Caller = NOBODY


class Outcome(Struct, frozen=True):
    """What came of a job: the reply, encoded, and what others are told."""

    reply: bytes
    effects: Sequence[Effect] = ()
    result: Any = None
    """What a chore's function returned, or the `Refused` that it raised."""


class Writer:
    """Runs batches that may write, on one connection."""

    def __init__(self, connection: Connection, world: World) -> None:
        self._connection = connection
        self._world = world
        self._has_failed = False
        self._ended: dict[bytes, Code] = {}
        """Devices that this batch has sent away, and why: what they asked after it is refused."""
        self.carried = 0
        """How many jobs of the last batch were carried out; the others were not begun."""
        self.is_doubtful = False
        """Whether nobody knows if the last batch is stored: the database went meanwhile."""
        self.unexpected: list[BaseException] = []
        """Failures that nobody foresaw, for the owner to log and clear."""
        self.refused: list[Refusing] = []
        """What the last batch refused, for the owner to take notice of."""

    def run(self, jobs: Sequence[Job | Chore], now: int) -> list[Outcome]:
        """Carry out all jobs and commit.  What is returned may be said."""
        outcomes = self.carry_out(jobs, now)
        return outcomes if self.commit() else self.refuse(jobs)

    def carry_out(
        self, jobs: Sequence[Job | Chore], now: int, is_late: Callable[[], bool] = _never
    ) -> list[Outcome]:
        """Carry out jobs in a transaction that stays open: nothing of it may be said yet."""
        connection, world = self._connection, self._world
        self._has_failed = self.is_doubtful = False
        self._ended = {}
        self.refused = []
        world.pauses.hear(now)
        try:
            connection.begin()
            tx = Tx(connection, world, now)
            outcomes: list[Outcome] = []
            for job in jobs:
                if outcomes and is_late():
                    break
                outcomes.append(self._one(tx, job, now))
            self.carried = len(outcomes)
            told = tx.finish()
        except Exception as error:  # noqa: BLE001 - The next batch must not wait for ever.
            self._fail(error)
            self.carried = len(jobs)
            return []
        if told:
            outcomes.append(Outcome(b"", told))
        return outcomes

    def commit(self) -> bool:
        """Wait until the transaction is on the disk; False when it could not be written."""
        if not self._has_failed:
            try:
                self._connection.commit()
            except Exception as error:  # noqa: BLE001 - The next batch must not wait for ever.
                self._fail(error)
        return not self._has_failed

    def refuse(self, jobs: Sequence[Job | Chore]) -> list[Outcome]:
        """Return the outcomes of a batch that could not be written: nothing has changed."""
        refused = Refused(Code.STORAGE)
        return [
            Outcome(b"", result=refused)
            if isinstance(job, Chore)
            else Outcome(encode(refused.reply(job.request.id)))
            for job in jobs
        ]

    def highest(self, device: bytes) -> int:
        """Return the highest request id of a device."""
        return self._world.answers.highest(self._connection, device)

    def _one(self, tx: Tx, job: Job | Chore, now: int) -> Outcome:
        if isinstance(job, Chore):
            return self._chore(tx, job)
        caller, request = job.caller, job.request
        handler = TABLE[type(request)]
        tx.begin_request(caller)
        # What comes with a token counts for itself: its thief must not use the device's count up.
        who = caller.device if caller.door != "http" else caller.device + BY_TOKEN
        remembers = handler.writes and handler.is_remembered and request.id and caller.device
        try:
            self._check(tx, caller)
            if remembers:
                given = self._world.answers.find(self._connection, who, request.id, now)
                if given is not None:
                    if given.fingerprint != _fingerprint(request):
                        raise Refused(Code.REUSED)
                    return Outcome(_completed(handler, tx, given.reply))
            tx.space.check(caller, request)
            reply = encode(handler.function(tx, caller, request, now))
            said = _completed(handler, tx, reply)
            effects = tx.end_request()
        except Refused as refused:
            tx.undo_request()
            self.refused.append((refused.code, caller, type(request)))
            return Outcome(encode(refused.reply(request.id)))
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - A bug in one request must not stop the others.
            self.unexpected.append(error)
            tx.undo_request()
            return Outcome(encode(Refused(Code.INTERNAL).reply(request.id)))
        for effect in effects:
            if isinstance(effect, Ended):
                self._ended.update(dict.fromkeys(effect.devices, Code(effect.why)))
        if remembers:
            self._world.answers.add(who, request.id, _fingerprint(request), reply)
        return Outcome(said, effects)

    def _check(self, tx: Tx, caller: Caller) -> None:
        """Refuse who was sent away since the request came in."""
        why = self._ended.get(caller.device)
        if why is not None:
            raise Refused(why)
        if caller.token:
            check_token(tx, caller)

    def _chore(self, tx: Tx, chore: Chore) -> Outcome:
        tx.begin_request(chore.caller)
        try:
            self._check(tx, chore.caller)
            result = chore.function(tx)
            return Outcome(b"", tx.end_request(), result)
        except Refused as refused:
            tx.undo_request()
            self.refused.append((refused.code, chore.caller, None))
            return Outcome(b"", result=refused)
        except StorageError:
            raise
        except Exception as error:  # noqa: BLE001 - A bug in a chore must not stop requests.
            self.unexpected.append(error)
            tx.undo_request()
            return Outcome(b"", result=Refused(Code.INTERNAL))

    def _fail(self, error: Exception) -> None:
        """Undo the batch, and forget what memory holds of it."""
        self._has_failed = True
        self.is_doubtful = isinstance(error, CommitUnknown)
        self.unexpected.append(error)
        try:
            self._connection.rollback()
        except StorageError as again:
            self.unexpected.append(again)
        self._world.rooms.clear()
        self._world.audit.drop()
        self._world.answers = Answers()


class Reader:
    """Runs requests that only read, on a connection of its own."""

    def __init__(self, connection: Connection, world: World) -> None:
        self._connection = connection
        self._world = world
        self.unexpected: list[BaseException] = []
        self.refused: list[Refusing] = []
        """What the last request was refused for: one, or none."""

    def run(self, job: Job, now: int) -> Outcome:
        """Carry out one request that changes nothing."""
        tx = Tx(self._connection, self._world, now)
        tx.caller = job.caller
        self.refused = []
        try:
            if job.caller.token:
                check_token(tx, job.caller)
            reply = TABLE[type(job.request)].function(tx, job.caller, job.request, now)
        except Refused as refused:
            self.refused.append((refused.code, job.caller, type(job.request)))
            return Outcome(encode(refused.reply(job.request.id)))
        except StorageError as error:
            self.unexpected.append(error)
            return Outcome(encode(Refused(Code.STORAGE).reply(job.request.id)))
        except Exception as error:  # noqa: BLE001 - A bug in one request must not stop the others.
            self.unexpected.append(error)
            return Outcome(encode(Refused(Code.INTERNAL).reply(job.request.id)))
        return Outcome(encode(reply), tx.effects)

    def look(self, function: Callable[[Tx], T], now: int) -> T:
        """Return what a function that only reads finds."""
        return function(Tx(self._connection, self._world, now))


def _completed(handler: Handler, tx: Tx, reply: bytes) -> bytes:
    """Return a reply as it is said: some hold more than may be kept."""
    if handler.completed is None:
        return reply
    return encode(handler.completed(tx, decode_answer(reply)))


def _fingerprint(request: Any) -> bytes:
    """Return what tells two requests with one id apart."""
    if isinstance(request, Append) and len(request.entries) == 1 and not request.welcomes:
        # Nearly all requests: its bytes are at hand, and need not be encoded for this.
        (entry,) = request.entries
        size = len(entry.header).to_bytes(4, "big")
        data = request.room + size + entry.header + entry.body + encode(request.rows)
        return hashlib.sha256(data).digest()[:FINGERPRINT_BYTES]
    return hashlib.blake2b(encode(request), digest_size=FINGERPRINT_BYTES).digest()
