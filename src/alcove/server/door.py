"""Who is let in, and how often: the same for a frame on the socket and a request over HTTP."""

import msgspec

from alcove.server.auth import ServerKeys
from alcove.server.caller import Caller
from alcove.server.handlers import TABLE
from alcove.server.handlers.access import Handler
from alcove.server.limits import Buckets
from alcove.server.settings import Rate, Settings, registration
from alcove.wire.base import Request
from alcove.wire.errors import SENTENCES, Code, Refusal, Refused
from alcove.wire.greeting import OLDEST_VERSION, VERSION, Greeting, Hello

BUCKETS_MAX = 200_000
"""How many devices, accounts and addresses are counted, for each kind of request."""


class _Rates(msgspec.Struct, frozen=True):
    """A limit for one device, for all devices of an account, and for one address."""

    device: Rate
    account: Rate
    address: Rate


class Door:
    """The conditions for every request: has it signed in, may it, and is it not too often?"""

    def __init__(
        self, settings: Settings, keys: ServerKeys, incarnation: int, software: str
    ) -> None:
        self.settings = settings
        self.server = keys.public
        self.incarnation = incarnation
        self.software = software
        self.refused = 0
        """How many requests were refused by limits since the start."""
        self._buckets = Buckets(BUCKETS_MAX)
        self._rates = {
            handler.rate: self._rates_of(getattr(settings, f"rate_{handler.rate}"))
            for handler in TABLE.values()
        }
        self._connects = settings.rate_connect

    def _rates_of(self, rate: Rate) -> _Rates:
        return _Rates(
            rate,
            _times(rate, self.settings.rate_account_factor),
            _times(rate, self.settings.rate_address_factor),
        )

    def connect(self, address: str, now: int) -> None:
        """Refuse a connection from an address that makes too many."""
        self._take("connect", address.encode(), self._connects, now)

    def admit(self, caller: Caller, request: Request, now: int) -> Handler:
        """Return who carries a request out, or refuse it."""
        handler = TABLE.get(type(request))
        if handler is None:
            raise Refused(Code.MALFORMED)
        if handler.access != "anyone":
            if not caller.device:
                raise Refused(Code.SIGN_IN_FIRST)
            if handler.access == "socket" and caller.door != "socket":
                raise Refused(Code.SOCKET_ONLY)
            if handler.access == "host" and not caller.is_host:
                raise Refused(Code.HOST_ONLY)
        kind = handler.rate
        rates = self._rates[kind]
        if caller.device:
            self._take(kind, caller.device, rates.device, now)
            self._take(kind, caller.account, rates.account, now)
            self._take(kind, caller.address.encode(), rates.address, now)
        else:
            self._take(kind, caller.address.encode(), rates.device, now)
        return handler

    def _take(self, kind: str, who: bytes, rate: Rate, now: int) -> None:
        wait = self._buckets.take((kind, who), rate, now)
        if wait:
            self.refused += 1
            raise Refused(Code.TOO_MANY, retry_after_ms=wait)

    def greet(self, hello: Hello, challenge: bytes, now: int) -> Greeting | Refusal:
        """Return the greeting for a client, or a refusal that names both sides' versions."""
        if hello.newest < OLDEST_VERSION or hello.oldest > VERSION or hello.oldest > hello.newest:
            why = (
                f"This server speaks versions {OLDEST_VERSION} to {VERSION} of the protocol, your app "
                f"{hello.oldest} to {hello.newest}; update the older one."
            )
            return Refusal(hello.id, Code.VERSION, why, ours=(OLDEST_VERSION, VERSION))
        settings = self.settings
        return Greeting(
            id=hello.id,
            version=min(VERSION, hello.newest),
            server=self.server,
            name=settings.name,
            software=self.software,
            challenge=challenge,
            incarnation=self.incarnation,
            now=now,
            registration=registration(settings),
            message_bytes_max=settings.message_bytes_max,
            handshake_bytes_max=settings.handshake_bytes_max,
            blob_bytes_max=settings.blob_bytes_max,
            batch_entries_max=settings.batch_entries_max,
        )


def _times(rate: Rate, factor: int) -> Rate:
    return Rate(rate.count * factor, rate.per_s, rate.burst * factor)


def sentence(code: Code) -> str:
    """Return what a refusal says to people."""
    return SENTENCES[code]
