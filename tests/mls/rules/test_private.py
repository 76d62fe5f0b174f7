"""Rules about encrypted messages, and about the secrets that must not outlive them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from alcove.mls import (
    MEMBER,
    Add,
    ApplicationMessage,
    CommitOptions,
    Group,
    PrivateMessage,
    Sender,
    UsageError,
    decode_message,
    load_group,
    save_group,
    schedule,
)
from alcove.mls import tree_math as math
from alcove.mls.codec import opaque, u32
from alcove.mls.framing import APPLICATION, PRIVATE_MESSAGE
from alcove.mls.private import _sender_data_key
from alcove.mls.schedule import EpochSecrets, Joiner
from alcove.mls.secret_tree import MESSAGE, MessageKey
from alcove.mls.suites import Suite
from tests.mls.rules.frankenstein import (
    SUITE,
    device,
    dice,
    following,
    in_private,
    lenient,
    refused,
    refuses,
    room,
    sent,
    signed,
)


def private_message(message: bytes) -> PrivateMessage:
    """Return a message as it is before it is opened."""
    decoded = decode_message(message)
    assert isinstance(decoded, PrivateMessage)
    return decoded


def encoded(group: Group, message: PrivateMessage) -> bytes:
    """Return a message as bytes."""
    head = group.current.head + bytes([message.content_type])
    data = opaque(message.authenticated_data) + opaque(message.encrypted_sender_data)
    return b"\x00\x01\x00\x02" + head + data + opaque(message.ciphertext)


def sender_data(group: Group, message: bytes) -> bytes:
    """Return what a message says, to those who can read it, of its sender."""
    read = private_message(message)
    key, nonce = _sender_data_key(SUITE, group.current.sender_data, read.ciphertext)
    head = group.current.head + bytes([read.content_type])
    return SUITE.aead_open(key, nonce, read.encrypted_sender_data, head)


def with_sender_data(group: Group, message: bytes, plain: bytes) -> bytes:
    """Return a message with other sender data, sealed as it should be."""
    read = private_message(message)
    key, nonce = _sender_data_key(SUITE, group.current.sender_data, read.ciphertext)
    head = group.current.head + bytes([read.content_type])
    resealed = SUITE.aead_seal(key, nonce, plain, head)
    return encoded(group, replace(read, encrypted_sender_data=resealed))


def key_at(group: Group, generation: int) -> MessageKey:
    """Return the key of one of a member's own future messages."""
    secrets = group.current.secrets
    key, secrets = secrets.next_key(group.me, MESSAGE)
    while key.generation < generation:
        key, secrets = secrets.next_key(group.me, MESSAGE)
    return key


def opened(group: Group, message: bytes) -> Group:
    """Return a member's group after reading a message."""
    read = group.receive(message)
    assert isinstance(read, ApplicationMessage)
    return read.group


# Sealing.


@pytest.mark.rule("private-reuse-guard")
def test_private_reuse_guard() -> None:
    alice, _, _ = room()
    key = key_at(alice, 0)

    message = private_message(alice.seal(b"hello", lambda count: b"wxyz"[:count]).message)

    nonce = _xor(key.nonce, b"wxyz" + bytes(8))
    data = alice.current.head + b"\x01" + opaque(b"")
    assert SUITE.aead_open(key.key, nonce, message.ciphertext, data)[:6] == b"\x05hello"


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


@pytest.mark.rule("private-reuse-guard-sent")
def test_private_reuse_guard_sent() -> None:
    alice, _, _ = room()
    sealed = alice.seal(b"hello", lambda count: b"wxyz"[:count])
    assert sender_data(alice, sealed.message)[8:] == b"wxyz"


@pytest.mark.rule("private-sender-member")
def test_private_sender_member() -> None:
    _, bob, _ = room()
    sealed = bob.seal(b"hello", dice("seal"))
    assert sender_data(bob, sealed.message)[:4] == u32(1)


@pytest.mark.rule("private-key-once")
def test_private_key_once() -> None:
    alice, _, _ = room()
    first = alice.seal(b"one", dice("seal"))
    second = first.group.seal(b"two", dice("seal"))
    generations = [sender_data(alice, sealed.message)[4:8] for sealed in (first, second)]
    assert generations == [u32(0), u32(1)]
    with pytest.raises(UsageError):
        alice.seal(b"again", dice("seal"))


# Opening.


@pytest.mark.rule("private-sender-leaf")
def test_private_sender_leaf() -> None:
    alice, bob, _ = room()
    nobody = Sender(MEMBER, 3)
    message = sent(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE, sender=nobody)
    refuses(bob, alice, message, "private-sender-leaf")


@pytest.mark.rule("private-sender-data")
def test_private_sender_data() -> None:
    alice, bob, _ = room()
    message = private_message(alice.seal(b"hello", dice("seal")).message)
    damaged = replace(message, encrypted_sender_data=bytes(28))
    other, _, _ = room()
    refuses(bob, other, encoded(alice, damaged), "private-sender-data")


@pytest.mark.rule("private-sender-data-length")
@pytest.mark.parametrize("plain", [bytes(11), bytes(13)])
def test_private_sender_data_length(plain: bytes) -> None:
    alice, bob, _ = room()
    message = sent(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE)
    refuses(bob, alice, with_sender_data(alice, message, plain), "private-sender-data-length")


@pytest.mark.rule("private-decrypt")
def test_private_decrypt() -> None:
    alice, bob, _ = room()
    message = sent(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE)
    refuses(bob, alice, message[:-1] + bytes([message[-1] ^ 1]), "private-decrypt")


@pytest.mark.rule("private-generation-reused")
def test_private_generation_reused() -> None:
    alice, bob, _ = room()
    sealed = alice.seal(b"hello", dice("seal"))
    bob = opened(bob, sealed.message)
    refuses(bob, sealed.group, sealed.message, "private-generation-reused")


@pytest.mark.rule("private-generation-reused")
def test_private_generation_reused_out_of_order() -> None:
    alice, bob, _ = room()
    first = alice.seal(b"one", dice("seal"))
    second = first.group.seal(b"two", dice("seal"))
    bob = opened(opened(bob, second.message), first.message)
    refuses(bob, second.group, first.message, "private-generation-reused")


@pytest.mark.rule("private-generation-reused")
def test_private_generation_reused_after_loading() -> None:
    policy = lenient()
    alice, bob, _ = room(policy=policy)
    sealed = alice.seal(b"hello", dice("seal"))
    bob = load_group(save_group(opened(bob, sealed.message)), policy)
    refuses(bob, sealed.group, sealed.message, "private-generation-reused")


@pytest.mark.rule("private-generation-too-far")
def test_private_generation_too_far() -> None:
    alice, bob, _ = room(policy=lenient(forward=4))
    content = signed(alice, APPLICATION, b"hello", wire_format=PRIVATE_MESSAGE)
    message = in_private(alice, content, key=key_at(alice, 5))
    refuses(bob, alice, message, "private-generation-too-far")


@pytest.mark.rule("private-epoch-kept")
@pytest.mark.parametrize("kept", [0, 1])
def test_private_epoch_kept(kept: int) -> None:
    alice, bob, carol = room(policy=lenient(past_epochs=kept))
    sealed = carol.seal(b"late", dice("seal"))
    for turn in range(kept + 1):
        made = alice.commit(entropy=dice(f"commit {turn}"), options=CommitOptions(path=True))
        alice, bob = made.merge(), following(bob, made.message)
    refuses(bob, alice, sealed.message, "private-epoch-kept")


# What a value still holds, and what it shows.


def everything_in(value: Any) -> Iterator[bytes]:
    """Yield every byte string that a value holds, however deep."""
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from everything_in(key)
            yield from everything_in(item)
    elif isinstance(value, Suite | int | str) or value is None:
        return
    elif isinstance(value, tuple | list):
        for item in value:
            yield from everything_in(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from everything_in(getattr(value, field.name))
    elif hasattr(value, "__slots__"):
        for name in value.__slots__:
            yield from everything_in(getattr(value, name, None))


def holds(value: Any, secret: bytes) -> bool:
    """Say whether a value holds a secret, whole or inside of something else."""
    return any(secret in data for data in everything_in(value))


def chain_of(group: Group, leaf: int) -> tuple[list[bytes], list[bytes]]:
    """Return the secrets from the root of the secret tree to a leaf, and those of its chain."""
    tree = group.current.secrets
    node, secret = math.root(tree.width), tree.nodes[math.root(tree.width)]
    nodes = [secret]
    while node != 2 * leaf:
        side = b"left" if 2 * leaf < node else b"right"
        secret = SUITE.expand_label(secret, b"tree", side, SUITE.secret_bytes)
        node = math.left(node) if side == b"left" else math.right(node)
        nodes.append(secret)
    chain = [SUITE.derive(secret, b"application")]
    for generation in range(3):
        step = u32(generation)
        chain.append(SUITE.expand_label(chain[-1], b"secret", step, SUITE.secret_bytes))
    return nodes, chain


@pytest.mark.rule("secret-delete-tree")
def test_secret_delete_tree() -> None:
    alice, bob, _ = room()
    nodes, _ = chain_of(bob, alice.me)
    sealed = alice.seal(b"hello", dice("seal"))
    assert holds(bob, nodes[0])
    after = [sealed.group, opened(bob, sealed.message)]
    assert not any(holds(group, secret) for group in after for secret in nodes)


@pytest.mark.rule("secret-delete-ratchet")
def test_secret_delete_ratchet() -> None:
    alice, bob, _ = room()
    _, chain = chain_of(bob, alice.me)
    first = alice.seal(b"one", dice("seal"))
    second = first.group.seal(b"two", dice("seal"))
    after = [second.group, opened(bob, second.message)]
    assert not any(holds(group, secret) for group in after for secret in chain[:2])
    assert all(holds(group, chain[2]) for group in after)


@pytest.mark.rule("secret-delete-message-key")
def test_secret_delete_message_key() -> None:
    alice, bob, _ = room()
    skipped, used = key_at(alice, 0), key_at(alice, 1)
    first = alice.seal(b"one", dice("seal"))
    second = first.group.seal(b"two", dice("seal"))
    after = opened(bob, second.message)
    assert holds(after, skipped.key)
    assert not holds(after, used.key)
    assert not holds(opened(after, first.message), skipped.key)
    assert not holds(second.group, used.key)


def spy(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return a dictionary that gets the secrets of the next epoch that anybody enters."""
    seen: dict[str, bytes] = {}
    split, start = schedule.split_epoch_secret, schedule.joiner_from_commit

    def see_epoch(suite: Suite, epoch: bytes) -> EpochSecrets:
        made = split(suite, epoch)
        seen.update(epoch=epoch, encryption=made.encryption)
        return made

    def see_joiner(
        suite: Suite, init: bytes, commit_secret: bytes, psk_secret: bytes, context: bytes
    ) -> Joiner:
        made = start(suite, init, commit_secret, psk_secret, context)
        seen.update(init=init, commit=commit_secret, joiner=made.secret, member=made.member)
        return made

    monkeypatch.setattr(schedule, "split_epoch_secret", see_epoch)
    monkeypatch.setattr(schedule, "joiner_from_commit", see_joiner)
    return seen


@pytest.mark.rule("secret-delete-epoch", "secret-delete-consumed")
def test_secret_delete_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    alice, bob, _ = room()
    seen = spy(monkeypatch)
    made = alice.commit(entropy=dice("commit"), options=CommitOptions(path=True))
    alice, bob = made.merge(), following(bob, made.message)
    sealed = alice.seal(b"hello", dice("seal"))

    after = [sealed.group, opened(bob, sealed.message)]

    assert sorted(seen) == ["commit", "encryption", "epoch", "init", "joiner", "member"]
    assert not any(holds(group, secret) for group in after for secret in seen.values())


@pytest.mark.rule("secret-confidential")
def test_secret_confidential() -> None:
    alice, bob, _ = room()
    dora = device("dora")
    made = alice.commit([Add(dora.package)], entropy=dice("commit"))
    assert made.welcome is not None
    shown = [alice, made, bob.receive(made.message), made.merge(), dora, save_group(alice)]
    shown += [alice.keys, alice.secrets, alice.current, alice.signing_key, key_at(alice, 0)]
    secrets = [*_secrets(alice), *_secrets(made.merge()), dora.init_key.private]

    text = " ".join(str(value) + repr(value) for value in shown)

    assert not [s for s in secrets if s.hex() in text or repr(s)[2:-1] in text]
    assert not [s for s in secrets if s in made.message or s in made.welcome]


def _secrets(group: Group) -> list[bytes]:
    keys = [key.private for key in group.keys.values()] + [group.signing_key.private]
    return [*filter(None, group.secrets), *keys, *group.current.secrets.nodes.values()]


@pytest.mark.rule("secret-confidential")
def test_secret_confidential_in_errors() -> None:
    alice, bob, _ = room()
    sealed = alice.seal(b"hello", dice("seal"))
    bob = opened(bob, sealed.message)
    with refused("private-generation-reused") as caught:
        bob.receive(sealed.message)
    assert str(caught.error) == "refused by rule private-generation-reused"
    assert caught.error.__cause__ is None


def test_what_is_sealed_by_one_is_opened_by_all() -> None:
    alice, bob, carol = room()
    sealed = alice.seal(b"hello", dice("seal"))
    assert [_text(member, sealed.message) for member in (bob, carol)] == [b"hello", b"hello"]


def _text(member: Group, message: bytes) -> bytes:
    read = member.receive(message)
    assert isinstance(read, ApplicationMessage)
    return read.data
