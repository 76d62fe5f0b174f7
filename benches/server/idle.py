"""W4: people who are there and say nothing: their memory, their arrival, and what they cost.

The accounts are made by one process of the server, and measured in the next one: else what was used
to make them would be found free again, and connections would seem to need no memory.
"""

from __future__ import annotations

import asyncio
import math
from typing import Final

from benches.server.flow import clock, quiet_memory
from benches.server.house import House
from benches.server.link import Device, arrive_all
from benches.server.people import Person, people
from benches.server.plan import Plan

PEOPLE: Final = 2_000
QUICK_PEOPLE: Final = 500
AT_ONCE: Final = 64
"""How many arrive at the same time."""
FIRST: Final = 20
"""So many come before memory is looked at: what is made once is not theirs."""
IDLE_S: Final = 130
"""Long enough for two rounds of pings."""
QUICK_IDLE_S: Final = 4
SETTLE_S: Final = 4
"""What follows an arrival, such as telling others of it, is not idleness."""


def run(plan: Plan) -> None:
    """Measure W4, in the open and over TLS."""
    for name, tls in (("plain", False), ("tls", True)):
        everyone = people(QUICK_PEOPLE if plan.is_quick else PEOPLE)
        with plan.house("idle", tls=tls) as house:
            plan.play(_register(house, everyone))
            house.stop()
            house.start()
            plan.play(_come(plan, house, everyone, name))


async def _register(house: House, everyone: list[Person]) -> None:
    await arrive_all(house.address, everyone, is_new=True, is_staying=False)


async def _come(plan: Plan, house: House, everyone: list[Person], name: str) -> None:
    figures, process = plan.figures, house.running
    await arrive_all(house.address, everyone[:FIRST], is_staying=False)
    before = process.memory_mib()
    with quiet_memory():
        begin, server_s = clock(), process.cpu_s()
        devices = await arrive_all(house.address, everyone, at_once=AT_ONCE)
        took, server_s = clock() - begin, process.cpu_s() - server_s
    await asyncio.sleep(SETTLE_S)
    grown = process.memory_mib() - before
    if math.isnan(grown):
        figures.note(f"w4_{name}_mib_per_1000: this system does not tell the memory of a process.")
    else:
        figures.add(f"w4_{name}_mib_per_1000", grown * 1000 / len(devices), "MiB")
    connect = "connect" if name == "plain" else "connect_tls"
    figures.add(f"{connect}_rate", len(devices) / took, "/s")
    figures.add(f"{connect}_server_us", server_s / len(devices) * 1e6, "us")
    if name == "plain":
        await _idle(plan, house, len(devices))
    _check_present(plan, devices, name)


async def _idle(plan: Plan, house: House, count: int) -> None:
    """Measure what the server computes while nobody says anything."""
    cpu_s, begin = house.running.cpu_s(), clock()
    await asyncio.sleep(QUICK_IDLE_S if plan.is_quick else IDLE_S)
    used = (house.running.cpu_s() - cpu_s) / (clock() - begin)
    plan.figures.add("w4_idle_cpu", used * 100, "%")
    plan.figures.add("w4_idle_connections", count, "connections")


def _check_present(plan: Plan, devices: list[Device], name: str) -> None:
    gone = sum(device.link.is_closed for device in devices)
    if gone:
        plan.figures.problem(f"w4_{name}: {gone} of {len(devices)} idle connections were closed")
