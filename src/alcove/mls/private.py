"""PrivateMessage: sealing and opening what only members may read (RFC 9420, section 6.3)."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from alcove.mls.codec import Reader, opaque, u8
from alcove.mls.context import GroupContext
from alcove.mls.errors import CryptoError, DecodeError, RuleBroken
from alcove.mls.framing import (
    APPLICATION,
    COMMIT,
    MEMBER,
    PRIVATE_HEAD,
    PRIVATE_MESSAGE,
    Content,
    PrivateMessage,
    Sender,
    read_body,
)
from alcove.mls.policy import Policy
from alcove.mls.provider import without_secrets
from alcove.mls.secret_tree import HANDSHAKE, MESSAGE, MessageKey, SecretTree
from alcove.mls.suites import Suite
from alcove.mls.tree import RatchetTree

GUARD_BYTES: Final = 4
_SENDER_DATA: Final = struct.Struct(f">II{GUARD_BYTES}s")
"""Section 6.3.2: leaf index, generation, reuse guard."""


class Epoch(NamedTuple):
    """What opening and sealing messages of one epoch takes."""

    head: bytes
    """Group id and epoch number, encoded: how every message of the epoch begins."""
    context: GroupContext
    tree: RatchetTree
    sender_data: bytes
    secrets: SecretTree

    def __repr__(self) -> str:
        return without_secrets(self)


def _sender_data_key(suite: Suite, secret: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    """Section 6.3.2: from a sample of the ciphertext, so that it differs for every message."""
    end = opaque(ciphertext[: suite.secret_bytes]) + b"\x01"
    mac, kdf = suite.crypto.mac, suite.kdf
    key = mac(secret, suite.sender_key_info + end, kdf)[: suite.key_bytes]
    return key, mac(secret, suite.sender_nonce_info + end, kdf)[:12]


def _guarded(nonce: bytes, guard: bytes) -> bytes:
    """Mix the reuse guard into the nonce: a state used twice by mistake is then no disaster."""
    mixed = int.from_bytes(nonce[:GUARD_BYTES], "big") ^ int.from_bytes(guard, "big")
    return mixed.to_bytes(GUARD_BYTES, "big") + nonce[GUARD_BYTES:]


def seal_private(
    epoch: Epoch,
    leaf: int,
    message_key: MessageKey,
    content_type: int,
    authenticated_data: bytes,
    plain: bytes,
    guard: bytes,
) -> bytes:
    """Return content, authenticated and padded, as an MLSMessage for this epoch's members."""
    suite = epoch.tree.suite
    head = epoch.head + u8(content_type)
    data = opaque(authenticated_data)
    nonce = _guarded(message_key.nonce, guard)
    ciphertext = suite.aead_seal(message_key.key, nonce, plain, head + data)
    key, sender_nonce = _sender_data_key(suite, epoch.sender_data, ciphertext)
    sender = _SENDER_DATA.pack(leaf, message_key.generation, guard)
    sealed_sender = suite.aead_seal(key, sender_nonce, sender, head)
    return PRIVATE_HEAD + head + data + opaque(sealed_sender) + opaque(ciphertext)


def open_private(
    epoch: Epoch, message: PrivateMessage, policy: Policy
) -> tuple[Content, SecretTree]:
    """Open a message; return its content, not yet verified, and the secrets without its key."""
    suite = epoch.tree.suite
    head = epoch.head + u8(message.content_type)
    leaf, generation, guard = _open_sender(epoch, message, head)
    kind = MESSAGE if message.content_type == APPLICATION else HANDSHAKE
    message_key, secrets = epoch.secrets.key_for(
        leaf, kind, generation, policy.forward, policy.out_of_order
    )
    data = opaque(message.authenticated_data)
    nonce = _guarded(message_key.nonce, guard)
    try:
        plain = suite.aead_open(message_key.key, nonce, message.ciphertext, head + data)
    except CryptoError:
        raise RuleBroken("private-decrypt") from None
    reader = Reader(plain)
    body = read_body(reader, message.content_type)
    raw = plain[: reader.at]
    signature = reader.opaque()
    tag = reader.opaque() if message.content_type == COMMIT else None
    if plain.count(0, reader.at) != len(plain) - reader.at:
        raise RuleBroken("frame-padding-zero")
    sender = Sender(MEMBER, leaf)
    content = Content(
        PRIVATE_MESSAGE,
        message.group_id,
        message.epoch,
        sender,
        message.authenticated_data,
        message.content_type,
        body,
        epoch.head + sender.encode() + data + u8(message.content_type) + raw,
        signature,
        tag,
    )
    return content, secrets


def _open_sender(epoch: Epoch, message: PrivateMessage, head: bytes) -> tuple[int, int, bytes]:
    suite = epoch.tree.suite
    key, nonce = _sender_data_key(suite, epoch.sender_data, message.ciphertext)
    try:
        sender = suite.aead_open(key, nonce, message.encrypted_sender_data, head)
    except CryptoError:
        raise RuleBroken("private-sender-data") from None
    if len(sender) != _SENDER_DATA.size:
        raise DecodeError("private-sender-data-length")
    leaf, generation, guard = _SENDER_DATA.unpack(sender)
    if epoch.tree.leaf(leaf) is None:
        raise RuleBroken("private-sender-leaf")
    return leaf, generation, guard
