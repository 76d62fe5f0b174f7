"""Rules about commits and the lists of proposals in them (sections 12.2 to 12.4 and 14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from alcove.mls import (
    Add,
    Capabilities,
    CommitOptions,
    Custom,
    Extension,
    ExternalPsk,
    Group,
    GroupContextExtensions,
    Lost,
    PreSharedKey,
    Proposal,
    PskId,
    ReInit,
    Remove,
    RequiredCapabilities,
    Update,
    UsageError,
)
from alcove.mls.codec import opaque, optional, u8, u64, vector
from alcove.mls.commit import Commit
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    following,
    goes_on,
    leaf_of,
    lenient,
    new_leaf,
    package_with_leaf,
    proposed,
    refused,
    room,
    signer,
    state,
)
from tests.mls.rules.surgery import (
    accepts,
    changed_context,
    declines,
    external_init,
    forge,
    loses,
    mixed_room,
    observed,
    other_package,
    told,
)

OURS = 0xF042
"""A type of proposal and extension that only our own program knows."""
KNOWS_OURS = Capabilities(suites=(1,), extensions=(OURS,), proposals=(OURS,), credentials=(1,))
PLAIN = Capabilities(suites=(1,), credentials=(1,))


def psk(name: bytes = b"key") -> PreSharedKey:
    """Return a proposal of a key that the application knows."""
    return PreSharedKey(PskId(ExternalPsk(name), bytes(SUITE.secret_bytes)))


def known(key: object) -> bytes:
    """Answer for an application that has every key."""
    assert isinstance(key, ExternalPsk)
    return b"the secret behind " + key.name


# Lists that must not be.


@pytest.mark.rule("commit-update-own")
def test_commit_update_own() -> None:
    # With a path the Update's leaf would be replaced at once, so this group asks for none.
    alice, bob, _ = room(policy=lenient(pathless=LENIENT.pathless | {Update.type}))
    message = forge(alice, [Update(new_leaf(alice))], path=False).message
    declines("commit-update-own", bob, alice, message)


@pytest.mark.rule("commit-update-own")
def test_commit_update_own_by_reference() -> None:
    alice, bob, _ = room(policy=lenient(pathless=LENIENT.pathless | {Update.type}))
    (knows, bob), update = told(proposed(alice, Update(new_leaf(alice))), alice, bob)
    message = forge(knows, [update], path=False).message
    declines("commit-update-own", bob, alice, message)


@pytest.mark.rule("commit-self-remove")
def test_commit_self_remove() -> None:
    alice, bob, _ = room()
    declines("commit-self-remove", bob, alice, forge(alice, [Remove(alice.me)]).message)


@pytest.mark.rule("commit-duplicate-remove")
def test_commit_duplicate_remove() -> None:
    alice, bob, carol = room()
    message = forge(alice, [Remove(carol.me), Remove(carol.me)]).message
    declines("commit-duplicate-remove", bob, alice, message)


@pytest.mark.rule("commit-duplicate-remove")
def test_commit_duplicate_remove_of_two_updates() -> None:
    alice, bob, carol = room()
    leaves = [new_leaf(carol), new_leaf(carol, encryption_key=signer("any").public)]
    (alice, bob), first = told(proposed(carol, Update(leaves[0])), alice, bob)
    (alice, bob), second = told(proposed(carol, Update(leaves[1])), alice, bob)
    message = forge(alice, [first, second]).message
    with refused("commit-duplicate-remove", bob):
        bob.receive(message)
    legal = alice.commit([], entropy=dice("legal"))
    assert following(bob, legal.message).public.tree.leaf(carol.me) == leaves[1]


@pytest.mark.rule("commit-duplicate-add")
def test_commit_duplicate_add() -> None:
    alice, bob, _ = room()
    twice = [Add(device("dora").package), Add(other_package("dora").package)]
    declines("leaf-signature-key-unique", bob, alice, forge(alice, twice).message)


@pytest.mark.rule("commit-add-member")
def test_commit_add_member() -> None:
    alice, bob, _ = room()
    message = forge(alice, [Add(other_package("carol").package)]).message
    declines("leaf-signature-key-unique", bob, alice, message)


@pytest.mark.rule("commit-add-member")
def test_commit_add_member_who_is_removed() -> None:
    alice, bob, carol = room()
    again: list[Proposal] = [Add(other_package("carol").package), Remove(carol.me)]
    made = alice.commit(again, entropy=dice("commit"))
    assert goes_on(made.merge(), following(bob, made.message))


@pytest.mark.rule("commit-duplicate-psk")
def test_commit_duplicate_psk() -> None:
    alice, bob, _ = room()
    message = forge(alice, [psk(), psk()], psks=known).message
    declines("commit-duplicate-psk", bob, alice, message, known)


@pytest.mark.rule("commit-duplicate-extensions")
def test_commit_duplicate_extensions() -> None:
    alice, bob, _ = room()
    message = forge(alice, [GroupContextExtensions(()), GroupContextExtensions(())]).message
    declines("commit-duplicate-extensions", bob, alice, message)


@pytest.mark.rule("commit-reinit-alone")
@pytest.mark.parametrize("proposal", [psk(), Remove(2), ReInit(b"third", 1, 1)])
def test_commit_reinit_alone(proposal: Proposal) -> None:
    alice, bob, _ = room()
    message = forge(alice, [ReInit(b"second", 1, 1), proposal], psks=known).message
    declines("commit-reinit-alone", bob, alice, message, known)


@pytest.mark.rule("commit-external-init")
def test_commit_external_init() -> None:
    alice, bob, _ = room()
    proposal, init = external_init(alice)
    message = forge(alice, [proposal], init=init).message
    declines("commit-external-init", bob, alice, message)


@pytest.mark.rule("commit-proposal-supported")
def test_commit_proposal_supported() -> None:
    alice, bob, _ = room()
    declines("commit-proposal-supported", bob, alice, forge(alice, [Custom(OURS, b"!")]).message)


@pytest.mark.rule("commit-proposal-supported")
def test_commit_proposal_supported_by_all_who_stay() -> None:
    alice, bob, _ = mixed_room(KNOWS_OURS)
    declines("commit-proposal-supported", bob, alice, forge(alice, [Custom(OURS, b"!")]).message)


def test_who_leaves_or_joins_need_not_support_a_proposal() -> None:
    alice, bob, carol = mixed_room(KNOWS_OURS)
    proposals: list[Proposal] = [Custom(OURS, b"!"), Remove(carol.me), Add(device("dora").package)]
    made = alice.commit(proposals, entropy=dice("commit"))
    assert goes_on(made.merge(), following(bob, made.message))


@pytest.mark.rule("commit-tree-valid")
def test_commit_tree_valid() -> None:
    alice, bob, carol = room()
    leaf = package_with_leaf(device("dora"), encryption_key=leaf_of(carol).encryption_key)
    declines("leaf-encryption-key-unique", bob, alice, forge(alice, [Add(leaf)]).message)


# Who commits such a list is told before anybody else.

BAD_LISTS: dict[str, Callable[[Group], list[Proposal]]] = {
    "commit-update-own": lambda alice: [Update(new_leaf(alice))],
    "commit-self-remove": lambda alice: [Remove(alice.me)],
    "commit-duplicate-remove": lambda _: [Remove(2), Remove(2)],
    "commit-duplicate-psk": lambda _: [psk(), psk()],
    "commit-duplicate-extensions": lambda _: [GroupContextExtensions(())] * 2,
    "commit-reinit-alone": lambda _: [ReInit(b"second", 1, 1), psk()],
    "commit-external-init": lambda alice: [external_init(alice)[0]],
    "commit-proposal-supported": lambda _: [Custom(OURS, b"!")],
    "leaf-signature-key-unique": lambda _: [Add(other_package("carol").package)],
}


@pytest.mark.rule("commit-list-checked")
@pytest.mark.parametrize("rule", BAD_LISTS)
def test_commit_list_checked(rule: str) -> None:
    alice, bob, _ = room()
    with refused(rule, alice):
        alice.commit(
            BAD_LISTS[rule](alice), entropy=dice("commit"), options=CommitOptions(psks=known)
        )
    assert goes_on(alice, bob)


@pytest.mark.rule("commit-proposals-valid")
@pytest.mark.parametrize(
    ("rule", "proposal"),
    [
        ("remove-blank", Remove(3)),
        ("reinit-version-lower", ReInit(b"second", 0, 1)),
        ("psk-nonce-length", PreSharedKey(PskId(ExternalPsk(b"key"), b"short"))),
    ],
)
def test_commit_proposals_valid(rule: str, proposal: Proposal) -> None:
    alice, bob, _ = room()
    with refused(rule, alice):
        alice.commit([proposal], entropy=dice("commit"), options=CommitOptions(psks=known))
    declines(rule, bob, alice, forge(alice, [proposal], psks=known).message, known)


# In which order a list applies.


@pytest.mark.rule("apply-order")
def test_apply_order() -> None:
    alice, bob, carol = room("alice", "bob", "carol", "dave")[:3]
    adds = [Add(device("erin").package), Add(device("dora").package)]
    new = GroupContextExtensions((RequiredCapabilities(credentials=(1,)).extension(),))

    made = alice.commit([*adds, Remove(carol.me), new], entropy=dice("commit"))

    after = following(bob, made.message)
    places = {leaf.credential.data: at for at, leaf in after.public.tree.leaves()}
    assert places == {b"alice": 0, b"bob": 1, b"erin": carol.me, b"dave": 3, b"dora": 4}
    assert after.public.context.extensions == new.extensions
    assert goes_on(made.merge(), after)


@pytest.mark.rule("apply-extensions-first")
def test_apply_extensions_first() -> None:
    alice, bob, _ = room(capabilities=KNOWS_OURS)
    add = Add(device("dora").package)
    new = GroupContextExtensions((Extension(OURS, b""),))
    message = forge(alice, [add, new]).message
    declines("leaf-group-extensions-supported", bob, alice, message)


@pytest.mark.rule("apply-extensions-first")
def test_apply_extensions_first_when_they_ask_for_less() -> None:
    alice, bob, _ = room(capabilities=KNOWS_OURS, extensions=(Extension(OURS, b""),))
    add = Add(device("dora").package)
    made = alice.commit([add, GroupContextExtensions(())], entropy=dice("commit"))
    assert goes_on(made.merge(), following(bob, made.message))


# Paths and references.


@pytest.mark.rule("commit-path-required")
@pytest.mark.parametrize(
    "proposals",
    [
        [],
        [Remove(2)],
        [GroupContextExtensions(())],
        [Custom(OURS, b"!")],
        [Remove(2), psk()],
    ],
)
def test_commit_path_required(proposals: list[Proposal]) -> None:
    alice, bob, _ = room(capabilities=KNOWS_OURS)
    message = forge(alice, proposals, path=False, psks=known).message
    declines("commit-path-required", bob, alice, message, known)


@pytest.mark.rule("commit-path-required")
def test_commit_path_required_by_an_update() -> None:
    alice, bob, carol = room()
    (alice, bob), update = told(proposed(carol, Update(new_leaf(carol))), alice, bob)
    declines("commit-path-required", bob, alice, forge(alice, [update], path=False).message)


def test_adds_keys_and_the_end_of_a_group_need_no_path() -> None:
    alice, bob, _ = room()
    lists: list[list[Proposal]] = [[Add(device("dora").package), psk()], [ReInit(b"next", 1, 1)]]
    messages = [forge(alice, proposals, path=False, psks=known).message for proposals in lists]
    assert all(accepts(bob, message, known) for message in messages)


@pytest.mark.rule("commit-unknown-reference")
def test_commit_unknown_reference() -> None:
    alice, bob, carol = room()
    (knows,), update = told(proposed(carol, Update(new_leaf(carol))), alice)
    declines("commit-unknown-reference", bob, alice, forge(knows, [update]).message)


@pytest.mark.rule("commit-unknown-reference")
def test_commit_unknown_reference_of_another_epoch() -> None:
    alice, bob, _ = room()
    (alice, bob), old = told(proposed(alice, psk()), alice, bob)
    made = forge(alice)
    alice, bob = made.after, accepts(bob, made.message)
    declines("commit-unknown-reference", bob, alice, forge(alice, [old]).message)


@pytest.mark.rule("commit-proposal-or-reference")
@pytest.mark.parametrize("kind", [0, 3, 255])
def test_commit_proposal_or_reference(kind: int) -> None:
    alice, bob, _ = room()

    def encode(commit: Commit) -> bytes:
        assert commit.path is not None
        return vector([u8(kind)]) + optional(commit.path.encode())

    message = forge(alice, encode=encode).message
    declines("commit-proposal-or-reference", bob, alice, message)


# What only members can check.


@pytest.mark.rule("commit-confirmation-tag")
@pytest.mark.parametrize("private", [False, True])
def test_commit_confirmation_tag(private: bool) -> None:
    alice, bob, _ = room()
    made = forge(alice, tag=bytes(32), private=private)
    loses("commit-confirmation-tag", bob, made.message, made.after)


@pytest.mark.rule("commit-confirmation-tag")
def test_commit_confirmation_tag_of_other_secrets() -> None:
    alice, bob, _ = room()
    made = forge(alice, init=bytes(32))
    loses("commit-confirmation-tag", bob, made.message, made.after)


@pytest.mark.rule("frame-membership-tag")
def test_frame_membership_tag_lost() -> None:
    alice, bob, carol = room()
    good = forge(alice).message
    altered = good[:-1] + bytes([good[-1] ^ 1])
    loses("frame-membership-tag", bob, altered, accepts(carol, good))


@pytest.mark.rule("commit-from-own-leaf")
def test_commit_from_own_leaf() -> None:
    alice, bob, _ = room()
    message = forge(alice, [Add(device("dora").package)]).message
    loses("commit-from-own-leaf", alice, message, accepts(bob, message))


@pytest.mark.rule("update-key-missing")
def test_update_key_missing() -> None:
    alice, bob, carol = room()
    message = proposed(carol, Update(new_leaf(carol)))
    (alice, bob, carol), update = told(message, alice, bob, carol)
    commit = forge(alice, [update]).message
    loses("update-key-missing", carol, commit, accepts(bob, commit))


def test_who_follows_from_outside_comes_as_far_as_members_who_are_lost() -> None:
    alice, bob, _ = room()
    made = forge(alice, tag=bytes(32))
    with refused("commit-confirmation-tag", bob) as caught:
        bob.receive(made.message)
    assert isinstance(caught.error, Lost)
    assert caught.error.public.save() == observed(bob.public, made.message).save()


# Who commits.


@pytest.mark.rule("commit-keeps-state")
@pytest.mark.parametrize("private", [False, True])
def test_commit_keeps_state(private: bool) -> None:
    alice, bob, _ = room()
    before = state(alice)

    made = alice.commit(
        [Add(device("dora").package)],
        entropy=dice("commit"),
        options=CommitOptions(private=private),
    )

    assert state(alice) == before
    assert state(made.group).epoch == before.epoch
    other = bob.commit([], entropy=dice("other"))
    assert goes_on(following(made.group, other.message), other.merge())


@pytest.mark.rule("commit-before-application")
def test_commit_before_application() -> None:
    alice, bob, carol = room()
    message = proposed(carol, Remove(bob.me))
    (alice,), _ = told(message, alice)
    with pytest.raises(UsageError):
        alice.seal(b"hello", dice("seal"))
    made = alice.commit([], entropy=dice("commit"))
    (carol,), _ = told(message, carol)
    assert goes_on(made.merge(), following(carol, made.message))


# How much there may be.


def in_epoch(member: Group, epoch: int) -> Group:
    """Return a member's group as if it had come as far as that."""
    context = changed_context(member.public.context, epoch=epoch)
    head = opaque(member.group_id) + u64(epoch)
    return replace(
        member,
        public=replace(member.public, context=context),
        current=member.current._replace(head=head, context=context),
    )


@pytest.mark.rule("limit-epoch")
def test_limit_epoch_for_who_commits() -> None:
    alice, bob, _ = (in_epoch(member, 2**64 - 1) for member in room())
    with refused("limit-epoch", alice):
        alice.commit([], entropy=dice("commit"))
    assert goes_on(alice, bob)


def test_the_epoch_before_the_last_can_be_left() -> None:
    alice, bob, _ = (in_epoch(member, 2**64 - 2) for member in room())
    made = alice.commit([], entropy=dice("commit"))
    assert following(bob, made.message).epoch == 2**64 - 1
