"""One key per message: the secret tree and its ratchets (RFC 9420, section 9).

The epoch's encryption secret is the root of a tree over the leaves; each leaf's secret starts two
ratchets, for handshakes and for messages.  Nothing is derived before it is needed, and what has
been derived from is forgotten, so a `SecretTree` never holds a secret that could open what was
opened before.  It is a value: taking a key gives the key and the tree without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from alcove.mls import tree_math as math
from alcove.mls.codec import u32
from alcove.mls.errors import RuleBroken, UsageError
from alcove.mls.provider import without_secrets
from alcove.mls.suites import Suite

HANDSHAKE: Final = 0
MESSAGE: Final = 1
_LAST_GENERATION = 2**32 - 1


class Ratchet(NamedTuple):
    """One sender's keys of one kind, from `generation` on."""

    secret: bytes
    generation: int
    skipped: tuple[tuple[int, bytes, bytes], ...] = ()
    """Keys passed over on the way, for messages that may still come: generation, key, nonce."""

    def __repr__(self) -> str:
        return without_secrets(self)


class MessageKey(NamedTuple):
    """What seals or opens exactly one message."""

    generation: int
    key: bytes
    nonce: bytes

    def __repr__(self) -> str:
        return without_secrets(self)


class SecretTree(NamedTuple):
    """The secrets that an epoch has left."""

    suite: Suite
    width: int
    nodes: Mapping[int, bytes]
    """Secrets of subtrees that nothing was derived from yet."""
    ratchets: Mapping[int, Ratchet]
    """By twice the leaf's index, plus one for messages."""

    def __repr__(self) -> str:
        return without_secrets(self)

    @classmethod
    def new(cls, suite: Suite, encryption_secret: bytes, width: int) -> SecretTree:
        """Return the whole tree of a new epoch."""
        return cls(suite, width, {math.root(width): encryption_secret}, {})

    def next_key(self, leaf: int, kind: int) -> tuple[MessageKey, SecretTree]:
        """Return the next key for sending."""
        tree = self._with_leaf(leaf)
        ratchet = tree.ratchets[2 * leaf + kind]
        if ratchet.generation >= _LAST_GENERATION:
            raise UsageError("this epoch's keys are used up: commit before sending more")
        key, after = _step(self.suite, ratchet)
        return key, tree._with_ratchet(leaf, kind, after)

    def key_for(
        self, leaf: int, kind: int, generation: int, forward: int, window: int
    ) -> tuple[MessageKey, SecretTree]:
        """Return the key that a received message names, once.

        At most `forward` generations are stepped over, and at most `window` keys kept for them.
        """
        tree = self._with_leaf(leaf)
        ratchet = tree.ratchets[2 * leaf + kind]
        if generation < ratchet.generation:
            for at, (number, key, nonce) in enumerate(ratchet.skipped):
                if number == generation:
                    rest = ratchet.skipped[:at] + ratchet.skipped[at + 1 :]
                    after = ratchet._replace(skipped=rest)
                    found = MessageKey(number, key, nonce)
                    return found, tree._with_ratchet(leaf, kind, after)
            raise RuleBroken("private-generation-reused")
        if generation - ratchet.generation > forward or generation >= _LAST_GENERATION:
            raise RuleBroken("private-generation-too-far")
        skipped = list(ratchet.skipped)
        message_key, ratchet = _step(self.suite, ratchet)
        while message_key.generation < generation:
            skipped.append(message_key)
            message_key, ratchet = _step(self.suite, ratchet)
        if skipped:
            kept = tuple(skipped[-window:]) if window else ()
            ratchet = ratchet._replace(skipped=kept)
        return message_key, tree._with_ratchet(leaf, kind, ratchet)

    def _with_ratchet(self, leaf: int, kind: int, ratchet: Ratchet) -> SecretTree:
        ratchets = dict(self.ratchets)
        ratchets[2 * leaf + kind] = ratchet
        return SecretTree(self.suite, self.width, self.nodes, ratchets)

    def _with_leaf(self, leaf: int) -> SecretTree:
        """Return the tree with a leaf's two ratchets begun."""
        if 2 * leaf in self.ratchets:
            return self
        suite = self.suite
        nodes = dict(self.nodes)
        path = [2 * leaf, *math.direct_path(2 * leaf, self.width)]
        depth = next(at for at, node in enumerate(path) if node in nodes)
        secret = nodes.pop(path[depth])
        for below in reversed(path[:depth]):
            sides = (
                suite.expand_label(secret, b"tree", b"left", suite.secret_bytes),
                suite.expand_label(secret, b"tree", b"right", suite.secret_bytes),
            )
            goes_right = below > math.parent(below)
            nodes[math.sibling(below)] = sides[not goes_right]
            secret = sides[goes_right]
        ratchets = dict(self.ratchets)
        ratchets[2 * leaf] = Ratchet(suite.derive(secret, b"handshake"), 0)
        ratchets[2 * leaf + 1] = Ratchet(suite.derive(secret, b"application"), 0)
        return SecretTree(suite, self.width, nodes, ratchets)


def _step(suite: Suite, ratchet: Ratchet) -> tuple[MessageKey, Ratchet]:
    """Derive one key and move on.  The old secret is in neither result."""
    secret, generation, skipped = ratchet
    mac, kdf = suite.crypto.mac, suite.kdf
    end = u32(generation) + b"\x01"
    return (
        MessageKey(
            generation,
            mac(secret, suite.key_info + end, kdf)[: suite.key_bytes],
            mac(secret, suite.nonce_info + end, kdf)[:12],
        ),
        Ratchet(mac(secret, suite.secret_info + end, kdf), generation + 1, skipped),
    )
