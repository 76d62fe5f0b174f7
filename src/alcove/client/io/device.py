"""One device, alive: its engine and its link, moved along by a clock and a connection.

    frames ──► link ──► engine ──► events for whoever listens
    frames ◄── link ◄── engine ◄── do(step), ask(request)

Both machines are driven by one task, and whatever calls `do` runs them on: nothing here waits but
for the line.  All that came while the program was busy is one transaction.

    device = Device(engine, Place("https://chat.example.org"))
    device.connect()                     signs in when there is an account, and holds the line
    await device.online()
    reply = await device.ask(GetDevices())
    device.do(outbox.say, room, content)
    await device.close()
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeVar

import alcove
from alcove.client import link_events as heard
from alcove.client.devices import turned_away
from alcove.client.engine import Engine
from alcove.client.errors import OfflineError, RefusedError, StoreError, UsageError
from alcove.client.events import Answered
from alcove.client.io.listening import Listening
from alcove.client.io.logbook import log_mistake
from alcove.client.io.place import Place, checked, reach
from alcove.client.link import Link, State
from alcove.client.replies import UNSIGNED
from alcove.client.tx import Me, Tx
from alcove.wire.base import Request
from alcove.wire.errors import Refusal
from alcove.wire.greeting import Greeting, NewToken, SignedIn, Token
from alcove.wire.ids import Millis

if TYPE_CHECKING:
    from alcove.client.io.line import Line

P = ParamSpec("P")
T = TypeVar("T")

SLEEP_S: Final = 30.0
"""The clock is looked at so often at least: it may have been set, or the computer have slept."""
TOGETHER_MAX: Final = 256
"""So many messages are taken in one transaction."""
FAILURES_MAX: Final = 8
"""After so many failures in a row the line is made anew, a little later each time."""
AGAIN_S: Final = 30.0
"""What was due and failed is tried again after so long."""
FAILED_TURN_S: Final = 1.0
"""When nothing works, it is tried again after so long."""
CAREFUL_MESSAGES: Final = 1_000
"""After a failure so many messages are taken one by one."""
LEAST_SLEEP_S: Final = 0.001
"""However much is due, others have a turn."""
FLUSH_S: Final = 2.0
"""How long `close` waits for answers."""
TOKEN_PART: Final = 2
"""A token that was not used for this part of its idle time is not relied on any more."""

_GREETED = (State.GREETED, State.SIGNING, State.IN)
_FAILED = "This program could not take what the server said; the connection is made anew."


def now_ms() -> Millis:
    """Return the time as engines want it."""
    return time.time_ns() // 1_000_000


class Device:
    """One device of one account, or one that is about to have one."""

    def __init__(
        self,
        engine: Engine,
        place: Place,
        server: bytes | None = None,
        *,
        client: str = f"alcove {alcove.__version__}",
        clock: Callable[[], Millis] = now_ms,
    ) -> None:
        checked(place)
        self.engine, self.place = engine, place
        self.link = Link(os.urandom, client, server)
        self.turned_away: heard.TurnedAway | None = None
        """Why the server does not want this device, since the last `connect`."""
        self.trouble: OfflineError | None = None
        """Why there is no line; None while there is one."""
        self.signed_in: SignedIn | None = None
        """What the server said at the last sign-in."""
        self.is_online = False
        """Whether the server knows this device, and answers."""
        self.failures = 0
        """How many of our own steps have failed since the start; mistakes of ours are logged."""
        self.fault: StoreError | None = None
        """Why the local database did not take what the server said; None when it did."""
        self._clock = clock
        self._line: Line | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._runs: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._is_moving = False
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        """Who waits for an answer, by its number."""
        self._changed = asyncio.Event()
        self._careful = 0
        self._listeners: list[Callable[[Any], None]] = []
        self._failed_in_a_row = 0
        """How many times the engine could not take what was said."""
        self._tick_not_before_s = 0.0
        self._token: Token | None = None
        self._token_used_at = 0
        self._token_lock = asyncio.Lock()

    # ---- Coming and going ----

    def connect(self) -> None:
        """Hold a line to the server from now on; sign in if this device has an account."""
        self.turned_away = None
        if self._runs is None:
            self._runs = asyncio.create_task(self._run(), name="alcove device")
        me = self.engine.do(_who, self._clock())
        if me is not None and me.state != "new":
            self._sign_in(me)
        self.link.connect(self._clock())
        self._move()

    async def greeted(self, patience_s: float | None = None) -> Greeting:
        """Return what the server says of itself, on a line that stands."""
        if self._runs is None or self.link.state is State.IDLE:
            self.connect()
        await self._until(lambda: self.link.state in _GREETED, patience_s)
        assert self.link.greeting is not None
        return self.link.greeting

    async def sign_in(self, patience_s: float | None = None) -> SignedIn:
        """Sign in with the account that the engine has by now, and wait until that is done."""
        me = self.engine.do(_who, self._clock())
        if me is None:
            raise UsageError("There is no account on this device yet; register or sign in first.")
        self._sign_in(me)
        if self._runs is None or self.link.state is State.IDLE:
            self.connect()
        self._move()
        return await self.online(patience_s)

    async def online(self, patience_s: float | None = None) -> SignedIn:
        """Wait until the server knows this device and answers."""
        await self._until(lambda: self.is_online, patience_s)
        assert self.signed_in is not None
        return self.signed_in

    @property
    def why(self) -> str:
        """Why there is no line, as a sentence; empty while there is one."""
        return str(self.trouble or "")

    async def close(self) -> None:
        """Wait a moment for what is under way, and end the line."""
        with suppress(OfflineError, RefusedError):
            await self._until(lambda: self.link.is_quiet or not self.is_online, FLUSH_S)
        self.link.stop()
        self._move()
        tasks = [task for task in (self._runs, self._dialing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, *self._closing, return_exceptions=True)
        self._runs = self._dialing = None
        self._fail_waiting(OfflineError("This program has closed the connection."))

    def _sign_in(self, me: Me) -> None:
        self.link.server = me.server
        self.link.sign_in(me.device, me.key, self._clock())

    # ---- What the owner wants ----

    def do(self, step: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out one step now; what it sends leaves at once."""
        result = self.engine.do(step, self._clock(), *args, **kwargs)
        self._move()
        return result

    async def ask(self, request: Request) -> Any:
        """Return what the server answers; raise `RefusedError` when it says no.

        Without a line that is an `OfflineError`, and so it is when the line breaks before the
        answer: then a change may have been carried out, or will be when the line is back.
        """
        if self.is_online:
            number = self.engine.ask(request, self._clock())
        elif isinstance(request, UNSIGNED):
            await self.greeted()
            number = self.link.send(request)
        else:
            raise self._offline()
        return await self._answer_to(number)

    async def order(
        self, step: Callable[Concatenate[Tx, P], int], /, *args: P.args, **kwargs: P.kwargs
    ) -> Any:
        """Carry out a step that returns the number of what it asks; return what is answered.

        Without a line, and when it breaks before the answer, that is an `OfflineError`: the change
        may have been carried out, or will be when the line is back.
        """
        if not self.is_online:
            raise self._offline()
        # Nothing moves before somebody waits: what cannot be sent is refused at once.
        number = self.engine.do(step, self._clock(), *args, **kwargs)
        return await self._answer_to(number)

    async def _answer_to(self, number: int) -> Any:
        """Wait for the answer to a request that is on its way; raise when it is a refusal."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._move()
        try:
            answer = await future
        finally:
            self._waiting.pop(number, None)
        if isinstance(answer, Refusal):
            raise RefusedError(answer.code, answer.why, answer.retry_after_ms)
        return answer

    async def token(self, *, is_stale: bool = False) -> str:
        """Return a bearer token for HTTP: a new one when the last one was not taken, or is old."""
        async with self._token_lock:
            now = self._clock()
            token = self._token
            is_fresh = token is not None and 0 <= now - self._token_used_at < (
                token.idle_ms // TOKEN_PART
            )
            if token is None or is_stale or not is_fresh:
                token = self._token = await self.ask(NewToken())
            self._token_used_at = now
            assert token is not None
            return token.token

    # ---- Listening ----

    def listen(self, listener: Callable[[Any], None]) -> Callable[[], None]:
        """Call a function with every event from now on; returns what ends that.

        An event is one of `alcove.client.events`, or `TurnedAway`.
        """
        self._listeners.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._listeners.remove(listener)

        return stop

    def events(self) -> "Listening":
        """Return every event from now on, as an asynchronous iterator."""
        return Listening(self.listen)

    def _publish(self, event: Any) -> None:
        for listener in list(self._listeners):
            self._try(listener, event)

    def _answer(self, number: int, answer: Any) -> None:
        future = self._waiting.pop(number, None)
        if future is not None and not future.done():
            future.set_result(answer)

    def _fail_waiting(self, error: OfflineError) -> None:
        """Tell everyone who waits for an answer that none comes."""
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error.again())

    # ---- Moving ----

    async def _run(self) -> None:
        """Turn, and sleep until there is something to do."""
        while True:
            if not self._try(self._turn):
                await asyncio.sleep(FAILED_TURN_S)
                continue  # What it has not moved is moved now.
            self._woken.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._sleep_s()):
                    await self._woken.wait()

    def _turn(self) -> None:
        """Take what came, do what is due, and send what follows."""
        now, line = self._clock(), self._line
        if line is not None:
            if line.moved():
                self.link.alive(now)
            for frame in line.frames():
                self.link.receive(frame, now)
            if line.ended is not None:
                self._let_go()
                self.link.closed(now, line.ended.why)
        self.link.tick(now)
        self._tick(now)
        self._move()

    def _tick(self, now: Millis) -> None:
        """Let the engine do what is due.  What fails is not tried again at once."""
        loop, was_set_back = asyncio.get_running_loop(), self.engine.is_ahead_of(now)
        if loop.time() >= self._tick_not_before_s and (was_set_back or self._due_at() <= now):
            is_done = self._try(self.engine.tick, now)
            self._tick_not_before_s = 0.0 if is_done else loop.time() + AGAIN_S

    def _due_at(self) -> float:
        """Return when the engine has something to do."""
        try:
            at = self.engine.deadline()
        except StoreError:
            at = None  # Whoever does the next step hears of it.
        return math.inf if at is None else at

    def _sleep_s(self) -> float:
        """Return how long there is nothing to do, if nobody calls."""
        now = self._clock()
        link_at = self.link.deadline()
        link_s = math.inf if link_at is None else (link_at - now) / 1000
        engine_s = (self._due_at() - now) / 1000
        pause_s = self._tick_not_before_s - asyncio.get_running_loop().time()
        return max(min(link_s, max(engine_s, pause_s), SLEEP_S), LEAST_SLEEP_S)

    def _move(self) -> None:
        """Carry everything from machine to machine until nothing moves any more."""
        if self._is_moving:
            return  # A listener has called: whoever moves goes on until all is done.
        self._is_moving = True
        try:
            while self._step():
                pass
        finally:
            self._is_moving = False
        self._woken.set()  # The deadlines may be others now.
        self._changed.set()
        self._changed = asyncio.Event()

    def _step(self) -> bool:
        """Move everything by one machine; return whether anything moved."""
        now = self._clock()
        events = self.link.events()
        said: list[Any] = []
        for event in events:
            if isinstance(event, heard.Said):
                said.append(event.message)
            else:
                self._hand_over(said, now)
                said = []
                self._do_for_link(event, now)
        self._hand_over(said, now)
        has_told = self._tell()
        requests = self.engine.requests()
        for request in requests:
            self.link.send(request)
        frames = self.link.requests(now)
        if self._line is not None:
            for frame in frames:
                self._line.send(frame)
        return bool(events or has_told or requests)

    def _tell(self) -> bool:
        """Pass on what the engine tells, answers to who asked; whether there was anything."""
        events = self.engine.events()
        for event in events:
            if isinstance(event, Answered):
                self._answer(event.ticket, event.answer)
            else:
                self._publish(event)
        return bool(events)

    def _do_for_link(self, event: Any, now: Millis) -> None:
        """Do what the link wants of its owner."""
        match event:
            case heard.Connect():
                self._dialing = asyncio.create_task(self._dial(), name="alcove device dials")
            case heard.Hangup():
                self._let_go()
                if self.link.state is State.ENDING:
                    self.link.closed(now)
            case heard.Greeted():
                self.trouble = None
            case heard.Entered(reply=reply):
                self._enter(reply, now)
            case heard.Heard(number=number, answer=answer):
                self._answer(number, answer)
            case heard.TurnedAway(code=code):
                self.turned_away = event
                if offers := self.engine.do(turned_away, now, code):
                    self.turned_away = None
                    self.link.offer(offers)
                else:
                    self._publish(event)
            case heard.Down(was_in=was_in, why=why):
                if self.trouble is None or why != str(self.trouble):
                    self.trouble = OfflineError(why) if why else OfflineError()
                self.is_online = False
                self._tell()  # Some were answered before.
                self._fail_waiting(self.trouble)
                if was_in:
                    self._try(self.engine.hung_up, now)

    def _enter(self, reply: SignedIn, now: Millis) -> None:
        """Let the engine know that the line is up: it sends what has no answer."""
        if self._try(self.engine.receive, reply, now):
            self.signed_in, self.is_online, self.trouble = reply, True, None
        else:
            self.link.hang_up(str(self.fault or _FAILED))

    def _hand_over(self, messages: Sequence[Any], now: Millis) -> None:
        """Give the engine what came, together, while all goes well.

        When something fails the line is made anew, and everything asked again; then messages are
        taken one by one for a while, so that a mistake of ours costs one message and not all.
        """
        taken = 0
        while taken < len(messages):
            together = messages[taken : taken + (1 if self._careful else TOGETHER_MAX)]
            taken += len(together)
            self._careful = max(self._careful - 1, 0)
            if self._try(self.engine.receive_all, together, now):
                self._failed_in_a_row, self.fault = 0, None
                continue
            self._careful = CAREFUL_MESSAGES
            self._failed_in_a_row += 1
            if len(together) > 1 or self._failed_in_a_row >= FAILURES_MAX:
                self.link.hang_up(str(self.fault or _FAILED))
                return

    def _try(self, function: Callable[..., object], *args: Any) -> bool:
        """Do something, and return whether it was done: a mistake of ours costs nothing else."""
        try:
            function(*args)
        except StoreError as error:  # The disk's fault, and told to whoever waits.
            self.failures, self.fault = self.failures + 1, error
            return False
        except Exception as error:  # noqa: BLE001 - The device must go on.
            self.failures += 1
            log_mistake(error, "a step of the device")
            return False
        return True

    # ---- The line ----

    async def _dial(self) -> None:
        """Open a connection, and tell the link what came of it."""
        try:
            line = await reach(self.place, self._woken.set)
        except OfflineError as error:
            self.trouble = error
            self.link.closed(self._clock(), str(error), error.retry_after_ms, error.code)
        else:
            self._line = line
            self.link.opened(self._clock())
        self._dialing = None
        self._move()

    def _let_go(self) -> None:
        """End the connection, or the try to open one, while other things go on."""
        line, self._line = self._line, None
        if line is not None:
            task = asyncio.create_task(line.close(), name="alcove line closes")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None

    # ---- Waiting ----

    async def _until(self, condition: Callable[[], bool], patience_s: float | None) -> None:
        """Wait until something is so; raise when it cannot become so any more."""
        try:
            async with asyncio.timeout(patience_s):
                while not condition():
                    turned = self.turned_away
                    if turned is not None and turned.is_final:
                        raise RefusedError(turned.code, turned.why)
                    if self.link.state is State.IDLE and self.link.deadline() is None:
                        raise self._offline()
                    await self._changed.wait()
        except TimeoutError:
            raise self._offline() from None

    def _offline(self) -> OfflineError:
        return OfflineError() if self.trouble is None else self.trouble.again()


def _who(tx: Tx) -> Me | None:
    """Return who this device is, if there is an account on it already."""
    return None if tx.one("SELECT 1 FROM me") is None else tx.me
