"""What the machine gives us: addresses and ports to listen on, open files, a fast loop."""

import asyncio
import errno
import socket
import sys
from collections.abc import Callable
from typing import Final

from msgspec import Struct

BACKLOG: Final = 2048
"""How many connections wait to be accepted when many come at once."""
SPARE_FILES: Final = 512
"""Open files beside the connections: the database, blobs, logs."""
ELSEWHERE: Final = ("192.0.2.1", 9)
"""An address that nobody has (RFC 5737).  Nothing is sent there."""


class CannotStart(Exception):
    """The server cannot start.  The text is one sentence for the host, with what to do."""


class Listener(Struct, frozen=True):
    """A port that is ours."""

    sockets: tuple[socket.socket, ...]
    """One for each address that the host's name stands for."""
    port: int


def listen_at(host: str, port: int) -> Listener:
    """Return sockets that listen, so that nobody else can take the port meanwhile."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror:
        raise CannotStart(
            f"The host {host} is no address and no name that this machine knows:"
            " set host to an address of this machine."
        ) from None
    sockets: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
        place = (address[0], port, *address[2:])
        try:
            made = _listen(family, place)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing = error  # A name may stand for an address that this machine has not got.
                continue
            for one in sockets:
                one.close()
            raise CannotStart(_why(error, host, port)) from None
        sockets.append(made)
        port = made.getsockname()[1]
    if not sockets:
        raise CannotStart(_why(missing, host, port))
    return Listener(tuple(sockets), port)


def _listen(family: int, place: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # There, it would let two programs have one port.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(place)
        made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    made.setblocking(False)  # noqa: FBT003 - The library's way.
    return made


def _why(error: OSError | None, host: str, port: int) -> str:
    number = error.errno if error else errno.EADDRNOTAVAIL
    if number == errno.EADDRINUSE:
        return (
            f"Address already in use: another program has port {port} on {host};"
            " stop it, or choose another port with --port."
        )
    if number in (errno.EACCES, errno.EPERM):
        return (
            f"Permission denied: port {port} needs a right that this user has not got;"
            " choose one above 1023, or put a proxy in front."
        )
    if number == errno.EADDRNOTAVAIL:
        return (
            f"The host {host} is not an address of this machine: set host to one that is"
            " (ip -brief address lists them, on macOS ifconfig)."
        )
    return f"Port {port} on {host} cannot be used: {error.strerror if error else 'unknown'}."


def own_address() -> str:
    """Return the address by which others on the network reach this machine, if there is one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return "127.0.0.1"
        return str(probe.getsockname()[0])


def raise_file_limit(connections: int) -> int | None:
    """Let this process have as many files open as it needs; return how many, where that is told."""
    try:
        import resource  # noqa: PLC0415 - Windows has no such limits.
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (ValueError, OSError):  # Some systems have a limit that they do not tell.
            soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if soft == resource.RLIM_INFINITY else soft


def loop_factory() -> tuple[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return the fastest loop that is installed, and its name."""
    try:
        import uvloop  # noqa: PLC0415 - It is optional.
    except ImportError:
        return "asyncio", asyncio.new_event_loop
    return "uvloop", uvloop.new_event_loop
