"""How fast a device reads what it has missed, and a new device what was said before it came."""

from __future__ import annotations

import cProfile
import pstats
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from alcove.client import Client, Room, caught_up
from benches.client.town import PATIENCE_S, Town, archived, fill, living, serving, shown
from benches.server.plan import Plan

ENTRIES: Final = 20_000
QUICK_ENTRIES: Final = 1_000
PROFILED: Final = 40
"""So many functions are listed where a profile is asked for."""


def run(plan: Plan) -> None:
    """Measure both, on the same room."""
    with serving(plan, "reading") as address:
        plan.play(_read(plan, address))


async def _read(plan: Plan, address: str) -> None:
    count = QUICK_ENTRIES if plan.is_quick else ENTRIES
    async with living(address, plan.folder / "reading") as town:
        ada, bob = await town.newcomer("ada"), await town.newcomer("bob")
        room, his = await town.met(ada, bob)
        before = shown(bob, his)
        await bob.close()
        begin_s = time.perf_counter()
        await fill(ada, room, count)
        plan.figures.add("send_rate", count / (time.perf_counter() - begin_s), "1/s")
        bob = await town.again("bob")
        rate = await _catch_up(plan, bob, bob.room(his.id), before, count)
        plan.figures.add("catch_up_rate", rate, "1/s")
        await archived(bob)
        await bob.close()
        await _history(plan, town, his, count)


async def _catch_up(plan: Plan, bob: Client, room: Room, before: int, count: int) -> float:
    """Let somebody read what came while they were away; from the open disk to the last message."""
    begin_s = time.perf_counter()
    with profiled(plan, "catch_up"):
        await caught_up(bob, PATIENCE_S)
    took_s = time.perf_counter() - begin_s
    if shown(bob, room) != before + count:
        plan.figures.problem(f"catch_up: {shown(bob, room)} of {before + count} are there")
    return count / took_s


async def _history(plan: Plan, town: Town, room: Room, count: int) -> None:
    """Let a new device read everything, while only the other one of the two is online."""
    begin_s = time.perf_counter()
    laptop = await town.device("bob", "laptop")
    await laptop.until(lambda: shown(laptop, room) > 0, PATIENCE_S)
    first_s = time.perf_counter()
    there = shown(laptop, room)
    with profiled(plan, "history"):
        await caught_up(laptop, PATIENCE_S, whole=True)
    took_s = time.perf_counter() - first_s
    if shown(laptop, room) != count + 1:
        plan.figures.problem(f"history: {shown(laptop, room)} of {count + 1} are there")
    plan.figures.add("history_first_s", first_s - begin_s, "s")
    plan.figures.add("history_rate", (count + 1 - there) / took_s, "1/s")


@contextmanager
def profiled(plan: Plan, name: str) -> Iterator[None]:
    """Write down where the time goes, if `profile-NAME` lies in the folder as a wish for it."""
    wish = Path(f"profile-{name}.txt")
    if not wish.exists():
        yield
        return
    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
        with wish.open("w") as file:
            pstats.Stats(profile, stream=file).sort_stats("tottime").print_stats(PROFILED)
        plan.figures.note(f"{name} was profiled, and is slower for it: see {wish}.")
