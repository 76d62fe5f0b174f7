"""Who may do what in a room, asked of its signed state.

Accounts are asked about by the SHA-256 of their identity key, as the state names them.
"""

from typing import Literal

from alcove.client.rooms.extension import RoomState, Who
from alcove.wire.entries import Role

Action = Literal["invite", "post", "pin", "mention_all", "remove", "settings"]
"""`remove` stands for what admins do (remove, ban), `settings` for what owners do."""

INCLUDED: dict[str, tuple[Role, ...]] = {
    "everyone": ("owner", "admin", "member"),
    "admins": ("owner", "admin"),
    "owners": ("owner",),
}
"""The roles that each word includes."""


def role(state: RoomState, identity: bytes) -> Role:
    """Return what an account is in a room.  Whether it is there at all, its leaves say."""
    for one in state.roles:
        if one.identity == identity:
            return one.rank
    return "member"


def is_banned(state: RoomState, identity: bytes) -> bool:
    """Return whether an identity is shut out, or has been followed by another one."""
    return any(one.identity == identity for one in state.bans)


def may(state: RoomState, identity: bytes, action: Action) -> bool:
    """Return whether an account that is in a room may do something there."""
    who = {
        "invite": state.may_invite,
        "post": state.may_post,
        "pin": state.may_pin,
        "mention_all": state.may_mention_all,
        "remove": "admins",
        "settings": "owners",
    }[action]
    return role(state, identity) in INCLUDED[who] and not is_banned(state, identity)


def rights_of(state: RoomState) -> tuple[Who, Who, Who]:
    """Return who may post, pin and call all."""
    return state.may_post, state.may_pin, state.may_mention_all


def may_remove(state: RoomState, by: bytes, whom: bytes) -> bool:
    """Return whether one account may make another one go: in direct rooms nobody can."""
    if state.kind == "direct" or is_banned(state, by):
        return False
    mine, theirs = role(state, by), role(state, whom)
    return mine == "owner" or (mine == "admin" and theirs != "owner")


def successors(state: RoomState) -> dict[bytes, bytes]:
    """Return which identity took the place of which."""
    return {one.identity: one.successor for one in state.bans if one.successor is not None}


def follow(followed: dict[bytes, bytes], identity: bytes) -> bytes:
    """Return the identity that an account has now, given one that it has or had."""
    for _ in range(len(followed)):  # Not for ever: a room's founder may have written nonsense.
        identity = followed.get(identity, identity)
    return identity


def settled(state: RoomState, identity: bytes) -> bytes:
    """Return the same for one identity, given the room's state."""
    return follow(successors(state), identity)
