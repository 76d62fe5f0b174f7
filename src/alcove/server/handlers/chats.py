"""Requests to chat: who must be asked before being added to a room, and what is answered.

                       asked_first
    a commit adds ──► no: active at once
                  └─► yes: pending ── tell_asked ──► Answer ──► accepted: active
                                                          └───► declined: seems to wait

Nobody is told of a declined request: to others the account stays in the room as pending, with its
devices, and who asks again is refused in the same words as while the first one waits.  To itself it
is there no longer.  After `declined_days` it is gone for everyone, and may be asked again.  The
requests of a blocked account wait too, and are shown to nobody.
"""

from collections.abc import Sequence

from alcove.server.caller import Caller
from alcove.server.effects import Routed
from alcove.server.handlers.access import Handler
from alcove.server.handlers.blocks import is_blocked, route_pair
from alcove.server.handlers.letters import discard, release
from alcove.server.handlers.reads import in_parts
from alcove.server.roomstate import RoomState
from alcove.server.settings_together import requests_policy
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.chats import (
    ANSWERED_MAX,
    Answer,
    Answered,
    Ask,
    Asked,
    Asks,
    AsksLeft,
    Block,
    Blocks,
    GetAsks,
    GetBlocks,
)
from alcove.wire.errors import Code, Refused
from alcove.wire.rooms import Kind, RoomChanged

DAY_MS = 24 * 60 * 60 * 1000
COSTS_ONE = 8
"""So many requests that are answered together cost as much as another one that is answered."""
FORGOTTEN_AT_ONCE = 200
"""How many requests one turn of housekeeping forgets."""

_WAITS = "This account was asked already: wait for its answer."


# ---- For who routes ----


def asked_first(
    tx: Tx, asker: bytes, accounts: Sequence[bytes], kind: Kind, now: int
) -> frozenset[bytes]:
    """Return which accounts must be asked before `asker` adds them to a room.

    Refuses when one must be asked and may not be: again, too often, or by too many.
    """
    if kind in ("mailbox", "commons"):
        # The one has only its owner's devices, the other only who joins by itself.
        return frozenset()
    asked: list[bytes] = []
    for marks, part in in_parts(accounts):
        sql = f"SELECT account FROM block WHERE blocked = ? AND account IN ({marks})"  # noqa: S608 - Only marks.
        blocking = {account for (account,) in tx.all(sql, asker, *part)}
        known = _known(tx, asker, part, marks)
        asked += [one for one in part if one in blocking or one not in known]
    if asked:
        _check_may_ask(tx, asker, asked, now)
    return frozenset(asked)


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
        now - _declined_ms(tx),
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


def _declined_ms(tx: Tx) -> int:
    """Return for how long after a request was declined the same account cannot ask again."""
    return tx.settings.declined_days * DAY_MS


def forget_asks(tx: Tx, now: int, limit: int = FORGOTTEN_AT_ONCE) -> int:
    """Forget requests that were asked and declined so long ago that they hinder nobody."""
    count = _bring_back(tx, now, limit)
    lines = tx.all(
        """
        SELECT r.number, r.room, r.kind, a.account
        FROM room_account a JOIN room r ON r.number = a.room
        WHERE a.declined_at < ? ORDER BY a.declined_at LIMIT ?
        """,
        now - _declined_ms(tx),
        limit,
    )
    for number, room, kind, account in lines:
        _forget_guest(tx, number, room, kind, account)
    count += len(lines)
    yesterday = now - DAY_MS
    for old, values in (
        ("declined_at IS NULL AND asked_at < ?", (yesterday,)),
        # Who was asked again since is not forgotten yet.
        (
            "declined_at < ? AND NOT asked_at BETWEEN ? AND ?",
            (now - _declined_ms(tx), yesterday, now),
        ),
    ):
        count += tx.run(
            f"""
            DELETE FROM ask WHERE (asker, account) IN (
                SELECT asker, account FROM ask WHERE {old} LIMIT ?
            )
            """,  # noqa: S608 - Our words.
            *values,
            limit,
        )
    return count


def _bring_back(tx: Tx, now: int, limit: int) -> int:
    """Take times that have not come yet for now; return how many those were.

    They are of a clock that was ahead.  Left alone, what was declined then would be remembered
    until that clock's time, and a month longer.
    """
    count = tx.run(
        """
        UPDATE room_account SET declined_at = ? WHERE (room, account) IN (
            SELECT room, account FROM room_account WHERE declined_at > ? LIMIT ?
        )
        """,
        now,
        now,
        limit,
    )
    for ahead, changed in (
        ("declined_at > ?", "declined_at = ?"),
        ("declined_at IS NULL AND asked_at > ?", "asked_at = ?"),
    ):
        count += tx.run(
            f"""
            UPDATE ask SET {changed} WHERE (asker, account) IN (
                SELECT asker, account FROM ask WHERE {ahead} LIMIT ?
            )
            """,  # noqa: S608 - Our words.
            now,
            now,
            limit,
        )
    return count


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


def _forget_guest(tx: Tx, number: int, room: bytes, kind: Kind, account: bytes) -> None:
    """Let an account that declined a room long ago be gone from it for everyone."""
    take_out(tx, number, room, account)
    if kind == "direct":
        # Only the asker is left: should the two ever want to talk, they may make another room.
        tx.run("UPDATE room SET pair = NULL WHERE number = ?", number)


def take_out(tx: Tx, number: int, room: bytes, account: bytes) -> tuple[bytes, ...]:
    """Take an account out of a room, which may have very many others; return its devices there."""
    devices = devices_in(tx, number, account)
    for device in devices:
        tx.run("DELETE FROM member WHERE room = ? AND device = ?", number, device)
    tx.run("DELETE FROM room_account WHERE room = ? AND account = ?", number, account)
    tx.forget_room(room)
    return devices


def _known(tx: Tx, asker: bytes, accounts: Sequence[bytes], marks: str) -> frozenset[bytes]:
    """Return which accounts need not be asked, unless they have blocked the asker."""
    policy = requests_policy(tx.settings)
    if policy == "off":
        return frozenset(accounts)
    shared = "room.kind = 'direct'" if policy == "everyone" else "room.kind <> 'commons'"
    # The order of the tables is fixed: from the account's rooms, until one is shared.
    sql = f"""
        SELECT a.account FROM account a WHERE a.account IN ({marks}) AND EXISTS (
            SELECT 1 FROM room_account theirs CROSS JOIN room_account mine CROSS JOIN room
            WHERE theirs.account = a.account AND theirs.state = 'active'
              AND mine.room = theirs.room AND mine.account = ? AND mine.state = 'active'
              AND room.number = theirs.room AND {shared}
        )
        """  # noqa: S608 - Our words.
    return frozenset(account for (account,) in tx.all(sql, *accounts, asker))


def _check_may_ask(tx: Tx, asker: bytes, accounts: Sequence[bytes], now: int) -> None:
    """Refuse requests that wait already, or seem to, and too many of them."""
    most = tx.settings.asks_per_day
    if len(accounts) > most:
        raise Refused(Code.TOO_MANY)  # So many together are never allowed.
    for account in accounts:
        _check_may_be_asked(tx, asker, account, now)
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
    too_many = len(lines) + len(accounts) - most
    if too_many > 0:
        times = sorted(at for (at,) in lines)
        # When so many of them are a day old that there is place for all of these.
        raise Refused(Code.TOO_MANY, retry_after_ms=times[too_many - 1] + DAY_MS - now)


def _check_may_be_asked(tx: Tx, asker: bytes, account: bytes, now: int) -> None:
    """Refuse to ask an account again, and one of whom too many ask."""
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
    (pending,) = tx.one(
        """
        SELECT COUNT(*) FROM room_account
        WHERE account = ? AND state = 'pending' AND declined_at IS NULL
        """,
        account,
    ) or (0,)
    refuse_unless(
        pending < tx.settings.account_asks_max,
        Code.LIMIT,
        "Too many requests wait for this account.",
    )


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
        tx.settings.account_asks_max,
    )
    return Asks(id=request.id, asks=tuple(Ask(*line) for line in lines))


def answer(tx: Tx, caller: Caller, request: Answer, now: int) -> AsksLeft:
    """Accept requests, or decline them: those that are named, or the oldest that wait."""
    asking: dict[bytes, tuple[int, bytes]] = {
        room: (number, asker)
        for room, number, asker in tx.all(
            f"SELECT r.room, r.number, a.asked_by {_WAITING} ORDER BY a.asked_at, r.room",
            caller.account,
        )
    }
    rooms = tuple(asking if request.rooms is None else dict.fromkeys(request.rooms))
    refuse_unless(all(room in asking for room in rooms), Code.UNKNOWN)
    rooms = rooms[:ANSWERED_MAX]
    for room in rooms:
        number, asker = asking[room]
        if request.accept:
            _accept(tx, caller, number, room, asker, now)
        else:
            _decline(tx, caller.account, number, room, asker, now)
    return AsksLeft(id=request.id, left=len(asking) - len(rooms))


def _accept(tx: Tx, caller: Caller, number: int, room: bytes, asker: bytes, now: int) -> None:
    account = caller.account
    tx.run(
        "UPDATE room_account SET state = 'active' WHERE room = ? AND account = ?", number, account
    )
    tx.run("DELETE FROM ask WHERE asker = ? AND account = ?", asker, account)
    tx.forget_room(room)
    devices = devices_in(tx, number, account)
    tx.effects.append(Routed(room, devices, is_member=True))
    tx.push(devices, RoomChanged(room=room, state="active"))
    release(tx, number, devices, now)
    tx.push_account(asker, Answered(room=room, account=account))
    tx.audit("request_accepted", account)


def _decline(tx: Tx, account: bytes, number: int, room: bytes, asker: bytes, now: int) -> None:
    """Note it for the account itself: what others can see of the room stays as it was."""
    devices = devices_in(tx, number, account)
    discard(tx, number, devices)
    tx.run(
        "UPDATE room_account SET declined_at = ? WHERE room = ? AND account = ?",
        now,
        number,
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
    tx.push(devices, RoomChanged(room=room, state="gone"))
    tx.audit("request_declined", account)
    tx.audit("request_unwanted", asker, is_quiet=True)


def devices_in(tx: Tx, number: int, account: bytes) -> tuple[bytes, ...]:
    """Return the devices of one account in a room, which may have very many others."""
    lines = tx.all(
        """
        SELECT m.device FROM device d CROSS JOIN member m
        WHERE d.account = ? AND m.room = ? AND m.device = d.device ORDER BY m.device
        """,
        account,
        number,
    )
    return tuple(device for (device,) in lines)


def block(tx: Tx, caller: Caller, request: Block, now: int) -> Done:
    """Let nothing more come from an account, and decline what it asked; or lift that again."""
    there = tx.one("SELECT 1 FROM account WHERE account = ?", request.account)
    refuse_unless(there, Code.UNKNOWN)
    refuse_unless(request.account != caller.account, Code.NOT_ALLOWED)
    is_there = is_blocked(tx, caller.account, request.account)
    if request.blocked and not is_there:
        _block(tx, caller, request.account, now)
        route_pair(tx, caller.account, request.account, is_told=False)
        tx.audit("account_blocked", caller.account)
    elif is_there and not request.blocked:
        tx.run(
            "DELETE FROM block WHERE account = ? AND blocked = ?", caller.account, request.account
        )
        route_pair(tx, caller.account, request.account, is_told=True)
        tx.audit("account_unblocked", caller.account)
    return Done(id=request.id)


def _block(tx: Tx, caller: Caller, account: bytes, now: int) -> None:
    (count,) = tx.one("SELECT COUNT(*) FROM block WHERE account = ?", caller.account) or (0,)
    refuse_unless(count < tx.settings.account_blocks_max, Code.LIMIT)
    lines = tx.all(
        f"SELECT r.number, r.room {_WAITING} AND a.asked_by = ? ORDER BY r.room",
        caller.account,
        account,
    )
    tx.insert("block (account, blocked, at)", [(caller.account, account, now)])
    for number, room in lines:
        _decline(tx, caller.account, number, room, account, now)


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


def _answer_cost(request: Answer) -> int:
    """Return how much of the limit an answer takes: by how many requests it is to."""
    count = ANSWERED_MAX if request.rooms is None else len(request.rooms)
    return 1 + count // COSTS_ONE


HANDLERS: dict[type, Handler] = {
    GetAsks: Handler(get_asks, "device", "read", writes=False),
    Answer: Handler(answer, "device", "write", cost=_answer_cost),
    Block: Handler(block, "device", "write"),
    GetBlocks: Handler(get_blocks, "device", "read", writes=False),
}
