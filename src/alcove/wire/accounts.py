"""Accounts: how one is made, opened, changed and deleted.

The server never sees a password or a phrase.  From each the client derives two keys: the login key,
which it shows, and the box key, which opens the box and never leaves the device.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.devices import KeyPackage, SignedList
from alcove.wire.ids import Box, Count, Hash, Id, Name, Secret

Login = Annotated[bytes, Meta(min_length=32, max_length=32)]
"""A key that the client derives from a password or phrase."""
TotpSecret = Annotated[bytes, Meta(min_length=20, max_length=64)]
"""The secret of an authenticator app (RFC 6238)."""
TotpCode = Annotated[str, Meta(pattern=r"\A[0-9]{6}\Z")]
"""Six digits of an authenticator app."""

Lock = Literal["password", "phrase"]
"""The two ways to open an account's box."""


class Sealed(Struct, frozen=True):
    """The box under one lock: the login key that asks for it, and the sealed bytes."""

    login: Login
    box: Box | None = None
    """None when the password is too weak to seal the box under it."""


class GetSalt(Request, frozen=True, tag="salt"):
    """Ask for the salt of a name, used or not: the answer does not tell which."""

    name: Name
    """Any name."""


class Salt(Reply, frozen=True, tag="salted"):
    """The server's 16 bytes for the derivation of keys from this name's password."""

    salt: Id
    """The same for a name at any time and in any case."""


class Register(Request, frozen=True, tag="register"):
    """Make an account with its first device.  Repeating it with the same account id is harmless."""

    name: Name
    """The name that people will see."""
    account: Id
    """Drawn by the client."""
    list: SignedList
    """Version 1, with this device's certificate alone."""
    password: Sealed
    """Under the password."""
    phrase: Sealed
    """Under the recovery phrase."""
    packages: tuple[KeyPackage, ...] = ()
    last_resort: KeyPackage | None = None
    invite: Secret | None = None
    """The secret of an invite, an owner link or a bot's enrolment."""
    server_password: Annotated[str, Meta(max_length=256)] | None = None
    """The server's own password, where `registration` is `password`."""


class Registered(Reply, frozen=True, tag="registered"):
    """The account exists.  Sign in with its device."""

    account: Id
    host: bool
    """Whether it was the owner link that was redeemed."""
    bot: bool
    invited_by: Id | None = None
    """The account whose invite it was."""


class OpenBox(Request, frozen=True, tag="open_box"):
    """Ask for the sealed box of an account, by a login key and, where one is set, a code."""

    name: Name
    lock: Lock
    login: Login
    code: TotpCode | None = None


class OpenedBox(Reply, frozen=True, tag="opened_box"):
    """The box, still sealed, and the account's newest device list."""

    account: Id
    name: Name
    box: Box | None
    """None when there is none under this lock."""
    version: Count
    """Of the box: `change_box` names it."""
    list: SignedList
    totp: bool
    """Whether the account asks for codes."""


class ChangeBox(Request, frozen=True, tag="change_box"):
    """Swap login keys and boxes, both at once or not at all; a new device list may come along."""

    version: Count
    """Of the box that was opened.  Refused as `changed` when it is not the newest."""
    login: Login
    """The login key of now, under `lock`: a signed-in device alone may not change the locks."""
    lock: Lock
    code: TotpCode | None = None
    password: Sealed | None = None
    """None leaves this lock as it is."""
    phrase: Sealed | None = None
    """None leaves this lock as it is."""
    list: SignedList | None = None
    """The next version of the account's device list."""


class ChangedBox(Reply, frozen=True, tag="changed_box"):
    """The locks were changed."""

    version: Count
    """Of the box, as it is now."""


class SetTotp(Request, frozen=True, tag="set_totp"):
    """Ask for a code of this secret whenever the box is opened; `code` shows that it works."""

    login: Login
    lock: Lock
    secret: TotpSecret | None
    """None ends it."""
    code: TotpCode
    """Of the new secret; to end it, of the old one."""


class OpenReset(Request, frozen=True, tag="open_reset"):
    """Ask for what a reset has to follow, by a link of the host.  The link is not used up."""

    secret: Secret
    """The link's, after its `#`."""
    name: Name
    """The name of the account that comes back."""


class OpenedReset(Reply, frozen=True, tag="opened_reset"):
    """The account that the link is for."""

    account: Id
    name: Name
    """As it is written."""
    list: SignedList
    """The newest one: the list of `reset` names its hash."""


class Reset(Request, frozen=True, tag="reset"):
    """Come back by a link of the host, with a new identity: everyone sees *changed: look*."""

    secret: Secret
    """The link's, after its `#`."""
    name: Name
    """The name of the account that comes back."""
    list: SignedList
    """Signed by the new identity; it follows the old list by version and hash."""
    password: Sealed
    """Under the new password."""
    phrase: Sealed
    """Under the new recovery phrase."""
    packages: tuple[KeyPackage, ...] = ()
    last_resort: KeyPackage | None = None


class DeleteAccount(Request, frozen=True, tag="delete_account"):
    """Delete this account and all that the server keeps for it."""

    lock: Lock
    login: Login
    code: TotpCode | None = None


class PutProfile(Request, frozen=True, tag="put_profile"):
    """Store the account's profile, sealed; None takes it away."""

    body: Box | None


class GetProfile(Request, frozen=True, tag="get_profile"):
    """Read the sealed profile of somebody who shares a room with this account."""

    account: Id


class Profile(Reply, frozen=True, tag="profile"):
    """A sealed profile, if there is one."""

    body: Box | None


class PutArchive(Request, frozen=True, tag="put_archive"):
    """Add rows to the account's archive.  A row of the same name is replaced."""

    rows: Annotated[tuple["ArchiveRow", ...], Meta(max_length=256)]


class ArchiveRow(Struct, frozen=True, array_like=True):
    """One sealed room key."""

    room: Id
    name: Hash
    """Of the handshake entry that the key belongs to."""
    body: Box


class GetArchive(Request, frozen=True, tag="get_archive"):
    """Read the archive in pages."""

    since: Count = 0
    """`next` of the page before; 0 for the first."""
    room: Id | None = None
    """Only rows of this room; None for all."""


class Archive(Reply, frozen=True, tag="archive"):
    """A page of the archive, oldest rows first."""

    rows: tuple[ArchiveRow, ...]
    next: Count | None
    """Where the next page begins; None when this was the last."""


class AccountChanged(Push, frozen=True, tag="account_changed"):
    """Another device of this account changed what all of them share: read it again."""

    kind: Literal["box", "profile"]
    """What was changed."""
