"""What a room shall become, and how it gets there: one commit at a time, again after each conflict.

    look_after(room)      nothing of ours is under way?  then the next commit, and what waits
    refused(request)      conflict, too soon, closed: nothing was stored; read, and decide anew

A wish is a line of a table.  It ends when the room is as it wants, whoever made it so.
"""

from typing import NamedTuple

from alcove.client import attaching, chats, outbox, restored, trust
from alcove.client.rooms import claims, healing, log, making, undoing
from alcove.client.rooms.changes import Plan, impossible, is_followed, plan
from alcove.client.rooms.committing import Made, commit
from alcove.client.rooms.looking import is_known
from alcove.client.rooms.state import Room, change, find_room, get_room, group_of
from alcove.client.tx import BATCH_ENTRIES, Tx
from alcove.mls import Group, MlsError, RuleBroken
from alcove.wire.entries import Append, Appended, NewEntry, Row, Welcome
from alcove.wire.errors import Code, Refusal

PAUSE_MS = 2_000
"""How long to wait after a commit was refused as too early, if the server does not say."""
CONFLICT_MS = 200
"""How long to wait, at most, before a commit is tried again that somebody was faster than."""


class Batch(NamedTuple):
    """What one request carries."""

    entries: tuple[NewEntry, ...]
    welcomes: tuple[Welcome, ...]
    rows: tuple[Row, ...]


class Tasks(NamedTuple):
    """What there may be to do for a room.  Mostly nothing: this is asked after every message."""

    is_busy: int
    """A request waits for its answer."""
    is_changing: int
    """Something asks for a commit."""
    is_talking: int
    """Something waits to be said."""


def look_after(tx: Tx, room: bytes) -> None:
    """Do for a room what can be done now."""
    here = find_room(tx, room)
    tasks = _tasks(tx, room)
    if here is None or tasks.is_busy:
        return
    if here.state == "making":
        # One for somebody whose keys have changed waits until the owner has looked.
        if tx.me.state == "in" and (here.partner is None or trust.may_send(tx.db, here.partner)):
            making.make(tx, here, BATCH_ENTRIES - 1)
    elif here.state == "active" and here.seq >= here.head:
        _send(tx, here, tasks)


def _send(tx: Tx, here: Room, tasks: Tasks) -> None:
    """Send the next commit and what waits to be said."""
    group = group_of(tx, here.room)
    if group is None or here.room_key is None or here.is_lost:
        return
    is_changing = tasks.is_changing or is_followed(group)
    if not (is_changing or tasks.is_talking) or not _may_speak(tx, here, group):
        return
    made = planned = None
    is_silent = False
    if is_changing:
        is_silent = undoing.waits(tx, here.room, group.public)
        planned = plan(tx, here, group)
    if planned is not None and planned.what.note.closes:
        # What is sealed before would be refused after: the commit goes alone.
        made = attempt(tx, here, group, planned)
        if made is not None:
            send(tx, here, [], made, planned)
            return
    attaching.complete(tx, here.room)
    is_held = here.refused_at > 0 and healing.is_held(tx.db, here.room)
    is_shut = tasks.is_talking and not is_silent and outbox.is_shut(tx, here)
    sealed = [] if is_silent or is_held or is_shut else outbox.waiting(tx, here)
    if planned is None and is_shut:
        planned = healing.reopen(tx, here, group)
    elif planned is None:
        has_something_to_say = is_held or bool(sealed)
        planned = healing.plan(tx, here, group, has_something_to_say=has_something_to_say)
    if made is None and planned is not None and not planned.what.note.closes:
        group = group_of(tx, here.room)
        assert group is not None
        made = attempt(tx, here, group, planned)
    if sealed or made is not None:
        send(tx, here, sealed, made, planned)


def _tasks(tx: Tx, room: bytes) -> Tasks:
    return Tasks(
        *tx.line(
            """
            SELECT EXISTS (SELECT 1 FROM outbox WHERE room = ?1 AND request IS NOT NULL)
                OR EXISTS (SELECT 1 FROM pending WHERE room = ?1),
                EXISTS (SELECT 1 FROM wish WHERE room = ?1)
                OR EXISTS (SELECT 1 FROM notice WHERE room = ?1)
                OR EXISTS (SELECT 1 FROM undone WHERE room = ?1),
                EXISTS (SELECT 1 FROM outbox WHERE room = ?1)
            """,
            room,
        )
    )


def _may_speak(tx: Tx, here: Room, group: Group) -> bool:
    """Return whether nothing keeps this device silent: it was revoked, or somebody has changed."""
    if tx.me.state != "in" or not restored.may_speak(tx, here):
        return False
    if here.partner is None:
        return True
    return (
        trust.may_send(tx.db, here.partner)
        and trust.is_compared(tx, here.partner)
        and all(is_known(tx.db, leaf) for index, leaf in group.members() if index != group.me)
    )


def attempt(tx: Tx, here: Room, group: Group, planned: Plan) -> Made | None:
    """Make a commit; what the room's rules forbid is given up, with a word to the owner."""
    try:
        return commit(tx, here, group, planned.what)
    except (RuleBroken, MlsError) as error:
        impossible(tx, here, planned.wishes, error)
        return None


def send(
    tx: Tx, here: Room, sealed: list[tuple[int, NewEntry]], made: Made | None, planned: Plan | None
) -> None:
    """Send messages, and behind them a commit; all of it, or none."""
    entries = [entry for _, entry in sealed]
    welcomes: tuple[Welcome, ...] = ()
    rows: tuple[Row, ...] = ()
    if made is not None:
        assert planned is not None
        entries.append(made.entry)
        rows = made.rows
        if made.welcome is not None:
            devices = tuple(one.device for one in planned.what.note.routing.adds)
            welcomes = (Welcome(devices, made.welcome),)
    request = Append(room=here.room, entries=tuple(entries), welcomes=welcomes, rows=rows)
    number = tx.order(request, "wishes.appended", made.name if made else b"")
    outbox.carried(tx, sealed, number)
    change(tx, here.room, sends=here.sends + len(sealed))


def appended(tx: Tx, request: Append, answer: Appended | Refusal, _: bytes) -> None:
    """The server has taken what was sent, or said no."""
    if isinstance(answer, Refusal):
        refused(tx, request, answer)
        return
    chats.asked_first(tx, request, answer)
    log.place(tx, request.room, request.entries, answer)
    outbox.placed(tx, request, answer)
    if get_room(tx, request.room).state == "gone":
        outbox.settle(tx, request.room, outbox.ANYWHERE)
    tx.stir(request.room)


def refused(tx: Tx, request: Append, refusal: Refusal) -> None:
    """Nothing of a request was stored: what became of the room decides what comes next."""
    room = request.room
    had_commit = tx.run("DELETE FROM pending WHERE room = ?", room)
    outbox.not_taken(tx, request, refusal, was_the_commit=bool(had_commit))
    group = group_of(tx, room)
    if had_commit and group is not None:
        healing.refused(tx, get_room(tx, room), group)
    if refusal.code in {Code.CONFLICT, Code.CLOSED, Code.OLD_KEY}:
        log.read_on(tx, room)
        # Whoever lost the race waits a moment of chance, so that not all try again together.
        pause_ms = int.from_bytes(tx.random(2), "big") % CONFLICT_MS
        healing.postpone(tx, room, tx.now + pause_ms)
    elif refusal.code == Code.TOO_SOON and refusal.retry_after_ms is None:
        chats.not_asked(tx, room)
        tx.stir(room)
    elif refusal.code == Code.TOO_SOON:
        healing.postpone(tx, room, tx.now + (refusal.retry_after_ms or PAUSE_MS))
        tx.stir(room)
    elif refusal.code == Code.NOT_A_MEMBER:
        log.read_on(tx, room)
    elif had_commit:
        if refusal.code == Code.REVOKED:
            claims.forget(tx, room)
        healing.postpone(tx, room, tx.now + (refusal.retry_after_ms or PAUSE_MS))
        tx.stir(room)


def wake(tx: Tx, room: bytes) -> None:
    """Look after a room, because its time has come."""
    tx.stir(room)
