"""What the caller cannot ask for: a `UsageError` that says what to do instead, and nothing else."""

from __future__ import annotations

import pytest

from alcove.mls import ReInit, RuleBroken, UsageError, branch_group, reinit_group
from alcove.mls.codec import varint
from alcove.mls.commit import UpdatePath
from alcove.mls.commit_making import AttachedPath
from alcove.mls.paths import NewPath, open_path
from alcove.mls.schedule import Joiner
from alcove.mls.welcome import GroupSecrets
from tests.mls.world import Person, World


def pair() -> tuple[World, Person, Person]:
    """Return a world in which Alice and Bob have a group."""
    world = World()
    alice, bob = world.group("alice", "bob")
    return world, alice, bob


def test_a_group_that_goes_on_cannot_be_followed_by_another() -> None:
    world, alice, bob = pair()
    with pytest.raises(UsageError, match="not been ended"):
        reinit_group(alice.group, alice.bundle, [bob.bundle.package], world.policy, world.entropy)


def test_the_next_group_has_the_suite_that_was_agreed_on() -> None:
    world, alice, bob = pair()
    world.commit("alice", ReInit(b"next", 1, 3))
    with pytest.raises(UsageError, match="suite that the ReInit names"):
        reinit_group(alice.group, alice.bundle, [bob.bundle.package], world.policy, world.entropy)


def test_nobody_goes_on_alone() -> None:
    world, alice, _ = pair()
    world.commit("alice", ReInit(b"next", 1, 1))
    with pytest.raises(UsageError, match="key packages"):
        reinit_group(alice.group, alice.new_key_package(), [], world.policy, world.entropy)


def test_a_branch_has_the_suite_of_its_group() -> None:
    world, alice, bob = pair()
    other = World(1, suite=3).person("alice").bundle
    with pytest.raises(UsageError, match="keeps the suite"):
        branch_group(
            alice.group, b"branch", other, [bob.bundle.package], world.policy, world.entropy
        )


def test_a_vector_has_a_longest_length() -> None:
    assert varint(2**30 - 1) == b"\xbf\xff\xff\xff"
    with pytest.raises(UsageError, match="longer than MLS can carry"):
        varint(2**30)


def test_an_export_has_a_longest_length() -> None:
    _, alice, _ = pair()
    assert len(alice.group.export(b"label", b"", 255 * 32)) == 255 * 32
    with pytest.raises(UsageError, match="export less"):
        alice.group.export(b"label", b"", 255 * 32 + 1)


def test_a_key_package_says_whether_it_is_the_last_resort() -> None:
    alice = World().person("alice")
    packages = [alice.new_key_package(last_resort=last).package for last in (False, True)]
    assert [package.last_resort for package in packages] == [False, True]


def test_a_path_that_leads_past_us_does_not_open() -> None:
    world, alice, _ = pair()
    path = UpdatePath(alice.group.leaf, ())
    with pytest.raises(RuleBroken, match="path-decrypt"):
        open_path(world.suite, 1, alice.group.keys, [], path, frozenset(), b"")


def test_what_holds_secrets_on_the_way_shows_none() -> None:
    _, alice, _ = pair()
    secret = bytes(range(32))
    path = AttachedPath(
        UpdatePath(alice.group.leaf, ()),
        NewPath({}, {1: secret}, secret),
        alice.bundle.leaf_key,
        [],
    )
    holders = (GroupSecrets(secret, secret, ()), Joiner(secret, secret, secret), path)
    assert [repr(secret) in repr(holder) for holder in holders] == [False] * 3
