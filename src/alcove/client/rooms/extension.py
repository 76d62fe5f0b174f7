"""The room extension: what a room is and who may do what there, signed into every epoch.

It stands in the GroupContext, so all members agree on it byte by byte and every commit is judged by
it (`rooms.rules`).  It holds hashes, rights and times, and never a name.

Accounts stand in it as the SHA-256 of their identity key.  An account id would not do: anybody can
certify any id with an identity of his own, but nobody has the identity key of somebody else.
"""

from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct, structs

from alcove.client.errors import PeerError
from alcove.client.keys.suite import SUITE
from alcove.mls import BASIC, Capabilities, Extension, GroupContext, PublicGroup, find_extension
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.entries import History
from alcove.wire.ids import Count, Hash, Id, Key, Millis
from alcove.wire.rooms import Kind

ROOM_EXTENSION: Final = 0xF0A2
"""The type of the extension, from the range for private use."""
CAPABILITIES: Final = Capabilities(
    suites=(SUITE.id,), extensions=(ROOM_EXTENSION,), credentials=(BASIC,)
)
"""What every device of the product says that it can do: no other could follow our rooms."""

ROLES_MAX: Final = 256
"""Owners and admins of one room."""
BANS_MAX: Final = 1024
"""Identities that one room keeps out, those of old ones included."""
PLAIN_BANS_MAX: Final = 768
"""Of these, those that admins choose: the others are kept free for who changes their keys."""
LINKS_MAX: Final = 100
"""As many links as a server lets a room have."""
VERSIONS_MAX: Final = 4096
"""As many as a group may have leaves; entries of accounts that are gone give way to others."""
STATE_BYTES_MAX: Final = 512 * 1024
"""More than the four lists take when they are full."""

Rank = Literal["owner", "admin"]
"""A role above that of a member."""
Who = Literal["everyone", "admins", "owners"]
"""Who may do something; each includes those after it."""
Files = Literal["any", "usual"]
"""Which kinds of files are sent: any, or those alone that go without a question (`files.kinds`)."""


class Ranked(Struct, frozen=True, array_like=True):
    """An account that is more than a member."""

    identity: Hash
    rank: Rank


class Ban(Struct, frozen=True, array_like=True):
    """An identity that may not come in any more."""

    identity: Hash
    successor: Hash | None = None
    """The identity that its account has now, when it is banned because that took its place."""


class LinkKey(Struct, frozen=True, array_like=True):
    """A key whose signature lets somebody in."""

    key: Key
    made_by: Hash
    """The identity of who made the link: it works while he is here and may invite."""


class LeastVersion(Struct, frozen=True, array_like=True):
    """The oldest device list of an account whose certificates may still add leaves."""

    identity: Hash
    version: Count


class RoomState(Struct, frozen=True, array_like=True):
    """What a room is, and who may do what there."""

    kind: Kind
    """Never changes."""
    roles: Annotated[tuple[Ranked, ...], Meta(max_length=ROLES_MAX)]
    """In the order of the identities."""
    bans: Annotated[tuple[Ban, ...], Meta(max_length=BANS_MAX)] = ()
    """In the order of the identities."""
    may_invite: Who = "everyone"
    may_post: Who = "everyone"
    may_pin: Who = "everyone"
    may_mention_all: Who = "everyone"
    history: History = "open"
    keep_ms: Count = 0
    """How long kept bodies stay on the server; 0 for ever."""
    expires_ms: Count = 0
    """After what time messages go if their writers say nothing else; 0 for never."""
    links: Annotated[tuple[LinkKey, ...], Meta(max_length=LINKS_MAX)] = ()
    """In the order of the keys."""
    versions: Annotated[tuple[LeastVersion, ...], Meta(max_length=VERSIONS_MAX)] = ()
    """In the order of the identities."""
    predecessor: Id | None = None
    """For a direct room after a reset: the one before.  Never changes."""
    founder: Hash | None = None
    """The identity of who made it.  Never changes."""
    founded_at: Millis = 0
    """When, as the founder's clock said.  Never changes."""
    files: Files = "any"
    """Which kinds of files are sent there."""


_decode = msgspec.msgpack.Decoder(RoomState).decode


def in_order(state: RoomState) -> RoomState:
    """Return the state with its lists in their order."""
    return structs.replace(
        state,
        roles=tuple(sorted(state.roles, key=lambda one: one.identity)),
        bans=tuple(sorted(state.bans, key=lambda one: one.identity)),
        links=tuple(sorted(state.links, key=lambda one: one.key)),
        versions=tuple(sorted(state.versions, key=lambda one: one.identity)),
    )


def _is_in_order(names: list[bytes]) -> bool:
    return all(one < other for one, other in pairwise(names))


def _lists(state: RoomState) -> tuple[list[bytes], ...]:
    """Return what each list is ordered by."""
    return (
        [one.identity for one in state.roles],
        [one.identity for one in state.bans],
        [one.key for one in state.links],
        [one.identity for one in state.versions],
    )


def encode_state(state: RoomState) -> bytes:
    """Return the one encoding of a state."""
    ordered = in_order(state)
    assert all(_is_in_order(names) for names in _lists(ordered)), "something stands there twice"
    return encode(ordered)


@lru_cache(maxsize=256)
def decode_state(data: bytes) -> RoomState:
    """Read a state in its one encoding; anything else is refused."""
    if len(data) > STATE_BYTES_MAX:
        raise PeerError("room-state-form")
    try:
        state = _decode(data)
    except MALFORMED:
        raise PeerError("room-state-form") from None
    if encode(state) != data or not all(_is_in_order(names) for names in _lists(state)):
        raise PeerError("room-state-form")
    return state


def extension(state: RoomState) -> Extension:
    """Return the extension for `create_group` and `GroupContextExtensions`, where it is alone."""
    return Extension(ROOM_EXTENSION, encode_state(state))


def state_of(where: PublicGroup | GroupContext) -> RoomState:
    """Return what a group's context says of the room; one without it is refused."""
    context = where.context if isinstance(where, PublicGroup) else where
    data = find_extension(context.extensions, ROOM_EXTENSION)
    if data is None:
        raise PeerError("room-state-missing")
    return decode_state(data)
