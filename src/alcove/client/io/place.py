"""Where a server is, and whether a secret may be said there.

Apart from the line itself, because that loads aiohttp: a program that opens an account computes for
a moment, and loads it meanwhile.
"""

import asyncio
import ipaddress
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from alcove.client.errors import UsageError

if TYPE_CHECKING:
    from alcove.client.io.line import Line

SOCKET_PATH: Final = "/v1/socket"


class Place(NamedTuple):
    """Where a server is."""

    url: str
    """As it stands in front of `/i/` in an invite: `https://server`."""
    certificate: bytes | None = None
    """The SHA-256 of its certificate, where the server has made it itself; it is pinned."""
    may_be_plain: bool = False
    """Whether to speak without TLS to more than this machine and private networks."""


def checked(place: Place) -> str:
    """Return where a server's socket is, if it is somewhere to which a secret may be said."""
    try:
        parts = urlsplit(place.url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    if not host or parts.scheme not in ("http", "https"):
        raise UsageError(
            "This is not the address of a server; it looks like https://chat.example.org."
        )
    if parts.scheme == "http" and not (place.may_be_plain or is_near(host)):
        raise UsageError(
            f"The address of {host} begins with http://, so anyone on the way could read along and"
            " pose as the server; use https://."
        )
    return urlunsplit((parts.scheme, parts.netloc, SOCKET_PATH, "", ""))


def is_near(host: str) -> bool:
    """Whether a host is this machine, or an address in a private network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_private


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment asks for; never one for this machine."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_near(host):
        return None
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - Only far away.

    if proxy_bypass(host):
        return None
    return getproxies().get(parts.scheme)


async def reach(place: Place, woken: Callable[[], None]) -> "Line":
    """Return a connection that stands, or say why there is none.  Only now aiohttp is loaded."""
    line = await asyncio.to_thread(import_module, "alcove.client.io.line")
    reached: Line = await line.dial(place, woken)
    return reached
