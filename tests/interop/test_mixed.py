"""OpenMLS, mlspp and ours in one group: three implementations agree, whoever commits."""

from __future__ import annotations

import random
from itertools import count, islice

import pytest

from alcove.mls import Proposal, Remove
from tests.interop.voice import Call, Mlspp, OpenMls, Ours, Seat

pytest.importorskip("davey", reason="davey (OpenMLS) has no wheel for this machine")
pytest.importorskip("dave", reason="dave.py (mlspp) has no wheel for this machine")

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


class VoiceWalk:
    """People come and go, several in one commit, and anyone of any library commits that."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.call = Call()
        self.call.found(Ours(FIRST_USER, self.call.server))

    def newcomers(self, wanted: int) -> list[Seat]:
        """Return so many new people, of random libraries, under numbers that are free."""
        present = [member.user for member in self.call.members]
        free = (number for number in count(FIRST_USER) if number not in present)
        return [self.dice.choice(KINDS)(user, self.call.server) for user in islice(free, wanted)]

    def step(self) -> None:
        """Let up to two go and up to two come; one of ours always stays to tell who is where."""
        call, members = self.call, self.call.members
        leaving = self.dice.sample(members[1:], min(self.dice.randint(0, 2), len(members) - 1))
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
