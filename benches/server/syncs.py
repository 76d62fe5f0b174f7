"""How often the server waits for the disk, for each message that it has acknowledged.

strace stops the server at fsync and fdatasync alone, and writes each of them down.  With one
message under way each needs a sync of its own; under load many share one.  Syncs that belong to no
message, such as those of checkpoints, are counted too.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from benches.server.house import House
from benches.server.pairs import WINDOW, make_pairs, talk
from benches.server.plan import Plan

SECONDS: Final = 3
TOOL: Final = "strace"


def run(plan: Plan) -> None:
    """Measure syncs, where strace is there."""
    tool = shutil.which(TOOL)
    if tool is None:
        plan.figures.note(f"syncs_per_message was not measured: {TOOL} is not installed.")
        return
    trace = plan.folder / "syncs.txt"
    with plan.house("syncs", wrapper=_watching(tool, trace)) as house:
        plan.play(_count(plan, house, trace))
    trace.unlink(missing_ok=True)


def _watching(tool: str, trace: Path) -> tuple[str, ...]:
    """Return what starts a server as a child that is watched from beside it."""
    return (
        *(tool, "--daemonize", "--follow-forks", "--quiet=all", "--seccomp-bpf"),
        *("--signal=none", "--trace=fsync,fdatasync,msync", f"--output={trace}"),
    )


def count_syncs(trace: Path) -> int:
    """Return how many syncs were begun so far; one that was interrupted has a second line."""
    lines = trace.read_text(errors="replace").splitlines()
    return sum("sync(" in line for line in lines)


async def _count(plan: Plan, house: House, trace: Path) -> None:
    pairs = await make_pairs(house.address)
    for name, some, window in (
        ("syncs_per_message", pairs[:1], 1),
        ("syncs_per_message_1", pairs, 1),
        ("syncs_per_message_32", pairs, WINDOW),
    ):
        before = count_syncs(trace)
        sent = sum(pair.head for pair in some)
        await talk(plan, house, some, window, name, seconds=SECONDS)
        sent = sum(pair.head for pair in some) - sent
        plan.figures.add(name, (count_syncs(trace) - before) / sent, "syncs")
