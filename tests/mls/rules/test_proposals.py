"""Rules about single proposals (section 12.1 of RFC 9420)."""

from __future__ import annotations

import pytest

from alcove.mls import (
    EXTERNAL,
    NEW_MEMBER_PROPOSAL,
    Add,
    Custom,
    ExternalPsk,
    ExternalSender,
    Group,
    PreSharedKey,
    Proposal,
    PskId,
    ReceivedProposal,
    Remove,
    Sender,
    Update,
    basic,
    external_senders,
)
from alcove.mls.codec import u16
from tests.mls.rules.frankenstein import (
    SUITE,
    device,
    dice,
    from_outside,
    lenient,
    new_leaf,
    package_with_leaf,
    proposed,
    re_package,
    refused,
    refuses,
    room,
    signer,
)
from tests.mls.rules.surgery import accepts, declines, external_init, forge, forge_join

SERVER = external_senders([ExternalSender(signer("server").public, basic(b"server"))])
FROM_SERVER = Sender(EXTERNAL, 0)


def any_key(name: bytes) -> Proposal:
    """Return a proposal that anyone may make."""
    return PreSharedKey(PskId(ExternalPsk(name), bytes(SUITE.secret_bytes)))


def received(member: Group, message: bytes) -> Group:
    """Return a member's group after a proposal that it takes."""
    result = member.receive(message)
    assert isinstance(result, ReceivedProposal)
    return result.group


# What any proposal is.


@pytest.mark.rule("proposal-type-reserved")
def test_proposal_type_reserved() -> None:
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, u16(0)), "proposal-type-reserved")


@pytest.mark.rule("proposal-authentic")
def test_proposal_authentic() -> None:
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, any_key(b"key"), key=signer("mallory")), "frame-signature")


@pytest.mark.rule("proposal-authentic")
def test_proposal_authentic_of_another_epoch() -> None:
    alice, bob, _ = room()
    message = proposed(alice, any_key(b"key"))
    after = accepts(bob, forge(alice).message)
    with refused("frame-epoch", after):
        after.receive(message)
    assert not after.public.proposals


@pytest.mark.rule("limit-pending-proposals")
def test_limit_pending_proposals() -> None:
    alice, bob, _ = room(policy=lenient(pending_proposals=2))
    bob = received(bob, proposed(alice, any_key(b"one")))
    full = received(bob, proposed(alice, any_key(b"two")))
    with refused("limit-pending-proposals", full):
        full.receive(proposed(alice, any_key(b"three")))
    assert accepts(full, forge(alice).message).epoch == bob.epoch + 1


def test_a_proposal_that_comes_twice_is_kept_once() -> None:
    alice, bob, _ = room(policy=lenient(pending_proposals=1))
    message = proposed(alice, any_key(b"key"))
    once = received(bob, message)
    assert received(once, message).public.proposals == once.public.proposals


# Adds.


@pytest.mark.rule("add-key-package")
def test_add_key_package() -> None:
    alice, bob, _ = room()
    forgery = re_package(device("dora"), key=signer("mallory"))
    refuses(bob, alice, proposed(alice, Add(forgery)), "kp-signature")


@pytest.mark.rule("add-key-package")
def test_add_key_package_in_a_commit() -> None:
    alice, bob, _ = room()
    forgery = re_package(device("dora"), key=signer("mallory"))
    declines("kp-signature", bob, alice, forge(alice, [Add(forgery)]).message)


@pytest.mark.rule("add-key-package")
def test_add_key_package_by_who_proposes_it() -> None:
    alice, _, _ = room()
    forgery = re_package(device("dora"), key=signer("mallory"))
    with refused("kp-signature", alice):
        alice.propose(Add(forgery), dice("propose"))
    with refused("kp-signature", alice):
        alice.commit([Add(forgery)], entropy=dice("commit"))


@pytest.mark.rule("add-key-package")
def test_add_key_package_with_a_bad_leaf() -> None:
    alice, bob, _ = room()
    forgery = package_with_leaf(device("dora"), signature=bytes(64))
    declines("leaf-signature", bob, alice, forge(alice, [Add(forgery)]).message)


# Updates.


@pytest.mark.rule("update-from-member")
def test_update_from_member() -> None:
    alice, bob, carol = room()
    message = proposed(carol, Update(new_leaf(carol)))
    made = received(alice, message).commit([], entropy=dice("commit"))

    after = accepts(received(bob, message), made.message).public.tree

    before = bob.public.tree
    changed = [at for at, leaf in after.leaves() if before.leaf(at) != leaf]
    assert changed == [alice.me, carol.me]


@pytest.mark.rule("update-from-member")
def test_update_from_member_and_not_from_a_listed_sender() -> None:
    alice, bob, carol = room(extensions=(SERVER,))
    message = from_outside(alice, FROM_SERVER, signer("server"), Update(new_leaf(carol)))
    refuses(bob, alice, message, "proposal-external-type")


@pytest.mark.rule("update-from-member")
def test_update_from_member_and_not_from_who_wants_to_be_one() -> None:
    alice, bob, carol = room()
    sender = Sender(NEW_MEMBER_PROPOSAL)
    message = from_outside(alice, sender, signer("carol"), Update(new_leaf(carol)))
    refuses(bob, alice, message, "frame-new-proposal-add")


@pytest.mark.rule("update-from-member")
def test_update_from_member_and_not_from_who_joins() -> None:
    alice, bob, _ = room()
    made = forge_join(alice, device("dora"), [Update(new_leaf(alice))])
    declines("external-only-allowed", bob, alice, made.message)


@pytest.mark.rule("update-leaf")
def test_update_leaf() -> None:
    alice, bob, _ = room()
    leaf = new_leaf(alice, signature=bytes(64))
    refuses(bob, alice, proposed(alice, Update(leaf)), "leaf-signature")


@pytest.mark.rule("update-leaf")
def test_update_leaf_of_another_group() -> None:
    alice, bob, _ = room()
    leaf = new_leaf(alice, place=(b"another room", alice.me))
    refuses(bob, alice, proposed(alice, Update(leaf)), "leaf-signature")


# Removes.


@pytest.mark.rule("remove-blank")
@pytest.mark.parametrize("leaf", [3, 4, 2**32 - 1])
def test_remove_blank(leaf: int) -> None:
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, Remove(leaf)), "remove-blank")


@pytest.mark.rule("remove-blank")
def test_remove_blank_in_a_commit() -> None:
    alice, bob, _ = room()
    declines("remove-blank", bob, alice, forge(alice, [Remove(3)]).message)


# ExternalInits.


@pytest.mark.rule("commit-external-init")
def test_commit_external_init_when_proposed() -> None:
    alice, bob, _ = room()
    message = proposed(alice, external_init(alice)[0])
    refuses(bob, alice, message, "commit-external-init")


# From outside.


@pytest.mark.rule("proposal-external-type")
@pytest.mark.parametrize("proposal", [Custom(0xF042, b"?"), Custom(0x0A0A, b"?")])
def test_proposal_external_type(proposal: Proposal) -> None:
    alice, bob, _ = room(extensions=(SERVER,))
    message = from_outside(alice, FROM_SERVER, signer("server"), proposal)
    refuses(bob, alice, message, "proposal-external-type")


@pytest.mark.parametrize("proposal", [Add(device("dora").package), Remove(2), any_key(b"key")])
def test_what_a_listed_sender_may_propose_is_taken(proposal: Proposal) -> None:
    alice, bob, _ = room(extensions=(SERVER,))
    result = bob.receive(from_outside(alice, FROM_SERVER, signer("server"), proposal))
    assert isinstance(result, ReceivedProposal)
    assert result.proposal == proposal
