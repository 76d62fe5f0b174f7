"""Join links: who knows the secret of one may read a room's public state and add one commit.

The server keeps the hash of the secret.  Whether a link lets somebody in is decided by the room's
own signed state; expiry and counts are only the server's word.
"""

from alcove.server.caller import Caller
from alcove.server.handlers.access import Handler
from alcove.server.roomstate import RoomState
from alcove.server.tx import Tx, refuse_unless
from alcove.wire.base import Done
from alcove.wire.errors import Code, Refused
from alcove.wire.rooms import DropLink, OpenedLink, OpenLink, PutLink

LINKED_KINDS = ("group", "channel", "commons")
"""A direct room admits only its two accounts, a mailbox one."""
OWNERS_TOLD_MAX = 16
"""How many owners of a group are told that nobody can join it any more by its public link."""
COMMONS_LINK = "commons_link"
"""The name of the line of `server` that holds the link of the commons."""


def put_link(tx: Tx, caller: Caller, request: PutLink, now: int) -> Done:
    """Let who knows a secret join a room; the same link again gets new limits."""
    state = tx.known_room(request.room)
    refuse_unless(state.is_active(caller.device), Code.NOT_A_MEMBER)
    refuse_unless(state.kind in LINKED_KINDS, Code.NOT_ALLOWED)
    there = tx.one("SELECT room, made_by, used FROM link WHERE hash = ?", request.link)
    if there is not None:
        *whose, used = there
        refuse_unless(whose == [state.number, caller.account], Code.EXISTS)
        if request.uses is not None and request.uses <= used:
            tell_ended(tx, state.number, request.link)
        tx.run(
            "UPDATE link SET expires_at = ?, uses = ? WHERE hash = ?",
            request.expires_at,
            request.uses,
            request.link,
        )
        return Done(id=request.id)
    (count,) = tx.one(
        """
        SELECT COUNT(*) FROM link
        WHERE room = ? AND COALESCE(expires_at, ?) >= ? AND (uses IS NULL OR used < uses)
        """,
        state.number,
        now,
        now,
    ) or (0,)
    refuse_unless(count < tx.settings.room_links_max, Code.LIMIT)
    for (expired,) in tx.all(
        "SELECT hash FROM link WHERE room = ? AND expires_at < ? ORDER BY hash", state.number, now
    ):
        tell_ended(tx, state.number, expired)
    tx.run(
        "DELETE FROM link WHERE room = ? AND (COALESCE(expires_at, ?) < ? OR used >= uses)",
        state.number,
        now,
        now,
    )
    tx.insert(
        "link (hash, room, made_by, expires_at, uses)",
        [(request.link, state.number, caller.account, request.expires_at, request.uses)],
    )
    tx.audit("room_link_created", caller.account)
    return Done(id=request.id)


def drop_link(tx: Tx, caller: Caller, request: DropLink, _: int) -> Done:
    """Withdraw a link: by who made it, or by an owner or admin of the room."""
    state = tx.known_room(request.room)
    there = tx.one(
        "SELECT made_by FROM link WHERE hash = ? AND room = ?", request.link, state.number
    )
    is_active = state.is_active(caller.device)
    if there is None:
        raise Refused(Code.UNKNOWN if is_active else Code.NOT_A_MEMBER)
    if there != (caller.account,):
        refuse_unless(is_active, Code.NOT_A_MEMBER)
        refuse_unless(state.accounts[caller.account].role != "member", Code.NOT_ALLOWED)
    tell_ended(tx, state.number, request.link)
    tx.run("DELETE FROM link WHERE hash = ?", request.link)
    tx.audit("room_link_withdrawn", caller.account)
    return Done(id=request.id)


def drop_links(tx: Tx, state: RoomState) -> None:
    """Withdraw all links of a room: a commit that removes somebody by force drops their keys."""
    for (link,) in tx.all("SELECT hash FROM link WHERE room = ? ORDER BY hash", state.number):
        tell_ended(tx, state.number, link)
    tx.run("DELETE FROM link WHERE room = ?", state.number)


def tell_ended(tx: Tx, room: int, link: bytes) -> None:
    """Write it down for those who published a link, if somebody did, that nobody joins by it now.

    They are not told who ended it, nor from where.
    """
    published = tx.one("SELECT alias FROM alias WHERE room = ? AND link = ?", room, link)
    if published is not None:
        owners = tx.all(
            """
            SELECT account FROM room_account WHERE room = ? AND role = 'owner'
            ORDER BY account LIMIT ?
            """,
            room,
            OWNERS_TOLD_MAX,
        )
        for (owner,) in owners:
            tx.audit("public_link_ended", owner, is_quiet=True, alias=published[0])
    elif tx.one("SELECT 1 FROM server WHERE name = ? AND value = ?", COMMONS_LINK, link):
        for (host,) in tx.all("SELECT account FROM account WHERE is_host = 1"):
            tx.audit("public_link_ended", host, is_quiet=True, name="commons")


def works(tx: Tx, link: bytes | None, now: int) -> bool:
    """Return whether somebody can join by a link."""
    line = tx.one("SELECT expires_at, uses, used FROM link WHERE hash = ?", link)
    return line is not None and _works(*line, now=now)


def open_link(tx: Tx, _: Caller, request: OpenLink, now: int) -> OpenedLink:
    """Tell who knows a link's secret which room it leads to."""
    line = tx.one(
        """
        SELECT r.room, r.kind, l.made_by, l.expires_at, l.uses, l.used,
            (SELECT MAX(e.seq) FROM entry e WHERE e.room = r.number)
        FROM link l JOIN room r ON r.number = l.room WHERE l.hash = ?
        """,
        request.link,
    )
    if line is None:
        raise Refused(Code.LINK_ENDED)
    room, kind, made_by, expires_at, uses, used, head = line
    refuse_unless(_works(expires_at, uses, used, now=now), Code.LINK_ENDED)
    return OpenedLink(id=request.id, room=room, kind=kind, made_by=made_by, head=head or 0)


def may_join_by(tx: Tx, state: RoomState, link: bytes | None, now: int) -> None:
    """Count one use of a link, or refuse if it does not lead here or has ended."""
    if link is None:
        raise Refused(Code.NOT_ALLOWED)
    line = tx.one("SELECT room, expires_at, uses, used FROM link WHERE hash = ?", link)
    room, *limits = line or (0, None, 0, 0)
    if not _works(*limits, now=now):
        tx.audit("link_refused", tx.caller.account if tx.caller else None, is_attempt=True)
        raise Refused(Code.LINK_ENDED)
    refuse_unless(room == state.number, Code.NOT_ALLOWED)
    tx.run("UPDATE link SET used = used + 1 WHERE hash = ?", link)
    _, uses, used = limits
    if uses == used + 1:
        tell_ended(tx, state.number, link)


def _works(expires_at: int | None, uses: int | None, used: int, *, now: int) -> bool:
    return (expires_at is None or expires_at >= now) and (uses is None or used < uses)


HANDLERS: dict[type, Handler] = {
    PutLink: Handler(put_link, "device", "write"),
    DropLink: Handler(drop_link, "device", "write"),
    OpenLink: Handler(open_link, "device", "read", writes=False),
}
