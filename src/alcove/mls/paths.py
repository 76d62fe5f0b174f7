"""The secret half of a commit's path: making new keys, sealing them, opening them (section 7.4 ff).

secret[0] ─► secret[1] ─► … ─► commit secret       one for each node of the filtered path
   │            │
key pair     key pair                              public halves go into the tree
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from alcove.mls import tree_math as math
from alcove.mls.commit import PathNode, Sealed, UpdatePath
from alcove.mls.errors import CryptoError, RuleBroken
from alcove.mls.provider import KemKey
from alcove.mls.suites import Suite
from alcove.mls.tree import RatchetTree, Step

_LABEL = b"UpdatePathNode"

PrivateKeys = Mapping[int, KemKey]
"""The private keys that a member has: its leaf's and those of parents above it, by node."""


@dataclass(frozen=True, slots=True, repr=False)
class NewPath:
    """Fresh keys for every step of a path."""

    keys: dict[int, KemKey]
    secrets: dict[int, bytes]
    commit_secret: bytes


def make_path(suite: Suite, steps: list[Step], first_secret: bytes) -> NewPath:
    """Derive the chain of keys from one fresh secret."""
    keys = {}
    secrets = {}
    secret = first_secret
    for step in steps:
        secrets[step.node] = secret
        keys[step.node] = suite.kem_derive(suite.derive(secret, b"node"))
        secret = suite.derive(secret, b"path")
    return NewPath(keys, secrets, secret)


def receivers(step: Step, newcomers: frozenset[int]) -> list[int]:
    """Return whom a step's secret is sealed to: not to who joins by the same commit."""
    if not newcomers:
        return step.resolution
    return [node for node in step.resolution if node not in newcomers]


def seal_path(
    tree: RatchetTree,
    steps: list[Step],
    path: NewPath,
    newcomers: frozenset[int],
    context: bytes,
) -> tuple[PathNode, ...]:
    """Seal each secret to the other side of its step.  `context` is the provisional one."""
    nodes = []
    for step in steps:
        sealed = []
        for node in receivers(step, newcomers):
            receiver = tree.nodes[node]
            assert receiver is not None
            key, secret = receiver.encryption_key, path.secrets[step.node]
            try:
                sealed.append(Sealed(*tree.suite.seal(key, _LABEL, context, secret)))
            except CryptoError:  # Who joined took the tree's older keys on trust.
                raise RuleBroken("tree-key-valid") from None
        nodes.append(PathNode(path.keys[step.node].public, tuple(sealed)))
    return tuple(nodes)


def open_path(
    suite: Suite,
    me: int,
    keys: PrivateKeys,
    steps: list[Step],
    path: UpdatePath,
    newcomers: frozenset[int],
    context: bytes,
) -> tuple[dict[int, KemKey], bytes]:
    """Open the secret meant for us; return the new private keys and the commit secret."""
    at, secret = _open_secret(suite, me, keys, steps, path, newcomers, context)
    found: dict[int, KemKey] = {}
    for step, node in zip(steps[at:], path.nodes[at:], strict=True):
        pair = suite.kem_derive(suite.derive(secret, b"node"))
        if pair.public != node.encryption_key:
            raise RuleBroken("path-derived-keys")
        found[step.node] = pair
        secret = suite.derive(secret, b"path")
    return found, secret


def _open_secret(
    suite: Suite,
    me: int,
    keys: PrivateKeys,
    steps: list[Step],
    path: UpdatePath,
    newcomers: frozenset[int],
    context: bytes,
) -> tuple[int, bytes]:
    """Find the step whose other side we are on, and open its secret."""
    at = next(at for at, step in enumerate(steps) if math.covers(step.copath, 2 * me))
    to = receivers(steps[at], newcomers)
    for node, sealed in zip(to, path.nodes[at].secrets, strict=True):
        key = keys.get(node)
        if key is not None:
            with suppress(CryptoError):
                return at, suite.open(key, _LABEL, context, *sealed)
    raise RuleBroken("path-decrypt")


def path_secret_keys(
    tree: RatchetTree, me: int, signer: int, secret: bytes
) -> Iterable[tuple[int, KemKey]]:
    """Return the keys that follow from a Welcome's path secret (section 12.4.3.1)."""
    start = math.common_ancestor(2 * me, 2 * signer)
    for node in [start, *math.direct_path(start, tree.width)]:
        value = tree.nodes[node]
        if value is None:
            continue
        pair = tree.suite.kem_derive(tree.suite.derive(secret, b"node"))
        if pair.public != value.encryption_key:
            raise RuleBroken("welcome-path-key")
        yield node, pair
        secret = tree.suite.derive(secret, b"path")
