"""Who sends a browser here: pages of other sites may look, but not act.

A browser says in `Origin` which page makes a request.  A page of ours is one at an address that
this server is known by.  A name in `Host` proves nothing: whoever owns a name may let it mean any
address, this machine's included; an address there proves that the browser was sent to it.
"""

import ipaddress
from typing import Final
from urllib.parse import SplitResult, urlsplit

from aiohttp import web

from alcove.server.settings import Settings

PORTS: Final = {"http": 80, "https": 443}


def is_foreign_origin(request: web.BaseRequest, settings: Settings) -> bool:
    """Return whether a page of another site makes this request; programs are no pages."""
    said = request.headers.getall("Origin", [])
    return any(not _is_own(one, request, settings) for one in said)


def is_own_host(request: web.BaseRequest, settings: Settings) -> bool:
    """Return whether this request was sent to an address, or to a name that is the server's."""
    host = _parts(f"http://{request.host}")
    name = (host.hostname or "") if host else ""
    return name in _names(settings) or _is_address(name)


def _is_own(origin: str, request: web.BaseRequest, settings: Settings) -> bool:
    said = _parts(origin)
    if said is None or said.scheme not in PORTS or not said.hostname:
        return False
    public = _parts(settings.public_url) if settings.public_url else None
    if public is not None and _place(said, said.scheme) == _place(public, public.scheme):
        return said.scheme == public.scheme
    host = _parts(f"http://{request.host}")
    if host is None or not is_own_host(request, settings):
        return False
    return _place(said, said.scheme) == _place(host, said.scheme)


def _names(settings: Settings) -> tuple[str, ...]:
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    return tuple(name.lower() for name in ("localhost", settings.host, public) if name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name.endswith(".localhost")
    return True


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _place(parts: SplitResult, scheme: str) -> tuple[str, int]:
    return parts.hostname or "", parts.port or PORTS[scheme]
