"""The Commit struct and the path of new keys inside it (RFC 9420, sections 7.6 and 12.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from alcove.mls.codec import Reader, opaque, optional, vector
from alcove.mls.errors import DecodeError
from alcove.mls.leaf import LeafNode, read_leaf
from alcove.mls.proposals import Proposal, read_proposal


class Sealed(NamedTuple):
    """An HPKECiphertext."""

    kem_output: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return opaque(self.kem_output) + opaque(self.ciphertext)


def read_sealed(reader: Reader) -> Sealed:
    """Read an HPKECiphertext."""
    return Sealed(reader.opaque(), reader.opaque())


class PathNode(NamedTuple):
    """A new public key on the path, and its secret for everyone on the other side."""

    encryption_key: bytes
    secrets: tuple[Sealed, ...]

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return opaque(self.encryption_key) + vector(sealed.encode() for sealed in self.secrets)


def _read_path_node(reader: Reader) -> PathNode:
    return PathNode(reader.opaque(), reader.vector(read_sealed))


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """The committer's new leaf and the new keys between it and the root."""

    leaf: LeafNode
    nodes: tuple[PathNode, ...]

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return self.leaf.raw + vector(node.encode() for node in self.nodes)


def read_path(reader: Reader) -> UpdatePath:
    """Read an UpdatePath."""
    return UpdatePath(read_leaf(reader), reader.vector(_read_path_node))


class Reference(NamedTuple):
    """A proposal that was sent before, named by its hash."""

    hash: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """Proposals, by value or by reference, and perhaps a path."""

    proposals: tuple[Proposal | Reference, ...]
    path: UpdatePath | None

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        items = vector(
            b"\x02" + opaque(item.hash) if isinstance(item, Reference) else b"\x01" + item.encode()
            for item in self.proposals
        )
        return items + optional(None if self.path is None else self.path.encode())


def _read_proposal_or_reference(reader: Reader) -> Proposal | Reference:
    kind = reader.u8()
    if kind == 1:
        return read_proposal(reader)
    if kind == 2:
        return Reference(reader.opaque())
    raise DecodeError("commit-proposal-or-reference")


def read_commit(reader: Reader) -> Commit:
    """Read a Commit."""
    return Commit(reader.vector(_read_proposal_or_reference), reader.optional(read_path))
