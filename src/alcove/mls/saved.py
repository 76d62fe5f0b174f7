"""A member's group as bytes, and back.

    epoch part      changes with every commit and proposal: public state, private keys, secrets
    message part    changes with every private message: what is left of the secret tree

A store writes both under one version and sets them only if the version is still the one it read
(compare-and-set); between commits it writes the small part alone.  Both parts hold secrets in
clear: they belong into an encrypted store.  The formats are numbered; every later version of this
library reads the files kept in `tests/mls/saved/`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from alcove.mls.codec import Reader, decode_own, opaque, u16, u32, u64, vector
from alcove.mls.context import GroupContext, read_context
from alcove.mls.errors import CryptoError, UsageError
from alcove.mls.group import Group, PendingUpdate
from alcove.mls.policy import Policy
from alcove.mls.private import Epoch
from alcove.mls.provider import without_secrets
from alcove.mls.public_group import PublicGroup
from alcove.mls.schedule import EpochSecrets
from alcove.mls.secret_tree import Ratchet, SecretTree
from alcove.mls.suites import Suite, Suites
from alcove.mls.tree import RatchetTree

_EPOCH_VERSION: Final = 1
_MESSAGES_VERSION: Final = 1


class Saved(NamedTuple):
    """A group as bytes, in two parts."""

    epoch: bytes
    messages: bytes

    def __repr__(self) -> str:
        return without_secrets(self)


def save_group(group: Group) -> Saved:
    """Return the whole group as bytes."""
    return Saved(_save_epoch(group), save_messages(group))


def save_messages(group: Group) -> bytes:
    """Return the part that sealing and opening private messages changes."""
    trees = (group.current.secrets, *(epoch.secrets for epoch in group.past))
    return (
        u16(_MESSAGES_VERSION)
        + opaque(group.public.confirmation_tag)
        + vector(map(_save_tree, trees))
    )


def load_group(saved: Saved, policy: Policy, *, suites: Suites | None = None) -> Group:
    """Return the group that was saved.

    Only the newest state may be loaded: an older one would seal with keys that are spent.  The
    store's compare-and-set guarantees that; a disk rolled back has to be noticed by other means.
    """
    try:
        return decode_own(
            saved.epoch, lambda reader: _read_epoch(reader, saved.messages, policy, suites)
        )
    except CryptoError:
        raise UsageError("this saved group holds a key that is none: it was damaged") from None


def _save_epoch(group: Group) -> bytes:
    return (
        u16(_EPOCH_VERSION)
        + opaque(group.public.save())
        + u32(group.me)
        + opaque(group.signing_key.private)
        + vector(u32(node) + opaque(key.private) for node, key in sorted(group.keys.items()))
        + b"".join(map(opaque, group.secrets))
        + vector(u64(at) + opaque(key) for at, key in sorted(group.resumptions.items()))
        + vector(
            opaque(leaf.private) + opaque(signer.private) for leaf, signer in group.updates.values()
        )
        + vector(
            epoch.context.raw + epoch.tree.encode() + opaque(epoch.sender_data)
            for epoch in group.past
        )
    )


def _save_tree(tree: SecretTree) -> bytes:
    return (
        u32(tree.width)
        + vector(u32(node) + opaque(secret) for node, secret in sorted(tree.nodes.items()))
        + vector(
            u32(at)
            + opaque(ratchet.secret)
            + u32(ratchet.generation)
            + vector(
                u32(number) + opaque(key) + opaque(nonce) for number, key, nonce in ratchet.skipped
            )
            for at, ratchet in sorted(tree.ratchets.items())
        )
    )


def _read_tree(reader: Reader, suite: Suite) -> SecretTree:
    width = reader.u32()
    nodes = dict(reader.vector(lambda item: (item.u32(), item.opaque())))

    def read_skipped(item: Reader) -> tuple[int, bytes, bytes]:
        return item.u32(), item.opaque(), item.opaque()

    def read_ratchet(item: Reader) -> tuple[int, Ratchet]:
        at = item.u32()
        return at, Ratchet(item.opaque(), item.u32(), item.vector(read_skipped))

    return SecretTree(suite, width, nodes, dict(reader.vector(read_ratchet)))


def _read_messages(messages: bytes, suite: Suite, tag: bytes) -> tuple[SecretTree, ...]:
    def read(reader: Reader) -> tuple[SecretTree, ...]:
        if reader.u16() != _MESSAGES_VERSION:
            raise UsageError("this group was saved by a newer version of this library")
        if reader.opaque() != tag:
            raise UsageError("the two parts of this saved group are from different epochs")
        return reader.vector(lambda item: _read_tree(item, suite))

    return decode_own(messages, read)


def _head(context: GroupContext) -> bytes:
    return opaque(context.group_id) + u64(context.epoch)


def _read_epoch(reader: Reader, messages: bytes, policy: Policy, suites: Suites | None) -> Group:
    if reader.u16() != _EPOCH_VERSION:
        raise UsageError("this group was saved by a newer version of this library")
    public = PublicGroup.load(reader.opaque(), policy, suites=suites)
    suite = public.suite
    me = reader.u32()
    signing_key = suite.signing_key(reader.opaque())
    keys = dict(reader.vector(lambda item: (item.u32(), suite.kem_key(item.opaque()))))
    secrets = EpochSecrets(*(reader.opaque() for _ in EpochSecrets._fields))
    resumptions = dict(reader.vector(lambda item: (item.u64(), item.opaque())))
    pending = reader.vector(
        lambda item: PendingUpdate(suite.kem_key(item.opaque()), suite.signing_key(item.opaque())),
    )
    trees = _read_messages(messages, suite, public.confirmation_tag)

    def read_past(item: Reader) -> tuple[GroupContext, RatchetTree, bytes]:
        return read_context(item), RatchetTree.read(suite, item), item.opaque()

    epochs = reader.vector(read_past)
    if len(trees) != 1 + len(epochs):
        raise UsageError("the two parts of this saved group hold different numbers of epochs")
    past = tuple(
        Epoch(_head(context), context, tree, sender_data, left)
        for (context, tree, sender_data), left in zip(epochs, trees[1:], strict=True)
    )
    head = _head(public.context)
    current = Epoch(head, public.context, public.tree, secrets.sender_data, trees[0])
    updates = {item.leaf_key.public: item for item in pending}
    return Group(public, me, signing_key, keys, secrets, current, past, resumptions, updates)
