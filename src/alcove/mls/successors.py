"""Groups that follow from a group: after a ReInit, or as a branch (sections 11.2 and 11.3).

The new group's first commit mixes in the old one's resumption key, so that only its members can be
in it, whatever their credentials say.
"""

from __future__ import annotations

from collections.abc import Sequence

from alcove.mls.commit_making import CommitOptions, make_commit
from alcove.mls.continuing import check_follows
from alcove.mls.errors import UsageError
from alcove.mls.extensions import Extensions
from alcove.mls.group import Group
from alcove.mls.joining import create_group
from alcove.mls.key_package import Entropy, KeyPackage, KeyPackageBundle
from alcove.mls.policy import Policy
from alcove.mls.proposals import FOR_BRANCH, FOR_REINIT, Add, Proposal, ResumptionPsk
from alcove.mls.results import OwnCommit
from alcove.mls.suites import Suites


def reinit_group(
    old: Group,
    bundle: KeyPackageBundle,
    packages: Sequence[KeyPackage],
    policy: Policy,
    entropy: Entropy,
    *,
    suites: Suites | None = None,
) -> OwnCommit:
    """Begin the group that a committed ReInit asked for, with the same people.

    `bundle` is our own new key package and `packages` are those of all other members.
    """
    wanted = old.public.reinit
    if wanted is None:
        raise UsageError("this group has not been ended by a ReInit")
    return _begin(
        old,
        FOR_REINIT,
        wanted.group_id,
        wanted.extensions,
        bundle,
        packages,
        policy,
        entropy,
        suites,
    )


def branch_group(
    old: Group,
    group_id: bytes,
    bundle: KeyPackageBundle,
    packages: Sequence[KeyPackage],
    policy: Policy,
    entropy: Entropy,
    *,
    extensions: Extensions = (),
    suites: Suites | None = None,
) -> OwnCommit:
    """Begin a group of some members of this one, with the same suite.  The old one goes on."""
    return _begin(old, FOR_BRANCH, group_id, extensions, bundle, packages, policy, entropy, suites)


def _begin(
    old: Group,
    usage: int,
    group_id: bytes,
    extensions: Extensions,
    bundle: KeyPackageBundle,
    packages: Sequence[KeyPackage],
    policy: Policy,
    entropy: Entropy,
    suites: Suites | None,
) -> OwnCommit:
    group = create_group(bundle, group_id, policy, entropy, extensions=extensions, suites=suites)
    resumption = ResumptionPsk(usage, old.group_id, old.epoch)
    proposals: list[Proposal] = [Add(package) for package in packages]
    proposals.append(group.psk(resumption, entropy))
    options = CommitOptions(psks=lambda _key: old.secrets.resumption, psk_usage=usage)
    commit = make_commit(group, proposals, entropy, options)
    check_follows([resumption], commit.after, old)  # What no joiner would accept is not sent.
    return commit
