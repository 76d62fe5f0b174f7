"""A committer takes in the proposals that fit together; the rest cannot block a group."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from alcove.mls import (
    Add,
    Capabilities,
    CommitOptions,
    Custom,
    Extension,
    ExternalPsk,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    PskId,
    ReInit,
    Remove,
    RequiredCapabilities,
    UsageError,
    basic,
)
from alcove.mls.credentials import Credential
from tests.mls.world import Person, World

VOTE = 0xF0F0
TOPIC = Extension(0xF010, b"cats")


def proposals_of(commit_proposals: Sequence[Proposal]) -> list[str]:
    """Return the kinds of proposals in a commit, in order."""
    return [type(proposal).__name__ for proposal in commit_proposals]


def world_of_four(**options: object) -> tuple[World, tuple[Person, ...]]:
    """Return a group of four whose programs know one more extension and one more proposal."""
    known = Capabilities(
        suites=(1,), extensions=(TOPIC.type,), proposals=(VOTE,), credentials=(1, 0xF0AA)
    )
    world = World(capabilities=known, **options)  # type: ignore[arg-type]
    return world, world.group("alice", "bob", "carol", "dave")


def test_everything_that_fits_is_committed_in_the_order_it_came() -> None:
    world, _ = world_of_four()
    world.propose("bob", Add(world.person("erin").bundle.package))
    world.propose("carol", Custom(VOTE, b"yes"))
    world.send("dave", world.person("dave").propose_update())
    world.propose("bob", Remove(world.person("carol").leaf))
    commit = world.commit("alice")
    assert proposals_of(commit.proposals) == ["Add", "Custom", "Update", "Remove"]
    world.everyone_agrees()


def test_a_removal_goes_before_an_update_of_the_same_leaf() -> None:
    world, (_, bob, _, _) = world_of_four()
    world.send("bob", bob.propose_update())
    world.propose("carol", Remove(bob.leaf))
    world.propose("dave", Remove(bob.leaf))
    commit = world.commit("alice")
    assert proposals_of(commit.proposals) == ["Remove"]


def test_of_two_updates_the_newest_is_taken() -> None:
    world, (_, bob, _, _) = world_of_four()
    world.send("bob", bob.propose_update())
    world.send("bob", bob.propose_update())
    newest = list(bob.group.updates)[-1]
    world.commit("alice")
    leaf = bob.group.public.tree.leaf(bob.leaf)
    assert leaf is not None
    assert leaf.encryption_key == newest


def test_a_member_commits_neither_its_own_update_nor_its_own_removal() -> None:
    world, (alice, _, _, _) = world_of_four()
    world.send("alice", alice.propose_update())
    world.propose("bob", Remove(alice.leaf))
    commit = world.commit("alice")
    assert proposals_of(commit.proposals) == []
    world.everyone_agrees()


def test_a_device_that_is_a_member_or_proposed_twice_is_added_once() -> None:
    world, (_, bob, _, _) = world_of_four()
    world.propose("carol", Add(bob.new_key_package().package))
    erin = world.person("erin")
    world.propose("carol", Add(erin.bundle.package))
    world.propose("dave", Add(erin.new_key_package().package))
    commit = world.commit("alice")
    assert proposals_of(commit.proposals) == ["Add"]


def test_a_member_that_is_removed_can_be_added_again_in_the_same_commit() -> None:
    world, (_, bob, _, _) = world_of_four()
    world.propose("carol", Remove(bob.leaf))
    world.propose("carol", Add(bob.new_key_package().package))
    commit = world.commit("alice")
    assert proposals_of(commit.proposals) == ["Remove", "Add"]


def test_the_newest_extensions_that_everyone_supports_are_taken() -> None:
    world, _ = world_of_four()
    world.propose("bob", GroupContextExtensions((TOPIC,)))
    world.propose("bob", GroupContextExtensions((TOPIC._replace(data=b"dogs"),)))
    world.propose("bob", GroupContextExtensions((Extension(0xF099, b"nobody knows this"),)))
    commit = world.commit("alice")
    assert proposals_of(commit.proposals) == ["GroupContextExtensions"]
    assert world.person("alice").group.public.context.extensions[0].data == b"dogs"


def test_a_newcomer_that_lacks_what_the_group_requires_is_left_out() -> None:
    world, (alice, _, _, _) = world_of_four()
    world.capabilities = Capabilities(suites=(1,), credentials=(1, 0xF0AA))
    required = RequiredCapabilities(proposals=(VOTE,)).extension()
    world.propose("bob", GroupContextExtensions((required,)))
    world.propose("bob", Add(world.person("erin").bundle.package))
    commit = alice.commit()
    assert proposals_of(commit.proposals) == ["GroupContextExtensions"]


def test_a_newcomer_whose_credential_some_member_cannot_read_is_left_out() -> None:
    world, (alice, _, _, _) = world_of_four()
    erin = world.person("erin")
    erin.new_key_package(
        credential=Credential(0xF0AA, b"passport"),
        capabilities=Capabilities(suites=(1,), credentials=(0xF0AA,)),
    )
    world.propose("bob", Add(erin.bundle.package))
    frank = world.person("frank")
    frank.new_key_package(
        credential=Credential(0xF0AB, b"mask"),
        capabilities=Capabilities(suites=(1,), credentials=(1, 0xF0AB)),
    )
    world.propose("bob", Add(frank.bundle.package))
    assert proposals_of(alice.commit().proposals) == []


def test_a_newcomer_may_bring_a_credential_type_that_everyone_reads() -> None:
    world, _ = world_of_four()
    erin = world.person("erin")
    erin.new_key_package(
        credential=Credential(0xF0AA, b"passport"),
        capabilities=Capabilities(suites=(1,), credentials=(1, 0xF0AA)),
    )
    world.propose("bob", Add(erin.bundle.package))
    assert proposals_of(world.commit("alice").proposals) == ["Add"]
    world.everyone_agrees()


def test_an_update_that_no_longer_fits_leaves_the_old_leaf_where_it_was() -> None:
    world, (alice, bob, _, _) = world_of_four()
    leaf = bob.group.template(bob.signing_key, None)
    poorer = leaf._replace(capabilities=Capabilities(suites=(1,), credentials=(1,)))
    world.send("bob", bob.propose_update(template=poorer))
    world.propose("carol", GroupContextExtensions((TOPIC,)))
    world.propose("dave", Add(bob.new_key_package().package))
    assert proposals_of(alice.commit().proposals) == ["GroupContextExtensions"]


def test_a_pre_shared_key_is_taken_once_and_only_by_who_has_it() -> None:
    world, (alice, bob, carol, _) = world_of_four()
    psk = PreSharedKey(PskId(ExternalPsk(b"party"), bytes(32)))
    world.send("bob", bob.propose(psk))
    world.send("bob", bob.propose(psk, authenticated_data=b"again"))
    assert proposals_of(alice.commit().proposals) == []
    commit = carol.commit(psks=lambda _key: b"the secret")
    assert proposals_of(commit.proposals) == ["PreSharedKey"]


def test_a_proposal_type_is_taken_only_when_everyone_who_stays_knows_it() -> None:
    world, (alice, bob, _, _) = world_of_four()
    world.propose("bob", Custom(VOTE + 1, b"?"))
    assert proposals_of(alice.commit().proposals) == []
    assert bob.group.public.proposals


def test_a_reinit_waits_until_it_is_alone_and_the_first_one_counts() -> None:
    world, (alice, _, _, _) = world_of_four()
    first = ReInit(b"new room", 1, 1)
    world.propose("bob", first)
    world.propose("carol", ReInit(b"other room", 1, 1))
    assert list(alice.commit().proposals) == [first]
    world.propose("dave", Custom(VOTE, b"yes"))
    assert proposals_of(alice.commit().proposals) == ["Custom"]


def test_the_application_may_choose_for_itself() -> None:
    world, (alice, _, _, _) = world_of_four()
    world.propose("bob", Custom(VOTE, b"yes"))
    world.propose("bob", Custom(VOTE, b"no"))
    first, second = alice.group.public.proposals
    assert list(alice.commit(pending=(second,)).proposals) == [Custom(VOTE, b"no")]
    assert proposals_of(alice.commit(pending=False).proposals) == []
    with pytest.raises(UsageError, match="not sent in this epoch"):
        alice.group.commit(entropy=world.entropy, options=CommitOptions(pending=(first[:-1],)))


def test_proposals_that_cannot_be_committed_do_not_stop_messages() -> None:
    world, (alice, bob, _, _) = world_of_four()
    world.propose("carol", Add(bob.new_key_package().package))
    world.everyone_can_read("alice")
    world.propose("carol", Remove(bob.leaf))
    with pytest.raises(UsageError, match="proposals are waiting"):
        alice.seal(b"hello")


def test_an_update_of_the_identity_behind_a_leaf_is_an_update_like_any_other() -> None:
    world, (_, bob, _, _) = world_of_four()
    leaf = bob.group.template(bob.signing_key, None)
    world.send("bob", bob.propose_update(template=leaf._replace(credential=basic(b"robert"))))
    world.commit("alice")
    new = bob.group.public.tree.leaf(bob.leaf)
    assert new is not None
    assert new.credential == basic(b"robert")
