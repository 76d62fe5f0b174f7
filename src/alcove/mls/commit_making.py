"""Making a commit and the Welcome that goes with it (RFC 9420, section 12.4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from alcove.mls import schedule
from alcove.mls import tree_math as math
from alcove.mls.changes import Changes, Listed
from alcove.mls.choosing import fitting_proposals
from alcove.mls.codec import decode
from alcove.mls.commit import Commit, Reference, Sealed, UpdatePath
from alcove.mls.context import sign_group_info
from alcove.mls.errors import DecodeError, UsageError
from alcove.mls.extensions import RATCHET_TREE, Extension, Extensions, check_no_twins
from alcove.mls.framing import COMMIT, ENVELOPE_BYTES, MEMBER, Content, Sender, read_authenticated
from alcove.mls.key_package import Entropy, draw
from alcove.mls.leaf import LeafTemplate
from alcove.mls.paths import NewPath, make_path, seal_path
from alcove.mls.proposals import (
    FOR_APPLICATION,
    ExternalPsk,
    Proposal,
    ResumptionPsk,
    check_sendable,
)
from alcove.mls.provider import KemKey, SigningKey, without_secrets
from alcove.mls.public_group import PublicGroup, StagedPublicCommit
from alcove.mls.results import OwnCommit
from alcove.mls.schedule import Joiner, Psks, no_psks
from alcove.mls.suites import Suite
from alcove.mls.tree import Step
from alcove.mls.welcome import GroupSecrets, SealedSecrets, Welcome

if TYPE_CHECKING:
    from alcove.mls.group import Group


_WORTH_A_LOOK: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class CommitOptions:
    """What may be said about a commit beyond its proposals."""

    path: bool = False
    """Bring new keys even where RFC 9420 does not ask for them: this heals the committer's side."""
    pending: bool | tuple[bytes, ...] = True
    """Which proposals of this epoch to include: all that fit together, none, or these hashes."""
    private: bool | None = None
    """Send as PrivateMessage; None for what the policy says."""
    authenticated_data: bytes = b""
    tree_in_welcome: bool = True
    """Put the tree into the Welcome; else newcomers must get it elsewhere."""
    group_info_extensions: Extensions = ()
    signing_key: SigningKey | None = None
    """A new signature key for our leaf.  Needs a path, and makes one."""
    template: LeafTemplate | None = None
    """What else our new leaf should say.  Needs a path, and makes one."""
    psks: Psks = no_psks
    psk_usage: int = FOR_APPLICATION
    """Set by `alcove.mls.successors` only."""


class AttachedPath(NamedTuple):
    """A path that was made and put into the tree."""

    path: UpdatePath
    made: NewPath
    leaf_key: KemKey
    steps: list[Step]

    def __repr__(self) -> str:
        return without_secrets(self)


def attach_path(
    public: PublicGroup,
    changes: Changes,
    index: int,
    template: LeafTemplate,
    signer: SigningKey,
    entropy: Entropy,
) -> AttachedPath:
    """Make new keys from our leaf to the root and seal them to the others."""
    suite, edit = public.suite, changes.edit
    steps = edit.filtered_path(index)
    made = make_path(suite, steps, draw(entropy, suite.secret_bytes))
    leaf_key = suite.kem_derive(draw(entropy, suite.secret_bytes))
    keys = [made.keys[step.node].public for step in steps]
    parent_hash = edit.merge_path(index, steps, keys)
    leaf = template.for_commit(suite, signer, leaf_key.public, parent_hash, public.group_id, index)
    edit.put_leaf(index, leaf)
    context = public.provisional_context(edit.tree_hash(), changes.extensions)
    newcomers = frozenset(2 * at for at, _ in changes.added)
    nodes = seal_path(edit, steps, made, newcomers, context)
    return AttachedPath(UpdatePath(leaf, nodes), made, leaf_key, steps)


def waiting_proposals(
    group: Group, options: CommitOptions, by_value: Sequence[Proposal] = ()
) -> list[tuple[bytes, Listed]]:
    """Return the proposals by reference that a commit takes in."""
    if options.pending is True:
        have = partial(_have, group, options.psks)
        return fitting_proposals(group.public, group.me, have, by_value)
    wanted = options.pending or ()
    missing = [reference for reference in wanted if reference not in group.public.proposals]
    if missing:
        raise UsageError("a proposal to commit was not sent in this epoch")
    return [(reference, group.public.proposals[reference]) for reference in wanted]


def _have(group: Group, psks: Psks, key: ExternalPsk | ResumptionPsk) -> bool:
    return group.find_psk(key, psks) is not None


def make_commit(
    group: Group, proposals: Sequence[Proposal], entropy: Entropy, options: CommitOptions
) -> OwnCommit:
    """Make a commit from a member's group, which stays as it is."""
    public, suite, me = group.public, group.suite, group.me
    for proposal in proposals:
        check_sendable(proposal)
    chosen = waiting_proposals(group, options, proposals)
    sender = Sender(MEMBER, me)
    listed = [item for _, item in chosen] + [Listed(proposal, sender) for proposal in proposals]
    items = (*(Reference(reference) for reference, _ in chosen), *proposals)
    changes = public.begin(listed, me, options.psk_usage)
    signer = options.signing_key or group.signing_key
    wants_path = options.path or options.template is not None or options.signing_key is not None
    attached = None
    if changes.path_required or wants_path:
        template = group.template(signer, options.template)
        attached = attach_path(public, changes, me, template, signer, entropy)
    content = group.sign_content(
        COMMIT,
        Commit(items, None if attached is None else attached.path),
        options.authenticated_data,
        private=options.private,
    )
    steps = [] if attached is None else attached.steps
    staged = public.finish(content, listed, changes, me, steps, ours=True)
    keys, commit_secret = dict(group.keys), suite.zero
    if attached is not None:
        keys.update(attached.made.keys)
        keys[2 * me] = attached.leaf_key
        commit_secret = attached.made.commit_secret
    psk = schedule.psk_secret(suite, group.find_psks(staged.psks, options.psks))
    context = staged.group.context
    joiner = schedule.joiner_from_commit(suite, group.secrets.init, commit_secret, psk, context.raw)
    secrets = schedule.epoch_secrets(suite, joiner, context.raw)
    tag = suite.mac(secrets.confirmation, context.confirmed_transcript_hash)
    after = replace(staged.group, confirmation_tag=tag)
    staged = replace(staged, group=after)
    welcome, sealed_info = None, b""
    if staged.added:
        made = make_welcome(staged, joiner, attached, signer, options)
        welcome = made.message()
        if len(welcome) > public.policy.max_message_bytes:
            raise UsageError("this Welcome is larger than newcomers accept: leave the tree out")
        if attached is None:  # The same commit again would have the same key for its Welcome.
            sealed_info = suite.hash(made.encrypted_group_info)
    group.high_water.made(context.confirmed_transcript_hash, sealed_info)
    content = replace(content, confirmation_tag=tag)
    check_acceptable(content, public)
    sealed = group.send(content, entropy)
    following = sealed.group.enter(after, secrets, keys, signer)
    return OwnCommit(sealed.group, staged, following, sealed.message, welcome)


def check_acceptable(content: Content, public: PublicGroup) -> None:
    """Refuse to send what no member would read: it would count for us alone."""
    size = len(content.framed) + len(content.authentication())
    if size > public.policy.max_message_bytes - ENVELOPE_BYTES:
        raise UsageError("this commit is larger than the group's members accept")
    if size > _WORTH_A_LOOK:  # Only a large one can hold too many items.
        try:
            decode(content.encode(), read_authenticated, size + ENVELOPE_BYTES)
        except DecodeError as refusal:
            raise UsageError(f"this commit breaks rule {refusal.rule} for its readers") from None


def make_welcome(
    staged: StagedPublicCommit,
    joiner: Joiner,
    attached: AttachedPath | None,
    signer: SigningKey,
    options: CommitOptions,
) -> Welcome:
    """Seal the next epoch's secrets to everyone whom a commit adds."""
    after = staged.group
    suite = after.suite
    extensions = options.group_info_extensions
    if options.tree_in_welcome:
        extensions = (*extensions, Extension(RATCHET_TREE, after.tree.encode()))
    check_no_twins(extensions)
    info = sign_group_info(
        suite, signer, after.context, extensions, after.confirmation_tag, staged.committer
    )
    sealed_info = seal_group_info(suite, joiner.welcome, info.raw)
    secrets = []
    for index, _ in staged.added:
        path_secret = None
        if attached is not None:
            shared = math.common_ancestor(2 * index, 2 * staged.committer)
            path_secret = attached.made.secrets[shared]
        secrets.append(GroupSecrets(joiner.secret, path_secret, staged.psks).encode())
    keys = [package.init_key for _, package in staged.added]
    sealed = suite.seal_many(keys, b"Welcome", sealed_info, secrets)
    entries = (
        SealedSecrets(package.reference(suite), Sealed(*parts))
        for (_, package), parts in zip(staged.added, sealed, strict=True)
    )
    return Welcome(suite.id, tuple(entries), sealed_info)


def welcome_key(suite: Suite, secret: bytes) -> tuple[bytes, bytes]:
    """Return key and nonce for the GroupInfo inside a Welcome."""
    key = suite.expand_label(secret, b"key", b"", suite.key_bytes)
    return key, suite.expand_label(secret, b"nonce", b"", 12)


def seal_group_info(suite: Suite, secret: bytes, info: bytes) -> bytes:
    """Encrypt a GroupInfo for newcomers."""
    key, nonce = welcome_key(suite, secret)
    return suite.aead_seal(key, nonce, info, b"")
