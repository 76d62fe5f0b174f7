"""How long a megabyte of nonsense keeps us busy.

    python -m benches.bench_refusals        prints a table

Sketch: garbage fails at its first bytes.  What looks right for longer costs more: a signature over
a megabyte is 2 ms of SHA-512, opening it 1 ms more, and vectors of tiny items would cost a
microsecond for each byte were they not limited in number.  So expect microseconds for most kinds,
and single milliseconds for those that are well formed and merely not genuine.

Trees stand apart.  A tree signed by who made it up is wrong only as a whole, so it must be read and
hashed before it can be refused: expect what that costs for a genuine tree of a megabyte, which has
some thousand members, and far less than believing it would cost, with all their signatures.
"""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from alcove.mls import (
    RATCHET_TREE,
    Extension,
    Group,
    KeyPackageBundle,
    LeafNode,
    PeerError,
    PublicGroup,
    RatchetTree,
    Suite,
    decode_key_package,
    join_group,
    standard_suites,
)
from alcove.mls.codec import decode, opaque, u8, u16, u32, u64
from alcove.mls.context import new_context, sign_group_info
from alcove.mls.framing import (
    COMMIT,
    KEY_PACKAGE,
    MEMBER,
    PRIVATE_HEAD,
    PROPOSAL,
    PUBLIC_HEAD,
    WELCOME,
    Sender,
)
from alcove.mls.leaf import read_leaf
from alcove.mls.tree import Node, ParentNode
from benches.groups import POLICY, build, new_member
from benches.report import SUITE_1, Report, Setting, run_alone

MEGABYTE = 1_000_000
TARGET_MS = 10

Kind = tuple[str, Callable[[bytes], object], bytes]
"""What it is called, who refuses it, and the message."""


def _filled(item: bytes) -> bytes:
    """Return a vector of nearly a megabyte of one item."""
    return opaque(item * ((MEGABYTE - 200) // len(item)))


def _public(group: Group, content_type: int, body: bytes) -> bytes:
    """Return a public message that is well formed, with a signature that is not one."""
    head = opaque(group.group_id) + u64(group.epoch) + Sender(MEMBER, 0).encode() + opaque(b"")
    tag = opaque(bytes(32))
    end = opaque(bytes(64)) + (tag if content_type == COMMIT else b"") + tag
    return PUBLIC_HEAD + head + u8(content_type) + body + end


def _extensions(count: int) -> bytes:
    """Return a list of empty extensions, of as many types as there are."""
    return opaque(b"".join(u16(kind & 0xFFFF) + b"\x00" for kind in range(10, 10 + count)))


def _in_this_group(sender: Group, receiver: Group, noise: bytes) -> Iterator[Kind]:
    """Yield messages for `receiver`, most of them made by who is not even a member."""
    receive = receiver.receive
    head = opaque(receiver.group_id) + u64(receiver.epoch)
    yield "random", receive, noise
    yield "head_public", receive, PUBLIC_HEAD + head + noise
    yield "head_private", receive, PRIVATE_HEAD + head + u8(1) + noise
    sealed = opaque(b"") + opaque(bytes(28)) + opaque(noise)
    yield "private_forged", receive, PRIVATE_HEAD + head + u8(1) + sealed
    yield "vector_too_long", receive, _public(receiver, COMMIT, b"\xbf\xff\xff\xff" + noise)
    extensions = _extensions(MEGABYTE // 5)
    yield "extensions", receive, _public(receiver, PROPOSAL, u16(7) + extensions)
    removes = _filled(b"\x01" + u16(3) + u32(1))
    yield "commit_of_removes", receive, _public(receiver, COMMIT, removes + b"\x00")
    nested = _filled(b"\x01" + u16(7) + _extensions(40))
    yield "commit_of_extensions", receive, _public(receiver, COMMIT, nested + b"\x00")
    leaf = sender.public.tree.leaf(0)
    assert leaf is not None
    nodes = _filled(opaque(b"") + opaque(opaque(b"") * 60))
    yield "commit_of_path_nodes", receive, _public(receiver, COMMIT, b"\x00\x01" + leaf.raw + nodes)
    references = _filled(b"\x02" + opaque(b""))
    yield "commit_of_references", receive, _public(receiver, COMMIT, references + b"\x00")
    sender, sealed = sender.seal(noise, os.urandom)
    broken = sealed[:-1] + bytes((sealed[-1] ^ 1,))
    yield "member_bad_ciphertext", receive, broken
    stranger = sender.suite.new_signing_key(os.urandom(64))
    forged = replace(sender, signing_key=stranger).seal(noise, os.urandom).message
    yield "member_bad_signature", receive, forged


def _elsewhere(suite: Suite, noise: bytes) -> Iterator[Kind]:
    """Yield what comes before one is in a group: key packages and Welcomes."""
    me = new_member(suite, "me")

    def join(message: bytes) -> object:
        return join_group(message, me, POLICY)

    head = u16(1)
    yield "key_package", decode_key_package, head + u16(KEY_PACKAGE) + head + u16(suite.id) + noise
    start = head + u16(KEY_PACKAGE) + head + u16(suite.id)
    start += opaque(me.package.init_key) + opaque(me.package.leaf.encryption_key)
    start += opaque(me.package.leaf.signature_key) + u16(1) + opaque(b"me")
    lists = opaque(u16(1)) + opaque(u16(suite.id)) + _filled(u16(10)) + opaque(b"") + opaque(u16(1))
    yield "capabilities", decode_key_package, start + lists
    entries = _filled(opaque(b"") * 3)
    yield "welcome", join, head + u16(WELCOME) + u16(suite.id) + entries + opaque(b"")


def _tree_kind(name: str, maker: KeyPackageBundle, suite: Suite, tree: bytes, root: bytes) -> Kind:
    """Return a GroupInfo with a tree that its maker signed."""

    def follow(message: bytes) -> object:
        return PublicGroup.from_group_info(message, POLICY)

    context = new_context(suite.id, b"room", 1, root, b"", ())
    carried = (Extension(RATCHET_TREE, tree),)
    info = sign_group_info(suite, maker.signing_key, context, carried, bytes(32), 0)
    return name, follow, info.message()


def _trees(suite: Suite) -> Iterator[Kind]:
    """Yield made-up trees of a megabyte, each as costly to judge as one can make it."""
    maker = new_member(suite, "maker")
    blanks, parents = _filled(b"\x00"), _filled(b"\x01\x02" + opaque(bytes(32)) + bytes(2))
    yield _tree_kind("blanks", maker, suite, blanks, b"")
    yield _tree_kind("parents", maker, suite, parents, b"")
    for name, make in (("unmerged", _unmerged), ("hashes", _same_hashes)):
        tree = make(suite, maker.package.leaf)
        yield _tree_kind(name, maker, suite, tree.encode(), tree.tree_hash())


def _bare_leaf(suite: Suite, parent_hash: bytes) -> LeafNode:
    """Return the shortest leaf that is well formed.  Nobody signed it."""
    keys = opaque(bytes(suite.zero)) + opaque(bytes(suite.zero))
    end = opaque(parent_hash) + opaque(b"") + opaque(b"")
    return decode(keys + u16(1) + opaque(b"") * 6 + u8(3) + end, read_leaf)


def _tree(suite: Suite, nodes: list[Node | None]) -> RatchetTree:
    return RatchetTree._from_nodes(suite, nodes)


def _unmerged(suite: Suite, mine: LeafNode) -> RatchetTree:
    """All leaves came after all parents: every parent lists every leaf below it."""
    count = 1 << 13
    nodes: list[Node | None] = [_bare_leaf(suite, b""), None] * count
    nodes[0] = mine
    nodes.pop()
    for at in range(1, len(nodes), 2):
        level = (~at & (at + 1)).bit_length() - 1
        if level > 9:
            first, leaves = (at + 1 - (1 << level)) >> 1, 1 << level
            nodes[at] = ParentNode(bytes(32), b"", tuple(range(first, first + leaves)))
    return _tree(suite, nodes)


def _same_hashes(suite: Suite, mine: LeafNode) -> RatchetTree:
    """Every leaf of the left half says to have set the root."""
    count = 1 << 13
    root = ParentNode(bytes(32), b"")
    nodes: list[Node | None] = [_bare_leaf(suite, b""), None] * count
    nodes.pop()
    nodes[count - 1] = root
    tree = _tree(suite, nodes)
    right = tree.tree_hash(count - 1 + (count >> 1))
    leaf = _bare_leaf(suite, tree.parent_hash(root, right))
    nodes[: count - 1 : 2] = [leaf] * (count >> 1)
    nodes[0] = mine
    return _tree(suite, nodes)


def refuse(kind: Kind, times: int) -> float:
    """Return how many milliseconds it takes to refuse a message."""
    name, door, message = kind
    took = []
    for _ in range(times):
        start = time.process_time()
        try:
            door(message)
        except PeerError:
            took.append(time.process_time() - start)
        else:
            raise AssertionError(f"{name} was let in")
    return statistics.median(took) * 1000


def run(report: Report, setting: Setting) -> None:
    """Measure every kind, and report the slowest."""
    suite = standard_suites()[SUITE_1]
    built = build(suite, 2)
    noise = random.Random(1).randbytes(MEGABYTE)
    times = 3 if setting.quick else 7
    kinds = [*_in_this_group(built.founder, built.join(1), noise), *_elsewhere(suite, noise)]
    took = {kind[0]: refuse(kind, times) for kind in kinds}
    for name, milliseconds in took.items():
        report.most(f"refuse_1mb_{name}_ms", milliseconds, "ms", TARGET_MS)
    report.most("refuse_1mb_ms", max(took.values()), "ms", TARGET_MS)
    for kind in _trees(suite):
        report.most(f"refuse_tree_of_{kind[0]}_ms", refuse(kind, 1), "ms")


if __name__ == "__main__":
    run_alone(run)
