"""Many devices in one room, and nothing wrong that is not done on purpose: for stories.

The worlds of the swarm are small, so that there can be many.  What only happens where many are
together is told here, one thing at a time.
"""

from collections.abc import Callable
from typing import Any, Final

from alcove.client.rooms.making import create
from sim.arrivals import Account, Arrival
from sim.devices import Device
from sim.faults import FAULTS, Faults
from sim.house import House
from sim.network import Network
from sim.sealings import Sealings
from sim.world import EVENTS_MAX, World

STEP_MS: Final = 500
LONG_MS: Final = 1_800_000
"""So long a story may take to come to where it begins."""


class Crowd:
    """So many people with a device each, on one server."""

    def __init__(self, seed: int, size: int, **settings: Any) -> None:
        self.world = World(seed)
        self.world.events_max = EVENTS_MAX * size  # What one says, all the others hear.
        self.faults = Faults(self.world, only="nothing", without=tuple(FAULTS))
        self.house = House(self.world, self.faults, **settings)
        network, sealings = Network(self.world, self.faults), Sealings()
        network.fastest_ms = 10
        self.accounts = [Account(self.house, f"p{number:03}") for number in range(size)]
        self.devices: list[Device] = []
        for account in self.accounts:
            device = Device(self.world, self.faults, self.house, network, sealings, account.name)
            Arrival(account, device, is_first=True)
            self.devices.append(device)
            self.world.later(len(self.devices) * 50, device.boot)
        self.room = b""

    def until(self, is_so: Callable[[], bool], within_ms: int = LONG_MS) -> int:
        """Let time pass until something is so; return how long it took, in ms."""
        began = self.world.now
        while not is_so():
            assert self.world.now - began <= within_ms, "it does not come to that"
            self.world.run(self.world.now + STEP_MS)
        return self.world.now - began

    def gather(self) -> bytes:
        """Bring everybody into one group, and return it."""
        first = self.devices[0]
        self.until(lambda: all(device.is_in and device.line for device in self.devices))
        others = tuple(account.id for account in self.accounts[1:])
        while not self.room:
            self.until(lambda: first.is_free)
            self.room = first.do(create, "group", others) or b""
        self.until(lambda: all(self.stands(device) for device in self.devices))
        return self.room

    def stands(self, device: Device) -> bool:
        """Return whether a device is in the room and follows it to its end."""
        head = self.head()
        line = device.disk.one("SELECT state, is_lost, seq FROM room WHERE room = ?", self.room)
        return line == ("active", 0, head)

    def head(self) -> int:
        """Return the last place of the room's log."""
        ((head,),) = self.house.look(
            """
            SELECT COALESCE(MAX(e.seq), 0) FROM entry e JOIN room r ON r.number = e.room
            WHERE r.room = ?
            """,
            self.room,
        )
        return int(head)

    def commits(self, after: int) -> int:
        """Return how many handshakes stand behind a place."""
        ((count,),) = self.house.look(
            """
            SELECT COUNT(*) FROM entry e JOIN room r ON r.number = e.room
            WHERE r.room = ? AND e.seq > ? AND e.form = 0
            """,
            self.room, after,
        )  # fmt: skip
        return int(count)

    def do(self, device: Device, step: Callable[..., Any], *args: Any) -> Any:
        """Have a device do something as soon as it is free."""
        self.until(lambda: device.is_free)
        return device.do(step, *args)
