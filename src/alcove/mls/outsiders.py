"""Proposals from outside: by a listed sender, or by who asks to be added (section 12.1.8)."""

from __future__ import annotations

from alcove.mls.errors import UsageError
from alcove.mls.framing import (
    EXTERNAL,
    NEW_MEMBER_PROPOSAL,
    PROPOSAL,
    PUBLIC_HEAD,
    PUBLIC_MESSAGE,
    Content,
    Sender,
    encode_public,
    frame,
)
from alcove.mls.key_package import KeyPackageBundle
from alcove.mls.proposals import Add, Proposal, check_sendable
from alcove.mls.provider import SigningKey
from alcove.mls.suites import Suite
from alcove.mls.verify import FROM_OUTSIDE


def propose_as_outsider(
    suite: Suite,
    group_id: bytes,
    epoch: int,
    index: int,
    signing_key: SigningKey,
    proposal: Proposal,
    *,
    authenticated_data: bytes = b"",
) -> bytes:
    """Return a proposal by the sender at `index` of the group's list of external senders."""
    if proposal.type not in FROM_OUTSIDE:
        raise UsageError("external senders cannot propose this")
    check_sendable(proposal)
    sender = Sender(EXTERNAL, index)
    return _propose(suite, group_id, epoch, sender, signing_key, proposal, authenticated_data)


def propose_to_join(
    suite: Suite,
    group_id: bytes,
    epoch: int,
    bundle: KeyPackageBundle,
    *,
    authenticated_data: bytes = b"",
) -> bytes:
    """Return a proposal by which a device asks a group to add it."""
    return _propose(
        suite,
        group_id,
        epoch,
        Sender(NEW_MEMBER_PROPOSAL),
        bundle.signing_key,
        Add(bundle.package),
        authenticated_data,
    )


def _propose(
    suite: Suite,
    group_id: bytes,
    epoch: int,
    sender: Sender,
    signing_key: SigningKey,
    proposal: Proposal,
    authenticated_data: bytes,
) -> bytes:
    framed = frame(group_id, epoch, sender, authenticated_data, PROPOSAL, proposal.encode())
    signature = suite.sign(signing_key, b"FramedContentTBS", PUBLIC_HEAD + framed)
    content = Content(
        PUBLIC_MESSAGE,
        group_id,
        epoch,
        sender,
        authenticated_data,
        PROPOSAL,
        proposal,
        framed,
        signature,
        None,
    )
    return encode_public(content, None)
