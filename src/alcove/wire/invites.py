"""Invites: the links by which people come to a server.

https://server/i/ID#SECRET.kKEY.tCERTIFICATE

    ID            shown to the server when somebody looks at the link
    SECRET        shown to it only when somebody registers
    kKEY          the server's public key, in hex: whoever comes by the link pins it
    tCERTIFICATE  the SHA-256 of a self-signed certificate, in hex; otherwise left out

Apps add parts of their own behind these, the inviter's fingerprint above all: a server could lie
about that one.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from alcove.wire.base import Reply, Request
from alcove.wire.ids import Count, Id, Millis


class NewInvite(Request, frozen=True, tag="new_invite"):
    """Make a link by which people can register here."""

    uses: Annotated[int, Meta(ge=1, le=10_000)] = 1
    """How many people may register by it."""
    days: Annotated[int, Meta(ge=1, le=365)] = 7
    """How many days it works."""


class Invite(Struct, frozen=True):
    """An invite link without its secret."""

    invite: str
    """The link's id, which is not secret."""
    kind: Literal["invite", "owner", "bot", "reset", "page"]
    """For people, for the host, for a bot; for an account to come back, for the admin page."""
    made_by: Id | None
    """None when the server made it."""
    made_at: Millis
    expires_at: Millis
    """Until when it works."""
    uses: Count
    """How often it may be used."""
    used: Count
    """How often it was."""


class Invited(Reply, frozen=True, tag="invited"):
    """A new invite.  The link is shown to who asked for it: its secret is stored as a hash."""

    invite: Invite
    """The invite without its secret."""
    link: str
    """The whole link."""


class GetInvites(Request, frozen=True, tag="get_invites"):
    """List the invites that this account made; the host sees all."""


class Invites(Reply, frozen=True, tag="invites"):
    """Invites, newest first."""

    invites: tuple[Invite, ...]


class DropInvite(Request, frozen=True, tag="drop_invite"):
    """Withdraw an invite."""

    invite: Annotated[str, Meta(pattern=r"\A[a-z0-9]{1,64}\Z")]
    """The link's id."""
