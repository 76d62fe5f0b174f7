"""The note: what a handshake says about itself in its commit's `authenticated_data`.

Its header says the same to the server, which cannot open commits and believes it.  The note is
signed by who commits, so a server cannot change it; members check that header and note agree, and
that the note says exactly what the commit does (`rooms.rules`).
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from alcove.client.errors import PeerError
from alcove.client.keys.sealing import NOTICE
from alcove.wire.codec import MALFORMED, encode
from alcove.wire.entries import ROUTING_MAX, HandshakeHeader, Joining, Routing
from alcove.wire.ids import Hash, Key, Signature

NOTE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Large only where many lost devices are added again, each with its notice."""
LISTS_MAX: Final = 16
"""Device lists in one note; each has at most 64 KiB."""
LIST_BYTES_MAX: Final = 80 * 1024
"""A list with its signatures."""


class LinkProof(Struct, frozen=True, array_like=True):
    """What shows that somebody has a link: a signature over room, epoch and the joining leaf."""

    key: Key
    """One of the link keys in the room extension."""
    signature: Signature


class Note(Struct, frozen=True, array_like=True):
    """What a handshake says about itself."""

    renews: bool = False
    closes: bool = False
    joins: Joining | None = None
    link: Hash | None = None
    """For `joins="link"`: the SHA-256 of the link's secret."""
    proof: LinkProof | None = None
    """For `joins="link"`."""
    routing: Routing = Routing()
    lists: Annotated[
        tuple[Annotated[bytes, Meta(max_length=LIST_BYTES_MAX)], ...], Meta(max_length=LISTS_MAX)
    ] = ()
    """Each a `SignedList` in msgpack, the older ones of an account first.

    They say which devices have been revoked, and which identity has taken another's place.
    """
    notices: Annotated[
        tuple[Annotated[bytes, Meta(max_length=NOTICE.bytes_max)], ...],
        Meta(max_length=ROUTING_MAX),
    ] = ()
    """The bodies of notices, of devices that are lost or leave: each takes part in a Remove."""


_decode = msgspec.msgpack.Decoder(Note).decode


def encode_note(note: Note) -> bytes:
    """Return a commit's `authenticated_data`."""
    return encode(note)


def decode_note(data: bytes) -> Note:
    """Read a note in its one encoding; anything else is refused."""
    if len(data) > NOTE_BYTES_MAX:
        raise PeerError("note-form")
    try:
        note = _decode(data)
    except MALFORMED:
        raise PeerError("note-form") from None
    if encode(note) != data:
        raise PeerError("note-form")
    return note


def header(note: Note, sender: bytes, before: bytes) -> HandshakeHeader:
    """Return the header of the handshake that carries this note."""
    return HandshakeHeader(
        sender=sender,
        before=before,
        renews=note.renews,
        closes=note.closes,
        joins=note.joins,
        link=note.link,
        routing=note.routing,
    )


def agrees(said: HandshakeHeader, note: Note) -> str | None:
    """Return why a header says something else than the note of its commit, or None."""
    return None if said == header(note, said.sender, said.before) else "note-not-header"
