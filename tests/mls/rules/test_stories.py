"""Stories that an audit told.  Each of them came true once, and may not again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alcove.mls import (
    Add,
    Capabilities,
    CryptoError,
    Custom,
    Extension,
    GroupContextExtensions,
    Lost,
    Proposal,
    PublicProposal,
    ReInit,
    Remove,
    StagedCommit,
    UsageError,
    create_group,
    join_group,
    load_group,
    propose_to_join,
    save_group,
)
from alcove.mls.codec import Reader
from alcove.mls.credentials import Credential
from alcove.mls.framing import PublicMessage, decode_message
from alcove.mls.high_water import HighWater
from alcove.mls.hpke import small_order
from alcove.mls.tree import Node, ParentNode, RatchetTree
from tests.mls.rules.frankenstein import refused
from tests.mls.world import World

TOPIC = Extension(0xF010, b"cats")
ABLE = Capabilities(suites=(1,), extensions=(TOPIC.type,), proposals=(0xF0F0,), credentials=(1, 7))


def test_a_tree_that_ends_in_a_parent_is_refused() -> None:
    world = World()
    (alice,) = world.group("alice")
    leaf = alice.group.leaf
    nodes: list[Node | None] = [leaf, ParentNode(b"k" * 32, b""), leaf, ParentNode(b"l" * 32, b"")]
    tree = RatchetTree(world.suite, [*nodes, None, None, None], [None] * 7, {}, {}, {})
    with refused("tree-last-node-non-blank"):
        RatchetTree.read(world.suite, Reader(tree.encode()))


def test_a_state_whose_tree_is_not_its_own_is_not_loaded() -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    stranger = World(1).group("mallory")[0].group.public.tree
    damaged = replace(alice.group, public=replace(alice.group.public, tree=stranger))
    with pytest.raises(UsageError, match="damaged"):
        load_group(save_group(damaged), world.policy)


def test_any_number_of_refused_commits_leaves_a_member_able_to_send() -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    for _ in range(70):
        tried = alice.group.commit(entropy=world.entropy).merge()
        tried.seal(b"on top of a commit that is refused", world.entropy)
    assert world.everyone_can_read("alice")


def test_the_high_water_mark_forgets_what_is_far_below() -> None:
    mark = HighWater()
    mark.spend(b"old", 1, 0, 0)
    mark.spend(b"new", 100, 0, 0)
    with pytest.raises(UsageError, match="far behind"):
        mark.spend(b"old", 1, 0, 1)


@pytest.mark.parametrize("by_value", ["remove", "topic", "add"])
def test_what_a_member_lets_wait_does_not_stop_a_commit_against_it(by_value: str) -> None:
    world = World(capabilities=ABLE)
    alice, _, mallory = world.group("alice", "bob", "mallory")
    dave = world.person("dave")
    world.send("mallory", mallory.propose_update())
    world.propose("mallory", Remove(mallory.leaf))
    world.propose("mallory", GroupContextExtensions((TOPIC,)))
    world.propose("mallory", Add(dave.bundle.package))
    world.propose("mallory", ReInit(b"elsewhere", 1, 1))
    proposals: dict[str, Proposal] = {
        "remove": Remove(mallory.leaf),
        "topic": GroupContextExtensions((TOPIC._replace(data=b"dogs"),)),
        "add": Add(dave.new_key_package().package),
    }
    commit = alice.commit(proposals[by_value])
    assert proposals[by_value] in commit.proposals


def test_a_reinit_by_value_takes_nothing_else_along() -> None:
    world = World(capabilities=ABLE)
    alice, _ = world.group("alice", "bob")
    world.propose("bob", Custom(0xF0F0, b"yes"))
    end = ReInit(b"elsewhere", 1, 1)
    assert list(alice.commit(end).proposals) == [end]


def test_newcomers_who_cannot_read_each_other_do_not_come_together() -> None:
    world = World(capabilities=ABLE)
    alice, _ = world.group("alice", "bob")
    carol, dave = world.person("carol"), world.person("dave")
    carol.new_key_package(
        credential=Credential(7, b"carol"),
        capabilities=Capabilities(suites=(1,), credentials=(1, 7)),
    )
    dave.new_key_package(capabilities=Capabilities(suites=(1,), credentials=(1,)))
    world.propose("bob", Add(carol.bundle.package))
    world.propose("bob", Add(dave.bundle.package))
    assert list(alice.commit().proposals) == [Add(carol.bundle.package)]


def test_a_failure_while_sealing_spends_no_key() -> None:
    def broken_dice(_count: int) -> bytes:
        raise OSError("no entropy")

    world = World()
    alice, _ = world.group("alice", "bob")
    with pytest.raises(OSError, match="no entropy"):
        alice.group.seal(b"hello", broken_dice)
    world.everyone_can_read("alice")


def test_a_message_that_nobody_would_accept_is_not_sealed() -> None:
    world = World(max_message_bytes=10_000)
    alice, _ = world.group("alice", "bob")
    with pytest.raises(UsageError, match="larger than"):
        alice.group.seal(bytes(10_000), world.entropy)
    world.everyone_can_read("alice")


def test_a_thief_who_copies_the_tag_of_our_commit_is_still_a_thief() -> None:
    world = World()
    alice, bob = world.group("alice", "bob")
    thief = load_group(save_group(alice.group), world.policy)
    ours = alice.group.commit(entropy=world.entropy)
    theirs = thief.commit(entropy=world.entropy)
    message, tag = decode_message(theirs.message), ours.after.confirmation_tag
    assert isinstance(message, PublicMessage)
    forged = replace(message, content=replace(message.content, confirmation_tag=tag))
    for group in (alice.group, bob.group):
        with pytest.raises(Lost):
            group.receive(forged)


def test_our_own_commit_coming_back_is_no_alarm() -> None:
    world = World()
    alice, bob = world.group("alice", "bob")
    commit = alice.group.commit(entropy=world.entropy)
    with pytest.raises(UsageError, match="merge what `commit` returned"):
        alice.group.receive(commit.message)
    assert isinstance(bob.receive(commit.message), StagedCommit)


def test_a_group_that_continues_nothing_is_not_taken_for_one_that_does() -> None:
    world = World()
    alice, bob = world.group("alice", "bob")
    mallory, _ = World(1).group("mallory", "eve")
    commit = mallory.group.commit([Add(bob.new_key_package().package)], entropy=world.entropy)
    assert commit.welcome is not None
    with refused("branch-psk"):
        join_group(commit.welcome, bob.bundle, world.policy, follows=bob.group)
    assert alice.is_in


def test_nobody_walks_in_where_the_application_says_nothing() -> None:
    world = World()
    world.policy = replace(world.policy, proposal=type(world.policy)(lambda *_: None).proposal)
    alice, _ = world.group("alice", "bob")
    wish = propose_to_join(
        world.suite, alice.group.group_id, alice.group.epoch, world.person("mallory").bundle
    )
    with refused("proposal-external-authorized", alice.group):
        alice.group.receive(wish)


def test_proposals_may_fill_only_so_much_memory() -> None:
    world = World(capabilities=ABLE, pending_bytes=3_000)
    alice, bob = world.group("alice", "bob")
    world.send("bob", bob.propose(Custom(0xF0F0, bytes(2_000))))
    with refused("limit-pending-proposals"):
        alice.propose(Custom(0xF0F0, bytes(1_000)))
    alice.propose(Custom(0xF0F0, bytes(100)))


def test_what_was_verified_in_one_epoch_is_not_used_in_another() -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    message = decode_message(alice.group.commit(entropy=world.entropy).message)
    assert isinstance(message, PublicMessage)
    public = alice.group.public
    verified = public.verify(message.content)
    world.commit("alice", path=True)
    with pytest.raises(UsageError, match="another group or epoch"):
        alice.group.public.handle(verified)
    assert not isinstance(public.handle(verified), PublicProposal)


def test_a_commit_made_before_a_message_came_does_not_bring_its_key_back() -> None:
    world = World(past_epochs=1)
    alice, bob = world.group("alice", "bob")
    commit = alice.group.commit(entropy=world.entropy)
    message = bob.seal(b"hello")
    newest = alice.group.receive(message).group
    merged = commit.merge().with_past_of(newest)
    with refused("private-generation-reused"):
        merged.receive(message)
    late = bob.seal(b"late")
    assert merged.receive(late).group.epoch == merged.epoch
    with pytest.raises(UsageError, match="epoch before"):
        merged.with_past_of(merged)


def test_a_commit_that_its_readers_would_refuse_is_not_made() -> None:
    world = World(capabilities=ABLE, max_message_bytes=200_000)
    alice, _ = world.group("alice", "bob")
    with pytest.raises(UsageError, match="larger than"):
        alice.commit(authenticated_data=bytes(200_000))
    with pytest.raises(UsageError, match="codec-too-many"):
        alice.commit(*[Custom(0xF0F0, b"12345678")] * 8_193)
    with pytest.raises(UsageError, match="no type twice"):
        alice.commit(GroupContextExtensions((TOPIC, TOPIC)))
    with pytest.raises(UsageError, match="no type twice"):
        alice.group.group_info(extensions=(TOPIC, TOPIC))
    with pytest.raises(UsageError, match="no member has"):
        alice.propose(Remove(2**32))
    world.commit("alice", authenticated_data=bytes(100_000))
    world.everyone_agrees()


def test_a_broken_source_of_entropy_is_noticed() -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    with pytest.raises(UsageError, match="source of entropy"):
        alice.group.commit(entropy=lambda _count: b"")
    with pytest.raises(UsageError, match="64 random bytes"):
        world.suite.new_signing_key(b"")


@pytest.mark.parametrize("kind", [0, 3, 7, 2**16])
def test_a_custom_proposal_does_not_pass_for_one_of_the_rfc(kind: int) -> None:
    world = World(capabilities=ABLE._replace(proposals=(3, 7)))
    alice, _ = world.group("alice", "bob")
    with pytest.raises(UsageError, match="the RFC's"):
        alice.group.commit([Custom(kind, b"123")], entropy=world.entropy)


def test_a_key_package_with_another_s_keys_is_not_used() -> None:
    world = World()
    alice, bob = world.person("alice"), world.person("bob")
    mixed = replace(alice.bundle, signing_key=bob.signing_key)
    with pytest.raises(UsageError, match="not its own"):
        create_group(mixed, b"room", world.policy, world.entropy)


def test_a_damaged_key_in_a_store_is_called_damage() -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    saved = save_group(alice.group)
    damaged = saved.epoch.replace(alice.group.signing_key.private, b"\x07" * 32)
    assert load_group(saved._replace(epoch=damaged), world.policy).signing_key.public != (
        alice.group.signing_key.public
    )
    short = saved.epoch.replace(b"\x20" + alice.group.signing_key.private, b"\x01\x00")
    with pytest.raises(UsageError, match="damaged"):
        load_group(saved._replace(epoch=short), world.policy)


def test_a_slip_of_the_caller_is_not_blamed_on_a_peer() -> None:
    world = World()
    alice, bob = world.group("alice", "bob")
    sealed = alice.group.seal(b"hello", world.entropy)
    with pytest.raises(UsageError, match="and this is a Sealed"):
        bob.group.receive(sealed)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="and this is a str"):
        bob.group.public.receive("hello")  # type: ignore[arg-type]
    assert bob.group.receive(bytearray(sealed.message)).group is not bob.group  # type: ignore[arg-type]


@pytest.mark.parametrize("extensions", [[(0, bytes(70_000))], [(n, b"") for n in range(65)]])
@pytest.mark.rule("limit-leaf")
def test_limit_leaf(extensions: list[tuple[int, bytes]]) -> None:
    world = World()
    alice, _ = world.group("alice", "bob")
    heavy = tuple(Extension(0xF100 + kind, data) for kind, data in extensions)
    package = world.person("mallory").new_key_package(leaf_extensions=heavy).package
    with refused("limit-leaf", alice.group):
        alice.group.commit([Add(package)], entropy=world.entropy)


@pytest.mark.parametrize("suite", [1, 4])
@pytest.mark.parametrize("y", [0, 1, -1])
def test_nobody_has_a_signature_key_that_anybody_can_sign_for(suite: int, y: int) -> None:
    world = World(suite=suite)
    size, prime = {1: (32, 2**255 - 19), 4: (57, 2**448 - 2**224 - 1)}[suite]
    with pytest.raises(CryptoError):
        world.suite.verify((y % prime).to_bytes(size, "little"), b"label", b"content", bytes(64))
    assert small_order(world.suite.signature, (y % prime).to_bytes(size, "little"))


def test_a_welcome_that_newcomers_would_refuse_is_not_made() -> None:
    world = World(max_message_bytes=4_000)
    alice, _ = world.group("alice", "bob")
    guest = Add(world.person("carol").bundle.package)
    with pytest.raises(UsageError, match="larger than newcomers accept"):
        alice.commit(guest, group_info_extensions=(Extension(0xF0AA, bytes(4_000)),))
