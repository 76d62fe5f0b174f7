"""W3: 5,000 messages for somebody who is away: how fast they are taken, and how fast they are read.

accept: one sender, as many under way as one connection may have   ──► the last is acknowledged
kill -9, at once; the server starts again on the same folder
drain:  the partner comes and reads to the end, page by page       ──► all are there, in order

A killed process loses what it has not handed to the system.  What a power cut would take as well,
the system still has: that each commit waits for the disk, `syncs` counts.
"""

from __future__ import annotations

import os
import signal
from typing import Final

from alcove.wire.entries import Entries, Read, Stored
from alcove.wire.ids import Position
from benches.server.flow import Run, Sender, all_arrived, clock, quiet_memory
from benches.server.house import House
from benches.server.link import Device, arrive, arrive_all
from benches.server.people import Person, people
from benches.server.plan import Plan
from benches.server.rooms import Messages, Room, make_room

MESSAGES: Final = 5_000
WINDOW: Final = 256
"""As many as one connection may have under way: in_flight_max."""


def run(plan: Plan) -> None:
    """Measure W3."""
    ada, bob = people(2)
    with plan.house("offline") as house:
        room, stream = plan.play(_accept(plan, house, ada, bob))
        house.start()
        plan.play(_drain(plan, house, bob, room, stream))


async def _accept(plan: Plan, house: House, ada: Person, bob: Person) -> tuple[Room, Messages]:
    """Send to somebody who is away, and kill the server when it has acknowledged the last."""
    sender, receiver = await arrive_all(house.address, [ada, bob], is_new=True)
    room = await make_room(sender, [receiver], "direct")
    receiver.link.close()
    run = Run("w3", plan.figures)
    stream = Messages(sender, room)
    sending = Sender(run, sender, [stream], WINDOW, total=MESSAGES)
    sending.on_done = lambda: os.kill(house.running.pid, signal.SIGKILL)
    with quiet_memory():
        sending.start()
        await all_arrived(run, [sending])
    house.kill()
    plan.figures.add("w3_accept", MESSAGES / (sending.done_at - sending.started_at), "/s")
    if run.acknowledged != MESSAGES:
        run.problem(f"{run.acknowledged} of {MESSAGES} messages were acknowledged")
    return room, stream


async def _drain(plan: Plan, house: House, bob: Person, room: Room, stream: Messages) -> None:
    """Read all that came meanwhile, and count what is lost."""
    run = Run("w3", plan.figures)
    device = await arrive(house.address, bob)
    with quiet_memory():
        begin = clock()
        entries = await _read_on(device, room.room, room.head)
        took = clock() - begin
    numbers = [stream.number_of(entry) for entry in entries]
    present = frozenset(number for number in numbers if number is not None)
    lost = sum(number not in present for number in range(MESSAGES))
    plan.figures.add("w3_drain", len(entries) / took, "/s")
    plan.figures.add("w3_lost", lost, "messages")
    if lost:
        run.problem(f"{lost} of {MESSAGES} acknowledged messages were lost by kill -9")
    elif numbers != list(range(MESSAGES)):
        run.problem("the messages came twice, or in another order than they were sent")
    await _check_log(run, device, room)


async def _read_on(device: Device, room: bytes, since: int) -> list[Stored]:
    """Return a room's log from a place on, read page by page."""
    found: list[Stored] = []
    more = True
    while more:
        position = Position(device.incarnation, found[-1].seq if found else since)
        page = await device.do(Read(id=device.next_id(), room=room, since=position))
        assert isinstance(page, Entries)
        found += page.entries
        more = page.more
    return found


async def _check_log(run: Run, device: Device, room: Room) -> None:
    """See that the whole log has no gap."""
    whole = await _read_on(device, room.room, 0)
    if [entry.seq for entry in whole] != list(range(1, len(whole) + 1)):
        run.problem("the log has a gap")
