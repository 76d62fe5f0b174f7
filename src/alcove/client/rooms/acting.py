"""What a member does with a room: invite, remove, leave, change roles and settings.

Each checks what the room's signed state allows, so that nobody is promised what all others would
refuse; then it is wished, and comes true with the next commit.
"""

from typing import Any, Final, NamedTuple

from msgspec import structs

from alcove.client import outbox, trust
from alcove.client.errors import PeerError, UsageError
from alcove.client.files.kinds import is_asked_about
from alcove.client.rooms import notices, successors
from alcove.client.rooms.changes import settings
from alcove.client.rooms.extension import (
    PLAIN_BANS_MAX,
    Ban,
    RoomState,
    decode_state,
    encode_state,
    state_of,
)
from alcove.client.rooms.facts import CLOSED_KINDS
from alcove.client.rooms.leaves import certificate_of, key_hash, whose
from alcove.client.rooms.members import END
from alcove.client.rooms.roles import Action, may, may_remove, role, settled
from alcove.client.rooms.state import Room, change, find_room, public_of
from alcove.client.rooms.wish import add_wish
from alcove.client.timeline import note
from alcove.client.timeline.effects import is_muted
from alcove.client.timeline.taking import RANKS
from alcove.client.tx import Tx
from alcove.mls import PublicGroup
from alcove.wire.codec import MALFORMED
from alcove.wire.content import (
    Content,
    Delete,
    Edit,
    EndPoll,
    Mute,
    Pin,
    Poll,
    Target,
    Text,
    shown_name,
)
from alcove.wire.ids import Millis

SETTINGS: Final = (
    "may_invite", "may_post", "may_pin", "may_mention_all", "history", "keep_ms", "expires_ms",
    "files",
)  # fmt: skip
"""What owners choose for a room."""


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
        if successors.is_over(tx, here):
            raise UsageError(successors.OVER)
        public = public_of(tx, room)
        if public is not None:
            _may_say(tx, public, content)
            after_ms = state_of(public).expires_ms
            if expires_at is None and after_ms and isinstance(content, Text | Poll | Edit):
                expires_at = tx.now + after_ms
    return outbox.say(tx, room, content, expires_at)


def _may_say(tx: Tx, public: PublicGroup, content: Content) -> None:
    """Raise a sentence for people unless everybody will take what this account says."""
    state = state_of(public)
    may_i(tx, state, "post", outbox.MAY_NOT_POST)
    room = public.group_id
    if not isinstance(content, Delete) and is_muted(tx, room, tx.me.account, END):
        raise UsageError("An admin has muted you in this room: nobody would see it.")
    match content:
        case Pin():
            may_i(tx, state, "pin", "Only some may pin in this room; ask an admin to do it.")
        case Delete(target=Target(account=account)) if account != tx.me.account:
            _stands_above(tx, public, account, "Only admins take away what others have said")
        case EndPoll(target=Target(account=account)) if account != tx.me.account:
            _stands_above(tx, public, account, "Only admins end the polls of others")
        case Mute(account=account):
            _stands_above(tx, public, account, "Only admins mute")
        case Text(files=files) if state.files == "usual":
            unusual = [shown_name(one.name) for one in files if is_asked_about(one.name)]
            if unusual:
                raise UsageError(f"Files of this kind are not sent here: {', '.join(unusual)}.")


def _stands_above(tx: Tx, public: PublicGroup, account: bytes, what: str) -> None:
    """Raise a sentence unless this account is an admin, and more than somebody else is."""
    state = state_of(public)
    identity = _identity_here(public, account)
    theirs = "member" if identity is None else role(state, identity)
    mine = RANKS[role(state, key_hash(tx.me.identity))]
    if mine < RANKS["admin"] or mine <= RANKS[theirs]:
        raise UsageError(f"{what}, and only owners where it is about an admin; ask one.")


def invite(tx: Tx, room: bytes, account: bytes) -> None:
    """Add somebody to a room."""
    if not trust.may_send(tx.db, account):
        raise UsageError(trust.LOOK_FIRST)
    here = find_room(tx, room)
    if here is not None and here.state in {"making", "founded"}:
        add_wish(tx, room, "add", account)
        return
    here, public, state = here_and_state(tx, room)
    if here.kind in {"direct", "mailbox"}:
        raise UsageError("A direct room is for two; make a group to talk with more people.")
    may_i(tx, state, "invite", "Only some may invite to this room; ask an admin to do it.")
    identity = _identity_known(tx, room, account)
    if identity is not None and Ban(identity) in state.bans:
        raise UsageError("They are shut out of this room; an admin has to let them in again first.")
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
    identity = _identity_here(public, account)
    if identity is None:
        raise UsageError("They are not in this room.")
    return identity


def _identity_here(public: PublicGroup, account: bytes) -> bytes | None:
    for _, leaf in public.tree.leaves():
        said = certificate_of(leaf)
        if said.account == account:
            return key_hash(said.identity)
    return None


# ---- Shutting out ----


def ban(tx: Tx, room: bytes, account: bytes) -> None:
    """Remove somebody, and let them in no more, by whatever way; also who has gone already."""
    here, public, state = here_and_state(tx, room)
    if here.kind in CLOSED_KINDS:
        raise UsageError("A direct room is for two; block them instead, or leave it.")
    if account == tx.me.account:
        raise UsageError("That is you: to go yourself, leave the room.")
    may_i(tx, state, "remove", "Only admins shut people out; ask one.")
    there = _identity_here(public, account)
    if there is not None and not may_remove(state, key_hash(tx.me.identity), there):
        raise UsageError("Only owners remove owners; ask one.")
    identity = there or _identity_known(tx, room, account)
    if identity is None:
        raise UsageError("Nothing is known of their keys here, so they cannot be shut out.")
    if sum(one.successor is None for one in state.bans) >= PLAIN_BANS_MAX:
        raise UsageError(f"A room shuts out at most {PLAIN_BANS_MAX}; let somebody in again first.")
    tx.run("DELETE FROM wish WHERE room = ? AND kind = 'unban' AND about = ?", room, identity)
    tx.run("DELETE FROM wish WHERE room = ? AND kind = 'add' AND about = ?", room, account)
    add_wish(tx, room, "ban", identity, account)


def _identity_known(tx: Tx, room: bytes, account: bytes) -> bytes | None:
    """Return the identity of somebody who was here, or whose keys are known from elsewhere."""
    line = tx.one(
        "SELECT certificate FROM stay WHERE room = ? AND account = ? ORDER BY since DESC LIMIT 1",
        room, account,
    )  # fmt: skip
    if line is not None:
        return whose(line[0]).identity
    pin = trust.pin_of(tx.db, account)
    return None if pin is None else key_hash(pin.identity)


def unban(tx: Tx, room: bytes, identity: bytes) -> None:
    """Let an identity in again that was shut out; nobody is added by that."""
    _, _, state = here_and_state(tx, room)
    may_i(tx, state, "remove", "Only admins let people in again; ask one.")
    is_coming = tx.run(
        "DELETE FROM wish WHERE room = ? AND kind = 'ban' AND about = ?", room, identity
    )
    if not is_coming and all(
        one.identity != identity for one in state.bans if one.successor is None
    ):
        raise UsageError("They are not shut out of this room.")
    add_wish(tx, room, "unban", identity)


class Banned(NamedTuple):
    """An identity that is shut out of a room."""

    identity: bytes
    account: bytes | None
    """Whose it is; None where nothing is known of it here."""


def banned(tx: Tx, room: bytes) -> list[Banned]:
    """Return who is shut out of a room by its admins."""
    _, _, state = here_and_state(tx, room)
    known = _known(tx, room)
    return [
        Banned(one.identity, known.get(one.identity)) for one in state.bans if one.successor is None
    ]


def _known(tx: Tx, room: bytes) -> dict[bytes, bytes]:
    """Return accounts by their identities: who was ever in a room, and whom this device knows."""
    there = tx.all("SELECT account, certificate FROM stay WHERE room = ? ORDER BY since", room)
    pinned = tx.all("SELECT account, identity FROM pin ORDER BY account")
    return {whose(certificate).identity: account for account, certificate in there} | {
        key_hash(identity): account for account, identity in pinned
    }


class Founded(NamedTuple):
    """Who made a room, and when, as that one's clock said."""

    account: bytes | None
    """None where nobody is known here who has that identity."""
    at: Millis


def founded(tx: Tx, room: bytes) -> Founded:
    """Return who made a room, and when."""
    _, _, state = here_and_state(tx, room)
    founder = settled(state, state.founder or b"")
    return Founded(_known(tx, room).get(founder), state.founded_at)


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
        if name not in SETTINGS:
            raise UsageError(f"There is no setting {name!r}; see docs/howto/rooms.md.")
    may_i(tx, state, "settings", "Only owners change a room's settings; ask one.")
    if state.kind in CLOSED_KINDS and {"may_post", "may_invite"} & wanted.keys():
        raise UsageError("In a direct room both may do everything: there is nothing to choose.")
    try:
        decode_state(encode_state(structs.replace(state, **wanted)))
    except (PeerError, *MALFORMED):
        raise UsageError(
            "No setting can be so: docs/howto/rooms.md says what each may be."
        ) from None
    add_wish(tx, room, "settings", tx.random(8), settings(wanted))


def leave(tx: Tx, room: bytes) -> None:
    """Leave a room, with all devices.

    This one takes the others out, and then says that it leaves: whoever commits next removes it.
    """
    here = find_room(tx, room)
    if here is None or here.state == "gone":
        return
    if here.state in {"making", "outside", "joining"}:
        change(tx, room, state="gone")
        outbox.stop(tx, room)
        return
    _, public, state = here_and_state(tx, room)
    mine = key_hash(tx.me.identity)
    owners = [one.identity for one in state.roles if one.rank == "owner"]
    there = [certificate_of(leaf).account for _, leaf in public.tree.leaves()]
    is_alone = all(account == tx.me.account for account in there)
    if owners == [mine] and not is_alone and here.kind != "direct":
        raise UsageError(
            "You are the only owner: make another one first (`alcove room role`, or /role)."
        )
    tx.run("DELETE FROM wish WHERE room = ?", room)
    if there.count(tx.me.account) > 1:
        add_wish(tx, room, "leave", b"")
        return
    if is_alone:
        change(tx, room, state="gone")
        outbox.stop(tx, room)
        note(tx, room, here.seq, tx.now, "you-left", tx.me.account)
    notices.send(tx, here, "leave")
