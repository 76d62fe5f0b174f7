"""Printing any object of the library shows no secret: what is printed is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from alcove.mls import ExternalPsk, KemKey, SigningKey, Suite, save_group
from alcove.mls.tree import RatchetTree
from tests.mls.world import World


def parts(value: object, seen: set[int]) -> Iterator[object]:
    """Walk through an object and everything that it holds."""
    if id(value) in seen or isinstance(value, Suite | RatchetTree | str | int | type(None)):
        return
    seen.add(id(value))
    yield value
    if isinstance(value, bytes):
        return
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        children = [getattr(value, part.name) for part in dataclasses.fields(value)]
    elif isinstance(value, dict):
        children = [*value, *value.values()]
    elif isinstance(value, tuple | list | frozenset):
        children = list(value)
    else:
        return
    for child in children:
        yield from parts(child, seen)


def test_no_repr_shows_a_secret() -> None:
    world = World(past_epochs=1, past_resumptions=1)
    alice, bob = world.group("alice", "bob")
    world.everyone_can_read("alice")
    commit = alice.commit(alice.group.psk(ExternalPsk(b"p"), world.entropy), psks=lambda _: b"PSK")
    world.send("bob", bob.propose_update())
    group = bob.group
    secrets = {
        *group.secrets,
        *(key.private for key in group.keys.values()),
        *(ratchet.secret for ratchet in group.current.secrets.ratchets.values()),
        *group.current.secrets.nodes.values(),
        group.signing_key.private,
        bob.bundle.init_key.private,
        *(pending.leaf_key.private for pending in group.updates.values()),
    } - {b""}
    shown = 0
    everything = (group, bob.bundle, commit, save_group(group), alice.group, group.updates)
    for part in parts(everything, set()):
        if isinstance(part, bytes | tuple | list | dict | frozenset) and not hasattr(
            part, "_fields"
        ):
            continue  # A container of Python's own, printed by nobody but its owner.
        text = repr(part)
        shown += 1
        assert not any(secret.hex() in text or repr(secret) in text for secret in secrets), type(
            part
        ).__name__
    assert shown > 20


def test_a_key_shows_at_most_its_public_half() -> None:
    key = SigningKey(b"private", b"public", None)
    assert b"private".hex() not in repr(key)
    assert repr(KemKey(b"private", b"public", None)) == "<KemKey>"
