"""Rules about external commits: coming in by one's own commit (section 12.4.3.2 of RFC 9420)."""

from __future__ import annotations

from typing import Any

import pytest

from alcove.mls import (
    EXTERNAL,
    NEW_MEMBER_COMMIT,
    Add,
    Capabilities,
    Custom,
    Extension,
    ExternalInit,
    ExternalPsk,
    ExternalSender,
    Group,
    GroupContextExtensions,
    LeafNode,
    LeafTemplate,
    OwnCommit,
    PreSharedKey,
    Proposal,
    PskId,
    PublicGroup,
    ReInit,
    Remove,
    Sender,
    basic,
    external_senders,
    join_by_commit,
)
from alcove.mls.commit import Commit
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    from_outside,
    goes_on,
    leaf_of,
    lenient,
    proposed,
    re_leaf,
    refused,
    room,
    signer,
)
from tests.mls.rules.surgery import (
    accepts,
    declines,
    external_info,
    external_init,
    forge,
    forge_join,
    loses,
    told,
)

OURS = 0xF042
"""A type of proposal that only our own program knows."""
KNOWS_OURS = Capabilities(suites=(1,), proposals=(OURS,), credentials=(1,))


def public_of(member: Group) -> PublicGroup:
    """Return the group as who wants to join sees it."""
    return PublicGroup.from_group_info(member.group_info(), LENIENT)


def join(public: PublicGroup, name: str = "dora", **options: Any) -> OwnCommit:
    """Commit somebody in, in all honesty."""
    bundle = device(name)
    template = LeafTemplate.of(bundle.package.leaf)
    return join_by_commit(public, bundle.signing_key, template, dice("join"), **options)


def psk() -> PreSharedKey:
    """Return a proposal of a key that the application knows."""
    return PreSharedKey(PskId(ExternalPsk(b"key"), bytes(SUITE.secret_bytes)))


def known(_key: object) -> bytes:
    """Answer for an application that has every key."""
    return b"the secret behind it"


# What a joiner needs.


@pytest.mark.rule("external-pub-missing")
def test_external_pub_missing() -> None:
    alice, _, _ = room()
    info = alice.group_info(with_external_pub=False)
    with refused("external-pub-missing"):
        join(PublicGroup.from_group_info(info, LENIENT))


@pytest.mark.rule("external-pub-valid")
@pytest.mark.parametrize("length", [0, 31, 32])
def test_external_pub_valid(length: int) -> None:
    alice, _, _ = room()
    info = external_info(alice, bytes(length)).message()
    with refused("external-pub-valid"):
        join(PublicGroup.from_group_info(info, LENIENT))


# What it sends.


@pytest.mark.rule("external-path")
def test_external_path() -> None:
    alice, bob, _ = room()
    declines("external-path", bob, alice, forge_join(alice, device("dora"), path=False).message)


@pytest.mark.rule("external-by-value")
def test_external_by_value() -> None:
    alice, bob, _ = room()
    (knows, bob), reference = told(proposed(alice, psk()), alice, bob)
    message = forge_join(knows, device("dora"), [reference], psks=known).message
    declines("external-by-value", bob, alice, message, known)


@pytest.mark.rule("external-signer")
def test_external_signer() -> None:
    alice, bob, _ = room()
    message = forge_join(alice, device("dora"), signing_key=signer("mallory")).message
    declines("frame-signature", bob, alice, message)


@pytest.mark.rule("external-sender-type")
def test_external_sender_type() -> None:
    alice, bob, _ = room()
    made = join(public_of(alice))
    assert made.sender == Sender(NEW_MEMBER_COMMIT)
    assert goes_on(made.merge(), accepts(bob, made.message))


@pytest.mark.rule("external-sender-type")
def test_external_sender_type_of_a_member() -> None:
    alice, bob, _ = room()
    proposal, init = external_init(alice)
    declines("commit-external-init", bob, alice, forge(alice, [proposal], init=init).message)


@pytest.mark.rule("external-sender-type")
def test_external_sender_type_of_a_listed_sender() -> None:
    server = external_senders([ExternalSender(signer("server").public, basic(b"server"))])
    alice, bob, _ = room(extensions=(server,))
    commit = Commit((external_init(alice)[0],), None)
    message = from_outside(alice, Sender(EXTERNAL, 0), signer("server"), commit)
    declines("frame-external-content", bob, alice, message)


# Its proposals.


@pytest.mark.rule("ext-init-exactly-one")
def test_ext_init_exactly_one() -> None:
    alice, bob, _ = room()
    proposal, init = external_init(alice)
    message = forge_join(alice, device("dora"), [proposal], init=init).message
    declines("ext-init-exactly-one", bob, alice, message)


@pytest.mark.rule("ext-init-exactly-one")
@pytest.mark.parametrize("proposals", [[], [Remove(2)]])
def test_ext_init_exactly_one_and_not_none(proposals: list[Proposal]) -> None:
    alice, bob, _ = room()
    message = forge(alice, proposals, outsider=device("dora")).message
    declines("ext-init-exactly-one", bob, alice, message)


@pytest.mark.rule("external-remove-one")
def test_external_remove_one() -> None:
    alice, bob, *_ = room("alice", "bob", "carol", "dave")
    message = forge_join(alice, device("dora"), [Remove(2), Remove(3)]).message
    declines("external-remove-one", bob, alice, message)


@pytest.mark.rule("external-only-allowed")
@pytest.mark.parametrize(
    "proposal",
    [
        Add(device("erin").package),
        GroupContextExtensions(()),
        ReInit(b"second", 1, 1),
        Custom(OURS, b"!"),
    ],
)
def test_external_only_allowed(proposal: Proposal) -> None:
    alice, bob, _ = room(capabilities=KNOWS_OURS)
    message = forge_join(alice, device("dora", capabilities=KNOWS_OURS), [proposal]).message
    declines("external-only-allowed", bob, alice, message)


def test_keys_and_the_own_old_leaf_are_allowed() -> None:
    alice, bob, _ = room()
    public = public_of(alice)
    made = join(public, "carol", replaces=2, psk_keys=(ExternalPsk(b"key"),), psks=known)
    assert goes_on(made.merge(), accepts(bob, made.message, known))


# Its leaf, when it removes another.


@pytest.mark.rule("external-remove-leaf")
def test_external_remove_leaf() -> None:
    alice, bob, carol = room()

    def with_old_key(leaf: LeafNode) -> LeafNode:
        old = leaf_of(carol).encryption_key
        return re_leaf(leaf, signer("carol"), place=(alice.group_id, 2), encryption_key=old)

    message = forge_join(alice, device("carol"), [Remove(2)], leaf=with_old_key).message
    declines("leaf-update-key-fresh", bob, alice, message)


@pytest.mark.rule("external-remove-leaf")
def test_external_remove_leaf_of_a_bad_leaf() -> None:
    alice, bob, carol = room()

    def unlisted(leaf: LeafNode) -> LeafNode:
        extension = Extension(OURS, b"")
        return re_leaf(leaf, signer("carol"), place=(alice.group_id, 2), extensions=(extension,))

    message = forge_join(alice, device("carol"), [Remove(carol.me)], leaf=unlisted).message
    declines("leaf-extensions-supported", bob, alice, message)


def only_oneself(leaf: LeafNode, replaced: LeafNode | None) -> str | None:
    """Believe everybody, but let nobody take the place of somebody else."""
    if replaced is None or replaced.credential == leaf.credential:
        return None
    return "external-remove-identity"


@pytest.mark.rule("external-remove-identity")
def test_external_remove_identity() -> None:
    alice, bob, _ = room(policy=lenient(credential=only_oneself))
    declines(
        "external-remove-identity",
        bob,
        alice,
        forge_join(alice, device("dora"), [Remove(2)]).message,
    )


def test_the_same_identity_may_come_back() -> None:
    alice, bob, _ = room(policy=lenient(credential=only_oneself))
    made = forge_join(alice, device("carol"), [Remove(2)])
    assert goes_on(made.after, accepts(bob, made.message))


# Its secret.


@pytest.mark.rule("external-init-secret")
def test_external_init_secret() -> None:
    alice, bob, _ = room()
    made = forge_join(alice, device("dora"), init=alice.secrets.init)
    loses("commit-confirmation-tag", bob, made.message, made.after)


@pytest.mark.rule("external-init-secret")
def test_external_init_secret_is_shared() -> None:
    alice, bob, _ = room()
    made = forge_join(alice, device("dora"))
    assert made.after.epoch_authenticator == accepts(bob, made.message).epoch_authenticator


@pytest.mark.rule("external-init-decap")
@pytest.mark.parametrize("length", [0, 31, 32, 33])
def test_external_init_decap(length: int) -> None:
    alice, bob, _ = room()
    made = forge(alice, [ExternalInit(bytes(length))], outsider=device("dora"), init=bytes(32))
    loses("external-init-decap", bob, made.message, made.after)
