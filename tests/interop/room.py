"""A group that is played out between peers: who is in it, and who hears what.

    room = Room(suite=1)
    room.found(alice)
    room.welcome(alice, [bob, carol])       a commit, heard by all, and a Welcome
    room.commit(bob, Changes(remove=[0]))
    assert_agree(room.members)

Whatever one peer sends, all others hear at once and in the same order; a test that is about order
or loss delivers by hand.

Beside ts-mls one courtesy is needed, `settle`: it refuses to join certain valid trees (README.md,
"What ts-mls does otherwise"), so whoever makes a tree such commits once more before it joins, and
not everyone who wants to join does so at once.
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

    def settle(self, joiners: Sequence[Peer] = (), *, commits_itself: bool = False) -> int:
        """Make the tree one that ts-mls joins; return how many may be added to it at once.

        Nothing is done when none of the joiners is ts-mls: ours has no such wish.
        """
        adding = 0 if commits_itself else len(joiners)
        if all(joiner.process.name != "ts-mls" for joiner in joiners):
            return adding
        while True:
            tree = self.tree()
            if not odd_after_adding(tree, adding):
                return adding
            unmerged = [leaf for listed in unmerged_leaves(tree) for leaf in listed or ()]
            if unmerged:
                by_leaf = {self.leaf(member): member for member in self.members}
                self.commit(by_leaf[unmerged[0]])
            else:
                adding -= 1

    def tree(self) -> RatchetTree:
        """Return the group's tree."""
        return RatchetTree.decode(SUITES[self.suite], self.members[0].full_state().ratchet_tree)

    def may_remove(self, leaves: Iterable[int]) -> bool:
        """Say whether somebody stays in the left half of the tree, as ts-mls needs it.

        Else the top of a path is below the root, and there ts-mls goes a step too far.
        """
        edit = self.tree().edit()
        for leaf in leaves:
            edit.remove(leaf)
        edit.truncate()
        return any(2 * index <= edit.width >> 1 for index, _ in edit.leaves())

    def everyone_hears(self, sender: Peer, data: bytes = b"hello") -> None:
        """Assert that one member's message opens for all others."""
        for heard in self.hear(sender, sender.send(data, aad=b"seen by all")):
            assert heard.data == data


def unmerged_leaves(tree: RatchetTree) -> list[tuple[int, ...] | None]:
    """Return the list of unmerged leaves in each node that is a parent."""
    return [node.unmerged if isinstance(node, ParentNode) else None for node in tree.nodes]


def odd_after_adding(tree: RatchetTree, count: int) -> bool:
    """Say whether ts-mls would stumble over the tree with that many newcomers in it.

    It wants each non-blank ancestor of an unmerged leaf to list the very same leaves.
    """
    edit = tree.edit()
    _, somebody = next(tree.leaves())
    for _ in range(count):
        edit.add(somebody)
    lists = unmerged_leaves(edit)
    return any(
        lists[above] not in (None, unmerged)
        for unmerged in lists
        for leaf in unmerged or ()
        for above in math.direct_path(2 * leaf, edit.width)
    )
