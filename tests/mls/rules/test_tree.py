"""Rules about a whole tree: how it is written, and that members can have made it."""

from __future__ import annotations

from functools import cache

import pytest

from alcove.mls import (
    EXTERNAL_PUB,
    Add,
    CommitOptions,
    Extension,
    Group,
    LeafNode,
    LeafTemplate,
    PublicGroup,
    RatchetTree,
    Remove,
    join_by_commit,
)
from alcove.mls import tree_math as math
from alcove.mls.codec import opaque, u32, vector
from alcove.mls.tree import Node, ParentNode
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    following,
    leaf_of,
    parent_at,
    re_info,
    re_leaf,
    refused,
    relinked,
    room,
    tree_bytes,
    tree_of,
)

EIGHT = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi")
ERIN, FRANK, GRACE, HEIDI = range(4, 8)


@cache
def alice_with_newcomers() -> Group:
    """Return Alice's group after Erin has replaced two members.

    Erin's commit has set nodes 11 and 7; Ivan, who came after it at leaf 5, is unmerged in both.
    Leaf 7 is blank.

                  7
           3             11
        1     5       9      13
       0 1   2 3     4 5    6  7
    """
    members = list(room(*EIGHT))
    erin, alice = members[ERIN], members[0]
    removes = [Remove(FRANK), Remove(HEIDI)]
    for proposals in (removes, [Add(device("ivan").package)]):
        made = erin.commit(proposals, entropy=dice("erin"), options=CommitOptions())
        erin, alice = made.merge(), following(alice, made.message)
    assert parent_at(alice.public.tree, 11).unmerged == (FRANK,)
    assert parent_at(alice.public.tree, 7).unmerged == (FRANK,)
    return alice


def nodes_of(member: Group) -> list[Node | None]:
    """Return a member's tree to change."""
    return list(member.public.tree.nodes)


def newcomer_refuses(alice: Group, tree: RatchetTree, rule: str) -> None:
    """Expect that who joins refuses a tree, and takes the one that is right."""
    with refused(rule):
        PublicGroup.from_group_info(re_info(alice, tree=tree).message(), LENIENT)
    good = PublicGroup.from_group_info(re_info(alice).message(), LENIENT)
    assert good.context == alice.public.context


def newcomer_refuses_bytes(alice: Group, data: bytes, rule: str) -> None:
    """Expect the same of a tree that is written wrongly, under the hash of the right one."""
    with refused(rule):
        PublicGroup.from_group_info(re_info(alice, carried=data).message(), LENIENT)
    good = PublicGroup.from_group_info(re_info(alice).message(), LENIENT)
    assert good.context == alice.public.context


# How a tree is written.


@pytest.mark.rule("tree-trailing-blank-sent")
def test_tree_trailing_blank_sent() -> None:
    alice, _, _ = room()
    nodes = alice.public.tree.nodes
    assert nodes[5:] == [None, None]
    assert alice.public.tree.encode() == tree_bytes(nodes[:5])


@pytest.mark.rule("tree-last-node-non-blank")
def test_tree_last_node_non_blank() -> None:
    alice, _, _ = room()
    data = tree_bytes(alice.public.tree.nodes)
    newcomer_refuses_bytes(alice, data, "tree-last-node-non-blank")


@pytest.mark.rule("tree-last-node-non-blank")
def test_tree_last_node_non_blank_when_there_is_none() -> None:
    with refused("tree-last-node-non-blank"):
        RatchetTree.decode(SUITE, tree_bytes([]))


@pytest.mark.rule("tree-node-type-known")
def test_tree_node_type_known() -> None:
    alice, _, _ = room(paths=False)
    first, _, *others = alice.public.tree.nodes[:5]
    pieces = [tree_bytes([first])[2:], b"\x01\x03", tree_bytes(others)[2:]]
    newcomer_refuses_bytes(alice, vector(pieces), "tree-node-type-known")


@pytest.mark.rule("tree-node-kind-by-place")
@pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2)])
def test_tree_node_kind_by_place(one: int, other: int) -> None:
    alice, _, _ = room()
    nodes = nodes_of(alice)[:5]
    nodes[one], nodes[other] = nodes[other], nodes[one]
    newcomer_refuses_bytes(alice, tree_bytes(nodes), "tree-node-kind-by-place")


def independent_hash(nodes: list[Node | None], at: int) -> bytes:
    """Return a tree hash as section 7.8 describes it."""
    node = nodes[at]
    if at % 2 == 0:
        assert not isinstance(node, ParentNode)
        return SUITE.hash(b"\x01" + u32(at // 2) + (b"\x01" + node.raw if node else b"\x00"))
    assert not isinstance(node, LeafNode)
    children = [independent_hash(nodes, child) for child in (math.left(at), math.right(at))]
    own = b"\x01" + node.encode() if node else b"\x00"
    return SUITE.hash(b"\x02" + own + b"".join(map(opaque, children)))


@pytest.mark.rule("tree-hash-blank", "tree-hash-present")
def test_tree_hash_blank() -> None:
    alice = alice_with_newcomers()
    assert None in alice.public.tree.nodes
    wanted = independent_hash(nodes_of(alice), 7)
    assert alice.public.context.tree_hash == wanted


# Whether members can have made it.


@pytest.mark.rule("tree-unmerged-sorted")
def test_tree_unmerged_sorted() -> None:
    alice = alice_with_newcomers()
    judy = device("judy").package
    made = alice.commit([Add(judy)], entropy=dice("alice")).merge()
    nodes = nodes_of(made)
    assert parent_at(made.public.tree, 11).unmerged == (FRANK, HEIDI)
    nodes[11] = parent_at(made.public.tree, 11)._replace(unmerged=(HEIDI, FRANK))
    newcomer_refuses(made, tree_of(nodes), "tree-unmerged-sorted")


@pytest.mark.rule("tree-unmerged-sorted")
def test_tree_unmerged_sorted_without_repetition() -> None:
    alice = alice_with_newcomers()
    nodes = nodes_of(alice)
    nodes[7] = parent_at(alice.public.tree, 7)._replace(unmerged=(FRANK, FRANK))
    newcomer_refuses(alice, tree_of(nodes), "tree-unmerged-sorted")


@pytest.mark.rule("tree-unmerged-descendant")
def test_tree_unmerged_descendant() -> None:
    alice = alice_with_newcomers()
    nodes = nodes_of(alice)
    assert nodes[2 * HEIDI] is None
    for at in (7, 11):
        nodes[at] = parent_at(alice.public.tree, at)._replace(unmerged=(FRANK, HEIDI))
    newcomer_refuses(alice, tree_of(nodes), "tree-unmerged-descendant")


@pytest.mark.rule("tree-unmerged-descendant")
def test_tree_unmerged_descendant_elsewhere() -> None:
    alice = alice_with_newcomers()
    nodes = nodes_of(alice)
    nodes[11] = parent_at(alice.public.tree, 11)._replace(unmerged=(0, FRANK))
    newcomer_refuses(alice, tree_of(nodes), "tree-unmerged-descendant")


@pytest.mark.rule("tree-unmerged-intermediate")
def test_tree_unmerged_intermediate() -> None:
    # Alice, who has committed last, claims at the root that Grace does not know its key, and
    # signs parent hashes to match.  Node 11 between the two says nothing of it.
    alice = room(*EIGHT)[0]
    made = alice.commit(entropy=dice("alice"), options=CommitOptions(path=True)).merge()
    nodes = nodes_of(made)
    nodes[7] = parent_at(made.public.tree, 7)._replace(unmerged=(GRACE,))
    assert parent_at(made.public.tree, 11).unmerged == ()
    tree = relinked(nodes, 0, made.signing_key, made.group_id)
    newcomer_refuses(made, tree, "tree-unmerged-intermediate")


@pytest.mark.rule("tree-parent-hash-valid")
def test_tree_parent_hash_valid() -> None:
    _, _, carol = room()
    nodes = nodes_of(carol)
    nodes[4] = re_leaf(
        leaf_of(carol), carol.signing_key, place=(b"the room", 2), parent_hash=bytes(32)
    )
    newcomer_refuses(carol, tree_of(nodes), "tree-parent-hash-valid")


@pytest.mark.rule("tree-parent-hash-valid")
def test_tree_parent_hash_valid_for_a_foreign_key() -> None:
    _, _, carol = room()
    nodes = nodes_of(carol)
    nodes[1] = parent_at(carol.public.tree, 1)._replace(encryption_key=bytes(31) + b"\x07")
    newcomer_refuses(carol, tree_of(nodes), "tree-parent-hash-valid")


@pytest.mark.rule("tree-parent-key-unique")
@pytest.mark.parametrize("other", [0, 1])
def test_tree_parent_key_unique(other: int) -> None:
    _, _, carol = room()
    nodes = nodes_of(carol)
    double = nodes[other]
    assert double is not None
    nodes[3] = parent_at(carol.public.tree, 3)._replace(encryption_key=double.encryption_key)
    tree = relinked(nodes, carol.me, carol.signing_key, carol.group_id)
    newcomer_refuses(carol, tree, "tree-parent-key-unique")


@pytest.mark.rule("tree-key-valid")
@pytest.mark.parametrize("at", [0, 1])
def test_tree_key_valid(at: int) -> None:
    # Carol has committed last, and her parent hashes speak for what she says is below the root.
    _, _, carol = room()
    nodes = nodes_of(carol)
    if at == 0:
        alice = room()[0]
        leaf = leaf_of(alice)
        nodes[0] = re_leaf(
            leaf, alice.signing_key, place=(b"the room", 0), encryption_key=bytes(32)
        )
        nodes[1] = None
    else:
        nodes[1] = parent_at(carol.public.tree, 1)._replace(encryption_key=bytes(32))
        nodes = list(relinked(nodes, 1, room()[1].signing_key, carol.group_id).nodes)
    tree = relinked(nodes, 2, carol.signing_key, carol.group_id)
    info = re_info(carol, tree=tree, info_extensions=(external_pub(carol),))
    public = PublicGroup.from_group_info(info.message(), LENIENT)
    dora = device("dora")
    with refused("tree-key-valid"):
        join_by_commit(public, dora.signing_key, LeafTemplate.of(dora.package.leaf), dice("join"))


def external_pub(member: Group) -> Extension:
    """Return the extension of a GroupInfo that lets others join by a commit."""
    return Extension(EXTERNAL_PUB, opaque(member.external_key().public))
