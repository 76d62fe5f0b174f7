"""Which faults a world has, how often they strike, and how often they did.

Each world draws for each kind of fault whether it is off, rare or frequent: a swarm of worlds that
differ finds more than many worlds that are alike, because some faults hide others.
"""

import random
from collections.abc import Sequence
from typing import Final, NamedTuple

from sim.world import World


class Chances(NamedTuple):
    """How likely a fault is each time that it could strike."""

    rare: float
    frequent: float


LEVELS: Final = ("off", "rare", "frequent")

FAULTS: Final = {
    # The network.  Each time that a frame is sent:
    "line breaks": Chances(0.004, 0.03),
    "line stalls": Chances(0.002, 0.01),
    "frame is slow": Chances(0.02, 0.2),
    # A device.  Each time that it commits:
    "device dies before it commits": Chances(0.003, 0.02),
    "device dies before it speaks": Chances(0.003, 0.02),
    "device's disk is slow": Chances(0.02, 0.2),
    # A device, each second:
    "device dies": Chances(0.005, 0.03),
    "device sleeps": Chances(0.003, 0.02),
    "device's disk is rolled back": Chances(0.001, 0.006),
    "device's clock jumps": Chances(0.003, 0.02),
    # The server.  Each time that it commits:
    "server dies before it commits": Chances(0.001, 0.01),
    "server dies before it answers": Chances(0.001, 0.01),
    "server's disk is slow": Chances(0.02, 0.2),
    "answers overtake each other": Chances(0.1, 0.5),
    # The server, each second:
    "server restarts": Chances(0.005, 0.04),
    "server is restored": Chances(0.002, 0.012),
    "server's clock jumps": Chances(0.003, 0.02),
    "key packages run out": Chances(0.005, 0.03),
    # A member who does harm, each second:
    "a member posts garbage": Chances(0.03, 0.2),
    "a member loses others": Chances(0.02, 0.1),
    "a member commits fast": Chances(0.1, 0.8),
    "a member lies to joiners": Chances(0.02, 0.1),
    "a member seals badly": Chances(0.05, 0.4),
    # A server that lies, each time that it could:
    "the server withholds": Chances(0.05, 0.4),
    "the server hides lists": Chances(0.1, 0.5),
    "the server moves bodies": Chances(0.005, 0.05),
    "the server reorders": Chances(0.005, 0.05),
    "the server replays": Chances(0.005, 0.05),
    "the server injects devices": Chances(0.1, 0.5),
}

HARM: Final = tuple(name for name in FAULTS if name.startswith("a member "))
"""What only a member does who means harm: most worlds have none."""
HARM_LIKELY: Final = 0.3
"""In so many of all worlds there is one."""
LIES: Final = tuple(name for name in FAULTS if name.startswith("the server "))
"""What only a server does that lies: most worlds have none."""
LIES_LIKELY: Final = 0.15
"""In so many of all worlds there is one."""
LIES_ALONE: Final = 0.5
"""In so many of these everything else works: new connections hide what a lie has done."""

LEFT_OUT: Final[dict[str, str]] = {}
"""Faults that the product does not stand yet, and why: tests and soak leave them out."""

RESULTS: Final = (
    "devices were lost",
    "devices were found",
    "frames were lost",
    "requests came twice",
)
"""What follows from faults, and is counted too: without it they would have done nothing."""


class Faults:
    """The faults of one world."""

    def __init__(
        self, world: World, *, only: str | None = None, without: Sequence[str] = ()
    ) -> None:
        self._world = world
        self.levels = {name: world.dice.choice(LEVELS) for name in FAULTS}
        if not world.chance(HARM_LIKELY):
            self.levels |= dict.fromkeys(HARM, "off")
        if not world.chance(LIES_LIKELY):
            self.levels |= dict.fromkeys(LIES, "off")
        elif random.Random(f"{world.seed} machines").random() < LIES_ALONE:
            self.levels |= {name: "off" for name in FAULTS if name not in LIES}
        if only is not None:
            self.levels = {name: "frequent" if name == only else "off" for name in FAULTS}
        self.levels |= dict.fromkeys(without, "off")
        self.counts: dict[str, int] = dict.fromkeys((*FAULTS, *RESULTS), 0)

    @property
    def has_harm(self) -> bool:
        """Whether a member does harm in this world."""
        return any(self.levels[name] != "off" for name in HARM)

    @property
    def has_lies(self) -> bool:
        """Whether the server lies in this world."""
        return any(self.levels[name] != "off" for name in LIES)

    def strikes(self, name: str) -> bool:
        """Draw whether a fault strikes now, and count it if it does."""
        level = self.levels[name]
        if level == "off" or self._world.is_calm:
            return False
        chances = FAULTS[name]
        if not self._world.chance(chances.rare if level == "rare" else chances.frequent):
            return False
        self.counts[name] += 1
        return True

    def count(self, name: str) -> None:
        """Count something that followed from a fault."""
        self.counts[name] = self.counts.get(name, 0) + 1

    def told(self) -> str:
        """Return which faults this world has."""
        return ", ".join(
            f"{name} ({level})" for name, level in self.levels.items() if level != "off"
        )
