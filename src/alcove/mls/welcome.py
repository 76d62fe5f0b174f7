"""The Welcome: what a newcomer needs, sealed for it (RFC 9420, section 12.4.3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from alcove.mls.codec import Reader, opaque, optional, u16, vector
from alcove.mls.commit import Sealed, read_sealed
from alcove.mls.leaf import MLS_1_0
from alcove.mls.proposals import PskId, read_psk_id
from alcove.mls.provider import without_secrets

_WIRE_WELCOME: Final = 3


class SealedSecrets(NamedTuple):
    """An EncryptedGroupSecrets: one newcomer's key package, and the secrets sealed to it."""

    new_member: bytes
    sealed: Sealed

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return opaque(self.new_member) + self.sealed.encode()


@dataclass(frozen=True, slots=True)
class Welcome:
    """Secrets for one or more newcomers and the GroupInfo that they open.  Untrusted."""

    suite_id: int
    secrets: tuple[SealedSecrets, ...]
    encrypted_group_info: bytes

    def message(self) -> bytes:
        """Return it as an MLSMessage."""
        return (
            u16(MLS_1_0)
            + u16(_WIRE_WELCOME)
            + u16(self.suite_id)
            + vector(entry.encode() for entry in self.secrets)
            + opaque(self.encrypted_group_info)
        )


def _read_sealed_secrets(reader: Reader) -> SealedSecrets:
    return SealedSecrets(reader.opaque(), read_sealed(reader))


def read_welcome(reader: Reader) -> Welcome:
    """Read a Welcome, behind its head."""
    return Welcome(reader.u16(), reader.vector(_read_sealed_secrets), reader.opaque())


class GroupSecrets(NamedTuple):
    """What is sealed to one newcomer."""

    joiner_secret: bytes
    path_secret: bytes | None
    psks: tuple[PskId, ...]

    def __repr__(self) -> str:
        return without_secrets(self)

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        path = None if self.path_secret is None else opaque(self.path_secret)
        return (
            opaque(self.joiner_secret) + optional(path) + vector(psk.encode() for psk in self.psks)
        )


def read_group_secrets(reader: Reader) -> GroupSecrets:
    """Read GroupSecrets."""
    return GroupSecrets(reader.opaque(), reader.optional(Reader.opaque), reader.vector(read_psk_id))
