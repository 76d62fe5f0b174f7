"""What the application decides, handed in once: whom to believe, what to forbid, what to keep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from alcove.mls.codec import MAX_MESSAGE_BYTES
from alcove.mls.credentials import Credential
from alcove.mls.errors import RuleBroken
from alcove.mls.leaf import LeafNode
from alcove.mls.proposals import PATHLESS, Proposal

if TYPE_CHECKING:
    from alcove.mls.framing import Sender
    from alcove.mls.public_group import PublicGroup, StagedPublicCommit

_NEW_MEMBER_PROPOSAL: Final = 3  # As in `alcove.mls.framing`, which stands above.

CredentialCheck = Callable[[LeafNode, LeafNode | None], str | None]
"""Is this leaf's credential true, and may it follow that of the leaf it replaces, if any?

Returns the id of the broken rule, or None.  Must be a pure function of its arguments: every member
has to come to the same answer, whenever it asks.
"""

ProposalCheck = Callable[["PublicGroup", Proposal, "Sender"], str | None]
"""May this be proposed, by reference, by this sender?

Returns the id of the broken rule, or None.  What is let in here, any member's next commit takes
along; so it should not be more than the rule for commits would allow.
"""

CommitRule = Callable[["PublicGroup", "StagedPublicCommit"], str | None]
"""May this commit turn the old public state into the new one?

The commit holds its sender, proposals, authenticated data and the state that it leads to.  Returns
the id of the broken rule, or None.  Asked for every commit, one's own and external ones included,
and pure for the same reason.
"""

Identity = Callable[[Credential], bytes]
"""Who a credential stands for, in bytes that are equal for one and the same client."""


def accept_any_credential(_leaf: LeafNode, _replaced: LeafNode | None) -> str | None:
    """Believe everyone.  For tests and experiments: it makes authentication meaningless."""
    return None


def no_external_sender(_credential: Credential, _signature_key: bytes) -> str | None:
    """Let nobody outside propose, unless the application says whom it believes."""
    return "cred-valid-external-senders"


def only_who_is_known(_public: PublicGroup, _proposal: Proposal, sender: Sender) -> str | None:
    """Let members and listed external senders propose, and nobody ask to be added."""
    return "proposal-external-authorized" if sender.type == _NEW_MEMBER_PROPOSAL else None


def no_commit_rule(_old: PublicGroup, _commit: StagedPublicCommit) -> str | None:
    """Forbid nothing beyond RFC 9420."""
    return None


def whole_credential(credential: Credential) -> bytes:
    """Take a credential for the identity itself: right when it holds a name and nothing else."""
    return credential.encode()


def no_padding(length: int) -> int:
    """Add nothing: for applications that pad their content themselves."""
    return length


def padme(length: int) -> int:
    """Pad so that only O(log log n) bits of the length show: at most 12 % more, less when long."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    keep = exponent - exponent.bit_length()
    mask = (1 << max(keep, 0)) - 1
    return (length + mask) & ~mask


@dataclass(frozen=True, slots=True)
class Policy:
    """The application's side of the protocol, and every limit the library keeps to.

    Whether a commit counts depends on these, the limits on messages and proposals included: all
    members of a group must have the same.
    """

    credential: CredentialCheck
    """No default: who is asked about nobody believes everybody."""
    rule: CommitRule = no_commit_rule
    external_sender: Callable[[Credential, bytes], str | None] = no_external_sender
    """Asked about each entry, credential and signature key, of a group's external senders."""
    proposal: ProposalCheck = only_who_is_known
    """Who may propose what by reference.  A product that commits by value alone refuses all."""
    identity: Identity = whole_credential
    """Who a member is when a group continues another: asked on ReInit and on branching."""
    pathless: frozenset[int] = PATHLESS
    """Proposal types that need no path.  Add those of the application's own types that do not."""
    private_handshakes: bool = False
    """Whether proposals and commits go out as PrivateMessage."""
    padding: Callable[[int], int] = no_padding
    """From the length of a private message's content to the length to pad it to."""
    out_of_order: int = 32
    """How many skipped message keys are kept per sender and epoch."""
    forward: int = 1024
    """How far ahead of the newest message seen from a sender one may be."""
    past_epochs: int = 0
    """How many past epochs' messages can still be opened."""
    past_resumptions: int = 0
    """How many past epochs' resumption keys are kept, for `ResumptionPsk`."""
    pending_proposals: int = 1024
    """How many proposals by reference are remembered within an epoch."""
    pending_bytes: int = 4 * 1024 * 1024
    """How many bytes of them."""
    max_message_bytes: int = MAX_MESSAGE_BYTES

    def check_credential(self, leaf: LeafNode, replaced: LeafNode | None) -> None:
        """Raise the application's rule when it does not believe a leaf."""
        broken = self.credential(leaf, replaced)
        if broken is not None:
            raise RuleBroken(broken)
