"""The ways by which a leaf comes into a group: each is a place where a bad one must be refused.

    by_update               Carol proposes an Update
    by_add                  Carol proposes to add Dora
    by_committed_update     Alice commits Carol's Update, which is good by itself
    by_committed_add        Alice commits an Add of Dora, by value
    by_path                 Carol commits with a path
    by_tree                 a newcomer gets the tree

Every door takes the rule that must refuse and the fields in which the leaf is wrong.  Everything
else about it is right, both signatures included, and Bob is who refuses.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

from alcove.mls import Add, Capabilities, Group, PublicGroup, ReceivedProposal, Update
from alcove.mls.commit import Commit, Reference
from alcove.mls.extensions import Extensions
from tests.mls.rules.frankenstein import (
    LENIENT,
    committed,
    device,
    following,
    lawless_path,
    leaf_of,
    new_leaf,
    package_with_leaf,
    place_of,
    proposed,
    re_info,
    re_leaf,
    refused,
    refuses,
    room,
    tree_of,
)


class Home(NamedTuple):
    """The kind of group whose door it is."""

    capabilities: Capabilities | None = None
    extensions: Extensions = ()

    def members(self, *, paths: bool = True) -> tuple[Group, Group, Group]:
        """Return Alice, Bob and Carol."""
        alice, bob, carol = room(
            capabilities=self.capabilities, extensions=self.extensions, paths=paths
        )
        return alice, bob, carol


ANYWHERE: Final = Home()


class Door(Protocol):
    """Tries to bring a bad leaf in."""

    def __call__(self, rule: str, home: Home = ANYWHERE, **fields: Any) -> None: ...


def by_update(rule: str, home: Home = ANYWHERE, **fields: Any) -> None:
    _, bob, carol = home.members()
    message = proposed(carol, Update(new_leaf(carol, **fields)))
    refuses(bob, carol, message, rule)


def by_add(rule: str, home: Home = ANYWHERE, **fields: Any) -> None:
    _, bob, carol = home.members()
    package = package_with_leaf(device("dora", capabilities=home.capabilities), **fields)
    refuses(bob, carol, proposed(carol, Add(package)), rule)


def by_committed_update(rule: str, home: Home = ANYWHERE, **fields: Any) -> None:
    alice, bob, carol = home.members()
    leaf = new_leaf(carol, **fields)
    received = bob.receive(proposed(carol, Update(leaf)))
    assert isinstance(received, ReceivedProposal)
    edit = alice.public.tree.edit()
    edit.update(carol.me, leaf)
    made = lawless_path(alice, edit)
    commit = Commit((Reference(received.reference),), made.path)
    message = committed(alice, commit, edit, commit_secret=made.commit_secret)
    with refused(rule, received.group):
        received.group.receive(message)
    fresh = alice.commit([], entropy=bytes)
    assert following(received.group, fresh.message).epoch == bob.epoch + 1


def by_committed_add(rule: str, home: Home = ANYWHERE, **fields: Any) -> None:
    alice, bob, _ = home.members()
    package = package_with_leaf(device("dora", capabilities=home.capabilities), **fields)
    edit = alice.public.tree.edit()
    edit.add(package.leaf)
    message = committed(alice, Commit((Add(package),), None), edit)
    refuses(bob, alice, message, rule)


def by_path(rule: str, home: Home = ANYWHERE, **fields: Any) -> None:
    _, bob, carol = home.members()
    fields = {"key": carol.signing_key, "place": place_of(carol), **fields}
    edit = carol.public.tree.edit()
    made = lawless_path(carol, edit, change=lambda leaf: re_leaf(leaf, **fields))
    message = committed(carol, Commit((), made.path), edit, commit_secret=made.commit_secret)
    refuses(bob, carol, message, rule)


def by_tree(rule: str, home: Home = ANYWHERE, **fields: Any) -> None:
    alice, _, carol = home.members(paths=False)
    nodes = list(alice.public.tree.nodes)
    fields = {"key": carol.signing_key, "place": place_of(carol), **fields}
    nodes[2 * carol.me] = re_leaf(leaf_of(carol), **fields)
    with refused(rule):
        PublicGroup.from_group_info(re_info(alice, tree=tree_of(nodes)).message(), LENIENT)
    good = PublicGroup.from_group_info(re_info(alice).message(), LENIENT)
    assert good.context == alice.public.context


PROPOSALS: Final[list[Door]] = [by_update, by_add]
COMMITS: Final[list[Door]] = [by_committed_add, by_path]
ALL: Final[list[Door]] = [*PROPOSALS, *COMMITS, by_tree]
IN_GROUP: Final[list[Door]] = [by_committed_update, *COMMITS, by_tree]
"""Where more than the leaf itself can be judged."""
