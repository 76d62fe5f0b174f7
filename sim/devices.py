"""A device: the shipped engine and link on a disk of its own, in a process that may die.

    enter(act)    the process does one thing: unless it is down, busy with its disk, or is killed
    boot / die    the process begins with what is on the disk, and ends at any point
    roll back     somebody puts an old copy of the disk back

What the process says leaves when the disk is done, and not at all when it was killed before.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from alcove.client import devices
from alcove.client import link_events as heard
from alcove.client.engine import Engine
from alcove.client.events import Event
from alcove.client.keys.suite import SUITE
from alcove.client.link import Link
from alcove.client.tx import Tx
from alcove.wire.base import Request
from sim.disks import Disk, Killed
from sim.faults import Faults
from sim.house import House
from sim.network import DEVICE, SERVER, Line, Network
from sim.sealings import Sealings
from sim.world import World

P = ParamSpec("P")
T = TypeVar("T")

COMMIT_MS: Final = 2
SLOW_COMMIT_MS: Final = 400
DOWN_MS: Final = 3_000
"""How long a device stays off after its process was killed."""
ASLEEP_MS: Final = 15_000
"""How long one sleeps."""
RETRY_MS: Final = 500
SLEEP_MS: Final = 30_000
"""After so long at most a process looks what is due: `alcove.client.io.device` does the same."""
JUMP_MS: Final = 600_000
"""By how much a clock may be wrong."""


class Device:
    """One device of one account, and the machine that it runs on."""

    def __init__(
        self,
        world: World,
        faults: Faults,
        house: House,
        network: Network,
        sealings: Sealings,
        name: str,
    ) -> None:
        self.world, self.faults, self.house, self.network = world, faults, house, network
        self.sealings = sealings
        self.name = name
        self.address = f"203.0.113.{world.dice.randrange(1, 255)}"
        self.offset_ms = 0
        self.disk = Disk()
        self.life = 0
        self.is_up = False
        self.busy_until = 0
        self.rollbacks = 0
        self.turned_away: list[str] = []
        """Why the server, or what it said, has ended a connection for good."""
        self.hear: Callable[[Event], None] = lambda _: None
        """Told of every event that reaches the owner."""
        self.arrive: Callable[[], None] = lambda: None
        """Called when the server has greeted a device that it does not know yet."""
        self._calls: dict[int, Callable[[Any], None]] = {}
        self._acts: deque[Callable[[], None]] = deque()
        """What the process will do when its disk is done, in the order in which it came."""
        self.line: Line | None = None
        self._entered = self._entered_known = 0
        """How often this process has signed in, and how often its engine has heard of that."""
        self.link = Link(world.dice.randbytes)
        self.engine = Engine(self.disk, world.dice.randbytes)
        self._tick_at: int | None = None

    @property
    def now(self) -> int:
        """The time as this device's clock shows it."""
        return self.world.now + self.offset_ms

    @property
    def id(self) -> bytes:
        """The device's id."""
        line = self.disk.one("SELECT device FROM me")
        return line[0] if line else b""

    def tell(self, what: str) -> None:
        """Write into the record."""
        self.world.tell(self.name, what)

    # ---- The process ----

    def boot(self) -> None:
        """Begin with what is on the disk."""
        if self.is_up:
            return
        self.is_up = True
        self.life += 1
        self.busy_until = self.world.now
        self.disk.before_commit = self._before_commit
        self.disk.after_commit = self._after_commit
        self.engine = Engine(self.disk, self.world.dice.randbytes)
        self.line = None
        self._entered = self._entered_known = 0
        self._tick_at = None
        self._calls.clear()
        self._acts.clear()
        self.turned_away.clear()
        self.link = Link(self.world.dice.randbytes, "sim")
        if self.is_in:
            self.enter(lambda: self.engine.tick(self.now))
        if not self.is_up:
            return
        if self.is_in:
            self.sign_in()
        self.link.connect(self.now)
        self.pump()

    @property
    def is_in(self) -> bool:
        """Whether the server knows this device."""
        return self.disk.one("SELECT 1 FROM me WHERE state != 'new'") is not None

    def sign_in(self) -> None:
        """Say who this device is, on this connection and all after it."""
        line = self.disk.one("SELECT device, server, signing_key FROM me")
        assert line is not None
        device, server, key = line
        self.link.server = server
        self.link.sign_in(device, SUITE.signing_key(key), self.now)

    def _before_commit(self) -> None:
        if self.faults.strikes("device dies before it commits"):
            raise Killed

    def _after_commit(self) -> None:
        if self.faults.strikes("device dies before it speaks"):
            raise Killed

    def die(self, why: str, away_ms: int | None = None) -> None:
        """End at this point; the process comes back after a while."""
        if not self.is_up:
            return
        self.tell(why)
        self.is_up = False
        self.life += 1
        if self.line is not None:
            self.line.abandon(DEVICE)
            self.line = None
        wait = self.world.wait_ms(DOWN_MS) if away_ms is None else away_ms
        self.world.later(1 + wait, self._back, self.life)

    def _back(self, life: int) -> None:
        if life == self.life:
            self.tell("starts again")
            self.boot()

    def wake(self) -> None:
        """Be there within seconds, if it is off."""
        if not self.is_up:
            self.world.later(1 + self.world.wait_ms(DOWN_MS), self._back, self.life)

    def roll_back(self, image: bytes) -> None:
        """Begin again with an old copy of the disk."""
        self.die("gets an old copy of its disk back")
        self.rollbacks += 1
        self.disk.close()
        self.disk = Disk(image)

    # ---- Doing something ----

    def enter(self, act: Callable[[], None]) -> None:
        """Do one thing when the process is free; nothing when it is not the same one any more."""
        self._enter(self.life, act)

    def _enter(self, life: int, act: Callable[[], None]) -> None:
        if life == self.life and self.is_up:
            self._acts.append(act)
            if len(self._acts) == 1:  # Else that is planned.
                self._work(life)

    def _work(self, life: int) -> None:
        """Do what waits, as far as the process is free."""
        while life == self.life and self.is_up and self._acts:
            if self.world.now < self.busy_until:
                self.world.at(self.busy_until, self._work, life)
                return
            try:
                self._act(life, self._acts[0])
            finally:  # Its owner may have wanted what cannot be.
                if life == self.life:
                    self._acts.popleft()

    def _act(self, life: int, act: Callable[[], None]) -> None:
        before = self.disk.commits
        try:
            act()
        except Killed:
            self.die("is killed beside a commit")
            return
        if self.disk.commits != before:
            slow = self.faults.strikes("device's disk is slow")
            self.busy_until = self.world.now + (
                self.world.wait_ms(SLOW_COMMIT_MS) if slow else COMMIT_MS
            )
            self.world.at(self.busy_until, self._speak, life)
        else:
            self._speak(life)

    def do(
        self, step: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T | None:
        """Carry out what the owner wants, now; None when the process is off, busy or was killed."""
        if not self.is_free:
            return None
        result: list[T] = []
        self.enter(lambda: result.append(self.engine.do(step, self.now, *args, **kwargs)))
        return result[0] if result else None

    @property
    def is_free(self) -> bool:
        """Whether the process is there and not waiting for its disk."""
        return self.is_up and self.world.now >= self.busy_until and not self._acts

    def _speak(self, life: int) -> None:
        """Send and tell what the last steps have brought.

        What was meant for a line that has ended since goes to no other one: in the shipped program
        the engine hears of that before anything is handed out.
        """
        if life != self.life or not self.is_up:
            return
        for request in self.engine.requests():
            if self._entered == self._entered_known:
                self.link.send(request)
        for event in self.engine.events():
            self.hear(event)
        self.pump()

    # ---- The line ----

    def pump(self) -> None:
        """Do what the link wants, send what it says, and plan when it is called again."""
        life = self.life
        for event in self.link.events():
            self._heed(life, event)
        if self.line is not None:
            for frame in self.link.requests(self.now):
                self.sealings.leave(self.name, frame)
                self.line.send(SERVER, frame)
        if life == self.life and self.is_up:
            self._plan()

    def _heed(self, life: int, event: heard.Event) -> None:
        match event:
            case heard.Connect():
                self.world.later(1, self._connect, life)
            case heard.Hangup():
                if self.line is not None:
                    self.line.close(DEVICE)
                    self.line = None
                self.world.later(0, self._closed, life, None)
            case heard.Entered():
                self._entered += 1
                self._enter(life, partial(self._sign_in_heard, event.reply))
            case heard.Said():
                self._enter(life, partial(self._receive, event.message))
            case heard.Heard():
                self._calls.pop(event.number, _ignore)(event.answer)
            case heard.Greeted() if not self.is_in:
                self.arrive()
            case heard.Down():
                self._down(life, event)
            case heard.TurnedAway():
                self.tell(f"is turned away: {event.code}")
                self._enter(life, partial(self._sent_away, event))

    def _sent_away(self, event: heard.TurnedAway) -> None:
        """The server does not want this device: it says what may help, or gives up."""
        offers = self.engine.do(devices.turned_away, self.now, event.code)
        if offers:
            self.link.offer(offers)
        elif event.is_final:
            self.turned_away.append(event.code)

    def _down(self, life: int, event: heard.Down) -> None:
        self._calls.clear()
        if event.was_in:
            self._enter(life, lambda: self.engine.hung_up(self.now))
        if event.retry_at is None:  # What it was turned away for comes first.
            self._enter(life, partial(self._retry, life))

    def _retry(self, life: int) -> None:
        if not self.turned_away:
            self.world.later(RETRY_MS, self._want, life)

    def call(self, request: Request, then: Callable[[Any], None]) -> None:
        """Ask something past the engine; what has no answer when the line breaks is forgotten."""
        self._calls[self.link.send(request)] = then
        self.pump()

    def _want(self, life: int) -> None:
        """Connect again: a link of which nobody has signed in does not do that by itself."""
        if life == self.life and self.is_up:
            self.link.connect(self.now)
            self.pump()

    def _sign_in_heard(self, message: Any) -> None:
        self._entered_known += 1
        self._receive(message)

    def _receive(self, message: Any) -> None:
        self.engine.receive(message, self.now)

    def _connect(self, life: int) -> None:
        if life != self.life or not self.is_up or self.line is not None:
            return
        line = self.network.line()
        if not self.house.connect(line, self.address):
            self._closed(life, None)
            return
        self.line = line
        end = line.ends[DEVICE]
        end.takes = lambda frame: self._take(life, line, frame)
        end.hears_end = lambda: self._closed(life, line)
        self.link.opened(self.now)
        self.pump()

    def _take(self, life: int, line: Line, frame: bytes) -> None:
        if life == self.life and line is self.line:
            self.link.receive(frame, self.now)
            self.pump()

    def _closed(self, life: int, line: Line | None) -> None:
        if life == self.life and line is self.line:
            self.line = None
            self.link.closed(self.now)
            self.pump()

    # ---- Time ----

    def _plan(self) -> None:
        """See to it that engine and link are called when they want to be.

        As timers do, this waits for a time span: a clock that is set wrong meanwhile is not seen,
        and so, as in the shipped program, it never waits for longer than half a minute.
        """
        deadlines = [at for at in (self.engine.deadline(), self.link.deadline()) if at is not None]
        if not deadlines:
            return
        wait_ms = min(min(deadlines) - self.now, SLEEP_MS)
        at = self.world.now + max(wait_ms, 1)
        if self._tick_at is None or at < self._tick_at:
            self._tick_at = at
            self.world.at(at, self._tick, self.life, at)

    def _tick(self, life: int, at: int) -> None:
        if life != self.life or at != self._tick_at:
            return
        self._tick_at = None
        self.link.tick(self.now)
        deadline = self.engine.deadline()
        is_due = deadline is not None and deadline <= self.now
        if is_due or self.engine.is_ahead_of(self.now):
            self.enter(lambda: self.engine.tick(self.now))
        else:
            self.pump()

    # ---- Mishaps, each second ----

    def second(self) -> None:
        """Let a second's mishaps strike."""
        faults, world = self.faults, self.world
        if faults.strikes("device dies"):
            self.die("dies")
        elif faults.strikes("device sleeps"):
            self.die("sleeps", away_ms=world.wait_ms(ASLEEP_MS))
        if faults.strikes("device's clock jumps"):
            self.offset_ms = world.dice.randint(-JUMP_MS, JUMP_MS)
            self.tell(f"clock is wrong by {self.offset_ms / 1000:.0f} s")


def _ignore(_: Any) -> None:
    """Take an answer for which nobody waits any more."""
