"""Entries: the lines of a room's log, what their headers say, and how they are added and read.

An entry is a header, which the server reads, and a body, which it cannot read.  The header travels
as the bytes that its sender encoded, because its hash names the entry:

    name  = SHA-256("alcove entry 1" ‖ room ‖ length of header ‖ header ‖ SHA-256(body))
    chain = SHA-256("alcove chain 1" ‖ chain before ‖ seq ‖ name)
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Hash, Id, Millis, Position, Seq

Form = Literal["kept", "live", "notice"]
"""How a body is sealed: for the room's history, for one opening, or not."""
Joining = Literal["resync", "sibling", "link"]
"""By what right somebody joins by their own commit."""
Role = Literal["owner", "admin", "member"]
"""What an account may do in a room."""
History = Literal["open", "closed", "none"]
"""What newcomers may read: all, what comes after them, or nothing is kept."""
Lane = Literal["message", "handshake"]
"""What kind of entry it is."""

HeaderBytes = Annotated[bytes, Meta(max_length=512 * 1024)]
"""Large only where one commit moves thousands of devices."""
ROUTING_MAX = 1024
"""Devices in one list of what a commit changes: a server writes several lines for each of them."""


class MessageHeader(Struct, frozen=True, tag="m", gc=False):
    """The header of a message: how it is sealed, and with what."""

    sender: Id
    """The device.  The server refuses anyone else's."""
    content: Id
    """Drawn by the sender, the same at every try: receivers drop what they have seen."""
    form: Form
    """How the body is sealed; a notice is signed and not sealed."""
    key: Hash | None = None
    """The handshake entry whose room key (kept) or epoch (live) seals it; None for notices."""
    expires_at: Millis | None = None
    """When the server drops the body at the latest."""
    notice: Literal["lost", "leave"] | None = None
    """For the form `notice`, which is signed but not sealed: what it says."""


class Member(Struct, frozen=True, array_like=True):
    """A device of an account, as routing knows it."""

    account: Id
    device: Id


class Routing(Struct, frozen=True):
    """What a commit changes of who gets the room's entries.

    It rides in the commit's authenticated data too and must equal its proposals: clients check it.
    """

    adds: Annotated[tuple[Member, ...], Meta(max_length=ROUTING_MAX)] = ()
    """Devices that get entries from here on."""
    removes: Annotated[tuple[Member, ...], Meta(max_length=ROUTING_MAX)] = ()
    """Devices that get none any more."""
    roles: Annotated[tuple[tuple[Id, Role], ...], Meta(max_length=256)] = ()
    """Accounts and their new roles."""
    history: History | None = None
    """The new policy; None leaves it."""
    keep_ms: Count | None = None
    """How long kept bodies stay; 0 for ever."""


class HandshakeHeader(Struct, frozen=True, tag="h"):
    """The header of a commit, or of the entry that founds the room."""

    sender: Id
    """The device.  The server refuses anyone else's."""
    before: Hash
    """The name of the last handshake that the sender has processed."""
    renews: bool = False
    """Whether a new room key begins here."""
    closes: bool = False
    """Whether it removes others or changes settings: what was sealed before is refused after."""
    joins: Joining | None = None
    """For an external commit: by what right."""
    link: Hash | None = None
    """For `joins="link"`: the SHA-256 of the link's secret."""
    routing: Routing = Routing()
    """What it changes for the server."""


Header = MessageHeader | HandshakeHeader


class NewEntry(Struct, frozen=True, array_like=True, gc=False):
    """An entry on its way to the server."""

    header: HeaderBytes
    """A `MessageHeader` or `HandshakeHeader` in msgpack."""
    body: bytes
    """A sealed message, or an MLS commit with its GroupInfo."""


class Welcome(Struct, frozen=True):
    """What devices need that a commit of the same request adds."""

    devices: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=ROUTING_MAX)]
    """For whom: devices that the request's entries add."""
    body: bytes
    """An MLS Welcome."""


class Row(Struct, frozen=True, array_like=True):
    """Sealed bytes beside the log: the room's profile, or one link of its key chain."""

    kind: Literal["profile", "chain"]
    """The room's profile, or the room key before the one named."""
    name: Hash
    """The handshake entry whose room key seals it."""
    body: Annotated[bytes, Meta(max_length=64 * 1024)]


class Append(Request, frozen=True, tag="append"):
    """Add entries to the end of a room's log: all of them, in this order, or none.

    A handshake is refused as a `conflict` when it does not name the newest one.  A message is
    refused as `closed` when a closing commit came since the key that it names, and as `old_key`
    when that key is not among the newest eight.  The bytes name their key, so they may be sent
    again after any other refusal.
    """

    room: Id
    entries: Annotated[tuple[NewEntry, ...], Meta(min_length=1, max_length=256)]
    """In the order in which they shall stand."""
    welcomes: Annotated[tuple[Welcome, ...], Meta(max_length=16)] = ()
    rows: Annotated[tuple[Row, ...], Meta(max_length=16)] = ()
    """Stored with the entries."""


class Appended(Reply, frozen=True, tag="appended"):
    """The entries are stored, one after another, and will be there after a crash."""

    first: Seq
    """The place of the first of them."""
    at: Millis
    chain: Hash
    """The running hash of the log after the last of them."""
    pending: tuple[Id, ...] = ()
    """The accounts that were added and are asked first."""


class Stored(Struct, frozen=True, array_like=True, gc=False):
    """An entry as the log keeps it."""

    seq: Seq
    at: Millis
    header: bytes
    """As its sender encoded it."""
    body: bytes | None
    """None when it was dropped: the tombstone keeps header and hash."""
    body_hash: bytes | None = None
    """The SHA-256 of a body that was dropped."""


class Read(Request, frozen=True, tag="read"):
    """Read a room's log after a position, as far as a page goes."""

    room: Id
    since: Position
    """The last place that the client has; seq 0 for the beginning."""
    entries_max: Annotated[int, Meta(ge=1, le=4096)] = 256
    """How many at most; the server may send fewer."""
    lane: Lane | None = None
    """None for all lanes."""
    follow: bool = False
    """Whether to be pushed what comes after, once the end of the log is reached."""
    link: Hash | None = None
    """The SHA-256 of a link's secret, for who is not a member yet."""


class Entries(Reply, frozen=True, tag="entries"):
    """A page of a room's log."""

    room: Id
    incarnation: Count
    entries: tuple[Stored, ...]
    head: Seq
    """The place of the newest entry."""
    more: bool


class NewEntries(Push, frozen=True, tag="new_entries"):
    """What was added to a room that this connection follows, without a gap after what it has."""

    room: Id
    entries: tuple[Stored, ...]


class Nudge(Push, frozen=True, tag="nudge"):
    """A room has more than this connection was given: read it."""

    room: Id
    head: Seq


class Passed(Request, frozen=True, tag="passed"):
    """Say how far this device has stored the logs of its rooms."""

    rooms: Annotated[tuple[tuple[Id, Position], ...], Meta(max_length=1024)]
    """Rooms, and the last place that is stored without a gap."""


class Delivered(Push, frozen=True, tag="delivered"):
    """How far the devices of others have passed; coalesced."""

    room: Id
    devices: tuple[tuple[Id, Seq], ...]
    """Devices, and how far they have passed."""


class DropBodies(Request, frozen=True, tag="drop_bodies"):
    """Drop the bodies of messages: one's own, or as an admin anyone's.  Headers and hashes stay."""

    room: Id
    seqs: Annotated[tuple[Seq, ...], Meta(min_length=1, max_length=256)]
    """The places of the entries."""
    incarnation: Count
    """The one in which those places were read."""


class Dropped(Push, frozen=True, tag="dropped"):
    """Bodies of a room were dropped by a member."""

    room: Id
    seqs: tuple[Seq, ...]
    """Their places."""


class PutSnapshot(Request, frozen=True, tag="put_snapshot"):
    """Store the room's public state after a handshake, so that joiners need not replay all."""

    room: Id
    name: Hash
    """The handshake entry after which this is the state."""
    body: bytes
    """The public state: the ratchet tree."""


class GetSnapshot(Request, frozen=True, tag="get_snapshot"):
    """Ask for the newest snapshot at or before a place, and where to read on."""

    room: Id
    until: Seq | None = None
    """None for the newest of all."""
    link: Hash | None = None
    """The SHA-256 of a link's secret, for who is not a member yet."""


class Snapshot(Reply, frozen=True, tag="snapshot"):
    """A snapshot of the room's public state."""

    seq: Seq
    """The place of the handshake after which it is the state; 0 when there is none."""
    name: Hash
    """The handshake entry after which it is the state."""
    body: bytes | None
    """The public state; None when there is none."""


class OfferHandshakes(Request, frozen=True, tag="offer_handshakes"):
    """After a restore: give back handshakes past the restored log's head.  What chains is taken."""

    room: Id
    entries: Annotated[tuple[NewEntry, ...], Meta(min_length=1, max_length=256)]
    """In the order in which they stood."""


class Offered(Reply, frozen=True, tag="offered"):
    """How many of the offered handshakes were taken."""

    taken: Count
    """Counted from the first."""
    head: Seq
