"""Requests to chat: rooms that wait until their partner has accepted them.

The room and its first messages travel with the request, sealed.  Until it is accepted, the asked
account's devices are routed as `pending`: they are told who asks, and get nothing of the room.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Id, Millis, Name
from alcove.wire.rooms import Kind

Policy = Literal["everyone", "strangers", "off"]
"""Who must be asked before a chat."""
ANSWERED_MAX = 64
"""How many requests are answered together."""


class GetAsks(Request, frozen=True, tag="get_asks"):
    """List the requests that wait for this account."""


class Ask(Struct, frozen=True):
    """Somebody asks to chat, or invites to a group."""

    room: Id
    kind: Kind
    account: Id
    """Who asks."""
    name: Name
    at: Millis
    """When it came."""


class Asks(Reply, frozen=True, tag="asks"):
    """The requests that wait, oldest first."""

    asks: tuple[Ask, ...]


class Asked(Push, frozen=True, tag="asked"):
    """A request has come."""

    ask: Ask
    """What `get_asks` would list."""


class Answer(Request, frozen=True, tag="answer"):
    """Accept requests, or decline them: then this account's devices are no longer routed there."""

    rooms: Annotated[tuple[Id, ...], Meta(max_length=ANSWERED_MAX)] | None
    """None for the oldest that wait, as many as one request may name."""
    accept: bool
    """False declines."""


class AsksLeft(Reply, frozen=True, tag="asks_left"):
    """The requests were answered.  To answer all that wait, ask again until none is left."""

    left: Count
    """How many still wait."""


class Answered(Push, frozen=True, tag="answered"):
    """Somebody accepted.  Nobody is told of a request that was declined."""

    room: Id
    account: Id
    """Who accepted."""


class Block(Request, frozen=True, tag="block"):
    """Let no request, letter or push in a direct room come from an account, or lift that again."""

    account: Id
    blocked: bool
    """False lifts it."""


class GetBlocks(Request, frozen=True, tag="get_blocks"):
    """List the accounts that this one has blocked."""


class Blocks(Reply, frozen=True, tag="blocks"):
    """The accounts that are blocked, and since when."""

    accounts: tuple[tuple[Id, Name, Millis], ...]
    """Account, name, and since when."""
