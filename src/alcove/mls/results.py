"""What sending and receiving give back: the next group value, and what there is to tell.

Every one of these holds the group that comes after.  Store that group before you act on the rest:
before sending a message that was sealed, before showing one that was opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from alcove.mls.errors import UsageError
from alcove.mls.framing import Sender
from alcove.mls.leaf import LeafNode
from alcove.mls.proposals import Proposal
from alcove.mls.public_group import PublicGroup, StagedPublicCommit

if TYPE_CHECKING:
    from alcove.mls.group import Group


class Sealed(NamedTuple):
    """A message that was sealed, and the group that no longer has its key."""

    group: Group
    message: bytes


class Proposed(NamedTuple):
    """A proposal that was made, and the group that remembers it."""

    group: Group
    message: bytes
    reference: bytes


class ApplicationMessage(NamedTuple):
    """A message that was opened and whose sender was checked."""

    group: Group
    sender: int
    """The sender's leaf, in the tree of `epoch`."""
    epoch: int
    data: bytes
    authenticated_data: bytes
    leaf: LeafNode
    """The sender's leaf as it was then: its credential says who it is."""


class ReceivedProposal(NamedTuple):
    """A proposal that was checked; the group remembers it until the next epoch."""

    group: Group
    proposal: Proposal
    sender: Sender
    reference: bytes


@dataclass(frozen=True, slots=True)
class StagedCommit:
    """A commit that was checked in full.  Inspect it, then `merge`, or drop it.

    To drop it, go on with `group`: the old epoch, without the keys that opening it spent.
    """

    group: Group
    public: StagedPublicCommit
    _next: Group | None = field(repr=False)

    @property
    def sender(self) -> Sender:
        """Who committed."""
        return self.public.sender

    @property
    def proposals(self) -> Sequence[Proposal]:
        """What the commit changes, in its order."""
        return self.public.proposals

    @property
    def committer(self) -> int:
        """The committer's leaf in the next epoch, also when it joins by this commit."""
        return self.public.committer

    @property
    def authenticated_data(self) -> bytes:
        """What the committer sent along, readable by everyone."""
        return self.public.authenticated_data

    @property
    def removes_me(self) -> bool:
        """Whether this member is out.  The confirmation tag is then unchecked: nobody out can."""
        return self._next is None

    @property
    def after(self) -> PublicGroup:
        """The next epoch as everyone sees it, also for who is removed."""
        return self.public.group if self._next is None else self._next.public

    def merge(self) -> Group:
        """Return the group in the next epoch.  Nothing else changes: this is a value too.

        It remembers the old epoch as it was when the commit was made.  Where past epochs are kept
        and messages came in since, follow it with `Group.with_past_of`.
        """
        if self._next is None:
            raise UsageError("this commit removes you: there is no next epoch for you")
        return self._next


@dataclass(frozen=True, slots=True)
class OwnCommit(StagedCommit):
    """A commit of our own.  Store it and `merge()`'s result, send it, merge when it is accepted."""

    message: bytes = field(repr=False)
    welcome: bytes | None = field(repr=False)
    """For those whom the commit adds.  Hand it out once the commit is accepted, not before."""
