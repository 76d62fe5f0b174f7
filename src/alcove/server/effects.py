"""What a request does to others: collected while it runs, carried out after the commit."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Log:
    """A room's log grew: whoever follows it gets `message`, who lags behind a nudge."""

    room: bytes
    first: int
    last: int
    sender: bytes
    """The device that added it: it has its answer."""
    message: bytes
    """The push, encoded."""


@dataclass(frozen=True, slots=True)
class ToDevices:
    """A push for some devices, where they are connected."""

    devices: tuple[bytes, ...]
    message: bytes


@dataclass(frozen=True, slots=True)
class ToAccount:
    """A push for all connected devices of an account."""

    account: bytes
    message: bytes
    but: bytes = b""
    """The device that knows already."""


@dataclass(frozen=True, slots=True)
class ToRoom:
    """A push for all connected devices of a room, that is never stored."""

    room: bytes
    message: bytes
    but: bytes = b""


@dataclass(frozen=True, slots=True)
class Routed:
    """Devices are routed in a room from now on, or no longer."""

    room: bytes
    devices: tuple[bytes, ...]
    is_member: bool


@dataclass(frozen=True, slots=True)
class Following:
    """A connection has read a room's log up to here and wants what comes after."""

    room: bytes
    device: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class Arrived:
    """A connection has signed in as a device that is routed in these rooms."""

    account: bytes
    device: bytes
    name: str
    is_host: bool
    shows_online: bool
    rooms: tuple[bytes, ...] = field(repr=False)
    is_bot: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """Devices were revoked, or an account is gone: their connections end now."""

    devices: tuple[bytes, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Moved:
    """A device has passed more of a log: others are told now and then."""

    room: bytes
    device: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class Present:
    """A device said how it is there."""

    account: bytes
    device: bytes
    presence: str


@dataclass(frozen=True, slots=True)
class BlobGone:
    """A blob's line is gone: its file may go."""

    blob: bytes


Effect = (
    Log
    | ToDevices
    | ToAccount
    | ToRoom
    | Routed
    | Following
    | Arrived
    | Ended
    | Moved
    | Present
    | BlobGone
)
