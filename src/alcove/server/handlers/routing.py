"""Routing: who gets a room's entries, as its commits say in their headers.

The server cannot judge a commit, but it need not believe everything in a header either.  The rules
of the room extension that routing shows are mirrored here: a member cannot route others away, make
itself an owner, or bring devices that nobody certified.  Clients check all of it again, and more.
"""

from alcove.server.caller import Caller
from alcove.server.effects import Routed
from alcove.server.handlers.blocks import blockers_in
from alcove.server.handlers.chats import asked_first, tell_asked
from alcove.server.handlers.links import drop_links
from alcove.server.handlers.reads import in_parts
from alcove.server.roomstate import Guest, Mark, RoomState
from alcove.server.store.database import Value
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.codec import encode
from alcove.wire.entries import HandshakeHeader, Member, Role, Routing
from alcove.wire.errors import Code, Refused
from alcove.wire.rooms import RoomChanged

COMMONS_DEVICES_MAX = 1000
"""How many devices the commons has: each comes with a commit of its own, and may add a pause."""
RESYNC_FIRST_MS = 60 * 1000
RESYNC_MOST_MS = 24 * 60 * 60 * 1000


def judge_commit(
    tx: Tx, caller: Caller, state: RoomState, header: HandshakeHeader, now: int, *, is_paused: bool
) -> frozenset[bytes]:
    """Refuse a commit that its sender may not make, or not yet; return who is to be asked first.

    Nothing is changed by it, and what it lets through is not refused any more: who takes several
    commits can stop at the first that is refused, and keep those before it.
    """
    routing = header.routing
    if header.joins is not None:
        _judge_joining(tx, caller, state, header, now, is_paused=is_paused)
    else:
        refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
        _judge_removes(tx, caller, state, routing)
    _judge_roles(caller, state, routing)
    _judge_adds(tx, state, routing, is_new=is_paused)
    settings_change = routing.roles or routing.history is not None or routing.keep_ms is not None
    if settings_change or _removes_others(routing):
        refuse_unless(header.closes and header.renews, Code.BAD_HEADER)
    if routing.adds or routing.removes or header.closes:
        refuse_unless(header.renews, Code.BAD_HEADER)
    if is_paused:
        _judge_pause(tx, caller, state, header, now)
    new = _new_accounts(state, routing)
    _check_room_for(tx, state, routing, new)
    others = [account for account in new if account != caller.account]
    return asked_first(tx, caller.account, others, state.kind, now)


def _new_accounts(state: RoomState, routing: Routing) -> list[bytes]:
    """Return the accounts that a commit brings into a room."""
    accounts = dict.fromkeys(member.account for member in routing.adds)
    return [account for account in accounts if account not in state.accounts]


def _gone(state: RoomState, routing: Routing) -> tuple[list[Member], list[bytes]]:
    """Return which devices a commit routes away, and which accounts have none here after it."""
    again = {member.device for member in routing.adds}
    gone = [
        member
        for member in routing.removes
        if member.device not in again and member.device in state.members
    ]
    devices = {member.device for member in gone}
    still = {account for device, account in state.members.items() if device not in devices}
    still |= {member.account for member in routing.adds}
    return gone, sorted({member.account for member in gone} - still)


def _removes_others(routing: Routing) -> bool:
    """Return whether somebody is removed and not added again by the same commit."""
    again = {member.device for member in routing.adds}
    return any(member.device not in again for member in routing.removes)


def _judge_joining(
    tx: Tx, caller: Caller, state: RoomState, header: HandshakeHeader, now: int, *, is_paused: bool
) -> None:
    """An external commit brings its sender's device, and nobody else's."""
    routing = header.routing
    me = Member(caller.account, caller.device)
    is_there = state.members.get(caller.device) == caller.account
    refuse_unless(routing.adds == (me,) and not routing.roles, Code.BAD_HEADER)
    refuse_unless(routing.removes in ((), (me,)), Code.BAD_HEADER)
    is_resync = header.joins == "resync"
    refuse_unless(not routing.removes or (is_there and is_resync), Code.BAD_HEADER)
    if header.joins == "resync":
        is_active = is_there and state.is_active(caller.device)
        refuse_unless(is_active and routing.removes, Code.NOT_A_MEMBER)
        wait = tx.pauses.wait((b"resync", state.room + caller.device), now) if is_paused else 0
        if wait:
            raise Refused(Code.TOO_SOON, retry_after_ms=wait)
    elif header.joins == "sibling":
        guest = state.accounts.get(caller.account)
        refuse_unless(guest is not None and guest.state == "active", Code.NOT_A_MEMBER)


def begin_resync_pause(
    tx: Tx, caller: Caller, state: RoomState, header: HandshakeHeader, now: int
) -> None:
    """A device that resyncs again and again must wait longer each time."""
    if header.joins == "resync":
        key = (b"resync", state.room + caller.device)
        tx.pauses.doubling(key, RESYNC_FIRST_MS, RESYNC_MOST_MS, now)


def _judge_removes(tx: Tx, caller: Caller, state: RoomState, routing: Routing) -> None:
    """Who is removed was here; and only admins remove others, unless they left or were revoked."""
    again = {member.device for member in routing.adds}
    mine = state.accounts[caller.account].role
    questionable: list[bytes] = []
    for member in routing.removes:
        account = state.members.get(member.device)
        if account is None:
            continue  # It declined, or was deleted: the room's tree still has its leaf.
        refuse_unless(account == member.account, Code.BAD_HEADER)
        if account == caller.account or member.device in again or member.device in state.leaving:
            continue
        their = state.accounts[member.account].role
        if mine == "owner" or (mine == "admin" and their != "owner"):
            continue
        questionable.append(member.device)
    known = _accounts_of(tx, questionable)
    refuse_unless(not any(device in known for device in questionable), Code.NOT_ALLOWED)


def _judge_roles(caller: Caller, state: RoomState, routing: Routing) -> None:
    """Only owners change roles, history and how long things are kept."""
    if routing.roles or routing.history is not None or routing.keep_ms is not None:
        guest = state.accounts.get(caller.account)
        refuse_unless(guest is not None and guest.role == "owner", Code.NOT_ALLOWED)
    there = {member.account for member in routing.adds}
    for account, _ in routing.roles:
        refuse_unless(account in state.accounts or account in there, Code.BAD_HEADER)


def _judge_adds(tx: Tx, state: RoomState, routing: Routing, *, is_new: bool) -> None:
    """Who is added is a device that its account has on its list, and fits into the room.

    It may be routed already: by a commit that counts for nobody, so that it has no leaf yet.
    One that was revoked since may stand in a commit of before a restore: nothing reaches it, and
    without that commit nobody could go on, not even to remove it.
    """
    new = [member for member in routing.adds if member.device not in state.members]
    devices = [member.device for member in routing.adds]
    known = _accounts_of(tx, devices, even_revoked=not is_new)
    for member in routing.adds:
        refuse_unless(known.get(member.device) == member.account, Code.REVOKED)
    refuse_unless(len(set(devices)) == len(devices), Code.BAD_HEADER)
    size = len(state.members) + len(new)
    most = tx.settings.room_devices_max
    if state.kind == "commons":
        most = min(most, COMMONS_DEVICES_MAX)
    refuse_unless(size <= most, Code.LIMIT)
    if state.kind == "mailbox":
        refuse_unless(all(one.account == state.created_by for one in new), Code.NOT_ALLOWED)
    if state.kind == "direct":
        accounts = {*state.accounts, *(member.account for member in new)}
        refuse_unless(len(accounts) <= 2, Code.NOT_ALLOWED)


def _accounts_of(tx: Tx, devices: list[bytes], *, even_revoked: bool = False) -> dict[bytes, bytes]:
    """Return the accounts of those devices that stand on a list, or have stood there."""
    found: dict[bytes, bytes] = {}
    for marks, part in in_parts(devices):
        sql = f"""
            SELECT device, account FROM device
            WHERE {"TRUE" if even_revoked else "revoked_at IS NULL"} AND device IN ({marks})
            """  # noqa: S608 - Only marks.
        found.update((device, account) for device, account in tx.all(sql, *part))
    return found


def _is_barrier(header: HandshakeHeader) -> bool:
    """Return whether a commit may do more than renew its maker's own keys.

    What changes nothing but a room's links says only that it renews the room key.
    """
    routing = header.routing
    return bool(routing.adds or routing.removes or header.closes or header.joins or header.renews)


def _judge_pause(
    tx: Tx, caller: Caller, state: RoomState, header: HandshakeHeader, now: int
) -> None:
    """Commits that come faster than people read them would silence the slow."""
    settings, paused = tx.settings, state.paused
    if _is_barrier(header):
        ready = max(
            paused.barrier_at + settings.handshake_pause_ms,
            paused.accounts.get(caller.account, 0) + settings.account_barrier_pause_ms,
        )
        if header.closes:
            ready = max(ready, paused.closing_at + settings.closing_pause_ms)
    else:
        ready = max(
            paused.healing_at + settings.handshake_pause_ms,
            paused.devices.get(caller.device, 0) + settings.healing_pause_ms,
        )
    # A clock that was set back must not close a room: no pause is longer than the longest.
    longest = max(
        settings.account_barrier_pause_ms, settings.closing_pause_ms, settings.healing_pause_ms
    )
    if now < ready <= now + longest:
        raise Refused(Code.TOO_SOON, retry_after_ms=ready - now)


def follow_commit(
    tx: Tx,
    caller: Caller,
    state: RoomState,
    header: HandshakeHeader,
    name: bytes,
    now: int,
    asked: frozenset[bytes] = frozenset(),
) -> list[bytes]:
    """Do to the room what a stored handshake says, and return the accounts that are asked first.

    Who is to be asked first, `judge_commit` has said; what founds a room brings nobody else.
    """
    routing, seq = header.routing, state.head
    state.mark(Mark(seq, name, header.renews))
    if header.closes:
        state.closing_seq = seq
    _note_pause(tx, caller, state, header, now)
    _remove(tx, caller, state, routing)
    pending = _add(tx, caller, state, routing, asked, now)
    for account, role in routing.roles:
        guest = state.accounts.get(account)
        if guest is not None:  # It may have been removed by the same commit.
            guest.role = role
            tx.run(
                "UPDATE room_account SET role = ? WHERE room = ? AND account = ?",
                role,
                state.number,
                account,
            )
    state.history = routing.history or state.history
    state.keep_ms = state.keep_ms if routing.keep_ms is None else routing.keep_ms
    tx.run(
        """
        UPDATE room SET recent = ?, paused = ?, closing_seq = ?, history = ?, keep_ms = ?
        WHERE number = ?
        """,
        encode(state.recent),
        encode(state.paused),
        state.closing_seq,
        state.history,
        state.keep_ms,
        state.number,
    )
    return pending


def _note_pause(
    tx: Tx, caller: Caller, state: RoomState, header: HandshakeHeader, now: int
) -> None:
    paused, settings = state.paused, tx.settings
    if _is_barrier(header):
        since = now - settings.account_barrier_pause_ms
        paused.accounts = {who: at for who, at in paused.accounts.items() if at > since}
        paused.accounts[caller.account] = now
        paused.barrier_at = now
        if header.closes:
            paused.closing_at = now
    else:
        since = now - settings.healing_pause_ms
        paused.devices = {who: at for who, at in paused.devices.items() if at > since}
        paused.devices[caller.device] = now
        paused.healing_at = now


def _remove(tx: Tx, caller: Caller, state: RoomState, routing: Routing) -> None:
    """Route devices away; an account whose last device goes is in the room no longer."""
    gone, left = _gone(state, routing)
    is_forced = any(
        one.account != caller.account and one.device not in state.leaving for one in gone
    )
    for member in gone:
        state.members.pop(member.device, None)
        state.leaving.pop(member.device, None)
    for marks, part in in_parts(sorted(member.device for member in gone)):
        sql = f"DELETE FROM member WHERE room = ? AND device IN ({marks})"  # noqa: S608 - Only marks.
        tx.run(sql, state.number, *part)
    if is_forced:  # Whoever was made to go may know a link.
        drop_links(tx, state)
    for account in left:
        state.accounts.pop(account, None)
    for marks, part in in_parts(left):
        sql = f"DELETE FROM room_account WHERE room = ? AND account IN ({marks})"  # noqa: S608 - Only marks.
        tx.run(sql, state.number, *part)
    if gone:
        devices = tuple(member.device for member in gone)
        tx.effects.append(Routed(state.room, devices, is_member=False))
        tx.push(devices, RoomChanged(room=state.room, state="gone"))


def _add(
    tx: Tx, caller: Caller, state: RoomState, routing: Routing, asked: frozenset[bytes], now: int
) -> list[bytes]:
    """Route devices here; accounts that want to be asked first wait as pending."""
    new = _new_accounts(state, routing)
    role: Role = "owner" if state.kind == "direct" else "member"
    for account in new:
        state.accounts[account] = Guest(role, "pending" if account in asked else "active")
    # Who gives back a commit of others asks, not they: it may be their own joining.
    asker = (tx.caller or caller).account
    accounts: list[tuple[Value, ...]] = [
        (state.number, account, role, state.accounts[account].state)
        + ((asker, now) if account in asked else (None, None))
        for account in sorted(new)
    ]
    active: list[bytes] = []
    again: list[bytes] = []
    devices: list[tuple[Value, ...]] = []
    for member in routing.adds:
        account = member.account
        if member.device in state.members:  # It is added again, by the commit that removes it.
            again.append(member.device)
        else:
            devices.append((state.number, member.device, account, state.head, state.head))
        state.members[member.device] = account
        state.leaving.pop(member.device, None)
        if state.accounts[account].state == "active":
            active.append(member.device)
    for marks, part in in_parts(again):
        sql = f"""
            UPDATE member SET since = ?, left_at = NULL WHERE room = ? AND device IN ({marks})
            """  # noqa: S608 - Only marks.
        tx.run(sql, state.head, state.number, *part)
    tx.insert("room_account (room, account, role, state, asked_by, asked_at)", accounts)
    tx.insert("member (room, device, account, since, passed)", sorted(devices))
    if active:
        blockers = blockers_in(tx, state.number) if state.kind == "direct" else ()
        told = tuple(device for device in active if state.members[device] not in blockers)
        tx.effects.append(Routed(state.room, told, is_member=True))
        but_me = tuple(device for device in active if device != caller.device)
        tx.push(but_me, RoomChanged(room=state.room, state="active"))
    pending = [account for account in new if account in asked]
    for account in pending:
        tell_asked(tx, state, account, now)
    return pending


def _check_room_for(tx: Tx, state: RoomState, routing: Routing, accounts: list[bytes]) -> None:
    """Refuse an account too many in a room, and a room too many for an account."""
    if not accounts:
        return
    _, left = _gone(state, routing)
    count = len(state.accounts) - len(left) + len(accounts)
    refuse_unless(count <= tx.settings.room_accounts_max, Code.LIMIT)
    most = tx.settings.account_rooms_max
    for marks, part in in_parts(accounts):
        # Rooms that were declined do not count, but few accounts must be looked at for them.
        sql = f"""
            SELECT account FROM room_account WHERE account IN ({marks})
            GROUP BY account HAVING COUNT(*) >= ?
            """  # noqa: S608 - Only marks.
        for (account,) in tx.all(sql, *part, most):
            (rooms,) = tx.one(
                "SELECT COUNT(*) FROM room_account WHERE account = ? AND declined_at IS NULL",
                account,
            ) or (0,)
            refuse_unless(rooms < most, Code.LIMIT)
