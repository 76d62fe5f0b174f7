"""What two machines say to each other: every request, reply and push, and how they travel.

`docs/protocol/` is the law; these structs are its vocabulary.  One file per noun:

    ids, base, errors      names and hashes, what all messages share, every refusal
    greeting               versions, challenges, tokens
    accounts, devices      who somebody is
    invites                how they came
    rooms, entries         where they talk, and what the log keeps
    chats, directory       how they find each other
    blobs, events          files, and what was done
    signed                 what signatures cover, byte by byte
    codec                  frames, and the limits that are checked before a frame is parsed
    malformed              which field of a request is wrong, when it cannot be read

A frame on the socket is a msgpack list of messages.  Over HTTP the same structs go one by one, as
JSON in requests and answers.
"""

from alcove.wire import (
    accounts,
    blobs,
    chats,
    devices,
    directory,
    entries,
    events,
    greeting,
    invites,
    rooms,
)
from alcove.wire.base import Done, Push, Reply, Request
from alcove.wire.errors import Refusal

NOUNS = (
    greeting,
    accounts,
    devices,
    invites,
    rooms,
    entries,
    chats,
    directory,
    blobs,
    events,
)


def _all(kind: type[Request | Reply | Push]) -> tuple[type[Request | Reply | Push], ...]:
    """Return every message of a kind, noun by noun, in the order in which they were written."""
    return tuple(
        thing
        for noun in NOUNS
        for thing in vars(noun).values()
        if isinstance(thing, type)
        and issubclass(thing, kind)
        and thing is not kind
        and thing.__module__ == noun.__name__
    )


REQUESTS = _all(Request)
REPLIES = (*_all(Reply), Done, Refusal)
PUSHES = _all(Push)

__all__ = ["NOUNS", "PUSHES", "REPLIES", "REQUESTS", "Push", "Refusal", "Reply", "Request"]
