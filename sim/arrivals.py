"""How a device comes to its account, without Argon2, whose result the dice stand for.

    first device     begin_registering ─► Register ─► registered
    another one      OpenBox ─► begin_entering ─► PutList ─► entered

It is what the product's shell does before there is an engine's line: it sends what `entering` has
stored until there is an answer, also after the process was killed.
"""

from functools import partial
from typing import Any, Final

from alcove.client import entering
from alcove.client.account import Locks, Opener, open_request
from alcove.client.keys.lock import PHRASE_BYTES, STRETCHED_BYTES
from alcove.wire.accounts import OpenedBox, Registered
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refusal
from sim.devices import Device
from sim.house import House

AGAIN_MS: Final = 2_000
"""How long to wait after a refusal."""


class Account:
    """What a person knows: a name, a password and a phrase."""

    def __init__(self, house: House, name: str) -> None:
        dice = house.world.dice
        self.house, self.name = house, name
        self.phrase = dice.randbytes(PHRASE_BYTES)
        self.locks = Locks(dice.randbytes(STRETCHED_BYTES), dice.randbytes(STRETCHED_BYTES), True)  # noqa: FBT003
        self.id = b""
        """The account's id, once there is one."""
        self.is_made = False
        """Whether the person knows that the server has it."""

    @property
    def opener(self) -> Opener:
        """What the owner types to be believed once more."""
        return Opener("password", self.locks.password)


class Arrival:
    """One device on its way in."""

    def __init__(self, account: Account, device: Device, *, is_first: bool) -> None:
        self.account, self.device, self._has_to_register = account, device, is_first
        device.arrive = self.greeted

    @property
    def _is_first(self) -> bool:
        """Whether there is no account yet: a disk may be set back to before it was made."""
        return self._has_to_register and not self.account.is_made

    def greeted(self) -> None:
        """The server has said who it is: say what is to be said."""
        device = self.device
        request = entering.waiting(device.disk)
        if request is not None:
            device.call(request, self.heard)
        elif self._is_first:
            server = self.account.house.memory.keys.public
            coming = entering.Coming(
                name=self.account.name, server=server, locks=self.account.locks,
                phrase=self.account.phrase,
            )  # fmt: skip
            device.enter(partial(self._do, entering.begin_registering, coming))
        else:
            device.call(open_request(self.account.name, self.account.opener), self.heard)

    def _do(self, step: Any, *args: Any) -> None:
        device = self.device
        if device.is_in:
            return  # It was refused twice, has asked twice, and one answer was enough.
        try:
            device.engine.do(step, device.now, *args)
        finally:  # Who is killed after the commit is in all the same.
            line = self._learn()
        if line is not None and line[0] == "in":
            self.account.is_made = True
            device.tell("has come in")
            device.sign_in()
        else:
            self.greeted()

    def _learn(self) -> Any:
        """Write down who the device is by now."""
        line = self.device.disk.one("SELECT state, account FROM me")
        if line is not None:
            self.account.id = line[1]
            self.account.house.world.call(line[1], self.account.name)
            self.account.house.world.call(self.device.id, self.device.name)
        return line

    def heard(self, answer: Any) -> None:
        """The server has answered."""
        device = self.device
        if isinstance(answer, Registered):
            device.enter(partial(self._do, entering.registered, answer))
        elif isinstance(answer, Done):
            device.enter(partial(self._do, entering.entered, answer))
        elif isinstance(answer, OpenedBox):
            server = self.account.house.memory.keys.public
            stretched = self.account.locks.password
            device.enter(partial(self._do, entering.begin_entering, answer, stretched, server))
        elif isinstance(answer, Refusal):
            device.tell(f"is refused on its way in: {answer.code}")
            self.account.is_made = self.account.is_made or answer.code == Code.NAME_TAKEN
            wait = AGAIN_MS + (answer.retry_after_ms or 0)
            device.world.later(wait, self._again, device.life)

    def _again(self, life: int) -> None:
        """Try it once more, with the box and list of now."""
        device = self.device
        if life != device.life or device.line is None:
            return
        if self._is_first:
            self.greeted()
        else:
            device.call(open_request(self.account.name, self.account.opener), self.heard)
