"""The corners that no story comes to: limits of our own making, and questions nobody else asks."""

from __future__ import annotations

import pytest

from alcove.mls import RuleBroken, UsageError, reinit_group
from alcove.mls.codec import varint
from alcove.mls.commit import UpdatePath
from alcove.mls.commit_making import AttachedPath
from alcove.mls.paths import NewPath
from alcove.mls.provider import KemKey
from alcove.mls.schedule import Joiner
from alcove.mls.successors import branch_group
from alcove.mls.welcome import GroupSecrets
from tests.mls.world import World


def test_a_vector_longer_than_mls_can_say_is_not_written() -> None:
    assert varint((1 << 30) - 1) == b"\xbf\xff\xff\xff"
    with pytest.raises(UsageError, match="longer than MLS can carry"):
        varint(1 << 30)


def test_a_key_package_says_whether_it_is_the_last_resort() -> None:
    alice = World().person("alice")
    assert not alice.bundle.package.last_resort
    assert alice.new_key_package(last_resort=True).package.last_resort


def test_a_group_that_was_not_ended_is_not_begun_again() -> None:
    world = World()
    alice, bob = world.group("alice", "bob")
    packages = [bob.new_key_package().package]
    with pytest.raises(UsageError, match="has not been ended"):
        reinit_group(alice.group, alice.bundle, packages, world.policy, world.entropy)


def test_a_branch_that_no_joiner_would_accept_is_not_made() -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    stranger = world.person("mallory").bundle.package
    with pytest.raises(RuleBroken, match="branch-members"):
        branch_group(
            alice.group, b"new", alice.new_key_package(), [stranger], world.policy, world.entropy
        )


def test_what_is_on_its_way_shows_no_secret_either() -> None:
    world = World()
    leaf = world.person("alice").bundle.package.leaf
    path = AttachedPath(
        UpdatePath(leaf, ()), NewPath({}, {1: b"secret"}, b"secret"), KemKey(b"s", b"p", None), []
    )
    for value in (Joiner(b"secret", b"w", b"m"), GroupSecrets(b"secret", None, ()), path):
        assert repr(value) == f"<{type(value).__name__}>"
