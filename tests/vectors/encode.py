"""Structures written anew from their fields.

The library keeps what it has read as the bytes it came in, so comparing those with the input would
compare the input with itself.  Here nothing but the decoded fields is used.
"""

from __future__ import annotations

from alcove.mls import (
    Add,
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
from alcove.mls.commit import Commit, PathNode, Reference, UpdatePath
from alcove.mls.context import new_context
from alcove.mls.extensions import encode_extensions
from alcove.mls.framing import GROUP_INFO, KEY_PACKAGE, PRIVATE_MESSAGE, PUBLIC_MESSAGE, Message
from alcove.mls.leaf import MLS_1_0
from alcove.mls.tree import Node


def leaf_node(leaf: LeafNode) -> bytes:
    """Return a LeafNode's bytes."""
    origin = b"" if leaf.source != 3 else opaque(leaf.parent_hash)
    if leaf.lifetime is not None:
        origin = u64(leaf.lifetime.not_before) + u64(leaf.lifetime.not_after)
    return (
        opaque(leaf.encryption_key)
        + opaque(leaf.signature_key)
        + leaf.credential.encode()
        + leaf.capabilities.encode()
        + u8(leaf.source)
        + origin
        + encode_extensions(leaf.extensions)
        + opaque(leaf.signature)
    )


def key_package(package: KeyPackage) -> bytes:
    """Return a KeyPackage's bytes."""
    return (
        u16(MLS_1_0)
        + u16(package.suite_id)
        + opaque(package.init_key)
        + leaf_node(package.leaf)
        + encode_extensions(package.extensions)
        + opaque(package.signature)
    )


def group_info(info: GroupInfo) -> bytes:
    """Return a GroupInfo's bytes."""
    context = info.context
    return (
        new_context(
            context.suite_id,
            context.group_id,
            context.epoch,
            context.tree_hash,
            context.confirmed_transcript_hash,
            context.extensions,
        ).raw
        + encode_extensions(info.extensions)
        + opaque(info.confirmation_tag)
        + u32(info.signer)
        + opaque(info.signature)
    )


def proposal(value: Proposal) -> bytes:
    """Return a Proposal's bytes."""
    if isinstance(value, Add):
        return u16(value.type) + key_package(value.key_package)
    if isinstance(value, Update):
        return u16(value.type) + leaf_node(value.leaf)
    return value.encode()


def commit(value: Commit) -> bytes:
    """Return a Commit's bytes."""
    return vector(
        b"\x02" + opaque(item.hash) if isinstance(item, Reference) else b"\x01" + proposal(item)
        for item in value.proposals
    ) + optional(None if value.path is None else update_path(value.path))


def update_path(path: UpdatePath) -> bytes:
    """Return an UpdatePath's bytes."""
    return leaf_node(path.leaf) + vector(map(_path_node, path.nodes))


def _path_node(node: PathNode) -> bytes:
    sealed = vector(opaque(enc) + opaque(ciphertext) for enc, ciphertext in node.secrets)
    return opaque(node.encryption_key) + sealed


def ratchet_tree(tree: RatchetTree) -> bytes:
    """Return a ratchet tree's bytes, blank nodes at the end left out."""
    nodes = list(tree.nodes)
    while nodes and nodes[-1] is None:
        nodes.pop()
    return vector(optional(None if node is None else _node(node)) for node in nodes)


def _node(node: Node) -> bytes:
    if isinstance(node, LeafNode):
        return b"\x01" + leaf_node(node)
    unmerged = vector(map(u32, node.unmerged))
    return b"\x02" + opaque(node.encryption_key) + opaque(node.parent_hash) + unmerged


def message(value: Message) -> bytes:
    """Return an MLSMessage's bytes."""
    if isinstance(value, PublicMessage):
        return u16(MLS_1_0) + u16(PUBLIC_MESSAGE) + _public(value)
    if isinstance(value, PrivateMessage):
        return u16(MLS_1_0) + u16(PRIVATE_MESSAGE) + _private(value)
    if isinstance(value, Welcome):
        return value.message()
    if isinstance(value, GroupInfo):
        return u16(MLS_1_0) + u16(GROUP_INFO) + group_info(value)
    return u16(MLS_1_0) + u16(KEY_PACKAGE) + key_package(value)


def _public(value: PublicMessage) -> bytes:
    content = value.content
    if isinstance(content.body, bytes):
        body = opaque(content.body)
    elif isinstance(content.body, Commit):
        body = commit(content.body)
    else:
        body = proposal(content.body)
    return (
        opaque(content.group_id)
        + u64(content.epoch)
        + content.sender.encode()
        + opaque(content.authenticated_data)
        + u8(content.content_type)
        + body
        + opaque(content.signature)
        + (b"" if content.confirmation_tag is None else opaque(content.confirmation_tag))
        + (b"" if value.membership_tag is None else opaque(value.membership_tag))
    )


def _private(value: PrivateMessage) -> bytes:
    return (
        opaque(value.group_id)
        + u64(value.epoch)
        + u8(value.content_type)
        + opaque(value.authenticated_data)
        + opaque(value.encrypted_sender_data)
        + opaque(value.ciphertext)
    )
