"""What the server does, one function for each kind of request: (tx, caller, request, now) -> reply.

One file per noun.  A handler checks first and writes last; it refuses by raising `Refused`.
"""

from alcove.server.handlers import (
    accounts,
    archive,
    blobs,
    boxes,
    chats,
    commons,
    deletion,
    devices,
    directory,
    entries,
    events,
    invites,
    letters,
    links,
    lists,
    packages,
    rooms,
    rows,
    signing_in,
    slots,
    snapshots,
)
from alcove.server.handlers.access import Handler

NOUNS = (
    signing_in, accounts, boxes, deletion, archive, lists, devices, packages, invites, rooms,
    entries, rows, slots, snapshots, links, letters, commons, chats, directory, blobs, events,
)  # fmt: skip

TABLE: dict[type, Handler] = {
    request: handler for noun in NOUNS for request, handler in noun.HANDLERS.items()
}
"""Every kind of request and who carries it out."""
