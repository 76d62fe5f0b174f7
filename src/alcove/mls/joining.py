"""Ways into a group: to create it, to be welcomed, to commit oneself in (sections 11, 12.4.3)."""

from __future__ import annotations

import hmac
from dataclasses import replace

from alcove.mls import schedule
from alcove.mls.changes import Listed, check_extensions
from alcove.mls.codec import decode
from alcove.mls.commit import Commit
from alcove.mls.commit_making import attach_path, welcome_key
from alcove.mls.context import GroupInfo, new_context, read_group_info
from alcove.mls.continuing import check_follows, continued_groups
from alcove.mls.errors import CryptoError, RuleBroken, UsageError
from alcove.mls.extensions import DEFAULT_EXTENSIONS, Extensions, check_own_extensions
from alcove.mls.framing import (
    COMMIT,
    NEW_MEMBER_COMMIT,
    PUBLIC_HEAD,
    PUBLIC_MESSAGE,
    Content,
    Sender,
    decode_message,
    encode_public,
    frame,
)
from alcove.mls.group import Group, new_group
from alcove.mls.key_package import Entropy, KeyPackageBundle, draw, suite_of
from alcove.mls.leaf import Capabilities, LeafTemplate
from alcove.mls.paths import path_secret_keys
from alcove.mls.policy import Policy
from alcove.mls.proposals import (
    ExternalInit,
    ExternalPsk,
    PreSharedKey,
    Proposal,
    PskId,
    Remove,
    ResumptionPsk,
)
from alcove.mls.provider import SigningKey
from alcove.mls.public_group import PublicGroup, public_group_from
from alcove.mls.results import OwnCommit
from alcove.mls.schedule import EXTERNAL_INIT_LABEL, Joiner, Psks, no_psks
from alcove.mls.suites import Suite, Suites
from alcove.mls.tree import RatchetTree
from alcove.mls.tree_checks import check_tree
from alcove.mls.welcome import GroupSecrets, Welcome, read_group_secrets


def create_group(
    bundle: KeyPackageBundle,
    group_id: bytes,
    policy: Policy,
    entropy: Entropy,
    *,
    extensions: Extensions = (),
    suites: Suites | None = None,
) -> Group:
    """Begin a group of one.  The key package is ours alone and need not have been published."""
    bundle.check()
    suite = suite_of(bundle.package.suite_id, suites)
    tree = RatchetTree.of_one(suite, bundle.package.leaf)
    check_own_extensions(extensions)
    check_extensions(extensions, policy)
    check_tree(tree, group_id, extensions, policy, bundle.package.leaf)
    context = new_context(suite.id, group_id, 0, tree.tree_hash(), b"", extensions)
    secrets = schedule.split_epoch_secret(suite, draw(entropy, suite.secret_bytes))
    tag = suite.mac(secrets.confirmation, b"")
    public = PublicGroup(suite, policy, context, tree, tag)
    return new_group(public, 0, bundle.signing_key, {0: bundle.leaf_key}, secrets)


def join_group(
    welcome: bytes,
    bundle: KeyPackageBundle,
    policy: Policy,
    *,
    tree: bytes | None = None,
    psks: Psks = no_psks,
    follows: Group | None = None,
    suites: Suites | None = None,
) -> Group:
    """Join by a Welcome that was sealed to our key package.

    `tree` is the ratchet tree when the Welcome does not hold it.  `follows` is the group that this
    one continues, after a ReInit or as a branch.  Whether the group's id is new to this device is
    for the caller to check: it knows its other groups.
    """
    bundle.check()
    message = decode_message(welcome, policy.max_message_bytes)
    if not isinstance(message, Welcome):
        raise RuleBroken("frame-wire-format")
    suite = suite_of(message.suite_id, suites)
    secrets = _open_secrets(message, bundle, suite)
    continued = continued_groups(secrets.psks)
    psk = schedule.psk_secret(suite, _find_psks(secrets, follows, psks))
    joiner = schedule.joiner_from_secret(suite, secrets.joiner_secret, psk)
    info = _open_info(message, joiner, suite)
    if info.context.suite_id != suite.id:
        raise RuleBroken("welcome-info-suite")
    check_can_join(bundle.package.leaf.capabilities, info.context.extensions)
    public = public_group_from(info, suite, policy, tree, bundle.package.leaf)
    me = public.tree.find(bundle.package.leaf)
    if me is None:
        raise RuleBroken("welcome-leaf")
    keys = {2 * me: bundle.leaf_key}
    if secrets.path_secret is not None:
        keys.update(path_secret_keys(public.tree, me, info.signer, secrets.path_secret))
    epoch = schedule.epoch_secrets(suite, joiner, info.context.raw)
    tag = suite.mac(epoch.confirmation, info.context.confirmed_transcript_hash)
    if not hmac.compare_digest(tag, info.confirmation_tag):
        raise RuleBroken("join-confirmation-tag")
    check_follows(continued, public, follows)
    return new_group(public, me, bundle.signing_key, keys, epoch)


def _open_secrets(message: Welcome, bundle: KeyPackageBundle, suite: Suite) -> GroupSecrets:
    """Find our entry in a Welcome and open it."""
    if bundle.package.suite_id != suite.id:
        raise RuleBroken("welcome-suite")
    reference = bundle.package.reference(suite)
    for entry in message.secrets:
        if entry.new_member == reference:
            try:
                opened = suite.open(
                    bundle.init_key, b"Welcome", message.encrypted_group_info, *entry.sealed
                )
            except CryptoError:
                raise RuleBroken("welcome-decrypt") from None
            return decode(opened, read_group_secrets)
    raise RuleBroken("welcome-recipient")


def _find_psks(
    secrets: GroupSecrets, follows: Group | None, psks: Psks
) -> list[tuple[PskId, bytes]]:
    """Look up the pre-shared keys that a Welcome names."""
    if follows is not None:
        return follows.find_psks(secrets.psks, psks)
    found = []
    for psk in secrets.psks:
        value = psks(psk.key)
        if value is None:
            raise RuleBroken("psk-available")
        found.append((psk, value))
    return found


def _open_info(message: Welcome, joiner: Joiner, suite: Suite) -> GroupInfo:
    key, nonce = welcome_key(suite, joiner.welcome)
    try:
        raw = suite.aead_open(key, nonce, message.encrypted_group_info, b"")
    except CryptoError:
        raise RuleBroken("welcome-info-decrypt") from None
    return decode(raw, read_group_info, len(raw))


def check_can_join(mine: Capabilities, extensions: Extensions) -> None:
    """Section 13.4: who joins supports every extension of the group's context."""
    for extension in extensions:
        if extension.type not in DEFAULT_EXTENSIONS and extension.type not in mine.extensions:
            raise RuleBroken("join-extensions-supported")


def join_by_commit(
    public: PublicGroup,
    signing_key: SigningKey,
    template: LeafTemplate,
    entropy: Entropy,
    *,
    replaces: int | None = None,
    psk_keys: tuple[ExternalPsk | ResumptionPsk, ...] = (),
    psks: Psks = no_psks,
    authenticated_data: bytes = b"",
) -> OwnCommit:
    """Join by an external commit onto a public state that holds the group's external key.

    `replaces` is our own old leaf when we come back (a *resync*).  The message is valid until
    anybody else commits; then begin again from the next public state.
    """
    suite = public.suite
    if public.reinit is not None:
        raise UsageError("this group has ended: its members go on in the one that follows it")
    check_can_join(template.capabilities, public.context.extensions)
    if public.external_pub is None:
        raise RuleBroken("external-pub-missing")
    try:
        kem_output, init = suite.crypto.hpke_send_export(
            suite.hpke, public.external_pub, b"", EXTERNAL_INIT_LABEL, suite.secret_bytes
        )
    except CryptoError:
        raise RuleBroken("external-pub-valid") from None
    proposals: list[Proposal] = [ExternalInit(kem_output)]
    if replaces is not None:
        proposals.append(Remove(replaces))
    proposals += [PreSharedKey(PskId(key, draw(entropy, suite.secret_bytes))) for key in psk_keys]
    sender = Sender(NEW_MEMBER_COMMIT)
    listed = [Listed(proposal, sender) for proposal in proposals]
    changes = public.begin(listed, None)
    index = changes.edit.first_blank()
    template = template._replace(signature_key=signing_key.public)
    attached = attach_path(public, changes, index, template, signing_key, entropy)
    commit = Commit(tuple(proposals), attached.path)
    content = _signed(public, commit, sender, signing_key, authenticated_data)
    staged = public.finish(content, listed, changes, index, attached.steps, ours=True)
    found = []
    for psk in staged.psks:
        value = psks(psk.key)
        if value is None:
            raise RuleBroken("psk-available")
        found.append((psk, value))
    context = staged.group.context
    joiner = schedule.joiner_from_commit(
        suite,
        init,
        attached.made.commit_secret,
        schedule.psk_secret(suite, found),
        context.raw,
    )
    secrets = schedule.epoch_secrets(suite, joiner, context.raw)
    tag = suite.mac(secrets.confirmation, context.confirmed_transcript_hash)
    after = replace(staged.group, confirmation_tag=tag)
    keys = {**attached.made.keys, 2 * index: attached.leaf_key}
    group = new_group(after, index, signing_key, keys, secrets)
    message = encode_public(replace(content, confirmation_tag=tag), None)
    return OwnCommit(group, replace(staged, group=after), group, message, None)


def _signed(
    public: PublicGroup,
    commit: Commit,
    sender: Sender,
    signing_key: SigningKey,
    authenticated_data: bytes,
) -> Content:
    body = commit.encode()
    framed = frame(public.group_id, public.epoch, sender, authenticated_data, COMMIT, body)
    signature = public.suite.sign(
        signing_key, b"FramedContentTBS", PUBLIC_HEAD + framed + public.context.raw
    )
    return Content(
        PUBLIC_MESSAGE,
        public.group_id,
        public.epoch,
        sender,
        authenticated_data,
        COMMIT,
        commit,
        framed,
        signature,
        None,
    )
