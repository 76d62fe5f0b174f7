"""What all requests and replies have in common.

Messages hold values and never each other in a circle, so the garbage collector need not look at
them.
"""

from msgspec import Struct

from alcove.wire.ids import RequestId


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """Something that a client asks.  The same id again: the same answer, and no second effect."""

    id: RequestId = 0
    """The device counts up.  0 for what changes nothing, or before there is a device."""


class Reply(Struct, frozen=True, kw_only=True, gc=False):
    """The answer to the request with this id."""

    id: RequestId = 0


class Push(Struct, frozen=True, kw_only=True, gc=False):
    """Something that the server says unasked.  It may be lost: what matters can be read again."""


class Done(Reply, frozen=True, tag="done"):
    """It was carried out, and there is nothing else to say."""
