"""People with keys: identities, devices and what they sign, for tests of the server.

ada = Someone(house, "ada")           keys, a first device, login keys; nobody knows of her yet
ada.come()                            she registers, and the server has her
house.ask(ada.phone.caller, ...)      as from a signed-in socket
ada.next_list([ada.phone, laptop])    what she would publish next; any field can be made wrong

All keys come from the house's dice: a test that fails, fails again.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alcove.server.answers import Part
from alcove.server.caller import NOBODY, Caller
from alcove.server.tx import Tx, digest
from alcove.wire.accounts import Register, Registered, Reset, Sealed
from alcove.wire.codec import encode
from alcove.wire.devices import Certificate, DeviceList, PutList, SignedCertificate, SignedList
from alcove.wire.errors import Code, Refusal
from alcove.wire.greeting import VERSION, SignIn
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.signed import certificate_bytes, device_id, list_bytes, sign_in_bytes
from tests.server.house import House

ADDRESS = "203.0.113.7"
"""From where people call, unless a test says otherwise."""


class Key:
    """A key pair of Ed25519."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = self._private.public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)


@dataclass(eq=False)
class Gadget:
    """A device with its key, and how the server sees it once it has signed in."""

    key: Key
    caller: Caller
    is_browser: bool = False

    @property
    def id(self) -> bytes:
        return device_id(self.key.public)

    def from_http(self) -> Caller:
        caller = self.caller
        return Caller(
            caller.address, "http", caller.account, caller.device, caller.name, caller.is_host
        )


@dataclass(eq=False)
class Someone:
    """A person or a bot: everything that a client would hold."""

    house: House
    name: str
    gadgets: list[Gadget] = field(default_factory=list)
    """The devices on the newest list that was made."""
    version: int = 0
    newest: bytes = NOTHING_BEFORE
    """The hash of the newest list."""

    def __post_init__(self) -> None:
        self.account = self.house.random(16)
        self.identity = self.key()
        self.password = self.sealed()
        self.phrase = self.sealed()
        self.gadgets.append(self.gadget())

    @property
    def phone(self) -> Gadget:
        """The first device."""
        return self.gadgets[0]

    @property
    def nobody(self) -> Caller:
        """Whoever calls before signing in."""
        return Caller(ADDRESS)

    def key(self) -> Key:
        return Key(self.house.random(32))

    def sealed(self) -> Sealed:
        return Sealed(self.house.random(32), self.house.random(200))

    def packages(self, count: int) -> tuple[bytes, ...]:
        return tuple(self.house.random(100) for _ in range(count))

    def gadget(self, *, is_browser: bool = False) -> Gadget:
        """Return a new device that is on no list yet."""
        key = self.key()
        device = device_id(key.public)
        caller = Caller(ADDRESS, "socket", self.account, device, self.name, client="test 1")
        return Gadget(key, caller, is_browser)

    # ---- Lists ----

    def certificate(self, gadget: Gadget, version: int, /, **wrong: Any) -> SignedCertificate:
        signer = wrong.pop("signer", self.identity)
        fields: dict[str, Any] = {
            "identity": self.identity.public,
            "account": self.account,
            "name": self.name,
            "server": self.house.world.keys.public,
            "device": gadget.key.public,
            "browser": gadget.is_browser,
            "version": version,
        }
        body = wrong.pop("body", None) or encode(Certificate(**fields | wrong))
        return SignedCertificate(body, signer.sign(certificate_bytes(body)))

    def next_list(
        self,
        gadgets: Sequence[Gadget] | None = None,
        *,
        certificate: dict[str, Any] | None = None,
        signer: Key | None = None,
        old: Key | None = None,
        **wrong: Any,
    ) -> SignedList:
        """Return the list that comes next, with these devices; any part can be made wrong."""
        version = wrong.get("version", self.version + 1)
        fields: dict[str, Any] = {
            "version": version,
            "before": self.newest,
            "account": self.account,
            "name": self.name,
            "server": self.house.world.keys.public,
            "identity": self.identity.public,
            "archive": bytes(1216),
            "certificates": tuple(
                self.certificate(gadget, version, **(certificate or {}))
                for gadget in (self.gadgets if gadgets is None else gadgets)
            ),
        }
        body = encode(DeviceList(**fields | wrong))
        statement = list_bytes(body)
        signature = (signer or self.identity).sign(statement)
        return SignedList(body, signature, old.sign(statement) if old else None)

    def keep(self, signed: SignedList, gadgets: Sequence[Gadget] | None = None) -> None:
        """Take a list for published: the next one follows it."""
        self.version = msgspec.msgpack.decode(signed.body, type=DeviceList).version
        self.newest = digest(signed.body)
        if gadgets is not None:
            self.gadgets = list(gadgets)

    def publish(self, *gadgets: Gadget, by: Caller | None = None, **wrong: Any) -> Any:
        """Put a list with these devices, and take it for published if the server does."""
        signed = self.next_list(gadgets, **wrong)
        reply = self.house.ask(by or self.phone.caller, PutList(list=signed))
        if not isinstance(reply, Refusal):
            self.keep(signed, gadgets)
        return reply

    # ---- Coming and coming back ----

    def register(self, **fields: Any) -> Register:
        given: dict[str, Any] = {
            "name": self.name,
            "account": self.account,
            "list": self.next_list(),
            "password": self.password,
            "phrase": self.phrase,
        }
        return Register(**given | fields)

    def come(self, **fields: Any) -> "Someone":
        """Register with the server."""
        request = self.register(**fields)
        reply = self.house.ask(self.nobody, request)
        assert isinstance(reply, Registered), reply
        self.keep(request.list)
        if reply.host:
            for gadget in self.gadgets:
                gadget.caller = Caller(
                    ADDRESS, "socket", self.account, gadget.id, self.name, is_host=True
                )
        return self

    def reset(self, secret: str, **fields: Any) -> Reset:
        """Return the request with which somebody who has lost everything comes back."""
        self.identity = self.key()
        self.password, self.phrase = self.sealed(), self.sealed()
        self.gadgets = [self.gadget()]
        given: dict[str, Any] = {
            "secret": secret,
            "name": self.name,
            "list": self.next_list(),
            "password": self.password,
            "phrase": self.phrase,
        }
        return Reset(**given | fields)

    def sign_in(
        self, gadget: Gadget, challenge: bytes, /, *, version: int = VERSION, **fields: Any
    ) -> SignIn:
        """Return what a device says to sign in."""
        statement = sign_in_bytes(self.house.world.keys.public, challenge, gadget.id, version)
        given: dict[str, Any] = {
            "device": gadget.id,
            "signature": gadget.key.sign(statement),
            "nonce": self.house.random(32),
            "challenge": challenge,
        }
        return SignIn(**given | fields)


@contextmanager
def writing(house: House, caller: Caller = NOBODY) -> Iterator[Tx]:
    """Give a transaction that writes, as the admin's commands have one."""
    house.connection.begin()
    tx = Tx(house.connection, house.world, house.now)
    tx.begin_request(caller)
    yield tx
    house.told += [*tx.end_request(), *tx.finish()]
    house.connection.commit()


def code(reply: Any) -> Code | None:
    """Return why something was refused, or None when it was not."""
    return reply.code if isinstance(reply, Refusal) else None


def kinds(house: House, account: bytes | None = None) -> list[str]:
    """Return the kinds of the audit events about an account, or of all, in order."""
    where, values = ("WHERE account = ?", [account]) if account else ("", [])
    lines = house.tx().all(f"SELECT kind FROM event {where} ORDER BY number", *values)  # noqa: S608
    return [kind for (kind,) in lines]


def where(house: House, *words: bytes) -> list[tuple[str, str]]:
    """Return every table and column of the database in which one of these words stands."""
    found = []
    for column in house.connection.columns():
        sql = f"SELECT {column.name} FROM {column.table}"  # noqa: S608 - Our words.
        for value in lines(house, sql):
            text = value.encode() if isinstance(value, str) else value
            if isinstance(text, bytes) and any(word in text for word in words):
                found.append((column.table, column.name))
    return found


def lines(house: House, sql: str, *values: Any) -> list[Any]:
    """Return the lines of a query; of one column, its values alone."""
    found = house.tx().all(sql, *values)
    return [line[0] if len(line) == 1 else line for line in found]


def told_to(house: House, device: bytes) -> list[int]:
    """Return the numbers of the requests of a device whose answers are in the table."""
    parts = [
        part
        for (replies,) in house.tx().all("SELECT replies FROM answer ORDER BY number")
        for part in msgspec.msgpack.decode(replies, type=list[Part])
    ]
    return [given.id for part in parts if part.device == device for given in part.given]
