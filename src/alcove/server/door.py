"""Who is let in, and how often: the same for a frame on the socket and a request over HTTP."""

from functools import lru_cache

import msgspec

from alcove.server.auth import ServerKeys
from alcove.server.caller import Caller, Notice, unnoticed
from alcove.server.handlers import TABLE
from alcove.server.handlers.access import Handler
from alcove.server.limits import Buckets, network
from alcove.server.settings import Rate, Settings
from alcove.server.settings_together import registration
from alcove.wire.base import Request
from alcove.wire.errors import Code, Refusal, Refused
from alcove.wire.greeting import OLDEST_VERSION, VERSION, Greeting, Hello

BUCKETS_MAX = 200_000
"""How many devices, accounts and addresses are counted, for each kind of request."""

network_of = lru_cache(4096)(network)
"""Remembered, because it is asked for each request."""


class _Rates(msgspec.Struct, frozen=True):
    """A limit for one device, for all devices of an account, and for one address."""

    device: Rate
    account: Rate
    account_kind: str
    """Another name: who registers chooses an account's id, and could choose a device's."""
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
        self.is_stopping = False
        """Whether nothing new is begun any more."""
        self.opened = 0
        """How many connections there were: each has its number."""
        self.refused = 0
        """How many requests were refused by limits since the start."""
        self.outgoing_max = settings.outgoing_bytes_max
        """What may wait for one connection now; less while much waits for all of them."""
        self.notice: Notice = unnoticed
        """Told of what connections are refused; set by whoever writes down what matters."""
        self._buckets = Buckets(BUCKETS_MAX)
        self._rates = {
            kind: self._rates_of(kind, getattr(settings, f"rate_{kind}"))
            for kind in sorted({"blob", *(handler.rate for handler in TABLE.values())})
        }
        self._connects = settings.rate_connect

    def _rates_of(self, kind: str, rate: Rate) -> _Rates:
        return _Rates(
            rate,
            _times(rate, self.settings.rate_account_factor),
            f"{kind}, account",
            _times(rate, self.settings.rate_address_factor),
        )

    def connect(self, address: str, now: int) -> None:
        """Refuse a connection from an address that makes too many."""
        self._take("connect", network_of(address), self._connects, now)

    def admit(self, caller: Caller, request: Request, now: int) -> Handler:
        """Return who carries a request out, or refuse it."""
        handler = self.check(caller, type(request))
        cost = 1 if handler.cost is None else handler.cost(request)
        self.count(handler.rate, caller, now, cost)
        return handler

    def check(self, caller: Caller, kind: type) -> Handler:
        """Return who carries requests of a kind out, or refuse who may not make one."""
        handler = TABLE.get(kind)
        if handler is None:
            raise Refused(Code.MALFORMED)
        if self.is_stopping:
            raise Refused(Code.STOPPING)
        if handler.access != "anyone":
            if not caller.device:
                raise Refused(Code.SIGN_IN_FIRST)
            if handler.access == "socket" and caller.door != "socket":
                raise Refused(Code.SOCKET_ONLY)
            if handler.access == "host" and not caller.is_host:
                raise Refused(Code.HOST_ONLY)
        return handler

    def count(self, kind: str, caller: Caller, now: int, cost: int = 1) -> None:
        """Refuse what this device, its account or its address does too often."""
        rates = self._rates[kind]
        if caller.device:
            self._take(kind, caller.device, rates.device, now, cost)
            self._take(rates.account_kind, caller.account, rates.account, now, cost)
            self._take(kind, network_of(caller.address), rates.address, now, cost)
        else:
            # A bucket has one rate: those of nobody in particular have names of their own.
            self._take(f"{kind}, unsigned", network_of(caller.address), rates.device, now, cost)

    def _take(self, kind: str, who: bytes | str, rate: Rate, now: int, cost: int = 1) -> None:
        wait = self._buckets.take((kind, who), rate, now, cost)
        if wait:
            self.refused += 1
            raise Refused(Code.TOO_MANY, retry_after_ms=wait)

    def greet(self, hello: Hello, challenge: bytes, now: int) -> Greeting | Refusal:
        """Return the greeting for a client, or a refusal that names both sides' versions."""
        if hello.newest < OLDEST_VERSION or hello.oldest > VERSION or hello.oldest > hello.newest:
            return other_version(hello.oldest, hello.newest).reply(hello.id)
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


def other_version(oldest: int, newest: int) -> Refused:
    """Return the refusal of who speaks these versions and none of ours: it names both."""
    why = (
        f"This server speaks versions {OLDEST_VERSION} to {VERSION} of the protocol, your"
        f" app {oldest} to {newest}; update the older one."
    )
    return Refused(Code.VERSION, why, ours=(OLDEST_VERSION, VERSION))


def _times(rate: Rate, factor: int) -> Rate:
    return Rate(rate.count * factor, rate.per_s, rate.burst * factor)
