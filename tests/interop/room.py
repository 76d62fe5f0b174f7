"""A group that is played out between peers: who is in it, and who hears what.

    room = Room(suite=1)
    room.found(alice)
    room.welcome(alice, [bob, carol])       a commit, heard by all, and a Welcome
    room.commit(bob, Changes(remove=[0]))
    assert_agree(room.members)

Whatever one peer sends, all others hear at once and in the same order; a test that is about order
or loss delivers by hand.

Beside ts-mls one courtesy is needed, `settle`: it refuses to join certain valid trees (README.md,
"What ts-mls does otherwise"), so whoever makes a tree such commits once more before it joins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alcove.mls import RatchetTree
from alcove.mls import tree_math as math
from alcove.mls.tree import ParentNode
from tests.interop.driver import Peer, assert_agree
from tests.interop.protocol import NOTHING, Changes, Committed, Extension, Processed, Snapshot
from tests.interop.suites import SUITES


class Room:
    """Clients in one group, who hear everything that is said in it."""

    def __init__(self, suite: int = 1, group_id: bytes = b"room") -> None:
        self.suite = suite
        self.group_id = group_id
        self.members: list[Peer] = []

    def found(self, peer: Peer, extensions: Iterable[Extension] = ()) -> None:
        """Let a peer make the group, with its newest key package."""
        peer.create_group(self.group_id, extensions)
        self.members = [peer]

    def others(self, *peers: Peer) -> list[Peer]:
        """Return everyone else."""
        return [member for member in self.members if member not in peers]

    def leaf(self, peer: Peer) -> int:
        """Return the index of a member's leaf."""
        return peer.state().leaf_index

    def hear(self, sender: Peer, message: bytes) -> list[Processed]:
        """Hand a message to everyone but its sender."""
        return [member.receive(message) for member in self.others(sender)]

    def propose(self, sender: Peer, changes: Changes, *, public: bool = False) -> None:
        """Let a member propose, and everyone hear it."""
        for message in sender.propose(changes, public=public):
            self.hear(sender, message)

    def commit(
        self, sender: Peer, changes: Changes = NOTHING, *, public: bool = False
    ) -> Committed:
        """Let a member commit, and everyone follow.  Whoever is removed hears that and is out."""
        made = sender.commit(changes, public=public)
        self.deliver(sender, made.commit)
        return made

    def deliver(self, sender: Peer, commit: bytes) -> Snapshot:
        """Hand a commit to everyone but its sender, and see that those who stay agree."""
        for member in self.others(sender):
            if member.receive(commit).snapshot.active == "removedFromGroup":
                self.members.remove(member)
        return assert_agree(self.members)

    def welcome(
        self,
        sender: Peer,
        joiners: Sequence[Peer],
        changes: Changes | None = None,
        *,
        public: bool = False,
        tree_inside: bool = True,
    ) -> Committed:
        """Let a member commit and peers join by its Welcome.

        Without `changes` the commit adds each joiner's next key package.
        """
        if changes is None:
            changes = Changes(add=[joiner.key_package().message for joiner in joiners])
        made = sender.commit(changes, public=public, ratchet_tree=tree_inside)
        assert made.welcome is not None
        for member in self.others(sender):
            if member.receive(made.commit).snapshot.active == "removedFromGroup":
                self.members.remove(member)
        for joiner in joiners:
            joiner.join(made.welcome, made.tree)
        self.members += joiners
        assert_agree(self.members)
        return made

    def join_external(
        self,
        joiner: Peer,
        helper: Peer,
        *,
        resync: bool = False,
        package: int | None = None,
        tree_inside: bool = True,
    ) -> None:
        """Let somebody commit itself in, by a GroupInfo that a member gives."""
        info = helper.group_info(ratchet_tree=tree_inside)
        tree = None if tree_inside else helper.full_state().ratchet_tree
        made = joiner.join_external(info, ratchet_tree=tree, resync=resync, package=package)
        if joiner in self.members:
            self.members.remove(joiner)
        self.deliver(joiner, made.commit)
        self.members.append(joiner)
        assert_agree(self.members)

    def settle(self) -> int:
        """Let those commit whose leaves ts-mls would stumble over; return how many had to."""
        count = 0
        while stuck := self._stuck():
            by_leaf = {self.leaf(member): member for member in self.members}
            self.commit(by_leaf[stuck[0]])
            count += 1
        return count

    def _stuck(self) -> list[int]:
        """Find the leaves that are unmerged in one node and merged in another one above it."""
        encoded = self.members[0].full_state().ratchet_tree
        tree = RatchetTree.decode(SUITES[self.suite], encoded)
        parents = [node if isinstance(node, ParentNode) else None for node in tree.nodes]
        return [
            leaf
            for at, parent in enumerate(parents)
            for leaf in (() if parent is None else parent.unmerged)
            for above in math.direct_path(at, tree.width)
            if (higher := parents[above]) is not None and leaf not in higher.unmerged
        ]

    def everyone_hears(self, sender: Peer, data: bytes = b"hello") -> None:
        """Assert that one member's message opens for all others."""
        for heard in self.hear(sender, sender.send(data, aad=b"seen by all")):
            assert heard.data == data
