"""The HTTP door: the same requests as on the socket, one at a time, as JSON.

curl -H 'Authorization: Bearer …' -d '{"name": "ada"}' https://server/v1/find
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from alcove.server.batch import Job
from alcove.server.caller import Caller
from alcove.server.door import Door, network_of
from alcove.server.handlers import TABLE
from alcove.server.handlers.access import Handler
from alcove.server.handlers.signing_in import Bearer, caller_of_token, touch_token
from alcove.server.io.gate import line_of
from alcove.server.io.works import Works, now_ms
from alcove.server.limits import Buckets
from alcove.server.openapi import CONFLICT, LATE, STATUSES, describe, tag_of, verbs
from alcove.server.settings import Rate
from alcove.server.store.database import StorageError
from alcove.server.tx import Tx
from alcove.wire.codec import ENVELOPE_BYTES, LARGE, MALFORMED, decode_answer
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.malformed import malformed

BASE64_NUMERATOR, BASE64_DENOMINATOR = 4, 3
TOKEN_CHARACTERS_MAX = 200
"""A bearer token that is looked up at all."""
SMALL_BYTES: Final = 16 * 1024
"""A body that says it is no larger is not counted: there is at most one for each connection."""
ADDRESS_SHARE: Final = 4
"""One address may hold this part of the bodies of its kind: of members, or of strangers."""
STRANGERS_SHARE: Final = 4
"""Who has not signed in may hold this part of all bodies: the rest is for members."""
BROKEN: Final = "The body of the request broke off."
BUSY_MS: Final = 1000
STRANGERS_MAX: Final = 100_000
"""How many addresses are counted that have not signed in."""

T = TypeVar("T")

_encode = msgspec.json.Encoder().encode


def address_of(request: web.Request, *, is_behind_proxy: bool) -> str:
    """Return where a request comes from; behind a proxy, what the proxy says last."""
    address = request.remote or ""
    if is_behind_proxy:
        lines = request.headers.getall("X-Forwarded-For", [])  # A proxy may add one of its own.
        said = ",".join(lines).rpartition(",")[2].strip()
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
        self._bodies = Bodies(lambda: door.settings.bodies_bytes_max)
        self._strangers = Buckets(STRANGERS_MAX)
        self._kinds = verbs()
        self._decoders: dict[str, Callable[[bytes], Any]] = {
            tag: msgspec.json.Decoder(kind).decode for tag, kind in self._kinds.items()
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
        """Carry out one request: who asks, and whether they may, is asked before the body."""
        caller: Caller | None = None
        request_id = 0
        try:
            verb = request.match_info["verb"]
            if verb in self._socket_only:
                raise Refused(Code.SOCKET_ONLY)
            if verb not in self._kinds:
                raise Refused(Code.UNKNOWN, "There is no such request; see /v1/openapi.json.")
            caller = await self.caller(request)
            handler = self._door.check(caller, self._kinds[verb])
            self._door.count(handler.rate, caller, now_ms())
            most = self._most(caller, is_large=verb in self._large)
            is_stranger = not caller.device
            size = _size_of(request, most)
            with self._bodies.held(caller.address, size, is_stranger=is_stranger):
                body = await self._body(request, most)
                self._works.hub.receive(caller.account, len(body))
                asked = self._decode(verb, body)
                request_id = asked.id
                self._count_rest(handler, caller, asked)
                reply = decode_answer(await self._works.ask(Job(caller, asked)))
        except ConnectionError:
            return refusal_response(Refused(Code.MALFORMED, BROKEN))
        except TimeoutError:
            late = Refused(Code.MALFORMED, "The body of the request did not come in time.")
            response = refusal_response(late)
            response.set_status(LATE)
            return response
        except Refused as refused:
            return self.refuse(refused, request, caller, request_id)
        return _response(reply)

    def refuse(
        self, refused: Refused, request: web.Request, caller: Caller | None, request_id: int = 0
    ) -> web.Response:
        """Return a refusal as HTTP says it, and let it be noticed."""
        kind = self._kinds.get(request.match_info.get("verb", ""))
        self._door.notice(refused.code, caller or self.stranger(request), now_ms(), kind)
        return refusal_response(refused, request_id)

    def count(self, kind: str, caller: Caller) -> None:
        """Refuse what a device, its account or its address does too often, and note that."""
        now = now_ms()
        try:
            self._door.count(kind, caller, now)
        except Refused as refused:
            self._door.notice(refused.code, caller, now, None)
            raise

    def count_stranger(self, kind: str, request: web.Request, rate: Rate) -> None:
        """Refuse what an address does too often without having signed in."""
        who = network_of(self.stranger(request).address)
        wait = self._strangers.take((kind, who), rate, now_ms())
        if wait:
            self._door.refused += 1
            raise Refused(Code.TOO_MANY, retry_after_ms=wait)

    async def look(self, function: Callable[[Tx], T]) -> T:
        """Return what a function finds, or refuse when the database does not answer."""
        try:
            return await self._works.look(function)
        except StorageError as error:
            raise Refused(Code.STORAGE) from error

    async def caller(self, request: web.Request) -> Caller:
        """Return who asks, by the bearer token; nobody when there is none."""
        nobody = self.stranger(request)
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return nobody
        if (
            scheme.lower() != "bearer"
            or not 0 < len(token) <= TOKEN_CHARACTERS_MAX
            or not token.isascii()
        ):
            raise Refused(Code.SIGN_IN_FIRST)
        now = now_ms()

        def look(tx: Tx) -> Bearer | None:
            return caller_of_token(tx, token, nobody.address, now)

        bearer = await self.look(look)
        if bearer is None:
            self.count_stranger("token", request, self._door.settings.rate_sign_in)
            raise Refused(Code.SIGN_IN_FIRST)
        if bearer.is_due:
            with contextlib.suppress(Refused):  # On a full disk what is there can still be read.
                await self._works.do(lambda tx: touch_token(tx, bearer, now), bearer.caller)
        line = line_of(request)
        if line is not None:
            line.trust()
        return bearer.caller

    def stranger(self, request: web.Request) -> Caller:
        """Return who asks, as somebody who has not signed in."""
        is_behind_proxy = self._door.settings.behind_proxy
        return Caller(address_of(request, is_behind_proxy=is_behind_proxy), "http")

    def _most(self, caller: Caller, *, is_large: bool) -> int:
        """Return how large the body of a request may be."""
        settings = self._door.settings
        most = settings.handshake_bytes_max if is_large else settings.message_bytes_max
        if not caller.device:
            most = min(most, settings.unsigned_bytes_max)
        return (most + ENVELOPE_BYTES) * BASE64_NUMERATOR // BASE64_DENOMINATOR + ENVELOPE_BYTES

    async def _body(self, request: web.Request, most: int) -> bytes:
        """Read a body, never more of it than such a request may have."""
        parts: list[bytes] = []
        async with asyncio.timeout(self._door.settings.body_timeout_s):
            async for part in request.content.iter_any():
                parts.append(part)
                most -= len(part)
                if most < 0:
                    raise Refused(Code.TOO_LARGE)
        return b"".join(parts)

    def _decode(self, verb: str, body: bytes) -> Any:
        try:
            return self._decoders[verb](body)
        except MALFORMED as error:
            raise malformed(error) from error

    def _count_rest(self, handler: Handler, caller: Caller, asked: Any) -> None:
        """Count what a request costs beyond the one that was counted before its body came."""
        rest = 0 if handler.cost is None else handler.cost(asked) - 1
        if rest > 0:
            self._door.count(handler.rate, caller, now_ms(), rest)


def _size_of(request: web.Request, most: int) -> int:
    """Return how much of a body there can be, or refuse one that says it is too large."""
    said = request.content_length
    if said is not None and said > most:
        raise Refused(Code.TOO_LARGE)
    return most if said is None else said


class Bodies:
    """How many bytes of bodies are held at one time: in all, of strangers, and of each address."""

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._held: dict[tuple[str, bool], int] = {}
        self._all = 0
        self._strangers = 0

    @contextmanager
    def held(self, address: str, size: int, *, is_stranger: bool) -> Iterator[None]:
        """Hold a body, or refuse to: one always fits, however large bodies may be."""
        if size <= SMALL_BYTES:
            yield
            return
        who, most = (network_of(address), is_stranger), self._most()
        mine, part = self._held.get(who, 0), self._strangers if is_stranger else self._all
        most //= STRANGERS_SHARE if is_stranger else 1
        if (mine and mine + size > most // ADDRESS_SHARE) or (part and part + size > most):
            why = "The server reads as many large requests as it may; try again in a moment."
            raise Refused(Code.BUSY, why, retry_after_ms=BUSY_MS)
        self._held[who] = mine + size
        self._all += size
        self._strangers += size if is_stranger else 0
        try:
            yield
        finally:
            self._all -= size
            self._strangers -= size if is_stranger else 0
            self._held[who] -= size
            if not self._held[who]:
                del self._held[who]
