"""How long it takes from saying something until it is on somebody else's screen.

Two clients of the SDK, a process each, talk through a server in a third one.  The three share all
cores as the system sees fit: two clients on one core would mostly wait for each other.  Messages
are due at a fixed rate, whatever became of those before; the time counts from when each was due.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from alcove.client import Room
from benches.client.town import PASSPHRASE, PATIENCE_S, Town, living, serving
from benches.server.figures import percentile
from benches.server.house import KIB
from benches.server.link import BenchError
from benches.server.plan import Plan

RATE: Final = 200
"""Messages a second."""
START_S: Final = 0.1
LINE_BYTES_MAX: Final = 16 * 1024 * 1024
"""What was heard is told in one line."""
SETTLE_S: Final = 5.0
"""A client that was just opened has things to do; then it rests."""
QUICK_SETTLE_S: Final = 1.0


def run(plan: Plan) -> None:
    """Measure how long a message takes."""
    with serving(plan, "talk", is_apart=False) as address:
        took_ms = plan.play(_talk(plan, address))
    took_ms.sort()
    plan.figures.add("send_to_shown_p50_ms", percentile(took_ms, 50), "ms")
    plan.figures.add("send_to_shown_p99_ms", percentile(took_ms, 99), "ms")


async def _talk(plan: Plan, address: str) -> list[float]:
    folder = plan.folder / "talk"
    async with living(address, folder) as town:
        ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
        room, _ = await town.met(ada, bob)
        await bob.close()
        async with _other("hearing", folder / "bob") as hearing:
            await _say(room, hearing, int(RATE * plan.warm_s))
            return await _say(room, hearing, int(RATE * plan.seconds))


async def _say(room: Room, hearing: Process, count: int) -> list[float]:
    """Say so many things at the rate, and return how many ms after it was due each was heard."""
    begin_s = time.perf_counter() + START_S
    due_s: dict[str, float] = {}
    for number in range(count):
        text = f"message {number} of {count}"
        due_s[text] = begin_s + number / RATE
        await asyncio.sleep(max(0.0, due_s[text] - time.perf_counter()))
        await room.send(text)
    assert hearing.stdin is not None
    assert hearing.stdout is not None
    hearing.stdin.write(f"{count}\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        heard_s = json.loads(await hearing.stdout.readline())
    if heard_s.keys() != due_s.keys():
        raise BenchError(f"{len(heard_s)} of {count} messages were heard")
    return [(heard_s[text] - due_s[text]) * 1000 for text in due_s]


@asynccontextmanager
async def _other(module: str, folder: Path) -> AsyncIterator[Process]:
    """Give a program of ours that has opened an account, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"benches.client.{module}", str(folder), PASSPHRASE),
        stdin=PIPE,
        stdout=PIPE,
        limit=LINE_BYTES_MAX,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        await process.stdout.readline()
        yield process
    finally:
        process.stdin.close()
        await process.wait()


# ---- A client that rests ----


def idle(plan: Plan) -> None:
    """Measure how much memory a client takes that is signed in and has nothing to do."""
    with serving(plan, "idle") as address:
        resident_mib = plan.play(_idle(plan, address))
    plan.figures.add("idle_client_mib", resident_mib, "MiB")


async def _idle(plan: Plan, address: str) -> float:
    folder = plan.folder / "idle"
    async with living(address, folder) as town:
        await _arrive(town)
    async with _other("resting", folder / "ada") as process:
        await asyncio.sleep(QUICK_SETTLE_S if plan.is_quick else SETTLE_S)
        status = Path(f"/proc/{process.pid}/status")
        lines = await asyncio.to_thread(status.read_text)
    resident = next(line for line in lines.splitlines() if line.startswith("VmRSS"))
    return int(resident.split()[1]) / KIB


async def _arrive(town: Town) -> None:
    """Let two people meet, and go."""
    ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
    await town.met(ada, bob)
    await ada.close()
    await bob.close()
