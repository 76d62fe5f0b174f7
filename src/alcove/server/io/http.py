"""The HTTP door: the same requests as on the socket, one at a time, as JSON.

curl -H 'Authorization: Bearer …' -d '{"name": "ada"}' https://server/v1/find
"""

import contextlib
import ipaddress
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from alcove.server.batch import Job
from alcove.server.caller import Caller
from alcove.server.door import Door
from alcove.server.handlers import TABLE
from alcove.server.handlers.signing_in import Bearer, caller_of_token, touch_token
from alcove.server.io.works import Works, now_ms
from alcove.server.openapi import CONFLICT, STATUSES, describe, tag_of, verbs
from alcove.server.tx import Tx
from alcove.wire.codec import ENVELOPE_BYTES, LARGE, decode_answer
from alcove.wire.errors import Code, Refusal, Refused

BASE64_NUMERATOR, BASE64_DENOMINATOR = 4, 3
TOKEN_CHARACTERS_MAX = 200

_encode = msgspec.json.Encoder().encode


def address_of(request: web.Request, *, is_behind_proxy: bool) -> str:
    """Return where a request comes from; behind a proxy, what the proxy says last."""
    address = request.remote or ""
    if is_behind_proxy:
        said = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        with contextlib.suppress(ValueError):
            address = str(ipaddress.ip_address(said))
    return address


def refusal_response(refused: Refused, request_id: int = 0) -> web.Response:
    """Return a refusal as HTTP says it."""
    return _response(refused.reply(request_id))


def _response(reply: Any) -> web.Response:
    body = _encode(reply)
    status, headers = 200, {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    if isinstance(reply, Refusal):
        status = STATUSES.get(reply.code, CONFLICT)
        if reply.retry_after_ms is not None:
            headers["Retry-After"] = str(-(-reply.retry_after_ms // 1000))
        if status == web.HTTPUnauthorized.status_code:
            headers["WWW-Authenticate"] = "Bearer"
    return web.Response(body=body, status=status, content_type="application/json", headers=headers)


class HttpDoor:
    """Everything under `/v1/` that is not the socket and not a blob."""

    def __init__(self, works: Works, door: Door, software: str) -> None:
        self._works = works
        self._door = door
        self._decoders: dict[str, Callable[[bytes], Any]] = {
            tag: msgspec.json.Decoder(kind).decode for tag, kind in verbs().items()
        }
        self._socket_only = {
            tag_of(kind) for kind, handler in TABLE.items() if handler.access == "socket"
        }
        self._large = {tag_of(kind) for kind in LARGE}
        self._description = describe(software)

    def add_to(self, app: web.Application) -> None:
        """Add the routes of this door."""
        app.router.add_get("/v1/openapi.json", self.description)
        app.router.add_post("/v1/{verb:[a-z_]+}", self.serve)

    async def description(self, _: web.Request) -> web.Response:
        """Answer with the OpenAPI document."""
        return web.Response(body=self._description, content_type="application/json")

    async def serve(self, request: web.Request) -> web.Response:
        """Carry out one request."""
        request_id = 0
        try:
            verb = request.match_info["verb"]
            decode = self._decoders.get(verb)
            if verb in self._socket_only:
                raise Refused(Code.SOCKET_ONLY)
            if decode is None:
                raise Refused(Code.UNKNOWN, "There is no such request; see /v1/openapi.json.")
            body = await self._body(request, is_large=verb in self._large)
            try:
                asked = decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Refused(Code.MALFORMED) from error
            request_id = asked.id
            caller = await self.caller(request)
            self._door.admit(caller, asked, now_ms())
            reply = decode_answer(await self._works.ask(Job(caller, asked)))
        except Refused as refused:
            return refusal_response(refused, request_id)
        return _response(reply)

    async def _body(self, request: web.Request, *, is_large: bool) -> bytes:
        """Read a body, never more of it than such a request may have."""
        settings = self._door.settings
        most = settings.handshake_bytes_max if is_large else settings.message_bytes_max
        most = (most + ENVELOPE_BYTES) * BASE64_NUMERATOR // BASE64_DENOMINATOR + ENVELOPE_BYTES
        if (request.content_length or 0) > most:
            raise Refused(Code.TOO_LARGE)
        parts: list[bytes] = []
        async for part in request.content.iter_any():
            parts.append(part)
            most -= len(part)
            if most < 0:
                raise Refused(Code.TOO_LARGE)
        return b"".join(parts)

    async def caller(self, request: web.Request) -> Caller:
        """Return who asks, by the bearer token; nobody when there is none."""
        address = address_of(request, is_behind_proxy=self._door.settings.behind_proxy)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return Caller(address, "http")
        if scheme.lower() != "bearer" or not 0 < len(token) <= TOKEN_CHARACTERS_MAX:
            raise Refused(Code.SIGN_IN_FIRST)
        now = now_ms()

        def look(tx: Tx) -> Bearer | None:
            return caller_of_token(tx, token, address, now)

        bearer = await self._works.look(look)
        if bearer is None:
            raise Refused(Code.SIGN_IN_FIRST)
        if bearer.is_due:
            await self._works.do(lambda tx: touch_token(tx, bearer.hash, now), bearer.caller)
        return bearer.caller
