"""Following somebody else's commit: the secret half, once it counts in public (section 12.4.2)."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from alcove.mls import schedule
from alcove.mls.errors import CryptoError, RuleBroken
from alcove.mls.paths import PrivateKeys, open_path
from alcove.mls.proposals import ExternalInit
from alcove.mls.provider import SigningKey
from alcove.mls.public_group import StagedPublicCommit
from alcove.mls.schedule import EXTERNAL_INIT_LABEL, Psks

if TYPE_CHECKING:
    from alcove.mls.group import Group


def follow(group: Group, staged: StagedPublicCommit, psks: Psks) -> Group:
    """Return a member's group in the next epoch, or raise why it cannot get there."""
    suite, after = group.suite, staged.group
    keys, signer = _keys_after_update(group, staged)
    commit_secret = suite.zero
    if staged.path is not None:
        context = group.public.provisional_context(
            after.context.tree_hash, after.context.extensions
        )
        found, commit_secret = open_path(
            suite, group.me, keys, staged.steps, staged.path, staged.newcomers, context
        )
        keys = {**keys, **found}
    init = group.secrets.init
    if staged.external_init is not None:
        init = _external_init(group, staged.external_init)
    psk = schedule.psk_secret(suite, group.find_psks(staged.psks, psks))
    joiner = schedule.joiner_from_commit(suite, init, commit_secret, psk, after.context.raw)
    secrets = schedule.epoch_secrets(suite, joiner, after.context.raw)
    tag = suite.mac(secrets.confirmation, after.context.confirmed_transcript_hash)
    if not hmac.compare_digest(tag, after.confirmation_tag):
        raise RuleBroken("commit-confirmation-tag")
    return group.enter(after, secrets, keys, signer)


def _external_init(group: Group, proposal: ExternalInit) -> bytes:
    """Section 8.3: the init secret that a joiner sent to the group's external key."""
    suite = group.suite
    try:
        return suite.crypto.hpke_receive_export(
            suite.hpke,
            group.external_key(),
            proposal.kem_output,
            b"",
            EXTERNAL_INIT_LABEL,
            suite.secret_bytes,
        )
    except CryptoError:
        raise RuleBroken("external-init-decap") from None


def _keys_after_update(group: Group, staged: StagedPublicCommit) -> tuple[PrivateKeys, SigningKey]:
    """Return our private keys, new ones when an Update of ours was committed."""
    if group.me not in staged.updated:
        return group.keys, group.signing_key
    leaf = staged.group.tree.leaf(group.me)
    assert leaf is not None
    pending = group.updates.get(leaf.encryption_key)
    if pending is None:
        raise RuleBroken("update-key-missing")
    return {2 * group.me: pending.leaf_key}, pending.signing_key
