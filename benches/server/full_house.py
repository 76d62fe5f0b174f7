"""A server's database with very much of everything, written straight into its tables.

Limits are reached where a limit there is: rooms, devices, files, letters, rows of an archive.  What
has none, such as entries, is as many as the plan says.  The person `busy` has most of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Final

from alcove.server.answers import Given, Part
from alcove.server.roomstate import HANDSHAKE, KEPT, Mark, Paused
from alcove.server.store.database import Value
from alcove.server.tx import ENTRIES
from alcove.wire.codec import encode
from alcove.wire.entries import HandshakeHeader, MessageHeader
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import Kind
from tests.server.house import House
from tests.server.people import Someone

PEOPLE: Final = 2_100
DEVICES_EACH: Final = 2
"""Of the people in crowds: 2,048 of them fill a room with 4,096 devices."""
BUSY_DEVICES: Final = 32
CROWDS: Final = 21
"""Rooms of 2,048 accounts and 4,096 devices: one to be asked about, and twenty with an alias."""
CROWD_PEOPLE: Final = 2_048
HALLS: Final = 200
"""Rooms of 500 accounts each, with `busy` in all of them."""
HALL_PEOPLE: Final = 500
CORNERS: Final = 3_700
"""Small rooms of `busy`, up to the limit of rooms for one account."""
WAITING: Final = 1_000
"""Requests to chat that wait for `busy`."""
BLOCKS: Final = 1_000
"""Of people who have asked nothing."""
LETTERS: Final = (("own", 500), ("sealed", 500), ("welcome", 10_000), ("hidden", 1_000))
ARCHIVE_ROWS: Final = 100_000
BLOBS: Final = 100_000
INVITES: Final = 1_000
BODY_BYTES: Final = 200
AT_ONCE: Final = 20_000


@dataclass
class Seat:
    """An account in the seeded rooms, with its devices."""

    account: bytes
    devices: list[bytes]


@dataclass
class Place:
    """A seeded room."""

    number: int
    room: bytes
    name: bytes
    """Of its newest handshake."""
    head: int = 1


@dataclass
class Full:
    """The house, and what is in it."""

    house: House
    busy: Someone
    crowds: list[Place] = field(default_factory=list)
    halls: list[Place] = field(default_factory=list)
    corners: list[Place] = field(default_factory=list)
    waiting: list[Place] = field(default_factory=list)
    people: list[Seat] = field(default_factory=list)
    strangers: list[Seat] = field(default_factory=list)
    """People who are in no room at all."""
    rooms: int = 0


def full_house(folder: Path, entries: int, events: int, **settings: Any) -> Full:
    """Make a house with so many entries, answers and events, and all else up to its limits."""
    house = House(folder, **settings)
    house.connection.run("PRAGMA synchronous = OFF")  # Nothing is measured here.
    busy = Someone(house, "busy").come()
    busy.publish(*busy.gadgets, *(busy.gadget() for _ in range(BUSY_DEVICES - 1)))
    full = Full(house, busy)
    house.connection.begin()
    full.people = _people(house, PEOPLE, "p")
    full.strangers = _people(house, 300, "q")
    _rooms(full)
    _entries(full, entries)
    _answers(full, entries)
    _events(full, events)
    _letters(full)
    _belongings(full)
    house.connection.commit()
    house.connection.run("PRAGMA wal_checkpoint(TRUNCATE)")
    house.start()
    return full


def _people(house: House, count: int, prefix: str) -> list[Seat]:
    made = [house.add_person(f"{prefix}{number:05}", DEVICES_EACH) for number in range(count)]
    lines = [(one.account, 1, house.random(2_000), house.random(64), house.now) for one in made]
    _insert(house, "device_list (account, version, body, signature, at)", lines)
    return [Seat(one.account, [device.device for device in one.devices]) for one in made]


def _insert(house: House, into: str, lines: Iterable[Sequence[Value]]) -> None:
    left = iter(lines)
    while part := list(islice(left, AT_ONCE)):
        house.connection.insert(into, part)


# ---- Rooms ----


def _rooms(full: Full) -> None:
    house = full.house
    me = Seat(full.busy.account, [gadget.id for gadget in full.busy.gadgets])
    crowd = full.people[: CROWD_PEOPLE - 1]
    for _ in range(CROWDS):
        # So that the room is full, `busy` is there with one device more than the others.
        full.crowds.append(add_room(full, [Seat(me.account, me.devices[:2]), *crowd], "group"))
    for _ in range(HALLS):
        others = house.dice.sample(full.people, HALL_PEOPLE - 1)
        full.halls.append(add_room(full, [me, *(Seat(p.account, p.devices[:1]) for p in others)]))
    for number in range(CORNERS):
        one = full.people[number % PEOPLE]
        full.corners.append(add_room(full, [me, Seat(one.account, one.devices[:1])]))
    for number in range(WAITING):
        asker = full.people[number]
        full.waiting.append(add_room(full, [asker, me], asked=me.account))
    aliases = [
        (f"crowd-{number:02}", place.number, "A crowd.", None, None)
        for number, place in enumerate(full.crowds[1:])
    ]
    _insert(house, "alias (alias, room, description, link_key, link)", aliases)


def add_room(
    full: Full, seats: Sequence[Seat], kind: Kind = "group", asked: bytes | None = None
) -> Place:
    """Add a room with these accounts; its first one is the owner, and asks the one that waits."""
    house = full.house
    full.rooms += 1
    place = Place(full.rooms, house.random(16), house.random(32))
    owner = seats[0].account
    recent, paused = [Mark(1, place.name, renews=True)], Paused(accounts={}, devices={})
    line = (place.number, place.room, kind, house.now, owner, encode(recent), encode(paused))
    house.connection.insert(
        "room (number, room, kind, created_at, created_by, recent, paused)", [line]
    )
    house.connection.insert(
        "room_account (room, account, role, state, asked_by, asked_at)",
        [
            (
                place.number,
                seat.account,
                "owner" if seat.account == owner else "member",
                "pending" if seat.account == asked else "active",
                owner if seat.account == asked else None,
                house.now if seat.account == asked else None,
            )
            for seat in seats
        ],
    )
    house.connection.insert(
        "member (room, device, account, since, passed)",
        [(place.number, device, seat.account, 1, 1) for seat in seats for device in seat.devices],
    )
    header = encode(HandshakeHeader(seats[0].devices[0], NOTHING_BEFORE, renews=True))
    house.connection.insert(
        ENTRIES,
        [(place.number, 1, house.now, HANDSHAKE, header, house.random(64), bytes(32), None)],
    )
    return place


def _entries(full: Full, count: int) -> None:
    """Make the crowd's log and those of the halls longer: the crowd's is half of everything."""
    house = full.house
    body, chain = house.random(BODY_BYTES), house.random(32)
    phone = full.busy.phone.id
    header = encode(MessageHeader(phone, house.random(16), "kept", full.crowds[0].name))

    def lines(place: Place, more: int) -> Iterator[tuple[Value, ...]]:
        for seq in range(place.head + 1, place.head + more + 1):
            yield (place.number, seq, house.now, KEPT, header, body, chain, None)
        place.head += more

    _insert(house, ENTRIES, lines(full.crowds[0], count // 2))
    for hall in full.halls:
        _insert(house, ENTRIES, lines(hall, count // 2 // HALLS))


def _answers(full: Full, count: int) -> None:
    """Each line has answers for the first device of `busy` and for one of the others."""
    house, phone = full.house, full.busy.phone.id
    given = [Given(1, house.random(8), house.random(60))]
    names = [seat.devices[0] for seat in full.people]

    def lines() -> Iterator[tuple[Value, ...]]:
        for line in range(1, count // 10 + 1):
            mine = Part(phone, line - 1, line, given)
            other = Part(names[line % len(names)], max(line - len(names), 0), line, given)
            yield (line, house.now, encode([mine, other]))

    _insert(house, "answer (number, at, replies)", lines())
    house.connection.insert("counter (device, last, line)", [(phone, count, count // 10)])
    house.number = count


def _events(full: Full, count: int) -> None:
    """A tenth of the events are of `busy`, and nearly none is suspicious."""
    house, busy = full.house, full.busy
    chain = house.random(32)
    (last,) = house.connection.one("SELECT COALESCE(MAX(number), 0) FROM event") or (0,)

    def lines() -> Iterator[tuple[Value, ...]]:
        for number in range(last + 1, last + count + 1):
            mine = number % 10 == 0
            account = busy.account if mine else full.people[number % PEOPLE].account
            device = busy.phone.id if mine else full.people[number % PEOPLE].devices[0]
            yield (
                number, house.now, "signed_in", account, device, "203.0.113.7", "{}",
                int(number % 50_000 == 0), chain,
            )  # fmt: skip

    _insert(
        house,
        "event (number, at, kind, account, device, address, detail, suspicious, chain)",
        lines(),
    )


# ---- What belongs to one ----


def _letters(full: Full) -> None:
    """Fill the inbox of the first device of `busy`, each letter in it alone."""
    house, phone = full.house, full.busy.phone.id
    letters: list[tuple[Value, ...]] = []
    inbox: list[tuple[Value, ...]] = []
    number = house.now - 1_000_000
    for kind, count in LETTERS:
        for place in range(count):
            number += 1
            of_kind = "welcome" if kind in ("welcome", "hidden") else "sealed"
            rooms = full.waiting if kind == "hidden" else full.corners
            room = rooms[place % len(rooms)].number
            sender = full.people[place % PEOPLE]
            body = house.random(BODY_BYTES)
            letters.append((number, of_kind, room, sender.devices[0], house.now, body))
            account = sender.account if kind == "sealed" else None
            inbox.append((phone, number, kind, account, room if of_kind == "welcome" else None))
    _insert(house, "letter (number, kind, room, sender, at, body)", letters)
    _insert(house, "inbox (device, letter, kind, sender, room)", inbox)


def _belongings(full: Full) -> None:
    """Give `busy` as much of everything else as one may have."""
    house, busy, random = full.house, full.busy, full.house.random
    _insert(
        house,
        "archive (account, room, name, number, body)",
        (
            (busy.account, full.corners[number % 500].room, random(32), number, random(100))
            for number in range(1, ARCHIVE_ROWS + 1)
        ),
    )
    _insert(
        house,
        "blob (blob, account, size, created_at, done_at)",
        ((random(16), busy.account, 1_000, house.now + n, house.now) for n in range(BLOBS)),
    )
    _insert(
        house,
        "block (account, blocked, at)",
        ((busy.account, seat.account, house.now) for seat in full.people[-BLOCKS:]),
    )
    _insert(
        house,
        "invite (invite, secret_hash, kind, made_by, made_at, expires_at, uses)",
        (
            (f"i{number}", random(32), "invite", busy.account, house.now, house.now + 10**9, 1)
            for number in range(INVITES)
        ),
    )
    devices = [gadget.id for gadget in busy.gadgets]
    devices += [device for seat in full.people for device in seat.devices[:1]]
    _insert(
        house,
        "package (device, number, body)",
        ((device, number, random(300)) for device in devices for number in range(100)),
    )
    crowd = full.crowds[0]
    _insert(
        house,
        "room_row (room, kind, name, number, body)",
        ((crowd.number, "chain", random(32), n, random(200)) for n in range(1, 100_001)),
    )
