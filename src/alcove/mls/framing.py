"""Messages on the wire: content, its signature, and the two envelopes around both (section 6).

    bytes ──decode──► PublicMessage │ PrivateMessage      untrusted: well formed, no more
                            │ signature, epoch, sender     (`alcove.mls.verify`)
                            ▼
                        Verified                           may be believed

The types keep the steps in order: what processes a message takes `Verified`, and only checking a
signature makes one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from alcove.mls.codec import MAX_MESSAGE_BYTES, Reader, decode, opaque, u8, u16, u32, u64
from alcove.mls.commit import Commit, read_commit
from alcove.mls.context import GroupInfo, read_group_info
from alcove.mls.errors import DecodeError, RuleBroken, UsageError
from alcove.mls.key_package import KeyPackage, read_key_package
from alcove.mls.leaf import MLS_1_0
from alcove.mls.proposals import Proposal, read_proposal
from alcove.mls.welcome import Welcome, read_welcome

PUBLIC_MESSAGE: Final = 1
PRIVATE_MESSAGE: Final = 2
WELCOME: Final = 3
GROUP_INFO: Final = 4
KEY_PACKAGE: Final = 5

APPLICATION: Final = 1
PROPOSAL: Final = 2
COMMIT: Final = 3

MEMBER: Final = 1
EXTERNAL: Final = 2
NEW_MEMBER_PROPOSAL: Final = 3
NEW_MEMBER_COMMIT: Final = 4

ENVELOPE_BYTES: Final = 1024
"""More than an envelope adds to what is in it."""

PUBLIC_HEAD: Final = u16(MLS_1_0) + u16(PUBLIC_MESSAGE)
PRIVATE_HEAD: Final = u16(MLS_1_0) + u16(PRIVATE_MESSAGE)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent: a member's leaf, an external sender's place in the list, or who is not in yet."""

    type: int
    index: int = 0
    """A leaf index or a place in `external_senders`; 0 for the others."""

    def encode(self) -> bytes:
        """Return the struct's bytes."""
        if self.type in (MEMBER, EXTERNAL):
            return u8(self.type) + u32(self.index)
        return u8(self.type)


def _read_sender(reader: Reader) -> Sender:
    kind = reader.u8()
    if kind in (MEMBER, EXTERNAL):
        return Sender(kind, reader.u32())
    if kind in (NEW_MEMBER_PROPOSAL, NEW_MEMBER_COMMIT):
        return Sender(kind)
    raise DecodeError("frame-sender-type-known")


@dataclass(frozen=True, slots=True)
class Content:
    """FramedContent with its authentication: an AuthenticatedContent, not yet checked."""

    wire_format: int
    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    content_type: int
    body: bytes | Proposal | Commit
    framed: bytes
    """FramedContent as it came."""
    signature: bytes
    confirmation_tag: bytes | None

    def signed_bytes(self, context: bytes) -> bytes:
        """FramedContentTBS.  Section 6.1: members and joiners sign the GroupContext too."""
        head = u16(MLS_1_0) + u16(self.wire_format) + self.framed
        if self.sender.type in (MEMBER, NEW_MEMBER_COMMIT):
            return head + context
        return head

    def authentication(self) -> bytes:
        """FramedContentAuthData."""
        if self.confirmation_tag is None:
            return opaque(self.signature)
        return opaque(self.signature) + opaque(self.confirmation_tag)

    def encode(self) -> bytes:
        """AuthenticatedContent, as references to proposals hash it."""
        return u16(self.wire_format) + self.framed + self.authentication()

    def transcript_bytes(self) -> bytes:
        """ConfirmedTranscriptHashInput."""
        return u16(self.wire_format) + self.framed + opaque(self.signature)


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """A message that anyone can read.  Untrusted."""

    content: Content
    membership_tag: bytes | None


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """A message that only members can open.  Untrusted."""

    group_id: bytes
    epoch: int
    content_type: int
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """Content whose signature, group, epoch and sender were checked.

    Made by `alcove.mls.verify`, and for what a member has just signed itself.
    """

    content: Content
    context: bytes
    """The GroupContext that it was verified in, and in which alone it may be used."""


def frame(
    group_id: bytes, epoch: int, sender: Sender, authenticated_data: bytes, kind: int, body: bytes
) -> bytes:
    """Return FramedContent for an encoded body."""
    return (
        opaque(group_id)
        + u64(epoch)
        + sender.encode()
        + opaque(authenticated_data)
        + u8(kind)
        + body
    )


def read_body(reader: Reader, kind: int) -> bytes | Proposal | Commit:
    """Read a message's body by its content type."""
    if kind == APPLICATION:
        return reader.opaque()
    if kind == PROPOSAL:
        return read_proposal(reader)
    if kind == COMMIT:
        return read_commit(reader)
    raise DecodeError("frame-content-type-known")


def _read_framed(reader: Reader, wire_format: int) -> Content:
    start = reader.at
    group_id = reader.opaque()
    epoch = reader.u64()
    sender = _read_sender(reader)
    authenticated_data = reader.opaque()
    kind = reader.u8()
    body = read_body(reader, kind)
    framed = reader.since(start)
    signature = reader.opaque()
    tag = reader.opaque() if kind == COMMIT else None
    return Content(
        wire_format,
        group_id,
        epoch,
        sender,
        authenticated_data,
        kind,
        body,
        framed,
        signature,
        tag,
    )


def read_authenticated(reader: Reader) -> Content:
    """Read an AuthenticatedContent, as saved states and test vectors hold it."""
    wire_format = reader.u16()
    if wire_format not in (PUBLIC_MESSAGE, PRIVATE_MESSAGE):
        raise DecodeError("frame-wire-format")
    return _read_framed(reader, wire_format)


def read_public_message(reader: Reader) -> PublicMessage:
    """Read a PublicMessage, behind its head."""
    content = _read_framed(reader, PUBLIC_MESSAGE)
    tag = reader.opaque() if content.sender.type == MEMBER else None
    return PublicMessage(content, tag)


def read_private_message(reader: Reader) -> PrivateMessage:
    """Read a PrivateMessage, behind its head."""
    group_id = reader.opaque()
    epoch = reader.u64()
    kind = reader.u8()
    if not APPLICATION <= kind <= COMMIT:
        raise DecodeError("frame-content-type-known")
    return PrivateMessage(group_id, epoch, kind, reader.opaque(), reader.opaque(), reader.opaque())


Message = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_VERSION: Final = u16(MLS_1_0)
_READERS: dict[bytes, Callable[[Reader], Message]] = {
    PUBLIC_HEAD: read_public_message,
    PRIVATE_HEAD: read_private_message,
    _VERSION + u16(WELCOME): read_welcome,
    _VERSION + u16(GROUP_INFO): read_group_info,
    _VERSION + u16(KEY_PACKAGE): read_key_package,
}


def _read_message(reader: Reader) -> Message:
    head = reader.take(4)
    read = _READERS.get(head)
    if read is None:
        known = head.startswith(_VERSION)
        raise DecodeError("frame-wire-format" if known else "frame-version")
    return read(reader)


def only_public(message: object) -> PublicMessage:
    """Return a public message; tell a caller's slip from a peer's fault, which is dropped."""
    if not isinstance(message, Message):
        kind = type(message).__name__
        raise UsageError(f"receive takes the bytes of a message, and this is a {kind}")
    if not isinstance(message, PublicMessage):
        raise RuleBroken("frame-wire-format")
    return message


def decode_message(message: bytes, limit: int = MAX_MESSAGE_BYTES) -> Message:
    """Read an MLSMessage of any kind.  What comes back is well formed and otherwise untrusted."""
    return decode(message, _read_message, limit)


def encode_public(content: Content, membership_tag: bytes | None) -> bytes:
    """Return a PublicMessage as an MLSMessage."""
    tag = b"" if membership_tag is None else opaque(membership_tag)
    return PUBLIC_HEAD + content.framed + content.authentication() + tag
