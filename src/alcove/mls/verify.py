"""From untrusted content to `Verified`: group, epoch, sender, signature (RFC 9420, section 6.1)."""

from __future__ import annotations

from alcove.mls.commit import Commit
from alcove.mls.context import GroupContext
from alcove.mls.errors import CryptoError, RuleBroken
from alcove.mls.extensions import allowed_senders
from alcove.mls.framing import (
    APPLICATION,
    EXTERNAL,
    MEMBER,
    NEW_MEMBER_COMMIT,
    NEW_MEMBER_PROPOSAL,
    PUBLIC_MESSAGE,
    Content,
    Verified,
)
from alcove.mls.proposals import ADD, GROUP_CONTEXT_EXTENSIONS, PSK, REINIT, REMOVE, Add
from alcove.mls.tree import RatchetTree

FROM_OUTSIDE = frozenset({ADD, REMOVE, PSK, REINIT, GROUP_CONTEXT_EXTENSIONS})
"""What an external sender may propose (the registry of section 17.4)."""


def verify_content(content: Content, context: GroupContext, tree: RatchetTree) -> Verified:
    """Return the content as verified, or raise the rule that it breaks."""
    if content.group_id != context.group_id:
        raise RuleBroken("frame-group-id")
    if content.epoch != context.epoch:
        raise RuleBroken("frame-epoch")
    if content.wire_format == PUBLIC_MESSAGE and content.content_type == APPLICATION:
        raise RuleBroken("frame-application-encrypted")
    key = _signature_key(content, context, tree)
    try:
        tree.suite.verify(
            key, b"FramedContentTBS", content.signed_bytes(context.raw), content.signature
        )
    except CryptoError:
        raise RuleBroken("frame-signature") from None
    return Verified(content, context.raw)


def _signature_key(content: Content, context: GroupContext, tree: RatchetTree) -> bytes:
    """Find the key that must have signed, by who says to have sent."""
    sender = content.sender
    if sender.type == MEMBER:
        leaf = tree.leaf(sender.index)
        if leaf is None:
            raise RuleBroken("frame-sender-leaf")
        return leaf.signature_key
    body = content.body
    if sender.type == NEW_MEMBER_COMMIT:
        if not isinstance(body, Commit):
            raise RuleBroken("frame-new-commit-content")
        if body.path is None:
            raise RuleBroken("external-path")
        return body.path.leaf.signature_key
    if sender.type == NEW_MEMBER_PROPOSAL:
        if isinstance(body, bytes | Commit):
            raise RuleBroken("frame-new-proposal-content")
        if not isinstance(body, Add):
            raise RuleBroken("frame-new-proposal-add")
        return body.key_package.leaf.signature_key
    assert sender.type == EXTERNAL
    if isinstance(body, bytes | Commit):
        raise RuleBroken("frame-external-content")
    if body.type not in FROM_OUTSIDE:
        raise RuleBroken("proposal-external-type")
    senders = allowed_senders(context.extensions)
    if sender.index >= len(senders):
        raise RuleBroken("frame-external-index")
    return senders[sender.index].signature_key
