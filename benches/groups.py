"""Groups to measure: members by the thousand, a tree made only by adds, a tree all have used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from alcove.mls import (
    Add,
    Group,
    KeyPackageBundle,
    LeafTemplate,
    Lifetime,
    OwnCommit,
    Policy,
    Suite,
    accept_any_credential,
    basic,
    create_group,
    decode_key_package,
    join_group,
    new_key_package,
    pyca,
)
from alcove.mls import tree_math as math
from alcove.mls.context import new_context
from alcove.mls.group import new_group
from alcove.mls.paths import make_path
from alcove.mls.provider import KemKey

POLICY = Policy(credential=accept_any_credential)
_FOREVER = Lifetime(0, 2**40)


def new_member(suite: Suite, name: str) -> KeyPackageBundle:
    """Make a device with its key package."""
    key = suite.new_signing_key(os.urandom(64))
    return new_key_package(suite, basic(name.encode()), key, _FOREVER, os.urandom)


@dataclass(frozen=True)
class Built:
    """A group whose founder added all others by one commit, without a path."""

    members: Sequence[KeyPackageBundle]
    founder: Group
    welcome: bytes

    def join(self, index: int) -> Group:
        """Return the group of a member, as the Welcome gives it."""
        suites = {self.founder.suite.id: self.founder.suite}
        return join_group(self.welcome, self.members[index], POLICY, suites=suites)


def found(suite: Suite, founder: KeyPackageBundle, packages: Sequence[bytes]) -> OwnCommit:
    """Create a group and add everyone: from key packages as they come to a Welcome."""
    group = create_group(founder, b"a room", POLICY, os.urandom, suites={suite.id: suite})
    return group.commit([Add(decode_key_package(each)) for each in packages], entropy=os.urandom)


def build(suite: Suite, size: int) -> Built:
    """Make a group of `size`."""
    members = [new_member(suite, f"member {index}") for index in range(size)]
    commit = found(suite, members[0], [member.message() for member in members[1:]])
    assert commit.welcome is not None
    return Built(members, commit.merge(), commit.welcome)


def forget_public_keys() -> None:
    """Empty the provider's memory of parsed keys: a newcomer has seen none of the group's."""
    pyca._kem_public.cache_clear()
    pyca._signature_public.cache_clear()


def warm(built: Built, seats: Sequence[int]) -> list[Group]:
    """Return the groups of some members as they are after every member has committed once.

    A thousand real commits would take minutes, for every member watched has to follow each.  So
    the paths are put into the tree as `attach_path` does it, but sealed to nobody: the tree is the
    one that the commits would make, valid in all, and the private keys are at hand here.  Who is
    watched gets those of its own path.  Epoch and secrets do not matter for speed; they stay.
    """
    group = built.founder
    suite = group.suite
    edit = group.public.tree.edit()
    keys: dict[int, KemKey] = {}
    for index, member in enumerate(built.members):
        steps = edit.filtered_path(index)
        made = make_path(suite, steps, os.urandom(suite.secret_bytes))
        publics = [made.keys[step.node].public for step in steps]
        parent_hash = edit.merge_path(index, steps, publics)
        keys.update(made.keys)
        keys[2 * index] = suite.kem_derive(os.urandom(suite.secret_bytes))
        leaf = LeafTemplate.of(member.package.leaf).for_commit(
            suite,
            member.signing_key,
            keys[2 * index].public,
            parent_hash,
            group.group_id,
            index,
        )
        edit.put_leaf(index, leaf)
    context = group.public.context
    context = new_context(
        suite.id,
        group.group_id,
        group.epoch,
        edit.tree_hash(),
        context.confirmed_transcript_hash,
        context.extensions,
    )
    public = replace(group.public, context=context, tree=edit.done())
    secrets = group.secrets._replace(encryption=os.urandom(suite.secret_bytes))
    return [
        new_group(
            public,
            seat,
            built.members[seat].signing_key,
            {
                node: keys[node]
                for node in (2 * seat, *math.direct_path(2 * seat, public.tree.width))
                if node in keys
            },
            secrets,
        )
        for seat in seats
    ]
