"""What `alcove admin` asks of a server, and what it is answered.

Both travel as JSON, over a socket in the data folder; with `--json`, answers are shown as they are.
Times are milliseconds since 1970, ids are in hexadecimal digits.
"""

from typing import Annotated, Final, TypeAlias

from msgspec import Meta, Raw, Struct

from alcove.server.pages import Status
from alcove.server.settings import BYTES_MAX

EVENTS_MAX: Final = 10_000
"""Audit events that are shown at once; an export has them all."""

Typed = Annotated[str, Meta(max_length=1024)]
"""Something that the host typed."""


# ---- What may be asked ----


class Accounts(Struct, frozen=True, tag="accounts"):
    """List the accounts by name, in pages."""

    after: Typed = ""
    """`next` of the page before."""


class Disable(Struct, frozen=True, tag="disable"):
    """Let an account sign in no more, or again."""

    name: Typed
    disabled: bool = True


class Quota(Struct, frozen=True, tag="quota"):
    """Give an account its own amount of space for files; None: as everyone, 0: no limit."""

    name: Typed
    size_bytes: Annotated[int, Meta(ge=0, le=BYTES_MAX)] | None


class ResetLink(Struct, frozen=True, tag="reset"):
    """Make a link by which an account comes back without password and phrase."""

    name: Typed


class BotLink(Struct, frozen=True, tag="bot"):
    """Make a link by which one bot registers."""

    name: Typed


class InviteLink(Struct, frozen=True, tag="invite"):
    """Make a link by which people register."""

    uses: Annotated[int, Meta(ge=1, le=10_000)] = 1
    days: Annotated[int, Meta(ge=1, le=365)] = 7


class OwnerLink(Struct, frozen=True, tag="owner_link"):
    """Make the link by which somebody becomes the host; the one of before ends."""


class PageLink(Struct, frozen=True, tag="page"):
    """Make the link by which a browser comes to the admin page; the one of before ends."""


class Invites(Struct, frozen=True, tag="invites"):
    """List the links that were made."""


class Uninvite(Struct, frozen=True, tag="uninvite"):
    """Withdraw a link."""

    invite: Typed


class Policy(Struct, frozen=True, tag="policy"):
    """Show what may change while the server runs, or change one of it."""

    name: Typed | None = None
    value: Typed | None = None
    """`default` goes back to what the files say."""


class Limits(Struct, frozen=True, tag="limits"):
    """Show every limit."""


class Stats(Struct, frozen=True, tag="stats"):
    """Show figures."""


class Events(Struct, frozen=True, tag="events"):
    """Show the newest audit events."""

    most: Annotated[int, Meta(ge=1, le=EVENTS_MAX)] = 100
    suspicious: bool = False


class Export(Struct, frozen=True, tag="export"):
    """Read all audit events in pages, oldest first."""

    after: Annotated[int, Meta(ge=0)] = 0
    """The number of the last event of the page before."""
    suspicious: bool = False


class CheckLog(Struct, frozen=True, tag="check_log"):
    """Check that the audit log is one chain."""


class ClearLog(Struct, frozen=True, tag="clear_log"):
    """Drop all audit events, but for one that says so."""


class Tell(Struct, frozen=True, tag="tell"):
    """Tell everyone who is connected something."""

    text: Typed


class Backup(Struct, frozen=True, tag="backup"):
    """Write everything into one file."""

    file: Typed
    """Its path, from the root of the file system."""


Request: TypeAlias = (
    Accounts | Disable | Quota | ResetLink | BotLink | InviteLink | OwnerLink | PageLink | Invites
    | Uninvite | Policy | Limits | Stats | Events | Export | CheckLog | ClearLog | Tell | Backup
)  # fmt: skip


# ---- What is answered ----


class Account(Struct, frozen=True):
    """One account, as far as the server knows it."""

    name: str
    account: str
    """Its id, in hexadecimal digits."""
    created_at: int
    seen_at: int | None
    host: bool
    bot: bool
    disabled_at: int | None
    devices: int
    rooms: int
    files_bytes: int
    quota_bytes: int
    """How much its files may take; 0: no limit."""


class AccountPage(Struct, frozen=True):
    """A page of accounts."""

    accounts: tuple[Account, ...]
    next: str | None
    """Where the next page begins; None when this was the last."""


class Link(Struct, frozen=True):
    """A new link.  It is shown this once: its secret is stored as a hash."""

    kind: str
    invite: str
    """Its id, by which it can be withdrawn."""
    link: str
    uses: int
    expires_at: int


class Invite(Struct, frozen=True):
    """A link without its secret."""

    invite: str
    kind: str
    made_by: str
    """The account's name; empty when the server made it."""
    made_at: int
    expires_at: int
    uses: int
    used: int
    account: str = ""
    """Whom a reset link is for."""


class InviteList(Struct, frozen=True):
    """The newest links."""

    invites: tuple[Invite, ...]


class Done(Struct, frozen=True):
    """It was carried out; a sentence says what that means."""

    text: str


class Limit(Struct, frozen=True):
    """A setting, and what counts now."""

    name: str
    value: str
    """What counts, also where it follows from other settings."""
    default: str
    """Empty where it follows from other settings."""
    changeable: bool
    """Whether `alcove admin policy` changes it while the server runs."""
    changed: bool
    """Whether it did."""
    text: str
    source: str
    """Where the value was set: a file, the environment, `alcove admin policy`; or `default`."""


class LimitList(Struct, frozen=True):
    """Settings."""

    limits: tuple[Limit, ...]


class Totals(Struct, frozen=True):
    """What is in the database."""

    accounts: int
    bots: int
    disabled: int
    devices: int
    rooms: int
    entries: int
    """Lines of all rooms' logs."""
    files: int
    files_bytes: int
    open_invites: int
    events: int
    suspicious: int


class Report(Struct, frozen=True):
    """Figures: of the running server, if one runs, and of the database."""

    status: Status | None
    """None when no server runs."""
    address: str
    """Where people reach it."""
    totals: Totals


class LoggedEvent(Struct, frozen=True):
    """One event as it is exported.  Ids and hashes are in hexadecimal digits."""

    number: int
    at: int
    kind: str
    account: str
    name: str
    """The account's name today; empty when it is gone."""
    device: str
    address: str
    detail: dict[str, str | int]
    suspicious: bool
    chain: str


class EventPage(Struct, frozen=True):
    """Audit events, oldest first."""

    events: tuple[LoggedEvent, ...]


class Overview(Struct, frozen=True):
    """What the admin page shows: what `stats`, `accounts` and `audit` of `alcove admin` show."""

    report: Report
    accounts: AccountPage
    """The first page."""
    events: EventPage
    ends_at: int
    """When the session of this browser ends at the latest."""


class Checked(Struct, frozen=True):
    """What came of a check of the audit log."""

    whole: bool
    count: int
    """Events that were checked."""
    erased: int
    """Those of them whose account was deleted: their places stand, their words are gone."""
    problem: str
    """What is wrong; empty when nothing is."""


class Saved(Struct, frozen=True):
    """A backup that was made and read back."""

    file: str
    size_bytes: int
    tables: int
    lines: int
    files: int


class Answer(Struct, frozen=True):
    """What comes back over the socket: one of the two."""

    ok: Raw = Raw(b"null")
    """The answer to the request, whose kind decides its form."""
    error: str = ""
    """A sentence for the host; empty when it was carried out."""
