"""Rules about the frame of a message: what it is, whose it is, and who may send it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alcove.mls import (
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    Add,
    ApplicationMessage,
    Extension,
    ExternalPsk,
    ExternalSender,
    LeafTemplate,
    PreSharedKey,
    PrivateMessage,
    Proposal,
    PskId,
    PublicGroup,
    PublicMessage,
    ReceivedProposal,
    Remove,
    Sender,
    StagedCommit,
    Update,
    basic,
    decode_group_info,
    decode_key_package,
    decode_message,
    external_senders,
    join_by_commit,
    join_group,
    propose_as_outsider,
    propose_to_join,
)
from alcove.mls.codec import decode, opaque, u16, u64
from alcove.mls.commit import Commit
from alcove.mls.framing import (
    APPLICATION,
    PRIVATE_MESSAGE,
    PROPOSAL,
    PUBLIC_HEAD,
    read_authenticated,
)
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    committed,
    device,
    dice,
    from_outside,
    goes_on,
    in_private,
    in_public,
    leaf_of,
    lenient,
    new_leaf,
    proposed,
    re_info,
    refused,
    refuses,
    room,
    sent,
    signed,
    signer,
)

SERVER = external_senders([ExternalSender(signer("server").public, basic(b"server"))])


def harmless() -> Proposal:
    """Return a proposal that anyone may make."""
    return PreSharedKey(PskId(ExternalPsk(b"key"), dice("nonce")(SUITE.secret_bytes)))


def public_content(message: bytes) -> PublicMessage:
    """Return a message as it is before any check."""
    decoded = decode_message(message)
    assert isinstance(decoded, PublicMessage)
    return decoded


# What a message is.


@pytest.mark.rule("frame-version")
def test_frame_version() -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless())
    refuses(bob, alice, u16(2) + message[2:], "frame-version")


@pytest.mark.rule("frame-version")
def test_frame_version_of_a_group_info() -> None:
    alice, _, _ = room()
    message = re_info(alice).message()
    with refused("frame-version"):
        decode_group_info(u16(2) + message[2:])
    assert decode_group_info(message).raw == message[4:]


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format() -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless())
    refuses(bob, alice, message[:2] + u16(6) + message[4:], "frame-wire-format")


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format_for_members() -> None:
    alice, bob, _ = room()
    refuses(bob, alice, device("dora").message(), "frame-wire-format")


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format_for_followers() -> None:
    alice, bob, _ = room()
    sealed = alice.seal(b"hello", dice("seal"))
    with refused("frame-wire-format", bob):
        bob.public.receive(sealed.message)


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format_for_newcomers() -> None:
    alice, _, _ = room()
    with refused("frame-wire-format"):
        join_group(proposed(alice, harmless()), device("dora"), LENIENT)


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format_of_a_group_info() -> None:
    alice, _, _ = room()
    message = re_info(alice).message()
    with refused("frame-wire-format"):
        decode_group_info(message[:2] + u16(3) + message[4:])


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format_of_a_key_package() -> None:
    message = device("dora").message()
    with refused("frame-wire-format"):
        decode_key_package(message[:2] + u16(4) + message[4:])


@pytest.mark.rule("frame-wire-format")
def test_frame_wire_format_of_saved_content() -> None:
    alice, _, _ = room()
    saved = signed(alice, PROPOSAL, harmless()).encode()
    with refused("frame-wire-format"):
        decode(u16(3) + saved[2:], read_authenticated)
    assert decode(saved, read_authenticated).encode() == saved


@pytest.mark.rule("frame-content-type-known")
def test_frame_content_type_known() -> None:
    alice, bob, _ = room()
    message = sent(alice, 4, b"")
    with refused("frame-content-type-known"):
        decode_message(message)
    refuses(bob, alice, message, "frame-content-type-known")


@pytest.mark.rule("frame-content-type-known")
def test_frame_content_type_known_when_encrypted() -> None:
    alice, bob, _ = room()
    content = signed(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE)
    message = in_private(alice, content, content_type=4)
    with refused("frame-content-type-known"):
        decode_message(message)
    refuses(bob, alice, message, "frame-content-type-known")


@pytest.mark.rule("frame-sender-type-known")
def test_frame_sender_type_known() -> None:
    alice, bob, _ = room()
    message = sent(alice, PROPOSAL, harmless(), sender=Sender(5))
    refuses(bob, alice, message, "frame-sender-type-known")


@pytest.mark.rule("frame-application-encrypted")
def test_frame_application_encrypted() -> None:
    alice, bob, _ = room()
    message = sent(alice, APPLICATION, b"hello")
    with refused("frame-application-encrypted", bob):
        bob.public.verify(public_content(message).content)
    refuses(bob, alice, message, "frame-application-encrypted")


# Which group and which epoch.


@pytest.mark.rule("frame-group-id")
def test_frame_group_id() -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless(), group_id=b"another room")
    refuses(bob, alice, message, "frame-group-id")


@pytest.mark.rule("frame-group-id")
def test_frame_group_id_when_encrypted() -> None:
    alice, bob, _ = room()
    content = signed(
        alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE, group_id=b"another room"
    )
    message = in_private(alice, content, head=opaque(b"another room") + u64(alice.epoch))
    refuses(bob, alice, message, "frame-group-id")


@pytest.mark.rule("frame-epoch")
@pytest.mark.parametrize("distance", [-1, 1])
def test_frame_epoch(distance: int) -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless(), epoch=alice.epoch + distance)
    refuses(bob, alice, message, "frame-epoch")


@pytest.mark.rule("frame-epoch")
def test_frame_epoch_when_encrypted() -> None:
    alice, bob, _ = room(policy=lenient(past_epochs=1))
    past = replace(alice, current=alice.past[0])
    content = signed(
        past,
        PROPOSAL,
        harmless(),
        wire_format=PRIVATE_MESSAGE,
        epoch=alice.epoch - 1,
        context=past.current.context.raw,
    )
    refuses(bob, alice, in_private(past, content), "frame-epoch")


# Who signed.


@pytest.mark.rule("frame-signature")
def test_frame_signature() -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless(), key=signer("mallory"))
    refuses(bob, alice, message, "frame-signature")


@pytest.mark.rule("frame-signature")
def test_frame_signature_when_encrypted() -> None:
    alice, bob, _ = room()
    message = sent(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE, key=signer("mallory"))
    refuses(bob, alice, message, "frame-signature")


@pytest.mark.rule("frame-signature")
def test_frame_signature_of_another_context() -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless(), context=alice.public.context.raw + b"?")
    refuses(bob, alice, message, "frame-signature")


def signed_by(message: bytes, key: bytes, group: PublicGroup) -> bool:
    """Say whether a public message was signed with a key; raise when it was not."""
    content = public_content(message).content
    tbs = content.signed_bytes(group.context.raw)
    group.suite.verify(key, b"FramedContentTBS", tbs, content.signature)
    return True


@pytest.mark.rule("frame-signer-member")
def test_frame_signer_member() -> None:
    alice, _, _ = room()
    made = alice.propose(harmless(), dice("propose"))
    assert signed_by(made.message, leaf_of(alice).signature_key, alice.public)


@pytest.mark.rule("frame-signer-external")
def test_frame_signer_external() -> None:
    alice, bob, _ = room(extensions=(SERVER,))
    message = propose_as_outsider(
        SUITE, alice.group_id, alice.epoch, 0, signer("server"), Remove(2)
    )
    assert signed_by(message, signer("server").public, alice.public)
    assert isinstance(bob.receive(message), ReceivedProposal)


@pytest.mark.rule("frame-signer-new-commit")
def test_frame_signer_new_commit() -> None:
    alice, bob, _ = room()
    public = PublicGroup.from_group_info(alice.group_info(), LENIENT)
    dora = device("dora")
    template = LeafTemplate.of(dora.package.leaf)

    made = join_by_commit(public, dora.signing_key, template, dice("join"))

    assert made.public.path is not None
    assert signed_by(made.message, made.public.path.leaf.signature_key, public)
    assert isinstance(bob.receive(made.message), StagedCommit)


@pytest.mark.rule("frame-signer-new-proposal")
def test_frame_signer_new_proposal() -> None:
    alice, bob, _ = room()
    dora = device("dora")
    message = propose_to_join(SUITE, alice.group_id, alice.epoch, dora)
    assert signed_by(message, dora.package.leaf.signature_key, alice.public)
    assert isinstance(bob.receive(message), ReceivedProposal)


# Who sent.


@pytest.mark.rule("frame-sender-leaf")
@pytest.mark.parametrize("leaf", [3, 4])
def test_frame_sender_leaf(leaf: int) -> None:
    alice, bob, _ = room()
    message = proposed(alice, harmless(), sender=Sender(MEMBER, leaf))
    refuses(bob, alice, message, "frame-sender-leaf")


@pytest.mark.rule("frame-external-index")
@pytest.mark.parametrize("extensions", [(), (SERVER,)])
def test_frame_external_index(extensions: tuple[Extension, ...]) -> None:
    alice, bob, _ = room(extensions=extensions)
    message = from_outside(alice, Sender(EXTERNAL, len(extensions)), signer("server"), Remove(2))
    refuses(bob, alice, message, "frame-external-index")


@pytest.mark.rule("frame-external-content")
def test_frame_external_content() -> None:
    alice, bob, _ = room(extensions=(SERVER,))
    commit = Commit((Add(device("dora").package),), None)
    message = from_outside(alice, Sender(EXTERNAL, 0), signer("server"), commit)
    refuses(bob, alice, message, "frame-external-content")


@pytest.mark.rule("frame-new-commit-content")
def test_frame_new_commit_content() -> None:
    alice, bob, _ = room()
    message = from_outside(alice, Sender(NEW_MEMBER_COMMIT), signer("server"), harmless())
    refuses(bob, alice, message, "frame-new-commit-content")


@pytest.mark.rule("frame-new-proposal-content")
def test_frame_new_proposal_content() -> None:
    alice, bob, _ = room()
    message = from_outside(
        alice, Sender(NEW_MEMBER_PROPOSAL), signer("server"), Commit((Remove(2),), None)
    )
    refuses(bob, alice, message, "frame-new-proposal-content")


@pytest.mark.rule("frame-new-proposal-add")
def test_frame_new_proposal_add() -> None:
    alice, bob, _ = room()
    message = from_outside(alice, Sender(NEW_MEMBER_PROPOSAL), signer("server"), Remove(2))
    refuses(bob, alice, message, "frame-new-proposal-add")


@pytest.mark.rule("frame-outside-public")
def test_frame_outside_public() -> None:
    alice, _, _ = room(policy=lenient(private_handshakes=True), extensions=(SERVER,))
    public = PublicGroup.from_group_info(alice.group_info(), alice.public.policy)
    dora = device("dora")
    template = LeafTemplate.of(dora.package.leaf)
    group = SUITE, alice.group_id, alice.epoch

    made = [
        propose_to_join(*group, dora),
        propose_as_outsider(*group, 0, signer("server"), Remove(2)),
        join_by_commit(public, dora.signing_key, template, dice("join")).message,
    ]

    assert all(message.startswith(PUBLIC_HEAD) for message in made)


# The membership tag.


@pytest.mark.rule("frame-membership-tag-made")
def test_frame_membership_tag_made() -> None:
    alice, _, _ = room()
    message = public_content(alice.propose(harmless(), dice("propose")).message)
    context = alice.public.context.raw
    authenticated = message.content.signed_bytes(context) + opaque(message.content.signature)
    assert message.membership_tag == SUITE.mac(alice.secrets.membership, authenticated)


@pytest.mark.rule("frame-membership-tag")
def test_frame_membership_tag() -> None:
    alice, bob, _ = room()
    message = in_public(alice, signed(alice, PROPOSAL, harmless()), tag=bytes(32))
    refuses(bob, alice, message, "frame-membership-tag")


@pytest.mark.rule("frame-membership-tag")
def test_frame_membership_tag_of_a_commit() -> None:
    alice, bob, _ = room()
    edit = alice.public.tree.edit()
    edit.add(device("dora").package.leaf)
    commit = Commit((Add(device("dora").package),), None)
    message = committed(alice, commit, edit, membership_tag=bytes(32))
    refuses(bob, alice, message, "frame-membership-tag")


# What padding holds.


@pytest.mark.rule("frame-padding-made")
def test_frame_padding_made() -> None:
    alice, _, _ = room(policy=lenient(padding=lambda length: length + 100))
    key, _ = alice.current.secrets.next_key(alice.me, 1)
    guard = dice("guard")(4)

    sealed = decode_message(alice.seal(b"hello", lambda _: guard).message)

    assert isinstance(sealed, PrivateMessage)
    mixed = bytes(a ^ b for a, b in zip(key.nonce, guard + bytes(8), strict=True))
    data = alice.current.head + b"\x01" + opaque(b"")
    plain = SUITE.aead_open(key.key, mixed, sealed.ciphertext, data)
    content = len(opaque(b"hello") + opaque(bytes(64)))
    assert plain[content:] == bytes(100)


@pytest.mark.rule("frame-padding-zero")
@pytest.mark.parametrize("padding", [b"\x01", b"\x00\x00\x01", b"\x01\x00"])
def test_frame_padding_zero(padding: bytes) -> None:
    alice, bob, _ = room()
    content = signed(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE)
    refuses(bob, alice, in_private(alice, content, padding=padding), "frame-padding-zero")


def test_zeros_after_the_content_are_padding() -> None:
    alice, bob, _ = room()
    content = signed(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE)
    opened = bob.receive(in_private(alice, content, padding=bytes(9)))
    assert isinstance(opened, ApplicationMessage)
    assert opened.data == b"hello"


def test_what_this_kit_sends_is_accepted_when_nothing_is_wrong() -> None:
    alice, bob, _ = room()
    assert isinstance(bob.receive(proposed(alice, harmless())), ReceivedProposal)
    assert isinstance(bob.receive(proposed(alice, Update(new_leaf(alice)))), ReceivedProposal)
    assert goes_on(alice, bob)
