"""The sync engine of one device: five verbs, no I/O, no clock, no dice.

    receive(message, now)   the server said something      requests()   what to send, drained
    tick(now)               time passed                    events()     what to show, drained
    deadline()              call tick no later             do(...)      what the owner wants

Each call is one transaction, and what it sends and tells leaves after the commit.  What was asked
and not answered is a line of a table, so a crash between any two steps costs time and nothing else.

The engine itself decides nothing.  It opens a transaction and hands it to whoever the tables below
name: a reply to who asked for it, a push to its noun, an alarm to who set it.
"""

from collections.abc import Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, Union

import msgspec

from alcove.client import owner, packages, restored, tables
from alcove.client.events import Answered, Event, Offline, Online
from alcove.client.rooms import withheld
from alcove.client.store.database import Database
from alcove.client.tx import READS_FROM, UNKNOWN, Memory, Tx
from alcove.wire import REQUESTS
from alcove.wire.base import Push, Reply, Request
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import SignedIn
from alcove.wire.ids import Millis

P = ParamSpec("P")
T = TypeVar("T")

RETRY_MS = 1_000
"""What was refused because the server was busy is sent again after so long, unless it says when."""

PASSING = frozenset({
    Code.TOO_MANY, Code.BUSY, Code.FULL, Code.STOPPING, Code.STORAGE, Code.INTERNAL,
})  # fmt: skip
"""Refusals that have nothing to do with what was asked: the same request again may be taken."""

PASSING_MS_MAX = 5 * 60 * 1000
"""What may not be asked for so long is refused: whoever asked decides what else can be done."""

PAUSE_MS_MAX = 24 * 60 * 60 * 1000
"""No server makes anybody wait longer: what it says once would keep a device silent for good."""

CLOCK_MS = 10_000
"""How far the time on the disk may be behind: each time that it is written costs a little."""

_requests: Any = Union[REQUESTS]  # noqa: UP007
_decode_request: Any = msgspec.msgpack.Decoder(_requests).decode


class Engine:
    """One device of one account."""

    def __init__(self, db: Database, random: Callable[[int], bytes]) -> None:
        self._db, self._random = db, random
        self._memory = Memory()
        self._requests: list[Request] = []
        self._events: list[Event] = []

    # ---- The five verbs ----

    def receive(self, message: Reply | Push, now: Millis) -> None:
        """Take what the server said, and store what follows from it."""
        self.do(_receive, now, (message,))

    def receive_all(self, messages: Sequence[Reply | Push], now: Millis) -> None:
        """Take what came together, in one transaction: the disk is waited for once."""
        self.do(_receive, now, messages)

    def tick(self, now: Millis) -> None:
        """Do what is due."""
        self.do(_tick, now)

    def requests(self) -> list[Request]:
        """Return what is to be sent now, in this order, and forget it."""
        requests, self._requests = self._requests, []
        return requests

    def events(self) -> list[Event]:
        """Return what the owner should hear, and forget it."""
        events, self._events = self._events, []
        return events

    def deadline(self) -> Millis | None:
        """Return when `tick` must be called at the latest; None for whenever."""
        memory = self._memory
        if memory.due == UNKNOWN:
            line = self._db.one("SELECT MIN(at) FROM alarm")
            memory.due = None if line is None else line[0]
        return memory.due

    def is_ahead_of(self, now: Millis) -> bool:
        """Return whether the clock was set back: until `tick` is called deadlines are too late."""
        return now < self._memory.now

    # ---- The owner's own commands ----

    def do(
        self,
        step: Callable[Concatenate[Tx, P], T],
        now: Millis,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Carry out one step in one transaction; what it sends and tells leaves after that."""
        tx = Tx(self._db, self._memory, self._random, now)
        asked = frozenset(self._memory.asked)
        self._db.begin()
        try:
            clock = _look_at_clock(tx)
            result = step(tx, *args, **kwargs)
            while tx.stirred:
                stirred, tx.stirred = tx.stirred, {}
                for room in stirred:
                    tables.LOOK_AFTER(tx, room)
            tables.AT_THE_END(tx)
            self._db.commit()
        except BaseException:
            self._db.rollback()
            self._memory.forget(asked)
            raise
        self._memory.now, self._memory.clock = now, clock
        if self._memory.is_signed_in:  # Else they wait: by then some may be another's, or void.
            self._requests += tx.sent
        self._events += tx.told
        return result

    def ask(self, request: Request, now: Millis) -> int:
        """Ask the server something that only the owner wants to know; `Answered` brings it."""
        return self.do(owner.ask, now, request)

    def hung_up(self, now: Millis) -> None:
        """Note that the line is down."""
        self.do(_hung_up, now)
        self._requests.clear()  # They are sent again at the next sign-in, if they still matter.


# ---- The steps of the engine itself ----


def _receive(tx: Tx, messages: Sequence[Reply | Push]) -> None:
    """Hand each message to who takes it, in the order in which they came."""
    for message in messages:
        if isinstance(message, SignedIn):
            _signed_in(tx, message)
        elif isinstance(message, Push):
            if tx.memory.entered is not None:
                continue  # It is nobody's yet.  What matters is read once it is.
            tables.PUSHES.get(type(message), owner.heard)(tx, message)
        else:
            _answered(tx, message)


def _signed_in(tx: Tx, signed_in: SignedIn) -> None:
    """The line is up: send again what has no answer, and ask what is new."""
    stored = tx.all("SELECT body FROM request WHERE not_before <= ? ORDER BY id", tx.now)
    tx.sent += [_decode_request(body) for (body,) in stored]
    tx.sent += [asked.request for asked in tx.memory.asked.values()]
    tx.memory.is_signed_in = True
    tables.ON_SIGNED_IN(tx, signed_in)
    tx.tell(Online())


def _look_at_clock(tx: Tx) -> Millis:
    """Notice when the clock was set back, even while the program did not run.

    Returns the time that the disk knows: it is written down now and then.
    """
    memory, now = tx.memory, tx.now
    if not memory.now:
        (memory.clock,) = tx.one("SELECT clock FROM me") or (0,)
    before = max(memory.now, memory.clock)
    if now < before:
        _turn_back(tx, before - now)
    elif now < memory.clock + CLOCK_MS:
        return memory.clock
    tx.run("UPDATE me SET clock = ?", now)
    return now


def _turn_back(tx: Tx, by_ms: int) -> None:
    """The clock was set back: what is due in a minute is due in a minute, by the new time."""
    tx.run("UPDATE alarm SET at = MAX(at - ?, 0)", by_ms)
    tx.run(
        "UPDATE request SET not_before = MAX(not_before - ?, 0) WHERE not_before < ?",
        by_ms, withheld.NEVER,
    )  # fmt: skip
    tx.run(
        "UPDATE room SET commit_at = MAX(commit_at - ?1, 0), heal_at = MAX(heal_at - ?1, 0)", by_ms
    )
    tx.run("UPDATE notice SET ready_at = MAX(ready_at - ?, 0)", by_ms)
    # What was done by a clock that was far ahead was done now, at the latest.
    tx.run(
        """
        UPDATE room SET healed_at = MIN(healed_at, ?1), renewed_at = MIN(renewed_at, ?1),
            refused_at = MIN(refused_at, ?1)
        """,
        tx.now,
    )
    tx.run("UPDATE me SET restored_at = MIN(restored_at, ?)", tx.now)
    packages.clock_was_ahead(tx)


def _hung_up(tx: Tx) -> None:
    tx.memory.is_signed_in = False
    tx.memory.entered = None
    tx.memory.compared.clear()
    for asked in list(tx.memory.asked.values()):
        if asked.answered_by == "owner":
            refusal = Refusal(asked.request.id, Code.STOPPING, "The line is down.")
            tx.tell(Answered(asked.request.id, refusal))
    tx.memory.asked.clear()
    tx.memory.reading.clear()
    tx.tell(Offline())


def _answered(tx: Tx, answer: Reply) -> None:
    """Hand an answer to who asked; what was refused in passing is sent again."""
    if isinstance(answer, Refusal) and answer.code == Code.REUSED and _is_counted(tx, answer.id):
        restored.number_refused(tx, answer.id)
        return
    if isinstance(answer, Refusal) and (answer.retry_after_ms or 0) > PAUSE_MS_MAX:
        answer = msgspec.structs.replace(answer, retry_after_ms=PAUSE_MS_MAX)
    asked = tx.memory.asked.pop(answer.id, None)
    if asked is not None:
        tables.ANSWERS[asked.answered_by](tx, asked.request, answer, asked.note)
        return
    line = tx.one("SELECT body, answered_by, note FROM request WHERE id = ?", answer.id)
    if line is None:
        return  # It was answered before.
    body, answered_by, note = line
    pause_ms = (answer.retry_after_ms or RETRY_MS) if isinstance(answer, Refusal) else 0
    if isinstance(answer, Refusal) and answer.code in PASSING and pause_ms <= PASSING_MS_MAX:
        at = tx.now + pause_ms
        tx.run("UPDATE request SET not_before = ? WHERE id = ?", at, answer.id)
        tx.wake(SEND_AGAIN, b"", at)
        return
    tx.run("DELETE FROM request WHERE id = ?", answer.id)
    tables.ANSWERS[answered_by](tx, _decode_request(body), answer, note)


def _is_counted(tx: Tx, number: int) -> bool:
    """Return whether this device has asked something with a number that counts."""
    if number in tx.memory.asked:
        return number < READS_FROM
    return tx.one("SELECT 1 FROM request WHERE id = ?", number) is not None


def _tick(tx: Tx) -> None:
    """Do what is due, in the order in which it became due."""
    due = tx.all("SELECT kind, about FROM alarm WHERE at <= ? ORDER BY at, kind, about", tx.now)
    for kind, about in due:
        tx.run("DELETE FROM alarm WHERE kind = ? AND about = ?", kind, about)
        ALARMS[kind](tx, about)


def send_again(tx: Tx, _about: bytes) -> None:
    """Send what was refused in passing, and may be taken now."""
    if tx.memory.is_signed_in:
        for (body,) in tx.all(
            "SELECT body FROM request WHERE not_before > 0 AND not_before <= ? ORDER BY id", tx.now
        ):
            tx.sent.append(_decode_request(body))
        tx.run("UPDATE request SET not_before = 0 WHERE not_before <= ?", tx.now)


SEND_AGAIN = "engine.send_again"
ALARMS = tables.ALARMS | {SEND_AGAIN: send_again}
