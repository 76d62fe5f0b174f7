"""The directory: how people and public groups are found, and what they let others see.

Who is online stands in no table but in the memory of `server/presence.py`.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Present, ToRoom
from alcove.server.handlers.access import Handler
from alcove.server.presence import HIDDEN, SHOWN
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.codec import encode
from alcove.wire.directory import (
    Find,
    FindRooms,
    GetOnline,
    People,
    Person,
    PublicRoom,
    PublicRooms,
    PutAlias,
    SetPresence,
    SetVisibility,
    Signal,
    Signalled,
)
from alcove.wire.errors import Code

ONLINE_PAGE = 256
"""How many accounts one page of the online list has."""
LAST_CHARACTER = "\U0010ffff"
"""Behind a text it makes one that stands behind all that begin with it: both databases compare
bytes, and names hold no such character."""
NAMED_KINDS = ("group", "channel")
"""Kinds of rooms that may have a public name."""


def find(tx: Tx, _: Caller, request: Find, __: int) -> People:
    """Find accounts by name: exactly, or by its beginning where they allow it."""
    name, most = request.name.lower(), tx.settings.found_max
    lines = tx.all(
        """
        SELECT account, name, is_bot, shows_seen, seen_at FROM account
        WHERE folded = ? AND disabled_at IS NULL
        """,
        name,
    )
    if request.beginning:
        lines += tx.all(
            """
            SELECT account, name, is_bot, shows_seen, seen_at FROM account
            WHERE findable = 'beginning' AND folded > ? AND folded < ? AND disabled_at IS NULL
            ORDER BY folded LIMIT ?
            """,
            name,
            name + LAST_CHARACTER,
            most + 1,
        )
    people = tuple(
        Person(account, shown, bool(is_bot), "offline", seen_at if shows_seen else None)
        for account, shown, is_bot, shows_seen, seen_at in lines[:most]
    )
    return tx.presence.fill(People(id=request.id, people=people, more=len(lines) > most))


def get_online(tx: Tx, _: Caller, request: GetOnline, __: int) -> People:
    """List who is online and does not hide it."""
    return tx.presence.online(request.after, ONLINE_PAGE, request.id)


def set_visibility(tx: Tx, caller: Caller, request: SetVisibility, _: int) -> Done:
    """Choose what others may see of this account."""
    tx.run(
        """
        UPDATE account SET shows_online = COALESCE(?, shows_online),
            shows_seen = COALESCE(?, shows_seen), findable = COALESCE(?, findable)
        WHERE account = ?
        """,
        None if request.online is None else int(request.online),
        None if request.seen is None else int(request.seen),
        request.findable,
        caller.account,
    )
    if request.online is not None:
        tx.effects.append(Present(caller.account, b"", SHOWN if request.online else HIDDEN))
    return Done(id=request.id)


def set_presence(tx: Tx, caller: Caller, request: SetPresence, _: int) -> Done:
    """Say how this device is there, until its connection ends."""
    tx.effects.append(Present(caller.account, caller.device, request.presence))
    return Done(id=request.id)


def signal(tx: Tx, caller: Caller, request: Signal, _: int) -> Done:
    """Hand sealed bytes to who is online in a room."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    signalled = Signalled(room=request.room, device=caller.device, body=request.body)
    tx.effects.append(ToRoom(request.room, encode(signalled), caller.device))
    return Done(id=request.id)


# ---- Public groups ----


def put_alias(tx: Tx, caller: Caller, request: PutAlias, _: int) -> Done:
    """By an owner: let a group be found by a name, or no longer."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    refuse_unless(state.accounts[caller.account].role == "owner", Code.NOT_ALLOWED)
    refuse_unless(state.kind in NAMED_KINDS, Code.NOT_ALLOWED, "Only groups have public names.")
    if request.alias is None:
        if tx.run("DELETE FROM alias WHERE room = ?", state.number):
            tx.audit("alias_withdrawn", caller.account)
        return Done(id=request.id)
    there = tx.one("SELECT room FROM alias WHERE alias = ?", request.alias)
    refuse_unless(
        there in (None, (state.number,)), Code.NAME_TAKEN, "Another group has this name already."
    )
    refuse_unless(
        (request.key is None) == (request.link is None),
        Code.MALFORMED,
        "A link key and its link go together.",
    )
    if request.link is not None:
        leads_here = tx.one(
            "SELECT 1 FROM link WHERE hash = ? AND room = ?", request.link, state.number
        )
        refuse_unless(
            leads_here, Code.UNKNOWN, "Put the link first: it does not lead to this room."
        )
    tx.run("DELETE FROM alias WHERE room = ?", state.number)
    tx.insert(
        "alias (alias, room, description, link_key, link)",
        [(request.alias, state.number, request.description, request.key, request.link)],
    )
    tx.audit("alias_published", caller.account, alias=request.alias)
    return Done(id=request.id)


def find_rooms(tx: Tx, _: Caller, request: FindRooms, now: int) -> PublicRooms:
    """Find public groups by the beginning of their alias; their links as long as those work."""
    lines = tx.all(
        """
        SELECT r.room, p.alias, p.description,
            (SELECT COUNT(*) FROM room_account a WHERE a.room = p.room)
                - (SELECT COUNT(*) FROM room_account a
                   WHERE a.room = p.room AND a.state = 'pending'),
            CASE WHEN l.hash IS NULL THEN NULL ELSE p.link_key END, l.hash
        FROM alias p JOIN room r ON r.number = p.room
        LEFT JOIN link l ON l.hash = p.link
            AND COALESCE(l.expires_at, ?) >= ? AND (l.uses IS NULL OR l.used < l.uses)
        WHERE p.alias >= ? AND p.alias < ? ORDER BY p.alias LIMIT ?
        """,
        now,
        now,
        request.alias.lower(),
        request.alias.lower() + LAST_CHARACTER,
        tx.settings.found_max,
    )
    return PublicRooms(id=request.id, rooms=tuple(PublicRoom(*line) for line in lines))


HANDLERS: dict[type, Handler] = {
    Find: Handler(find, "device", "search", writes=False),
    GetOnline: Handler(get_online, "device", "search", writes=False),
    SetVisibility: Handler(set_visibility, "device", "write"),
    # They go through the writer for its memory of rooms and its order, and nobody needs to
    # remember that they were answered.
    SetPresence: Handler(set_presence, "socket", "presence", is_remembered=False),
    Signal: Handler(signal, "device", "signal", is_remembered=False),
    PutAlias: Handler(put_alias, "device", "write"),
    FindRooms: Handler(find_rooms, "device", "search", writes=False),
}
