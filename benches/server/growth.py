"""Growth: does a message cost the same with ten thousand rooms, and with ten million entries?

One person sends to another, 250 messages under way, going round all their rooms.  For entries, the
logs of a hundred rooms are made longer: written straight into the table while the server is
stopped, because sending ten million would take an hour.  The cost is the server's CPU time for each
message, which a busy machine changes less than it does a rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alcove.server.store.sqlite import SqliteDatabase
from alcove.server.tx import ENTRIES
from benches.server.figures import print_aligned
from benches.server.flow import Measured, Party, Receiver, Run, Sender, measure
from benches.server.house import House
from benches.server.lines import Lines
from benches.server.link import arrive, arrive_all
from benches.server.people import Person, people
from benches.server.plan import Plan
from benches.server.rooms import Messages, Room, follow, make_room

ROOMS: Final = (1, 100, 10_000)
QUICK_ROOMS: Final = (1, 100, 1_000)
ENTRIES_STORED: Final = (0, 10_000, 100_000, 1_000_000)
QUICK_ENTRIES: Final = (0, 10_000, 100_000)
FULL_ENTRIES: Final = (*ENTRIES_STORED, 10_000_000)
ENTRY_ROOMS: Final = 100
WINDOW: Final = 250
FILL_LINES: Final = 20_000
"""How many entries one commit writes when a table is filled."""
BAR: Final = 40

Row = tuple[str, Measured]


def run(plan: Plan) -> None:
    """Measure growth with rooms, then with entries."""
    rows = [*_grow_rooms(plan), *_grow_entries(plan)]
    if not plan.figures.as_json:
        _print_rows(rows)


# ---- With rooms ----


def _grow_rooms(plan: Plan) -> list[Row]:
    ada, bob = people(2)
    rows: list[Row] = []
    with plan.house("growth") as house:
        rooms: list[Room] = []
        plan.play(_register(house, ada, bob))
        for count in QUICK_ROOMS if plan.is_quick else ROOMS:
            name = f"growth_rooms_{count}"
            measured = plan.play(_talk_in(plan, house, (ada, bob), rooms, count, name))
            rows.append((f"{count:,} room{'s' if count > 1 else ''}", measured))
    return rows


async def _register(house: House, ada: Person, bob: Person) -> None:
    await arrive_all(house.address, [ada, bob], is_new=True, is_staying=False)


async def _talk_in(
    plan: Plan,
    house: House,
    pair: tuple[Person, Person],
    rooms: list[Room],
    count: int,
    name: str,
) -> Measured:
    """Make as many rooms as there are to be, and talk in all of them."""
    sender = await arrive(house.address, pair[0])
    receiver = await arrive(house.address, pair[1])
    while len(rooms) < count:
        rooms.append(await make_room(sender, [receiver]))
    heads = [await follow(receiver, room.room, room.head) for room in rooms]
    run = Run(name, plan.figures)
    streams = [Messages(sender, room) for room in rooms]
    parties: list[Party] = [
        Receiver(run, receiver, list(zip(streams, heads, strict=True))),
        Sender(run, sender, streams, WINDOW),
    ]
    measured = await measure(
        run, parties, plan.seconds, warm_s=plan.warm_s, cpu_s=house.running.cpu_s
    )
    plan.figures.add(f"{name}_us", measured.server_us, "us/message")
    plan.figures.add(f"{name}_rate", measured.delivered, "/s")
    sender.link.close()
    receiver.link.close()
    return measured


# ---- With entries ----


def _grow_entries(plan: Plan) -> list[Row]:
    ada, bob = people(2)
    counts = QUICK_ENTRIES if plan.is_quick else FULL_ENTRIES if plan.is_full else ENTRIES_STORED
    rows: list[Row] = []
    with plan.house("growth") as house:
        rooms: list[Room] = []
        plan.play(_register(house, ada, bob))
        stored = 0
        for count in counts:
            if count > stored:
                house.stop()
                _fill(house, rooms, count - stored)
                stored = count
                house.start()
            name = f"growth_entries_{count}"
            measured = plan.play(_talk_in(plan, house, (ada, bob), rooms, ENTRY_ROOMS, name))
            rows.append((f"{count:,} entries", measured))
    return rows


def _fill(house: House, rooms: Sequence[Room], count: int) -> None:
    """Make the logs of these rooms longer, together by so many entries."""
    connection = SqliteDatabase(str(house.data / "alcove.sqlite")).writer()
    connection.run("PRAGMA synchronous = OFF")  # Nothing is measured here.
    make = Lines()
    each = -(-count // len(rooms))
    for room in rooms:
        line = connection.one(
            """
            SELECT r.number, MAX(e.seq) FROM room r JOIN entry e ON e.room = r.number
            WHERE r.room = ? GROUP BY r.number
            """,
            room.room,
        )
        assert line is not None
        number, head = line
        for start in range(head + 1, head + each + 1, FILL_LINES):
            end = min(start + FILL_LINES, head + each + 1)
            connection.begin()
            connection.insert(ENTRIES, [make.line(number, seq) for seq in range(start, end)])
            connection.commit()
    connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


# ---- The table ----


def _print_rows(rows: Sequence[Row]) -> None:
    """Print what a message costs, with a bar to see whether it grows."""
    longest = max(measured.server_us for _, measured in rows)
    table = [("with", "us/message", "/s", "")]
    for label, measured in rows:
        length = round(measured.server_us / longest * BAR) if longest > 0 else 0
        cost, rate = f"{measured.server_us:.1f}", f"{measured.delivered:,.0f}"
        table.append((label, cost, rate, "#" * length))
    print_aligned(table, right=(1, 2))
    print()
