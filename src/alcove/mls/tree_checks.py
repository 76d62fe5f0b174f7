"""Is this tree one that members could have made?  Asked once, by who joins (section 12.4.3.1).

Every leaf was signed, every parent key was set by a member below it (parent hashes), every list
of unmerged leaves is consistent, and no key stands in two places.
"""

from __future__ import annotations

from collections.abc import Mapping

from alcove.mls import tree_math as math
from alcove.mls.errors import RuleBroken
from alcove.mls.extensions import Extensions, required_capabilities
from alcove.mls.leaf import FROM_COMMIT, LeafNode, check_leaf_alone, check_supports
from alcove.mls.policy import Policy
from alcove.mls.tree import ParentNode, RatchetTree


def check_tree(
    tree: RatchetTree,
    group_id: bytes,
    extensions: Extensions,
    policy: Policy,
    ours: LeafNode | None,
) -> None:
    """Raise unless the tree is valid as a whole.  `ours` is a leaf that we signed ourselves."""
    check_parents(tree)
    check_keys_unique(tree)
    required = required_capabilities(extensions)
    kinds = tuple(tree.credentials)
    for index, leaf in tree.leaves():
        check_leaf_alone(leaf, tree.suite)
        check_supports(leaf, extensions, required)
        check_supports_credentials(leaf, kinds)
        if ours is None or leaf.raw != ours.raw:
            leaf.check_signature(tree.suite, group_id, index)
        policy.check_credential(leaf, None)


def check_supports_credentials(leaf: LeafNode, kinds: tuple[int, ...]) -> None:
    """Section 7.3: a member supports every type of credential in use."""
    supported = frozenset(leaf.capabilities.credentials)
    for kind in kinds:
        if kind not in supported:
            raise RuleBroken("leaf-supports-credentials")


def check_credentials_supported(tree: RatchetTree) -> None:
    """The same from the other side: every type in use is supported by every member."""
    kinds = frozenset(tree.credentials)
    for _, leaf in tree.leaves():
        if not kinds.issubset(leaf.capabilities.credentials):
            raise RuleBroken("leaf-credential-supported-by-all")


def check_keys_unique(tree: RatchetTree) -> None:
    """No encryption key and no signature key may stand in two places."""
    if any(count != 1 for count in tree.signers.values()):
        raise RuleBroken("leaf-signature-key-unique")
    if all(count == 1 for count in tree.keys.values()):
        return
    leaf_keys = [leaf.encryption_key for _, leaf in tree.leaves()]
    if len(set(leaf_keys)) != len(leaf_keys):
        raise RuleBroken("leaf-encryption-key-unique")
    raise RuleBroken("tree-parent-key-unique")


def check_parents(tree: RatchetTree) -> None:
    """Check unmerged leaves and parent hashes of every parent."""
    parents = {at: parent for at, parent in enumerate(tree.nodes) if isinstance(parent, ParentNode)}
    unmerged = {at: frozenset(parent.unmerged) for at, parent in parents.items()}
    for at, parent in parents.items():
        _check_unmerged(tree, at, parent, unmerged)
    for at, parent in parents.items():
        _check_parent_hash(tree, at, parent, unmerged[at])


def _check_unmerged(
    tree: RatchetTree, at: int, parent: ParentNode, unmerged: Mapping[int, frozenset[int]]
) -> None:
    last = -1
    for leaf in parent.unmerged:
        if leaf <= last:
            raise RuleBroken("tree-unmerged-sorted")
        last = leaf
        if not math.covers(at, 2 * leaf) or tree.leaf(leaf) is None:
            raise RuleBroken("tree-unmerged-descendant")
        below = at
        while below & 1:  # The next parent on the way down vouches for those below it.
            below = math.left(below) if 2 * leaf < below else math.right(below)
            if below in unmerged:
                if leaf not in unmerged[below]:
                    raise RuleBroken("tree-unmerged-intermediate")
                break


def _check_parent_hash(
    tree: RatchetTree, at: int, parent: ParentNode, unmerged: frozenset[int]
) -> None:
    """Section 7.9.2: exactly one node below was set together with this one.

    That is the node that is left of a child's resolution without those who came later.
    """
    found = 0
    children = (math.left(at), math.right(at))
    for child, other in (children, children[::-1]):
        came_later = {2 * leaf for leaf in unmerged if math.covers(child, 2 * leaf)}
        resolution = set(tree.resolution(child))
        left = resolution - came_later
        if len(left) == 1 and len(resolution) == 1 + len(came_later):
            expected = tree.parent_hash(parent, tree.tree_hash_without(other, unmerged))
            found += _carried_hash(tree, left.pop()) == expected
    if found != 1:
        raise RuleBroken("tree-parent-hash-valid")


def _carried_hash(tree: RatchetTree, at: int) -> bytes | None:
    node = tree.nodes[at]
    if isinstance(node, LeafNode):
        return node.parent_hash if node.source == FROM_COMMIT else None
    return None if node is None else node.parent_hash
