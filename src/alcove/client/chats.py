"""Requests to chat, from both sides, and who is blocked.

    asked, or listed at sign-in ──► waits ──► accept: the Welcome comes, and the room with all in it
                                      ├─────► decline: gone, and nobody is told
                                      └─────► block: gone, and nothing more comes from them

A request tells who asks and when, and no more: what was said waits sealed until it is accepted.  So
the guess whether it is spam has little to go by before, and the first message after.
"""

from typing import NamedTuple

from alcove.client import trust
from alcove.client.errors import UsageError
from alcove.client.events import AsksChanged, RoomChanged, Warned
from alcove.client.store.database import Database
from alcove.client.timeline import note, retell
from alcove.client.timeline.spam import RECENT_MAX, Heard, Suspicion, suspicion
from alcove.client.tx import Tx
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
from alcove.wire.content import Text, decode_content
from alcove.wire.entries import Append, Appended
from alcove.wire.errors import Refusal
from alcove.wire.ids import Millis
from alcove.wire.rooms import CreateRoom, GetMembers, Members
from alcove.wire.rooms import RoomChanged as RoomMoved

ASKS_MAX = 1000
"""As many requests as a server lets wait for one account are kept."""
BLOCKS_MAX = 2000
"""As many as it lets an account block."""
AGAIN_MS = 10_000
"""A list that was refused is asked for again after so long, unless the server says when."""
ASKED_ROOMS_MAX = 100
"""So many rooms are asked about at sign-in, whether those have come who were asked."""
ASK_AGAIN = "chats.ask_again"
"""The alarm that asks for both lists again."""


class Waiting(NamedTuple):
    """Somebody asks to chat, or invites to a group."""

    room: bytes
    kind: str
    account: bytes
    """Who asks."""
    name: str
    at: Millis
    suspicion: Suspicion
    """A guess of this device alone; what they say is not known yet."""


class Blocked(NamedTuple):
    """Somebody of whom nothing is shown."""

    account: bytes
    name: str
    at: Millis


# ---- Looking ----


def asks(db: Database) -> list[Waiting]:
    """Return the requests that wait for the owner, oldest first."""
    rows = db.all(
        "SELECT room, kind, account, name, at FROM ask WHERE wanted = '' ORDER BY at, room"
    )
    crowd = [Heard(account, at, Text()) for _, _, account, _, at in rows]
    crowd += [Heard(account, at, Text()) for account, at in _accepted(db)]
    return [
        Waiting(room, kind, account, name, at, suspicion(Heard(account, at, Text()), crowd))
        for room, kind, account, name, at in rows
    ]


def guess(db: Database, room: bytes) -> Suspicion | None:
    """Judge what a stranger said first in a room that was accepted; None for other rooms."""
    line = db.one("SELECT account FROM accepted WHERE room = ?", room)
    first = None if line is None else _first(db, room, line[0])
    if first is None:
        return None
    others = db.all(
        "SELECT room, account FROM accepted WHERE room <> ? ORDER BY at DESC, room LIMIT ?",
        room, RECENT_MAX,
    )  # fmt: skip
    heard = [_first(db, there, account) for there, account in reversed(others)]
    return suspicion(first, [one for one in heard if one is not None])


def _accepted(db: Database) -> list[tuple[bytes, Millis]]:
    return db.all("SELECT account, at FROM accepted ORDER BY at DESC, room LIMIT ?", RECENT_MAX)


def _first(db: Database, room: bytes, account: bytes) -> Heard | None:
    """Return the first thing that somebody said in a room."""
    line = db.one(
        """
        SELECT at, body FROM line
        WHERE room = ? AND is_shown = 1 AND account = ? AND body <> x'' ORDER BY seq LIMIT 1
        """,
        room, account,
    )  # fmt: skip
    return None if line is None else Heard(account, line[0], decode_content(line[1]))


def not_answered(db: Database, room: bytes) -> list[bytes]:
    """Return whom this device has asked into a room who have not accepted; declining is silent.

    Who speaks there has accepted, whatever the server says.
    """
    rows = db.all(
        """
        SELECT account FROM asked WHERE room = ?1 AND NOT EXISTS (
            SELECT 1 FROM line WHERE line.room = ?1 AND line.account = asked.account
                AND line.content IS NOT NULL AND line.seq IS NOT NULL AND line.at >= asked.at
        ) ORDER BY at, account
        """,
        room,
    )
    return [account for (account,) in rows]


def blocked(db: Database) -> list[Blocked]:
    """Return whom this account has blocked, by name."""
    rows = db.all("SELECT account, name, at FROM block WHERE is_ended = 0 ORDER BY name, account")
    return [Blocked(*row) for row in rows]


def is_blocked(db: Database, account: bytes) -> bool:
    """Return whether nothing of somebody is shown."""
    return db.one("SELECT 1 FROM block WHERE account = ? AND is_ended = 0", account) is not None


# ---- What the server says ----


def signed_in(tx: Tx) -> None:
    """Ask for what waits, and who is blocked: other devices may have answered meanwhile."""
    tx.ask(GetAsks(), "chats.asks")
    tx.ask(GetBlocks(), "chats.blocks")
    for (room,) in tx.all(
        "SELECT room FROM asked GROUP BY room ORDER BY MAX(at) DESC, room LIMIT ?", ASKED_ROOMS_MAX
    ):
        tx.ask(GetMembers(room=room), "chats.members")


def ask_again(tx: Tx, _about: bytes) -> None:
    """Ask for both lists again; without a line the next sign-in does."""
    if tx.memory.is_signed_in:
        signed_in(tx)


def asked(tx: Tx, push: Asked) -> None:
    """Somebody asks."""
    if _keep(tx, push.ask):
        tx.tell(AsksChanged())


def listed(tx: Tx, _request: GetAsks, answer: Asks | Refusal, _: bytes) -> None:
    """Compare what waits at the server with what is known here."""
    if isinstance(answer, Refusal):
        tx.wake(ASK_AGAIN, b"", tx.now + (answer.retry_after_ms or AGAIN_MS))
        return
    there = {ask.room: ask for ask in answer.asks[:ASKS_MAX]}
    is_new = False
    for room, request in tx.all("SELECT room, request FROM ask ORDER BY room"):
        if room not in there and request is None:
            tx.run("DELETE FROM ask WHERE room = ?", room)
            is_new = True
    for ask in there.values():
        is_new = _keep(tx, ask) or is_new
    # A restored server has forgotten what was accepted: who stands in a room has let it in.
    tx.run(
        """
        UPDATE ask SET wanted = 'accept' WHERE wanted = '' AND room IN (
            SELECT r.room FROM room r, me m
            WHERE r.state = 'active' AND r.incarnation NOT IN (0, m.incarnation)
        )
        """
    )
    # What was answered together with one that waits no more was not carried out: one by one now.
    for room, wanted in tx.all(
        "SELECT room, wanted FROM ask WHERE wanted <> '' AND request IS NULL ORDER BY room"
    ):
        _order(tx, (room,), accept=wanted == "accept")
    if is_new:
        tx.tell(AsksChanged())


def _keep(tx: Tx, ask: Ask) -> bool:
    """Write down a request to chat, and have the asker's keys pinned; whether it is new."""
    (count,) = tx.line("SELECT COUNT(*) FROM ask")
    if count >= ASKS_MAX or is_blocked(tx.db, ask.account) or ask.account == tx.me.account:
        return False
    done = tx.run(
        """
        INSERT INTO ask (room, kind, account, name, at) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT DO NOTHING
        """,
        ask.room, ask.kind, ask.account, ask.name, ask.at,
    )  # fmt: skip
    if done and trust.pin_of(tx.db, ask.account) is None:
        trust.want(tx, ask.account)
    return bool(done)


def moved(tx: Tx, push: RoomMoved) -> None:
    """A room came or went: a request for it was answered, here or on another device."""
    row = tx.one(
        "SELECT account, at, wanted FROM ask WHERE room = ? AND request IS NULL", push.room
    )
    if row is not None:
        tx.run("DELETE FROM ask WHERE room = ?", push.room)
        if push.state == "active":
            _accepted_room(tx, push.room, row[0], row[1])
        tx.tell(AsksChanged())


def _accepted_room(tx: Tx, room: bytes, account: bytes, at: Millis) -> None:
    tx.run(
        "INSERT INTO accepted (room, account, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        room, account, at,
    )  # fmt: skip


# ---- What the owner says ----


def accept(tx: Tx, *rooms: bytes) -> None:
    """Accept requests: the rooms come with all that was said in them."""
    _answer(tx, rooms, accept=True)


def decline(tx: Tx, *rooms: bytes) -> None:
    """Decline requests: they are gone, and nobody is told."""
    _answer(tx, rooms, accept=False)


def decline_all(tx: Tx) -> None:
    """Decline everything that waits here.  What comes later was not seen, and waits."""
    decline(
        tx,
        *(room for (room,) in tx.all("SELECT room FROM ask WHERE wanted = '' ORDER BY at, room")),
    )


def _answer(tx: Tx, rooms: tuple[bytes, ...], *, accept: bool) -> None:
    """Write down what the owner says to requests, and order it."""
    for room in rooms:
        if not tx.run(
            "UPDATE ask SET wanted = ? WHERE room = ? AND wanted = ''",
            "accept" if accept else "decline", room,
        ):  # fmt: skip
            raise UsageError("This request does not wait any more; look at the list again.")
    for start in range(0, len(rooms), ANSWERED_MAX):
        _order(tx, rooms[start : start + ANSWERED_MAX], accept=accept)
    tx.tell(AsksChanged())


def _order(tx: Tx, rooms: tuple[bytes, ...], *, accept: bool) -> None:
    number = tx.order(Answer(rooms=rooms, accept=accept), "chats.answered")
    tx.many("UPDATE ask SET request = ? WHERE room = ?", [(number, room) for room in rooms])


def answered(tx: Tx, request: Answer, reply: AsksLeft | Refusal, _: bytes) -> None:
    """The server has carried out what the owner said, or nothing of it."""
    if isinstance(reply, Refusal):
        tx.run("UPDATE ask SET request = NULL WHERE request = ?", request.id)
        assert request.rooms is not None, "all that wait are named"
        if len(request.rooms) > 1:
            tx.ask(GetAsks(), "chats.asks")  # Some of them wait no more: see which.
        else:
            tx.run("DELETE FROM ask WHERE room = ?", request.rooms[0])
            tx.tell(AsksChanged())
        return
    for room, account, at, wanted in tx.all(
        "SELECT room, account, at, wanted FROM ask WHERE request = ? ORDER BY room", request.id
    ):
        if wanted == "accept":
            _accepted_room(tx, room, account, at)
    tx.run("DELETE FROM ask WHERE request = ?", request.id)


# ---- Blocking ----


def block(tx: Tx, account: bytes) -> None:
    """Have nothing of somebody come or shown any more: requests, letters, and what they say."""
    if account == tx.me.account:
        raise UsageError("That is you: nobody can block themselves.")
    pin = trust.pin_of(tx.db, account)
    row = tx.one("SELECT name FROM ask WHERE account = ?", account)
    name = pin.name if pin is not None else row[0] if row is not None else ""
    _blocks(tx, account, name, is_ended=False)
    if tx.run("DELETE FROM ask WHERE account = ?", account):
        tx.tell(AsksChanged())


def unblock(tx: Tx, account: bytes) -> None:
    """Let somebody be heard again: also what they said in shared rooms meanwhile."""
    line = tx.one("SELECT name FROM block WHERE account = ? AND is_ended = 0", account)
    if line is not None:
        _blocks(tx, account, line[0], is_ended=True)


def _blocks(tx: Tx, account: bytes, name: str, *, is_ended: bool) -> None:
    number = tx.order(Block(account=account, blocked=not is_ended), "chats.blocked")
    tx.run(
        """
        INSERT INTO block (account, name, at, is_ended, request) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (account) DO UPDATE SET is_ended = excluded.is_ended,
            request = excluded.request
        """,
        account, name, tx.now, int(is_ended), number,
    )  # fmt: skip
    _look_again(tx, account)


def _look_again(tx: Tx, account: bytes) -> None:
    """Have the rooms of somebody shown anew."""
    for (room,) in tx.all(
        "SELECT DISTINCT room FROM stay WHERE account = ? AND until IS NULL ORDER BY room", account
    ):
        tx.tell(RoomChanged(room))


def blocked_now(tx: Tx, request: Block, reply: object, _: bytes) -> None:
    """The server knows of a block, or of its end."""
    if isinstance(reply, Refusal):
        tx.tell(Warned("block-refused", request.account, tx.now))
        tx.ask(GetBlocks(), "chats.blocks")
    tx.run("UPDATE block SET request = NULL WHERE request = ?", request.id)
    tx.run("DELETE FROM block WHERE is_ended = 1 AND request IS NULL")


def blocks(tx: Tx, _request: GetBlocks, answer: Blocks | Refusal, _: bytes) -> None:
    """Compare who is blocked at the server with who is blocked here."""
    if isinstance(answer, Refusal):
        tx.wake(ASK_AGAIN, b"", tx.now + (answer.retry_after_ms or AGAIN_MS))
        return
    there = {account: (name, at) for account, name, at in answer.accounts[:BLOCKS_MAX]}
    for account, request in tx.all("SELECT account, request FROM block ORDER BY account"):
        if account not in there and request is None:
            tx.run("DELETE FROM block WHERE account = ?", account)
            _look_again(tx, account)
    for account, (name, at) in there.items():
        if tx.run(
            """
            INSERT INTO block (account, name, at) VALUES (?, ?, ?)
            ON CONFLICT (account) DO UPDATE SET name = excluded.name, at = excluded.at
            WHERE request IS NULL AND (name, at) <> (excluded.name, excluded.at)
            """,
            account, name, at,
        ):  # fmt: skip
            _look_again(tx, account)


# ---- Whom this device asks ----


def asked_first(tx: Tx, request: Append | CreateRoom, appended: Appended) -> None:
    """Say in a room who has to accept it before they are there, in place of that they came in."""
    room, last = request.room, appended.first + len(request.entries) - 1
    for account in appended.pending:
        tx.run(
            "INSERT INTO asked (room, account, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            room, account, tx.now,
        )  # fmt: skip
        places = range(appended.first, last + 1)
        if not retell(tx, room, places, "joined", "waits-to-accept", account):
            note(tx, room, last, appended.at, "waits-to-accept", account)


def not_asked(tx: Tx, room: bytes) -> None:
    """Somebody of those to be added was asked before, and has not answered: go on without them."""
    for (account,) in tx.all(
        "DELETE FROM wish WHERE room = ? AND kind = 'add' AND detail <> x'' RETURNING about", room
    ):
        tx.tell(Warned("not-added: asked-before", account, tx.now))


def accepted(tx: Tx, push: Answered) -> None:
    """Somebody has accepted: the server's word, until they speak."""
    _has_accepted(tx, push.room, push.account)


def members(tx: Tx, request: GetMembers, answer: Members | Refusal, _: bytes) -> None:
    """Hear who has accepted while this device was away: a page of them."""
    if isinstance(answer, Refusal):
        return  # The next sign-in asks again.
    for one in answer.members:
        if one.state == "active":
            _has_accepted(tx, request.room, one.account)
    if answer.more and answer.members and answer.members[-1].account > (request.after or b""):
        last = answer.members[-1].account
        tx.ask(GetMembers(room=request.room, after=last), "chats.members")


def _has_accepted(tx: Tx, room: bytes, account: bytes) -> None:
    if tx.run("DELETE FROM asked WHERE room = ? AND account = ?", room, account):
        (seq,) = tx.line("SELECT seq FROM room WHERE room = ?", room)
        note(tx, room, seq, tx.now, "accepted", account)
        tx.tell(RoomChanged(room))
