"""Every structure written again from its fields, to compare with the bytes it was read from.

The library keeps what it reads as the bytes it came in; that this loses nothing is shown here, by
an encoder of its own.
"""

from __future__ import annotations

from collections.abc import Iterable

from alcove.mls import (
    Add,
    Capabilities,
    Credential,
    Extension,
    GroupContext,
    GroupInfo,
    KeyPackage,
    LeafNode,
    PrivateMessage,
    Proposal,
    PublicMessage,
    RatchetTree,
    Update,
    Welcome,
)
from alcove.mls.codec import opaque, optional, u8, u16, u32, u64, vector
from alcove.mls.commit import Commit, Reference, UpdatePath
from alcove.mls.framing import (
    MEMBER,
    PRIVATE_HEAD,
    PUBLIC_HEAD,
    WELCOME,
    Content,
    Message,
)
from alcove.mls.leaf import FROM_COMMIT


def credential(value: Credential) -> bytes:
    """Write a Credential."""
    return u16(value.type) + opaque(value.data)


def extensions(values: Iterable[Extension]) -> bytes:
    """Write a list of extensions."""
    return vector(u16(value.type) + opaque(value.data) for value in values)


def capabilities(value: Capabilities) -> bytes:
    """Write Capabilities."""
    return b"".join(opaque(b"".join(map(u16, numbers))) for numbers in value)


def leaf(value: LeafNode) -> bytes:
    """Write a LeafNode."""
    origin = b""
    if value.lifetime is not None:
        origin = u64(value.lifetime.not_before) + u64(value.lifetime.not_after)
    elif value.source == FROM_COMMIT:
        origin = opaque(value.parent_hash)
    return (
        opaque(value.encryption_key)
        + opaque(value.signature_key)
        + credential(value.credential)
        + capabilities(value.capabilities)
        + u8(value.source)
        + origin
        + extensions(value.extensions)
        + opaque(value.signature)
    )


def key_package(value: KeyPackage) -> bytes:
    """Write a KeyPackage."""
    return (
        u16(1)
        + u16(value.suite_id)
        + opaque(value.init_key)
        + leaf(value.leaf)
        + extensions(value.extensions)
        + opaque(value.signature)
    )


def proposal(value: Proposal) -> bytes:
    """Write a Proposal."""
    if isinstance(value, Add):
        return u16(1) + key_package(value.key_package)
    if isinstance(value, Update):
        return u16(2) + leaf(value.leaf)
    return value.encode()


def path(value: UpdatePath) -> bytes:
    """Write an UpdatePath."""
    return leaf(value.leaf) + vector(node.encode() for node in value.nodes)


def commit(value: Commit) -> bytes:
    """Write a Commit."""
    items = vector(
        u8(2) + opaque(item.hash) if isinstance(item, Reference) else u8(1) + proposal(item)
        for item in value.proposals
    )
    return items + optional(None if value.path is None else path(value.path))


def context(value: GroupContext) -> bytes:
    """Write a GroupContext."""
    return (
        u16(1)
        + u16(value.suite_id)
        + opaque(value.group_id)
        + u64(value.epoch)
        + opaque(value.tree_hash)
        + opaque(value.confirmed_transcript_hash)
        + extensions(value.extensions)
    )


def group_info(value: GroupInfo) -> bytes:
    """Write a GroupInfo."""
    return (
        context(value.context)
        + extensions(value.extensions)
        + opaque(value.confirmation_tag)
        + u32(value.signer)
        + opaque(value.signature)
    )


def content(value: Content) -> bytes:
    """Write FramedContent and what authenticates it."""
    body = value.body
    if isinstance(body, bytes):
        written = opaque(body)
    elif isinstance(body, Commit):
        written = commit(body)
    else:
        written = proposal(body)
    tag = b"" if value.confirmation_tag is None else opaque(value.confirmation_tag)
    return (
        opaque(value.group_id)
        + u64(value.epoch)
        + value.sender.encode()
        + opaque(value.authenticated_data)
        + u8(value.content_type)
        + written
        + opaque(value.signature)
        + tag
    )


def authenticated(value: Content) -> bytes:
    """Write an AuthenticatedContent."""
    return u16(value.wire_format) + content(value)


def welcome(value: Welcome) -> bytes:
    """Write a Welcome, without the head of a message."""
    secrets = vector(
        opaque(entry.new_member) + opaque(entry.sealed.kem_output) + opaque(entry.sealed.ciphertext)
        for entry in value.secrets
    )
    return u16(value.suite_id) + secrets + opaque(value.encrypted_group_info)


def message(value: Message) -> bytes:
    """Write an MLSMessage of any kind."""
    if isinstance(value, PublicMessage):
        tag = b""
        if value.content.sender.type == MEMBER:
            assert value.membership_tag is not None
            tag = opaque(value.membership_tag)
        return PUBLIC_HEAD + content(value.content) + tag
    if isinstance(value, PrivateMessage):
        return (
            PRIVATE_HEAD
            + opaque(value.group_id)
            + u64(value.epoch)
            + u8(value.content_type)
            + opaque(value.authenticated_data)
            + opaque(value.encrypted_sender_data)
            + opaque(value.ciphertext)
        )
    if isinstance(value, Welcome):
        return u16(1) + u16(WELCOME) + welcome(value)
    if isinstance(value, GroupInfo):
        return u16(1) + u16(4) + group_info(value)
    return u16(1) + u16(5) + key_package(value)


def tree(value: RatchetTree) -> bytes:
    """Write a ratchet tree, blank nodes at its end left out."""
    last = max(at for at, node in enumerate(value.nodes) if node is not None)
    written = []
    for node in value.nodes[: last + 1]:
        if node is None:
            written.append(u8(0))
        elif isinstance(node, LeafNode):
            written.append(u8(1) + u8(1) + leaf(node))
        else:
            unmerged = opaque(b"".join(map(u32, node.unmerged)))
            parent = opaque(node.encryption_key) + opaque(node.parent_hash) + unmerged
            written.append(u8(1) + u8(2) + parent)
    return vector(written)
