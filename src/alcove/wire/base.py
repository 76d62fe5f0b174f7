"""What all requests and replies have in common."""

from msgspec import Struct

from alcove.wire.ids import RequestId


class Request(Struct, frozen=True, kw_only=True):
    """Something that a client asks.  The same id again: the same answer, and no second effect."""

    id: RequestId = 0
    """The device counts up.  0 for what changes nothing, or before there is a device."""


class Reply(Struct, frozen=True, kw_only=True):
    """The answer to the request with this id."""

    id: RequestId = 0


class Push(Struct, frozen=True, kw_only=True):
    """Something that the server says unasked.  It may be lost: what matters can be read again."""


class Done(Reply, frozen=True, tag="done"):
    """It was carried out, and there is nothing else to say."""
