"""What the application decides: padding, its rule for commits, whom to believe, how long."""

from __future__ import annotations

import pytest

from alcove.mls import (
    NEW_MEMBER_COMMIT,
    LeafNode,
    Lifetime,
    PeerError,
    PublicGroup,
    Remove,
    RuleBroken,
    Sender,
    StagedCommit,
    StagedPublicCommit,
    check_lifetime,
    no_padding,
    padme,
)
from tests.mls.world import World, received, refusal

# Padding.

PADME = [(0, 0), (1, 1), (2, 2), (8, 8), (9, 10), (100, 104), (1000, 1024), (65_537, 67_584)]


@pytest.mark.parametrize(("length", "padded"), PADME)
def test_padme_rounds_up_to_few_lengths(length: int, padded: int) -> None:
    assert padme(length) == padded


def test_padme_adds_at_most_12_percent() -> None:
    assert max(padme(length) / length for length in range(1, 100_000)) <= 1.12


def test_padme_leaves_few_lengths_to_tell_apart() -> None:
    assert len({padme(length) for length in range(1_000_000)}) < 300


def test_without_padding_a_length_is_itself() -> None:
    assert no_padding(17) == 17


def test_padded_messages_of_like_length_look_alike() -> None:
    alice, bob = World(padding=lambda _length: 500).group("alice", "bob")
    messages = [alice.seal(data) for data in (b"", b"a" * 100, b"b" * 400)]
    assert len({len(message) for message in messages}) == 1
    assert [bob.read(message) for message in messages] == [b"", b"a" * 100, b"b" * 400]


def test_padding_never_shortens() -> None:
    alice, bob = World(padding=lambda _length: 0).group("alice", "bob")
    assert bob.read(alice.seal(b"hello")) == b"hello"


# The application's rule.


class Rule:
    """A rule that notes what it is asked, and forbids removals once it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Sender, list[str], int]] = []
        self.forbids: type | None = None

    def __call__(self, old: PublicGroup, commit: StagedPublicCommit) -> str | None:
        kinds = [type(proposal).__name__ for proposal in commit.proposals]
        self.asked.append((old.epoch, commit.sender, kinds, commit.group.epoch))
        forbidden = self.forbids is not None and self.forbids.__name__ in kinds
        return "app-no-removals" if forbidden else None


def test_the_rule_is_asked_about_every_commit_by_who_makes_it_and_who_takes_it() -> None:
    rule = Rule()
    world = World(rule=rule)
    world.group("alice", "bob")
    rule.asked.clear()
    world.commit("alice", path=True)
    assert rule.asked == [(1, Sender(1, 0), [], 2)] * 2


def test_the_rule_is_asked_about_external_commits() -> None:
    rule = Rule()
    world = World(rule=rule)
    world.group("alice", "bob")
    rule.asked.clear()
    world.join_by_commit("carol", world.public("alice"))
    assert rule.asked == [(1, Sender(NEW_MEMBER_COMMIT), ["ExternalInit"], 2)] * 3


def test_a_commit_that_the_rule_forbids_cannot_be_made() -> None:
    rule = Rule()
    world = World(rule=rule)
    alice, bob = world.group("alice", "bob")
    rule.forbids = Remove
    with pytest.raises(RuleBroken, match="app-no-removals"):
        alice.commit(Remove(bob.leaf))


def test_a_commit_that_the_rule_forbids_does_not_count_for_anyone() -> None:
    rule = Rule()
    world = World(rule=rule)
    alice, bob, carol = world.group("alice", "bob", "carol")
    message = alice.commit(Remove(carol.leaf)).message
    rule.forbids = Remove
    assert refusal(bob.group, message) == refusal(carol.group, message) == "app-no-removals"
    with pytest.raises(PeerError, match="app-no-removals"):
        world.public("bob").receive(message)


def test_the_application_sees_which_leaf_a_new_one_replaces() -> None:
    seen: list[tuple[LeafNode, LeafNode | None]] = []

    def check(leaf: LeafNode, replaced: LeafNode | None) -> None:
        seen.append((leaf, replaced))

    world = World(credential=check)
    alice, bob = world.group("alice", "bob")
    before = bob.group.public.tree.leaf(alice.leaf)
    seen.clear()
    staged = received(bob.group, alice.commit(path=True).message, StagedCommit)
    assert seen[-1] == (staged.after.tree.leaf(alice.leaf), before)


# Lifetimes.

MAY = Lifetime(1_000, 2_000)


@pytest.mark.parametrize("now", [1_000, 1_500, 2_000])
def test_a_key_package_is_valid_from_its_first_to_its_last_second(now: int) -> None:
    leaf = World().person("alice").new_key_package(lifetime=MAY).package.leaf
    check_lifetime(leaf, now, longest=1_000)


@pytest.mark.parametrize(
    ("now", "longest", "rule"),
    [
        (999, 1_000, "leaf-lifetime-current"),
        (2_001, 1_000, "leaf-lifetime-current"),
        (1_500, 999, "leaf-lifetime-max-total"),
    ],
)
def test_a_key_package_is_refused_outside_its_lifetime(now: int, longest: int, rule: str) -> None:
    leaf = World().person("alice").new_key_package(lifetime=MAY).package.leaf
    with pytest.raises(RuleBroken, match=rule):
        check_lifetime(leaf, now, longest)


def test_a_leaf_without_a_lifetime_is_always_valid() -> None:
    (alice,) = World().group("alice")
    alice.group = alice.commit(path=True).merge()
    leaf = alice.group.public.tree.leaf(alice.leaf)
    assert leaf is not None
    check_lifetime(leaf, 0, longest=0)
