"""How thoroughly to measure, and where."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import uvloop

from benches.server.figures import Figures
from benches.server.house import House, house

T = TypeVar("T")

ANY_RATE: Final = "1000000/s burst 1000000"
"""A rate that nobody reaches."""
LIMITS: Final = {
    "pairs": {"rate_append": ANY_RATE, "rate_register": ANY_RATE},
    "crowd": {"rate_append": ANY_RATE, "rate_register": ANY_RATE, "asks_per_day": "1000"},
    "offline": {"rate_append": ANY_RATE},
    "idle": {
        "rate_connect": ANY_RATE,
        "rate_read": ANY_RATE,
        "rate_register": ANY_RATE,
        "address_clients_max": "1000000",
    },
    "syncs": {"rate_append": ANY_RATE, "rate_register": ANY_RATE},
    "files": {"blob_bytes_max": "1 GiB"},
    "growth": {
        "rate_append": ANY_RATE,
        "rate_handshake": ANY_RATE,
        "rate_read": ANY_RATE,
        "account_rooms_max": "100000",
    },
}
"""The limits that a workload hits, and to what they are raised: from one address and within
seconds it does what many people do in a day.  All others stay as they are.
"""


@dataclass(frozen=True)
class Plan:
    """What is asked of every workload."""

    figures: Figures
    folder: Path
    """Where the servers' data is: on the disk that is to be measured."""
    is_quick: bool = False
    is_full: bool = False

    @property
    def seconds(self) -> float:
        """How long a run is measured."""
        return 1 if self.is_quick else 10

    @property
    def warm_s(self) -> float:
        """How long it goes on before it is measured."""
        return 0.5 if self.is_quick else 2

    @contextmanager
    def house(
        self, workload: str, *, tls: bool = False, wrapper: tuple[str, ...] = ()
    ) -> Iterator[House]:
        """Give a server for a workload, and leave nothing of it."""
        settings = LIMITS[workload]
        self.figures.raised.update(settings)
        with house(self.folder / workload, settings, tls=tls, wrapper=wrapper) as made:
            yield made

    @staticmethod
    def play(act: Coroutine[Any, Any, T]) -> T:
        """Run the load generator until it is done."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(act)
