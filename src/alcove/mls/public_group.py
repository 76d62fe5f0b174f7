"""A group as anyone can follow it, without its secrets: tree, context, transcript.

A `PublicGroup` is a value.  It takes public messages, refuses what is publicly invalid, and gives
the next value.  A member holds one inside: whether a commit counts is decided here, by the same
code for everyone, from bytes that everyone has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from alcove.mls.changes import (
    Changes,
    Listed,
    apply_proposals,
    check_extensions,
    check_list,
    check_new_leaves,
    check_proposal,
)
from alcove.mls.codec import Reader, decode_own, opaque, optional, u16, vector
from alcove.mls.commit import Commit, Reference, UpdatePath
from alcove.mls.context import GroupContext, GroupInfo, decode_group_info, new_context, read_context
from alcove.mls.errors import RuleBroken, UsageError
from alcove.mls.extensions import RATCHET_TREE, Extensions, external_pub, find_extension
from alcove.mls.framing import (
    NEW_MEMBER_COMMIT,
    PROPOSAL,
    Content,
    Message,
    Sender,
    Verified,
    decode_message,
    only_public,
    read_authenticated,
)
from alcove.mls.key_package import KeyPackage, suite_of
from alcove.mls.leaf import FROM_COMMIT, LeafNode, check_encryption_key
from alcove.mls.paths import receivers
from alcove.mls.policy import Policy
from alcove.mls.proposals import (
    FOR_APPLICATION,
    ExternalInit,
    Proposal,
    PskId,
    ReInit,
    read_proposal,
)
from alcove.mls.schedule import confirmed_transcript_hash, interim_transcript_hash
from alcove.mls.suites import Suite, Suites
from alcove.mls.tree import RatchetTree, Step
from alcove.mls.tree_checks import check_tree
from alcove.mls.verify import verify_content

_SNAPSHOT_VERSION: Final = 1
_DAMAGED: Final = "this snapshot holds what no snapshot can: it was damaged"
_REFERENCE: Final = b"MLS 1.0 Proposal Reference"
_LAST_EPOCH: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class PublicGroup:
    """The public state of a group in one epoch."""

    suite: Suite
    policy: Policy
    context: GroupContext
    tree: RatchetTree
    confirmation_tag: bytes
    proposals: Mapping[bytes, Listed] = field(default_factory=dict)
    """Proposals sent in this epoch, by reference."""
    proposal_bytes: tuple[bytes, ...] = ()
    """The same as they came, for snapshots."""
    reinit: ReInit | None = None
    """Set when the last commit ended this group in favour of another."""
    external_pub: bytes | None = None
    """The key for external commits, when a GroupInfo of this epoch gave one."""

    @property
    def epoch(self) -> int:
        """The epoch's number."""
        return self.context.epoch

    @property
    def group_id(self) -> bytes:
        """The group's name."""
        return self.context.group_id

    # Beginning to follow.

    @classmethod
    def from_group_info(
        cls,
        message: bytes,
        policy: Policy,
        *,
        tree: bytes | None = None,
        suites: Suites | None = None,
    ) -> PublicGroup:
        """Begin from a GroupInfo and the tree, inside it or from elsewhere, both checked whole.

        Whether its signer is to be believed is for the application to say: it knows whom it
        expects in this group.
        """
        info = decode_group_info(message, policy.max_message_bytes)
        suite = suite_of(info.context.suite_id, suites)
        return public_group_from(info, suite, policy, tree)

    def check_group_info(self, message: bytes) -> PublicGroup:
        """Return this group with the external key of a GroupInfo that agrees with it.

        Raises when context, tag or signer are not those of this very epoch (section 12.4.3).
        """
        info = decode_group_info(message, self.policy.max_message_bytes)
        if info.context.raw != self.context.raw:
            raise RuleBroken("group-info-context")
        if info.confirmation_tag != self.confirmation_tag:
            raise RuleBroken("group-info-tag")
        _check_signer(info, self.tree)
        return replace(self, external_pub=external_pub(info.extensions))

    # Following.

    def receive(self, message: bytes | Message) -> PublicProposal | StagedPublicCommit:
        """Check a public handshake.  Nothing changes: the answer holds the next value."""
        if isinstance(message, bytes | bytearray):
            message = decode_message(bytes(message), self.policy.max_message_bytes)
        return self.handle(self.verify(only_public(message).content))

    def verify(self, content: Content) -> Verified:
        """Check group, epoch, sender and signature of a message."""
        return verify_content(content, self.context, self.tree)

    def handle(self, verified: Verified) -> PublicProposal | StagedPublicCommit:
        """Take a verified handshake."""
        if verified.context != self.context.raw:
            raise UsageError("this was verified in another group or epoch")
        if verified.content.content_type == PROPOSAL:
            return self._remember(verified)
        return self.stage(verified)

    def _remember(self, verified: Verified) -> PublicProposal:
        content = verified.content
        proposal = content.body
        assert not isinstance(proposal, bytes | Commit)
        check_proposal(proposal, content.sender, self.tree, self.group_id, self.policy)
        reference = self.suite.reference(_REFERENCE, content.encode())
        if reference in self.proposals:
            return PublicProposal(self, proposal, content.sender, reference)
        broken = self.policy.proposal(self, proposal, content.sender)
        if broken is not None:
            raise RuleBroken(broken)
        remembered = sum(map(len, self.proposal_bytes)) + len(content.framed)
        if (
            len(self.proposals) >= self.policy.pending_proposals
            or remembered > self.policy.pending_bytes
        ):
            raise RuleBroken("limit-pending-proposals")
        after = self.with_proposal(reference, content)
        return PublicProposal(after, proposal, content.sender, reference)

    def with_proposal(self, reference: bytes, content: Content) -> PublicGroup:
        """Return the group with one more proposal that may be committed by reference."""
        proposal = content.body
        assert not isinstance(proposal, bytes | Commit)
        return replace(
            self,
            proposals={**self.proposals, reference: Listed(proposal, content.sender)},
            proposal_bytes=(*self.proposal_bytes, content.encode()),
        )

    def resolve(self, commit: Commit, sender: Sender) -> list[Listed]:
        """Return a commit's proposals in order, those by reference looked up."""
        listed = []
        for item in commit.proposals:
            if not isinstance(item, Reference):
                listed.append(Listed(item, sender))
                continue
            if sender.type == NEW_MEMBER_COMMIT:
                raise RuleBroken("external-by-value")
            known = self.proposals.get(item.hash)
            if known is None:
                raise RuleBroken("commit-unknown-reference")
            listed.append(known)
        return listed

    def stage(self, verified: Verified) -> StagedPublicCommit:
        """Judge a verified commit by everything that is public (section 12.4.2)."""
        content = verified.content
        commit = content.body
        assert isinstance(commit, Commit)
        if self.reinit is not None:
            raise RuleBroken("reinit-no-send")
        sender = content.sender
        external = sender.type == NEW_MEMBER_COMMIT
        listed = self.resolve(commit, sender)
        changes = self.begin(listed, None if external else sender.index)
        if changes.path_required and commit.path is None:
            raise RuleBroken("commit-path-required")
        steps: list[Step] = []
        committer = sender.index
        if commit.path is not None:
            if external:
                committer = changes.edit.first_blank()
            steps = _merge_path(changes, commit.path, committer, self.tree)
        return self.finish(content, listed, changes, committer, steps)

    def begin(
        self, listed: Sequence[Listed], committer: int | None, psk_usage: int = FOR_APPLICATION
    ) -> Changes:
        """Judge a list of proposals and apply it: the first half of any commit.

        `committer` is None for an external one.
        """
        if self.epoch >= _LAST_EPOCH:
            raise RuleBroken("limit-epoch")
        check_list(listed, committer, self.tree, psk_usage)
        return apply_proposals(listed, self.tree, self.context.extensions, self.policy)

    def finish(
        self,
        content: Content,
        listed: Sequence[Listed],
        changes: Changes,
        committer: int,
        steps: list[Step],
        *,
        ours: bool = False,
    ) -> StagedPublicCommit:
        """Judge what a commit leads to: the second half, with its path in the tree already.

        Who makes the commit has no tag yet, and puts it into the result.
        """
        commit = content.body
        assert isinstance(commit, Commit)
        pathless = commit.path is None
        replaced = None if pathless else committer
        check_new_leaves(changes, self.tree, self.group_id, self.policy, replaced, ours=ours)
        after = self._next(changes, content.transcript_bytes(), content.confirmation_tag or b"")
        staged = StagedPublicCommit(
            after,
            content.sender,
            committer,
            tuple(item.proposal for item in listed),
            tuple(item.sender for item in listed),
            content.authenticated_data,
            tuple(changes.added),
            tuple(changes.updated),
            tuple(changes.removed),
            changes.external_init,
            tuple(changes.psks),
            commit.path,
            steps,
        )
        broken = self.policy.rule(self, staged)
        if broken is not None:
            raise RuleBroken(broken)
        return staged

    def provisional_context(self, tree_hash: bytes, extensions: Extensions) -> bytes:
        """The context that path secrets are sealed under: new tree, old transcript (12.4.1)."""
        return new_context(
            self.suite.id,
            self.group_id,
            self.epoch + 1,
            tree_hash,
            self.context.confirmed_transcript_hash,
            extensions,
        ).raw

    def _next(self, changes: Changes, commit: bytes, confirmation_tag: bytes) -> PublicGroup:
        """Return the next epoch, given a commit's transcript bytes and its tag."""
        interim = self.interim_transcript_hash()
        context = new_context(
            self.suite.id,
            self.group_id,
            self.epoch + 1,
            changes.edit.tree_hash(),
            confirmed_transcript_hash(self.suite, interim, commit),
            changes.extensions,
        )
        return PublicGroup(
            self.suite,
            self.policy,
            context,
            changes.edit.done(),
            confirmation_tag,
            reinit=changes.reinit,
        )

    def interim_transcript_hash(self) -> bytes:
        """The hash over all commits so far, the last one's tag included (section 8.2)."""
        return interim_transcript_hash(
            self.suite, self.context.confirmed_transcript_hash, self.confirmation_tag
        )

    # Bytes.

    def save(self) -> bytes:
        """Return a snapshot: everything public, and nothing else."""
        return (
            u16(_SNAPSHOT_VERSION)
            + self.context.raw
            + self.tree.encode()
            + opaque(self.confirmation_tag)
            + vector(map(opaque, self.proposal_bytes))
            + optional(None if self.reinit is None else self.reinit.encode())
            + optional(None if self.external_pub is None else opaque(self.external_pub))
        )

    @classmethod
    def load(cls, saved: bytes, policy: Policy, *, suites: Suites | None = None) -> PublicGroup:
        """Return the group that `save` wrote.  Trusted like one's own store: nothing is checked."""
        return decode_own(saved, lambda reader: read_public_group(reader, policy, suites))


def read_public_group(reader: Reader, policy: Policy, suites: Suites | None) -> PublicGroup:
    """Read a snapshot."""
    if reader.u16() != _SNAPSHOT_VERSION:
        raise UsageError("this snapshot was saved by a newer version of this library")
    context = read_context(reader)
    suite = suite_of(context.suite_id, suites)
    tree = RatchetTree.read(suite, reader)
    if tree.tree_hash() != context.tree_hash:
        raise UsageError(_DAMAGED)
    tag = reader.opaque()
    raw = reader.vector(Reader.opaque)
    reinit = reader.optional(read_proposal)
    if reinit is not None and not isinstance(reinit, ReInit):
        raise UsageError(_DAMAGED)
    group = PublicGroup(
        suite,
        policy,
        context,
        tree,
        tag,
        reinit=reinit,
        external_pub=reader.optional(Reader.opaque),
    )
    for item in raw:
        content = decode_own(item, read_authenticated)
        if content.content_type != PROPOSAL:
            raise UsageError(_DAMAGED)
        group = group.with_proposal(suite.reference(_REFERENCE, item), content)
    return group


@dataclass(frozen=True, slots=True)
class PublicProposal:
    """A proposal that was checked and is remembered by `group`, the next value."""

    group: PublicGroup
    proposal: Proposal
    sender: Sender
    reference: bytes


@dataclass(frozen=True, slots=True)
class StagedPublicCommit:
    """A commit that counts, publicly.  Inspect it; take `group`, the next epoch, or drop it."""

    group: PublicGroup
    sender: Sender
    committer: int
    """The committer's leaf in the next epoch."""
    proposals: Sequence[Proposal]
    proposers: Sequence[Sender]
    """Who made each of the proposals: the committer itself, but for those by reference."""
    authenticated_data: bytes
    added: tuple[tuple[int, KeyPackage], ...]
    updated: tuple[int, ...]
    removed: tuple[int, ...]
    external_init: ExternalInit | None
    psks: tuple[PskId, ...]
    path: UpdatePath | None = field(repr=False)
    steps: list[Step] = field(repr=False)

    @property
    def newcomers(self) -> frozenset[int]:
        """The nodes of those who join by this commit."""
        return frozenset(2 * index for index, _ in self.added)


def _merge_path(changes: Changes, path: UpdatePath, committer: int, old: RatchetTree) -> list[Step]:
    """Judge a path and put it into the tree."""
    edit = changes.edit
    suite = edit.suite
    leaf = path.leaf
    if leaf.source != FROM_COMMIT:
        raise RuleBroken("leaf-source-commit")
    current = None if changes.external_init else old.leaf(committer)
    if current is not None and leaf.encryption_key == current.encryption_key:
        raise RuleBroken("path-key-fresh")
    keys = [node.encryption_key for node in path.nodes]
    if any(key in edit.keys for key in (leaf.encryption_key, *keys)):
        raise RuleBroken("path-keys-unused")
    if len({leaf.encryption_key, *keys}) != len(keys) + 1:
        raise RuleBroken("path-keys-distinct")
    steps = edit.filtered_path(committer)
    if len(steps) != len(keys):
        raise RuleBroken("path-node-count")
    newcomers = frozenset(2 * index for index, _ in changes.added)
    for step, node in zip(steps, path.nodes, strict=True):
        if len(node.secrets) != len(receivers(step, newcomers)):
            raise RuleBroken("path-ciphertext-count")
        check_encryption_key(node.encryption_key, suite, "path-key-valid")
    parent_hash = edit.merge_path(committer, steps, keys)
    if leaf.parent_hash != parent_hash:
        raise RuleBroken("path-parent-hash")
    edit.put_leaf(committer, leaf)
    return steps


def _check_signer(info: GroupInfo, tree: RatchetTree) -> None:
    leaf = tree.leaf(info.signer)
    if leaf is None:
        raise RuleBroken("join-signer-leaf")
    info.check_signature(tree.suite, leaf.signature_key)


def public_group_from(
    info: GroupInfo,
    suite: Suite,
    policy: Policy,
    tree: bytes | None,
    ours: LeafNode | None = None,
) -> PublicGroup:
    """Check a GroupInfo and its tree as who joins must (section 12.4.3.1)."""
    carried = find_extension(info.extensions, RATCHET_TREE)
    data = tree if carried is None else carried
    if data is None:
        raise RuleBroken("join-tree-missing")
    checked = RatchetTree.decode(suite, data)
    _check_signer(info, checked)
    if checked.tree_hash() != info.context.tree_hash:
        raise RuleBroken("join-tree-hash")
    check_extensions(info.context.extensions, policy)
    check_tree(checked, info.context.group_id, info.context.extensions, policy, ours)
    return PublicGroup(
        suite,
        policy,
        info.context,
        checked,
        info.confirmation_tag,
        external_pub=external_pub(info.extensions),
    )
