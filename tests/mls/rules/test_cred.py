"""Rules about credentials: the application is asked before anybody is believed."""

from __future__ import annotations

import pytest

from alcove.mls import (
    Add,
    CommitOptions,
    ExternalSender,
    GroupContextExtensions,
    LeafNode,
    LeafTemplate,
    Policy,
    PublicGroup,
    Update,
    accept_any_credential,
    basic,
    external_senders,
    join_group,
    propose_to_join,
)
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    leaf_of,
    lenient,
    new_leaf,
    proposed,
    refused,
    refuses,
    room,
    signer,
    with_policy,
)

SERVER = external_senders([ExternalSender(signer("server").public, basic(b"server"))])
ANOTHER = external_senders([ExternalSender(signer("another").public, basic(b"another"))])
MALLORY = basic(b"mallory")


def distrusting(rule: str) -> Policy:
    """Return the policy of an application that knows Mallory."""
    return lenient(credential=lambda leaf, _: rule if leaf.credential == MALLORY else None)


def constant(rule: str) -> Policy:
    """Return the policy of an application by which nobody ever becomes somebody else."""

    def judge(leaf: LeafNode, replaced: LeafNode | None) -> str | None:
        follows = replaced is None or leaf.credential == replaced.credential
        return None if follows else rule

    return lenient(credential=judge)


@pytest.mark.rule("cred-valid-key-package")
def test_cred_valid_key_package() -> None:
    alice = with_policy(room()[0], distrusting("cred-valid-key-package"))
    with refused("cred-valid-key-package", alice):
        alice.commit([Add(device("mallory").package)], entropy=dice("commit"))
    alice.commit([Add(device("dora").package)], entropy=dice("commit"))


@pytest.mark.rule("cred-valid-join")
def test_cred_valid_join() -> None:
    alice, _ = room("alice", "mallory")
    made = alice.commit([Add(device("dora").package)], entropy=dice("commit"))
    assert made.welcome is not None
    with refused("cred-valid-join"):
        join_group(made.welcome, device("dora"), distrusting("cred-valid-join"))
    assert join_group(made.welcome, device("dora"), LENIENT).epoch == made.merge().epoch


@pytest.mark.rule("cred-valid-join")
def test_cred_valid_join_by_commit() -> None:
    alice, _ = room("alice", "mallory")
    with refused("cred-valid-join"):
        PublicGroup.from_group_info(alice.group_info(), distrusting("cred-valid-join"))


@pytest.mark.rule("cred-valid-add", "cred-valid")
def test_cred_valid_add() -> None:
    alice, bob, _ = room()
    bob = with_policy(bob, distrusting("cred-valid-add"))
    message = proposed(alice, Add(device("mallory").package))
    refuses(bob, alice, message, "cred-valid-add")


@pytest.mark.rule("cred-valid-add", "cred-valid")
def test_cred_valid_add_by_commit() -> None:
    alice, bob, _ = room()
    bob = with_policy(bob, distrusting("cred-valid-add"))
    made = alice.commit([Add(device("mallory").package)], entropy=dice("commit"))
    refuses(bob, alice, made.message, "cred-valid-add")


def renamed_update(rule: str, policy: Policy) -> None:
    """Expect that Bob refuses Carol's Update to Mallory."""
    _, bob, carol = room()
    message = proposed(carol, Update(new_leaf(carol, credential=MALLORY)))
    refuses(with_policy(bob, policy), carol, message, rule)


def renamed_commit(rule: str, policy: Policy) -> None:
    """Expect that Bob refuses a commit by which Carol becomes Mallory."""
    _, bob, carol = room()
    template = LeafTemplate.of(leaf_of(carol))._replace(credential=MALLORY)
    made = carol.commit(entropy=dice("commit"), options=CommitOptions(template=template))
    refuses(with_policy(bob, policy), carol, made.message, rule)


@pytest.mark.rule("cred-valid-update", "cred-valid")
def test_cred_valid_update() -> None:
    renamed_update("cred-valid-update", distrusting("cred-valid-update"))


@pytest.mark.rule("cred-valid-commit", "cred-valid")
def test_cred_valid_commit() -> None:
    renamed_commit("cred-valid-commit", distrusting("cred-valid-commit"))


@pytest.mark.rule("cred-successor")
def test_cred_successor() -> None:
    renamed_update("cred-successor", constant("cred-successor"))


@pytest.mark.rule("cred-successor-commit")
def test_cred_successor_commit() -> None:
    renamed_commit("cred-successor-commit", constant("cred-successor-commit"))


def careful(rule: str) -> Policy:
    """Return the policy of an application that lets nobody but its server propose."""
    return lenient(
        external_sender=lambda credential, _: None if credential.data == b"server" else rule
    )


@pytest.mark.rule("cred-valid-external-senders")
def test_cred_valid_external_senders() -> None:
    rule = "cred-valid-external-senders"
    alice, bob, _ = room()
    bob = with_policy(bob, careful(rule))
    refuses(bob, alice, proposed(alice, GroupContextExtensions((ANOTHER,))), rule)


@pytest.mark.rule("cred-valid-external-senders")
def test_cred_valid_external_senders_for_newcomers() -> None:
    rule = "cred-valid-external-senders"
    alice, _, _ = room(extensions=(ANOTHER,))
    with refused(rule):
        PublicGroup.from_group_info(alice.group_info(), careful(rule))


@pytest.mark.rule("cred-valid-external-senders-changed")
def test_cred_valid_external_senders_changed() -> None:
    rule = "cred-valid-external-senders-changed"
    alice, bob, _ = room(extensions=(SERVER,))
    bob = with_policy(bob, careful(rule))
    made = alice.commit([GroupContextExtensions((ANOTHER,))], entropy=dice("commit"))
    refuses(bob, alice, made.message, rule)


@pytest.mark.rule("proposal-external-authorized")
def test_proposal_external_authorized() -> None:
    alice, bob, _ = room()
    by_default = Policy(credential=accept_any_credential)
    message = propose_to_join(SUITE, alice.group_id, alice.epoch, device("dora"))
    refuses(with_policy(bob, by_default), alice, message, "proposal-external-authorized")
