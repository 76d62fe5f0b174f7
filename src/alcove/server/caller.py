"""Who asks: what a handler knows of the other end of a request."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from alcove.wire.errors import Code
from alcove.wire.greeting import VERSION

Door = Literal["socket", "http", "admin"]


class Caller(Struct, frozen=True):
    """One end of one connection."""

    address: str
    door: Door = "socket"
    account: bytes = b""
    """Empty before the device has signed in."""
    device: bytes = b""
    name: str = ""
    is_host: bool = False
    client: str = ""
    version: int = VERSION
    """Of the protocol: what the greeting said; without a greeting, over HTTP, the newest."""
    token: bytes = b""
    """The hash of the token that it came with, over HTTP."""


NOBODY = Caller(address="", door="admin")
"""Who acts when the server does something by itself."""

Notice = Callable[[Code, Caller, int, type | None], None]
"""Takes notice of a refusal: why, whose, when, and what kind of request it was, if it was one."""


def unnoticed(*_: object) -> None:
    """Take no notice: what is refused is refused, and nobody else is told."""
