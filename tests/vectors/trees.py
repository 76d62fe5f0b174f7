"""Ratchet trees: changed by proposals, checked whole, and given new keys by paths."""

from __future__ import annotations

import os
from collections.abc import Mapping

from alcove.mls import (
    Add,
    LeafTemplate,
    Policy,
    PublicGroup,
    RatchetTree,
    Remove,
    Sender,
    Update,
    accept_any_credential,
)
from alcove.mls.changes import Changes, Listed, apply_proposals
from alcove.mls.codec import decode
from alcove.mls.commit import UpdatePath, read_path
from alcove.mls.commit_making import attach_path
from alcove.mls.context import new_context
from alcove.mls.framing import MEMBER
from alcove.mls.paths import _open_secret, open_path
from alcove.mls.proposals import read_proposal
from alcove.mls.provider import KemKey
from alcove.mls.public_group import _merge_path
from alcove.mls.tree import Step
from alcove.mls.tree_checks import check_parents, check_tree
from tests.vectors import encode
from tests.vectors.fields import Failed, Fields, ensure, same

_POLICY = Policy(credential=accept_any_credential)
_NOBODY: frozenset[int] = frozenset()


def tree_operations(vector: Fields) -> None:
    """Apply one proposal to a tree."""
    suite = vector.suite()
    before = RatchetTree.decode(suite, vector.hex("tree_before"))
    vector.expect("tree_before", encode.ratchet_tree(before))
    vector.expect("tree_hash_before", before.tree_hash())
    proposal = decode(vector.hex("proposal"), read_proposal)
    ensure("the proposal changes the tree", isinstance(proposal, Add | Update | Remove))
    sender = Sender(MEMBER, vector.number("proposal_sender"))
    after = apply_proposals([Listed(proposal, sender)], before, (), _POLICY).edit.done()
    vector.expect("tree_after", after.encode())
    vector.expect("tree_after", encode.ratchet_tree(after))
    vector.expect("tree_hash_after", after.tree_hash())
    # Hashes are remembered from one tree to the next: a tree read anew has nothing to remember.
    vector.expect("tree_hash_after", RatchetTree.decode(suite, after.encode()).tree_hash())


def tree_validation(vector: Fields) -> None:
    """Check resolutions, hashes, parent hashes and the signature of every leaf."""
    suite = vector.suite()
    tree = RatchetTree.decode(suite, vector.hex("tree"))
    vector.expect("tree", encode.ratchet_tree(tree))
    vector.expect("tree", tree.encode())
    nodes = range(tree.width)
    same("resolutions", [tree.resolution(at) for at in nodes], vector.number_lists("resolutions"))
    same("tree_hashes", [tree.tree_hash(at) for at in nodes], vector.hexes("tree_hashes"))
    check_tree(tree, vector.hex("group_id"), (), _POLICY, None)


def treekem(vector: Fields) -> None:
    """Follow the paths of others as every member, then make one as each and follow it too."""
    group = _Members(vector)
    for path in vector.parts("update_paths"):
        sender = path.number("sender")
        _follow_theirs(group, path, sender)
        _follow_ours(group, sender)


class _Members:
    """A tree, and what each of its members knows."""

    def __init__(self, vector: Fields) -> None:
        self.suite = suite = vector.suite()
        self.group_id = vector.hex("group_id")
        self.epoch = vector.number("epoch")
        self.transcript = vector.hex("confirmed_transcript_hash")
        self.tree = RatchetTree.decode(suite, vector.hex("ratchet_tree"))
        vector.expect("ratchet_tree", encode.ratchet_tree(self.tree))
        check_parents(self.tree)
        self.keys: dict[int, Mapping[int, KemKey]] = {}
        self.signers = {}
        for leaf in vector.parts("leaves_private"):
            index = leaf.number("index")
            self.keys[index] = self._keys(leaf, index)
            self.signers[index] = suite.signing_key(leaf.hex("signature_priv"))
            node = self.tree.leaf(index)
            same("signature_priv", self.signers[index].public, node and node.signature_key)
        same("leaves_private", sorted(self.keys), [index for index, _ in self.tree.leaves()])

    def _keys(self, leaf: Fields, index: int) -> Mapping[int, KemKey]:
        """Return a member's private keys, each compared with the tree."""
        suite = self.suite
        keys = {2 * index: leaf.kem_key("encryption_priv", suite)}
        for part in leaf.parts("path_secrets"):
            secret = suite.derive(part.hex("path_secret"), b"node")
            keys[part.number("node")] = suite.kem_derive(secret)
        for at, key in keys.items():
            node = self.tree.nodes[at] if at < self.tree.width else None
            same(f"the key of node {at}", key.public, node and node.encryption_key)
        return keys

    def context(self, tree_hash: bytes) -> bytes:
        """Return the GroupContext that the vector seals path secrets under."""
        return new_context(
            self.suite.id, self.group_id, self.epoch, tree_hash, self.transcript, ()
        ).raw

    def others(self, sender: int) -> list[int]:
        """Return every member but one."""
        return [index for index in sorted(self.keys) if index != sender]


def _merged(group: _Members, path: UpdatePath, sender: int) -> tuple[RatchetTree, list[Step]]:
    """Judge a path as the public part of a commit is judged, and put it into the tree."""
    changes = Changes(group.tree.edit(), ())
    steps = _merge_path(changes, path, sender, group.tree)
    path.leaf.check_signature(group.suite, group.group_id, sender)
    tree = changes.edit.done()
    check_parents(tree)
    return tree, steps


def _follow_theirs(group: _Members, vector: Fields, sender: int) -> None:
    path = decode(vector.hex("update_path"), read_path)
    vector.expect("update_path", encode.update_path(path))
    tree, steps = _merged(group, path, sender)
    vector.expect("tree_hash_after", tree.tree_hash())
    context = group.context(tree.tree_hash())
    secrets = vector.optional_hexes("path_secrets")
    same("path_secrets: length", len(secrets), tree.size)
    listed = [index for index, secret in enumerate(secrets) if secret is not None]
    same("path_secrets: members", listed, group.others(sender))
    for me in listed:
        opened = (group.suite, me, group.keys[me], steps, path, _NOBODY, context)
        same(f"path_secrets[{me}]", _open_secret(*opened)[1], secrets[me])
        vector.expect("commit_secret", open_path(*opened)[1])


def _follow_ours(group: _Members, sender: int) -> None:
    suite = group.suite
    leaf = group.tree.leaf(sender)
    if leaf is None:
        raise Failed("the sender has no leaf")
    here = new_context(
        suite.id, group.group_id, group.epoch, group.tree.tree_hash(), group.transcript, ()
    )
    public = PublicGroup(suite, _POLICY, here, group.tree, b"")
    changes = Changes(group.tree.edit(), ())
    signer = group.signers[sender]
    made = attach_path(public, changes, sender, LeafTemplate.of(leaf), signer, os.urandom)
    path = decode(made.path.encode(), read_path)
    tree, steps = _merged(group, path, sender)
    same("the tree hash, merged and made", tree.tree_hash(), changes.edit.tree_hash())
    context = public.provisional_context(tree.tree_hash(), ())
    for me in group.others(sender):
        opened = (suite, me, group.keys[me], steps, path, _NOBODY, context)
        at, secret = _open_secret(*opened)
        same(f"our path secret, for {me}", secret, made.made.secrets[steps[at].node])
        same("our commit secret", open_path(*opened)[1], made.made.commit_secret)
