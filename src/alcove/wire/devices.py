"""Devices: the signed list that says which ones an account has, and their key packages.

The list is made by the account's identity key, which lives on no device.  The server checks its
form, its version, the hash of the one before and the signature; everyone who gets it checks again.
"""

from typing import Annotated

from msgspec import Meta, Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Hash, Id, Key, Millis, Name, Signature, SmallText

KeyPackage = Annotated[bytes, Meta(min_length=1, max_length=16 * 1024)]
"""An MLS key package."""
ListBytes = Annotated[bytes, Meta(max_length=64 * 1024)]
"""A `DeviceList` in msgpack."""
ArchiveKey = Annotated[bytes, Meta(min_length=1216, max_length=1216)]
"""The public key of an archive: 1,184 bytes of ML-KEM-768 and 32 of X25519."""
DEVICES_MAX = 64
"""Beyond every server's limit: what a list may hold at all."""


class SignedList(Struct, frozen=True):
    """A device list as its account signed it."""

    body: ListBytes
    """A `DeviceList` in msgpack: these bytes are what is signed and hashed."""
    signature: Signature
    """By the identity key over the transcript of "alcove device list 1" and the body."""
    old_signature: Signature | None = None
    """By the identity key before, when the list brings a new one."""


class SignedCertificate(Struct, frozen=True):
    """What a device shows to prove whose it is; also the credential of its leaves."""

    body: Annotated[bytes, Meta(max_length=1024)]
    """A `Certificate` in msgpack."""
    signature: Signature
    """By the identity key over the transcript of "alcove certificate 1" and the body."""


class Certificate(Struct, frozen=True):
    """One device of one account on one server."""

    identity: Key
    """The account's public identity key."""
    account: Id
    name: Name
    """The account's user name."""
    server: Key
    """The server's public key."""
    device: Key
    """The device's public key.  Its id is the first 16 bytes of this key's SHA-256."""
    browser: bool
    """Whether its code comes from the server."""
    version: Count
    """Of the list that it was made for."""


class DeviceList(Struct, frozen=True):
    """All devices of an account."""

    version: Count
    """1 for the first list, then one more each time."""
    before: Hash
    """SHA-256 of the body of the list before; zeros for the first."""
    account: Id
    name: Name
    server: Key
    """The server's public key."""
    identity: Key
    """The account's public identity key."""
    archive: ArchiveKey
    """The public key to which the account's devices seal the archive from now on."""
    certificates: Annotated[tuple[SignedCertificate, ...], Meta(max_length=DEVICES_MAX)]
    """One for each device, all made for this version."""


class PutList(Request, frozen=True, tag="put_list"):
    """Publish the next version of this account's device list."""

    list: SignedList


class GetLists(Request, frozen=True, tag="get_lists"):
    """Ask for the newest device lists of these accounts, or for all later ones of one account."""

    accounts: Annotated[tuple[Id, ...], Meta(max_length=256)]
    """Accounts that share a room with this one or ask to chat, or this one."""
    since: Count | None = None
    """The version of the newest list of it that is known: all after it are told, oldest first, and
    `accounts` names this one account.  None for the newest lists alone."""


class Lists(Reply, frozen=True, tag="lists"):
    """The lists that there are, in the order in which they were asked for, or of their versions.

    Told of this account, and of those that share a room with it or where one asked the other to
    chat.  Before that, `claim` brings the list along.
    """

    lists: tuple[SignedList, ...]
    next: Count | None = None
    """How many of the accounts were looked at when the page was full, or with `since` the version
    up to which it goes; None when this was all."""


class GetDevices(Request, frozen=True, tag="get_devices"):
    """Ask what the server knows of this account's devices."""


class Device(Struct, frozen=True):
    """One of my devices, as the server sees it."""

    device: Id
    added_at: Millis
    seen_at: Millis | None
    """When it was connected last; None when it never was."""
    client: SmallText
    """Its program's name and version, as its `hello` said."""
    packages: Count
    """How many single-use key packages of it are left."""


class Devices(Reply, frozen=True, tag="devices"):
    """All devices on the newest list."""

    devices: tuple[Device, ...]


class ListChanged(Push, frozen=True, tag="list_changed"):
    """An account that shares a room with this one, or this one, has a new device list."""

    account: Id
    version: Count
    """Of the new list; 0 when the account was deleted."""


class PutPackages(Request, frozen=True, tag="put_packages"):
    """Add key packages of this device, so that others can add it to rooms while it is away."""

    packages: Annotated[tuple[KeyPackage, ...], Meta(max_length=256)] = ()
    """Single-use ones, each handed out once."""
    last_resort: KeyPackage | None = None
    """Handed out, again and again, when the others are used up."""
    replace: bool = False
    """Whether the packages of before are thrown away."""


class PackagesLeft(Reply, frozen=True, tag="packages_left"):
    """How many single-use key packages of this device are left."""

    count: Count
    """How many are left."""


class Claim(Request, frozen=True, tag="claim"):
    """Take one key package of each device of an account."""

    account: Id
    """Whose devices."""
    devices: Annotated[tuple[Id, ...], Meta(max_length=DEVICES_MAX)] | None = None
    """Only of these; None for all."""


class ClaimedPackage(Struct, frozen=True):
    """A key package of one device."""

    device: Id
    package: KeyPackage
    """An MLS key package."""
    last_resort: bool
    """Whether it is the device's last resort, which others get too."""


class Claimed(Reply, frozen=True, tag="claimed"):
    """One package of each device that has any, and the list that says whose they are."""

    list: SignedList
    packages: tuple[ClaimedPackage, ...]
    """At most one for each device."""


class PackagesLow(Push, frozen=True, tag="packages_low"):
    """Few single-use key packages of this device are left: make new ones."""

    count: Count
    """How many single-use ones are left."""
    last_resort_used: bool
    """Whether the last resort was handed out."""
