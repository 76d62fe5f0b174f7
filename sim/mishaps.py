"""What befalls a whole machine from time to time, and that all of it heals in the end."""

from typing import Any, Final

from alcove.wire.devices import Claim
from sim.devices import Device
from sim.faults import Faults
from sim.house import House
from sim.people import People
from sim.record import Forgotten
from sim.world import CHAOS_MS, START_MS, World

BACKUP_MS: Final = 7_000
"""How often somebody makes a copy of the server or of a device."""
COPIES_MAX: Final = 2
CLAIMS: Final = 9
"""One more than a device keeps ready here."""
JUMP_MS: Final = 600_000


class Mishaps:
    """Draws each second what happens, until it is calm."""

    def __init__(self, world: World, faults: Faults, house: House, people: People) -> None:
        self.world, self.faults, self.house, self.people = world, faults, house, people
        self._backups: list[bytes] = []
        self._copies: dict[str, bytes] = {}
        world.later(1_000, self._second)
        if faults.levels["server is restored"] != "off":
            world.later(BACKUP_MS, self._back_up)
        if faults.levels["device's disk is rolled back"] != "off":
            world.later(BACKUP_MS, self._copy)
        world.at(START_MS + CHAOS_MS, self._heal)

    def _second(self) -> None:
        if self.world.is_calm:
            return
        self.world.later(1_000, self._second)
        house, faults, world = self.house, self.faults, self.world
        if faults.strikes("server restarts"):
            house.die("restarts")
        if self._backups and faults.strikes("server is restored"):
            house.restore(world.dice.choice(self._backups))
            record = self.people.record
            record.lost_until = max((one.number for one in record.said), default=0)
            self._backups = self._backups[:1]
            self._forget_twice()
        if faults.strikes("server's clock jumps"):
            house.jump(world.dice.randint(-JUMP_MS, JUMP_MS))
        if faults.strikes("key packages run out"):
            self._claim_all()
        for device in self.people.devices:
            device.second()
            image = self._copies.get(device.name)
            if image is not None and faults.strikes("device's disk is rolled back"):
                self._roll_back(device, image)

    def _claim_all(self) -> None:
        """Have somebody take key packages of somebody until there are none."""
        asker = self.world.dice.choice(self.people.devices)
        person = self.world.dice.choice(self.people.people)
        if person.id and asker.line is not None and asker.is_in:
            for _ in range(CLAIMS):
                asker.call(Claim(account=person.id), _ignore)

    def _forget_twice(self) -> None:
        """What neither a restored server has nor its writer, whose disk was set back, is lost."""
        for device in self.people.devices:
            if device.rollbacks:
                kept = device.disk.all("SELECT account, content FROM line WHERE content NOT NULL")
                self.people.record.doubt(device.id, self._stored(device) | frozenset(kept))

    def _stored(self, device: Device) -> frozenset[tuple[bytes, bytes]]:
        """Return what stands in a log of that which a device has said."""
        return frozenset(
            (one.account, one.content)
            for one in self.people.record.said
            if one.device == device.id and self.house.has_content(one.device, one.content)
        )

    def _roll_back(self, device: Device, image: bytes) -> None:
        record, who = self.people.record, device.id
        record.doubt(who, self._stored(device))
        device.roll_back(image)
        known: dict[bytes, int] = dict(device.disk.all("SELECT room, seq FROM room"))
        record.forgotten += [
            Forgotten(who, room, known.get(room, 0), head)
            for room, head in self.house.look(
                """
                SELECT r.room, MAX(e.seq) FROM room r JOIN entry e ON e.room = r.number
                GROUP BY r.number ORDER BY r.number
                """
            )
        ]

    def _back_up(self) -> None:
        if not self.world.is_calm:
            self.world.later(BACKUP_MS, self._back_up)
            self._backups = [*self._backups, self.house.backup()][-COPIES_MAX:]

    def _copy(self) -> None:
        """Copy the disk of one device."""
        if not self.world.is_calm:
            self.world.later(BACKUP_MS, self._copy)
            device = self.world.dice.choice(self.people.devices)
            self._copies[device.name] = device.disk.image()

    def _heal(self) -> None:
        """End all that is wrong: clocks are set right, and everybody comes back."""
        self.world.tell("world", "is calm from here on")
        self.house.offset_ms = 0
        if self.faults.has_lies:
            # Nobody finds out what was never told before the next sign-in, which this brings.
            self.house.die("tells the truth from here on")
        for device in self.people.devices:
            device.offset_ms = 0
            device.wake()


def _ignore(_: Any) -> None:
    """Take packages, and throw them away."""
