"""Credentials: who a leaf says it belongs to (RFC 9420, section 5.3).

The library carries credentials; whether one is true only the application knows.  It says so through
`Policy.credential`, which is asked about every new leaf and every external sender.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from alcove.mls.codec import Reader, opaque, u16
from alcove.mls.errors import DecodeError

BASIC: Final = 1
X509: Final = 2

MAX_CERTIFICATES: Final = 16
"""How long a chain may be."""


class Credential(NamedTuple):
    """A credential's type and its content.  Every type known or to come is one vector of bytes."""

    type: int
    data: bytes

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return u16(self.type) + opaque(self.data)

    @classmethod
    def read(cls, reader: Reader) -> Credential:
        """Read one; the chain inside an X.509 credential must be well formed too."""
        kind = reader.u16()
        credential = cls(kind, reader.opaque())
        if kind == X509:
            certificates(credential)
        return credential


def basic(identity: bytes) -> Credential:
    """Return a basic credential: bytes that the application gives a meaning."""
    return Credential(BASIC, identity)


def x509(chain: Iterable[bytes]) -> Credential:
    """Return an X.509 credential from DER certificates, the leaf's own first."""
    return Credential(X509, b"".join(opaque(certificate) for certificate in chain))


def certificates(credential: Credential) -> tuple[bytes, ...]:
    """Return the DER certificates of an X.509 credential, the leaf's own first."""
    reader = Reader(credential.data)
    chain: list[bytes] = []
    while reader.at < reader.end:
        if len(chain) >= MAX_CERTIFICATES:
            raise DecodeError("codec-too-many")
        chain.append(reader.opaque())
    return tuple(chain)
