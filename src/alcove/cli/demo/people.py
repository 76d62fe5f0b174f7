"""People of the story: their keys, how they come to the server, and what they say to it.

A person here has one device.  What a real client has and this one has not: a store that survives it
(keys are in memory only), an outbox, a password (the keys that it would give are drawn instead).
"""

import os
import time
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiohttp import ClientSession

from alcove.cli.demo.files import Carrier
from alcove.cli.demo.line import Line
from alcove.cli.demo.room import SUITE, File, Room, Text, policy_of
from alcove.cli.demo.telling import must
from alcove.mls import (
    KeyPackageBundle,
    Lifetime,
    SigningKey,
    Welcome,
    basic,
    decode_message,
    new_key_package,
)
from alcove.mls import join_group as join
from alcove.server.auth import verify
from alcove.wire.accounts import Register, Registered, Sealed
from alcove.wire.base import Request
from alcove.wire.codec import encode
from alcove.wire.devices import Certificate, DeviceList, SignedCertificate, SignedList
from alcove.wire.entries import Append, Member, NewEntries, Read
from alcove.wire.greeting import VERSION, Greeting, Hello, SignedIn, SignIn
from alcove.wire.ids import NOTHING_BEFORE, Position
from alcove.wire.rooms import ClearInbox, GetInbox
from alcove.wire.signed import (
    certificate_bytes,
    device_id,
    list_bytes,
    proof_bytes,
    sign_in_bytes,
)

PACKAGES = 3
DAY_S = 24 * 60 * 60
LIFETIME_S = 90 * DAY_S


R = TypeVar("R", bound=Request)


class Link(NamedTuple):
    """What stands in a link by which people come."""

    secret: str
    server: bytes
    """The server's public key: whoever comes by the link pins it."""


def read_link(text: str) -> Link:
    """Take a link apart: https://server/i/ID#SECRET.kKEY."""
    secret, key = text.partition("#")[2].split(".")[:2]
    return Link(secret, bytes.fromhex(key.removeprefix("k")))


class Person:
    """Somebody with keys and one device."""

    line: Line
    carrier: Carrier
    room: Room
    incarnation: int

    def __init__(self, name: str, server: bytes, url: str, web: ClientSession) -> None:
        self.name, self.server, self.url, self._web = name, server, url, web
        self.account = os.urandom(16)
        self.identity = SUITE.new_signing_key(os.urandom(64))
        self.key = SUITE.new_signing_key(os.urandom(64))
        """The device's: it signs in, and signs in MLS."""
        self.box_key = os.urandom(SUITE.key_bytes)
        self.device = device_id(self.key.public)
        self.policy = policy_of(server)
        self.certificate = self._certify()
        self.bundles = [self.bundle() for _ in range(PACKAGES)]
        self.last_resort = self.bundle(last_resort=True)
        self.requests = 0
        """How many requests this device has numbered."""

    @property
    def member(self) -> Member:
        """How rooms know this device."""
        return Member(self.account, self.device)

    @property
    def secrets(self) -> list[bytes]:
        """The private keys that nobody else may have."""
        return [self.identity.private, self.key.private, self.box_key]

    # ---- What this person signs ----

    def _sign(self, key: SigningKey, message: bytes) -> bytes:
        return SUITE.crypto.sign(SUITE.signature, key, message)

    def _certify(self) -> SignedCertificate:
        """The identity says that the device is this person's."""
        body = encode(
            Certificate(
                identity=self.identity.public,
                account=self.account,
                name=self.name,
                server=self.server,
                device=self.key.public,
                browser=False,
                version=1,
            )
        )
        signature = self._sign(self.identity, certificate_bytes(body))
        return SignedCertificate(body, signature)

    def _list(self) -> SignedList:
        """The identity says which devices there are: this one."""
        body = encode(
            DeviceList(
                version=1,
                before=NOTHING_BEFORE,
                account=self.account,
                name=self.name,
                server=self.server,
                identity=self.identity.public,
                certificates=(self.certificate,),
            )
        )
        return SignedList(body, self._sign(self.identity, list_bytes(body)))

    def bundle(self, *, last_resort: bool = False) -> KeyPackageBundle:
        """Return a new key package with its private keys."""
        now = int(time.time())
        lifetime = Lifetime(now - DAY_S, now - DAY_S + LIFETIME_S)
        credential = basic(encode(self.certificate))
        return new_key_package(
            SUITE, credential, self.key, lifetime, os.urandom, last_resort=last_resort
        )

    # ---- Coming, and coming back ----

    def registration(self, secret: str) -> Register:
        """Return what makes the account, with the secret of a link."""
        box = SUITE.aead_seal(self.box_key, bytes(12), self.identity.private, b"")
        return Register(
            name=self.name,
            account=self.account,
            list=self._list(),
            password=Sealed(os.urandom(32)),
            phrase=Sealed(os.urandom(32), box),
            packages=tuple(bundle.message() for bundle in self.bundles),
            last_resort=self.last_resort.message(),
            invite=secret,
        )

    async def register(self, secret: str) -> Registered:
        """Connect for the first time, make the account, and sign in."""
        greeting = await self._connect()
        registered: Registered = await self.line.ask(self.registration(secret))
        await self._sign_in(greeting)
        return registered

    async def come_back(self) -> SignedIn:
        """Connect again with the same device."""
        return await self._sign_in(await self._connect())

    async def leave(self) -> None:
        """Hang up."""
        await self.line.close()

    async def _connect(self) -> Greeting:
        socket = await self._web.ws_connect(f"{self.url}/v1/socket", max_msg_size=0)
        self.line = Line(socket)
        hello = Hello(oldest=VERSION, newest=VERSION, client="alcove demo")
        greeting: Greeting = await self.line.ask(hello)
        must(greeting.server == self.server, "The server has another key than its link said.")
        return greeting

    async def _sign_in(self, greeting: Greeting) -> SignedIn:
        """Prove the device's key to the server, and have it prove its own."""
        nonce = os.urandom(32)
        facts = (greeting.challenge, self.device, greeting.version)
        signature = self._sign(self.key, sign_in_bytes(self.server, *facts))
        request = SignIn(device=self.device, signature=signature, nonce=nonce, token=True)
        signed_in: SignedIn = await self.line.ask(request)
        proof = proof_bytes(self.server, nonce, *facts)
        must(verify(self.server, proof, signed_in.proof), "The server cannot prove its key.")
        must(signed_in.counter <= self.requests, "The server has seen requests of nobody.")
        self.carrier = Carrier(self._web, self.url, signed_in.token or "")
        self.incarnation = signed_in.incarnation
        return signed_in

    # ---- Asking ----

    def numbered(self, request: R) -> R:
        """Return a request with this device's next number."""
        self.requests += 1
        return msgspec.structs.replace(request, id=self.requests)

    async def ask(self, request: Request) -> Any:
        """Return the answer to a request that gets the next number."""
        return await self.line.ask(self.numbered(request))

    # ---- In the room ----

    async def accept_welcome(self) -> None:
        """Find the Welcome in the inbox, join the group, and follow its room."""
        inbox = await self.ask(GetInbox())
        (letter,) = inbox.letters
        welcome = decode_message(letter.body)
        assert isinstance(welcome, Welcome)
        wanted = [secret.new_member for secret in welcome.secrets]
        bundle = next(one for one in self.bundles if one.package.reference(SUITE) in wanted)
        group = join(letter.body, bundle, self.policy)
        must(group.group_id == letter.room, "The Welcome is for another room.")
        self.bundles.remove(bundle)
        self.room = Room(self.device, group)
        await self.read()
        await self.ask(ClearInbox(until=letter.number))

    async def read(self) -> int:
        """Read the room's log from where this device is, and follow it; return how much came."""
        before = self.room.position
        since = Position(self.incarnation, before)
        page = await self.ask(Read(room=self.room.id, since=since, follow=True))
        for stored in page.entries:
            self.room.take(stored)
        must(self.room.position == page.head, "The server did not hand out the whole log.")
        return self.room.position - before

    async def until(self, place: int) -> None:
        """Wait until the server has pushed everything up to a place."""
        while self.room.position < place:
            push = await self.line.push()
            if isinstance(push, NewEntries):
                for stored in push.entries:
                    self.room.take(stored)

    async def say(self, content: Text | File) -> int:
        """Seal something, send it, and return its place once it is stored."""
        request = Append(room=self.room.id, entries=(self.room.seal(content, os.urandom(16)),))
        return await self.append(request)

    async def append(self, request: Append) -> int:
        """Append what was made before, and return its place once it is stored."""
        appended = await self.ask(request)
        self.room.place(request.entries, appended)
        return int(appended.first)
