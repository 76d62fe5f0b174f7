"""Looks at devices while things happen: what they know to be there they go and read.

When all has healed everybody has read everything, for lines break and machines start anew; so what
is only put right by a new connection can be seen before, and not at the end.
"""

from typing import Final

from sim.devices import Device
from sim.house import House
from sim.people import People
from sim.world import World

STUCK_SECONDS: Final = 14
"""So long a device may be behind on a line that works: a server that lies may not answer twice."""


class Watch:
    """Looks at every device, each second."""

    def __init__(self, world: World, house: House, people: People) -> None:
        self.world, self.house, self.people = world, house, people
        self._behind: dict[tuple[str, bytes], tuple[int, int, int]] = {}
        """Who is behind in which room: its process, its place, and for how many seconds."""
        world.later(1_000, self._second)

    def _second(self) -> None:
        self.world.later(1_000, self._second)
        before, self._behind = self._behind, {}
        for device in self.people.devices:
            if device.name in self.people.liars or device.id not in self.house.hub.devices:
                continue
            for room, seq in self._rooms(device):
                key = (device.name, room)
                life, place, seconds = before.get(key, (device.life, seq, 0))
                if (life, place) == (device.life, seq):
                    seconds += self._is_reached(device)
                    self._behind[key] = (life, place, seconds)
                    if seconds == STUCK_SECONDS:
                        told = f"{device.name} knows of more in {self.world.name(room)} than {seq}"
                        self.people.stuck.append(f"{told}, and does not read it")

    def _is_reached(self, device: Device) -> bool:
        """Return whether a device's line works: frames take part of a second on their way."""
        line = device.line
        soon = self.world.now + 1_000
        return (
            line is not None
            and not line.is_broken
            and all(end.clear_at <= soon for end in line.ends)
        )

    def _rooms(self, device: Device) -> list[tuple[bytes, int]]:
        """Return the rooms of which a device knows that there is more, and how far it has read."""
        if not device.is_up or device.line is None:
            return []
        return [
            (room, seq)
            for room, seq in device.disk.all(
                """
                SELECT room, seq FROM room
                WHERE state = 'active' AND head > seq
                    AND incarnation = (SELECT incarnation FROM me)
                ORDER BY room
                """
            )
            if (device.id, room) not in self.house.lies.deceived
        ]
