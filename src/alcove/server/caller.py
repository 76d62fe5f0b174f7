"""Who asks: what a handler knows of the other end of a request."""

from typing import Literal

from msgspec import Struct

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


NOBODY = Caller(address="", door="admin")
"""Who acts when the server does something by itself."""
