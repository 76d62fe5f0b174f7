"""GroupContext and GroupInfo: what every member agrees on, and how it is handed to who joins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from alcove.mls.codec import MAX_MESSAGE_BYTES, Reader, decode, opaque, u16, u32, u64
from alcove.mls.errors import CryptoError, DecodeError, RuleBroken
from alcove.mls.extensions import Extensions, encode_extensions, read_extensions
from alcove.mls.leaf import MLS_1_0
from alcove.mls.provider import SigningKey
from alcove.mls.suites import Suite

WIRE_GROUP_INFO: Final = 4


@dataclass(frozen=True, slots=True)
class GroupContext:
    """The state that all secrets and signatures of an epoch are bound to (section 8.1)."""

    suite_id: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: Extensions
    raw: bytes


def new_context(
    suite_id: int,
    group_id: bytes,
    epoch: int,
    tree_hash: bytes,
    confirmed_transcript_hash: bytes,
    extensions: Extensions,
) -> GroupContext:
    """Return a context with its encoding."""
    raw = (
        u16(MLS_1_0)
        + u16(suite_id)
        + opaque(group_id)
        + u64(epoch)
        + opaque(tree_hash)
        + opaque(confirmed_transcript_hash)
        + encode_extensions(extensions)
    )
    return GroupContext(
        suite_id, group_id, epoch, tree_hash, confirmed_transcript_hash, extensions, raw
    )


def read_context(reader: Reader) -> GroupContext:
    """Read a GroupContext."""
    start = reader.at
    if reader.u16() != MLS_1_0:
        raise DecodeError("context-version")
    suite_id = reader.u16()
    group_id = reader.opaque()
    epoch = reader.u64()
    tree_hash = reader.opaque()
    transcript = reader.opaque()
    extensions = read_extensions(reader)
    return GroupContext(
        suite_id, group_id, epoch, tree_hash, transcript, extensions, reader.since(start)
    )


@dataclass(frozen=True, slots=True)
class GroupInfo:
    """A member's signed statement of the group's state (section 12.4.3).  Not yet checked."""

    context: GroupContext
    extensions: Extensions
    confirmation_tag: bytes
    signer: int
    signature: bytes
    raw: bytes
    signed_bytes: int

    def check_signature(self, suite: Suite, signature_key: bytes) -> None:
        """Raise unless the member at `signer`, whose key is given, signed this."""
        content = self.raw[: self.signed_bytes]
        try:
            suite.verify(signature_key, b"GroupInfoTBS", content, self.signature)
        except CryptoError:
            raise RuleBroken("group-info-signature") from None

    def message(self) -> bytes:
        """Return it as an MLSMessage."""
        return u16(MLS_1_0) + u16(WIRE_GROUP_INFO) + self.raw


def read_group_info(reader: Reader) -> GroupInfo:
    """Read a GroupInfo."""
    start = reader.at
    context = read_context(reader)
    extensions = read_extensions(reader)
    tag = reader.opaque()
    signer = reader.u32()
    signed = reader.at - start
    signature = reader.opaque()
    return GroupInfo(context, extensions, tag, signer, signature, reader.since(start), signed)


def decode_group_info(message: bytes, limit: int = MAX_MESSAGE_BYTES) -> GroupInfo:
    """Read a GroupInfo that came as an MLSMessage."""

    def read(reader: Reader) -> GroupInfo:
        if reader.u16() != MLS_1_0:
            raise DecodeError("frame-version")
        if reader.u16() != WIRE_GROUP_INFO:
            raise DecodeError("frame-wire-format")
        return read_group_info(reader)

    return decode(message, read, limit)


def sign_group_info(
    suite: Suite,
    key: SigningKey,
    context: GroupContext,
    extensions: Extensions,
    confirmation_tag: bytes,
    signer: int,
) -> GroupInfo:
    """Make a GroupInfo."""
    content = context.raw + encode_extensions(extensions) + opaque(confirmation_tag) + u32(signer)
    signature = suite.sign(key, b"GroupInfoTBS", content)
    raw = content + opaque(signature)
    return GroupInfo(context, extensions, confirmation_tag, signer, signature, raw, len(content))
