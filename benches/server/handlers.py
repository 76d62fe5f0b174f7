"""Handlers: what the dearest request of each kind costs, with a database that is full.

With SQLite the loop itself carries requests out, and whoever asks for something large keeps all
others waiting.  So each kind is asked here for the most that its limits allow, with nothing of its
rooms in memory, and the CPU time of the best of some tries is what it costs.  Nothing is kept: each
try is undone.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from alcove.server.answers import Answers
from alcove.server.auth import login_hash, secret_hash, totp_code
from alcove.server.batch import Chore, Job, Outcome
from alcove.server.caller import Caller
from alcove.server.handlers import TABLE
from alcove.server.hub import Hub
from alcove.server.keeping import CHORES, Turn
from alcove.server.limits import Buckets, Pauses
from alcove.server.tx import Tx
from alcove.wire import accounts, blobs, chats, devices, directory, events, greeting, invites, rooms
from alcove.wire import entries as logs
from alcove.wire.base import Request
from alcove.wire.codec import decode_answer, encode
from alcove.wire.entries import ROUTING_MAX, MessageHeader, NewEntry, Row, Welcome
from alcove.wire.errors import Refusal
from alcove.wire.ids import Position
from benches.server.full_house import WAITING, Full, Place, Seat, full_house
from benches.server.plan import Plan
from tests.server.house import Talk
from tests.server.people import Someone

ENTRIES: Final = 1_000_000
QUICK_ENTRIES: Final = 200_000
TRIES: Final = 3
LINK: Final = bytes(32)
SECRET: Final = "a-secret-of-a-reset-link"  # noqa: S105 - Of a database that is thrown away.
LOCK: Final[accounts.Lock] = "password"
MANY: Final = 256
"""How many accounts, bodies or rooms a request may name."""
PACKAGE_BYTES: Final = 16 * 1024

Case = tuple[str, Caller, Request]


def run(plan: Plan) -> None:
    """Measure every kind of request, and a turn of every chore of housekeeping."""
    count = QUICK_ENTRIES if plan.is_quick else ENTRIES
    folder = plan.folder / "handlers"
    folder.mkdir()
    full = full_house(folder, count, count, requests="strangers")
    _prepare(full)
    cases = list(_cases(full))
    missing = [kind.__name__ for kind in TABLE if kind not in [type(one) for _, _, one in cases]]
    if missing:
        plan.figures.problem(f"no request of these kinds was measured: {', '.join(missing)}")
    for name, caller, request in cases:
        cost_ms, outcome = _best(full, partial(_try, full, caller, request))
        plan.figures.add(f"handler_{name}_ms", cost_ms, "ms")
        answer = decode_answer(outcome.reply)
        if isinstance(answer, Refusal):
            plan.figures.problem(f"{name} was refused: {answer.code}")
    for chore in CHORES:
        cost_ms, _ = _best(full, partial(_write, full, Chore(partial(_first_turn, chore.turn))))
        plan.figures.add(f"chore_{chore.name.replace(' ', '_')}_ms", cost_ms, "ms")


# ---- Measuring ----


def _best(full: Full, attempt: Callable[[], Outcome]) -> tuple[float, Outcome]:
    """Return how long the shortest of some tries took, and what came of it."""
    house = full.house
    best, outcome = float("inf"), Outcome(b"")
    for _ in range(TRIES):
        house.world.rooms.clear()
        house.world.audit.drop()
        house.world.pauses, house.world.buckets = Pauses(1000), Buckets(1000)
        hub = Hub(house.settings, house.world.presence)
        began = time.thread_time()
        outcome = attempt()
        hub.deliver([(None, False, outcome)], house.now)
        best = min(best, time.thread_time() - began)
        house.connection.rollback()
        house.world.answers = Answers()
    return best * 1000, outcome


def _try(full: Full, caller: Caller, request: Request) -> Outcome:
    if not TABLE[type(request)].writes:
        return full.house.reader.run(Job(caller, request), full.house.now)
    return _write(full, Job(caller, request))


def _first_turn(turn: Callable[[Tx, int], Turn], tx: Tx) -> Turn:
    return turn(tx, 0)


def _write(full: Full, job: Job | Chore) -> Outcome:
    writer = full.house.writer
    outcomes = writer.carry_out([job], full.house.now)
    if writer.unexpected:
        raise writer.unexpected[0]
    return outcomes[0]


# ---- What is asked ----


def _prepare(full: Full) -> None:
    """Add the single lines that some requests are about."""
    house, busy = full.house, full.busy
    tx = Tx(house.connection, house.world, house.now)
    hall = full.halls[0]
    house.connection.begin()
    tx.insert("link (hash, room, made_by)", [(LINK, full.crowds[0].number, full.busy.account)])
    tx.insert(
        "invite (invite, secret_hash, kind, account, made_at, expires_at, uses)",
        [("r", secret_hash(house.world.keys, SECRET), "reset", busy.account, 0, 2**50, 1)],
    )
    tx.insert(
        "room_row (room, kind, name, number, body)",
        [(hall.number, "chain", house.random(32), n, house.random(100)) for n in range(1, 1000)],
    )
    tx.run("INSERT INTO incarnation (number, began_at) VALUES (1, 0)")  # There was a restore.
    tx.run("UPDATE account SET is_host = 1 WHERE account = ?", busy.account)
    tx.run("UPDATE room SET kind = 'commons' WHERE number = ?", full.crowds[0].number)
    tx.run(
        "UPDATE account SET password_login = ? WHERE account = ?",
        login_hash(house.world.keys, busy.password.login),
        busy.account,
    )
    tx.finish()
    house.connection.commit()


def _cases(full: Full) -> Iterator[Case]:
    yield from _account_cases(full)
    yield from _device_cases(full)
    yield from _making_cases(full)
    yield from _room_cases(full)
    yield from _log_cases(full)
    yield from _other_cases(full)


def _account_cases(full: Full) -> Iterator[Case]:
    house, busy = full.house, full.busy
    me, nobody = busy.phone.caller, busy.nobody
    packages = tuple(house.random(PACKAGE_BYTES) for _ in range(100))
    challenge = house.random(32)
    login, lock = busy.password.login, LOCK
    yield "challenge", nobody, greeting.GetChallenge()
    yield "sign_in", nobody, busy.sign_in(busy.phone, challenge, token=True)
    yield "new_token", me, greeting.NewToken()
    yield "sign_out", me, greeting.SignOut()
    newcomer = Someone(house, "newcomer")
    yield "register", nobody, newcomer.register(packages=packages)
    yield "salt", nobody, accounts.GetSalt(name="busy")
    yield "open_box", nobody, accounts.OpenBox(name="busy", lock=lock, login=login)
    listed = busy.next_list()
    yield "change_box", me, accounts.ChangeBox(version=1, login=login, lock=lock, list=listed)
    code = totp_code(bytes(20), house.now)
    yield "set_totp", me, accounts.SetTotp(login=login, lock=lock, secret=bytes(20), code=code)
    yield "delete_account", me, accounts.DeleteAccount(lock=lock, login=login)
    yield "put_profile", me, accounts.PutProfile(body=bytes(PACKAGE_BYTES))
    yield "get_profile", me, accounts.GetProfile(account=full.people[1_000].account)
    rows = tuple(
        accounts.ArchiveRow(house.random(16), house.random(32), house.random(1_000))
        for _ in range(MANY)
    )
    yield "put_archive", busy_again(full), accounts.PutArchive(rows=rows)
    yield "get_archive", me, accounts.GetArchive()
    last = full.corners[499].room
    yield "get_archive_room", me, accounts.GetArchive(room=last, since=99_000)
    gone = Someone(house, "busy")
    gone.account, gone.version, gone.newest = busy.account, busy.version, busy.newest
    yield "open_reset", nobody, accounts.OpenReset(secret=SECRET, name="gone")
    yield "reset", nobody, gone.reset(SECRET)


def busy_again(full: Full) -> Caller:
    """Return another caller of whom there is nothing yet, where a limit would be passed."""
    seat = full.people[0]
    return Caller("203.0.113.7", "socket", seat.account, seat.devices[0], "p00000")


def _device_cases(full: Full) -> Iterator[Case]:
    house, busy = full.house, full.busy
    me = busy.phone.caller
    yield "put_list", me, devices.PutList(list=busy.next_list(busy.gadgets[:-1]))
    known = tuple(seat.account for seat in full.people[-MANY:])
    strange = tuple(seat.account for seat in full.strangers[:MANY])
    unknown = tuple(house.random(16) for _ in range(MANY))
    yield "get_lists_known", me, devices.GetLists(accounts=known)
    yield "get_lists_strangers", me, devices.GetLists(accounts=strange)
    yield "get_lists_unknown", me, devices.GetLists(accounts=unknown)
    one = busy_again(full)
    yield "get_lists_of_one", one, devices.GetLists(accounts=known)
    yield "get_devices", me, devices.GetDevices()
    packages = tuple(house.random(PACKAGE_BYTES) for _ in range(100))
    yield "put_packages", me, devices.PutPackages(packages=packages, replace=True)
    yield "claim", one, devices.Claim(account=busy.account)


def _making_cases(full: Full) -> Iterator[Case]:
    """Rooms are made, and commits stored, that change very much at once."""
    house = full.house
    seats = full.people[1 : 1 + ROUTING_MAX // 2]
    for name, by in (("busy", full.busy.phone.caller), ("one", busy_again(full))):
        talk = Talk(house.random(16), bytes(32))
        entries = (
            house.handshake(by, talk, adds=(logs.Member(by.account, by.device),)),
            house.handshake(by, talk, adds=_members(seats)),
        )
        welcome = Welcome(
            tuple(device for seat in seats for device in seat.devices), house.random(100_000)
        )
        yield (
            f"create_room_{name}",
            by,
            rooms.CreateRoom(room=talk.room, kind="group", entries=entries, welcomes=(welcome,)),
        )
    crowd = full.crowds[1]
    me = full.busy.phone.caller
    out = full.people[: ROUTING_MAX // 2]
    talk = Talk(crowd.room, crowd.name)
    yield (
        "append_removes",
        me,
        logs.Append(
            room=crowd.room,
            entries=(house.handshake(me, talk, removes=_members(out), closes=True),),
        ),
    )
    talk = Talk(crowd.room, crowd.name)
    again = _members(out)
    yield (
        "append_replaces",
        me,
        logs.Append(
            room=crowd.room,
            entries=(house.handshake(me, talk, removes=again, adds=again),),
        ),
    )


def _members(seats: list[Seat]) -> tuple[logs.Member, ...]:
    return tuple(logs.Member(seat.account, device) for seat in seats for device in seat.devices)


def _message(full: Full, place: Place, size: int = 450) -> NewEntry:
    device = full.busy.phone.id
    header = MessageHeader(device, full.house.random(16), "kept", place.name)
    return NewEntry(encode(header), full.house.random(size))


def _room_cases(full: Full) -> Iterator[Case]:
    house, me = full.house, full.busy.phone.caller
    crowd, hall = full.crowds[0], full.halls[0]
    yield "get_rooms", me, rooms.GetRooms()
    yield "get_members", me, rooms.GetMembers(room=full.crowds[1].room)
    rows = tuple(Row("profile", house.random(32), house.random(3_900)) for _ in range(64))
    yield "put_rows", me, rooms.PutRows(room=crowd.room, rows=rows)
    yield "get_rows", me, rooms.GetRows(room=crowd.room, kind="chain")
    yield "put_slot", me, rooms.PutSlot(room=crowd.room, body=bytes(PACKAGE_BYTES))
    yield "get_slots", me, rooms.GetSlots(room=crowd.room)
    body = house.random(8_000_000)
    yield "put_snapshot", me, logs.PutSnapshot(room=hall.room, name=hall.name, body=body)
    yield "get_snapshot", me, logs.GetSnapshot(room=hall.room)
    yield "put_link", me, rooms.PutLink(room=crowd.room, link=house.random(32))
    yield "drop_link", me, rooms.DropLink(room=crowd.room, link=LINK)
    yield "open_link", me, rooms.OpenLink(link=LINK)
    yield "put_commons", me, rooms.PutCommons(room=crowd.room, key=bytes(32), link=LINK)
    yield "get_commons", me, rooms.GetCommons()
    yield "get_inbox", me, rooms.GetInbox()
    yield "clear_inbox", me, rooms.ClearInbox(until=2**50)
    some = tuple(device for seat in full.people[:32] for device in seat.devices)
    yield "send_letter", me, rooms.SendLetter(room=crowd.room, devices=some, body=bytes(200_000))


def _log_cases(full: Full) -> Iterator[Case]:
    house, me = full.house, full.busy.phone.caller
    crowd = full.crowds[0]
    yield "append_cold", me, logs.Append(room=crowd.room, entries=(_message(full, crowd),))
    many = tuple(_message(full, crowd, 4_000) for _ in range(64))
    yield "append_many", me, logs.Append(room=crowd.room, entries=many)
    start = Position(house.incarnation, 0)
    yield "read", me, logs.Read(room=crowd.room, since=start, entries_max=4096)
    yield "read_lane", me, logs.Read(room=crowd.room, since=start, lane="handshake")
    ends = [Position(house.incarnation, place.head) for place in full.halls]
    passed = tuple((place.room, end) for place, end in zip(full.halls, ends, strict=True))
    corners = tuple((place.room, Position(house.incarnation, 1)) for place in full.corners[:800])
    yield "passed", me, logs.Passed(rooms=passed + corners)
    seqs = tuple(range(2, MANY + 2))
    yield (
        "drop_bodies",
        me,
        logs.DropBodies(room=crowd.room, seqs=seqs, incarnation=house.incarnation),
    )
    talk = Talk(crowd.room, crowd.name)
    again = _members(full.people[:MANY])
    offered = tuple(house.handshake(me, talk, removes=again, adds=again) for _ in range(MANY))
    yield "offer_handshakes", me, logs.OfferHandshakes(room=crowd.room, entries=offered)


def _other_cases(full: Full) -> Iterator[Case]:
    me = full.busy.phone.caller
    yield "get_asks", me, chats.GetAsks()
    yield "answer_accept", me, chats.Answer(rooms=None, accept=True)
    yield "answer_decline", me, chats.Answer(rooms=None, accept=False)
    yield "block", me, chats.Block(account=full.people[WAITING - 1].account, blocked=True)
    yield "get_blocks", me, chats.GetBlocks()
    yield "find", me, directory.Find(name="p", beginning=True)
    yield "get_online", me, directory.GetOnline()
    yield "set_visibility", me, directory.SetVisibility(online=False, seen=False)
    yield "set_presence", me, directory.SetPresence(presence="invisible")
    yield "signal", me, directory.Signal(room=full.crowds[0].room, body=bytes(1024))
    yield "put_alias", me, directory.PutAlias(room=full.crowds[1].room, alias="abc")
    yield "find_rooms", me, directory.FindRooms(alias="crowd")
    yield "get_blobs", me, blobs.GetBlobs()
    (blob,) = full.house.connection.one("SELECT blob FROM blob LIMIT 1") or (b"",)
    yield "drop_blob", me, blobs.DropBlob(blob=blob)
    yield "get_events", me, events.GetEvents()
    yield "get_events_suspicious", me, events.GetEvents(suspicious=True)
    yield "get_events_everyone", host(me), events.GetEvents(everyone=True)
    yield (
        "get_events_everyone_suspicious",
        host(me),
        events.GetEvents(everyone=True, suspicious=True),
    )
    yield "new_invite", host(me), invites.NewInvite()
    yield "get_invites", host(me), invites.GetInvites()
    yield "drop_invite", host(me), invites.DropInvite(invite="i5")


def host(caller: Caller) -> Caller:
    """Return the same caller with the rights of the host."""
    return Caller(
        caller.address, caller.door, caller.account, caller.device, caller.name, is_host=True
    )
