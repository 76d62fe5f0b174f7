"""OpenMLS and ours in one group, as far as davey's voice sessions let OpenMLS go.

OpenMLS founds groups, joins, is joined, commits, follows commits, and takes an external sender's
word.  It has no say over application messages, pre-shared keys or ReInit here: davey does not
offer them.  Both sides agree when the epoch authenticator is the same, for the whole key schedule
stands behind it.
"""

from __future__ import annotations

import os

import pytest

from alcove.mls import (
    Add,
    GroupContextExtensions,
    LeafTemplate,
    OwnCommit,
    PublicGroup,
    Remove,
    StagedCommit,
    decode_key_package,
    join_by_commit,
)
from tests.interop.voice import (
    KEY_PACKAGE_HEAD,
    POLICY,
    Call,
    Made,
    OpenMls,
    Ours,
    open_frame,
)

pytest.importorskip(
    "davey", reason="davey (OpenMLS) has no wheel for this machine", exc_type=ImportError
)


def call_of(*kinds: type[OpenMls] | type[Ours]) -> Call:
    """Return a call of such members; the first has founded it and added the others."""
    call = Call()
    first, *others = (kind(1001 + at, call.server) for at, kind in enumerate(kinds))
    call.found(first)
    for other in others:
        call.welcome(other)
    return call


def three() -> tuple[Call, OpenMls, Ours, OpenMls]:
    """Return a call with ours between two of OpenMLS, all at home on their leaves."""
    call = call_of(OpenMls, Ours, OpenMls)
    first, ours, last = call.members
    assert isinstance(first, OpenMls)
    assert isinstance(ours, Ours)
    assert isinstance(last, OpenMls)
    return call, first, ours, last


def come_in(call: Call, seat: Ours, *, replaces: int | None = None) -> OwnCommit:
    """Make the external commit by which a member of ours comes into a call."""
    public = PublicGroup.from_group_info(call.ours().group.group_info(), POLICY)
    template = LeafTemplate.of(seat.bundle.package.leaf)
    return join_by_commit(public, seat.key, template, os.urandom, replaces=replaces)


@pytest.mark.parametrize("founder", [OpenMls, Ours])
def test_openmls_and_ours_commit_in_turn(founder: type[OpenMls] | type[Ours]) -> None:
    call = call_of(founder, Ours, OpenMls, Ours)
    for at, committer in enumerate(list(call.members)):
        newcomer = (OpenMls, Ours)[at % 2](1010 + at, call.server)
        call.welcome(newcomer, committer=committer)
        call.dismiss(call.leaf_of(newcomer), committer=committer)
    assert call.epoch == 11


@pytest.mark.parametrize("founder", [OpenMls, Ours])
def test_openmls_and_ours_let_several_in_at_once(founder: type[OpenMls] | type[Ours]) -> None:
    call = call_of(founder)
    kinds: list[type[OpenMls] | type[Ours]] = [Ours, OpenMls] * 4
    call.welcome(*(kind(1011 + at, call.server) for at, kind in enumerate(kinds)))
    assert len(call.members) == 9


def test_openmls_joins_by_an_add_that_nobody_had_proposed() -> None:
    call = call_of(Ours)
    joiners = [OpenMls(1002, call.server), OpenMls(1003, call.server)]
    call.deliver(call.ours().commit(*call.adds(*joiners)), joiners)
    joiner = OpenMls(1004, call.server)
    call.deliver(call.ours().commit(*call.adds(joiner)), [joiner])
    assert call.epoch == 2


def test_openmls_follows_a_path_without_proposals() -> None:
    call, _, ours, _ = three()
    for _ in range(3):
        call.deliver(ours.commit())
    assert call.epoch == 5


def test_openmls_follows_a_removal_by_value() -> None:
    call, first, ours, _ = three()
    call.members.remove(first)
    call.deliver(ours.commit(Remove(0)))
    assert [index for index, _ in ours.group.public.tree.leaves()] == [1, 2]


def test_openmls_commits_what_a_member_of_ours_proposes() -> None:
    call, first, ours, last = three()
    newcomer = OpenMls(1010, call.server)
    package = decode_key_package(KEY_PACKAGE_HEAD + newcomer.key_package())
    proposed = ours.group.propose(Add(package), os.urandom, private=False)
    ours.group = proposed.group
    made = first.answer([proposed.message])
    assert made is not None
    last.answer([proposed.message])
    call.deliver(made, [newcomer])
    assert call.leaf_of(newcomer) == 3


def test_openmls_follows_new_extensions_that_come_with_a_path() -> None:
    call, _, ours, _ = three()
    call.deliver(ours.commit(GroupContextExtensions((call.server.extension,))))
    call.deliver(ours.commit(GroupContextExtensions(())))
    assert ours.group.public.context.extensions == ()


def test_openmls_sees_ours_come_in_and_come_back_by_external_commits() -> None:
    call, _, ours, _ = three()
    newcomer = Ours(1010, call.server)
    for replaces in (None, 3):
        commit = come_in(call, newcomer, replaces=replaces)
        call.members = [member for member in call.members if member is not newcomer]
        call.deliver(Made(commit.message, None))
        newcomer.group = commit.merge()
        call.members.append(newcomer)
        call.agree()
        assert call.leaf_of(newcomer) == 3
    call.deliver(newcomer.commit())
    assert ours.group.epoch == call.epoch == 5


def test_openmls_takes_a_proposal_back() -> None:
    call, first, ours, _ = three()
    (add,) = call.adds(OpenMls(1010, call.server))
    message = call.server.propose(call.epoch, add)
    assert first.answer([message]) is not None
    proposed = ours.group.receive(message)
    assert not isinstance(proposed, StagedCommit)
    (reference,) = proposed.group.public.proposals
    assert first.revoke([reference]) is None


def test_a_member_of_ours_hears_that_openmls_removes_it() -> None:
    call, first, ours, last = three()
    removal = call.server.propose(call.epoch, Remove(1))
    heard = ours.group.receive(removal)
    made = first.answer([removal])
    assert made is not None
    last.answer([removal])
    staged = heard.group.receive(made.commit)
    assert isinstance(staged, StagedCommit)
    assert staged.removes_me


def test_openmls_hears_that_ours_removes_it() -> None:
    _, first, ours, last = three()
    commit = ours.commit(Remove(0)).commit
    last.follow(commit)
    with pytest.raises(ValueError, match="UseAfterEviction"):
        first.follow(commit)


def test_openmls_and_ours_export_the_same() -> None:
    call, first, ours, last = three()
    call.deliver(ours.commit())
    for member in (first, last):
        frame = member.frame(b"exported" * 5)
        assert open_frame(ours.group, member.user, frame) == b"exported" * 5


# ---- What OpenMLS does otherwise ----


def test_openmls_refuses_an_extension_without_meaning() -> None:
    call = call_of(OpenMls)
    ours = Ours(1002, call.server)
    ours.bundle = ours.new_bundle(grease=True)
    with pytest.raises(ValueError, match="KeyPackageVerifyError\\(UnsupportedExtension\\)"):
        call.welcome(ours)


def test_davey_wants_handshakes_in_the_open() -> None:
    _, first, ours, _ = three()
    with pytest.raises(ValueError, match="IncompatibleWireFormat"):
        first.follow(ours.commit(private=True).commit)
