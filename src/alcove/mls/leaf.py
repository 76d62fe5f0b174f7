"""Leaf nodes: one device as the group sees it (RFC 9420, sections 7.2 and 7.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from alcove.mls.codec import Reader, opaque, u8, u16, u32, u64, vector
from alcove.mls.credentials import X509, Credential, certificates
from alcove.mls.errors import CryptoError, DecodeError, RuleBroken, UsageError
from alcove.mls.extensions import (
    DEFAULT_EXTENSIONS,
    GREASE,
    Extensions,
    encode_extensions,
    read_extensions,
)
from alcove.mls.provider import SigningKey
from alcove.mls.suites import Suite

MLS_1_0: Final = 1

MAX_LEAF_EXTENSIONS: Final = 64
MAX_LEAF_BYTES: Final = 1 << 16
"""What one device may add to a tree that every newcomer has to read."""

FROM_KEY_PACKAGE: Final = 1
FROM_UPDATE: Final = 2
FROM_COMMIT: Final = 3


class Lifetime(NamedTuple):
    """When a key package may be used, in seconds since 1970.  Checked by who adds, by its clock."""

    not_before: int
    not_after: int


class Capabilities(NamedTuple):
    """What a device supports beyond what everyone does."""

    versions: tuple[int, ...] = (MLS_1_0,)
    suites: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return b"".join(vector(map(u16, values)) for values in self)


def _read_capabilities(reader: Reader) -> Capabilities:
    return Capabilities(
        reader.numbers("H"),
        reader.numbers("H"),
        reader.numbers("H"),
        reader.numbers("H"),
        reader.numbers("H"),
    )


@dataclass(frozen=True, slots=True)
class LeafNode:
    """A leaf as it came or as we signed it.  `raw` is all of it: equal leaves are equal bytes."""

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: int
    lifetime: Lifetime | None
    """Only in leaves from key packages."""
    parent_hash: bytes
    """Only in leaves from commits; empty otherwise."""
    extensions: Extensions
    signature: bytes
    raw: bytes
    signed_bytes: int
    """How much of `raw` stands in front of the signature."""

    def check_signature(self, suite: Suite, group_id: bytes, index: int) -> None:
        """Raise unless the leaf was signed by its key, for this place in this group."""
        content = self.raw[: self.signed_bytes]
        if self.source != FROM_KEY_PACKAGE:
            content += opaque(group_id) + u32(index)
        try:
            suite.verify(self.signature_key, b"LeafNodeTBS", content, self.signature)
        except CryptoError:
            raise RuleBroken("leaf-signature") from None


def read_leaf(reader: Reader) -> LeafNode:
    """Read a LeafNode."""
    start = reader.at
    encryption_key = reader.opaque()
    signature_key = reader.opaque()
    credential = Credential.read(reader)
    capabilities = _read_capabilities(reader)
    source = reader.u8()
    lifetime = None
    parent_hash = b""
    if source == FROM_KEY_PACKAGE:
        lifetime = Lifetime(reader.u64(), reader.u64())
    elif source == FROM_COMMIT:
        parent_hash = reader.opaque()
    elif source != FROM_UPDATE:
        raise DecodeError("leaf-source-known")
    extensions = read_extensions(reader)
    signed = reader.at - start
    signature = reader.opaque()
    return LeafNode(
        encryption_key,
        signature_key,
        credential,
        capabilities,
        source,
        lifetime,
        parent_hash,
        extensions,
        signature,
        reader.since(start),
        signed,
    )


class LeafTemplate(NamedTuple):
    """What stays the same when a device's leaf gets a new encryption key."""

    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    extensions: Extensions = ()

    @classmethod
    def of(cls, leaf: LeafNode) -> LeafTemplate:
        """Return what `leaf` says of its device."""
        return cls(leaf.signature_key, leaf.credential, leaf.capabilities, leaf.extensions)

    def _sign(
        self, suite: Suite, key: SigningKey, encryption_key: bytes, origin: bytes, place: bytes
    ) -> LeafNode:
        if self.credential.type in GREASE:
            raise UsageError("a credential needs a type with a meaning, and GREASE has none")
        content = (
            opaque(encryption_key)
            + opaque(self.signature_key)
            + self.credential.encode()
            + self.capabilities.encode()
            + origin
            + encode_extensions(self.extensions)
        )
        signature = suite.sign(key, b"LeafNodeTBS", content + place)
        return read_leaf(Reader(content + opaque(signature)))

    def for_key_package(
        self, suite: Suite, key: SigningKey, encryption_key: bytes, lifetime: Lifetime
    ) -> LeafNode:
        """Sign a leaf that goes into a key package."""
        origin = u8(FROM_KEY_PACKAGE) + u64(lifetime.not_before) + u64(lifetime.not_after)
        return self._sign(suite, key, encryption_key, origin, b"")

    def for_update(
        self, suite: Suite, key: SigningKey, encryption_key: bytes, group_id: bytes, index: int
    ) -> LeafNode:
        """Sign a leaf that goes into an Update proposal."""
        place = opaque(group_id) + u32(index)
        return self._sign(suite, key, encryption_key, u8(FROM_UPDATE), place)

    def for_commit(
        self,
        suite: Suite,
        key: SigningKey,
        encryption_key: bytes,
        parent_hash: bytes,
        group_id: bytes,
        index: int,
    ) -> LeafNode:
        """Sign a leaf that goes into a commit's path."""
        place = opaque(group_id) + u32(index)
        origin = u8(FROM_COMMIT) + opaque(parent_hash)
        return self._sign(suite, key, encryption_key, origin, place)


def check_leaf_alone(leaf: LeafNode, suite: Suite) -> None:
    """The rules of section 7.3 that need neither the group nor the application."""
    if len(leaf.extensions) > MAX_LEAF_EXTENSIONS or len(leaf.raw) > MAX_LEAF_BYTES:
        raise RuleBroken("limit-leaf")
    if leaf.extensions:
        supported = DEFAULT_EXTENSIONS.union(leaf.capabilities.extensions)
        for extension in leaf.extensions:
            if extension.type not in supported:
                raise RuleBroken("leaf-extensions-supported")
    if leaf.credential.type not in leaf.capabilities.credentials:
        raise RuleBroken("leaf-credential-own-capability")
    if MLS_1_0 not in leaf.capabilities.versions:
        raise RuleBroken("leaf-version-supported")
    if leaf.credential.type == X509:
        _check_certificate(leaf.credential, leaf.signature_key, suite)


def check_encryption_key(public: bytes, suite: Suite, rule: str) -> None:
    """Refuse a key that nobody could encrypt to: one bad key would stop everybody's commits."""
    try:
        suite.crypto.kem_check(suite.kem, public)
    except CryptoError:
        raise RuleBroken(rule) from None


def _check_certificate(credential: Credential, signature_key: bytes, suite: Suite) -> None:
    """Section 5.3: the first certificate's key is the leaf's signature key."""
    chain = certificates(credential)
    if not chain:
        raise RuleBroken("cred-x509-key-match")
    try:
        key = suite.crypto.certificate_key(suite.signature, chain[0])
    except CryptoError:
        raise RuleBroken("cred-x509-key-match") from None
    if key != signature_key:
        raise RuleBroken("cred-x509-key-match")


def check_supports(
    leaf: LeafNode, extensions: Extensions, required: tuple[tuple[int, ...], ...]
) -> None:
    """Section 13.4 and 11.1: a member supports the group's extensions and required capabilities."""
    if not extensions:
        return  # Requirements are an extension too.
    mine = leaf.capabilities
    supported = DEFAULT_EXTENSIONS.union(mine.extensions)  # Sets: both sides may be long.
    for extension in extensions:
        if extension.type not in supported:
            raise RuleBroken("leaf-group-extensions-supported")
    needs_extensions, needs_proposals, needs_credentials = required
    for kind in needs_extensions:
        if kind not in supported:
            raise RuleBroken("leaf-required-extensions")
    proposals = frozenset(mine.proposals) if needs_proposals else mine.proposals
    for kind in needs_proposals:
        if kind not in proposals and kind > 7:
            raise RuleBroken("leaf-required-proposals")
    credentials = frozenset(mine.credentials) if needs_credentials else mine.credentials
    for kind in needs_credentials:
        if kind not in credentials:
            raise RuleBroken("leaf-required-credentials")
