"""OpenMLS, mlspp and ours in one group: three implementations agree, whoever commits."""

from __future__ import annotations

import random
from itertools import count, islice

import pytest

from alcove.mls import Proposal, Remove
from alcove.mls.tree import ParentNode
from tests.interop.voice import Call, Mlspp, OpenMls, Ours, Refused, Seat

pytest.importorskip(
    "davey", reason="davey (OpenMLS) has no wheel for this machine", exc_type=ImportError
)
pytest.importorskip(
    "dave", reason="dave.py (mlspp) has no wheel for this machine", exc_type=ImportError
)

Kind = type[OpenMls] | type[Mlspp] | type[Ours]
KINDS: list[Kind] = [OpenMls, Mlspp, Ours]
MEMBERS_MAX = 12
FIRST_USER = 1001


def call_of(*kinds: Kind) -> Call:
    """Return a call of such members; the first has founded it and added the others."""
    call = Call()
    first, *others = (kind(1001 + at, call.server) for at, kind in enumerate(kinds))
    call.found(first)
    for other in others:
        call.welcome(other)
    return call


@pytest.mark.parametrize("founder", KINDS)
def test_three_implementations_commit_in_turn(founder: Kind) -> None:
    call = call_of(founder, Ours, Mlspp, OpenMls, Ours)
    for at, committer in enumerate(list(call.members)):
        newcomer = KINDS[at % 3](1010 + at, call.server)
        call.welcome(newcomer, committer=committer)
        call.dismiss(call.leaf_of(newcomer), committer=committer)
    assert call.epoch == 14


@pytest.mark.parametrize("committer", KINDS)
def test_the_commit_secret_is_that_of_the_last_node_of_the_path(committer: Kind) -> None:
    """When the tree's left half is empty, the top of a path is below the root.

    RFC 9420, 12.4.1: the commit secret is one step behind the last path secret, wherever that is.
    """
    call = call_of(OpenMls, Mlspp, Ours, OpenMls, committer, OpenMls, Mlspp, Ours)
    call.dismiss(0, 1, 2, 3, committer=call.members[4])
    for kind in KINDS:
        newcomer = kind(1020 + KINDS.index(kind), call.server)
        call.welcome(newcomer, committer=call.members[0])
    assert len(call.members) == 7


def call_with_somebody_unmerged(newcomer: Kind) -> Call:
    """Return a call in which the last member's leaf is below a node whose key it has not got."""
    call = call_of(*[Ours] * 8)
    call.dismiss(4, committer=call.members[6])  # That path gives the right half a key.
    call.welcome(newcomer(1010, call.server))  # Leaf 4 again, by a commit without a path.
    tree = call.ours().group.public.tree
    assert [node.unmerged for node in tree.nodes[11:12] if isinstance(node, ParentNode)] == [(4,)]
    return call


@pytest.mark.parametrize("newcomer", [OpenMls, Ours])
def test_who_is_not_merged_below_a_node_follows_by_the_key_of_its_leaf(newcomer: Kind) -> None:
    call = call_with_somebody_unmerged(newcomer)
    call.dismiss(1, committer=call.members[0])
    assert call.members[-1].authenticator() == call.ours().authenticator()


def test_mlspp_gets_lost_where_it_is_not_merged_below_a_node() -> None:
    call = call_with_somebody_unmerged(Mlspp)
    with pytest.raises(Refused):
        call.dismiss(1, committer=call.members[0])


class VoiceWalk:
    """People come and go, several in one commit, and anyone of any library commits that.

    Whoever of mlspp would get lost by a path leaves with it.
    """

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.call = Call()
        self.call.found(Ours(FIRST_USER, self.call.server))

    def newcomers(self, wanted: int) -> list[Seat]:
        """Return so many new people, of random libraries, under numbers that are free."""
        present = [member.user for member in self.call.members]
        free = (number for number in count(FIRST_USER) if number not in present)
        return [self.dice.choice(KINDS)(user, self.call.server) for user in islice(free, wanted)]

    def would_get_lost(self) -> list[Seat]:
        """Return the members of mlspp who are not merged below the root."""
        tree = self.call.ours().group.public.tree
        parents = [node for node in tree.nodes if isinstance(node, ParentNode)]
        below = [node for node in parents if node is not tree.nodes[tree.width >> 1]]
        waiting = [leaf for parent in below for leaf in parent.unmerged]
        seats = [member for member in self.call.members if isinstance(member, Mlspp)]
        return [member for member in seats if self.call.leaf_of(member) in waiting]

    def step(self) -> None:
        """Let up to two go and up to two come; one of ours always stays to tell who is where."""
        call, members = self.call, self.call.members
        leaving = self.dice.sample(members[1:], min(self.dice.randint(0, 2), len(members) - 1))
        if leaving:
            leaving += [member for member in self.would_get_lost() if member not in leaving]
        wanted = self.dice.randint(0, 2) if len(members) < MEMBERS_MAX else 0
        if not leaving and not wanted:
            wanted = 1
        removes: list[Proposal] = [Remove(call.leaf_of(member)) for member in leaving]
        call.members = [member for member in members if member not in leaving]
        joiners = self.newcomers(wanted)
        proposals = [*removes, *call.adds(*joiners)]
        call.step(self.dice.choice(call.members), proposals, joiners)


@pytest.mark.parametrize("seed", [1, 2])
def test_three_implementations_agree_on_a_walk(seed: int) -> None:
    walk = VoiceWalk(seed)
    for _ in range(20):
        walk.step()
    assert walk.call.epoch == 20


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4, 5])
def test_three_implementations_agree_on_a_long_walk(seed: int) -> None:
    walk = VoiceWalk(seed)
    for _ in range(200):
        walk.step()
    assert walk.call.epoch == 200
