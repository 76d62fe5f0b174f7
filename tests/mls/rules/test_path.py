"""Rules about a commit's path of new keys (sections 7.5, 7.6 and 12.4.2 of RFC 9420).

   3        Alice commits.  Her path is node 1, sealed to Bob, and node 3, sealed to node 5,
 1   5      whose key Carol and Dave have.  What is wrong with node 1 alone is not Carol's
a b c d     concern: she would follow if nobody looked.
"""

from __future__ import annotations

import pytest

from alcove.mls import Add, CommitOptions, Extension, join_group, save_group
from alcove.mls.commit import PathNode, Sealed
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    following,
    goes_on,
    kem_pair,
    leaf_of,
    room,
)
from tests.mls.rules.surgery import PathNodes, accepts, declines, forge, loses, re_sign, welcomed

FOUR = ("alice", "bob", "carol", "dave")


@pytest.mark.rule("path-leaf-as-update")
def test_path_leaf_as_update() -> None:
    alice, bob, *_ = room(*FOUR)
    unlisted = re_sign(alice, extensions=(Extension(0xF042, b""),))
    declines("leaf-extensions-supported", bob, alice, forge(alice, leaf=unlisted).message)


@pytest.mark.rule("path-key-fresh")
def test_path_key_fresh() -> None:
    alice, bob, *_ = room(*FOUR)
    old = re_sign(alice, encryption_key=leaf_of(alice).encryption_key)
    declines("path-key-fresh", bob, alice, forge(alice, leaf=old).message)


@pytest.mark.rule("path-keys-unused")
def test_path_keys_unused() -> None:
    alice, bob, *_ = room(*FOUR)
    made = forge(alice, seed="once")
    alice, bob = made.after, accepts(bob, made.message)
    fresh = re_sign(alice, encryption_key=kem_pair("another leaf").public)
    declines("path-keys-unused", bob, alice, forge(alice, seed="once", leaf=fresh).message)


@pytest.mark.rule("path-keys-unused")
@pytest.mark.parametrize("node", [2, 5, 6])
def test_path_keys_unused_elsewhere(node: int) -> None:
    alice, _, carol, _ = room(*FOUR)
    taken = alice.public.tree.nodes[node]
    assert taken is not None
    message = forge(alice, keys=lambda keys: [taken.encryption_key, *keys[1:]]).message
    declines("path-keys-unused", carol, alice, message)


@pytest.mark.rule("path-keys-distinct")
def test_path_keys_distinct() -> None:
    alice, _, carol, _ = room(*FOUR)
    message = forge(alice, keys=lambda keys: [keys[1], keys[1]]).message
    declines("path-keys-distinct", carol, alice, message)


@pytest.mark.rule("path-key-valid")
@pytest.mark.parametrize("key", [b"", bytes(31), bytes(32), bytes(33)])
def test_path_key_valid(key: bytes) -> None:
    alice, _, carol, _ = room(*FOUR)
    message = forge(alice, keys=lambda keys: [key, keys[1]]).message
    declines("path-key-valid", carol, alice, message)


@pytest.mark.rule("path-node-count")
@pytest.mark.parametrize("count", [0, 1])
def test_path_node_count(count: int) -> None:
    alice, bob, *_ = room(*FOUR)
    declines("path-node-count", bob, alice, forge(alice, nodes=lambda nodes: nodes[:count]).message)


@pytest.mark.rule("path-node-count")
def test_path_node_count_too_many() -> None:
    alice, bob, *_ = room(*FOUR)
    more = PathNode(kem_pair("more").public, ())
    declines(
        "path-node-count", bob, alice, forge(alice, nodes=lambda nodes: (*nodes, more)).message
    )


@pytest.mark.rule("path-ciphertext-count")
@pytest.mark.parametrize("count", [0, 2])
def test_path_ciphertext_count(count: int) -> None:
    alice, _, carol, _ = room(*FOUR)

    def other_count(nodes: PathNodes) -> PathNodes:
        return (nodes[0]._replace(secrets=nodes[0].secrets * count), nodes[1])

    declines("path-ciphertext-count", carol, alice, forge(alice, nodes=other_count).message)


@pytest.mark.rule("path-ciphertext-count")
def test_path_ciphertext_count_with_who_joins() -> None:
    alice, bob, *_ = room("alice", "bob", "carol")
    dora = device("dora").package

    def one_more(nodes: PathNodes) -> PathNodes:
        secrets = nodes[1].secrets
        return (nodes[0], nodes[1]._replace(secrets=secrets * 2))

    message = forge(alice, [Add(dora)], path=True, nodes=one_more).message
    declines("path-ciphertext-count", bob, alice, message)


@pytest.mark.rule("path-parent-hash")
@pytest.mark.parametrize("parent_hash", [b"", bytes(32)])
def test_path_parent_hash(parent_hash: bytes) -> None:
    alice, bob, *_ = room(*FOUR)
    message = forge(alice, leaf=re_sign(alice, parent_hash=parent_hash)).message
    declines("path-parent-hash", bob, alice, message)


# What only those it is sealed to can tell.


def spoiled(nodes: PathNodes) -> PathNodes:
    """Return a path whose first secret does not open."""
    kem_output, ciphertext = nodes[0].secrets[0]
    bad = Sealed(kem_output, bytes(len(ciphertext)))
    return (nodes[0]._replace(secrets=(bad,)), *nodes[1:])


@pytest.mark.rule("path-decrypt")
@pytest.mark.parametrize("private", [False, True])
def test_path_decrypt(private: bool) -> None:
    alice, bob, carol, _ = room(*FOUR)
    made = forge(alice, nodes=spoiled, private=private)
    loses("path-decrypt", bob, made.message, accepts(carol, made.message))


@pytest.mark.rule("path-decrypt")
def test_path_decrypt_without_a_key() -> None:
    alice, *_, erin = room(*FOUR, "erin")
    frank = device("frank")
    made = forge(erin, [Add(frank.package)], path=True)
    welcome = welcomed(made, secrets=lambda secrets: secrets._replace(path_secret=None))
    knows_too_little = join_group(welcome, frank, LENIENT)

    commit = forge(accepts(alice, made.message)).message

    loses("path-decrypt", knows_too_little, commit, accepts(made.after, commit))


@pytest.mark.rule("path-derived-keys")
def test_path_derived_keys() -> None:
    alice, bob, carol, _ = room(*FOUR)
    other = kem_pair("other").public
    made = forge(alice, keys=lambda keys: [other, keys[1]])
    loses("path-derived-keys", bob, made.message, accepts(carol, made.message))


@pytest.mark.rule("path-derived-keys")
def test_path_derived_keys_at_the_root() -> None:
    alice, bob, *_ = room(*FOUR)
    other = kem_pair("other").public
    made = forge(alice, keys=lambda keys: [keys[0], other])
    loses("path-derived-keys", bob, made.message, made.after)


# What is sent and what is kept.


@pytest.mark.rule("path-exclude-new")
def test_path_exclude_new() -> None:
    alice, bob, _ = room()
    dora = device("dora")
    made = alice.commit(
        [Add(dora.package)], entropy=dice("commit"), options=CommitOptions(path=True)
    )
    assert made.public.path is not None
    assert made.welcome is not None
    assert [len(node.secrets) for node in made.public.path.nodes] == [1, 1]
    joined = join_group(made.welcome, dora, LENIENT)
    next_path = forge(following(bob, made.message))
    assert goes_on(next_path.after, accepts(joined, next_path.message))


@pytest.mark.rule("path-delete-secrets")
def test_path_delete_secrets() -> None:
    alice, bob, *_ = room(*FOUR)
    made = forge(alice)
    assert made.path is not None
    secrets = [*made.path.secrets.values(), made.path.commit_secret]
    secrets += [SUITE.derive(secret, b"node") for secret in made.path.secrets.values()]

    kept = b"".join(save_group(accepts(bob, made.message)))

    assert [secret for secret in secrets if secret in kept] == []
    assert all(key.private in kept for key in made.path.keys.values())


@pytest.mark.rule("path-delete-keys")
def test_path_delete_keys() -> None:
    alice, bob, *_ = room(*FOUR)
    replaced = [bob.keys[1].private, bob.keys[3].private]
    assert all(key in save_group(bob).epoch for key in replaced)

    kept = b"".join(save_group(accepts(bob, forge(alice).message)))

    assert [key for key in replaced if key in kept] == []


@pytest.mark.rule("path-delete-keys")
def test_path_delete_keys_of_who_commits() -> None:
    alice, *_ = room(*FOUR)
    replaced = [key.private for key in alice.keys.values()]
    assert len(replaced) == 3

    made = alice.commit([], entropy=dice("commit"))

    kept = b"".join(save_group(made.merge()))
    assert [key for key in replaced if key in kept] == []
