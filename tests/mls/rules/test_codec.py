"""Rules about bytes: how lengths and options are written, and how much of anything is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alcove.mls import (
    BASIC,
    X509,
    Add,
    Capabilities,
    Credential,
    Extension,
    Group,
    GroupContextExtensions,
    RatchetTree,
    Update,
    x509,
)
from alcove.mls.codec import MAX_ITEMS, opaque, optional, u8, u16, u64, varint, vector
from alcove.mls.commit import Commit
from alcove.mls.context import new_context
from alcove.mls.credentials import MAX_CERTIFICATES
from alcove.mls.framing import COMMIT
from alcove.mls.proposals import GROUP_CONTEXT_EXTENSIONS, PSK
from alcove.mls.tree import MAX_LEAVES, Node, ParentNode
from tests.mls.rules.frankenstein import (
    SUITE,
    certificate,
    committed,
    device,
    dice,
    in_public,
    kem_pair,
    lawless_path,
    leaf_of,
    lenient,
    new_leaf,
    proposed,
    re_package,
    refused,
    refuses,
    room,
    signed,
    tree_bytes,
)

READS_X509 = Capabilities(suites=(1,), credentials=(BASIC, X509))


def external_psk(name: bytes) -> bytes:
    """Return a PreSharedKey proposal around a name that is written as given."""
    return u16(PSK) + u8(1) + name + opaque(dice("nonce")(SUITE.secret_bytes))


@pytest.mark.rule("codec-optional")
def test_codec_optional() -> None:
    alice, bob, _ = room()
    edit = alice.public.tree.edit()
    made = lawless_path(alice, edit)
    commit = vector([]) + b"\x02" + made.path.encode()

    message = committed(alice, commit, edit, commit_secret=made.commit_secret)

    refuses(bob, alice, message, "codec-optional")


@pytest.mark.rule("codec-varint-minimal")
@pytest.mark.parametrize("length", [b"\x40\x03", b"\x80\x00\x00\x03"])
def test_codec_varint_minimal(length: bytes) -> None:
    alice, bob, _ = room()
    message = proposed(alice, external_psk(length + b"key"))
    refuses(bob, alice, message, "codec-varint-minimal")


@pytest.mark.rule("codec-varint-reserved")
def test_codec_varint_reserved() -> None:
    alice, bob, _ = room()
    message = proposed(alice, external_psk(b"\xc0" + bytes(6) + b"\x03key"))
    refuses(bob, alice, message, "codec-varint-reserved")


@pytest.mark.rule("codec-truncated")
def test_codec_truncated_in_a_chain_of_certificates() -> None:
    alice, bob, _ = room(capabilities=READS_X509)
    chain = x509([certificate(alice.signing_key) + b"?"]).data[:-1]
    leaf = new_leaf(alice, credential=Credential(X509, chain))
    refuses(bob, alice, proposed(alice, Update(leaf)), "codec-truncated")


@pytest.mark.rule("codec-truncated")
def test_codec_truncated_at_the_end_of_a_vector() -> None:
    alice, bob, _ = room()
    item = u16(1) + opaque(b"some content")
    proposal = u16(GROUP_CONTEXT_EXTENSIONS) + varint(len(item) - 3) + item
    refuses(bob, alice, proposed(alice, proposal), "codec-truncated")


@pytest.mark.rule("codec-truncated")
def test_codec_truncated_anywhere() -> None:
    alice, bob, _ = room()
    message = proposed(alice, external_psk(opaque(b"key")))
    for length in range(len(message)):
        with refused("codec-truncated"):
            bob.receive(message[:length])


@pytest.mark.rule("codec-truncated")
def test_codec_truncated_vector_inside_a_vector() -> None:
    alice, bob, _ = room()
    extensions = (Extension(1, b"some content"),)
    edit = alice.public.tree.edit()
    made = lawless_path(alice, edit, extensions=extensions)
    item = b"\x01" + GroupContextExtensions(extensions).encode()
    commit = varint(len(item) - 3) + item + optional(made.path.encode())

    message = committed(
        alice, commit, edit, commit_secret=made.commit_secret, extensions=extensions
    )

    refuses(bob, alice, message, "codec-truncated")


@pytest.mark.rule("codec-truncated")
def test_codec_truncated_in_a_list_of_numbers() -> None:
    alice, bob, _ = room()
    leaf = new_leaf(alice)
    odd = leaf.raw.replace(leaf.capabilities.encode(), varint(3) + u16(1) + b"\x00" + bytes(4))
    refuses(bob, alice, proposed(alice, u16(Update.type) + odd), "codec-truncated")


@pytest.mark.rule("codec-trailing")
def test_codec_trailing() -> None:
    alice, bob, _ = room()
    message = proposed(alice, external_psk(opaque(b"key"))) + b"\x00"
    refuses(bob, alice, message, "codec-trailing")


@pytest.mark.rule("codec-too-large")
def test_codec_too_large() -> None:
    alice, bob, _ = room(policy=lenient(max_message_bytes=4000))
    message = proposed(alice, external_psk(opaque(bytes(4000))))
    refuses(bob, alice, message, "codec-too-large")


@pytest.mark.rule("codec-too-many")
def test_codec_too_many_numbers() -> None:
    alice, bob, _ = room()
    known = leaf_of(alice).capabilities._replace(proposals=tuple(range(8, MAX_ITEMS + 9)))
    message = proposed(alice, Update(new_leaf(alice, capabilities=known)))
    refuses(bob, alice, message, "codec-too-many")


@pytest.mark.rule("codec-too-many")
def test_codec_too_many_items() -> None:
    alice, bob, _ = room()
    extensions = tuple(Extension(100 + number, b"") for number in range(MAX_ITEMS + 1))
    package = re_package(device("dora"), extensions=extensions)
    refuses(bob, alice, proposed(alice, Add(package)), "codec-too-many")


@pytest.mark.rule("codec-too-many")
def test_codec_too_many_certificates() -> None:
    alice, bob, _ = room(capabilities=READS_X509)
    chain = [certificate(alice.signing_key), *[b"somebody's"] * MAX_CERTIFICATES]
    leaf = new_leaf(alice, credential=x509(chain))
    refuses(bob, alice, proposed(alice, Update(leaf)), "codec-too-many")


@pytest.mark.rule("codec-too-many")
def test_codec_too_many_nodes() -> None:
    leaf = device("alice").package.leaf
    with refused("codec-too-many"):
        RatchetTree.decode(SUITE, tree_bytes([*[None] * (2 * MAX_LEAVES), leaf]))


@pytest.mark.rule("codec-too-many")
def test_codec_too_many_unmerged_leaves() -> None:
    leaf = device("alice").package.leaf
    parent = ParentNode(kem_pair("parent").public, b"", tuple(range(MAX_LEAVES)))
    nodes: list[Node | None] = [leaf, parent] * 14
    with refused("codec-too-many"):
        RatchetTree.decode(SUITE, tree_bytes([*nodes, leaf]))


@pytest.mark.rule("limit-leaves")
def test_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob = room("alice", "bob")
    edit = alice.public.tree.edit()
    edit.add(device("carol").package.leaf)
    commit = Commit((Add(device("carol").package),), None)
    message = committed(alice, commit, edit)

    monkeypatch.setattr("alcove.mls.changes.MAX_LEAVES", 2)

    refuses(bob, alice, message, "limit-leaves")


@pytest.mark.rule("limit-epoch")
def test_limit_epoch() -> None:
    alice, bob = (at_last_epoch(member) for member in room("alice", "bob"))
    commit = Commit((Add(device("carol").package),), None)
    content = replace(signed(alice, COMMIT, commit), confirmation_tag=b"no matter")
    refuses(bob, alice, in_public(alice, content), "limit-epoch")


def at_last_epoch(member: Group) -> Group:
    """Return a member of a group that has had all the epochs that there are."""
    public = member.public
    context = new_context(1, member.group_id, 2**64 - 1, public.tree.tree_hash(), b"", ())
    head = opaque(member.group_id) + u64(context.epoch)
    return replace(
        member,
        public=replace(public, context=context),
        current=member.current._replace(head=head, context=context),
    )
