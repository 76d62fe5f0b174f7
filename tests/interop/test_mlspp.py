"""Cisco's mlspp and ours in one group, as far as dave.py's voice sessions let mlspp go.

It founds groups, joins, commits and follows, but only commits of what the external sender has
proposed: that is the voice protocol's rule and not the library's.
"""

from __future__ import annotations

import pytest

from alcove.mls import Remove, StagedCommit
from tests.interop.voice import Call, Mlspp, Ours, Refused, Seat, open_frame

pytest.importorskip(
    "dave", reason="dave.py (mlspp) has no wheel for this machine", exc_type=ImportError
)


def call_of(*kinds: type[Mlspp] | type[Ours]) -> Call:
    """Return a call of such members; the first has founded it and added the others."""
    call = Call()
    first, *others = (kind(1001 + at, call.server) for at, kind in enumerate(kinds))
    call.found(first)
    for other in others:
        call.welcome(other)
    return call


@pytest.mark.parametrize("founder", [Mlspp, Ours])
def test_mlspp_and_ours_commit_in_turn(founder: type[Mlspp] | type[Ours]) -> None:
    call = call_of(founder, Ours, Mlspp, Ours)
    for at, committer in enumerate(list(call.members)):
        newcomer = (Mlspp, Ours)[at % 2](1010 + at, call.server)
        call.welcome(newcomer, committer=committer)
        call.dismiss(call.leaf_of(newcomer), committer=committer)
    assert call.epoch == 11


@pytest.mark.parametrize("founder", [Mlspp, Ours])
def test_mlspp_and_ours_let_several_in_at_once(founder: type[Mlspp] | type[Ours]) -> None:
    call = call_of(founder)
    kinds: list[type[Mlspp] | type[Ours]] = [Ours, Mlspp] * 4
    call.welcome(*(kind(1011 + at, call.server) for at, kind in enumerate(kinds)))
    assert len(call.members) == 9


def test_mlspp_joins_by_an_add_that_nobody_had_proposed() -> None:
    call = call_of(Ours)
    joiners = [Mlspp(1002, call.server), Mlspp(1003, call.server)]
    call.deliver(call.ours().commit(*call.adds(*joiners)), joiners)
    assert call.epoch == 1


def test_mlspp_takes_every_meaningless_value_of_a_key_package() -> None:
    call = call_of(Mlspp)
    ours = Ours(1002, call.server)
    ours.bundle = ours.new_bundle(grease=True)
    call.welcome(ours)
    assert call.ours().group.epoch == 1


def test_mlspp_adds_and_removes_in_one_commit() -> None:
    call = call_of(Ours, Mlspp, Ours)
    newcomers: list[Seat] = [Mlspp(1010, call.server), Ours(1011, call.server)]
    leaver = call.members[2]
    call.members.remove(leaver)
    call.step(call.members[1], [*call.adds(*newcomers), Remove(2)], newcomers)
    # The path of this commit is sealed to nobody who joins by it.
    assert [call.leaf_of(member) for member in call.members] == [0, 1, 2, 3]


def test_a_member_of_ours_hears_that_mlspp_removes_it() -> None:
    call = call_of(Mlspp, Ours, Mlspp)
    first, ours, last = call.members
    assert isinstance(ours, Ours)
    removal = call.server.propose(call.epoch, Remove(1))
    heard = ours.group.receive(removal)
    made = first.answer([removal])
    assert made is not None
    last.answer([removal])
    staged = heard.group.receive(made.commit)
    assert isinstance(staged, StagedCommit)
    assert staged.removes_me


def test_mlspp_is_out_when_ours_removes_it() -> None:
    call = call_of(Ours, Mlspp, Mlspp)
    first, second, _ = call.members
    removal = call.server.propose(call.epoch, Remove(1))
    answers = [member.answer([removal]) for member in call.members]
    assert answers[0] is not None
    with pytest.raises(Refused, match="failed"):
        second.follow(answers[0].commit)
    call.members.remove(second)
    call.deliver(answers[0])
    assert call.members[0] is first


def test_mlspp_and_ours_export_the_same() -> None:
    call = call_of(Mlspp, Ours)
    member, ours = call.members
    assert isinstance(member, Mlspp)
    assert isinstance(ours, Ours)
    frame = member.frame(b"exported" * 5)
    assert open_frame(ours.group, member.user, frame) == b"exported" * 5


def test_dave_follows_only_what_the_server_has_proposed() -> None:
    call = call_of(Mlspp, Ours)
    with pytest.raises(Refused, match="failed"):
        call.members[0].follow(call.ours().commit().commit)
