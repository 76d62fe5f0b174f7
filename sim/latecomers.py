"""Somebody who comes when all is over, and when nobody else is there any more: all is read.

    registers, and goes ──► is invited ──► everybody goes ──► comes back, alone with the server

What was said in an open room must reach whoever was invited, from the server alone: the newest key
by the Welcome, and by rows of the chain from each key to the one before.
"""

import random
from collections.abc import Callable
from typing import Final

from alcove.client import chats
from alcove.client.rooms import acting
from sim.arrivals import Account
from sim.checks import Broken, Checks
from sim.devices import Device
from sim.people import People, Person

NAME: Final = "zoe"
LIKELY: Final = 0.4
"""In so many of the worlds in which nobody lies somebody comes late."""
STEP_MS: Final = 1_000
WITHIN_MS: Final = 60_000
"""So long each step may take."""
READ_MS: Final = 30_000
"""After so long all must have been read."""
FOR_EVER_MS: Final = 10**9


class Latecomer:
    """One who comes late."""

    def __init__(self, people: People, checks: Callable[[], Checks]) -> None:
        self.people, self.world, self._checks = people, people.world, checks
        self._dice = random.Random(f"{people.world.seed} late")

    def come(self) -> None:
        """Come, if somebody does in this world, and raise `Broken` where not all is read."""
        checks = self._checks()
        if checks.people.liars or checks.house.lies.is_on or self._dice.random() > LIKELY:
            return
        found = self._room(checks)
        if found is None:
            return
        room, inviter = found
        device = self._register()
        self._until("comes in", lambda: device.is_in and device.line is not None)
        self.world.run(self.world.now + STEP_MS)
        device.die("goes", away_ms=FOR_EVER_MS)
        self._until("finds who invites", lambda: inviter.is_free)
        account = self.people.people[-1].id
        self.people.ask(inviter, acting.invite, room, account)
        self._until("is invited", lambda: bool(self._arrivals(room, device)))
        self.world.run(self.world.now + STEP_MS)
        for one in self.people.devices:
            one.die("goes for good", away_ms=FOR_EVER_MS)
        device.boot()
        self._until("is there", lambda: self._is_there(room, device))
        self.world.run(self.world.now + READ_MS)
        wrong = [*self._checks().compare(device, room)]
        if wrong:
            raise Broken("\n".join(("who came late, and alone:", *wrong)))

    def _room(self, checks: Checks) -> tuple[bytes, Device] | None:
        """Return an open group, and one of its owners' devices."""
        owners = checks.house.look(
            """
            SELECT r.room, a.account FROM room_account a JOIN room r ON r.number = a.room
            WHERE r.kind = 'group' AND r.history = 'open' AND a.role = 'owner'
                AND a.state = 'active'
            """
        )
        found = [
            (room, device)
            for room in checks.logs
            for device in checks.inside(room)
            if (room, checks.accounts[device.id]) in owners and not checks.was_opened(room)
        ]
        return self._dice.choice(found) if found else None

    def _register(self) -> Device:
        """Make an account, and its first device."""
        people = self.people
        person = Person(Account(people.house, NAME))
        people.people.append(person)
        people.new_device(person)
        return person.devices[0]

    def _until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Let time pass until something is so."""
        until = self.world.now + WITHIN_MS
        while not is_so():
            if self.world.now >= until:
                raise Broken(f"{NAME} never {what}")
            self.world.run(self.world.now + STEP_MS)

    def _arrivals(self, room: bytes, device: Device) -> list[int]:
        checks = self._checks()
        return checks.arrivals(checks.logs[room], device)

    def _is_there(self, room: bytes, device: Device) -> bool:
        """Accept what was asked, and return whether the device stands in the room."""
        if device.is_free and chats.asks(device.disk):
            self.people.ask(device, chats.accept, room)
        line = device.disk.one("SELECT state FROM room WHERE room = ?", room)
        return line == ("active",)
