"""Rooms: making them, listing them, and who is in them."""

import msgspec

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.handlers.chats import is_free_again
from alcove.server.handlers.entries import COST_HEADER_BYTES, append_all
from alcove.server.handlers.reads import reading
from alcove.server.roomstate import Guest, Mark, Paused, RoomState
from alcove.server.tx import Tx, digest, refuse_unless
from alcove.wire.codec import decode_header, encode
from alcove.wire.entries import Append, Appended, HandshakeHeader, Member, Routing
from alcove.wire.errors import Code, Refused
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.rooms import (
    CreateRoom,
    GetMembers,
    GetRooms,
    Members,
    Room,
    RoomMember,
    Rooms,
)

ROOMS_PAGE = 256
"""Rooms in the answer to one request for a list of them."""
FOUNDING_HANDSHAKES_MAX = 2
"""The one that founds a room, and the commit that adds its first members."""


def create_room(tx: Tx, caller: Caller, request: CreateRoom, now: int) -> Appended:
    """Make a room whose log begins with these entries; the first one founds it."""
    if tx.one("SELECT 1 FROM room WHERE room = ?", request.room):
        raise Refused(Code.EXISTS)
    header = decode_header(request.entries[0].header)
    me = Member(caller.account, caller.device)
    handshakes = sum(
        isinstance(decode_header(entry.header), HandshakeHeader) for entry in request.entries
    )
    refuse_unless(handshakes <= FOUNDING_HANDSHAKES_MAX, Code.LIMIT)
    refuse_unless(
        isinstance(header, HandshakeHeader)
        and header.before == NOTHING_BEFORE
        and header.renews
        and not header.closes
        and header.joins is None
        and header.routing == Routing((me,), history=header.routing.history,
                                      keep_ms=header.routing.keep_ms),
        Code.BAD_HEADER,
        "A room begins with a handshake that routes only the device that makes it.",
    )  # fmt: skip
    (count,) = tx.one(
        "SELECT COUNT(*) FROM room_account WHERE account = ? AND declined_at IS NULL",
        caller.account,
    ) or (0,)
    refuse_unless(count < tx.settings.account_rooms_max, Code.LIMIT)
    pair = _pair(tx, caller, request)
    (number,) = tx.one("SELECT COALESCE(MAX(number), 0) + 1 FROM room") or (1,)
    state = RoomState(number, request.room, request.kind, caller.account)
    tx.run(
        """
        INSERT INTO room (number, room, kind, created_at, created_by, pair, recent, paused)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)
        """,
        number,
        request.room,
        request.kind,
        now,
        caller.account,
        pair,
        encode(list[Mark]()),
        encode(Paused(accounts={}, devices={})),
    )
    tx.run(
        "INSERT INTO room_account (room, account, role) VALUES (?, ?, 'owner')",
        number,
        caller.account,
    )
    state.accounts[caller.account] = Guest("owner", "active")
    tx.remember_room(state)
    filling = Append(
        id=request.id, room=request.room, entries=request.entries, welcomes=request.welcomes,
        rows=request.rows,
    )  # fmt: skip
    appended = append_all(tx, caller, state, filling, now, is_new=True)
    if request.kind == "direct":
        refuse_unless(
            request.partner in state.accounts, Code.BAD_HEADER, "The partner is not routed."
        )
    tx.audit("room_created", caller.account, kind=request.kind)
    return appended


def _pair(tx: Tx, caller: Caller, request: CreateRoom) -> bytes | None:
    """Return what makes a room the only one of its kind, or refuse a second one."""
    if request.kind == "direct":
        people = tx.all(
            "SELECT identity FROM account WHERE account IN (?, ?) ORDER BY identity",
            caller.account,
            request.partner or b"",
        )
        refuse_unless(len(people) == 2, Code.UNKNOWN)
        pair = digest(b"alcove direct room 1" + b"".join(identity for (identity,) in people))
    elif request.kind == "mailbox":
        pair = digest(b"alcove mailbox 1" + caller.account)
    elif request.kind == "commons":
        refuse_unless(caller.is_host, Code.HOST_ONLY)
        pair = digest(b"alcove commons 1")
    else:
        return None
    there = tx.one("SELECT room FROM room WHERE pair = ?", pair)
    if there is not None and not is_free_again(tx, there[0], caller.account):
        raise Refused(Code.EXISTS, head=there[0])
    return pair


def get_rooms(tx: Tx, caller: Caller, request: GetRooms, _: int) -> Rooms:
    """List the rooms that this device is routed to, in pages."""
    lines = tx.all(
        """
        SELECT r.number, r.room, r.kind, a.state, r.recent, m.passed, r.history, r.created_at,
            r.created_by
        FROM member m
        JOIN room r ON r.number = m.room
        JOIN room_account a ON a.room = m.room AND a.account = m.account
        WHERE m.device = ? AND m.left_at IS NULL AND a.declined_at IS NULL AND m.room > ?
        ORDER BY m.room LIMIT ?
        """,
        caller.device,
        request.since,
        ROOMS_PAGE,
    )
    rooms = []
    for number, room, kind, guest, recent, passed, history, created_at, created_by in lines:
        last = tx.one(
            "SELECT seq, chain FROM entry WHERE room = ? ORDER BY seq DESC LIMIT 1", number
        )
        head, chain = last or (0, NOTHING_BEFORE)
        marks = msgspec.msgpack.decode(recent, type=list[Mark])
        rooms.append(
            Room(
                room, kind, guest, head, chain, marks[-1].name, passed, history, created_at,
                created_by,
            )
        )  # fmt: skip
    more = lines[-1][0] if len(lines) == ROOMS_PAGE else None
    return Rooms(id=request.id, incarnation=tx.incarnation, rooms=tuple(rooms), next=more)


def get_members(tx: Tx, caller: Caller, request: GetMembers, _: int) -> Members:
    """Tell who is routed in a room, in pages."""
    number = reading(tx, caller, request.room)
    lines = tx.all(
        """
        SELECT a.account, p.name, a.role, a.state, p.is_bot, p.shows_seen, p.seen_at
        FROM room_account a JOIN account p ON p.account = a.account
        WHERE a.room = ? AND a.account > ? ORDER BY a.account LIMIT ?
        """,
        number,
        request.after or b"",
        request.limit + 1,
    )
    page = lines[: request.limit]
    found = _devices_of(tx, number, [account for account, *_ in page]) if page else ({}, {})
    devices, passed = found
    members = tuple(
        RoomMember(
            account, name, role, guest, tuple(devices.get(account, ())), passed.get(account, 0),
            bool(is_bot), tx.presence.of(account), seen_at if shows_seen else None,
        )
        for account, name, role, guest, is_bot, shows_seen, seen_at in page
    )  # fmt: skip
    return Members(id=request.id, members=members, more=len(lines) > request.limit)


def _devices_of(
    tx: Tx, number: int, accounts: list[bytes]
) -> tuple[dict[bytes, list[bytes]], dict[bytes, int]]:
    """Return the devices of some accounts in a room, and how far the furthest of each has passed.

    They are found by the accounts' devices: a room may have very many others.
    """
    marks = ", ".join("?" * len(accounts))
    sql = f"""
        SELECT m.account, m.device, m.passed FROM device d CROSS JOIN member m
        WHERE d.account IN ({marks}) AND m.room = ? AND m.device = d.device ORDER BY m.device
        """  # noqa: S608 - Only marks.
    devices: dict[bytes, list[bytes]] = {}
    passed: dict[bytes, int] = {}
    for account, device, seq in tx.all(sql, *accounts, number):
        devices.setdefault(account, []).append(device)
        passed[account] = max(seq, passed.get(account, 0))
    return devices, passed


def _create_cost(request: CreateRoom) -> int:
    """Return how much of the limit a new room takes: by its members, which headers list."""
    return 1 + sum(len(entry.header) for entry in request.entries) // COST_HEADER_BYTES


HANDLERS: dict[type, Handler] = {
    CreateRoom: Handler(create_room, "device", "handshake", cost=_create_cost),
    GetRooms: Handler(get_rooms, "device", "read", writes=False),
    GetMembers: Handler(get_members, "device", "read", writes=False),
}
