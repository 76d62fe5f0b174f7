"""Bad input of every kind: an error of ours that names the rule, nothing changed, no time wasted.

One test per rule stands in `tests.mls.rules`; here are the kinds of trouble that a server, a
stranger or a broken client makes.  Time is counted in steps, not in seconds, so that the tests say
the same on every machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import FrameType
from typing import Any

import pytest

from alcove.mls import (
    Add,
    Capabilities,
    Custom,
    DecodeError,
    Extension,
    ExternalPsk,
    ExternalSender,
    GroupContextExtensions,
    LeafNode,
    Lost,
    PeerError,
    PreSharedKey,
    Proposal,
    PskId,
    PublicMessage,
    RatchetTree,
    Remove,
    RuleBroken,
    Welcome,
    basic,
    codec,
    decode_group_info,
    decode_key_package,
    decode_message,
    external_senders,
    join_group,
    standard_suites,
    suites_on,
    x509,
)
from alcove.mls.codec import MAX_ITEMS, Reader, decode, opaque, u16, vector
from alcove.mls.commit import Commit, read_commit
from alcove.mls.extensions import allowed_senders, read_extensions, required_capabilities
from alcove.mls.framing import COMMIT, PROPOSAL, Content
from alcove.mls.leaf import check_leaf_alone, check_supports
from alcove.mls.provider import Hpke
from alcove.mls.pyca import Pyca
from alcove.mls.tree import ParentNode
from alcove.mls.tree_checks import check_parents, check_supports_credentials
from fuzz.corpus import certificate
from tests.mls.world import Person, World, refusal


def three() -> tuple[World, Person, Person, Person]:
    """Return a world in which Alice, Bob and Carol have a group."""
    world = World()
    alice, bob, carol = world.group("alice", "bob", "carol")
    return world, alice, bob, carol


def content_of(message: bytes) -> Content:
    """Return the content of a public message."""
    decoded = decode_message(message)
    assert isinstance(decoded, PublicMessage)
    return decoded.content


def sent(person: Person, proposals: tuple[Proposal, ...], **changes: Any) -> bytes:
    """Return a commit of these proposals, signed and tagged by a member who checks nothing."""
    group = person.group
    content = group.sign_content(COMMIT, Commit(proposals, None), b"")
    content = replace(content, confirmation_tag=bytes(32), **changes)
    return group.send(content, person.world.entropy).message


# What arrives at a member.

Bad = Callable[[World, Person, Person], bytes]


def _wrong_epoch(world: World, alice: Person, _bob: Person) -> bytes:
    message = alice.commit(path=True).message
    world.commit("alice", path=True)
    return message


def _wrong_epoch_in_private(world: World, alice: Person, _bob: Person) -> bytes:
    message = alice.seal(b"hello")
    world.commit("alice", path=True)
    return message


def _replayed(_world: World, alice: Person, bob: Person) -> bytes:
    message = alice.seal(b"hello")
    bob.read(message)
    return message


def _of_another_group(world: World, _alice: Person, _bob: Person) -> bytes:
    other = World(9)
    (mallory, _) = other.group("mallory", "trudy", group_id=b"another room")
    assert world.log
    return mallory.commit(path=True).message


def _forged(world: World, alice: Person, bob: Person) -> bytes:
    """Carol signs what should be Alice's."""
    carol = world.person("carol")
    content = alice.group.sign_content(PROPOSAL, Remove(bob.leaf), b"")
    signature = (
        replace(alice.group, signing_key=carol.signing_key)
        .sign_content(PROPOSAL, Remove(bob.leaf), b"")
        .signature
    )
    return alice.group.send(replace(content, signature=signature), world.entropy).message


def _unsigned(world: World, alice: Person, bob: Person) -> bytes:
    content = alice.group.sign_content(PROPOSAL, Remove(bob.leaf), b"")
    return alice.group.send(replace(content, signature=b""), world.entropy).message


def _unsigned_in_private(world: World, alice: Person, bob: Person) -> bytes:
    content = alice.group.sign_content(PROPOSAL, Remove(bob.leaf), b"", private=True)
    return alice.group.send(replace(content, signature=b""), world.entropy).message


def _out_of_order(_world: World, alice: Person, _bob: Person) -> bytes:
    """The proposal has not come yet."""
    alice.propose(GroupContextExtensions(()))
    return alice.commit().message


def _self_removing(_world: World, alice: Person, _bob: Person) -> bytes:
    return sent(alice, (Remove(alice.leaf),))


def _duplicated(_world: World, alice: Person, bob: Person) -> bytes:
    return sent(alice, (Remove(bob.leaf), Remove(bob.leaf)))


def _wrong_suite(world: World, alice: Person, _bob: Person) -> bytes:
    stranger = World(9, suite=3).person("dave")
    assert world.suite.id != stranger.world.suite.id
    return sent(alice, (Add(stranger.bundle.package),))


def _without_a_path(_world: World, alice: Person, bob: Person) -> bytes:
    return sent(alice, (Remove(bob.leaf),))


def _of_nobody(world: World, alice: Person, _bob: Person) -> bytes:
    stranger = World(9).person("mallory")
    group = replace(alice.group, me=7, signing_key=stranger.signing_key)
    content = group.sign_content(PROPOSAL, GroupContextExtensions(()), b"")
    return group.send(content, world.entropy).message


def _of_the_wrong_kind(_world: World, alice: Person, _bob: Person) -> bytes:
    return alice.bundle.message()


def _too_large(_world: World, _alice: Person, bob: Person) -> bytes:
    return bytes(bob.group.public.policy.max_message_bytes + 1)


def _non_canonical(_world: World, alice: Person, _bob: Person) -> bytes:
    """The group's name behind a length of two bytes, where one would do."""
    message = alice.commit(path=True).message
    return message[:4] + b"\x40" + message[4:]


def _with_a_tail(_world: World, alice: Person, _bob: Person) -> bytes:
    return alice.commit(path=True).message + b"\x00"


def _too_many(_world: World, alice: Person, _bob: Person) -> bytes:
    return sent(alice, (Custom(0xF000, b""),) * (MAX_ITEMS + 1))


BAD: dict[str, Bad] = {
    "codec-too-large": _too_large,
    "codec-too-many": _too_many,
    "codec-trailing": _with_a_tail,
    "codec-varint-minimal": _non_canonical,
    "commit-duplicate-remove": _duplicated,
    "commit-path-required": _without_a_path,
    "commit-self-remove": _self_removing,
    "commit-unknown-reference": _out_of_order,
    "frame-epoch": _wrong_epoch,
    "frame-group-id": _of_another_group,
    "frame-sender-leaf": _of_nobody,
    "frame-signature": _forged,
    "frame-wire-format": _of_the_wrong_kind,
    "kp-suite-matches-group": _wrong_suite,
    "private-epoch-kept": _wrong_epoch_in_private,
    "private-generation-reused": _replayed,
}


@pytest.mark.parametrize("rule", sorted(BAD))
def test_a_bad_message_is_refused_by_name_and_changes_nothing(rule: str) -> None:
    world, alice, bob, _ = three()
    message = BAD[rule](world, alice, bob)
    assert refusal(bob.group, message) == rule


@pytest.mark.parametrize("make", [_unsigned, _unsigned_in_private])
def test_an_unsigned_message_is_refused(make: Bad) -> None:
    world, alice, bob, _ = three()
    assert refusal(bob.group, make(world, alice, bob)) == "frame-signature"


def test_a_commit_that_comes_twice_is_refused() -> None:
    world, _, bob, _ = three()
    commit = world.commit("alice", path=True)
    assert refusal(bob.group, commit.message) == "frame-epoch"


def test_every_beginning_of_a_message_is_refused() -> None:
    _, alice, bob, _ = three()
    for message in (alice.commit(path=True).message, alice.seal(b"hello")):
        for end in range(len(message)):
            with pytest.raises(DecodeError, match="codec-truncated"):
                bob.group.receive(message[:end])


def test_an_error_never_shows_what_was_sent() -> None:
    _, alice, bob, _ = three()
    message = sent(alice, (Custom(0xF000, b"a secret of the peer"),))
    with pytest.raises(PeerError) as refused:
        bob.group.receive(message)
    assert str(refused.value) == f"refused by rule {refused.value.rule}"


class Saboteur(Pyca):
    """A provider that spoils what is sealed to some keys, and does all else as it should."""

    def __init__(self) -> None:
        self.victims: list[bytes] = []

    def _spoiled(self, public: bytes, sealed: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
        enc, text = sealed
        return (enc, text[:-1] + bytes([text[-1] ^ 1])) if public in self.victims else sealed

    def hpke_seal(self, hpke: Hpke, public: bytes, info: bytes, data: bytes) -> tuple[bytes, bytes]:
        return self._spoiled(public, super().hpke_seal(hpke, public, info, data))

    def hpke_seal_many(
        self, hpke: Hpke, publics: Sequence[bytes], info: bytes, data: Sequence[bytes]
    ) -> list[tuple[bytes, bytes]]:
        sealed = super().hpke_seal_many(hpke, publics, info, data)
        return [self._spoiled(*each) for each in zip(publics, sealed, strict=True)]


def test_a_commit_that_only_some_can_open_leaves_the_others_able_to_come_back() -> None:
    saboteur = Saboteur()
    world = World(suites=suites_on(saboteur))
    alice, bob, carol = world.group("alice", "bob", "carol")
    saboteur.victims.append(bob.group.leaf.encryption_key)
    commit = alice.commit(path=True)
    saboteur.victims.clear()
    carol.receive(commit.message)
    alice.group = commit.merge()
    assert refusal(bob.group, commit.message) == "path-decrypt"
    with pytest.raises(Lost) as lost:
        bob.group.receive(commit.message)
    public = lost.value.public.check_group_info(carol.group.group_info())
    world.join_by_commit("bob", public, replaces=bob.leaf)
    world.everyone_agrees()


# What arrives at somebody who wants in.


def test_a_welcome_for_another_suite_is_refused() -> None:
    world, alice, _, _ = three()
    dave = world.person("dave")
    welcome = alice.commit(Add(dave.bundle.package)).welcome
    assert welcome is not None
    with pytest.raises(RuleBroken, match="welcome-suite"):
        join_group(welcome, World(suite=3).person("dave").bundle, world.policy)


def test_a_welcome_for_somebody_else_is_refused() -> None:
    world, alice, _, _ = three()
    welcome = alice.commit(Add(world.person("dave").bundle.package)).welcome
    assert welcome is not None
    with pytest.raises(RuleBroken, match="welcome-recipient"):
        world.person("erin").join(welcome)


def test_every_beginning_of_a_welcome_is_refused() -> None:
    world, alice, _, _ = three()
    dave = world.person("dave")
    welcome = alice.commit(Add(dave.bundle.package)).welcome
    assert welcome is not None
    for end in range(len(welcome)):
        with pytest.raises(DecodeError, match="codec-truncated"):
            dave.join(welcome[:end])


@pytest.mark.parametrize("decoder", [decode_message, decode_key_package, decode_group_info])
def test_a_decoder_takes_no_more_than_its_limit(decoder: Callable[[bytes, int], object]) -> None:
    with pytest.raises(DecodeError, match="codec-too-large"):
        decoder(bytes(1001), 1000)


# Certificates, which another library reads.


def x509_leaf(before: bytes, after: bytes) -> LeafNode:
    """Return a leaf whose certificate has some bytes exchanged for others."""
    person = World().person("alice")
    person.world.capabilities = Capabilities(suites=(1,), credentials=(2,))
    made = certificate(person.signing_key.private)
    assert made.count(before) == 1
    chain = (made.replace(before, after),)
    return person.new_key_package(credential=x509(chain)).package.leaf


SERIAL = bytes.fromhex("a003020102020107")
"""In a certificate: version 3, serial number 7."""


def test_a_certificate_with_the_leaf_s_key_is_accepted() -> None:
    check_leaf_alone(x509_leaf(SERIAL, SERIAL), standard_suites()[1])


@pytest.mark.parametrize(
    "damaged",
    [
        bytes.fromhex("a00302010a020107"),  # A version that there is not.
        bytes.fromhex("a003020102020100"),  # A serial number that is not allowed.
        bytes.fromhex("a003020102040107"),  # Something else than a number.
    ],
)
def test_a_certificate_that_makes_no_sense_is_refused(damaged: bytes) -> None:
    with pytest.raises(RuleBroken, match="cred-x509-key-match"):
        check_leaf_alone(x509_leaf(SERIAL, damaged), standard_suites()[1])


# Time, counted in calls and comparisons: four times the input may take little more than that.


class Counted(int):
    """A number that counts how often it is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return int.__eq__(self, other)

    __hash__ = int.__hash__


def steps(work: Callable[[], object]) -> int:
    """Return how many calls and comparisons the work takes, whether it is refused or not."""
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    Counted.compared = 0
    sys.setprofile(count)
    try:
        work()
    except PeerError:
        pass
    finally:
        sys.setprofile(None)
    return calls + Counted.compared


def _extensions(count: int) -> tuple[Extension, ...]:
    return tuple(Extension(Counted(0x1000 + at), b"") for at in range(count))


def _numbers(count: int) -> tuple[Counted, ...]:
    return tuple(Counted(0x1000 + at) for at in reversed(range(count)))


def _busy_leaf(count: int) -> LeafNode:
    """A leaf that carries much and supports all of it."""
    leaf = World().person("alice").bundle.package.leaf
    numbers = _numbers(count)
    supported = Capabilities((1,), (1,), numbers, numbers, (Counted(1), *numbers))
    return replace(leaf, capabilities=supported, extensions=_extensions(count))


def _own_extensions(count: int) -> Callable[[], object]:
    leaf = _busy_leaf(count)
    return lambda: check_leaf_alone(leaf, standard_suites()[1])


def _group_extensions(count: int) -> Callable[[], object]:
    leaf, extensions = _busy_leaf(count), _extensions(count)
    return lambda: check_supports(leaf, extensions, ((), (), ()))


def _required(count: int) -> Callable[[], object]:
    leaf, numbers = _busy_leaf(count), _numbers(count)
    return lambda: check_supports(leaf, (), (numbers, numbers, numbers))


def _credentials(count: int) -> Callable[[], object]:
    leaf, numbers = _busy_leaf(count), _numbers(count)
    return lambda: check_supports_credentials(leaf, numbers)


def _tree(count: int, parents: Callable[[int, int], ParentNode | None]) -> RatchetTree:
    """Return a tree of `count` leaves; `parents` gets the first and the last leaf below."""
    leaf = World().person("alice").bundle.package.leaf
    nodes: list[Any] = [leaf if at % 2 == 0 else None for at in range(2 * count - 1)]
    for at in range(1, len(nodes), 2):
        reach = (at ^ (at + 1)) >> 1  # To the leaves furthest left and right.
        nodes[at] = parents((at - reach) // 2, (at + reach) // 2)
    return RatchetTree._from_nodes(standard_suites()[1], nodes)


def _unmerged_everywhere(count: int) -> Callable[[], object]:
    """Every leaf is listed as new in every parent above it."""

    def parent(first: int, last: int) -> ParentNode:
        return ParentNode(bytes(32), b"", tuple(map(Counted, range(first, last + 1))))

    tree = _tree(count, parent)
    return lambda: check_parents(tree)


def _blank_but_for_the_root(count: int) -> Callable[[], object]:
    def parent(first: int, last: int) -> ParentNode | None:
        return ParentNode(bytes(32), b"") if last - first + 1 == count else None

    tree = _tree(count, parent)
    return lambda: check_parents(tree)


def _reads(encoded: Callable[[int], bytes], read: Callable[[Reader], object]) -> Any:
    def case(count: int) -> Callable[[], object]:
        data = encoded(count)
        return lambda: decode(data, read)

    return case


def _extension_list(count: int) -> bytes:
    return vector(u16(at) + b"\x00" for at in range(count))


def _commit(count: int) -> bytes:
    return Commit((Custom(0xF000, b"x"),) * count, None).encode()


def _senders(count: int) -> Callable[[], object]:
    extension = external_senders([ExternalSender(bytes(32), basic(b"server"))] * count)
    return lambda: allowed_senders((extension,))


def _capability_lists(count: int) -> Callable[[], object]:
    lists = b"".join(vector(u16(at) for at in range(count)) for _ in range(3))
    return lambda: required_capabilities((Extension(3, lists),))


def _welcome(count: int) -> Callable[[], object]:
    """A Welcome for many, none of whom is Dave."""
    world, alice, _, _ = three()
    made = alice.commit(Add(world.person("erin").bundle.package)).welcome
    assert made is not None
    welcome = decode_message(made)
    assert isinstance(welcome, Welcome)
    message = replace(welcome, secrets=welcome.secrets * count).message()
    dave = world.person("dave")
    return lambda: dave.join(message)


def _received(proposals: Callable[[Person, int], tuple[Proposal, ...]]) -> Any:
    def case(count: int) -> Callable[[], object]:
        _, alice, bob, _ = three()
        message = sent(alice, proposals(alice, count))
        return lambda: bob.group.receive(message)

    return case


def _keys(alice: Person, count: int) -> tuple[Proposal, ...]:
    key, entropy = ExternalPsk(b"key"), alice.world.entropy
    return tuple(PreSharedKey(PskId(key, entropy(32))) for _ in range(count))


def _customs(_alice: Person, count: int) -> tuple[Proposal, ...]:
    return tuple(Custom(0xF000 + at, b"") for at in range(count))


def _garbage(count: int) -> Callable[[], object]:
    _, _, bob, _ = three()
    message = bytes(range(256)) * count
    return lambda: bob.group.receive(message)


CASES: dict[str, Callable[[int], Callable[[], object]]] = {
    "a leaf's own extensions": _own_extensions,
    "a group's extensions": _group_extensions,
    "required capabilities": _required,
    "types of credentials": _credentials,
    "leaves that are new everywhere": _unmerged_everywhere,
    "a tree that is blank but for its root": _blank_but_for_the_root,
    "a list of extensions": _reads(_extension_list, read_extensions),
    "a commit of many proposals": _reads(_commit, read_commit),
    "a list of external senders": _senders,
    "three lists of numbers": _capability_lists,
    "a Welcome for many": _welcome,
    "many pre-shared keys": _received(_keys),
    "many unknown proposals": _received(_customs),
    "garbage": _garbage,
}


@pytest.mark.parametrize("name", list(CASES))
def test_four_times_the_input_takes_little_more_than_four_times_the_steps(name: str) -> None:
    few, many = (steps(CASES[name](count)) for count in (64, 256))
    assert many <= 8 * few  # With a tree's logarithms; quadratic work would be sixteen times.


def test_long_lists_from_strangers_are_not_remembered() -> None:
    before = codec._numbers.cache_info().currsize
    for number in range(100):
        data = number.to_bytes(2, "big") * 1000
        decode(opaque(data), lambda reader: reader.numbers("H"))
    assert codec._numbers.cache_info().currsize == before


def test_garbage_is_refused_in_as_many_steps_whatever_its_size() -> None:
    small, large = (steps(_garbage(count)) for count in (4, 4096))
    assert small == large <= 20
