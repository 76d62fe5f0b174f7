"""Is this the group that another one continues in?  Who joins it asks (sections 11.2 and 11.3)."""

from __future__ import annotations

from collections.abc import Sequence

from alcove.mls.errors import RuleBroken, UsageError
from alcove.mls.group import Group
from alcove.mls.leaf import MLS_1_0
from alcove.mls.proposals import FOR_APPLICATION, FOR_REINIT, PskId, ResumptionPsk
from alcove.mls.public_group import PublicGroup


def continued_groups(psks: Sequence[PskId]) -> list[ResumptionPsk]:
    """Return the key by which a Welcome says that its group continues another, if it does."""
    found = [
        psk.key
        for psk in psks
        if isinstance(psk.key, ResumptionPsk) and psk.key.usage != FOR_APPLICATION
    ]
    if len(found) > 1:
        raise RuleBroken("welcome-psk-alone")
    return found


def check_follows(continued: Sequence[ResumptionPsk], new: PublicGroup, old: Group | None) -> None:
    """Raise unless a group is what the one that it says to continue decided.

    `old` is the group that the caller expects to be continued, or None when it expects none.
    """
    if not continued and old is not None:
        raise RuleBroken("branch-psk" if old.public.reinit is None else "reinit-psk")
    for key in continued:
        if old is None:
            raise UsageError("this group continues another: pass that one as `follows`")
        if key.usage == FOR_REINIT:
            check_reinit(key, new, old)
        else:
            check_branch(key, new, old)


def check_reinit(psk: ResumptionPsk, new: PublicGroup, old: Group) -> None:
    """Raise unless `new` is what the ReInit that ended `old` asked for."""
    wanted = old.public.reinit
    if wanted is None:
        raise RuleBroken("reinit-committed")
    if psk.group_id != old.group_id or psk.epoch != old.epoch:
        raise RuleBroken("reinit-psk")
    if new.epoch != 1:
        raise RuleBroken("reinit-epoch")
    if new.group_id != wanted.group_id:
        raise RuleBroken("reinit-group-id-match")
    if wanted.version != MLS_1_0:
        raise RuleBroken("reinit-version-match")
    if new.suite.id != wanted.suite_id:
        raise RuleBroken("reinit-suite-match")
    if new.context.extensions != wanted.extensions:
        raise RuleBroken("reinit-extensions-match")
    identity = new.policy.identity
    present = {identity(leaf.credential) for _, leaf in new.tree.leaves()}
    if any(identity(leaf.credential) not in present for _, leaf in old.public.tree.leaves()):
        raise RuleBroken("reinit-members")


def check_branch(psk: ResumptionPsk, new: PublicGroup, old: Group) -> None:
    """Raise unless `new` is a subgroup of `old`, judged by who its members are."""
    if psk.group_id != old.group_id:
        raise RuleBroken("branch-psk")
    if new.epoch != 1:
        raise RuleBroken("branch-epoch")
    if new.suite.id != old.suite.id:
        raise RuleBroken("branch-suite-match")
    identity = new.policy.identity
    known = {identity(leaf.credential) for _, leaf in old.public.tree.leaves()}
    if any(identity(leaf.credential) not in known for _, leaf in new.tree.leaves()):
        raise RuleBroken("branch-members")
