"""The directory: how people and public groups are found, and who is there."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Hash, Id, Millis, Name

Presence = Literal["online", "away", "invisible"]
"""How somebody is there."""
Alias = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9-]{2,39}\Z")]
"""A public name of a group."""
Description = Annotated[str, Meta(pattern=r"\A[^\x00]{0,500}\Z")]
"""What a group's owner says about it in public."""
LinkKey = Annotated[bytes, Meta(max_length=256)]
"""The key whose signature lets somebody join by a link."""


class Find(Request, frozen=True, tag="find"):
    """Find accounts by name: exactly, or by its beginning where they allow it."""

    name: Annotated[str, Meta(pattern=r"\A[^\x00]{1,30}\Z")]
    """A name, or how it begins."""
    beginning: bool = False
    """Whether longer names fit too."""


class Person(Struct, frozen=True):
    """An account as the directory shows it."""

    account: Id
    name: Name
    bot: bool
    presence: Presence | Literal["offline"]
    """As others may see it."""
    seen_at: Millis | None
    """None when it is hidden."""


class People(Reply, frozen=True, tag="people"):
    """Accounts, by name."""

    people: tuple[Person, ...]
    more: bool = False


class GetOnline(Request, frozen=True, tag="get_online"):
    """List who is online and does not hide it."""

    after: Annotated[str, Meta(pattern=r"\A[^\x00]{0,30}\Z")] = ""
    """The last name of the page before; empty for the first."""


class SetVisibility(Request, frozen=True, tag="set_visibility"):
    """Choose what others may see of this account; None leaves a choice as it is."""

    online: bool | None = None
    """Whether the online list shows it.  One switch hides."""
    seen: bool | None = None
    """Whether others may see when it was there last."""
    findable: Literal["exact", "beginning"] | None = None
    """By the exact name only, or by how it begins too."""


class SetPresence(Request, frozen=True, tag="set_presence"):
    """Say how this device is there.  It ends with the connection."""

    presence: Presence


class PresenceChanged(Push, frozen=True, tag="presence_changed"):
    """Who came, went, or is met now, of those who share a room with this account; coalesced."""

    people: tuple[tuple[Id, Presence | Literal["offline"]], ...]
    """Accounts, and how they are there now."""


class Signal(Request, frozen=True, tag="signal"):
    """Hand sealed bytes to who is online in a room.  Nothing is stored; there is no second try."""

    room: Id
    body: Annotated[bytes, Meta(max_length=1024)]
    """Sealed under a key of the epoch."""


class Signalled(Push, frozen=True, tag="signalled"):
    """A signal of another device, typing for example."""

    room: Id
    device: Id
    """Who sent it."""
    body: bytes
    """As it was sent."""


class PutAlias(Request, frozen=True, tag="put_alias"):
    """By an owner: let a group be found by this name, or no longer (None)."""

    room: Id
    alias: Alias | None
    description: Description = ""
    """What people read before they join."""
    key: LinkKey | None = None
    """The link key by which anyone may join, if anyone may."""
    link: Hash | None = None
    """SHA-256 of that link's secret."""


class FindRooms(Request, frozen=True, tag="find_rooms"):
    """Find public groups by the beginning of their alias."""

    alias: Annotated[str, Meta(pattern=r"\A[^\x00]{0,40}\Z")]
    """How the alias begins."""


class PublicRoom(Struct, frozen=True):
    """A group that its owner lets be found."""

    room: Id
    alias: str
    """Its public name."""
    description: str
    """What its owner says about it."""
    members: Count
    """How many accounts are in it."""
    key: LinkKey | None
    """The link key by which anyone may join; None when nobody can now."""
    link: Hash | None
    """SHA-256 of that link's secret."""


class PublicRooms(Reply, frozen=True, tag="public_rooms"):
    """Public groups, by alias."""

    rooms: tuple[PublicRoom, ...]
