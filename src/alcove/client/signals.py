"""What is true for a moment: who types, and who is there.

Signals are sealed under a key of the epoch and signed, and nobody stores them: what is lost is
lost, and what comes from another epoch is dropped unopened.  Presence is the server's word.
"""

from typing import Literal

import msgspec
from msgspec import Struct

from alcove.client import profiles
from alcove.client.chats import is_blocked
from alcove.client.errors import PeerError
from alcove.client.events import PeopleChanged, Signalled
from alcove.client.keys.rooms import SECRET_BYTES, SIGNAL_LABEL
from alcove.client.keys.sealing import Caller, open_signal, seal_signal, signal_epoch
from alcove.client.rooms.members import members
from alcove.client.rooms.state import find_room, group_of
from alcove.client.tx import Tx
from alcove.mls import Group
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.directory import (
    GetOnline,
    People,
    Presence,
    PresenceChanged,
    SetPresence,
    SetVisibility,
    Signal,
)
from alcove.wire.directory import Signalled as Heard
from alcove.wire.errors import Refusal

TYPING_MS = 3_000
"""Typing is told once in so long.  A face takes it for over after twice that."""
TYPING_ACCOUNTS_MAX = 32
"""In rooms of more accounts nobody is told: every key would wake everyone."""
LOOK_MS = 2_000
"""Whoever hears that a room's profile is another waits up to so long before it reads it."""
KNOWN_MAX = 10_000
"""So many people's presence is remembered."""
PAGES_MAX = 8
"""So many pages of who is online are read at sign-in."""


class Typing(Struct, frozen=True, tag="typing"):
    """What a signal says, in msgpack: its writer types, or has stopped.  Others are passed over."""

    on: bool = True


class Look(Struct, frozen=True, tag="look"):
    """The room's profile is another: look at it."""


_decode = msgspec.msgpack.Decoder(Typing | Look).decode


# ---- Typing ----


def typing(tx: Tx, room: bytes, *, on: bool = True) -> None:
    """Tell who is online in a room that the owner types there; as often as a face likes."""
    here = find_room(tx, room)
    group = None if here is None or here.state != "active" or here.is_lost else group_of(tx, room)
    if group is None or not tx.memory.is_signed_in or tx.me.state != "in":
        return
    if on and tx.now < tx.memory.typed.get(room, 0) + TYPING_MS:
        return
    if not on and room not in tx.memory.typed:
        return
    if len(members(tx.db, room)) > TYPING_ACCOUNTS_MAX:
        return
    tx.memory.typed.pop(room, None)
    if on:
        tx.memory.typed[room] = tx.now
    _send(tx, room, group, Typing(on))


def look(tx: Tx, room: bytes) -> None:
    """Tell who is online in a room that its profile is another."""
    group = group_of(tx, room)
    if group is not None and tx.memory.is_signed_in:
        _send(tx, room, group, Look())


def _send(tx: Tx, room: bytes, group: Group, said: Typing | Look) -> None:
    me = tx.me
    caller = Caller(room, me.account, me.key.public)
    secret = _key(tx, room, group)
    body = seal_signal(secret, group.epoch, caller, me.key, encode(said), tx.random(32))
    tx.ask(Signal(room=room, body=body), "signals.sent")


def sent(_tx: Tx, _request: Signal, _answer: object, _: bytes) -> None:
    """A signal is on its way, or was refused: there is no second try."""


def heard(tx: Tx, push: Heard) -> None:
    """Take a signal of another device; bad ones mean nothing."""
    here = find_room(tx, push.room)
    group = None if here is None or here.state != "active" else group_of(tx, push.room)
    stay = tx.one(
        "SELECT account, key FROM stay WHERE room = ? AND device = ? AND until IS NULL",
        push.room, push.device,
    )  # fmt: skip
    if group is None or stay is None or is_blocked(tx.db, stay[0]):
        return
    account, public = stay
    try:
        if signal_epoch(push.body) != group.epoch:
            return
        caller = Caller(push.room, account, public)
        said = _decode(open_signal(_key(tx, push.room, group), caller, push.body))
    except (PeerError, *MALFORMED):
        return
    if isinstance(said, Look):
        jitter_ms = int.from_bytes(tx.random(4), "big") % LOOK_MS
        tx.wake(profiles.LOOK, push.room, tx.now + jitter_ms)
    elif account != tx.me.account:
        tx.tell(Signalled(push.room, account, "typing" if said.on else "resting"))


def _key(tx: Tx, room: bytes, group: Group) -> bytes:
    """Return the key of the epoch's signals."""
    known = tx.memory.signals.get(room)
    if known is None or known[0] != group.epoch:
        known = group.epoch, group.export(SIGNAL_LABEL, b"", SECRET_BYTES)
        tx.memory.signals[room] = known
    return known[1]


# ---- Presence ----


def set_presence(tx: Tx, presence: Presence) -> None:
    """Be there as the owner wants, now and at every sign-in."""
    tx.run(
        """
        INSERT INTO presence (one, wanted) VALUES (1, ?)
        ON CONFLICT (one) DO UPDATE SET wanted = excluded.wanted
        """,
        presence,
    )
    if tx.memory.is_signed_in:
        tx.ask(SetPresence(presence=presence), "signals.set")


def signed_in(tx: Tx) -> None:
    """Be there as the owner wants, and ask who else is."""
    (wanted,) = tx.one("SELECT wanted FROM presence") or ("online",)
    if wanted != "online":
        tx.ask(SetPresence(presence=wanted), "signals.set")
    tx.memory.presence.clear()
    tx.ask(GetOnline(), "signals.online", bytes([PAGES_MAX]))


def was_set(tx: Tx, request: SetPresence, answer: object, _: bytes) -> None:
    """The server shows it so, or will not now: the next sign-in says it again."""


def set_visibility(
    tx: Tx, *, online: bool | None = None, seen: bool | None = None,
    findable: Literal["exact", "beginning"] | None = None,
) -> int:  # fmt: skip
    """Choose what others may see of this account; `Answered` with this number tells how it went."""
    request = SetVisibility(online=online, seen=seen, findable=findable)
    return tx.order(request, "owner")


def online(tx: Tx, _request: GetOnline, answer: People | Refusal, pages: bytes) -> None:
    """Take a page of who is online; without it, whoever comes and goes is told."""
    if isinstance(answer, Refusal):
        return
    _take(tx, tuple((one.account, str(one.presence)) for one in answer.people))
    left = pages[0] - 1
    if answer.more and answer.people and left:
        tx.ask(GetOnline(after=answer.people[-1].name), "signals.online", bytes([left]))


def presence_changed(tx: Tx, push: PresenceChanged) -> None:
    """Somebody came or went."""
    _take(tx, push.people)


def _take(tx: Tx, people: tuple[tuple[bytes, str], ...]) -> None:
    presence = tx.memory.presence
    moved: list[bytes] = []
    for account, how in people:
        if how != presence.get(account, "offline"):
            moved.append(account)
        presence.pop(account, None)
        if how != "offline" and len(presence) < KNOWN_MAX:
            presence[account] = how
    if moved:
        tx.tell(PeopleChanged(tuple(moved)))


def presences(tx: Tx) -> dict[bytes, str]:
    """Return who is online or away, as the server says; nobody is while this device is offline."""
    return dict(tx.memory.presence) if tx.memory.is_signed_in else {}
