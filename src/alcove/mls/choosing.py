"""Which waiting proposals go into a commit (RFC 9420, sections 12.2 and 12.4).

All that are valid should, but they were sent without knowledge of each other: two may touch one
leaf, or add one device twice.  What cannot stand beside the others is left out, so that nobody can
block a group by proposing nonsense.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from alcove.mls.changes import Listed
from alcove.mls.errors import RuleBroken
from alcove.mls.extensions import Extensions, required_capabilities
from alcove.mls.leaf import LeafNode, check_supports
from alcove.mls.proposals import (
    Add,
    Custom,
    ExternalPsk,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    PskId,
    ReInit,
    Remove,
    ResumptionPsk,
    Update,
)
from alcove.mls.public_group import PublicGroup

Waiting = tuple[bytes, Listed]


def fitting_proposals(
    public: PublicGroup,
    me: int,
    have: Callable[[ExternalPsk | ResumptionPsk], bool],
    by_value: Sequence[Proposal] = (),
) -> list[Waiting]:
    """Return references and proposals that fit into one commit by the member at leaf `me`.

    What it commits by value goes before all that waits; then removes go before updates, the newest
    update of a leaf before older ones, anything before a ReInit.  `have` says whether a pre-shared
    key is at hand.
    """
    waiting = list(public.proposals.items())
    changing = [item for item in waiting if not isinstance(item[1].proposal, ReInit)]
    if not changing and not by_value:
        return waiting[:1]
    if any(isinstance(proposal, ReInit) for proposal in by_value):
        return []
    choice = _Choice(public, me, have)
    for proposal in by_value:
        choice.take(proposal, me)
    # Later proposals of a leaf replace earlier ones: judge in the order of their precedence.
    for kind, newest_first in _PRECEDENCE:
        group = [item for item in changing if isinstance(item[1].proposal, kind)]
        for reference, (proposal, sender) in reversed(group) if newest_first else group:
            if choice.take(proposal, sender.index):
                choice.chosen.add(reference)
    return [item for item in changing if item[0] in choice.chosen]


_PRECEDENCE: tuple[tuple[type[Proposal], bool], ...] = (
    (GroupContextExtensions, True),
    (Remove, False),
    (Update, True),
    (Add, False),
    (PreSharedKey, False),
    (Custom, False),
)


class _Choice:
    """What has been chosen so far, and what that leaves room for."""

    def __init__(
        self, public: PublicGroup, me: int, have: Callable[[ExternalPsk | ResumptionPsk], bool]
    ) -> None:
        self.tree = public.tree
        self.me = me
        self.have = have
        self.extensions: Extensions = public.context.extensions
        self.replaced = False
        self.chosen: set[bytes] = set()
        self.touched: set[int] = set()
        self.removed: set[int] = set()
        self.keys = set(public.tree.keys)
        self.signers = set(public.tree.signers)
        self.kinds = set(public.tree.credentials)
        self.new_leaves: list[LeafNode] = []
        self.psks: set[PskId] = set()

    def take(self, proposal: Proposal, author: int) -> bool:
        """Take a proposal if it fits beside those taken before, and say whether it does."""
        match proposal:
            case GroupContextExtensions():
                return self._take_extensions(proposal.extensions)
            case Remove():
                return self._take_remove(proposal.removed)
            case Update():
                return self._take_update(author, proposal.leaf)
            case Add():
                return self._take_leaf(proposal.key_package.leaf)
            case PreSharedKey():
                fits = proposal.psk not in self.psks and self.have(proposal.psk.key)
                self.psks.add(proposal.psk)
                return fits
            case _:
                return self._everyone_knows(proposal.type)

    def _take_extensions(self, extensions: Extensions) -> bool:
        leaves = (leaf for _, leaf in self.tree.leaves())
        if self.replaced or not self._supported(leaves, extensions):
            return False
        self.extensions = extensions
        self.replaced = True
        return True

    def _take_remove(self, index: int) -> bool:
        leaf = self.tree.leaf(index)
        if index == self.me or index in self.touched or leaf is None:
            return False
        self.touched.add(index)
        self.removed.add(index)
        self._free(leaf)
        return True

    def _take_update(self, index: int, leaf: LeafNode) -> bool:
        old = self.tree.leaf(index)
        if index == self.me or index in self.touched or old is None:
            return False
        self._free(old)
        self.touched.add(index)
        if not self._take_leaf(leaf):
            self.touched.discard(index)
            self.keys.add(old.encryption_key)
            self.signers.add(old.signature_key)
            return False
        return True

    def _take_leaf(self, leaf: LeafNode) -> bool:
        if leaf.encryption_key in self.keys or leaf.signature_key in self.signers:
            return False
        if not self._supported([leaf], self.extensions):
            return False
        if not self.kinds.issubset(leaf.capabilities.credentials):
            return False
        if not self._everyone_reads(leaf.credential.type):
            return False
        self.keys.add(leaf.encryption_key)
        self.signers.add(leaf.signature_key)
        self.kinds.add(leaf.credential.type)
        self.new_leaves.append(leaf)
        return True

    def _free(self, leaf: LeafNode) -> None:
        self.keys.discard(leaf.encryption_key)
        self.signers.discard(leaf.signature_key)

    def _supported(self, leaves: Iterable[LeafNode], extensions: Extensions) -> bool:
        required = required_capabilities(extensions)
        try:
            for leaf in leaves:
                check_supports(leaf, extensions, required)
        except RuleBroken:
            return False
        return True

    def _everyone_reads(self, credential_type: int) -> bool:
        """Say whether all who stay or come know a type of credential."""
        if credential_type in self.kinds:
            return True
        stay = [leaf for index, leaf in self.tree.leaves() if index not in self.touched]
        return all(
            credential_type in leaf.capabilities.credentials for leaf in stay + self.new_leaves
        )

    def _everyone_knows(self, proposal_type: int) -> bool:
        return all(
            proposal_type in leaf.capabilities.proposals
            for index, leaf in self.tree.leaves()
            if index not in self.removed
        )
