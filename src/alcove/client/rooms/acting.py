"""What a member does with a room: invite, remove, leave, change roles and settings.

Each checks what the room's signed state allows, so that nobody is promised what all others would
refuse; then it is wished, and comes true with the next commit.
"""

from typing import Any

from alcove.client import outbox
from alcove.client.errors import UsageError
from alcove.client.rooms import notices
from alcove.client.rooms.changes import settings
from alcove.client.rooms.extension import RoomState, state_of
from alcove.client.rooms.leaves import certificate_of, key_hash
from alcove.client.rooms.roles import Action, may, may_remove, role
from alcove.client.rooms.state import Room, change, find_room, public_of
from alcove.client.rooms.wish import add_wish
from alcove.client.timeline import note
from alcove.client.tx import Tx
from alcove.mls import PublicGroup
from alcove.wire.content import Content


def here_and_state(tx: Tx, room: bytes) -> tuple[Room, PublicGroup, RoomState]:
    """Return a room that this device is in, with its signed state."""
    here = find_room(tx, room)
    public = None if here is None or here.state != "active" else public_of(tx, room)
    if here is None or public is None:
        raise UsageError("You are not in this room, or not yet; wait until it is there, or ask.")
    return here, public, state_of(public)


def may_i(tx: Tx, state: RoomState, what: Action, sentence: str) -> None:
    """Raise a sentence for people unless the room lets this account do something."""
    if not may(state, key_hash(tx.me.identity), what):
        raise UsageError(sentence)


def say(tx: Tx, room: bytes, content: Content, expires_at: int | None = None) -> int:
    """Say something, if the room lets this account; a room that is being made lets its maker."""
    here = find_room(tx, room)
    if here is not None and here.state == "active":
        public = public_of(tx, room)
        if public is not None:
            may_i(
                tx, state_of(public), "post",
                "Only some may post in this room; ask an admin, or write to them directly.",
            )  # fmt: skip
    return outbox.say(tx, room, content, expires_at)


def invite(tx: Tx, room: bytes, account: bytes) -> None:
    """Add somebody to a room."""
    here = find_room(tx, room)
    if here is not None and here.state in {"making", "founded"}:
        add_wish(tx, room, "add", account)
        return
    here, public, state = here_and_state(tx, room)
    if here.kind in {"direct", "mailbox"}:
        raise UsageError("A direct room is for two; make a group to talk with more people.")
    may_i(tx, state, "invite", "Only some may invite to this room; ask an admin to do it.")
    if any(certificate_of(leaf).account == account for _, leaf in public.tree.leaves()):
        raise UsageError("They are in this room already.")
    add_wish(tx, room, "add", account)


def remove(tx: Tx, room: bytes, account: bytes) -> None:
    """Remove somebody from a room."""
    here, public, state = here_and_state(tx, room)
    there = identity_in(public, account)
    if account == tx.me.account:
        raise UsageError("To go yourself, leave the room.")
    if here.kind == "direct":
        raise UsageError("A direct room is for two; block them instead, or leave it.")
    if not may_remove(state, key_hash(tx.me.identity), there):
        raise UsageError("Only admins remove members, and only owners remove owners; ask one.")
    add_wish(tx, room, "drop", account)


def identity_in(public: PublicGroup, account: bytes) -> bytes:
    """Return the hash of the identity with which an account is in a room."""
    for _, leaf in public.tree.leaves():
        said = certificate_of(leaf)
        if said.account == account:
            return key_hash(said.identity)
    raise UsageError("They are not in this room.")


def set_role(tx: Tx, room: bytes, account: bytes, wanted: str) -> None:
    """Make somebody owner, admin or member; only owners may."""
    here, public, state = here_and_state(tx, room)
    identity_in(public, account)
    if here.kind == "direct":
        raise UsageError("In a direct room both are owners; there is nothing to change.")
    if role(state, key_hash(tx.me.identity)) != "owner":
        raise UsageError("Only an owner changes roles; ask one.")
    owners = [one.identity for one in state.roles if one.rank == "owner"]
    if wanted != "owner" and owners == [identity_in(public, account)]:
        raise UsageError("A room needs an owner: name another one first.")
    tx.run("DELETE FROM wish WHERE room = ? AND kind = 'role' AND about = ?", room, account)
    add_wish(tx, room, "role", account, wanted.encode("ascii"))


def change_settings(tx: Tx, room: bytes, /, **wanted: Any) -> None:
    """Change what a room allows: who may invite, post and pin, its history, its expiry."""
    _, _, state = here_and_state(tx, room)
    for name in wanted:
        if name not in RoomState.__struct_fields__ or name in {"kind", "roles", "bans"}:
            raise UsageError(f"There is no setting {name!r}; see docs/howto/rooms.md.")
    may_i(tx, state, "settings", "Only owners change a room's settings; ask one.")
    add_wish(tx, room, "settings", tx.random(8), settings(wanted))


def leave(tx: Tx, room: bytes) -> None:
    """Leave a room: this account's devices say so, and are removed by whoever commits next."""
    here = find_room(tx, room)
    if here is None or here.state == "gone":
        return
    if here.state in {"making", "outside", "joining"}:
        change(tx, room, state="gone")
        return
    _, public, state = here_and_state(tx, room)
    mine = key_hash(tx.me.identity)
    owners = [one.identity for one in state.roles if one.rank == "owner"]
    others = {certificate_of(leaf).account for _, leaf in public.tree.leaves()}
    if owners == [mine] and len(others) > 1 and here.kind != "direct":
        raise UsageError("You are the only owner: name another one before you leave.")
    tx.run("DELETE FROM wish WHERE room = ?", room)
    if len(others) == 1:
        change(tx, room, state="gone")
        note(tx, room, here.seq, tx.now, "you-left", tx.me.account)
    notices.send(tx, here, "leave")
