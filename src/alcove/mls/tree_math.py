"""Where things are in a tree that is kept as a list (RFC 9420, appendix C).

      3            Leaf L stands at node 2·L, parents at the odd numbers between them.
  1       5        The number of leaves is always a power of two, so everything about a
0   2   4   6      node but its parent's existence follows from the node's number alone.
0   1   2   3  ← leaves
"""

from __future__ import annotations


def level(node: int) -> int:
    """Return how far above the leaves a node is: the number of its trailing one bits."""
    return (~node & (node + 1)).bit_length() - 1


def left(node: int) -> int:
    """Return the left child of a parent node."""
    return node ^ (1 << (level(node) - 1))


def right(node: int) -> int:
    """Return the right child of a parent node."""
    return node ^ (3 << (level(node) - 1))


def parent(node: int) -> int:
    """Return the node above, in a tree large enough to have one."""
    k = level(node)
    return (node | (1 << k)) & ~(1 << (k + 1))


def sibling(node: int) -> int:
    """Return the other child of the same parent."""
    above = parent(node)
    return right(above) if node < above else left(above)


def root(width: int) -> int:
    """Return the root of a tree of `width` nodes."""
    return width >> 1


def direct_path(node: int, width: int) -> list[int]:
    """Return the nodes above `node`, nearest first, the root last."""
    top = width >> 1
    path = []
    while node != top:
        node = parent(node)
        path.append(node)
    return path


def covers(node: int, other: int) -> bool:
    """Say whether `other` is `node` or below it."""
    reach = (1 << level(node)) - 1
    return node - reach <= other <= node + reach


def common_ancestor(one: int, other: int) -> int:
    """Return the lowest node that covers both."""
    while not covers(one, other):
        one = parent(one)
    return one


def width_for(leaves: int) -> int:
    """Return the number of nodes of the smallest full tree with that many leaves."""
    return 2 * (1 << max(leaves - 1, 0).bit_length()) - 1
