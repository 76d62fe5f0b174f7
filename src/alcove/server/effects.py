"""What a request does to others: collected while it runs, carried out after the commit."""

from msgspec import Struct


class Log(Struct, frozen=True, gc=False):
    """A room's log grew: whoever follows it gets `message`, who lags behind a nudge."""

    room: bytes
    first: int
    last: int
    sender: bytes
    """The device that added it: it has its answer."""
    message: bytes
    """The push, encoded."""


class ToDevices(Struct, frozen=True):
    """A push for some devices, where they are connected."""

    devices: tuple[bytes, ...]
    message: bytes


class ToAccount(Struct, frozen=True):
    """A push for all connected devices of an account."""

    account: bytes
    message: bytes
    but: bytes = b""
    """The device that knows already."""


class ToRoom(Struct, frozen=True):
    """A push for all connected devices of a room, that is never stored."""

    room: bytes
    message: bytes
    but: bytes = b""


class ToMany(Struct, frozen=True):
    """A push for all connected devices of some rooms and accounts, once for each device."""

    rooms: tuple[bytes, ...]
    accounts: tuple[bytes, ...]
    message: bytes
    but: bytes = b""


class ToEveryone(Struct, frozen=True):
    """A push for all connected devices."""

    message: bytes


class Routed(Struct, frozen=True):
    """Devices are routed in a room from now on, or no longer."""

    room: bytes
    devices: tuple[bytes, ...]
    is_member: bool


class Following(Struct, frozen=True):
    """A connection has read a room's log up to here and wants what comes after."""

    room: bytes
    device: bytes
    seq: int


class Arrived(Struct, frozen=True):
    """A connection has signed in as a device that is routed in these rooms."""

    account: bytes
    device: bytes
    name: str
    is_host: bool
    shows_online: bool
    rooms: tuple[bytes, ...]
    is_bot: bool = False


class Ended(Struct, frozen=True):
    """Devices were revoked, or an account is gone: their connections end now."""

    devices: tuple[bytes, ...]
    why: str


class Moved(Struct, frozen=True):
    """A device has passed more of a log: others are told now and then."""

    room: bytes
    device: bytes
    seq: int


class Slotted(Struct, frozen=True):
    """An account's slot in a small room was overwritten: the others are told now and then."""

    room: bytes
    account: bytes
    body: bytes


class Present(Struct, frozen=True):
    """A device said how it is there."""

    account: bytes
    device: bytes
    presence: str


class BlobGone(Struct, frozen=True):
    """A blob's line is gone: its file may go."""

    blob: bytes


Effect = (
    Log
    | ToDevices
    | ToAccount
    | ToRoom
    | ToMany
    | ToEveryone
    | Routed
    | Following
    | Arrived
    | Ended
    | Moved
    | Slotted
    | Present
    | BlobGone
)
