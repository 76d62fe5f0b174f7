"""Rules about suites, and about how a group begins."""

from __future__ import annotations

import pytest

from alcove.mls import (
    Add,
    ApplicationMessage,
    Extension,
    ExternalSender,
    PublicGroup,
    ReInit,
    basic,
    branch_group,
    create_group,
    external_senders,
    join_group,
    reinit_group,
    schedule,
    standard_suites,
)
from alcove.mls.codec import opaque, u32
from alcove.mls.suites import Suite
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    goes_on,
    lenient,
    re_info,
    refused,
    room,
    signer,
)
from tests.mls.rules.surgery import other_package


@pytest.mark.rule("suite-mandatory")
def test_suite_mandatory() -> None:
    suite = standard_suites()[1]
    algorithms = suite.kem, suite.aead, suite.hash_name, suite.signature
    assert algorithms == ("x25519", "aes128gcm", "sha256", "ed25519")
    alice, bob = room("alice", "bob", suite=suite)
    opened = bob.receive(alice.seal(b"hello", dice("seal")).message)
    assert isinstance(opened, ApplicationMessage)
    assert opened.data == b"hello"


@pytest.mark.rule("suite-known")
@pytest.mark.parametrize("number", [0, 8, 0xFFFF])
def test_suite_known(number: int) -> None:
    alice, _, _ = room()
    with refused("suite-known"):
        PublicGroup.from_group_info(re_info(alice, suite_id=number).message(), LENIENT)


@pytest.mark.rule("leaf-group-extensions-supported")
def test_leaf_group_extensions_supported_by_the_creator() -> None:
    ours = Extension(0xF042, b"for us")
    with refused("leaf-group-extensions-supported"):
        create_group(device("alice"), b"the room", LENIENT, dice("new"), extensions=(ours,))


@pytest.mark.rule("cred-valid-external-senders")
def test_cred_valid_external_senders_at_the_beginning() -> None:
    listed = external_senders([ExternalSender(signer("another").public, basic(b"another"))])
    doubtful = lenient(external_sender=lambda _credential, _key: "cred-valid-external-senders")
    with refused("cred-valid-external-senders"):
        create_group(device("alice"), b"the room", doubtful, dice("new"), extensions=(listed,))


@pytest.mark.rule("create-tree")
def test_create_tree() -> None:
    (alice,) = room("alice", paths=False)
    assert alice.public.tree.nodes == [device("alice").package.leaf]


@pytest.mark.rule("create-epoch")
def test_create_epoch() -> None:
    (alice,) = room("alice", paths=False)
    assert alice.epoch == 0


@pytest.mark.rule("create-tree-hash")
def test_create_tree_hash() -> None:
    (alice,) = room("alice", paths=False)
    leaf = device("alice").package.leaf.raw
    assert alice.public.context.tree_hash == SUITE.hash(b"\x01" + u32(0) + b"\x01" + leaf)


@pytest.mark.rule("create-transcript")
def test_create_transcript() -> None:
    (alice,) = room("alice", paths=False)
    assert alice.public.context.confirmed_transcript_hash == b""


@pytest.mark.rule("create-epoch-secret")
@pytest.mark.parametrize("number", sorted(standard_suites()))
def test_create_epoch_secret(number: int) -> None:
    suite = standard_suites()[number]
    drawn: list[bytes] = []

    def draw(length: int) -> bytes:
        drawn.append(dice("epoch secret")(length))
        return drawn[-1]

    alice = create_group(device("alice", suite), b"the room", LENIENT, draw)

    assert [len(secret) for secret in drawn] == [suite.secret_bytes]
    expected = schedule.split_epoch_secret(suite, drawn[0])
    assert alice.secrets == expected._replace(encryption=b"")


def first_tag(suite: Suite, confirmation_key: bytes) -> bytes:
    """Return a group's first confirmation tag, over a transcript that is still empty."""
    return suite.mac(confirmation_key, b"")


@pytest.mark.rule("create-interim")
def test_create_interim() -> None:
    (alice,) = room("alice", paths=False)
    tag = first_tag(SUITE, alice.secrets.confirmation)
    assert alice.public.confirmation_tag == tag
    assert alice.public.interim_transcript_hash() == SUITE.hash(opaque(tag))


@pytest.mark.rule("reinit-members")
def test_reinit_members_from_the_beginning() -> None:
    alice, _, _ = room()
    ended = alice.commit([ReInit(b"second", 1, 1)], entropy=dice("reinit")).merge()
    bob = other_package("bob").package
    with refused("reinit-members", ended):
        reinit_group(ended, other_package("alice"), [bob], LENIENT, dice("second"))


@pytest.mark.rule("branch-members")
def test_branch_members_from_the_beginning() -> None:
    alice, _, _ = room()
    mallory = other_package("mallory").package
    with refused("branch-members", alice):
        branch_group(alice, b"second", other_package("alice"), [mallory], LENIENT, dice("second"))


@pytest.mark.rule("branch-psk")
def test_branch_psk_missing() -> None:
    alice, bob, _ = room()
    unrelated = create_group(other_package("alice"), b"second", LENIENT, dice("second"))
    made = unrelated.commit([Add(other_package("bob").package)], entropy=dice("commit"))
    assert made.welcome is not None
    with refused("branch-psk", bob):
        join_group(made.welcome, other_package("bob"), LENIENT, follows=bob)
    assert join_group(made.welcome, other_package("bob"), LENIENT).epoch == 1
    assert goes_on(alice, bob)
