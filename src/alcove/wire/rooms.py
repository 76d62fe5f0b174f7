"""Rooms: how they are made, who is in them, and the sealed slots beside their logs."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.directory import Presence
from alcove.wire.entries import History, NewEntry, Role, Row, Welcome
from alcove.wire.ids import Box, Count, Hash, Id, Millis, Name, Seq

Kind = Literal["direct", "group", "channel", "commons", "mailbox"]
"""What a room is for."""
MemberState = Literal["pending", "active"]
"""Whether an account has accepted the room."""


class CreateRoom(Request, frozen=True, tag="create_room"):
    """Make a room whose log begins with these entries; the first one founds it.

    A direct room is one per pair of identity keys: a second one is refused as `exists`, and the
    refusal's `head` is the room that is there.  The members that the entries add and who are to be
    asked first get it as a request to chat.
    """

    room: Id
    """Drawn by the client: the MLS group id."""
    kind: Kind
    entries: Annotated[tuple[NewEntry, ...], Meta(min_length=1, max_length=256)]
    """In the order in which they shall stand; the first is a handshake."""
    welcomes: Annotated[tuple[Welcome, ...], Meta(max_length=16)] = ()
    rows: Annotated[tuple[Row, ...], Meta(max_length=16)] = ()
    """Stored with the entries."""
    partner: Id | None = None
    """For a direct room: the other account."""


class GetRooms(Request, frozen=True, tag="get_rooms"):
    """List the rooms that this device is routed to, in pages."""

    since: Count = 0
    """`next` of the page before; 0 for the first."""


class Room(Struct, frozen=True):
    """A room as the server knows it."""

    room: Id
    kind: Kind
    state: MemberState
    head: Seq
    chain: Hash
    """The running hash of the log after the newest entry."""
    handshake: Hash
    """The name of the newest handshake."""
    passed: Seq
    """How far this device has said that it has stored the log."""
    history: History
    created_at: Millis
    created_by: Id | None
    """None when that account is gone."""


class Rooms(Reply, frozen=True, tag="rooms"):
    """A page of rooms."""

    incarnation: Count
    rooms: tuple[Room, ...]
    next: Count | None


class GetMembers(Request, frozen=True, tag="get_members"):
    """Ask who is routed in a room, in pages."""

    room: Id
    after: Id | None = None
    """The last account of the page before; None for the first."""
    limit: Annotated[int, Meta(ge=1, le=256)] = 256
    """How many accounts the page has at most."""


class RoomMember(Struct, frozen=True):
    """One account of a room, with its devices."""

    account: Id
    name: Name
    role: Role
    state: MemberState
    devices: tuple[Id, ...]
    passed: Seq
    """How far the furthest of its devices has passed."""
    bot: bool
    presence: Presence | Literal["offline"]
    """As others may see it."""
    seen_at: Millis | None
    """When it was there last; None when it is hidden."""


class Members(Reply, frozen=True, tag="members"):
    """A page of a room's accounts, in the order of their ids."""

    members: tuple[RoomMember, ...]
    more: bool


class PutRows(Request, frozen=True, tag="put_rows"):
    """Store sealed rows beside a room's log; any member who holds the keys may mend a bad one."""

    room: Id
    rows: Annotated[tuple[Row, ...], Meta(min_length=1, max_length=64)]


class GetRows(Request, frozen=True, tag="get_rows"):
    """Read sealed rows of a room, newest first, in pages."""

    room: Id
    kind: Literal["profile", "chain"]
    before: Count | None = None
    """`next` of the page before; None for the first."""


class RoomRows(Reply, frozen=True, tag="room_rows"):
    """A page of a room's rows."""

    rows: tuple[Row, ...]
    next: Count | None


class PutSlot(Request, frozen=True, tag="put_slot"):
    """Overwrite this account's slot in a room: its sealed read position."""

    room: Id
    body: Box


class Slot(Struct, frozen=True, array_like=True):
    """The sealed read position of one account."""

    account: Id
    """Whose."""
    body: Box


class GetSlots(Request, frozen=True, tag="get_slots"):
    """Read the slots of a room; in rooms of more than 32 accounts only one's own."""

    room: Id


class Slots(Reply, frozen=True, tag="slots"):
    """The slots of a room, or what changed in them."""

    slots: tuple[Slot, ...]


class SlotsChanged(Push, frozen=True, tag="slots_changed"):
    """Read positions of others moved; coalesced."""

    room: Id
    slots: tuple[Slot, ...]


class PutLink(Request, frozen=True, tag="put_link"):
    """Let who knows a secret read the room's public state and add one external commit."""

    room: Id
    link: Hash
    """SHA-256 of the secret, which the server does not see before somebody uses it."""
    expires_at: Millis | None = None
    uses: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    """How often it may be used; None for any number."""


class DropLink(Request, frozen=True, tag="drop_link"):
    """Withdraw a join link."""

    room: Id
    link: Hash


class OpenLink(Request, frozen=True, tag="open_link"):
    """Ask which room a link leads to."""

    link: Hash
    """SHA-256 of the secret."""


class OpenedLink(Reply, frozen=True, tag="opened_link"):
    """The room of a link.  `get_snapshot` and `read` take the link too."""

    room: Id
    kind: Kind
    made_by: Id
    """The account that made the link."""
    head: Seq


class PutCommons(Request, frozen=True, tag="put_commons"):
    """By the host: hand out this link key, so that everyone here can join the commons."""

    room: Id
    key: Annotated[bytes, Meta(min_length=32, max_length=256)]
    """The link key, with which everyone may join."""
    link: Hash
    """SHA-256 of the link's secret."""


class GetCommons(Request, frozen=True, tag="get_commons"):
    """Ask for the commons, if the host has made one."""


class Commons(Reply, frozen=True, tag="commons"):
    """The room that everyone on this server may join, its host included."""

    room: Id | None
    """None when there is no commons."""
    key: bytes | None = None
    """The link key; None when nobody can join by it now."""
    link: Hash | None = None
    """SHA-256 of the link's secret."""


class Letter(Struct, frozen=True, array_like=True):
    """Something in a device's inbox: a Welcome, or a sealed word between an account's devices."""

    number: Count
    """Counts up on the server, with gaps."""
    kind: Literal["welcome", "sealed"]
    """An MLS Welcome, or sealed bytes of another device."""
    room: Id
    """The room that it is about."""
    sender: Id
    """The device that sent it."""
    at: Millis
    body: bytes


class GetInbox(Request, frozen=True, tag="get_inbox"):
    """Read the letters of this device's inbox, oldest first."""

    since: Count = 0
    """The number of the last letter that was read; 0 for all."""


class Inbox(Reply, frozen=True, tag="inbox"):
    """A page of letters."""

    letters: tuple[Letter, ...]
    more: bool


class ClearInbox(Request, frozen=True, tag="clear_inbox"):
    """Say that the letters up to this one are stored here: the server drops them."""

    until: Count
    """The number of the last letter that is stored."""


class SendLetter(Request, frozen=True, tag="send_letter"):
    """Put sealed bytes into the inboxes of devices that share a room with this one."""

    room: Id
    devices: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=64)]
    """For whom."""
    body: Annotated[bytes, Meta(max_length=256 * 1024)]


class NewLetter(Push, frozen=True, tag="new_letter"):
    """Something is in this device's inbox."""

    number: Count
    """Of the newest letter."""


class RoomChanged(Push, frozen=True, tag="room_changed"):
    """This device was added to a room or is no longer routed there."""

    room: Id
    state: Literal["active", "gone"]
    """`gone` for a room that this device gets nothing of any more."""
