"""Audit events: what an account may know of what was done with it, hash-chained and append-only."""

from msgspec import Struct

from alcove.wire.base import Push, Reply, Request
from alcove.wire.ids import Count, Id, Millis


class Event(Struct, frozen=True):
    """One line of the audit log.  Never a body, a name of a room or a key."""

    number: Count
    """Counts up over all events of the server; an account sees only its own."""
    at: Millis
    kind: str
    """See docs/protocol/audit.md."""
    account: Id | None
    """Whose event it is."""
    device: Id | None
    """Which device did it."""
    address: str
    """From where."""
    detail: dict[str, str | int]
    """Counts and names that explain the kind."""
    suspicious: bool
    """Whether a rule raised it."""
    chain: bytes
    """SHA-256 over the chain before and this line: docs/protocol/audit.md has the bytes."""


class GetEvents(Request, frozen=True, tag="get_events"):
    """Read this account's events, newest first; the host may read everyone's."""

    before: Count | None = None
    """`next` of the page before; None for the first."""
    everyone: bool = False
    """All accounts' events, for the host."""
    suspicious: bool = False
    """Only those that a rule raised."""


class Events(Reply, frozen=True, tag="events"):
    """A page of events."""

    events: tuple[Event, ...]
    next: Count | None


class NewEvent(Push, frozen=True, tag="new_event"):
    """Something happened to this account, on another device or by somebody else."""

    event: Event
    """As `get_events` would list it."""
