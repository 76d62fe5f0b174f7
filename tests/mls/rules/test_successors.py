"""Rules about groups that follow from one: by a ReInit, or as a branch (RFC 9420, section 11)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from alcove.mls import (
    Group,
    LeafTemplate,
    PskId,
    ReInit,
    Remove,
    RequiredCapabilities,
    ResumptionPsk,
    UsageError,
    join_by_commit,
    join_group,
    reinit_group,
    standard_suites,
)
from alcove.mls.codec import u16
from alcove.mls.proposals import FOR_BRANCH, FOR_REINIT
from tests.mls.rules.frankenstein import (
    LENIENT,
    SUITE,
    device,
    dice,
    following,
    goes_on,
    lenient,
    proposed,
    refused,
    refuses,
    room,
)
from tests.mls.rules.surgery import Forged, begun, declines, forge, info_on, other_package, welcomed

ALL = ("alice", "bob", "carol")
SECOND = ReInit(b"second", 1, 1)


def ended(reinit: ReInit = SECOND, **options: Any) -> tuple[Group, Group, Group]:
    """Return the members of a group that has been ended in favour of another."""
    alice, bob, carol = room(*ALL, **options)
    made = alice.commit([reinit], entropy=dice("reinit"))
    return made.merge(), following(bob, made.message), following(carol, made.message)


def joined(made: Forged, old: Group, **options: Any) -> Group:
    """Return Bob's group after a Welcome to one that continues an old one."""
    return join_group(welcomed(made), other_package("bob"), LENIENT, follows=old, **options)


def goes_not_on(rule: str, alice: Group, bob: Group, made: Forged, **options: Any) -> None:
    """Expect that Bob refuses a group that should follow the ended one, and joins the right one."""
    with refused(rule, bob):
        joined(made, bob, **options)
    right = begun(alice, FOR_REINIT, *ALL)
    assert goes_on(right.after, joined(right, bob))


def branches_not(rule: str, alice: Group, bob: Group, made: Forged, **options: Any) -> None:
    """Expect that Bob refuses a branch, and joins a right one."""
    with refused(rule, bob):
        joined(made, bob, **options)
    right = begun(alice, FOR_BRANCH, "alice", "bob")
    assert goes_on(right.after, joined(right, bob))
    assert goes_on(alice, bob)


# After a ReInit.


@pytest.mark.rule("reinit-create")
def test_reinit_create() -> None:
    alice, bob, carol = ended()
    others = [other_package(name) for name in ("bob", "carol")]
    packages = [other.package for other in others]
    made = reinit_group(alice, other_package("alice"), packages, LENIENT, dice("reinit"))
    assert made.welcome is not None
    second = [
        join_group(made.welcome, other, LENIENT, follows=old)
        for other, old in zip(others, (bob, carol), strict=True)
    ]
    assert all(goes_on(made.merge(), member) for member in second)


@pytest.mark.rule("reinit-group-id-match")
def test_reinit_group_id_match() -> None:
    alice, bob, _ = ended()
    goes_not_on(
        "reinit-group-id-match", alice, bob, begun(alice, FOR_REINIT, *ALL, group_id=b"third")
    )


@pytest.mark.rule("reinit-version-match")
def test_reinit_version_match() -> None:
    alice, bob, _ = ended(ReInit(b"second", 2, 1))
    with refused("reinit-version-match", bob):
        joined(begun(alice, FOR_REINIT, *ALL), bob)


@pytest.mark.rule("reinit-suite-match")
def test_reinit_suite_match() -> None:
    alice, bob, _ = ended(ReInit(b"second", 1, 3))
    with refused("reinit-suite-match", bob):
        joined(begun(alice, FOR_REINIT, *ALL), bob)


@pytest.mark.rule("reinit-extensions-match")
def test_reinit_extensions_match() -> None:
    alice, bob, _ = ended()
    more = (RequiredCapabilities(credentials=(1,)).extension(),)
    made = begun(alice, FOR_REINIT, *ALL, extensions=more)
    goes_not_on("reinit-extensions-match", alice, bob, made)


@pytest.mark.rule("reinit-epoch")
def test_reinit_epoch() -> None:
    alice, bob, _ = ended()
    goes_not_on("reinit-epoch", alice, bob, begun(alice, FOR_REINIT, *ALL, commits=1))


@pytest.mark.rule("reinit-psk")
def test_reinit_psk() -> None:
    alice, bob, _ = ended(policy=lenient(past_resumptions=1))
    before = alice.epoch - 1
    old = PskId(ResumptionPsk(FOR_REINIT, alice.group_id, before), bytes(SUITE.secret_bytes))
    made = begun(alice, FOR_REINIT, *ALL, psks=[old], secret=alice.resumptions[before])
    goes_not_on("reinit-psk", alice, bob, made)


@pytest.mark.rule("reinit-psk")
def test_reinit_psk_of_another_group() -> None:
    alice, bob, _ = ended()
    other = PskId(ResumptionPsk(FOR_REINIT, b"third", alice.epoch), bytes(SUITE.secret_bytes))
    made = begun(alice, FOR_REINIT, *ALL, psks=[other], secret=b"of the third")
    goes_not_on("reinit-psk", alice, bob, made, psks=lambda _: b"of the third")


@pytest.mark.rule("reinit-psk")
def test_reinit_psk_missing() -> None:
    alice, bob, _ = ended()
    goes_not_on("reinit-psk", alice, bob, begun(alice, FOR_REINIT, *ALL, psks=[]))


@pytest.mark.rule("welcome-psk-alone")
def test_welcome_psk_alone() -> None:
    alice, bob, _ = ended()
    key = ResumptionPsk(FOR_REINIT, alice.group_id, alice.epoch)
    twice = [PskId(key, bytes([at]) * SUITE.secret_bytes) for at in range(2)]
    goes_not_on("welcome-psk-alone", alice, bob, begun(alice, FOR_REINIT, *ALL, psks=twice))


@pytest.mark.rule("reinit-committed")
def test_reinit_committed() -> None:
    alice, bob, _ = room(*ALL)
    branches_not("reinit-committed", alice, bob, begun(alice, FOR_REINIT, *ALL))


@pytest.mark.rule("reinit-members")
def test_reinit_members() -> None:
    alice, bob, _ = ended()
    goes_not_on("reinit-members", alice, bob, begun(alice, FOR_REINIT, "alice", "bob"))


@pytest.mark.rule("reinit-members")
def test_reinit_members_with_somebody_instead() -> None:
    alice, bob, _ = ended()
    goes_not_on("reinit-members", alice, bob, begun(alice, FOR_REINIT, "alice", "bob", "dora"))


@pytest.mark.rule("reinit-version-lower")
def test_reinit_version_lower() -> None:
    alice, bob, _ = room()
    declines("reinit-version-lower", bob, alice, forge(alice, [ReInit(b"second", 0, 1)]).message)


@pytest.mark.rule("reinit-version-lower")
def test_reinit_version_lower_when_proposed() -> None:
    alice, bob, _ = room()
    refuses(bob, alice, proposed(alice, ReInit(b"second", 0, 1)), "reinit-version-lower")


@pytest.mark.rule("reinit-no-send")
def test_reinit_no_send() -> None:
    alice, bob, _ = ended()
    message = forge(alice).message
    with refused("reinit-no-send", bob):
        bob.receive(message)
    right = begun(alice, FOR_REINIT, *ALL)
    assert goes_on(right.after, joined(right, bob))


def test_nobody_sends_in_a_group_that_has_ended() -> None:
    alice, _, _ = ended()
    with pytest.raises(UsageError):
        alice.seal(b"hello", dice("seal"))
    with pytest.raises(UsageError):
        alice.propose(Remove(2), dice("propose"))
    with pytest.raises(UsageError):
        alice.commit([], entropy=dice("commit"))


def test_nobody_joins_a_group_that_has_ended() -> None:
    alice, bob, _ = ended()
    public = bob.public.check_group_info(alice.group_info())
    dora = device("dora")
    with pytest.raises(UsageError):
        join_by_commit(public, dora.signing_key, LeafTemplate.of(dora.package.leaf), dice("join"))


# As a branch.


@pytest.mark.rule("branch-version-match")
def test_branch_version_match() -> None:
    alice, bob, _ = room(*ALL)
    made = begun(alice, FOR_BRANCH, "alice", "bob")
    context = made.after.public.context
    info = info_on(made, replace(context, raw=u16(2) + context.raw[2:]))
    with refused("context-version", bob):
        join_group(welcomed(made, info), other_package("bob"), LENIENT, follows=bob)
    assert goes_on(made.after, joined(made, bob))


@pytest.mark.rule("branch-suite-match")
def test_branch_suite_match() -> None:
    alice, bob, _ = room(*ALL)
    suite = standard_suites()[3]
    made = begun(alice, FOR_BRANCH, "alice", "bob", suite=suite)
    with refused("branch-suite-match", bob):
        join_group(welcomed(made), other_package("bob", suite), LENIENT, follows=bob)
    assert goes_on(alice, bob)


@pytest.mark.rule("branch-epoch")
def test_branch_epoch() -> None:
    alice, bob, _ = room(*ALL)
    branches_not("branch-epoch", alice, bob, begun(alice, FOR_BRANCH, "alice", "bob", commits=1))


@pytest.mark.rule("branch-members")
def test_branch_members() -> None:
    alice, bob, _ = room(*ALL)
    branches_not("branch-members", alice, bob, begun(alice, FOR_BRANCH, "alice", "bob", "dora"))


@pytest.mark.rule("branch-psk")
def test_branch_psk() -> None:
    alice, bob, _ = room(*ALL)
    other = PskId(ResumptionPsk(FOR_BRANCH, b"third", 1), bytes(SUITE.secret_bytes))
    made = begun(alice, FOR_BRANCH, "alice", "bob", psks=[other], secret=b"of the third")
    branches_not("branch-psk", alice, bob, made, psks=lambda _: b"of the third")


def test_a_group_that_continues_another_is_joined_with_the_other_at_hand() -> None:
    alice, _, _ = room(*ALL)
    welcome = welcomed(begun(alice, FOR_BRANCH, "alice", "bob"))
    secret = alice.secrets.resumption
    with pytest.raises(UsageError):
        join_group(welcome, other_package("bob"), LENIENT, psks=lambda _: secret)
