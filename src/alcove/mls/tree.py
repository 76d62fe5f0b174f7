"""The ratchet tree as everyone sees it: leaves, public keys, and their hashes (section 7).

A `RatchetTree` is a value.  Changing one goes through `TreeEdit`: a copy of the lists (some
microseconds for a thousand members), changed in place, then `done()`.  Tree hashes are kept from
one value to the next; an edit forgets those above what it touched and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from alcove.mls import tree_math as math
from alcove.mls.codec import Reader, opaque, u32, vector
from alcove.mls.errors import DecodeError
from alcove.mls.leaf import MAX_LEAF_EXTENSIONS, LeafNode, read_leaf
from alcove.mls.suites import Suite

MAX_LEAVES: Final = 1 << 12
"""How large a group may be, blank leaves included.

A path seals one secret to each member of a tree made only by adds: all of them must fit into one
message that the others read (`MAX_ITEMS`), or nobody could renew its keys or remove anybody.
"""

_TREE_ITEMS: Final = MAX_LEAVES * MAX_LEAF_EXTENSIONS
_LEAF: Final = 1
_PARENT: Final = 2
_BLANKS: Final = re.compile(rb"\0+")


class ParentNode(NamedTuple):
    """A key that everyone below it can use, but for the leaves that came since."""

    encryption_key: bytes
    parent_hash: bytes
    unmerged: tuple[int, ...] = ()
    """Leaves below that do not have the private key yet, in rising order."""

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        return (
            opaque(self.encryption_key) + opaque(self.parent_hash) + vector(map(u32, self.unmerged))
        )


Node = LeafNode | ParentNode


class Step(NamedTuple):
    """One node of a filtered direct path, and whom its secret must be sealed to."""

    node: int
    copath: int
    """The child on the other side."""
    resolution: list[int]
    """The nodes that together reach everyone below `copath`."""


def _read_node(reader: Reader) -> Node:
    kind = reader.u8()
    if kind == _LEAF:
        return read_leaf(reader)
    if kind == _PARENT:
        key, parent_hash = reader.opaque(), reader.opaque()
        return ParentNode(key, parent_hash, reader.numbers("I", MAX_LEAVES))
    raise DecodeError("tree-node-type-known")


def _read_nodes(reader: Reader) -> list[Node | None]:
    """Read `optional<Node> ratchet_tree<V>`.  A run of blank nodes, a byte each, is one step."""
    inside = Reader(reader.opaque(), _TREE_ITEMS)
    nodes: list[Node | None] = []
    unmerged = 0
    while inside.at < inside.end:
        blanks = _BLANKS.match(inside.data, inside.at)
        count = 1 if blanks is None else blanks.end() - blanks.start()
        if len(nodes) + count >= 2 * MAX_LEAVES:
            raise DecodeError("codec-too-many")
        if blanks is None:
            node = inside.optional(_read_node)
            nodes.append(node)
            unmerged += len(node.unmerged) if isinstance(node, ParentNode) else 0
            if unmerged > MAX_LEAVES * MAX_LEAVES.bit_length():
                raise DecodeError("codec-too-many")
        else:
            nodes += [None] * count
            inside.at += count
    return nodes


class RatchetTree:
    """A full binary tree of devices.  Immutable: `TreeEdit` changes lists, and only its own."""

    __slots__ = ("credentials", "hashes", "keys", "nodes", "signers", "suite")

    def __init__(
        self,
        suite: Suite,
        nodes: list[Node | None],
        hashes: list[bytes | None],
        keys: dict[bytes, int],
        signers: dict[bytes, int],
        credentials: dict[int, int],
    ) -> None:
        self.suite = suite
        self.nodes = nodes
        self.hashes = hashes
        """Tree hashes as far as they are known: a memory, not a part of the value."""
        self.keys = keys
        """How often each encryption key stands in the tree: once, in a valid one."""
        self.signers = signers
        """How often each signature key does."""
        self.credentials = credentials
        """How many leaves have a credential of each type."""

    @classmethod
    def of_one(cls, suite: Suite, leaf: LeafNode) -> RatchetTree:
        """Return the tree of a new group."""
        return cls._from_nodes(suite, [leaf])

    @classmethod
    def _from_nodes(cls, suite: Suite, nodes: list[Node | None]) -> RatchetTree:
        keys: dict[bytes, int] = {}
        signers: dict[bytes, int] = {}
        credentials: dict[int, int] = {}
        for node in nodes:
            if node is not None:
                keys[node.encryption_key] = keys.get(node.encryption_key, 0) + 1
        for leaf in nodes[::2]:
            if isinstance(leaf, LeafNode):
                signers[leaf.signature_key] = signers.get(leaf.signature_key, 0) + 1
                kind = leaf.credential.type
                credentials[kind] = credentials.get(kind, 0) + 1
        return cls(suite, nodes, [None] * len(nodes), keys, signers, credentials)

    @classmethod
    def read(cls, suite: Suite, reader: Reader) -> RatchetTree:
        """Read a tree as the ratchet_tree extension carries it (section 12.4.3.3)."""
        nodes = _read_nodes(reader)
        if not nodes or not isinstance(nodes[-1], LeafNode):
            # A parent has leaves on both its sides, so that none can be the last node either.
            raise DecodeError("tree-last-node-non-blank")
        for index, node in enumerate(nodes):
            if node is not None and isinstance(node, LeafNode) == bool(index & 1):
                raise DecodeError("tree-node-kind-by-place")
        width = math.width_for((len(nodes) + 2) // 2)
        nodes += [None] * (width - len(nodes))
        return cls._from_nodes(suite, nodes)

    @classmethod
    def decode(cls, suite: Suite, data: bytes) -> RatchetTree:
        """Read a tree that is the whole of `data`."""
        reader = Reader(data)
        tree = cls.read(suite, reader)
        reader.finish()
        return tree

    def encode(self) -> bytes:
        """Return the tree as the ratchet_tree extension carries it."""
        last = len(self.nodes)
        while self.nodes[last - 1] is None:
            last -= 1
        return vector(
            b"\x00"
            if node is None
            else b"\x01\x01" + node.raw
            if isinstance(node, LeafNode)
            else b"\x01\x02" + node.encode()
            for node in self.nodes[:last]
        )

    # Looking.

    @property
    def width(self) -> int:
        """The number of nodes, blank ones included."""
        return len(self.nodes)

    @property
    def size(self) -> int:
        """The number of leaves, blank ones included: a power of two."""
        return (len(self.nodes) + 1) >> 1

    def leaf(self, index: int) -> LeafNode | None:
        """Return the leaf at `index`; None when it is blank or outside the tree."""
        at = 2 * index
        node = self.nodes[at] if at < len(self.nodes) else None
        return node if isinstance(node, LeafNode) else None

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """Return every member with its leaf index, from left to right."""
        for index, node in enumerate(self.nodes[::2]):
            if isinstance(node, LeafNode):
                yield index, node

    def find(self, leaf: LeafNode) -> int | None:
        """Return the index of the leaf that is equal to `leaf`, or None."""
        for index, other in self.leaves():
            if other.raw == leaf.raw:
                return index
        return None

    def resolution(self, node: int) -> list[int]:
        """Return the non-blank nodes that together reach everyone below `node` (section 4.1.1)."""
        value = self.nodes[node]
        if value is not None:
            if isinstance(value, ParentNode) and value.unmerged:
                return [node, *(2 * leaf for leaf in value.unmerged)]
            return [node]
        if not node & 1:
            return []
        return self.resolution(math.left(node)) + self.resolution(math.right(node))

    def filtered_path(self, leaf: int) -> list[Step]:
        """Return the nodes above a leaf that have anyone on their other side (section 4.1.2)."""
        steps = []
        below = 2 * leaf
        for node in math.direct_path(below, len(self.nodes)):
            copath = math.right(node) if below < node else math.left(node)
            resolution = self.resolution(copath)
            if resolution:
                steps.append(Step(node, copath, resolution))
            below = node
        return steps

    # Hashing.

    def tree_hash(self, node: int | None = None) -> bytes:
        """Return the hash of the tree, or of what is below `node` (section 7.8)."""
        at = len(self.nodes) >> 1 if node is None else node
        known = self.hashes[at]
        if known is not None:
            return known
        value = self.nodes[at]
        if not at & 1:
            content = b"\x01" + u32(at >> 1)
            content += b"\x00" if value is None else b"\x01" + value.raw  # type: ignore[union-attr]
        else:
            below = opaque(self.tree_hash(math.left(at))) + opaque(self.tree_hash(math.right(at)))
            own = b"\x00" if value is None else b"\x01" + value.encode()  # type: ignore[union-attr]
            content = b"\x02" + own + below
        result = self.hashes[at] = self.suite.hash(content)
        return result

    def tree_hash_without(self, node: int, leaves: frozenset[int]) -> bytes:
        """Return the hash below `node` as it was before `leaves` came (section 7.9).

        They are blanked, and taken out of the unmerged leaves of the parents inside.
        """
        leaves = frozenset(leaf for leaf in leaves if math.covers(node, 2 * leaf))
        if not leaves:
            return self.tree_hash(node)
        if not node & 1:
            return self.suite.hash(b"\x01" + u32(node >> 1) + b"\x00")
        value = self.nodes[node]
        own = b"\x00"
        if isinstance(value, ParentNode):
            kept = tuple(leaf for leaf in value.unmerged if leaf not in leaves)
            own = b"\x01" + value._replace(unmerged=kept).encode()
        left = self.tree_hash_without(math.left(node), leaves)
        right = self.tree_hash_without(math.right(node), leaves)
        return self.suite.hash(b"\x02" + own + opaque(left) + opaque(right))

    def parent_hash(self, parent: ParentNode, sibling_hash: bytes) -> bytes:
        """Return the hash that the node below `parent` must carry (section 7.9)."""
        return self.suite.hash(
            opaque(parent.encryption_key) + opaque(parent.parent_hash) + opaque(sibling_hash)
        )

    def only_leaves(self) -> RatchetTree:
        """Return the tree without its parents: enough to know who signed in a past epoch."""
        blank: list[Node | None] = [None] * len(self.nodes)
        blank[::2] = self.nodes[::2]
        return self._from_nodes(self.suite, blank)

    def edit(self) -> TreeEdit:
        """Return a copy to change."""
        return TreeEdit(
            self.suite,
            self.nodes[:],
            self.hashes[:],
            self.keys.copy(),
            self.signers.copy(),
            self.credentials.copy(),
        )


def _count(counts: dict[bytes, int] | dict[int, int], key: bytes | int, by: int) -> None:
    table: dict[bytes | int, int] = counts  # type: ignore[assignment]
    total = table.get(key, 0) + by
    if total:
        table[key] = total
    else:
        del table[key]


class TreeEdit(RatchetTree):
    """A tree being changed.  Nobody else holds its lists until `done`."""

    __slots__ = ("_taken",)

    def __init__(self, *lists: Any) -> None:
        super().__init__(*lists)
        self._taken = 0
        """Every leaf before this node is taken: where the search for a blank one begins."""

    def done(self) -> RatchetTree:
        """Return the changed tree.  The edit must not be used after."""
        return RatchetTree(
            self.suite, self.nodes, self.hashes, self.keys, self.signers, self.credentials
        )

    def _put(self, at: int, value: Node | None) -> None:
        """Set one node, keep the counts, and leave the hashes to the caller."""
        old = self.nodes[at]
        if old is not None:
            _count(self.keys, old.encryption_key, -1)
            if isinstance(old, LeafNode):
                _count(self.signers, old.signature_key, -1)
                _count(self.credentials, old.credential.type, -1)
        self.nodes[at] = value
        if value is not None:
            _count(self.keys, value.encryption_key, 1)
            if isinstance(value, LeafNode):
                _count(self.signers, value.signature_key, 1)
                _count(self.credentials, value.credential.type, 1)

    def _forget_hashes(self, at: int) -> None:
        self.hashes[at] = None
        for node in math.direct_path(at, len(self.nodes)):
            self.hashes[node] = None

    def put_leaf(self, index: int, leaf: LeafNode | None) -> None:
        """Set or blank a leaf, and nothing above it."""
        self._put(2 * index, leaf)
        self._forget_hashes(2 * index)

    def blank_path(self, index: int) -> None:
        """Blank every parent above a leaf."""
        for node in math.direct_path(2 * index, len(self.nodes)):
            self._put(node, None)
            self.hashes[node] = None

    def first_blank(self) -> int:
        """Return the leftmost blank leaf; the tree grows when there is none (section 7.7)."""
        for at in range(self._taken, len(self.nodes), 2):
            if self.nodes[at] is None:
                self._taken = at
                return at >> 1
        self._taken = len(self.nodes) + 1
        more = len(self.nodes) + 1
        self.nodes += [None] * more
        self.hashes += [None] * more
        return more >> 1

    def add(self, leaf: LeafNode) -> int:
        """Put a newcomer into the leftmost blank leaf; return its index (section 12.1.1)."""
        index = self.first_blank()
        for node in math.direct_path(2 * index, len(self.nodes)):
            value = self.nodes[node]
            if isinstance(value, ParentNode):
                unmerged = tuple(sorted((*value.unmerged, index)))
                self.nodes[node] = value._replace(unmerged=unmerged)
        self.put_leaf(index, leaf)
        return index

    def update(self, index: int, leaf: LeafNode) -> None:
        """Replace a member's leaf and blank what is above it (section 12.1.2)."""
        self.blank_path(index)
        self.put_leaf(index, leaf)

    def remove(self, index: int) -> None:
        """Blank a member's leaf and what is above it (section 12.1.3).  See `truncate`."""
        self.blank_path(index)
        self.put_leaf(index, None)
        self._taken = 0

    def truncate(self) -> None:
        """Halve the tree while its right half is empty (section 7.7)."""
        while len(self.nodes) > 1:
            half = len(self.nodes) >> 1
            if any(node is not None for node in self.nodes[half + 1 :: 2]):
                return
            for at in range(half, len(self.nodes)):
                self._put(at, None)
            del self.nodes[half:], self.hashes[half:]

    def merge_path(self, index: int, steps: list[Step], keys: list[bytes]) -> bytes:
        """Put new keys on a filtered path; return the parent hash that the new leaf must carry.

        Section 7.5: everything above the leaf is blanked first; hashes run from the root down.
        """
        self.blank_path(index)
        above = b""
        for step, key in zip(reversed(steps), reversed(keys), strict=True):
            parent = ParentNode(key, above)
            self._put(step.node, parent)
            above = self.parent_hash(parent, self.tree_hash(step.copath))
        self._forget_hashes(2 * index)
        return above
