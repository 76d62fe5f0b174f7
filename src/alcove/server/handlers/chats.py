"""Requests to chat: who must be asked before being added to a room, and what is answered.

                       asked_first
    a commit adds ──► no: active at once
                  └─► yes: pending ── tell_asked ──► Answer ──► accepted: active
                                                          └───► declined: seems to wait

Nobody is told of a declined request: to others the account stays in the room as pending, with its
devices, and who asks again is refused in the same words as while the first one waits.  To itself it
is there no longer.  After `DECLINED_MS` it is gone for everyone, and may be asked again.  A blocked
account's requests wait too, and are shown to nobody.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Routed
from alcove.server.handlers.access import Handler
from alcove.server.handlers.devices import audit_quietly
from alcove.server.handlers.letters import discard, release
from alcove.server.roomstate import RoomState
from alcove.server.settings import requests_policy
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.chats import (
    Answer,
    Answered,
    Ask,
    Asked,
    Asks,
    Block,
    Blocks,
    GetAsks,
    GetBlocks,
)
from alcove.wire.errors import Code, Refused
from alcove.wire.rooms import Kind, RoomChanged

DAY_MS = 24 * 60 * 60 * 1000
DECLINED_MS = 30 * DAY_MS
"""So long after a request was declined the same account cannot ask again."""
PENDING_MAX = 1000
"""How many requests may wait for one account."""
FORGOTTEN_AT_ONCE = 500
"""How many declined requests one turn of housekeeping forgets."""
BLOCKS_MAX = 2000
"""How many accounts one may block."""

_WAITS = "This account was asked already: wait for its answer."


# ---- For who routes ----


def asked_first(tx: Tx, asker: bytes, account: bytes, kind: Kind, now: int) -> bool:
    """Return whether an account must be asked before `asker` adds it to a room.

    Refuses when it must be asked and may not be: again, too often, or by too many.
    """
    if kind in ("mailbox", "commons"):
        return False  # The one has only its owner's devices, the other only who joins by itself.
    if not is_blocked(tx, account, asker) and not _must_ask(tx, asker, account):
        return False
    _check_may_ask(tx, asker, account, now)
    return True


def tell_asked(tx: Tx, state: RoomState, account: bytes, now: int) -> None:
    """Write down that the caller asks an account, and tell it, unless it wants nothing of him.

    Who was declined lately, takes that request back and asks again, is declined at once.
    """
    caller = tx.caller
    assert caller is not None, "somebody asks"
    (declined_at,) = tx.one(
        "SELECT MAX(declined_at) FROM ask WHERE asker = ? AND account = ? AND declined_at > ?",
        caller.account,
        account,
        now - DECLINED_MS,
    ) or (None,)
    tx.run(
        """
        INSERT INTO ask (asker, account, asked_at, declined_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (asker, account)
        DO UPDATE SET asked_at = excluded.asked_at, declined_at = excluded.declined_at
        """,
        caller.account,
        account,
        now,
        declined_at,
    )
    if declined_at is not None:
        tx.run(
            "UPDATE room_account SET declined_at = ? WHERE room = ? AND account = ?",
            declined_at,
            state.number,
            account,
        )
    elif not is_blocked(tx, account, caller.account):
        ask = Ask(state.room, state.kind, caller.account, caller.name, now)
        tx.push_account(account, Asked(ask=ask))
    tx.audit("request_sent", caller.account)


def is_blocked(tx: Tx, account: bytes, by: bytes) -> bool:
    """Return whether an account has blocked another one."""
    return tx.one("SELECT 1 FROM block WHERE account = ? AND blocked = ?", account, by) is not None


def forget_asks(tx: Tx, now: int) -> int:
    """Forget requests that were asked and declined so long ago that they hinder nobody."""
    lines = tx.all(
        """
        SELECT r.room, a.account FROM room_account a JOIN room r ON r.number = a.room
        WHERE a.declined_at < ? ORDER BY a.declined_at LIMIT ?
        """,
        now - DECLINED_MS,
        FORGOTTEN_AT_ONCE,
    )
    for room, account in lines:
        _forget_guest(tx, room, account)
    return len(lines) + tx.run(
        "DELETE FROM ask WHERE asked_at < ? AND COALESCE(declined_at, 0) < ?",
        now - DAY_MS,
        now - DECLINED_MS,
    )


def is_free_again(tx: Tx, room: bytes, account: bytes) -> bool:
    """Return whether an account has declined this direct room: then it may make another one.

    If so, the room gives its place as the only one of the two people away.
    """
    line = tx.one(
        """
        SELECT r.number FROM room r JOIN room_account a ON a.room = r.number
        WHERE r.room = ? AND a.account = ? AND a.declined_at IS NOT NULL
        """,
        room,
        account,
    )
    if line is not None:
        tx.run("UPDATE room SET pair = NULL WHERE number = ?", line[0])
    return line is not None


def _forget_guest(tx: Tx, room: bytes, account: bytes) -> None:
    """Let an account that declined a room long ago be gone from it for everyone."""
    state = tx.known_room(room)
    tx.run("DELETE FROM member WHERE room = ? AND account = ?", state.number, account)
    tx.run("DELETE FROM room_account WHERE room = ? AND account = ?", state.number, account)
    if state.kind == "direct":
        # Only the asker is left: should the two ever want to talk, they may make another room.
        tx.run("UPDATE room SET pair = NULL WHERE number = ?", state.number)
    tx.forget_room(room)


def _must_ask(tx: Tx, asker: bytes, account: bytes) -> bool:
    policy = requests_policy(tx.settings)
    if policy == "off":
        return False
    shared = "room.kind = 'direct'" if policy == "everyone" else "room.kind <> 'commons'"
    line = tx.one(
        f"""
        SELECT 1 FROM room_account theirs
        JOIN room_account mine ON mine.room = theirs.room AND mine.account = ?
        JOIN room ON room.number = theirs.room
        WHERE theirs.account = ? AND theirs.state = 'active' AND mine.state = 'active' AND {shared}
        LIMIT 1
        """,  # noqa: S608 - Our words.
        asker,
        account,
    )
    return line is None


def _check_may_ask(tx: Tx, asker: bytes, account: bytes, now: int) -> None:
    """Refuse a request that waits already, or seems to, and too many of them."""
    waits = tx.one(
        "SELECT 1 FROM room_account WHERE account = ? AND asked_by = ? AND state = 'pending'",
        account,
        asker,
    )
    lately = tx.one(
        "SELECT 1 FROM ask WHERE asker = ? AND account = ? AND asked_at > ?",
        asker,
        account,
        now - DAY_MS,
    )
    refuse_unless(waits is None and lately is None, Code.TOO_SOON, _WAITS)
    lines = tx.all(
        """
        SELECT asked_at FROM ask WHERE asker = ? AND asked_at BETWEEN ? AND ?
        UNION ALL
        SELECT asked_at FROM room_account WHERE asked_by = ? AND state = 'active'
            AND asked_at BETWEEN ? AND ?
        """,
        asker,
        now - DAY_MS + 1,
        now,
        asker,
        now - DAY_MS + 1,
        now,
    )
    most = tx.settings.asks_per_day
    if len(lines) >= most:
        tx.audit("limit_hit", asker, limit="asks_per_day")
        times = sorted(at for (at,) in lines)
        # When so many of them are a day old that one more is allowed; never, if none ever is.
        wait = times[len(times) - most] + DAY_MS - now if most else None
        raise Refused(Code.TOO_MANY, retry_after_ms=wait)
    (pending,) = tx.one(
        """
        SELECT COUNT(*) FROM room_account
        WHERE account = ? AND state = 'pending' AND declined_at IS NULL
        """,
        account,
    ) or (0,)
    refuse_unless(pending < PENDING_MAX, Code.LIMIT, "Too many requests wait for this account.")


# ---- Requests ----

_WAITING = """
    FROM room_account a JOIN room r ON r.number = a.room JOIN account p ON p.account = a.asked_by
    WHERE a.account = ? AND a.state = 'pending' AND a.declined_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM block b WHERE b.account = a.account AND b.blocked = a.asked_by
    )
"""


def get_asks(tx: Tx, caller: Caller, request: GetAsks, _: int) -> Asks:
    """Return the requests that wait for this account, oldest first."""
    lines = tx.all(
        f"""
        SELECT r.room, r.kind, a.asked_by, p.name, a.asked_at {_WAITING}
        ORDER BY a.asked_at, r.room LIMIT ?
        """,
        caller.account,
        PENDING_MAX,
    )
    return Asks(id=request.id, asks=tuple(Ask(*line) for line in lines))


def answer(tx: Tx, caller: Caller, request: Answer, now: int) -> Done:
    """Accept requests, or decline them."""
    asking: dict[bytes, bytes] = dict(
        tx.all(f"SELECT r.room, a.asked_by {_WAITING} ORDER BY a.asked_at, r.room", caller.account)
    )
    rooms = tuple(asking) if request.rooms is None else tuple(dict.fromkeys(request.rooms))
    refuse_unless(all(room in asking for room in rooms), Code.UNKNOWN)
    for room in rooms:
        state = tx.known_room(room)
        if request.accept:
            _accept(tx, caller, state, asking[room], now)
        else:
            _decline(tx, caller.account, state, asking[room], now)
    return Done(id=request.id)


def _accept(tx: Tx, caller: Caller, state: RoomState, asker: bytes, now: int) -> None:
    account = caller.account
    tx.touch(state)
    tx.run(
        "UPDATE room_account SET state = 'active' WHERE room = ? AND account = ?",
        state.number,
        account,
    )
    tx.run("DELETE FROM ask WHERE asker = ? AND account = ?", asker, account)
    state.accounts[account].state = "active"
    devices = tuple(device for device, whose in state.members.items() if whose == account)
    tx.effects.append(Routed(state.room, devices, is_member=True))
    tx.push(devices, RoomChanged(room=state.room, state="active"))
    release(tx, state, devices, now)
    tx.push_account(asker, Answered(room=state.room, account=account))
    tx.audit("request_accepted", account)


def _decline(tx: Tx, account: bytes, state: RoomState, asker: bytes, now: int) -> None:
    """Note it for the account itself: what others can see of the room stays as it was."""
    devices = tuple(device for device, whose in state.members.items() if whose == account)
    discard(tx, state, devices)
    tx.run(
        "UPDATE room_account SET declined_at = ? WHERE room = ? AND account = ?",
        now,
        state.number,
        account,
    )
    tx.run(
        """
        INSERT INTO ask (asker, account, asked_at, declined_at) VALUES (?, ?, ?, ?)
        ON CONFLICT (asker, account) DO UPDATE SET declined_at = excluded.declined_at
        """,
        asker,
        account,
        now,
        now,
    )
    tx.push(devices, RoomChanged(room=state.room, state="gone"))
    tx.audit("request_declined", account)
    audit_quietly(tx, "request_unwanted", asker)


def block(tx: Tx, caller: Caller, request: Block, now: int) -> Done:
    """Let nothing more come from an account, and decline what it asked; or lift that again."""
    there = tx.one("SELECT 1 FROM account WHERE account = ?", request.account)
    refuse_unless(there, Code.UNKNOWN)
    refuse_unless(request.account != caller.account, Code.NOT_ALLOWED)
    is_there = is_blocked(tx, caller.account, request.account)
    if request.blocked and not is_there:
        _block(tx, caller, request.account, now)
        tx.audit("account_blocked", caller.account)
    elif is_there and not request.blocked:
        tx.run(
            "DELETE FROM block WHERE account = ? AND blocked = ?", caller.account, request.account
        )
        tx.audit("account_unblocked", caller.account)
    return Done(id=request.id)


def _block(tx: Tx, caller: Caller, account: bytes, now: int) -> None:
    (count,) = tx.one("SELECT COUNT(*) FROM block WHERE account = ?", caller.account) or (0,)
    refuse_unless(count < BLOCKS_MAX, Code.LIMIT)
    lines = tx.all(
        f"SELECT r.room {_WAITING} AND a.asked_by = ? ORDER BY r.room",
        caller.account,
        account,
    )
    tx.insert("block (account, blocked, at)", [(caller.account, account, now)])
    for (room,) in lines:
        _decline(tx, caller.account, tx.known_room(room), account, now)


def get_blocks(tx: Tx, caller: Caller, request: GetBlocks, _: int) -> Blocks:
    """Return the accounts that this one has blocked, by name."""
    lines = tx.all(
        """
        SELECT a.account, a.name, b.at FROM block b JOIN account a ON a.account = b.blocked
        WHERE b.account = ? ORDER BY a.folded
        """,
        caller.account,
    )
    return Blocks(id=request.id, accounts=tuple((who, name, at) for who, name, at in lines))


HANDLERS: dict[type, Handler] = {
    GetAsks: Handler(get_asks, "device", "read", writes=False),
    Answer: Handler(answer, "device", "write"),
    Block: Handler(block, "device", "write"),
    GetBlocks: Handler(get_blocks, "device", "read", writes=False),
}
