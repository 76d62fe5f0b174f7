"""What is asked of every request before any door: is there room, whose page, how often?"""

from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from alcove.server.blobs import OVERRIDE
from alcove.server.door import Door, network_of
from alcove.server.io.gate import Gate, Line
from alcove.server.io.http import HttpDoor, address_of
from alcove.server.io.origins import is_foreign_origin
from alcove.wire.errors import Code, Refused

SAFE: Final = ("GET", "HEAD", "OPTIONS")
BLOBS: Final = "/v1/blobs"
COUNTED_ELSEWHERE: Final = (f"{BLOBS}/", "/v1/socket")
"""What has a limit of its own; everything else that is read is a page."""
HEALTH: Final = "/health"
FULL_MS: Final = 1000


def guard(door: Door, gate: Gate, http: HttpDoor) -> Middleware:
    """Return what every request of the server's port passes through."""

    @web.middleware
    async def serve(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            _check(request, door, http)
        except Refused as refused:
            response = http.refuse(refused, request, None)
            if refused.code == Code.FULL:
                response.force_close()
            return response
        if not door.settings.behind_proxy:
            return await handler(request)
        place = network_of(address_of(request, is_behind_proxy=True))
        try:
            if not gate.take(place):
                return http.refuse(Refused(Code.FULL, retry_after_ms=FULL_MS), request, None)
            return await handler(request)
        finally:
            gate.give_back(place)

    return serve


def _check(request: web.Request, door: Door, http: HttpDoor) -> None:
    line = request.protocol
    if isinstance(line, Line) and line.is_surplus and request.path != HEALTH:
        raise Refused(Code.FULL, retry_after_ms=FULL_MS)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Refused(Code.MALFORMED, "Bodies are taken as they are, not packed.")
    is_overridden = OVERRIDE in request.headers and request.path.startswith(BLOBS)
    is_safe = request.method in SAFE and not is_overridden
    if (not is_safe or "Upgrade" in request.headers) and is_foreign_origin(request, door.settings):
        why = "Only pages of this server may do this, not those of another site."
        raise Refused(Code.NOT_ALLOWED, why)
    if is_safe and not request.path.startswith(COUNTED_ELSEWHERE):
        http.count_stranger("page", request, door.settings.rate_page)
