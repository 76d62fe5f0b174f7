"""A server that lies: on its way out, what it says is left out, mixed up, replaced or made up.

    left out        entries, news of lists: all must be there when it speaks the truth again
    altered         entries in another order, twice, with another body: for one device alone
    made up         a key package of somebody else's device, where somebody's are asked for

Whoever was told another log is *deceived* in that room; that must be harmless, or be caught.
"""

from typing import Any, Final

from msgspec import structs

from alcove.wire.codec import decode_answers, encode_frame
from alcove.wire.devices import Claimed, ClaimedPackage, ListChanged
from alcove.wire.entries import Entries, NewEntries, Nudge, Stored
from sim.faults import Faults
from sim.world import World

BEGIN_MS: Final = 15_000
"""First there is something to lie about."""
PACKAGES_MAX: Final = 16
BODIES_MAX: Final = 64


class Lies:
    """What a server that lies makes of what it says."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world, self.faults = world, faults
        self.is_on = faults.has_lies
        self.deceived: dict[tuple[bytes, bytes], int] = {}
        """Devices that were told another log of a room, and since which place."""
        self._bodies: list[bytes] = []
        self._packages: list[ClaimedPackage] = []
        self._withheld: dict[tuple[bytes, bytes], bool] = {}
        """Who was given nothing, when it asked last for a room's log."""
        self._begins_at = world.now + BEGIN_MS

    def tell(self, device: bytes, frame: bytes) -> bytes:
        """Return what leaves instead of a frame for a device."""
        if not self.is_on or self.world.now < self._begins_at or not device:
            return frame
        said = decode_answers(frame)
        told = [other for one in said for other in self._instead(device, one)]
        return frame if told == said else encode_frame(told)

    def _instead(self, device: bytes, said: Any) -> list[Any]:
        """Return what is said instead of one thing."""
        match said:
            case NewEntries() | Entries() if said.entries:
                return self._entries(device, said)
            case Nudge() if self.faults.strikes("the server withholds"):
                return []
            case ListChanged() if self.faults.strikes("the server hides lists"):
                return []
            case Claimed():
                return [self._claimed(said)]
        return [said]

    def _entries(self, device: bytes, said: NewEntries | Entries) -> list[Any]:
        strikes, dice = self.faults.strikes, self.world.dice
        self._bodies += [one.body for one in said.entries if one.body is not None]
        del self._bodies[:-BODIES_MAX]
        asked = isinstance(said, Entries)
        # An answer is not withheld twice: the second time that would only be slow.
        if not (asked and self._withheld.pop((device, said.room), False)) and strikes(
            "the server withholds"
        ):
            if isinstance(said, NewEntries):
                return []
            self._withheld[device, said.room] = True
            before = said.entries[0].seq - 1
            return [structs.replace(said, entries=(), head=before, more=False)]
        entries = list(said.entries)
        at = dice.randrange(len(entries))
        if strikes("the server moves bodies"):
            body = dice.choice(self._bodies)
            entries[at] = _as(entries[at], Stored(0, 0, entries[at].header, body))
        if strikes("the server reorders"):
            other = dice.randrange(len(entries))
            one, two = entries[at], entries[other]
            entries[at], entries[other] = _as(one, two), _as(two, one)
        if strikes("the server replays"):
            entries[at] = _as(entries[at], entries[0])
        if entries == list(said.entries):
            return [said]
        changed = min(one.seq for one, was in zip(entries, said.entries, strict=True) if one != was)
        key = (device, said.room)
        self.deceived[key] = min(self.deceived.get(key, changed), changed)
        self.world.tell("server", f"lies to {self.world.name(device)} from {changed} on"
                        f" in {self.world.name(said.room)}")  # fmt: skip
        return [structs.replace(said, entries=tuple(entries))]

    def _claimed(self, said: Claimed) -> Claimed:
        """Put somebody else's device beside those of an account, or in the place of one."""
        dice = self.world.dice
        packages = said.packages
        if self._packages and self.faults.strikes("the server injects devices"):
            packages = (*packages, dice.choice(self._packages))[-max(1, len(packages)) :]
        self._packages = [*self._packages, *said.packages][-PACKAGES_MAX:]
        return structs.replace(said, packages=packages)


def _as(place: Stored, other: Stored) -> Stored:
    """Return one entry at the place of another."""
    return Stored(place.seq, place.at, other.header, other.body, other.body_hash)
