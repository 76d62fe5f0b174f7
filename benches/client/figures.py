"""The targets of the client's figures, and what they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benches.server.figures import Figures, Target, least, most

TARGETS: Final = {
    "send_to_shown_p50_ms": most(8),
    "send_to_shown_p99_ms": most(40),
    "catch_up_rate": least(3_000),
    "history_rate": least(3_000),
    "seal_store_over_bare": most(2.5),
    "open_store_over_bare": most(2.5),
    "send_1000_over_send_2": most(2),
    "cli_help_s": most(0.15),
    "cli_send_s": most(0.8),
    "open_big_s": most(0.5),
    "search_p95_ms": most(50),
    "search_room_p95_ms": most(150),
    "seal_file_mbps": least(500),
    "upload_mbps": least(250),
    "idle_client_mib": most(75),
}


@dataclass
class ClientFigures(Figures):
    """The figures of one run."""

    def target(self, name: str) -> Target | None:
        """Return what a figure should be."""
        return TARGETS.get(name)
