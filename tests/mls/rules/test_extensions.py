"""Rules about extensions, and about GREASE: values that mean nothing (section 13 of RFC 9420)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import alcove.mls
from alcove.mls import (
    APPLICATION_ID,
    Add,
    Capabilities,
    CommitOptions,
    Credential,
    Custom,
    Extension,
    ExternalSender,
    GroupContextExtensions,
    KeyPackage,
    LeafTemplate,
    PeerError,
    PublicGroup,
    ReInit,
    Remove,
    RequiredCapabilities,
    Update,
    UsageError,
    basic,
    create_group,
    external_senders,
    join_by_commit,
    new_key_package,
    propose_as_outsider,
)
from alcove.mls.extensions import GREASE
from tests.mls.rules.frankenstein import (
    LENIENT,
    LONG,
    SUITE,
    device,
    dice,
    following,
    goes_on,
    leaf_of,
    new_leaf,
    proposed,
    re_info,
    re_package,
    refused,
    refuses,
    room,
    signer,
)
from tests.mls.rules.surgery import declines, forge, mixed_room

OURS = 0xF042
"""A type of extension, proposal or credential that only our own program knows."""
KNOWS_OURS = Capabilities((1,), (1,), (OURS,), (OURS,), (1, OURS))
OUR_EXTENSION = Extension(OURS, b"!")

TWICE = (Extension(APPLICATION_ID, b"one"), Extension(APPLICATION_ID, b"two"))

SERVER = external_senders([ExternalSender(signer("server").public, basic(b"server"))])
SOME_GREASE = (0x0A0A, 0x7A7A, 0xEAEA)


# Lists of extensions.


@pytest.mark.rule("ext-no-duplicate-types")
def test_ext_no_duplicate_types() -> None:
    alice, bob, _ = room()
    message = forge(alice, [GroupContextExtensions(TWICE)]).message
    declines("ext-no-duplicate-types", bob, alice, message)


@pytest.mark.rule("ext-no-duplicate-types")
def test_ext_no_duplicate_types_in_an_update() -> None:
    alice, bob, _ = room()
    message = proposed(alice, Update(new_leaf(alice, extensions=TWICE)))
    refuses(bob, alice, message, "ext-no-duplicate-types")


@pytest.mark.rule("ext-no-duplicate-types")
def test_ext_no_duplicate_types_in_a_key_package() -> None:
    alice, bob, _ = room()
    message = proposed(alice, Add(re_package(device("dora"), extensions=TWICE)))
    refuses(bob, alice, message, "ext-no-duplicate-types")


@pytest.mark.rule("ext-no-duplicate-types")
def test_ext_no_duplicate_types_in_a_reinit() -> None:
    alice, bob, _ = room()
    message = proposed(alice, ReInit(b"second", 1, 1, TWICE))
    refuses(bob, alice, message, "ext-no-duplicate-types")


@pytest.mark.rule("ext-no-duplicate-types")
@pytest.mark.parametrize("field", ["extensions", "info_extensions"])
def test_ext_no_duplicate_types_in_a_group_info(field: str) -> None:
    alice, _, _ = room()
    wrong: dict[str, Any] = {field: TWICE}
    info = re_info(alice, **wrong).message()
    with refused("ext-no-duplicate-types"):
        PublicGroup.from_group_info(info, LENIENT)


# Those of a group.


@pytest.mark.rule("ext-required-supported")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("extensions", marks=pytest.mark.rule("leaf-required-extensions")),
        pytest.param("proposals", marks=pytest.mark.rule("leaf-required-proposals")),
        pytest.param("credentials", marks=pytest.mark.rule("leaf-required-credentials")),
    ],
)
def test_ext_required_supported(kind: str) -> None:
    alice, bob, _ = mixed_room(KNOWS_OURS)
    required = RequiredCapabilities(**{kind: (OURS,)})
    message = forge(alice, [GroupContextExtensions((required.extension(),))]).message
    declines(f"leaf-required-{kind}", bob, alice, message)


@pytest.mark.rule("ext-required-supported")
def test_ext_required_supported_by_who_joins() -> None:
    alice, bob, _ = room(capabilities=KNOWS_OURS)
    required = GroupContextExtensions((RequiredCapabilities(proposals=(OURS,)).extension(),))
    message = forge(alice, [required, Add(device("dora").package)]).message
    declines("leaf-required-proposals", bob, alice, message)


@pytest.mark.rule("ext-required-supported")
def test_ext_required_supported_by_all_but_who_leaves() -> None:
    alice, bob, carol = mixed_room(KNOWS_OURS)
    required = GroupContextExtensions((RequiredCapabilities(proposals=(OURS,)).extension(),))
    made = alice.commit([required, Remove(carol.me)], entropy=dice("commit"))
    assert goes_on(made.merge(), following(bob, made.message))


@pytest.mark.parametrize(
    ("rule", "extension"),
    [
        pytest.param(
            "leaf-required-extensions",
            RequiredCapabilities(extensions=(OURS,)).extension(),
            marks=pytest.mark.rule("ext-required-supported"),
        ),
        pytest.param(
            "leaf-group-extensions-supported",
            OUR_EXTENSION,
            marks=pytest.mark.rule("ext-supported-by-all"),
        ),
    ],
)
def test_ext_required_supported_for_who_commits(rule: str, extension: Extension) -> None:
    alice, bob, _ = mixed_room(KNOWS_OURS)
    with refused(rule, alice):
        alice.commit([GroupContextExtensions((extension,))], entropy=dice("commit"))
    assert goes_on(alice, bob)


@pytest.mark.rule("ext-supported-by-all", "leaf-group-extensions-supported")
def test_ext_supported_by_all() -> None:
    alice, bob, _ = mixed_room(KNOWS_OURS)
    message = forge(alice, [GroupContextExtensions((OUR_EXTENSION,))]).message
    declines("leaf-group-extensions-supported", bob, alice, message)


@pytest.mark.rule("ext-replaced-whole")
def test_ext_replaced_whole() -> None:
    alice, bob, _ = room(capabilities=KNOWS_OURS, extensions=(SERVER, OUR_EXTENSION))
    new = (Extension(OURS, b"?"),)
    made = alice.commit([GroupContextExtensions(new)], entropy=dice("commit"))
    after = following(bob, made.message)
    assert made.merge().public.context.extensions == after.public.context.extensions == new


# GREASE that we do not send.


@pytest.mark.rule("grease-proposal-type")
@pytest.mark.parametrize("value", SOME_GREASE)
def test_grease_proposal_type(value: int) -> None:
    alice, _, _ = room()
    with pytest.raises(UsageError):
        alice.propose(Custom(value, b""), dice("propose"))
    with pytest.raises(UsageError):
        alice.commit([Custom(value, b"")], entropy=dice("commit"))
    with pytest.raises(UsageError):
        propose_as_outsider(
            SUITE, alice.group_id, alice.epoch, 0, signer("server"), Custom(value, b"")
        )


@pytest.mark.rule("grease-credential-type")
@pytest.mark.parametrize("value", SOME_GREASE)
def test_grease_credential_type(value: int) -> None:
    with pytest.raises(UsageError):
        new_key_package(SUITE, Credential(value, b"dora"), signer("dora"), LONG, dice("dora"))


@pytest.mark.rule("grease-credential-type")
@pytest.mark.parametrize("value", SOME_GREASE)
def test_grease_credential_type_of_a_later_leaf(value: int) -> None:
    listed = Capabilities(suites=(1,), credentials=(1, value))
    alice, _, _ = room(capabilities=listed)
    template = LeafTemplate.of(leaf_of(alice))._replace(credential=Credential(value, b"alice"))
    public = PublicGroup.from_group_info(alice.group_info(), LENIENT)
    with pytest.raises(UsageError):
        alice.propose_update(dice("update"), template=template)
    with pytest.raises(UsageError):
        alice.commit([], entropy=dice("commit"), options=CommitOptions(template=template))
    with pytest.raises(UsageError):
        join_by_commit(public, signer("dora"), template, dice("join"))


@pytest.mark.rule("grease-group-context")
@pytest.mark.parametrize("value", SOME_GREASE)
def test_grease_group_context(value: int) -> None:
    greased = (Extension(value, b""),)
    alice, _, _ = room()
    with pytest.raises(UsageError):
        create_group(device("alice"), b"room", LENIENT, dice("create"), extensions=greased)
    with pytest.raises(UsageError):
        alice.commit([ReInit(b"second", 1, 1, greased)], entropy=dice("commit"))


@pytest.mark.rule("grease-group-context-extensions")
@pytest.mark.parametrize("value", SOME_GREASE)
def test_grease_group_context_extensions(value: int) -> None:
    alice, _, _ = room()
    proposal = GroupContextExtensions((Extension(value, b""),))
    with pytest.raises(UsageError):
        alice.propose(proposal, dice("propose"))
    with pytest.raises(UsageError):
        alice.commit([proposal], entropy=dice("commit"))
    with pytest.raises(UsageError):
        propose_as_outsider(SUITE, alice.group_id, alice.epoch, 0, signer("server"), proposal)


# GREASE that we send.


def greased(seed: int) -> KeyPackage:
    """Return a key package as a device makes it that supports what `KNOWS_OURS` says."""
    return new_key_package(
        SUITE,
        basic(b"dora"),
        signer("dora"),
        LONG,
        dice(f"greased {seed}"),
        capabilities=KNOWS_OURS,
        leaf_extensions=(OUR_EXTENSION,),
    ).package


@pytest.mark.rule("grease-fields-only")
def test_grease_fields_only() -> None:
    for package in map(greased, range(20)):
        leaf, listed = package.leaf, package.leaf.capabilities
        elsewhere = {*listed.versions, package.suite_id, leaf.credential.type, OURS}
        assert elsewhere.isdisjoint(GREASE)
        assert {kind for kind, _ in leaf.extensions} == {OURS}
        assert package.extensions == ()
        assert all(not set(GREASE).isdisjoint(values) for values in listed[1:])


@pytest.mark.rule("grease-compare")
def test_grease_compare() -> None:
    for package in map(greased, range(20)):
        listed = zip(package.leaf.capabilities, KNOWS_OURS, strict=True)
        assert all(set(said).difference(GREASE) == set(real) for said, real in listed)


@pytest.mark.rule("grease-own-list")
def test_grease_own_list() -> None:
    before = tuple(KNOWS_OURS)
    said = greased(0).leaf.capabilities
    assert said != before == tuple(KNOWS_OURS)
    bare = new_key_package(
        SUITE,
        basic(b"dora"),
        signer("dora"),
        LONG,
        dice("bare"),
        capabilities=KNOWS_OURS,
        grease=False,
    )
    assert bare.package.leaf.capabilities == KNOWS_OURS


# GREASE that we get.


def functions_that_know_grease() -> Iterator[str]:
    """Yield the functions of the library that name GREASE, or what knows it."""
    for path in sorted(Path(alcove.mls.__file__).parent.glob("*.py")):
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(function, ast.FunctionDef):
                named = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
                if named & {"GREASE", "_with_grease", "check_own_extensions", "check_sendable"}:
                    yield function.name


@pytest.mark.rule("grease-no-special-case")
def test_grease_no_special_case() -> None:
    making_key_packages = ["_with_grease", "new_key_package"]
    making_leaves = ["_sign"]
    making_groups = ["check_own_extensions", "create_group"]
    making_proposals = ["check_sendable", "make_commit", "propose", "propose_as_outsider"]
    senders = [*making_key_packages, *making_leaves, *making_groups, *making_proposals]
    assert sorted(functions_that_know_grease()) == sorted(senders)


def verdict(receive: Callable[[bytes], object], message: bytes) -> str:
    """Return the rule by which a message is refused, or what it is accepted as."""
    try:
        return type(receive(message)).__name__
    except PeerError as error:
        return error.rule


def follow(info: bytes) -> PublicGroup:
    """Begin to follow a group."""
    return PublicGroup.from_group_info(info, LENIENT)


def verdicts(value: int) -> dict[str, str]:
    """Return what becomes of a value wherever one may stand."""
    alice, bob, _ = room()
    extension = Extension(value, b"?")
    package = re_package(device("dora"), extensions=(extension,))
    info = alice.group_info(extensions=(extension,))
    said = leaf_of(alice).capabilities
    listing = said._replace(proposals=(*said.proposals, value), suites=(*said.suites, value))
    unlisted = Capabilities(suites=(1,), credentials=(1,))
    messages = {
        "capabilities": proposed(alice, Update(new_leaf(alice, capabilities=listing))),
        "key package": proposed(alice, Add(package)),
        "leaf": proposed(
            alice, Update(new_leaf(alice, capabilities=unlisted, extensions=(extension,)))
        ),
        "credential": proposed(
            alice,
            Update(new_leaf(alice, capabilities=unlisted, credential=Credential(value, b"?"))),
        ),
        "proposal": forge(alice, [Custom(value, b"?")]).message,
        "group": forge(alice, [GroupContextExtensions((extension,))]).message,
    }
    found = {name: verdict(bob.receive, message) for name, message in messages.items()}
    return {**found, "group info": verdict(follow, info)}


@pytest.mark.rule("grease-as-unknown")
@pytest.mark.parametrize("value", [*SOME_GREASE, 0xF00D])
def test_grease_as_unknown(value: int) -> None:
    assert verdicts(value) == {
        "capabilities": "ReceivedProposal",
        "key package": "ReceivedProposal",
        "leaf": "leaf-extensions-supported",
        "credential": "leaf-credential-own-capability",
        "proposal": "commit-proposal-supported",
        "group": "leaf-group-extensions-supported",
        "group info": "PublicGroup",
    }
