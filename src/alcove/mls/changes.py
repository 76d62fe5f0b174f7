"""What a list of proposals does to a group's public state (RFC 9420, sections 12.2 and 12.3).

First the list as a whole is judged, then it is applied in the order that the RFC gives: extensions,
updates, removes, adds.  What new leaves must satisfy is judged last, on the tree that results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from alcove.mls.errors import RuleBroken
from alcove.mls.extensions import Extensions, allowed_senders, required_capabilities
from alcove.mls.framing import Sender
from alcove.mls.key_package import KeyPackage, check_key_package
from alcove.mls.leaf import (
    FROM_UPDATE,
    MLS_1_0,
    LeafNode,
    check_encryption_key,
    check_leaf_alone,
    check_supports,
)
from alcove.mls.policy import Policy
from alcove.mls.proposals import (
    FOR_APPLICATION,
    FOR_BRANCH,
    FOR_REINIT,
    Add,
    Custom,
    ExternalInit,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    PskId,
    ReInit,
    Remove,
    ResumptionPsk,
    Update,
)
from alcove.mls.suites import Suite
from alcove.mls.tree import MAX_LEAVES, RatchetTree, TreeEdit
from alcove.mls.tree_checks import check_credentials_supported, check_supports_credentials


class Listed(NamedTuple):
    """A proposal with who made it."""

    proposal: Proposal
    sender: Sender


@dataclass(slots=True)
class Changes:
    """A tree being changed by a commit, and what else its proposals ask for."""

    edit: TreeEdit
    extensions: Extensions
    added: list[tuple[int, KeyPackage]] = field(default_factory=list)
    updated: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    psks: list[PskId] = field(default_factory=list)
    reinit: ReInit | None = None
    external_init: ExternalInit | None = None
    path_required: bool = False
    context_changed: bool = False


def check_list(
    listed: Sequence[Listed],
    committer: int | None,
    tree: RatchetTree,
    psk_usage: int = FOR_APPLICATION,
) -> None:
    """Judge the list as a whole.  `committer` is None for an external commit.

    `psk_usage` is not `FOR_APPLICATION` only in the first commit of a group that continues another.
    """
    if committer is None:
        _check_external_list(listed)
    else:
        _check_member_list(listed, committer)
    psks = [item.proposal.psk for item in listed if isinstance(item.proposal, PreSharedKey)]
    if len(set(psks)) != len(psks):
        raise RuleBroken("commit-duplicate-psk")
    for psk in psks:
        check_psk(psk, tree.suite, psk_usage)


def check_psk(psk: PskId, suite: Suite, psk_usage: int) -> None:
    """Judge the name of a pre-shared key (section 12.1.4)."""
    if len(psk.nonce) != suite.secret_bytes:
        raise RuleBroken("psk-nonce-length")
    usage = psk.key.usage if isinstance(psk.key, ResumptionPsk) else FOR_APPLICATION
    if usage == FOR_REINIT and psk_usage != FOR_REINIT:
        raise RuleBroken("psk-reinit-elsewhere")
    if usage == FOR_BRANCH and psk_usage != FOR_BRANCH:
        raise RuleBroken("psk-branch-elsewhere")


def check_extensions(extensions: Extensions, policy: Policy) -> None:
    """Judge a new list of group extensions: well formed, and its senders believed."""
    required_capabilities(extensions)
    for allowed in allowed_senders(extensions):
        broken = policy.external_sender(allowed.credential, allowed.signature_key)
        if broken is not None:
            raise RuleBroken(broken)


def check_reinit_version(proposal: ReInit) -> None:
    """Section 12.1.5: a group does not go back to an older protocol."""
    if proposal.version < MLS_1_0:
        raise RuleBroken("reinit-version-lower")


def _check_external_list(listed: Sequence[Listed]) -> None:
    kinds = [item.proposal for item in listed]
    if sum(isinstance(kind, ExternalInit) for kind in kinds) != 1:
        raise RuleBroken("ext-init-exactly-one")
    if sum(isinstance(kind, Remove) for kind in kinds) > 1:
        raise RuleBroken("external-remove-one")
    if not all(isinstance(kind, ExternalInit | Remove | PreSharedKey) for kind in kinds):
        raise RuleBroken("external-only-allowed")


def _check_member_list(listed: Sequence[Listed], committer: int) -> None:
    kinds = [item.proposal for item in listed]
    if any(isinstance(kind, ReInit) for kind in kinds) and len(kinds) > 1:
        raise RuleBroken("commit-reinit-alone")
    if any(isinstance(kind, ExternalInit) for kind in kinds):
        raise RuleBroken("commit-external-init")
    if sum(isinstance(kind, GroupContextExtensions) for kind in kinds) > 1:
        raise RuleBroken("commit-duplicate-extensions")
    touched = set()
    for proposal, sender in listed:
        if isinstance(proposal, Update):
            if sender.index == committer:
                raise RuleBroken("commit-update-own")
            target = sender.index
        elif isinstance(proposal, Remove):
            target = proposal.removed
            if target == committer:
                raise RuleBroken("commit-self-remove")
        else:
            continue
        if target in touched:
            raise RuleBroken("commit-duplicate-remove")
        touched.add(target)


def apply_proposals(
    listed: Sequence[Listed], tree: RatchetTree, extensions: Extensions, policy: Policy
) -> Changes:
    """Apply a judged list to a copy of the tree."""
    changes = Changes(tree.edit(), extensions)
    changes.path_required = not listed or any(
        item.proposal.type not in policy.pathless for item in listed
    )
    for proposal, sender in listed:
        _note(changes, proposal, sender, policy)
    if any(isinstance(item.proposal, Custom) for item in listed):
        _check_custom_supported(listed, tree, changes)
    for proposal, sender in listed:
        if isinstance(proposal, Update):
            changes.edit.update(sender.index, proposal.leaf)
    for proposal, _ in listed:
        if isinstance(proposal, Remove):
            if tree.leaf(proposal.removed) is None:
                raise RuleBroken("remove-blank")
            changes.edit.remove(proposal.removed)
    if changes.removed:
        changes.edit.truncate()
    for proposal, _ in listed:
        if isinstance(proposal, Add):
            check_key_package(proposal.key_package, tree.suite)
            index = changes.edit.add(proposal.key_package.leaf)
            changes.added.append((index, proposal.key_package))
    return changes


def _note(changes: Changes, proposal: Proposal, sender: Sender, policy: Policy) -> None:
    """Write down what does not touch the tree, and which leaves will be."""
    match proposal:
        case GroupContextExtensions():
            changes.extensions = proposal.extensions
            changes.context_changed = True
            check_extensions(proposal.extensions, policy)
        case PreSharedKey():
            changes.psks.append(proposal.psk)
        case ReInit():
            check_reinit_version(proposal)
            changes.reinit = proposal
        case ExternalInit():
            changes.external_init = proposal
        case Update():
            changes.updated.append(sender.index)
        case Remove():
            changes.removed.append(proposal.removed)
        case _:
            pass


def _check_custom_supported(listed: Sequence[Listed], tree: RatchetTree, changes: Changes) -> None:
    """Section 12.2: everyone who stays must know the application's own proposal types."""
    kinds = {item.proposal.type for item in listed if isinstance(item.proposal, Custom)}
    for index, leaf in tree.leaves():
        if index not in changes.removed and not kinds.issubset(leaf.capabilities.proposals):
            raise RuleBroken("commit-proposal-supported")


def check_new_leaves(
    changes: Changes,
    old: RatchetTree,
    group_id: bytes,
    policy: Policy,
    committer: int | None,
    *,
    ours: bool,
) -> None:
    """Judge every leaf that is new, and the old ones by what is new in the group.

    `committer` is the leaf that the commit's path replaced, already merged, or None without a path.
    """
    tree = changes.edit
    if tree.size > MAX_LEAVES:
        raise RuleBroken("limit-leaves")
    required = required_capabilities(changes.extensions)
    kinds = tuple(tree.credentials)
    fresh: list[tuple[int, LeafNode | None]] = [(index, None) for index, _ in changes.added]
    fresh += [(index, old.leaf(index)) for index in changes.updated]
    if committer is not None:
        fresh.append((committer, _replaced_by_path(changes, old, committer)))
    for index, replaced in fresh:
        leaf = tree.leaf(index)
        assert leaf is not None
        check_leaf_content(leaf, replaced, tree.suite)
        check_supports(leaf, changes.extensions, required)
        check_supports_credentials(leaf, kinds)
        if not (ours and index == committer):  # We have just signed that one.
            leaf.check_signature(tree.suite, group_id, index)
        policy.check_credential(leaf, replaced)
        if tree.signers[leaf.signature_key] != 1:
            raise RuleBroken("leaf-signature-key-unique")
        if tree.keys[leaf.encryption_key] != 1:
            raise RuleBroken("leaf-encryption-key-unique")
    if changes.context_changed:
        for _, leaf in tree.leaves():
            check_supports(leaf, changes.extensions, required)
    if set(kinds).difference(old.credentials):
        check_credentials_supported(tree)


def _replaced_by_path(changes: Changes, old: RatchetTree, committer: int) -> LeafNode | None:
    """Return the leaf that a path's leaf follows: one's own, or the one that a resync removes."""
    if changes.external_init is None:
        return old.leaf(committer)
    return old.leaf(changes.removed[0]) if changes.removed else None


def check_leaf_content(leaf: LeafNode, replaced: LeafNode | None, suite: Suite) -> None:
    """Judge what a new leaf says, by itself and against the leaf that it replaces."""
    if replaced is not None and leaf.encryption_key == replaced.encryption_key:
        raise RuleBroken("leaf-update-key-fresh")
    check_leaf_alone(leaf, suite)
    check_encryption_key(leaf.encryption_key, suite, "leaf-encryption-key-valid")


def check_proposal(
    proposal: Proposal, sender: Sender, tree: RatchetTree, group_id: bytes, policy: Policy
) -> None:
    """Judge a proposal that arrives alone, so that one bad one cannot spoil a later commit."""
    suite = tree.suite
    match proposal:
        case Add():
            leaf = proposal.key_package.leaf
            check_key_package(proposal.key_package, suite)
            check_leaf_content(leaf, None, suite)
            leaf.check_signature(suite, group_id, 0)
            policy.check_credential(leaf, None)
        case Update():
            replaced = tree.leaf(sender.index)
            if proposal.leaf.source != FROM_UPDATE:
                raise RuleBroken("leaf-source-update")
            check_leaf_content(proposal.leaf, replaced, suite)
            proposal.leaf.check_signature(suite, group_id, sender.index)
            policy.check_credential(proposal.leaf, replaced)
        case Remove():
            if tree.leaf(proposal.removed) is None:
                raise RuleBroken("remove-blank")
        case PreSharedKey():
            check_psk(proposal.psk, suite, FOR_APPLICATION)
        case ExternalInit():
            raise RuleBroken("commit-external-init")
        case GroupContextExtensions():
            check_extensions(proposal.extensions, policy)
        case ReInit():
            check_reinit_version(proposal)
        case _:
            pass  # The application's own types mean nothing here.
