"""People with keys: what a client signs to register and to sign in, as docs/protocol has it."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from alcove.server.auth import verify
from alcove.wire.accounts import Register, Sealed
from alcove.wire.codec import encode
from alcove.wire.devices import Certificate, DeviceList, SignedCertificate, SignedList
from alcove.wire.entries import Member
from alcove.wire.greeting import Greeting, SignedIn, SignIn
from alcove.wire.ids import NOTHING_BEFORE
from alcove.wire.signed import (
    certificate_bytes,
    device_id,
    list_bytes,
    proof_bytes,
    sign_in_bytes,
)

BOX_BYTES = 200


class Person:
    """An account with an identity, a device and their keys."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.account = os.urandom(16)
        self._identity = Ed25519PrivateKey.generate()
        self._key = Ed25519PrivateKey.generate()
        self._public = self._key.public_key().public_bytes_raw()
        self.device = device_id(self._public)

    @property
    def member(self) -> Member:
        """The device, as routing names it."""
        return Member(self.account, self.device)

    def register(self, server: bytes) -> Register:
        """Return what makes the account, with a list of one certified device."""
        identity = self._identity.public_key().public_bytes_raw()
        certificate = encode(
            Certificate(
                identity=identity, account=self.account, name=self.name, server=server,
                device=self._public, browser=False, version=1,
            )
        )  # fmt: skip
        signed = SignedCertificate(certificate, self._identity.sign(certificate_bytes(certificate)))
        listed = encode(
            DeviceList(
                version=1, before=NOTHING_BEFORE, account=self.account, name=self.name,
                server=server, identity=identity, archive=bytes(1216), certificates=(signed,),
            )
        )  # fmt: skip
        signature = self._identity.sign(list_bytes(listed))
        return Register(
            name=self.name,
            account=self.account,
            list=SignedList(listed, signature),
            password=Sealed(os.urandom(32), os.urandom(BOX_BYTES)),
            phrase=Sealed(os.urandom(32), os.urandom(BOX_BYTES)),
        )

    def sign_in(self, greeting: Greeting, nonce: bytes, *, token: bool = False) -> SignIn:
        """Return the answer to a server's challenge."""
        facts = (greeting.challenge, self.device, greeting.version)
        statement = sign_in_bytes(greeting.server, *facts)
        return SignIn(
            device=self.device, signature=self._key.sign(statement), nonce=nonce, token=token
        )

    def believes(self, greeting: Greeting, nonce: bytes, signed_in: SignedIn) -> bool:
        """Return whether the server has proved its key."""
        facts = (greeting.challenge, self.device, greeting.version)
        statement = proof_bytes(greeting.server, nonce, *facts)
        return verify(greeting.server, statement, signed_in.proof)


def people(count: int, prefix: str = "p") -> list[Person]:
    """Return so many people, named by number."""
    return [Person(f"{prefix}{number:06}") for number in range(count)]
