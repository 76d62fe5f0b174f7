"""Proposals: the changes that a commit brings about (RFC 9420, section 12.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, NamedTuple

from alcove.mls.codec import Reader, opaque, u8, u16, u32, u64
from alcove.mls.errors import DecodeError, UsageError
from alcove.mls.extensions import (
    GREASE,
    Extensions,
    check_own_extensions,
    encode_extensions,
    read_extensions,
)
from alcove.mls.key_package import KeyPackage, read_key_package
from alcove.mls.leaf import LeafNode, read_leaf

ADD: Final = 1
UPDATE: Final = 2
REMOVE: Final = 3
PSK: Final = 4
REINIT: Final = 5
EXTERNAL_INIT: Final = 6
GROUP_CONTEXT_EXTENSIONS: Final = 7
_LAST_STANDARD: Final = 7

PATHLESS: Final = frozenset({ADD, PSK, REINIT})
"""A commit of only these may leave its path out; any other type brings new keys (section 12.4)."""

_EXTERNAL: Final = 1
_RESUMPTION: Final = 2

FOR_APPLICATION: Final = 1
FOR_REINIT: Final = 2
FOR_BRANCH: Final = 3


class ExternalPsk(NamedTuple):
    """A key that the application agreed on by other means, under a name of its choice."""

    name: bytes


class ResumptionPsk(NamedTuple):
    """A key that every member of an epoch of a group has."""

    usage: int
    group_id: bytes
    epoch: int


class PskId(NamedTuple):
    """Which pre-shared key, with the nonce that makes each use different."""

    key: ExternalPsk | ResumptionPsk
    nonce: bytes

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        if isinstance(self.key, ExternalPsk):
            return u8(_EXTERNAL) + opaque(self.key.name) + opaque(self.nonce)
        return (
            u8(_RESUMPTION)
            + u8(self.key.usage)
            + opaque(self.key.group_id)
            + u64(self.key.epoch)
            + opaque(self.nonce)
        )


def read_psk_id(reader: Reader) -> PskId:
    """Read a PreSharedKeyID."""
    kind = reader.u8()
    key: ExternalPsk | ResumptionPsk
    if kind == _EXTERNAL:
        key = ExternalPsk(reader.opaque())
    elif kind == _RESUMPTION:
        usage = reader.u8()
        if not FOR_APPLICATION <= usage <= FOR_BRANCH:
            raise DecodeError("psk-usage-known")
        key = ResumptionPsk(usage, reader.opaque(), reader.u64())
    else:
        raise DecodeError("psk-type-known")
    return PskId(key, reader.opaque())


@dataclass(frozen=True, slots=True)
class Add:
    """Add the device that published this key package."""

    key_package: KeyPackage
    type: ClassVar[int] = ADD

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(ADD) + self.key_package.raw


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the proposer's own leaf."""

    leaf: LeafNode
    type: ClassVar[int] = UPDATE

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(UPDATE) + self.leaf.raw


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the device at this leaf."""

    removed: int
    type: ClassVar[int] = REMOVE

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(REMOVE) + u32(self.removed)


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Mix a pre-shared key into the next epoch's secrets."""

    psk: PskId
    type: ClassVar[int] = PSK

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(PSK) + self.psk.encode()


@dataclass(frozen=True, slots=True)
class ReInit:
    """End this group; the same people go on in a new one with these parameters."""

    group_id: bytes
    version: int
    suite_id: int
    extensions: Extensions = ()
    type: ClassVar[int] = REINIT

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return (
            u16(REINIT)
            + opaque(self.group_id)
            + u16(self.version)
            + u16(self.suite_id)
            + encode_extensions(self.extensions)
        )


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """Carries the secret by which somebody outside commits its own way in."""

    kem_output: bytes
    type: ClassVar[int] = EXTERNAL_INIT

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(EXTERNAL_INIT) + opaque(self.kem_output)


@dataclass(frozen=True, slots=True)
class GroupContextExtensions:
    """Replace all extensions of the group's context."""

    extensions: Extensions
    type: ClassVar[int] = GROUP_CONTEXT_EXTENSIONS

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(GROUP_CONTEXT_EXTENSIONS) + encode_extensions(self.extensions)


@dataclass(frozen=True, slots=True)
class Custom:
    """A proposal of the application's own kind: any other type, with content the library skips.

    RFC 9420 gives a proposal no length, so an unknown one can only be read by agreement.  Ours, and
    that of the other libraries that were looked at, is one vector of bytes behind the type.
    """

    type: int
    data: bytes

    def encode(self) -> bytes:
        """Return the Proposal's bytes."""
        return u16(self.type) + opaque(self.data)


Proposal = (
    Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | GroupContextExtensions | Custom
)
"""Any proposal."""


def check_sendable(proposal: Proposal) -> None:
    """Section 13.5: values without meaning are for lists of capabilities, not for proposals."""
    if isinstance(proposal, Remove) and not 0 <= proposal.removed < 2**32:
        raise UsageError("no member has that leaf index")
    if isinstance(proposal, Custom) and not _LAST_STANDARD < proposal.type < 2**16:
        raise UsageError("this type of proposal is the RFC's: its readers expect what the RFC says")
    if isinstance(proposal, Custom) and proposal.type in GREASE:
        raise UsageError("a proposal needs a type with a meaning, and GREASE has none")
    if isinstance(proposal, GroupContextExtensions | ReInit):
        check_own_extensions(proposal.extensions)


def read_proposal(reader: Reader) -> Proposal:
    """Read a Proposal."""
    kind = reader.u16()
    match kind:
        case 1:
            return Add(read_key_package(reader))
        case 2:
            return Update(read_leaf(reader))
        case 3:
            return Remove(reader.u32())
        case 4:
            return PreSharedKey(read_psk_id(reader))
        case 5:
            return ReInit(reader.opaque(), reader.u16(), reader.u16(), read_extensions(reader))
        case 6:
            return ExternalInit(reader.opaque())
        case 7:
            return GroupContextExtensions(read_extensions(reader))
        case 0:
            raise DecodeError("proposal-type-reserved")
        case _:
            return Custom(kind, reader.opaque())
